/**
 * Recovery contacts (docs/format.md section 11): who an owner chose to open his backup when the words are lost.
 *
 * Three signed records spread by gossip and hold nothing secret in clear: the owner's choice, a contact's request, and the
 * owner's word that it is over. Each verifies by the key inside; what it may do is judged by the contact book.
 */
import { z } from 'zod'
import { HoldfastError } from '../../../shared/errors.ts'
import { type NetworkId, type OwnerId, machineIdSchema, networkIdSchema, ownerIdSchema } from '../../../shared/ids.ts'
import { type DeviceCertificate, verifyDeviceCertificate } from '../../identity/device.ts'
import { maxRecordLength, peekRecord, publicJwkSchema, verifyRecord } from '../../identity/jws.ts'
import { type Machine, thumbprint } from '../../identity/machine.ts'
import { recordTypes, sign } from './records.ts'

const v = z.literal(1)
const seconds = z.int().min(0)
const contactId = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
/** 32 bytes, base64url. */
export const halfSchema = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
const common = { v, net: networkIdSchema, owner: ownerIdSchema, contact: contactId, iat: seconds }
const certificate = z.string().max(maxRecordLength)

const choiceSchema = z.object({
  ...common, certificate,
  /** Machines of whom was chosen. */
  to: z.array(machineIdSchema).min(1).max(8),
  /** Holders release their half so long after they heard of a request. */
  waitDays: z.int().min(1).max(30),
  /** JWE of the contact's half for the machines in `to`. */
  sealed: z.string().max(8192),
  /** SHA-256 of the half that holders keep, hex. */
  half: z.string().regex(/^[0-9a-f]{64}$/),
})
export type ContactChoice = z.infer<typeof choiceSchema>

const requestSchema = z.object({ ...common, jwk: publicJwkSchema, machine: machineIdSchema, why: z.string().max(200) })
export type ContactRequest = z.infer<typeof requestSchema>

const endSchema = z.object({ ...common, certificate })
export type ContactEnd = z.infer<typeof endSchema>

export type ContactRecord =
  | { readonly kind: 'choice'; readonly jws: string; readonly record: ContactChoice; readonly device: DeviceCertificate }
  | { readonly kind: 'request'; readonly jws: string; readonly record: ContactRequest }
  | { readonly kind: 'end'; readonly jws: string; readonly record: ContactEnd; readonly device: DeviceCertificate }

/** Signed by the owner's device whose certificate stands inside. */
export async function signChoice(choice: Omit<ContactChoice, 'v'>, machine: Machine): Promise<string> {
  return await sign(recordTypes.contact, choiceSchema, { v: 1, ...choice }, machine)
}

export async function signRequest(request: { net: NetworkId; owner: OwnerId; contact: string; iat: number; why: string }, machine: Machine): Promise<string> {
  return await sign(recordTypes.contactRequest, requestSchema, { v: 1, ...request, jwk: machine.jwk, machine: machine.id }, machine)
}

export async function signEnd(end: Omit<ContactEnd, 'v'>, machine: Machine): Promise<string> {
  return await sign(recordTypes.contactEnd, endSchema, { v: 1, ...end }, machine)
}

/** Throws `record-invalid`, `format-unknown`. */
export async function verifyContactRecord(type: string, jws: string): Promise<ContactRecord> {
  if (type === recordTypes.contactRequest) {
    const { jwk } = peekRecord(type, jws, requestSchema)
    const record = await verifyRecord(type, jws, jwk, requestSchema)
    if (thumbprint(jwk) !== record.machine) throw invalid('its machine is not that of its key')
    return { kind: 'request', jws, record }
  }
  if (type === recordTypes.contactEnd) return { kind: 'end', jws, ...await verifyByDevice(type, jws, endSchema) }
  return { kind: 'choice', jws, ...await verifyByDevice(type, jws, choiceSchema) }
}

async function verifyByDevice<T extends { owner: OwnerId; certificate: string }>(type: string, jws: string, schema: z.ZodType<T>): Promise<{ record: T; device: DeviceCertificate }> {
  const device = await verifyDeviceCertificate(peekRecord(type, jws, schema).certificate)
  const record = await verifyRecord(type, jws, device.jwk, schema)
  if (device.owner !== record.owner) throw invalid('its device certificate is of another owner')
  return { record, device }
}

function invalid(state: string): HoldfastError {
  return new HoldfastError('record-invalid', `Cannot accept a record of a recovery contact: ${state}`)
}
