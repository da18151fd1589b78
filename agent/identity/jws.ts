/**
 * Signed records: compact JWS with EdDSA (RFC 7515, RFC 8037), the `typ` always checked, the payload always parsed.
 * Algorithms are pinned; a record that does not verify or parse is `record-invalid`, one of a newer version `format-unknown`.
 */
import { type KeyObject, createPrivateKey, createPublicKey } from 'node:crypto'
import { CompactSign, compactVerify, decodeJwt, decodeProtectedHeader } from 'jose'
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import { HeldSignatures } from './held-signatures.ts'

export const recordVersion = 1
export const maxRecordLength = 16_384

/** Seconds since 1970, up to the end of the year 9999: every one can be shown as a date. */
export const secondsSchema = z.int().min(0).max(253_402_300_799)

/** Public Ed25519 key as a JWK (RFC 8037). */
export const publicJwkSchema = z.object({ kty: z.literal('OKP'), crv: z.literal('Ed25519'), x: z.string().regex(/^[A-Za-z0-9_-]{43}$/) })
export type PublicJwk = z.infer<typeof publicJwkSchema>

/** Public X25519 key as a JWK (RFC 8037). */
export const exchangeJwkSchema = z.object({ kty: z.literal('OKP'), crv: z.literal('X25519'), x: z.string().regex(/^[A-Za-z0-9_-]{43}$/) })
export type ExchangeJwk = z.infer<typeof exchangeJwkSchema>

export interface Signer {
  readonly privateKey: KeyObject
  /** Thumbprint of the public key: stands in the header as `kid`. */
  readonly id: string
}

export async function signRecord(type: string, payload: object, signer: Signer): Promise<string> {
  return await new CompactSign(new TextEncoder().encode(JSON.stringify(payload)))
    .setProtectedHeader({ alg: 'EdDSA', typ: type, kid: signer.id })
    .sign(signer.privateKey)
}

/**
 * Verifies `jws` with `key` and parses its payload. Throws `record-invalid` (signature, type, shape, length) or
 * `format-unknown` (payload version above ours).
 */
export async function verifyRecord<T>(type: string, jws: string, key: PublicJwk | KeyObject, schema: z.ZodType<T>): Promise<T> {
  if (jws.length > maxRecordLength) throw invalid(type, `it has ${jws.length} characters`)
  if (!isCanonical(jws)) throw invalid(type, 'it is not in canonical base64url')
  if (!await holds(type, jws, key)) throw invalid(type, 'it is of another type')
  return parsePayload(type, Buffer.from(jws.split('.')[1] as string, 'base64url'), schema)
}

const held = new HeldSignatures(4_096)

/** Whether a record that `key` signed is of that type. Throws `record-invalid` when the signature does not hold. */
async function holds(type: string, jws: string, key: PublicJwk | KeyObject): Promise<boolean> {
  const text = `${type}\n${jws}`
  if (held.has(key, text)) return true
  let header: { typ?: string | undefined; crit?: string[] | undefined }
  try {
    header = (await compactVerify(jws, 'x' in key ? importPublicKey(key) : key, { algorithms: ['EdDSA'] })).protectedHeader
  } catch (cause) {
    throw invalid(type, 'its signature does not hold', cause)
  }
  if (header.crit !== undefined) throw invalid(type, 'its header asks for an extension')
  if (header.typ !== type) return false
  held.add(key, text)
  return true
}

/** Reads a record before its key is known (the key stands inside): nothing of it may be believed until verifyRecord. */
export function peekRecord<T>(type: string, jws: string, schema: z.ZodType<T>): T {
  if (jws.length > maxRecordLength) throw invalid(type, `it has ${jws.length} characters`)
  try {
    if (decodeProtectedHeader(jws).typ !== type) throw invalid(type, 'it is of another type')
    return parsePayload(type, new TextEncoder().encode(JSON.stringify(decodeJwt(jws))), schema)
  } catch (cause) {
    if (cause instanceof HoldfastError) throw cause
    throw invalid(type, 'it is no signed record', cause)
  }
}

/** The `typ` of a record, unverified; undefined when it is no compact JWS. Says which verifier to ask. */
export function peekType(jws: string): string | undefined {
  if (jws.length > maxRecordLength) return undefined
  try {
    return decodeProtectedHeader(jws).typ
  } catch {
    return undefined
  }
}

/** Unused trailing bits or white space would give a signed record several texts, and so several hashes. */
function isCanonical(jws: string): boolean {
  const parts = jws.split('.')
  return parts.length === 3 && parts.every((part) => Buffer.from(part, 'base64url').toString('base64url') === part)
}

function parsePayload<T>(type: string, payload: Uint8Array, schema: z.ZodType<T>): T {
  let document: unknown
  try {
    document = JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(payload))
  } catch (cause) {
    throw invalid(type, 'its payload is not JSON', cause)
  }
  const version = z.object({ v: z.number() }).safeParse(document)
  if (!version.success) throw invalid(type, 'it has no version')
  if (version.data.v !== recordVersion) throw new HoldfastError('format-unknown', `Cannot read a ${type} record: version ${version.data.v}`)
  const parsed = schema.safeParse(document)
  if (!parsed.success) throw invalid(type, z.prettifyError(parsed.error), parsed.error)
  return parsed.data
}

function invalid(type: string, state: string, cause?: unknown): HoldfastError {
  return new HoldfastError('record-invalid', `Cannot accept a ${type} record: ${state}`, { cause })
}

export function importPublicKey(jwk: PublicJwk | ExchangeJwk): KeyObject {
  return createPublicKey({ key: { ...jwk }, format: 'jwk' })
}

/** Private Ed25519 or X25519 key from its 32 raw bytes, by way of the fixed PKCS #8 prefix (RFC 8410 section 7). */
export function privateKeyFromSeed(curve: 'Ed25519' | 'X25519', seed: Uint8Array): KeyObject {
  if (seed.length !== 32) throw new RangeError(`Cannot make a private key: ${seed.length} bytes of seed`)
  const prefix = Buffer.from(`302e0201003005 06032b65${curve === 'Ed25519' ? '70' : '6e'}04220420`.replaceAll(' ', ''), 'hex')
  return createPrivateKey({ key: Buffer.concat([prefix, seed]), format: 'der', type: 'pkcs8' })
}

export function publicJwkOf(key: KeyObject): PublicJwk {
  return publicJwkSchema.parse(publicPart(key).export({ format: 'jwk' }))
}

export function exchangeJwkOf(key: KeyObject): ExchangeJwk {
  return exchangeJwkSchema.parse(publicPart(key).export({ format: 'jwk' }))
}

function publicPart(key: KeyObject): KeyObject {
  return key.type === 'private' ? createPublicKey(key) : key
}
