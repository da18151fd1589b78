/**
 * The owner: a person whose data is protected. The root key exists only in the 24 words of the recovery kit; everything
 * here derives from them (docs/format.md section 1).
 */
import { type KeyObject, hkdfSync, randomBytes } from 'node:crypto'
import { entropyToMnemonic, mnemonicToEntropy } from '@scure/bip39'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { HoldfastError } from '../../shared/errors.ts'
import type { OwnerId } from '../../shared/ids.ts'
import { type ExchangeJwk, type PublicJwk, type Signer, exchangeJwkOf, privateKeyFromSeed, publicJwkOf } from './jws.ts'
import { thumbprint } from './machine.ts'

export interface OwnerRoot extends Signer {
  readonly id: OwnerId
  readonly jwk: PublicJwk
  readonly privateKey: KeyObject
  readonly exchangeKey: KeyObject
  readonly exchangeJwk: ExchangeJwk
  /** Signs network records and invitations when the owner is an admin. */
  readonly admin: Signer & { readonly jwk: PublicJwk }
}

/** 24 fresh words (256 bits of entropy, BIP-39 English). */
export function generateWords(): string {
  return entropyToMnemonic(randomBytes(32), wordlist)
}

/** Throws `recovery-words-invalid` and says what is wrong: the count, an unknown word (its position), or the checksum. */
export function ownerFromWords(text: string): OwnerRoot {
  const words = text.normalize('NFKD').trim().toLowerCase().split(/[\s,]+/u).filter((word) => word !== '')
  if (words.length !== 24) throw invalidWords(`${words.length} words instead of 24`)
  const unknown = words.findIndex((word) => !wordlist.includes(word))
  if (unknown >= 0) throw invalidWords(`word ${unknown + 1} is not in the list`)
  let entropy: Uint8Array
  try {
    entropy = mnemonicToEntropy(words.join(' '), wordlist)
  } catch (cause) {
    throw invalidWords('the checksum does not fit: a word is mistaken or out of order', cause)
  }
  const privateKey = privateKeyFromSeed('Ed25519', derive(entropy, 'owner-root'))
  const exchangeKey = privateKeyFromSeed('X25519', derive(entropy, 'owner-exchange'))
  const adminKey = privateKeyFromSeed('Ed25519', derive(entropy, 'admin'))
  const jwk = publicJwkOf(privateKey)
  const adminJwk = publicJwkOf(adminKey)
  return {
    id: thumbprint(jwk) as OwnerId, jwk, privateKey, exchangeKey, exchangeJwk: exchangeJwkOf(exchangeKey),
    admin: { id: thumbprint(adminJwk), jwk: adminJwk, privateKey: adminKey },
  }
}

function derive(entropy: Uint8Array, purpose: string): Buffer {
  return Buffer.from(hkdfSync('sha256', entropy, '', `holdfast/v1/${purpose}`, 32))
}

function invalidWords(state: string, cause?: unknown): HoldfastError {
  return new HoldfastError('recovery-words-invalid', `Cannot use the recovery words: ${state}`, { cause })
}
