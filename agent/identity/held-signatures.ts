/**
 * Signatures that were checked and held, so that they need not be computed again: the same few certificates, records and
 * headers come with every head, audit and round of gossip. Only hashes of what was checked are kept; what it says is read
 * from it each time.
 */
import { type KeyObject, createHash } from 'node:crypto'
import type { PublicJwk } from './jws.ts'

const keyNames = new WeakMap<KeyObject, string>()

export class HeldSignatures {
  readonly #kept: number
  readonly #hashes = new Set<string>()

  /** Remembers the `kept` ones that were asked for last. */
  constructor(kept: number) {
    this.#kept = kept
  }

  /** Whether a check of `text`, signature included, with that key held lately. */
  has(key: PublicJwk | KeyObject, text: string | Uint8Array): boolean {
    const hash = hashOf(key, text)
    if (!this.#hashes.delete(hash)) return false
    this.#hashes.add(hash)
    return true
  }

  add(key: PublicJwk | KeyObject, text: string | Uint8Array): void {
    this.#hashes.add(hashOf(key, text))
    const [oldest] = this.#hashes
    if (this.#hashes.size > this.#kept && oldest !== undefined) this.#hashes.delete(oldest)
  }
}

function hashOf(key: PublicJwk | KeyObject, text: string | Uint8Array): string {
  return createHash('sha256').update(nameOf(key)).update(text).digest('base64')
}

/** The 43 characters of an Ed25519 key. */
function nameOf(key: PublicJwk | KeyObject): string {
  if ('x' in key) return key.x
  const known = keyNames.get(key) ?? String(key.export({ format: 'jwk' }).x)
  keyNames.set(key, known)
  return known
}
