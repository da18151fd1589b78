/**
 * What a home keeps of its owner: the certificate, and, sealed to the machine's exchange key, the words until the user
 * confirms that the kit is stored, and the admin key when the owner is an admin. The root key itself is never kept.
 */
import { type KeyObject, createPrivateKey } from 'node:crypto'
import { CompactEncrypt, compactDecrypt } from 'jose'
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import { ownerIdSchema } from '../../shared/ids.ts'
import { type PublicJwk, type Signer, importPublicKey, publicJwkOf } from './jws.ts'
import { type Machine, thumbprint } from './machine.ts'

const ownerFileSchema = z.object({
  v: z.literal(1), owner: ownerIdSchema, certificate: z.string(), epoch: z.int().min(1),
  /** JWE of the words; absent once the kit is confirmed as stored. */
  words: z.string().optional(),
  /** JWE of the admin key as a JWK. */
  admin: z.string().optional(),
})
export type OwnerFile = z.infer<typeof ownerFileSchema>

export function parseOwnerFile(text: string): OwnerFile {
  try {
    return ownerFileSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new HoldfastError('key-missing', 'Cannot read owner.json: it is damaged', { cause })
  }
}

export async function sealToMachine(machine: Machine, text: string): Promise<string> {
  return await new CompactEncrypt(new TextEncoder().encode(text))
    .setProtectedHeader({ alg: 'ECDH-ES+A256KW', enc: 'A256GCM' })
    .encrypt(importPublicKey(machine.exchangeJwk))
}

/** Throws `key-missing` when it was sealed to another machine or is damaged. */
export async function openFromMachine(machine: Machine, jwe: string): Promise<string> {
  try {
    const { plaintext } = await compactDecrypt(jwe, machine.exchangeKey, { keyManagementAlgorithms: ['ECDH-ES+A256KW'], contentEncryptionAlgorithms: ['A256GCM'] })
    return new TextDecoder().decode(plaintext)
  } catch (cause) {
    throw new HoldfastError('key-missing', 'Cannot open what was sealed to this machine: it is damaged or belongs to another one', { cause })
  }
}

export interface AdminSigner extends Signer {
  readonly jwk: PublicJwk
}

export async function sealAdminKey(machine: Machine, privateKey: KeyObject): Promise<string> {
  return await sealToMachine(machine, JSON.stringify(privateKey.export({ format: 'jwk' })))
}

export async function openAdminKey(machine: Machine, jwe: string): Promise<AdminSigner> {
  const privateKey = createPrivateKey({ key: JSON.parse(await openFromMachine(machine, jwe)) as object as { kty: string }, format: 'jwk' })
  const jwk = publicJwkOf(privateKey)
  return { id: thumbprint(jwk), jwk, privateKey }
}
