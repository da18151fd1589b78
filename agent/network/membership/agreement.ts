/**
 * What an owner and an admin agree on together (docs/format.md section 11): less retention at the holders than everybody
 * has, or that a sudden change of the backup was meant. The owner's half is signed by the root key, which no machine
 * keeps, so malware on the owner's machine cannot sign it, even when that owner is the admin.
 */
import { z } from 'zod'
import { HoldfastError } from '../../../shared/errors.ts'
import { type NetworkId, type OwnerId, machineIdSchema, networkIdSchema, ownerIdSchema } from '../../../shared/ids.ts'
import { type PublicJwk, maxRecordLength, peekRecord, publicJwkSchema, secondsSchema, verifyRecord } from '../../identity/jws.ts'
import { thumbprint } from '../../identity/machine.ts'
import type { OwnerRoot } from '../../identity/owner.ts'
import { type KeySigner, recordTypes, sha256Of, sign } from './records.ts'

const seconds = secondsSchema
const prefix = 'holdfast-retention:'

/** No more than holders keep anyway, no less than a day and a week. */
export const termsSchema = z.object({ delayDays: z.int().min(1).max(30), days: z.int().min(1).max(14), weeks: z.int().min(1).max(8) })
export type AgreedTerms = z.infer<typeof termsSchema>

const retentionSchema = z.object({
  v: z.literal(1), net: networkIdSchema, owner: ownerIdSchema, root: publicJwkSchema, at: seconds, terms: termsSchema,
  /** Heads up to these say what the owner means. */
  accepts: z.array(z.object({ machine: machineIdSchema, seq: z.int().min(1) })).max(64),
})
export type RetentionWish = z.infer<typeof retentionSchema>
const consentSchema = z.object({ v: z.literal(1), net: networkIdSchema, by: publicJwkSchema, sha256: z.string(), iat: seconds })

/** Two records. */
export interface Agreement {
  readonly wish: string
  readonly consent: string
}

export interface Agreed {
  readonly owner: OwnerId
  /** Seconds since 1970, by the owner's clock: a later agreement replaces an earlier one. */
  readonly signed: number
  readonly terms: AgreedTerms
  readonly accepts: RetentionWish['accepts']
}

export async function signWish(wish: Pick<RetentionWish, 'net' | 'at' | 'terms' | 'accepts'>, root: OwnerRoot): Promise<string> {
  return await sign(recordTypes.retention, retentionSchema, { v: 1, owner: root.id, root: root.jwk, ...wish }, root)
}

/** Throws `record-invalid`. */
export async function verifyWish(jws: string, net: NetworkId): Promise<RetentionWish> {
  const { root } = peekRecord(recordTypes.retention, jws, retentionSchema)
  const wish = await verifyRecord(recordTypes.retention, jws, root, retentionSchema)
  if (thumbprint(root) !== wish.owner) throw invalid('its key is not that of the owner')
  if (wish.net !== net) throw invalid('it is of another work group')
  return wish
}

export async function signConsent(wish: string, { net, at }: { net: NetworkId; at: number }, admin: KeySigner): Promise<string> {
  return await sign(recordTypes.consent, consentSchema, { v: 1, net, by: admin.jwk, sha256: sha256Of(wish), iat: at }, admin)
}

/** Throws `record-invalid`, `unauthorized` when who consents is no admin of the group now. */
export async function verifyAgreement({ wish, consent }: Agreement, { net, isAdmin }: { net: NetworkId; isAdmin: (key: PublicJwk) => boolean }): Promise<Agreed> {
  const { owner, at, terms, accepts } = await verifyWish(wish, net)
  const { by } = peekRecord(recordTypes.consent, consent, consentSchema)
  const consented = await verifyRecord(recordTypes.consent, consent, by, consentSchema)
  if (consented.sha256 !== sha256Of(wish) || consented.net !== net) throw invalid('the consent is for something else')
  if (!isAdmin(by)) throw new HoldfastError('unauthorized', 'Cannot accept the agreement: who consents is no admin of the work group')
  return { owner, signed: at, terms, accepts }
}

const stringSchema = z.object({ v: z.literal(1), wish: z.string().max(maxRecordLength), consent: z.string().max(maxRecordLength).optional() })

/** One string, to be sent to the admin. */
export function agreementText(agreement: { wish: string; consent?: string | undefined }): string {
  return prefix + Buffer.from(JSON.stringify({ v: 1, ...agreement })).toString('base64url')
}

/** Throws `invalid-input`. */
export function parseAgreement(text: string): { wish: string; consent?: string | undefined } {
  const plain = text.replaceAll(/\s/g, '')
  try {
    if (!plain.startsWith(prefix)) throw new TypeError('no prefix')
    return stringSchema.parse(JSON.parse(Buffer.from(plain.slice(prefix.length), 'base64url').toString('utf8')))
  } catch (cause) {
    throw new HoldfastError('invalid-input', 'Cannot read the agreement: it is not what `holdfast retention agree` printed', { cause })
  }
}

function invalid(state: string): HoldfastError {
  return new HoldfastError('record-invalid', `Cannot accept the agreement: ${state}`)
}
