/**
 * A place that keeps shards: this machine's folder, a colleague's machine over a link, collected folders.
 * The network vanishes behind this port: a link is a ShardStore, and the host serves any ShardStore.
 */
import type { ObjectId, ObjectKind } from '../../object-store.ts'
import type { OwnerId } from '../../../shared/ids.ts'
import type { PublishedHead } from '../../object-store.ts'
import type { Freeze, RetentionTerms } from './retention.ts'
import type { ScrubStanding } from './scrub.ts'

export interface ShardRef {
  readonly owner: OwnerId
  readonly id: ObjectId
  readonly number: number
}

export interface ShardEntry extends ShardRef {
  readonly kind: ObjectKind
  readonly k: number
  readonly n: number
  /** Object length in bytes. */
  readonly length: number
}

export interface NewShard extends ShardRef {
  /** Header as in docs/format.md section 8, through the signature, with this shard's number. */
  readonly header: Uint8Array
  /** Leaf hashes of the shard, concatenated. */
  readonly leaves: Uint8Array
  /** The shard, `shardLength` bytes. Not changed and not kept after the call. */
  readonly bytes: Uint8Array
}

/** Header and leaves of a stored shard. Whoever reads checks them (see shard.ts). */
export interface OpenedShard {
  readonly header: Uint8Array
  readonly leaves: Uint8Array
}

export interface Space {
  /** Bytes that may still be stored, by quota and reserve together. */
  readonly free: number
  readonly quota: number
  readonly used: number
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
  /**
   * For a holder that repairs: the header of a shard, which only holders have; for open and read one of the same object, for
   * list any of the owner.
   */
  readonly holding?: Uint8Array | undefined
}

export interface PutOptions extends CallOptions {
  /** Called with the bytes taken in so far whenever that grows: a put without progress is a slow holder. */
  readonly onProgress?: ((bytes: number) => void) | undefined
}

/**
 * Duties:
 * - put: checks header, signature, certificate epoch, root and every leaf before it says stored; durable (fsync, rename)
 *   when it resolves; idempotent; resumes an interrupted put of the same shard. Rejects `quota-exceeded`, `disk-full`,
 *   `object-damaged`, `revoked`. Resolves with the bytes that really travelled (0: it was there).
 * - open, read: `not-found` when it has no such shard. read returns exactly the range; not verified here.
 * - list: all shards of the owner, each once.
 * - putHead keeps the highest seq per machine for ever and ignores lower ones without an error (from one that an agreement
 *   means it learns what was meant); `record-invalid` when it
 *   does not verify.
 */
export interface ShardStore {
  put(shard: NewShard, options?: PutOptions): Promise<number>
  open(ref: ShardRef, options?: CallOptions): Promise<OpenedShard>
  read(ref: ShardRef, offset: number, length: number, options?: CallOptions): Promise<Uint8Array>
  list(owner: OwnerId, options?: CallOptions): AsyncIterable<ShardEntry>
  putHead(head: PublishedHead, options?: CallOptions): Promise<void>
  heads(owner: OwnerId, options?: CallOptions): Promise<readonly PublishedHead[]>
  space(options?: CallOptions): Promise<Space>
}

/** What lies here of an owner. */
export interface OwnerAccount {
  readonly owner: OwnerId
  /** Bytes of shard files. */
  readonly used: number
  /** Why nothing of it expires; empty while all is well. */
  readonly freezes: readonly Freeze[]
  readonly terms: RetentionTerms
}

/** What a holder's user may know of what lies on his machine, and what an owner and an admin may agree on. */
export interface HolderAccounts {
  /** Most first. */
  accounts(): OwnerAccount[]
  /** How reading all of it again and again stands. */
  scrubbed(): ScrubStanding
  /** The time by which things are let go (own-time.ts), ms since 1970. */
  ownTime(): number
  /** Who calls has verified both signatures. An older agreement is ignored. */
  agree(owner: OwnerId, agreement: { readonly signed: number; readonly terms: RetentionTerms; readonly accepts: readonly { machine: string; seq: number }[] }): void
}

/** A put in parts: what a host feeds from the wire, frame by frame. */
export interface ShardTransfer {
  /** Bytes of the shard that are here already: where to go on. */
  readonly offset: number
  /** Appends, in order. Every whole leaf is checked: `object-damaged` drops the transfer and what it had; `disk-full`. */
  write(bytes: Uint8Array): Promise<void>
  /** Durable when it resolves. `object-damaged` when bytes are lacking. */
  commit(): Promise<void>
  /** Ends it before the commit; what is here stays for a later begin (the link broke). After commit: nothing. */
  close(): Promise<void>
}

/**
 * A store that takes shards in parts. begin checks all that put checks before the bytes, and rejects like put; `stored`:
 * the shard is here already. A begin for a shard that is under way takes it over: the older transfer is closed.
 */
export interface TransferringShardStore extends ShardStore {
  begin(shard: Omit<NewShard, 'bytes'>, options?: CallOptions): Promise<ShardTransfer | 'stored'>
  /** For reading it in parts, into bytes of the caller; to be disposed. Rejects as open. */
  reading(ref: ShardRef): Promise<ShardReading>
}

export interface ShardReading extends AsyncDisposable {
  /** As ShardStore.read. */
  readInto(offset: number, into: Uint8Array): Promise<void>
}
