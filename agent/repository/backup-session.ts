/**
 * One run of a backup. The caller walks its folders from the bottom up: addFile for what must be read, keepFile for what
 * did not change, addDirectory for a folder whose entries are known, finish with the roots.
 *
 * What is stored before a crash is found again by the next run: a pack is known as soon as the store has confirmed it,
 * and the head, which names everything, is published last. A file that changes while it is read costs nothing but its
 * chunks: its list is thrown away, and the caller reads it again.
 */
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import type { MachineId, OwnerId } from '../../shared/ids.ts'
import { hashLeaves, rootOf } from '../merkle.ts'
import type { NewObject, ObjectId, ObjectRef, ObjectStore } from '../object-store.ts'
import { BackupCounts, type BackupProgress, type RunReceipts } from './backup-counts.ts'
import { Capture } from './capture.ts'
import type { Piece } from './capture-worker.ts'
import { type ChunkerName, regionLength } from './chunker/chunker.ts'
import { fixedChunkLength } from './chunker/fixed.ts'
import { chunkIdKeyOf, isHole } from './chunk-id.ts'
import { type ContentReader, ContentWriter, type FileContent, listChunkIds } from './content.ts'
import { encodeIndex, splitForIndexes } from './index-object.ts'
import { type Keyring, currentEpoch } from './keyring.ts'
import { type MetadataReader, MetadataWriter } from './metadata.ts'
import { type FinishedPack, sealDocument } from './pack.ts'
import type { PackIndex } from './pack-index.ts'
import { saltLength } from './seal.ts'
import { type DamagedArchive, type SkippedPath, type Snapshot, type SnapshotRoot, encodeSnapshot } from './snapshot.ts'
import { type Entry, type FileEntry, encodeFolder } from './tree.ts'

/** Points that a run passes, in the order in which a small one first passes them; for progress and for fault tests. */
export const backupSteps = [
  'list-written', 'file-read', 'pack-sealed', 'pack-stored', 'tree-stored', 'index-stored', 'snapshot-stored', 'keyring-stored',
  'head-signed', 'head-published',
] as const
export type BackupStep = (typeof backupSteps)[number]

export interface BackupRequest {
  readonly host: string
  readonly tags?: readonly string[]
  /** A snapshot of this device to compare with; without it the newest one. `null` compares with none. */
  readonly parent?: Snapshot | null | undefined
}

export interface BackupHooks {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: BackupProgress) => void) | undefined
  readonly onStep?: ((step: BackupStep) => void) | undefined
}

export interface NewFile {
  /** Open for reading until addFile settles; read by other threads with explicit positions. */
  readonly fd: number
  readonly size: number
  /** `fixed-16k` for Outlook archives, else `cdc-64k`. */
  readonly chunker: ChunkerName
  /** The same file in the parent: what did not change in place is not looked up again. */
  readonly previous?: Entry | undefined
  /** Called when the last byte was read, before the list counts; throws `file-changed`. */
  readonly assertUnchanged?: (() => Promise<void> | void) | undefined
}

export interface BackupResult extends BackupProgress {
  readonly snapshot: Snapshot
  readonly seq: number
  readonly head: { readonly acknowledged: number, readonly asked: number }
  readonly receipts: RunReceipts
}

/** What a session needs of the repository that began it. */
export interface SessionContext {
  readonly store: ObjectStore
  readonly index: PackIndex
  readonly metadata: MetadataReader
  readonly keyring: Keyring
  readonly owner: OwnerId
  readonly ownerBytes: Uint8Array
  readonly machine: MachineId
  readonly clock: () => number
  readonly random: (length: number) => Uint8Array
  readonly threads: number
  readonly packsInFlight: number
  readonly turn: (() => Promise<void> | undefined) | undefined
  readonly parent: Snapshot | undefined
  readonly publish: (options: {
    latest: ObjectRef, step: (step: BackupStep) => void, put: (object: NewObject) => Promise<void>, signal: AbortSignal | undefined,
  }) => Promise<{ seq: number, acknowledged: number, asked: number }>
  readonly ended: () => void
}

/** Regions of a file that are handed out beyond the oldest unfinished one. */
const regionsAhead = 8
export class BackupSession implements AsyncDisposable {
  readonly parent: Snapshot | undefined
  readonly #context: SessionContext
  readonly #request: BackupRequest
  readonly #hooks: BackupHooks
  readonly #capture: Capture
  readonly #metadata: MetadataWriter
  readonly #abort: () => void
  readonly #counts = new BackupCounts()
  /** Metadata is written by one at a time. */
  #turn: Promise<unknown> = Promise.resolve()
  #ended = false

  constructor(context: SessionContext, request: BackupRequest, hooks: BackupHooks) {
    this.#context = context
    this.#request = request
    this.#hooks = hooks
    this.parent = context.parent
    const { epoch, dataKey } = currentEpoch(context.keyring)
    const { chunkIdKey, chunkerKey } = context.keyring
    const secrets = { owner: context.ownerBytes, epoch, dataKey, chunkIdKey, chunkerKey }
    this.#capture = new Capture({
      secrets, threads: context.threads, packsInFlight: context.packsInFlight,
      hasChunks: (ids) => context.index.hasEach(ids),
      storePack: async (pack) => await this.#storeChunks(pack),
      onNew: (bytes) => { this.#counts.addNew(bytes) }, turn: context.turn,
    })
    this.#metadata = new MetadataWriter({
      ...secrets, chunkIdKey: chunkIdKeyOf(chunkIdKey), random: context.random, index: context.index, storePack: async (pack) => await this.#storePack(pack),
    })
    this.#abort = () => this.#capture.stop(cancelled())
    hooks.signal?.addEventListener('abort', this.#abort, { once: true })
  }

  /** Entries of a folder of the parent by name; none when there is no such folder or it cannot be read any more. */
  async previousFolder(entry: Entry | undefined): Promise<Map<string, Entry>> {
    if (entry?.type !== 'directory') return new Map()
    try {
      return new Map((await this.#context.metadata.folder(entry, this.#hooks.signal)).map((child) => [child.name, child]))
    } catch (error) {
      if (hasCode(error, 'object-missing', 'object-damaged')) return new Map()
      throw error
    }
  }

  /** The entry of a root of the parent. */
  previousRoot(path: string): Entry | undefined {
    return this.parent?.roots.find((root) => root.path === path)?.entry
  }

  /**
   * Reads a file and stores what is new of it. Call it for many files at once (some 64 small ones, a few large ones):
   * files are read in parallel. Rejects `file-changed` and `file-unreadable`, after which the session goes on;
   * `cancelled`, or what the store rejects with, after which it does not.
   */
  async addFile(file: NewFile): Promise<FileContent> {
    this.#assertOpen()
    const previous = file.previous?.type === 'file' && !this.#context.index.hasLost ? file.previous.content : undefined
    const base = previous?.chunker === file.chunker && file.chunker === 'fixed-16k' ? this.#context.metadata.list(previous, this.#hooks.signal) : undefined
    let content: FileContent
    try {
      content = await this.#readFile(file, base)
    } catch (error) {
      if (base === undefined || !hasCode(error, 'object-missing', 'object-damaged')) throw error
      content = await this.#readFile(file, undefined)
    }
    this.#counts.addFile(content.size)
    this.#hooks.onStep?.('file-read')
    this.#report()
    return content
  }

  /** Takes a file over from the parent without reading it; undefined when it has to be read again after all. */
  async keepFile(previous: FileEntry): Promise<FileContent | undefined> {
    this.#assertOpen()
    if (this.#context.index.hasLost && !await this.#isStored(previous.content)) return undefined
    this.#counts.keepFile(previous.size)
    this.#report()
    return previous.content
  }

  /** Stores a folder whose entries are complete; names are checked. */
  async addDirectory(entries: readonly Entry[]): Promise<FileContent> {
    this.#assertOpen()
    const text = encodeFolder(entries)
    const content = await this.#exclusively(async () => await this.#metadata.putBytes(text))
    this.#counts.addDirectory()
    this.#report()
    return content
  }

  /**
   * Stores what is open, then index, snapshot and head, in this order. When it resolves everything that the head names
   * is stored and at least one holder has the head. The session is ended either way.
   */
  async finish(outcome: {
    roots: readonly SnapshotRoot[], excludes?: readonly string[], skipped?: readonly SkippedPath[], damaged?: readonly DamagedArchive[],
  }): Promise<BackupResult> {
    this.#assertOpen()
    try {
      await this.#capture.flush()
      await this.#exclusively(async () => await this.#metadata.flush())
      this.#step('tree-stored')
      await this.#storeIndexes()
      const snapshot = await this.#storeSnapshot(outcome)
      const latest: ObjectRef = { kind: 'snapshot', id: snapshot.id, length: snapshot.length }
      const { seq, ...head } = await this.#context.publish({
        latest, step: (step) => this.#step(step), put: async (object) => await this.#put(object), signal: this.#hooks.signal,
      })
      this.#context.index.trimMetadata()
      const { length: _, ...document } = snapshot
      return { snapshot: document, seq, head, receipts: this.#counts.receipts, ...this.#counts.progress() }
    } finally {
      await this[Symbol.asyncDispose]()
    }
  }

  /** Ends the session without a snapshot; what was stored is used by the next one. */
  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    this.#hooks.signal?.removeEventListener('abort', this.#abort)
    await this.#capture[Symbol.asyncDispose]()
    await this.#turn.catch(() => {})
    this.#context.ended()
  }

  async #readFile(file: NewFile, base: ContentReader | undefined): Promise<FileContent> {
    const list = new ContentWriter({ chunker: file.chunker, size: file.size, base, put: async (page) => await this.#putList(page) })
    const reading: Promise<Uint8Array>[] = []
    try {
      for (let offset = 0; offset < file.size; offset += regionLength) {
        if (reading.length >= regionsAhead) await this.#takeRegion(list, reading)
        const length = Math.min(regionLength, file.size - offset)
        const before = base === undefined ? undefined : await entriesBefore(base, offset, length)
        const region = this.#readRegion({ fd: file.fd, offset, length, chunker: file.chunker, base: before })
        region.catch(() => {})
        reading.push(region)
      }
      while (reading.length > 0) await this.#takeRegion(list, reading)
      await file.assertUnchanged?.()
      return await this.#exclusively(async () => await list.finish())
    } finally {
      await Promise.allSettled(reading)
    }
  }

  async #readRegion(piece: Piece): Promise<Uint8Array> {
    const entries = await this.#capture.read(piece)
    this.#counts.addRead(piece.length)
    this.#report()
    return entries
  }

  async #takeRegion(list: ContentWriter, reading: Promise<Uint8Array>[]): Promise<void> {
    const entries = await reading[0] as Uint8Array
    reading.shift()
    await this.#exclusively(async () => await list.append(entries))
  }

  async #putList(page: Uint8Array): Promise<Uint8Array> {
    const id = await this.#metadata.put(page)
    this.#step('list-written')
    return id
  }

  async #isStored(content: FileContent): Promise<boolean> {
    const { index, metadata } = this.#context
    if (!listChunkIds(content).every((id) => index.has(id))) return false
    for await (const chunks of metadata.list(content, this.#hooks.signal).chunks()) {
      if (!chunks.every(({ id }) => isHole(id) || index.has(id))) return false
    }
    return true
  }

  /** A pack of chunks of files. */
  async #storeChunks(pack: FinishedPack): Promise<void> {
    const { id, plainBytes } = pack
    let storedBytes = 0
    try {
      await this.#storePack(pack, (share) => { if (this.#counts.packTravelled(id, share, plainBytes)) this.#report() })
      storedBytes = plainBytes
    } finally {
      this.#counts.packEnded(id, storedBytes)
    }
    this.#report()
  }

  async #storePack(pack: FinishedPack, onSent?: (share: number) => void): Promise<void> {
    const { id, epoch, salt, table } = pack
    const length = pack.bytes.length
    this.#step('pack-sealed')
    await this.#put({ kind: 'pack', id, length, bytes: pack.bytes, leaves: pack.leaves }, onSent)
    this.#context.index.addPack({ id, length, epoch, salt, table }, { state: 'stored', indexed: false, nowMs: this.#context.clock() })
    this.#step('pack-stored')
  }

  async #storeIndexes(): Promise<void> {
    const { index } = this.#context
    for (const packs of splitForIndexes(index.unindexed())) {
      await this.#storeDocument('index', encodeIndex(packs))
      index.markIndexed(packs.map(({ id }) => id))
      this.#step('index-stored')
    }
  }

  async #storeSnapshot(outcome: Parameters<BackupSession['finish']>[0]): Promise<Snapshot & { length: number }> {
    const { owner, machine, clock, parent } = this.#context
    const document = {
      v: 1 as const, owner, machine, host: this.#request.host, time: new Date(clock()).toISOString(),
      ...(parent === undefined ? {} : { parent: parent.id }), roots: [...outcome.roots], excludes: [...outcome.excludes ?? []],
      skipped: [...outcome.skipped ?? []], stats: this.#counts.stats, tags: [...this.#request.tags ?? []],
      ...(outcome.damaged === undefined || outcome.damaged.length === 0 ? {} : { damaged: [...outcome.damaged] }),
    }
    const text = encodeSnapshot(document)
    const ref = await this.#storeDocument('snapshot', text)
    this.#context.index.addDocument(ref.id, text.toString())
    this.#step('snapshot-stored')
    return { ...document, id: ref.id, length: ref.length }
  }

  async #storeDocument(kind: 'index' | 'snapshot', document: Uint8Array): Promise<ObjectRef> {
    const { epoch, dataKey } = currentEpoch(this.#context.keyring)
    const object = sealDocument(kind, document, { owner: this.#context.ownerBytes, dataKey, epoch, salt: this.#context.random(saltLength) })
    const ref = { kind, id: object.id, length: object.bytes.length }
    await this.#put({ ...ref, bytes: object.bytes, leaves: object.leaves })
    this.#context.index.addObject(ref, { state: 'stored', nowMs: this.#context.clock() })
    return ref
  }

  async #put(object: NewObject, onSent?: (share: number) => void): Promise<void> {
    const { length } = object
    if (this.#hooks.signal?.aborted === true) throw cancelled()
    this.#counts.addObject(length, await this.#context.store.put(object, { signal: this.#hooks.signal, onSent }))
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    const mine = this.#turn.catch(() => {}).then(work)
    this.#turn = mine
    return await mine
  }

  #step(step: BackupStep): void {
    this.#hooks.onStep?.(step)
  }

  #report(): void {
    this.#hooks.onProgress?.(this.#counts.progress())
  }

  #assertOpen(): void {
    if (this.#hooks.signal?.aborted === true) throw cancelled()
    if (this.#ended) throw new RangeError('Cannot go on with a backup that has ended')
  }
}

async function entriesBefore(base: ContentReader, offset: number, length: number): Promise<Uint8Array | undefined> {
  const first = offset / fixedChunkLength
  const count = Math.min(Math.ceil(length / fixedChunkLength), base.content.count - first)
  return count > 0 ? Uint8Array.from(await base.entries(first, count)) : undefined
}

/** An object of raw bytes that are not padded: the keyring. */
export function plainObject(kind: 'key', bytes: Uint8Array<ArrayBuffer>): NewObject {
  const leaves = hashLeaves(bytes)
  return { kind, id: rootOf(leaves).toString('hex') as ObjectId, length: bytes.length, bytes, leaves }
}

function cancelled(): HoldfastError {
  return new HoldfastError('cancelled', 'Cannot go on with the backup: it was cancelled')
}
