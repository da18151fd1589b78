/** A device is an owner on a machine; the certificate by the owner's root key entitles it, for one epoch. */
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import { machineIdSchema, ownerIdSchema } from '../../shared/ids.ts'
import { exchangeJwkSchema, peekRecord, publicJwkSchema, secondsSchema, signRecord, verifyRecord } from './jws.ts'
import { type Machine, thumbprint } from './machine.ts'
import type { OwnerRoot } from './owner.ts'

const type = 'holdfast-device'
const deviceCertificateSchema = z.object({
  v: z.literal(1), owner: ownerIdSchema, root: publicJwkSchema, machine: machineIdSchema, jwk: publicJwkSchema,
  kx: exchangeJwkSchema, epoch: z.int().min(1).max(0xffff_ffff), iat: secondsSchema,
})
export type DeviceCertificate = z.infer<typeof deviceCertificateSchema>

/** `nowMs` in milliseconds since 1970. */
export async function issueDeviceCertificate(owner: OwnerRoot, machine: Pick<Machine, 'id' | 'jwk' | 'exchangeJwk'>, epoch: number, nowMs: number): Promise<string> {
  return await signRecord(type, {
    v: 1, owner: owner.id, root: owner.jwk, machine: machine.id, jwk: machine.jwk, kx: machine.exchangeJwk, epoch,
    iat: Math.floor(nowMs / 1000),
  }, owner)
}

/** Verifies with the root key inside and that both ids are the thumbprints of their keys. Throws `record-invalid`. */
export async function verifyDeviceCertificate(jws: string): Promise<DeviceCertificate> {
  const { root } = peekRecord(type, jws, deviceCertificateSchema)
  const certificate = await verifyRecord(type, jws, root, deviceCertificateSchema)
  if (thumbprint(certificate.root) !== certificate.owner || thumbprint(certificate.jwk) !== certificate.machine) {
    throw new HoldfastError('record-invalid', 'Cannot accept a device certificate: an id is not that of its key')
  }
  return certificate
}
