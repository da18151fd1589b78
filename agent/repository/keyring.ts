/**
 * The keyring (docs/format.md section 1): the secrets of one owner's repository, wrapped for each who may open it.
 *
 * The object is "HFK1" ‖ JWE General JSON: the content key is wrapped by ECDH-ES+A256KW for the X25519 keys of the owner's
 * devices, of the owner words and of recovery contacts. The public keys of all of them stand inside, so that any one of
 * them can wrap it anew for the others.
 */
import type { KeyObject } from 'node:crypto'
import { GeneralEncrypt, generalDecrypt } from 'jose'
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import { type OwnerId, ownerIdSchema } from '../../shared/ids.ts'
import { exchangeJwkSchema, importPublicKey } from '../identity/jws.ts'

const magic = Buffer.from('HFK1', 'latin1')
const key = z.string().regex(/^[A-Za-z0-9_-]{43}$/).transform((text) => new Uint8Array(Buffer.from(text, 'base64url')))
const recipientSchema = z.object({
  /** Machine id, owner id, or what names a contact. */
  kid: z.string().min(1), role: z.enum(['device', 'owner', 'contact']), kx: exchangeJwkSchema,
})
const keyringSchema = z.object({
  v: z.literal(1), owner: ownerIdSchema, chunkIdKey: key, chunkerKey: key,
  epochs: z.array(z.object({ epoch: z.int().min(1).max(0xffff_ffff), dataKey: key })).min(1),
  recipients: z.array(recipientSchema),
})
const jweSchema = z.object({
  protected: z.string(), iv: z.string(), ciphertext: z.string(), tag: z.string(),
  recipients: z.array(z.object({ encrypted_key: z.string(), header: z.looseObject({ kid: z.string() }) })).min(1).max(256),
})

export type Recipient = z.infer<typeof recipientSchema>

export interface Keyring {
  readonly owner: OwnerId
  readonly chunkIdKey: Uint8Array
  readonly chunkerKey: Uint8Array
  /** Ascending; the last one seals, all of them open. */
  readonly epochs: readonly { readonly epoch: number, readonly dataKey: Uint8Array }[]
  readonly recipients: readonly Recipient[]
}

export function createKeyring(
  owner: OwnerId, options: { random: (length: number) => Uint8Array, recipients: readonly Recipient[], epoch?: number },
): Keyring {
  const { random, recipients, epoch = 1 } = options
  return { owner, chunkIdKey: random(32), chunkerKey: random(32), epochs: [{ epoch, dataKey: random(32) }], recipients }
}

/** A ring with a fresh data key for `epoch`, which must be above the highest one. */
export function raiseEpoch(ring: Keyring, epoch: number, random: (length: number) => Uint8Array): Keyring {
  if (epoch <= currentEpoch(ring).epoch) throw new RangeError(`Cannot raise the epoch to ${epoch}: it is ${currentEpoch(ring).epoch} already`)
  return { ...ring, epochs: [...ring.epochs, { epoch, dataKey: random(32) }] }
}

export function addRecipient(ring: Keyring, recipient: Recipient): Keyring {
  return { ...ring, recipients: [...ring.recipients.filter(({ kid }) => kid !== recipient.kid), recipient] }
}

/** Who is removed keeps what he opened; raise the epoch so that he cannot open what is sealed from now on. */
export function removeRecipient(ring: Keyring, kid: string): Keyring {
  return { ...ring, recipients: ring.recipients.filter((recipient) => recipient.kid !== kid) }
}

/** Without the recovery contacts, but for those whose ids are in `stay`. */
export function withoutContacts(ring: Keyring, stay: ReadonlySet<string> = new Set()): Keyring {
  return { ...ring, recipients: ring.recipients.filter(({ role, kid }) => role !== 'contact' || stay.has(kid)) }
}

/** The epoch that seals. */
export function currentEpoch(ring: Keyring): { epoch: number, dataKey: Uint8Array } {
  const last = ring.epochs.at(-1)
  if (last === undefined) throw new RangeError('Cannot seal: the keyring has no epoch')
  return last
}

/** Throws `key-missing` when the ring has no data key of that epoch. */
export function dataKeyOf(ring: Keyring, epoch: number): Uint8Array {
  const found = ring.epochs.find((entry) => entry.epoch === epoch)
  if (found === undefined) throw new HoldfastError('key-missing', `Cannot open an object: the keyring has no key of epoch ${epoch}`, { details: { epoch } })
  return found.dataKey
}

/** The key object's bytes; another text each time. */
export async function sealKeyring(ring: Keyring): Promise<Uint8Array<ArrayBuffer>> {
  if (ring.recipients.length === 0) throw new RangeError('Cannot wrap the keyring: it has no recipients')
  const encrypt = new GeneralEncrypt(Buffer.from(JSON.stringify({
    v: 1, owner: ring.owner, chunkIdKey: text(ring.chunkIdKey), chunkerKey: text(ring.chunkerKey),
    epochs: ring.epochs.map(({ epoch, dataKey }) => ({ epoch, dataKey: text(dataKey) })), recipients: ring.recipients,
  }))).setProtectedHeader({ enc: 'A256GCM', typ: 'holdfast-keyring' })
  for (const { kid, kx } of ring.recipients) {
    encrypt.addRecipient(importPublicKey(kx)).setUnprotectedHeader({ alg: 'ECDH-ES+A256KW', kid })
  }
  return Uint8Array.from(Buffer.concat([magic, Buffer.from(JSON.stringify(await encrypt.encrypt()))]))
}

export interface KeyringOpener {
  /** Machine id or owner id: picks the recipient. */
  readonly id: string
  readonly exchangeKey: KeyObject
}

/**
 * Unwraps with the exchange key of a machine or of the owner words. Throws `key-missing` when it is not wrapped for that
 * key, `format-unknown` or `object-damaged` when it is no keyring.
 */
export async function openKeyring(bytes: Uint8Array, opener: KeyringOpener): Promise<Keyring> {
  const object = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (object.length < 4) throw broken('it is cut off')
  if (!object.subarray(0, 4).equals(magic)) throw new HoldfastError('format-unknown', 'Cannot open the keyring: unknown magic')
  const jwe = parse(jweSchema, object.subarray(4))
  const recipients = jwe.recipients.filter(({ header }) => header.kid === opener.id)
  if (recipients.length === 0) throw new HoldfastError('key-missing', 'Cannot open the keyring: it is not wrapped for this key')
  let plain: Uint8Array
  try {
    plain = (await generalDecrypt({ ...jwe, recipients }, opener.exchangeKey, {
      keyManagementAlgorithms: ['ECDH-ES+A256KW'], contentEncryptionAlgorithms: ['A256GCM'],
    })).plaintext
  } catch (cause) {
    throw broken('it does not decrypt', cause)
  }
  const ring = parse(keyringSchema, Buffer.from(plain))
  const epochs = ring.epochs.sort((a, b) => a.epoch - b.epoch)
  return { owner: ring.owner, chunkIdKey: ring.chunkIdKey, chunkerKey: ring.chunkerKey, epochs, recipients: ring.recipients }
}

function parse<T>(schema: z.ZodType<T>, bytes: Uint8Array): T {
  let document: unknown
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes))
  } catch (cause) {
    throw broken('it is not JSON', cause)
  }
  const parsed = schema.safeParse(document)
  if (parsed.success) return parsed.data
  const version = z.object({ v: z.number() }).safeParse(document)
  if (version.success && version.data.v !== 1) throw new HoldfastError('format-unknown', `Cannot open the keyring: version ${version.data.v}`)
  throw broken('it has another shape', undefined)
}

function broken(state: string, cause?: unknown): HoldfastError {
  return new HoldfastError('object-damaged', `Cannot open the keyring: ${state}`, { cause })
}

function text(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString('base64url')
}
