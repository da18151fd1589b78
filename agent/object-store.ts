/**
 * The seam between the two halves: named ciphertext objects.
 *
 * `repository/` knows keys and no peers and writes objects through this port; `network/` knows peers and no data keys
 * and disperses them. Each half is tested with a folder or a Map in the other's place.
 * There is no delete: holders drop what no head names (docs/format.md, "Heads").
 */
import { z } from 'zod'
import type { HoldfastError } from '../shared/errors.ts'

/** What an object is; the number stands in headers (docs/format.md). */
export const objectKinds = { pack: 1, index: 2, snapshot: 3, key: 4 } as const
export type ObjectKind = keyof typeof objectKinds

/** Lower-case hex of the 32-byte Merkle root over the object's ciphertext (see merkle.ts). */
export type ObjectId = string & { readonly __brand: 'ObjectId' }

export interface ObjectRef {
  readonly kind: ObjectKind
  readonly id: ObjectId
  /** Bytes of ciphertext. */
  readonly length: number
}

export interface NewObject extends ObjectRef {
  /**
   * The whole ciphertext, the store's until put settles; then its memory may be used again. The store may transfer or
   * release a buffer that it has for itself; one that threads share (capture.ts) it leaves as it is.
   */
  readonly bytes: Uint8Array
  /** SHA-256 leaf hashes of `bytes`, 32 bytes for each 64 KiB, concatenated; `id` is their root. */
  readonly leaves: Uint8Array<ArrayBuffer>
}

export interface PutReceipt {
  /** Shards (or copies) known to be durable on distinct machines when the call returned. */
  readonly placed: number
  /** Shards wanted by the redundancy level. */
  readonly wanted: number
  /** Bytes that left this machine for this call, redundancy included; 0 when the object was there already. */
  readonly bytesSent: number
}

export interface StoreOptions {
  readonly signal?: AbortSignal | undefined
}

export interface StorePutOptions extends StoreOptions {
  /** Called with how much of the object has travelled, 0 to 1, whenever that grows; a store that keeps it here may leave it out. */
  readonly onSent?: ((share: number) => void) | undefined
}

export interface GetOptions extends StoreOptions {
  /** The caller checks every byte that it uses, and asks again without this when one is wrong. For packs alone. */
  readonly unchecked?: boolean | undefined
}

/**
 * Duties of an implementation:
 * - put: resolves only when at least k shards are durable on distinct machines (any later crash keeps the object);
 *   idempotent, an object that is there already costs nothing; bounded memory: at most a few puts are in flight and
 *   the caller awaits. Rejects `too-few-holders`, `quota-exceeded`, `cancelled`.
 * - get: returns exactly the asked range, every byte of it verified against the object's id or a signed shard root
 *   unless it is `unchecked`; `object-missing` (details: have, need, missing machines, `off` as offOf() reads it) or `object-damaged` otherwise. A range beyond the end is
 *   a RangeError. The bytes are the caller's alone: it may transfer their buffer to another thread.
 * - list: each object once, in any order; an object may be listed although it cannot be read at the moment.
 */
export interface ObjectStore {
  put(object: NewObject, options?: StorePutOptions): Promise<PutReceipt>
  get(ref: ObjectRef, range?: { offset: number; length: number }, options?: GetOptions): Promise<Uint8Array>
  list(options?: StoreOptions): AsyncIterable<ObjectRef>
}

/** A signed head of one device with its certificate and its live objects (docs/format.md, "Heads"). */
export interface PublishedHead {
  /** Compact JWS by the owner's root key: the device certificate. */
  readonly certificate: string
  /** Compact JWS by the machine's key: the head. */
  readonly head: string
  /** Sorted live list, 41 bytes an entry (docs/format.md); its SHA-256 stands in the head. */
  readonly live: Uint8Array
}

/**
 * Where heads go and come from. publish: to every reachable holder, resolves when `acknowledged` of `asked` answered,
 * rejects `too-few-holders` when fewer than one did. collect: the newest valid head of each device of the owner that
 * any reachable holder or the roster knows; never refuses because few answered: the caller grades by the counts.
 */
export interface HeadStore {
  publish(head: PublishedHead, options?: StoreOptions): Promise<{ acknowledged: number; asked: number }>
  /** `silent`: names of those that did not answer. */
  collect(options?: StoreOptions): Promise<{ heads: readonly PublishedHead[]; answered: number; asked: number; silent?: readonly string[] }>
}

const offSchema = z.array(z.string()).catch([])

/** Names of machines that are off and with which what failed could have been read; empty when that would not have helped. */
export function offOf(error: HoldfastError): string[] {
  return offSchema.parse(error.details['off'])
}
