/**
 * The key of a recovery contact (docs/format.md section 1): an X25519 key for which the keyring is wrapped, in two halves
 * of which neither says anything alone. One is sealed to the contact's machines, the other is kept by the holders.
 */
import { type KeyObject, createHash } from 'node:crypto'
import { GeneralEncrypt, type GeneralJWE, generalDecrypt } from 'jose'
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import { type ExchangeJwk, exchangeJwkOf, importPublicKey, privateKeyFromSeed } from '../identity/jws.ts'
import type { Machine } from '../identity/machine.ts'
import type { Recipient } from './keyring.ts'

const sealedSchema = z.object({
  protected: z.string(), iv: z.string(), ciphertext: z.string(), tag: z.string(),
  recipients: z.array(z.object({ encrypted_key: z.string(), header: z.looseObject({ kid: z.string() }) })).min(1).max(8),
})

export interface ContactKey {
  /** For the keyring; its `kid` is the contact's id. */
  readonly recipient: Recipient
  /** The contact's half: JWE General JSON. */
  readonly sealed: string
  /** The holders' half, 32 bytes as base64url, and its SHA-256 in hex. */
  readonly half: string
  readonly halfSha256: string
}

export interface Receiver { readonly id: string; readonly kx: ExchangeJwk }

/** `to`: the machines of whom is chosen. */
export async function makeContactKey(to: readonly Receiver[], random: (length: number) => Uint8Array): Promise<ContactKey> {
  const [seed, theirs] = [random(32), random(32)]
  const half = xor(seed, theirs)
  const id = Buffer.from(random(32)).toString('base64url')
  return {
    recipient: { kid: id, role: 'contact', kx: exchangeJwkOf(privateKeyFromSeed('X25519', seed)) },
    sealed: await sealHalf(theirs, id, to), half: Buffer.from(half).toString('base64url'),
    halfSha256: createHash('sha256').update(half).digest('hex'),
  }
}

/** Joins the halves on a machine of the contact. Throws `key-missing` when the sealed one is not for it or is damaged. */
export async function openContactKey({ sealed, half }: { sealed: string; half: string }, machine: Pick<Machine, 'id' | 'exchangeKey'>): Promise<KeyObject> {
  try {
    return privateKeyFromSeed('X25519', xor(await openHalf(sealed, machine), Buffer.from(half, 'base64url')))
  } catch (cause) {
    throw new HoldfastError('key-missing', 'Cannot join the halves of the contact\'s key: the sealed one is for another machine, or damaged', { cause })
  }
}

/** The contact's half, which is sealed for this machine, for others. Throws `key-missing` like openContactKey(). */
export async function resealHalf({ id, sealed }: { id: string; sealed: string }, machine: Pick<Machine, 'id' | 'exchangeKey'>, to: readonly Receiver[]): Promise<string> {
  try {
    return await sealHalf(await openHalf(sealed, machine), id, to)
  } catch (cause) {
    throw new HoldfastError('key-missing', 'Cannot pass the half of the contact\'s key on: it is sealed for another machine, or damaged', { cause })
  }
}

async function sealHalf(half: Uint8Array, contact: string, to: readonly Receiver[]): Promise<string> {
  const encrypt = new GeneralEncrypt(half).setProtectedHeader({ enc: 'A256GCM', typ: 'holdfast-contact-half', contact })
  for (const machine of to) encrypt.addRecipient(importPublicKey(machine.kx)).setUnprotectedHeader({ alg: 'ECDH-ES+A256KW', kid: machine.id })
  return JSON.stringify(await encrypt.encrypt())
}

async function openHalf(sealed: string, machine: Pick<Machine, 'id' | 'exchangeKey'>): Promise<Uint8Array> {
  const jwe = sealedSchema.parse(JSON.parse(sealed))
  const recipients = jwe.recipients.filter(({ header }) => header.kid === machine.id)
  const { plaintext } = await generalDecrypt({ ...jwe, recipients } as GeneralJWE, machine.exchangeKey, {
    keyManagementAlgorithms: ['ECDH-ES+A256KW'], contentEncryptionAlgorithms: ['A256GCM'],
  })
  return plaintext
}

function xor(one: Uint8Array, other: Uint8Array): Uint8Array {
  if (one.length !== 32 || other.length !== 32) throw new RangeError(`Cannot join halves of ${one.length} and ${other.length} bytes`)
  return one.map((byte, at) => byte ^ (other[at] as number))
}
