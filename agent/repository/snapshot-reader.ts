/**
 * Reading what the heads name: which snapshots there are, what is in one, and bytes of its files.
 *
 * Tables of packs come from the index objects, else from the packs themselves; what cannot be read now is named beside.
 */
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import type { OwnerId } from '../../shared/ids.ts'
import type { ObjectRef, ObjectStore } from '../object-store.ts'
import type { ChunkReader } from './chunk-reader.ts'
import { isHole } from './chunk-id.ts'
import type { FileContent } from './content.ts'
import { decodeIndex } from './index-object.ts'
import type { KnownHeads } from './known-heads.ts'
import type { MetadataReader } from './metadata.ts'
import { openDocument, readTable } from './pack.ts'
import type { PackIndex, TabledPack } from './pack-index.ts'
import { findEntry, joinPath, separatorOf } from './paths.ts'
import { type KeyOptions, damaged } from './seal.ts'
import { type Snapshot, decodeSnapshot, inOrder } from './snapshot.ts'
import type { Entry } from './tree.ts'

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

export interface SnapshotReaderContext {
  readonly owner: OwnerId
  readonly store: ObjectStore
  readonly index: PackIndex
  readonly metadata: MetadataReader
  readonly chunks: ChunkReader
  readonly heads: KnownHeads
  readonly keyFor: (epoch: number) => KeyOptions
  /** Milliseconds since 1970. */
  readonly clock: () => number
}

const readAhead = 4_194_304

export class SnapshotReader {
  readonly #context: SnapshotReaderContext

  constructor(context: SnapshotReaderContext) {
    this.#context = context
  }

  /** Snapshots of all devices, oldest first; those that cannot be read now are named beside. */
  async snapshots(options: CallOptions = {}): Promise<{ snapshots: Snapshot[], unreadable: ObjectRef[] }> {
    return await this.#readAll(this.#context.heads.liveOf('snapshot'), options)
  }

  async #readAll(refs: readonly ObjectRef[], options: CallOptions): Promise<{ snapshots: Snapshot[], unreadable: ObjectRef[] }> {
    const snapshots: Snapshot[] = []
    const unreadable: ObjectRef[] = []
    for (const ref of refs) {
      try {
        snapshots.push(await this.readSnapshot(ref, options))
      } catch (error) {
        if (!hasCode(error, 'object-missing', 'object-damaged', 'format-unknown', 'key-missing')) throw error
        unreadable.push(ref)
      }
    }
    return { snapshots: inOrder(snapshots), unreadable }
  }

  /**
   * By `latest`, an id or the beginning of one; also one that no head names any more, while holders have it. Throws `not-found`, `invalid-input` when several begin so, and
   * `object-missing` or `object-damaged` when it is there but cannot be read now.
   */
  async snapshot(name: string, options: CallOptions = {}): Promise<Snapshot> {
    if (name === 'latest') {
      const { snapshots, unreadable } = await this.snapshots(options)
      const latest = snapshots.at(-1)
      const newest = unreadable.find(({ id }) => this.#context.heads.all().some(({ document }) => document.latest === id))
      // An older one must not pass for the newest because that cannot be read now: the error says what is missing.
      if (newest !== undefined) await this.readSnapshot(newest, options)
      if (latest === undefined) throw new HoldfastError('not-found', 'Cannot find a snapshot: there is none', { guidance: '`holdfast protect PATH…` says what is to be backed up, `holdfast backup` does it now.' })
      return latest
    }
    const matching = () => this.#context.heads.named('snapshot').filter(({ id }) => id.startsWith(name))
    let found = matching()
    if (found.length === 0 && name.length >= 4) {
      await this.#takeKept(options)
      found = matching()
    }
    if (name.length < 4 || found.length > 1) throw new HoldfastError('invalid-input', `Cannot find snapshot ${name}: give more of its id`)
    if (found[0] === undefined) throw new HoldfastError('not-found', `Cannot find snapshot ${name}: there is none`, { guidance: '`holdfast snapshots` lists those that are there; `latest` is the newest.' })
    return await this.readSnapshot(found[0], options)
  }

  /** Snapshots that no head names any more and that holders still have, oldest first by what they say of themselves. */
  async kept(options: CallOptions = {}): Promise<{ snapshots: Snapshot[], unreadable: ObjectRef[] }> {
    return await this.#readAll((await this.#takeKept(options)).filter(({ kind }) => kind === 'snapshot'), options)
  }

  /** Asks what the holders have beyond the heads; from then on it can be read like what another device named, but is not listed with it. */
  async #takeKept(options: CallOptions): Promise<ObjectRef[]> {
    const { store, heads } = this.#context
    const named = new Set(heads.live().map(({ id }) => id))
    const kept: ObjectRef[] = []
    for await (const ref of store.list(options)) if (ref.kind !== 'key' && !named.has(ref.id)) kept.push(ref)
    heads.keep(kept)
    await this.load(options)
    return kept
  }

  /** Entries of a folder, or of the roots when no path is given. Throws `not-found`. */
  async list(snapshot: Snapshot, path?: string, options: CallOptions = {}): Promise<{ path: string, entry: Entry }[]> {
    if (path === undefined) return snapshot.roots
    const { entry, separator } = await this.#find(snapshot, path, options)
    if (entry.type !== 'directory') return [{ path, entry }]
    return (await this.#context.metadata.folder(entry, options.signal)).map((child) => ({ path: joinPath(path, separator, child.name), entry: child }))
  }

  /** The entry at a path, as the machine writes it. Throws `not-found`. */
  async entry(snapshot: Snapshot, path: string, options: CallOptions = {}): Promise<Entry> {
    return (await this.#find(snapshot, path, options)).entry
  }

  /** Everything at and below a path (default: all roots), a folder before what is in it. `parts`: names from the start down. */
  async *walk(snapshot: Snapshot, path?: string, options: CallOptions = {}): AsyncGenerator<{ path: string, parts: string[], entry: Entry }> {
    const starts = path === undefined ? snapshot.roots : [{ path, entry: (await this.#find(snapshot, path, options)).entry }]
    for (const start of starts) {
      const separator = separatorOf(start.path)
      const stack = [{ path: start.path, parts: [start.entry.name], entry: start.entry }]
      for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
        yield at
        const { entry, parts, path } = at
        if (entry.type !== 'directory') continue
        for (const child of (await this.#context.metadata.folder(entry, options.signal)).reverse()) {
          stack.push({ path: joinPath(path, separator, child.name), parts: [...parts, child.name], entry: child })
        }
      }
    }
  }

  /** Bytes [offset, offset + length) of a file, cut at its end. Throws `object-missing`, `object-damaged`. */
  async readRange(content: FileContent, { offset, length }: { offset: number, length: number }, options: CallOptions = {}): Promise<Buffer> {
    const end = Math.min(content.size, offset + length)
    if (offset < 0 || length < 0) throw new RangeError('Cannot read a range: it begins before the file')
    const bytes = Buffer.alloc(Math.max(0, end - offset))
    if (bytes.length === 0) return bytes
    for await (const chunks of this.#context.metadata.list(content, options.signal).chunks(offset)) {
      for (const chunk of chunks) {
        if (chunk.offset + chunk.length <= offset || chunk.offset >= end || isHole(chunk.id)) continue
        const plain = await this.#context.chunks.read(chunk.id, options.signal)
        if (plain.length !== chunk.length) throw damaged('a chunk has another length than its list says')
        plain.copy(bytes, Math.max(0, chunk.offset - offset), Math.max(0, offset - chunk.offset), Math.min(chunk.length, end - chunk.offset))
      }
      const last = chunks.at(-1)
      if (last === undefined || last.offset + last.length >= end) break
    }
    return bytes
  }

  /** A file in order, some MiB at a time, one piece read ahead. */
  async *readContent(content: FileContent, options: CallOptions = {}): AsyncGenerator<{ offset: number, bytes: Buffer }> {
    const read = (offset: number) => {
      const piece = this.readRange(content, { offset, length: readAhead }, options)
      piece.catch(() => {})
      return piece
    }
    let next = read(0)
    for (let offset = 0; offset < content.size; offset += readAhead) {
      const bytes = await next
      next = read(offset + readAhead)
      yield { offset, bytes }
    }
  }

  /** The one that the own head calls the newest; undefined when there is none or it cannot be read. */
  async newestOwn(): Promise<Snapshot | undefined> {
    const head = this.#context.heads.own
    const latest = head?.live.find(({ id }) => id === head.document.latest)
    if (latest === undefined) return undefined
    try {
      return await this.readSnapshot(latest, {})
    } catch (error) {
      if (hasCode(error, 'object-missing', 'object-damaged')) return undefined
      throw error
    }
  }

  /** Brings the tables of all packs that are named into the index. Returns the indexes and packs that could not be read now. */
  async load(options: CallOptions = {}): Promise<readonly ObjectRef[]> {
    const { index, heads, store, keyFor, clock } = this.#context
    heads.assign()
    const unreadable: ObjectRef[] = []
    const nowMs = clock()
    const missing = new Map(index.untabled().map((ref) => [ref.id, ref]))
    for (const ref of heads.named('index')) {
      if (missing.size === 0) break
      if (index.document(ref.id) !== undefined) continue
      await orUnreadable(unreadable, ref, async () => {
        for (const pack of await this.readIndex(ref, options)) {
          if (missing.delete(pack.id)) index.addPack(pack, { state: index.stateOf(pack.id) ?? 'foreign', indexed: true, nowMs })
        }
        index.addDocument(ref.id, 'loaded')
      })
    }
    for (const ref of missing.values()) {
      await orUnreadable(unreadable, ref, async () => {
        const read = async (offset: number, length: number) => await store.get(ref, { offset, length }, options)
        const { key, table } = await readTable(ref.length, read, keyFor)
        index.addPack({ id: ref.id, length: ref.length, epoch: key.epoch, salt: key.salt, table },
          { state: index.stateOf(ref.id) ?? 'foreign', indexed: false, nowMs })
      })
    }
    return unreadable
  }

  async readIndex(ref: ObjectRef, options: CallOptions = {}): Promise<TabledPack[]> {
    return decodeIndex(await openDocument('index', await this.#context.store.get(ref, undefined, options), this.#context.keyFor))
  }

  async readSnapshot(ref: ObjectRef, options: CallOptions = {}): Promise<Snapshot> {
    const known = this.#context.index.document(ref.id)
    const text = known === undefined
      ? await openDocument('snapshot', await this.#context.store.get(ref, undefined, options), this.#context.keyFor)
      : Buffer.from(known)
    const document = decodeSnapshot(text)
    if (document.owner !== this.#context.owner) throw damaged('a snapshot is of another owner')
    if (known === undefined) this.#context.index.addDocument(ref.id, text.toString())
    return { ...document, id: ref.id }
  }

  async #find(snapshot: Snapshot, path: string, { signal }: CallOptions): Promise<{ entry: Entry, separator: string }> {
    return await findEntry(snapshot, path, async (entry) => await this.#context.metadata.folder(entry, signal))
  }
}

/** Runs `work`; when what it reads cannot be read now, `ref` goes on the list. */
async function orUnreadable(unreadable: ObjectRef[], ref: ObjectRef, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    if (!hasCode(error, 'object-missing', 'object-damaged', 'format-unknown', 'key-missing', 'too-few-holders')) throw error
    unreadable.push(ref)
  }
}
