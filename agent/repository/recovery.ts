/** Finds the keyring of an owner on the holders, with nothing but the words or a contact's key (docs/threat-model.md). */
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import type { OwnerId } from '../../shared/ids.ts'
import type { OwnerRoot } from '../identity/owner.ts'
import { hashLeaves, rootOf } from '../merkle.ts'
import type { HeadStore, ObjectStore } from '../object-store.ts'
import { type Head, verifyHead } from './head.ts'
import { type Keyring, type KeyringOpener, currentEpoch, openKeyring } from './keyring.ts'

export interface KeyringSearch {
  readonly store: ObjectStore
  readonly heads: HeadStore
  readonly owner: OwnerId
  readonly opener: KeyringOpener
}

/** By the recovery words. */
export function ownerOpener({ id, exchangeKey }: Pick<OwnerRoot, 'id' | 'exchangeKey'>): KeyringOpener {
  return { id, exchangeKey }
}

/**
 * The keyring with the highest epoch that any head names and that can be read now. `epoch`: the highest seen in a
 * certificate or ring; a recovery issues the next. Throws `not-found` when nobody has a head of the owner,
 * `object-missing` or `object-damaged` when no keyring can be read.
 */
export async function recoverKeyring(
  { store, heads, owner, opener }: KeyringSearch, options: { signal?: AbortSignal | undefined } = {},
): Promise<{ keyring: Keyring, epoch: number, heads: Head[], answered: number, asked: number }> {
  const { heads: found, answered, asked, silent = [] } = await heads.collect(options)
  const verified: Head[] = []
  for (const published of found) {
    try {
      verified.push(await verifyHead(published, owner))
    } catch (error) {
      if (!hasCode(error, 'record-invalid', 'format-unknown')) throw error
    }
  }
  if (verified.length === 0) throw new HoldfastError('not-found', `Cannot recover: none of ${answered} answers (${asked} asked) knows a backup of this owner; are these the words and the locator of one kit?`, {
    guidance: silent.length === 0 ? undefined : `${silent.join(', ')} did not answer and may have it: switch them on and run it again.`,
  })
  const newestFirst = verified.sort((a, b) => b.document.epoch - a.document.epoch || Date.parse(b.document.time) - Date.parse(a.document.time))
  let keyring: Keyring | undefined
  let failure: unknown
  for (const { document } of newestFirst) {
    try {
      const ref = { kind: 'key' as const, id: document.keyring, length: document.keyringLength }
      const bytes = await store.get(ref, undefined, options)
      if (rootOf(hashLeaves(bytes)).toString('hex') !== ref.id) throw new HoldfastError('object-damaged', 'Cannot open the keyring: it is not the one that the head names')
      const ring = await openKeyring(bytes, opener)
      if (keyring === undefined || currentEpoch(ring).epoch > currentEpoch(keyring).epoch) keyring = ring
    } catch (error) {
      if (!hasCode(error, 'object-missing', 'object-damaged', 'key-missing', 'format-unknown')) throw error
      failure ??= error
    }
  }
  // A head that names rubbish as its keyring, from who has the device's key, hides no ring that holders still have.
  if (keyring === undefined) keyring = await anyKeyring({ store, opener }, options)
  if (keyring === undefined) throw failure
  const epoch = Math.max(currentEpoch(keyring).epoch, ...verified.map(({ document }) => document.epoch))
  return { keyring, epoch, heads: verified, answered, asked }
}

/** Of the highest epoch among all that the holders have. */
async function anyKeyring({ store, opener }: Pick<KeyringSearch, 'store' | 'opener'>, options: { signal?: AbortSignal | undefined }): Promise<Keyring | undefined> {
  let best: Keyring | undefined
  for await (const ref of store.list(options)) {
    if (ref.kind !== 'key') continue
    try {
      const ring = await openKeyring(await store.get(ref, undefined, options), opener)
      if (best === undefined || currentEpoch(ring).epoch > currentEpoch(best).epoch) best = ring
    } catch (error) {
      if (!hasCode(error, 'object-missing', 'object-damaged', 'key-missing', 'format-unknown')) throw error
    }
  }
  return best
}
