/**
 * Recovery contacts (docs/format.md section 11): who an owner chose to open his backup when the words are lost.
 *
 * Signed records spread by gossip and hold nothing secret in clear: the owner's choice, a contact's request, and the
 * owner's word that it is over. A backup handed over by who leaves is a choice without a wait: half B stands in it, and the
 * colleague may drop it, or pass it on: half A sealed for other machines. Each verifies by the key inside; what it may do is judged by the contact book.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { HoldfastError } from '../../../shared/errors.ts'
import { type MachineId, type NetworkId, type OwnerId, machineIdSchema, networkIdSchema, ownerIdSchema } from '../../../shared/ids.ts'
import { type DeviceCertificate, verifyDeviceCertificate } from '../../identity/device.ts'
import { type PublicJwk, maxRecordLength, peekRecord, publicJwkSchema, secondsSchema, verifyRecord } from '../../identity/jws.ts'
import { type Machine, thumbprint } from '../../identity/machine.ts'
import { recordTypes, sign } from './records.ts'

const v = z.literal(1)
const contactId = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
/** 32 bytes, base64url. */
export const halfSchema = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
const common = { v, net: networkIdSchema, owner: ownerIdSchema, contact: contactId, iat: secondsSchema }
const certificate = z.string().max(maxRecordLength)

const choiceSchema = z.object({
  ...common, certificate,
  /** Machines of whom was chosen. */
  to: z.array(machineIdSchema).min(1).max(8),
  /** Holders release their half so long after they heard of a request; 0 with `open` alone. */
  waitDays: z.int().min(0).max(30),
  /** JWE of the contact's half for the machines in `to`. */
  sealed: z.string().max(8192),
  /** SHA-256 of the half that holders keep, hex. */
  half: z.string().regex(/^[0-9a-f]{64}$/),
  /** Handed over: the holders' half itself. */
  open: halfSchema.optional(),
})
export type ContactChoice = z.infer<typeof choiceSchema>

const requestSchema = z.object({ ...common, jwk: publicJwkSchema, machine: machineIdSchema, why: z.string().max(200) })
export type ContactRequest = z.infer<typeof requestSchema>

const dropSchema = z.object({ ...common, jwk: publicJwkSchema, machine: machineIdSchema })
export type ContactDrop = z.infer<typeof dropSchema>

const passSchema = z.object({
  ...common, jwk: publicJwkSchema, machine: machineIdSchema,
  /** Machines that open it from then on too. */
  to: z.array(machineIdSchema).min(1).max(8),
  /** JWE of the contact's half for the machines in `to`. */
  sealed: z.string().max(8192),
})
export type ContactPass = z.infer<typeof passSchema>

const endSchema = z.object({ ...common, certificate })
export type ContactEnd = z.infer<typeof endSchema>

export type ContactRecord =
  | { readonly kind: 'choice'; readonly jws: string; readonly record: ContactChoice; readonly device: DeviceCertificate }
  | { readonly kind: 'request'; readonly jws: string; readonly record: ContactRequest }
  | { readonly kind: 'drop'; readonly jws: string; readonly record: ContactDrop }
  | { readonly kind: 'pass'; readonly jws: string; readonly record: ContactPass }
  | { readonly kind: 'end'; readonly jws: string; readonly record: ContactEnd; readonly device: DeviceCertificate }

/** Signed by the owner's device whose certificate stands inside. */
export async function signChoice(choice: Omit<ContactChoice, 'v'>, machine: Machine): Promise<string> {
  return await sign(recordTypes.contact, choiceSchema, { v: 1, ...choice }, machine)
}

export async function signRequest(request: { net: NetworkId; owner: OwnerId; contact: string; iat: number; why: string }, machine: Machine): Promise<string> {
  return await sign(recordTypes.contactRequest, requestSchema, { v: 1, ...request, jwk: machine.jwk, machine: machine.id }, machine)
}

/** The colleague needs no more what was handed over. */
export async function signDrop(drop: { net: NetworkId; owner: OwnerId; contact: string; iat: number }, machine: Machine): Promise<string> {
  return await sign(recordTypes.contactDrop, dropSchema, { v: 1, ...drop, jwk: machine.jwk, machine: machine.id }, machine)
}

/** Half A of what was handed over, for other machines; by one that has it. */
export async function signPass(pass: Omit<ContactPass, 'v' | 'jwk' | 'machine'>, machine: Machine): Promise<string> {
  return await sign(recordTypes.contactPass, passSchema, { v: 1, ...pass, jwk: machine.jwk, machine: machine.id }, machine)
}

export async function signEnd(end: Omit<ContactEnd, 'v'>, machine: Machine): Promise<string> {
  return await sign(recordTypes.contactEnd, endSchema, { v: 1, ...end }, machine)
}

/** Throws `record-invalid`, `format-unknown`. */
export async function verifyContactRecord(type: string, jws: string): Promise<ContactRecord> {
  if (type === recordTypes.contactRequest) return { kind: 'request', jws, record: await verifyByMachine(type, jws, requestSchema) }
  if (type === recordTypes.contactDrop) return { kind: 'drop', jws, record: await verifyByMachine(type, jws, dropSchema) }
  if (type === recordTypes.contactPass) return { kind: 'pass', jws, record: await verifyByMachine(type, jws, passSchema) }
  if (type === recordTypes.contactEnd) return { kind: 'end', jws, ...await verifyByDevice(type, jws, endSchema) }
  const choice = await verifyByDevice(type, jws, choiceSchema)
  const { waitDays, open, half } = choice.record
  if ((waitDays === 0) !== (open !== undefined)) throw invalid('it waits for nothing and hands nothing over, or the reverse')
  if (open !== undefined && createHash('sha256').update(Buffer.from(open, 'base64url')).digest('hex') !== half) throw invalid('its open half is another one')
  return { kind: 'choice', jws, ...choice }
}

async function verifyByMachine<T extends { jwk: PublicJwk; machine: MachineId }>(type: string, jws: string, schema: z.ZodType<T>): Promise<T> {
  const { jwk } = peekRecord(type, jws, schema)
  const record = await verifyRecord(type, jws, jwk, schema)
  if (thumbprint(jwk) !== record.machine) throw invalid('its machine is not that of its key')
  return record
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
