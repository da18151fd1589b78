/** Strings that people pass on: the invitation into a work group, and the locator of the recovery kit (docs/format.md section 11). */
import { createPrivateKey, generateKeyPairSync } from 'node:crypto'
import { z } from 'zod'
import { HoldfastError, hasCode } from '../../../shared/errors.ts'
import { type MachineId, type NetworkId, networkIdSchema } from '../../../shared/ids.ts'
import { publicJwkOf, publicJwkSchema } from '../../identity/jws.ts'
import { thumbprint } from '../../identity/machine.ts'
import {
  type Invitation, type KeySigner, addressSchema, claimSchema, invitationSchema, locatorSchema, recordTypes, sign,
  verifyInvitation,
} from './records.ts'

const invitePrefix = 'holdfast-invite:'
const locatorPrefix = 'holdfast-locator:'
const minMs = 60_000
const maxMs = 366 * 86_400_000
const skewMs = 2 * 86_400_000

const meetingPoints = {
  v: z.literal(1), net: networkIdSchema, name: z.string().min(1).max(128), rosters: z.array(locatorSchema).max(8),
  peers: z.array(addressSchema).max(16),
}
const sha256Schema = z.string().regex(/^[0-9a-f]{64}$/)
const privateJwkSchema = publicJwkSchema.extend({ d: z.string().regex(/^[A-Za-z0-9_-]{43}$/) })
const invitationStringSchema = z.object({ ...meetingPoints, invitation: z.string(), key: privateJwkSchema, settled: sha256Schema.optional() })
const locatorStringSchema = z.object({ ...meetingPoints, admins: z.array(publicJwkSchema).min(1).max(16) })

/** What the locator of a recovery kit says: where the work group may be found. */
export type RecoveryLocator = z.infer<typeof locatorStringSchema>

export interface ParsedInvitation {
  readonly net: NetworkId
  readonly name: string
  readonly rosters: readonly string[]
  readonly peers: readonly z.infer<typeof addressSchema>[]
  readonly jws: string
  readonly invitation: Invitation
  readonly signer: KeySigner
  /** SHA-256 of the network record that the newcomer holds on to (network-chain.ts). */
  readonly settled: string | undefined
}

export interface InvitationRequest {
  readonly net: NetworkId
  readonly name: string
  /** How many machines may join with it: 1 to 1000. */
  readonly count: number
  /** From a minute to a year. */
  readonly validMs: number
  readonly nowMs: number
  /** Each machine also needs an admin's grant. */
  readonly approval: boolean
  readonly rosters: readonly string[]
  readonly peers: readonly z.infer<typeof addressSchema>[]
  readonly settled?: string | undefined
}

/** Throws `invalid-input` for a count or validity out of range, or when nobody could find the group by it. */
export async function makeInvitation(request: InvitationRequest, admin: KeySigner): Promise<{ text: string; id: string; jws: string }> {
  const { net, name, count, validMs, nowMs, approval, rosters, peers, settled } = request
  if (!Number.isInteger(count) || count < 1 || count > 1000) throw nonsense(`it would be for ${count} machines; 1 to 1000 are possible`)
  if (!(validMs >= minMs && validMs <= maxMs)) throw nonsense('it has to be valid for a minute at least and a year at most')
  if (rosters.length + peers.length === 0) throw nonsense('it names neither a roster nor a peer')
  const { privateKey } = generateKeyPairSync('ed25519')
  const jwk = publicJwkOf(privateKey)
  const id = thumbprint(jwk)
  const iat = Math.floor(nowMs / 1000)
  const invitation = await sign(recordTypes.invitation, invitationSchema,
    { v: 1, by: admin.jwk, net, id, jwk, count, approval, iat, exp: iat + Math.ceil(validMs / 1000) }, admin)
  const key = privateKey.export({ format: 'jwk' })
  return { id, jws: invitation, text: encode(invitePrefix, { v: 1, net, name, invitation, key, rosters, peers: peers.slice(0, 16), ...(settled !== undefined && { settled }) }) }
}

function nonsense(state: string): HoldfastError {
  return new HoldfastError('invalid-input', `Cannot make an invitation: ${state}`)
}

/** Throws `invitation-invalid` and says whether the text is mangled, of a newer version, forged or expired. */
export async function parseInvitation(text: string, nowMs: number): Promise<ParsedInvitation> {
  const document = decode(invitePrefix, text, invitationStringSchema, refused)
  let invitation: Invitation
  try {
    invitation = await verifyInvitation(document.invitation)
  } catch (error) {
    if (hasCode(error, 'format-unknown')) throw refused('it was made by a newer version of Holdfast', error)
    throw refused('its signature does not hold', error)
  }
  const signer = createSigner(document.key)
  if (signer.id !== invitation.id || invitation.net !== document.net) throw refused('its parts do not belong together')
  if (invitation.exp * 1000 + skewMs < nowMs) throw refused(`it expired on ${new Date(invitation.exp * 1000).toISOString().slice(0, 10)}`)
  const { net, name, rosters, peers, settled } = document
  return { net, name, rosters, peers, settled, jws: document.invitation, invitation, signer }
}

function createSigner(key: z.infer<typeof privateJwkSchema>): KeySigner {
  try {
    const privateKey = createPrivateKey({ key: { ...key }, format: 'jwk' })
    const jwk = publicJwkOf(privateKey)
    return { id: thumbprint(jwk), jwk, privateKey }
  } catch (cause) {
    throw refused('its key is damaged', cause)
  }
}

function refused(state: string, cause?: unknown): HoldfastError {
  return new HoldfastError('invitation-invalid', `Cannot use the invitation: ${state}`, { details: { state }, cause })
}

/** The claim of one machine for one slot of an invitation. */
export async function makeClaim(parsed: Pick<ParsedInvitation, 'net' | 'signer'>, slot: number, machine: MachineId, nowMs: number): Promise<string> {
  const { net, signer } = parsed
  return await sign(recordTypes.claim, claimSchema,
    { v: 1, jwk: signer.jwk, net, invitation: signer.id, slot, machine, iat: Math.floor(nowMs / 1000) }, signer)
}

/** The locator that is printed under the 24 words. It holds no secret and does not expire. */
export function makeLocator(locator: Omit<RecoveryLocator, 'v'>): string {
  const parsed = locatorStringSchema.safeParse({ ...locator, v: 1, peers: locator.peers.slice(0, 16) })
  if (!parsed.success) throw new TypeError(`Cannot make a locator: ${z.prettifyError(parsed.error)}`)
  return encode(locatorPrefix, parsed.data)
}

/** Throws `invalid-input` and says whether the text is mangled or of a newer version. */
export function parseLocator(text: string): RecoveryLocator {
  return decode(locatorPrefix, text, locatorStringSchema, (state, cause) =>
    new HoldfastError('invalid-input', `Cannot use the recovery locator: ${state}`, { details: { state }, cause }))
}

function encode(prefix: string, document: object): string {
  return prefix + Buffer.from(JSON.stringify(document)).toString('base64url')
}

function decode<T>(prefix: string, text: string, schema: z.ZodType<T>, fault: (state: string, cause?: unknown) => HoldfastError): T {
  const compact = text.replaceAll(/[\s"'<>]+/g, '')
  if (!compact.startsWith(prefix)) throw fault(`it is mangled: it does not begin with ${prefix}`)
  let document: unknown
  try {
    document = JSON.parse(Buffer.from(compact.slice(prefix.length), 'base64url').toString('utf8'))
  } catch (cause) {
    throw fault('it is mangled: a part is missing or was changed', cause)
  }
  const version = z.object({ v: z.number() }).safeParse(document)
  if (version.success && version.data.v !== 1) throw fault('it was made by a newer version of Holdfast')
  const parsed = schema.safeParse(document)
  if (!parsed.success) throw fault('it is mangled: a part is missing or was changed', parsed.error)
  return parsed.data
}
