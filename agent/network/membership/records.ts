/**
 * The signed records of a work group (docs/format.md section 11) and how each verifies by itself: the key that signed
 * stands inside, ids are thumbprints of keys. Whether that key may do what it signed is judged by admission.ts and
 * network-chain.ts. Every verify function throws `record-invalid` or `format-unknown`.
 */
import { X509Certificate, createHash } from 'node:crypto'
import { z } from 'zod'
import { HoldfastError, hasCode } from '../../../shared/errors.ts'
import { machineIdSchema, networkIdSchema, ownerIdSchema } from '../../../shared/ids.ts'
import type { NetworkId } from '../../../shared/ids.ts'
import { type DeviceCertificate, verifyDeviceCertificate } from '../../identity/device.ts'
import {
  type PublicJwk, type Signer, exchangeJwkSchema, maxRecordLength, peekRecord, publicJwkOf, publicJwkSchema, secondsSchema, signRecord,
  verifyRecord, peekType,
} from '../../identity/jws.ts'
import { thumbprint } from '../../identity/machine.ts'
import { isRedundancy } from '../redundancy.ts'

export const recordTypes = {
  network: 'holdfast-network', peer: 'holdfast-peer', device: 'holdfast-device', head: 'holdfast-head',
  invitation: 'holdfast-invitation', claim: 'holdfast-claim', admit: 'holdfast-admit', replace: 'holdfast-replace',
  recovery: 'holdfast-recovery', coverage: 'holdfast-coverage', retention: 'holdfast-retention', consent: 'holdfast-consent',
  contact: 'holdfast-contact', contactRequest: 'holdfast-contact-request', contactEnd: 'holdfast-contact-end', contactDrop: 'holdfast-contact-drop', contactPass: 'holdfast-contact-pass',
} as const

export interface KeySigner extends Signer { readonly jwk: PublicJwk }

const v = z.literal(1)
const seconds = secondsSchema
const id = z.string().regex(/^[A-Za-z0-9_-]{43}$/)
const sha256Hex = z.string().regex(/^[0-9a-f]{64}$/)
const jwsText = z.string().max(maxRecordLength)
export const locatorSchema = z.string().min(1).max(2048)
export const addressSchema = z.object({ host: z.string().min(1).max(255), port: z.int().min(1).max(65_535) })
export type Address = z.infer<typeof addressSchema>
/** A name of the table, or `k-of-n` with 1 ≤ k < n ≤ 32: what protects against nothing is no level. */
export const redundancySchema = z.string().max(20).refine(isRedundancy, 'no redundancy level')

/** `id`: machine, invitation or admin key. `keep`: machines that stay though `id` let them in, or though they came in for it. */
export const revocationSchema = z.object({ id, at: seconds, why: z.string().max(200), keep: z.array(machineIdSchema).max(200).optional() })
export type Revocation = z.infer<typeof revocationSchema>

const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/)
/** When backups start by themselves where a machine's own settings do not say; times of day are local ones. */
export const groupScheduleSchema = z.object({ cron: z.string().max(200).nullable(), quietHours: z.object({ from: timeOfDay, to: timeOfDay }).nullable() })

export const networkRecordSchema = z.object({
  v, by: publicJwkSchema, epoch: z.int().min(1).max(1_000_000), net: networkIdSchema.optional(), prev: sha256Hex.optional(),
  name: z.string().min(1).max(128), redundancy: redundancySchema, minFree: z.number().min(0).max(0.95),
  admission: z.enum(['open', 'approved']), admins: z.array(publicJwkSchema).min(1).max(16),
  revoked: z.array(revocationSchema).max(200), rosters: z.array(locatorSchema).max(8), time: z.iso.datetime(),
  schedule: groupScheduleSchema.optional(),
  /** Machines that count as gone until an admin takes it back; unlike a revocation it shuts nobody out. */
  lost: z.array(z.object({ id: machineIdSchema, at: seconds })).max(200).optional(),
}).refine((record) => (record.epoch === 1) === (record.net === undefined && record.prev === undefined), 'net and prev belong to every epoch but the first')
export type NetworkRecord = z.infer<typeof networkRecordSchema>

export const admitGrantSchema = z.object({ v, by: publicJwkSchema, net: networkIdSchema, machine: machineIdSchema, iat: seconds })
export type AdmitGrant = z.infer<typeof admitGrantSchema>

export const invitationSchema = z.object({
  v, by: publicJwkSchema, net: networkIdSchema, id, jwk: publicJwkSchema, count: z.int().min(1).max(1000), approval: z.boolean(),
  iat: seconds, exp: seconds,
})
export type Invitation = z.infer<typeof invitationSchema>

export const claimSchema = z.object({
  v, jwk: publicJwkSchema, net: networkIdSchema, invitation: id, slot: z.int().min(1).max(1000), machine: machineIdSchema, iat: seconds,
})
export type Claim = z.infer<typeof claimSchema>

export const replaceGrantSchema = z.object({
  v, net: networkIdSchema, owner: ownerIdSchema, root: publicJwkSchema, machine: machineIdSchema, old: machineIdSchema,
  epoch: z.int().min(1), iat: seconds,
})
export type ReplaceGrant = z.infer<typeof replaceGrantSchema>

export const recoveryProofSchema = z.object({ v, owner: ownerIdSchema, root: publicJwkSchema, machine: machineIdSchema, iat: seconds })
export type RecoveryProof = z.infer<typeof recoveryProofSchema>

export const admissionSchema = z.discriminatedUnion('by', [
  z.object({ by: z.literal('admin'), grant: jwsText }),
  z.object({ by: z.literal('invitation'), invitation: jwsText, claim: jwsText, grant: jwsText.optional() }),
  z.object({ by: z.literal('owner'), grant: jwsText }),
])
export type Admission = z.infer<typeof admissionSchema>

export const peerRecordSchema = z.object({
  v, net: networkIdSchema, id: machineIdSchema, jwk: publicJwkSchema, kx: exchangeJwkSchema, cert: z.base64().max(2048),
  seq: z.int().min(1), inst: z.string().min(8).max(64), name: z.string().min(1).max(128), host: z.string().min(1).max(128),
  addrs: z.array(addressSchema).max(8), offer: z.object({ bytes: z.int().min(0), minFree: z.number().min(0).max(0.95) }),
  owners: z.array(jwsText).max(8), admission: admissionSchema, state: z.enum(['on', 'leaving', 'left']),
  agent: z.string().max(64), iat: seconds, exp: seconds,
  /** What its owner would sign with as an admin: an admin names it to make one of it. */
  adminKey: publicJwkSchema.optional(),
  /** With state `left`: for how many days holders keep what this machine's owner backed up, unless the owner stays with another machine. */
  legacy: z.object({ keepDays: z.int().min(0).max(36_500) }).optional(),
})
export type PeerRecord = z.infer<typeof peerRecordSchema>

/** What membership reads of a head; repository and holders read the rest. */
const headSchema = z.looseObject({
  v, owner: ownerIdSchema, machine: machineIdSchema, epoch: z.int().min(1), seq: z.int().min(1), time: z.string().max(64).optional(),
})
export type HeadSummary = z.infer<typeof headSchema>

export const headDocumentSchema = z.object({ certificate: jwsText, head: jwsText })
export type HeadDocument = z.infer<typeof headDocumentSchema>

export interface VerifiedNetwork { readonly jws: string; readonly sha256: string; readonly record: NetworkRecord }
export type VerifiedAdmission =
  | { readonly by: 'admin'; readonly grant: AdmitGrant }
  | { readonly by: 'invitation'; readonly invitation: Invitation; readonly claim: Claim; readonly grant: AdmitGrant | undefined }
  | { readonly by: 'owner'; readonly grant: ReplaceGrant }
export interface VerifiedPeer {
  readonly jws: string
  readonly record: PeerRecord
  /** In the order of `record.owners`; all for this machine, of whatever epoch. */
  readonly certificates: readonly DeviceCertificate[]
  readonly admission: VerifiedAdmission
}
export interface VerifiedHead { readonly document: HeadDocument; readonly certificate: DeviceCertificate; readonly head: HeadSummary }

export function sha256Of(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** Network id: base64url of the SHA-256 of epoch 1's JWS. */
export function networkIdOf(firstEpoch: string): NetworkId {
  return Buffer.from(sha256Of(firstEpoch), 'hex').toString('base64url') as NetworkId
}

/** Signs any record but a device certificate and a head, after checking its shape. Throws TypeError when it is not one. */
export async function sign<T>(type: string, schema: z.ZodType<T>, payload: T, signer: Signer): Promise<string> {
  const parsed = schema.safeParse(payload)
  if (!parsed.success) throw new TypeError(`Cannot sign a ${type} record: ${z.prettifyError(parsed.error)}`)
  const jws = await signRecord(type, parsed.data as object, signer)
  if (jws.length > maxRecordLength) throw new HoldfastError('invalid-input', `Cannot sign a ${type} record: it would have ${jws.length} characters`)
  return jws
}

async function verifyWithInnerKey<T>(type: string, schema: z.ZodType<T>, jws: string, keyOf: (record: T) => PublicJwk): Promise<T> {
  return await verifyRecord(type, jws, keyOf(peekRecord(type, jws, schema)), schema)
}

export async function verifyNetwork(jws: string): Promise<VerifiedNetwork> {
  const record = await verifyWithInnerKey(recordTypes.network, networkRecordSchema, jws, (inner) => inner.by)
  return { jws, sha256: sha256Of(jws), record }
}

export async function verifyAdmit(jws: string): Promise<AdmitGrant> {
  return await verifyWithInnerKey(recordTypes.admit, admitGrantSchema, jws, (inner) => inner.by)
}

export async function verifyInvitation(jws: string): Promise<Invitation> {
  const invitation = await verifyWithInnerKey(recordTypes.invitation, invitationSchema, jws, (inner) => inner.by)
  demand(thumbprint(invitation.jwk) === invitation.id, recordTypes.invitation, 'its id is not that of its key')
  return invitation
}

export async function verifyClaim(jws: string): Promise<Claim> {
  const claim = await verifyWithInnerKey(recordTypes.claim, claimSchema, jws, (inner) => inner.jwk)
  demand(thumbprint(claim.jwk) === claim.invitation, recordTypes.claim, 'it is not signed by the key of its invitation')
  return claim
}

export async function verifyReplace(jws: string): Promise<ReplaceGrant> {
  const grant = await verifyWithInnerKey(recordTypes.replace, replaceGrantSchema, jws, (inner) => inner.root)
  demand(thumbprint(grant.root) === grant.owner, recordTypes.replace, 'its owner is not that of its key')
  return grant
}

export async function signRecoveryProof(root: Signer & { readonly jwk: PublicJwk }, machine: RecoveryProof['machine'], nowMs: number): Promise<string> {
  const owner = ownerIdSchema.parse(root.id)
  return await sign(recordTypes.recovery, recoveryProofSchema, { v: 1, owner, root: root.jwk, machine, iat: Math.floor(nowMs / 1000) }, root)
}

/** Whoever takes it compares `machine` with the certificate of the link and `iat` with its clock. */
export async function verifyRecoveryProof(jws: string): Promise<RecoveryProof> {
  const proof = await verifyWithInnerKey(recordTypes.recovery, recoveryProofSchema, jws, (inner) => inner.root)
  demand(thumbprint(proof.root) === proof.owner, recordTypes.recovery, 'its owner is not that of its key')
  return proof
}

/** Verifies the record, its TLS certificate's key, its device certificates and the signatures of its admission. */
export async function verifyPeer(jws: string): Promise<VerifiedPeer> {
  const type = recordTypes.peer
  const record = await verifyWithInnerKey(type, peerRecordSchema, jws, (inner) => inner.jwk)
  demand(thumbprint(record.jwk) === record.id, type, 'its id is not that of its key')
  demand(certificateKeyId(record.cert) === record.id, type, 'its TLS certificate has another key')
  const certificates = await Promise.all(record.owners.map(verifyDeviceCertificate))
  demand(certificates.every((certificate) => certificate.machine === record.id), type, 'a device certificate is for another machine')
  const admission = await verifyAdmission(record.admission)
  const { net, machine } = admission.by === 'invitation' ? admission.claim : admission.grant
  demand(net === record.net && machine === record.id, type, 'its admission is for another network or machine')
  return { jws, record, certificates, admission }
}

async function verifyAdmission(admission: Admission): Promise<VerifiedAdmission> {
  if (admission.by === 'admin') return { by: 'admin', grant: await verifyAdmit(admission.grant) }
  if (admission.by === 'owner') return { by: 'owner', grant: await verifyReplace(admission.grant) }
  const [invitation, claim] = [await verifyInvitation(admission.invitation), await verifyClaim(admission.claim)]
  const grant = admission.grant === undefined ? undefined : await verifyAdmit(admission.grant)
  demand(claim.invitation === invitation.id && claim.net === invitation.net, recordTypes.claim, 'it is for another invitation')
  demand(grant === undefined || (grant.net === claim.net && grant.machine === claim.machine), recordTypes.admit, 'it is for another machine')
  return { by: 'invitation', invitation, claim, grant }
}

export async function verifyHead(document: HeadDocument): Promise<VerifiedHead> {
  const certificate = await verifyDeviceCertificate(document.certificate)
  const head = await verifyRecord(recordTypes.head, document.head, certificate.jwk, headSchema)
  const same = head.owner === certificate.owner && head.machine === certificate.machine && head.epoch === certificate.epoch
  demand(same, recordTypes.head, 'its certificate is for another device or epoch')
  return { document: { certificate: document.certificate, head: document.head }, certificate, head }
}

function certificateKeyId(cert: string): string | undefined {
  try {
    return thumbprint(publicJwkOf(new X509Certificate(Buffer.from(cert, 'base64')).publicKey))
  } catch {
    return undefined
  }
}

function demand(holds: boolean, type: string, state: string): void {
  if (!holds) throw new HoldfastError('record-invalid', `Cannot accept a ${type} record: ${state}`)
}

/** The network that the first valid epoch 1 among these records founds; undefined when there is none. */
export async function firstNetworkId(records: readonly string[]): Promise<NetworkId | undefined> {
  for (const jws of records) {
    try {
      if (peekType(jws) !== recordTypes.network) continue
      const { record } = await verifyNetwork(jws)
      if (record.epoch === 1) return networkIdOf(jws)
    } catch (error) {
      if (!hasCode(error, 'record-invalid', 'format-unknown')) throw error
    }
  }
  return undefined
}
