/**
 * The repository of one owner on one machine: the half that knows keys and no peers.
 *
 * A backup cuts files into chunks, stores the new ones in packs, and writes lists, folders, an index, a snapshot and a
 * signed head, in this order. Everything goes through the ObjectStore and HeadStore ports; what lies in `directory`
 * (the wrapped keyring, the heads seen, an SQLite index) is a copy, except for the newest own head.
 *
 *   const repository = await Repository.open({ store, heads, machine, certificate, directory, clock, random })
 *   await repository.refresh()                                  // the newest heads; works without a network too
 *   await using session = await repository.beginBackup({ host }, { signal, onProgress, onStep })
 *   const before = await session.previousFolder(session.previousRoot('/home/eve/mail'))
 *   const content = await session.keepFile(before.get('a.pst'))  ?? await session.addFile({ fd, size, chunker, previous, assertUnchanged })
 *   const folder = await session.addDirectory([{ name, type: 'file', mode, mtime, size, content, identity }])
 *   const result = await session.finish({ roots: [{ path, entry: { name, type: 'directory', mode, mtime, content: folder } }] })
 *
 *   const snapshot = await repository.snapshot('latest')
 *   for await (const { path, entry } of repository.walk(snapshot)) …
 *   await repository.restore(items)                             // items: { content, target: { fd } | { write }, done }
 *   const bytes = await repository.readRange(content, offset, length)
 *   const report = await repository.verify({ readData: true })
 *
 * A new or recovered machine calls `Repository.create` with a keyring (keyring.ts: createKeyring; recovery.ts:
 * recoverKeyring), then `refresh` and `adopt`. It does not scan folders, rename files, choose holders or schedule.
 */
import { availableParallelism } from 'node:os'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import type { MachineId, OwnerId } from '../../shared/ids.ts'
import { verifyDeviceCertificate } from '../identity/device.ts'
import { type Machine, idToBytes } from '../identity/machine.ts'
import type { HeadStore, NewObject, ObjectId, ObjectRef, ObjectStore } from '../object-store.ts'
import { type BackupHooks, type BackupRequest, BackupSession, type BackupStep, plainObject } from './backup-session.ts'
import { ChunkReader } from './chunk-reader.ts'
import { chunkIdKeyOf, isHole } from './chunk-id.ts'
import type { FileContent } from './content.ts'
import { type ForgetReport, type ForgetRequest, planForget } from './forget.ts'
import { type Head, type HeadDocument, compareHeads, signHead, verifyHead } from './head.ts'
import { decodeIndex } from './index-object.ts'
import { type Keyring, currentEpoch, dataKeyOf, openKeyring, sealKeyring } from './keyring.ts'
import { LocalHeads, writeDurably } from './local-heads.ts'
import { MetadataReader } from './metadata.ts'
import { openDocument, readTable } from './pack.ts'
import { type ObjectState, PackIndex, type TabledPack } from './pack-index.ts'
import { type RestoreItem, restoreItems } from './restore.ts'
import { type PruneReport, type PruneRequest, prune } from './prune.ts'
import { type KeyOptions, damaged } from './seal.ts'
import { type Snapshot, decodeSnapshot } from './snapshot.ts'
import type { Entry } from './tree.ts'
import { findEntry, joinPath, separatorOf } from './paths.ts'
import { type VerifyReport, verifyRepository } from './verify.ts'

export interface RepositoryOptions {
  readonly store: ObjectStore
  readonly heads: HeadStore
  readonly machine: Machine
  /** Device certificate of this machine for the owner. */
  readonly certificate: string
  /** A folder of its own in the agent's home. */
  readonly directory: string
  /** Milliseconds since 1970. */
  readonly clock: () => number
  readonly random: (length: number) => Uint8Array
  /** Threads of backup and restore; default: the processors, at most 4. */
  readonly threads?: number | undefined
  /** Packs on their way to the store; default 2. Memory: 16 MiB for each of these and for each thread. */
  readonly packsInFlight?: number | undefined
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

/** What is known about the heads after asking for them. */
export interface HeadReport {
  readonly answered: number
  readonly asked: number
  /** The newest head of each device. */
  readonly heads: readonly Head[]
  /** Devices of which an older head was found than one seen before, though someone answered: a roll-back. */
  readonly rolledBack: readonly { machine: MachineId, seen: number, found: number }[]
  /** Devices with two different heads of one number, and this one when it finds a head of its own that it never signed: a cloned key. */
  readonly conflicts: readonly MachineId[]
  /** Heads that did not verify. */
  readonly rejected: number
  /** Indexes and packs whose tables could not be read now. */
  readonly unreadable: readonly ObjectRef[]
}

/** Holders may drop what no head has named for 30 days; what was stored this long ago is stored again. */
const unnamedMs = 7 * 86_400_000
const maxThreads = 4
const readAhead = 4_194_304

export class Repository implements AsyncDisposable {
  readonly owner: OwnerId
  readonly #options: RepositoryOptions
  readonly #ownerBytes: Uint8Array
  readonly #index: PackIndex
  readonly #local: LocalHeads
  readonly #chunks: ChunkReader
  readonly #metadata: MetadataReader
  readonly #epoch: number
  #keyring: Keyring
  #busy = false
  #unreadable: ObjectRef[] = []
  /** What holders still have though no head names it; empty until somebody asks for it. */
  #kept: ObjectRef[] = []

  /** Begins on a machine that has no repository of the owner yet. Throws `already-exists`. */
  static async create(options: RepositoryOptions & { readonly keyring: Keyring }): Promise<Repository> {
    await beginRepository(options.directory, options.keyring)
    return await Repository.open(options)
  }

  /** Opens without a network. Throws `not-found`, `key-missing` when the keyring is not wrapped for this machine. */
  static async open(options: RepositoryOptions): Promise<Repository> {
    const path = keyringPath(options.directory)
    if (!existsSync(path)) throw new HoldfastError('not-found', 'Cannot open the repository: there is none')
    const keyring = await openKeyring(readFileSync(path), options.machine)
    const certificate = await verifyDeviceCertificate(options.certificate)
    if (certificate.owner !== keyring.owner || certificate.machine !== options.machine.id) {
      throw new HoldfastError('record-invalid', 'Cannot open the repository: the certificate is of another device')
    }
    const local = new LocalHeads(options.directory)
    await local.load(keyring.owner)
    const repository = new Repository(options, { keyring, local, epoch: certificate.epoch })
    repository.#assign()
    return repository
  }

  private constructor(options: RepositoryOptions, parts: { keyring: Keyring, local: LocalHeads, epoch: number }) {
    this.#options = options
    this.#keyring = parts.keyring
    this.#local = parts.local
    this.#epoch = parts.epoch
    this.owner = parts.keyring.owner
    this.#ownerBytes = new Uint8Array(idToBytes(this.owner))
    this.#index = PackIndex.open(options.directory)
    this.#chunks = new ChunkReader({
      store: options.store, index: this.#index, chunkIdKey: chunkIdKeyOf(parts.keyring.chunkIdKey), keyFor: (epoch) => this.#keyFor(epoch),
    })
    this.#metadata = new MetadataReader(this.#index, this.#chunks)
  }

  get keyring(): Keyring {
    return this.#keyring
  }

  /** The heads that count: without those whose chains a head of a higher epoch has taken over. */
  #counting(): Head[] {
    const heads = this.#local.all()
    return heads.filter(({ document: { machine, epoch, seq } }) => !heads.some(({ document: other }) =>
      other.epoch > epoch && other.adopts.some((adopted) => adopted.machine === machine && adopted.seq >= seq)))
  }

  /** The newest own head that was signed here, acknowledged or not. */
  get head(): Head | undefined {
    return this.#local.get(this.#options.machine.id)?.head
  }

  /**
   * Asks for the newest heads and takes in what they name; publishes the own one again when nobody had acknowledged it.
   * Rejects what HeadStore.collect rejects with; nothing is lost then, the heads seen before stay.
   */
  async refresh(options: CallOptions = {}): Promise<HeadReport> {
    const { heads, answered, asked } = await this.#options.heads.collect(options)
    const found = new Map<MachineId, Head>()
    const conflicts = new Set<MachineId>()
    let rejected = 0
    for (const published of heads) {
      try {
        const head = await verifyHead(published, this.owner)
        const { machine } = head.document
        for (const other of [found.get(machine), this.#local.get(machine)?.head]) {
          if (other !== undefined && compareHeads(other, head) === 0 && other.published.head !== published.head) conflicts.add(machine)
        }
        const best = found.get(machine)
        if (best === undefined || compareHeads(head, best) > 0) found.set(machine, head)
      } catch (error) {
        if (!hasCode(error, 'record-invalid', 'format-unknown')) throw error
        rejected++
      }
    }
    const own = found.get(this.#options.machine.id)
    if (own !== undefined && this.#local.known && (this.head === undefined || compareHeads(own, this.head) > 0)) conflicts.add(own.document.machine)
    const rolledBack = this.#compareWithSeen(found)
    for (const head of found.values()) {
      const there = this.#local.get(head.document.machine)
      if (there === undefined || compareHeads(head, there.head) > 0) this.#local.set(head, true)
    }
    this.#local.begin()
    await this.#load(options)
    const newestOwn = this.#local.get(this.#options.machine.id)
    if (newestOwn?.published === false) await this.#publishAgain(newestOwn.head, options)
    return { answered, asked, heads: this.#local.all(), rolledBack, conflicts: [...conflicts], rejected, unreadable: this.#unreadable }
  }

  /** Begins a backup; one at a time, `in-use` otherwise. Finds the parent by itself unless told. */
  async beginBackup(request: BackupRequest, hooks: BackupHooks = {}): Promise<BackupSession> {
    this.#occupy()
    try {
      if (!this.#knowsOwnHead()) await this.refresh({ signal: hooks.signal })
      if (!this.#knowsOwnHead()) throw new HoldfastError('too-few-holders', 'Cannot begin a backup: what this machine stored last is not known, and nobody answered')
      this.#index.forgetUnnamed(this.#options.clock() - unnamedMs)
      const parent = request.parent === undefined ? await this.#newestOwn() : request.parent ?? undefined
      if (parent !== undefined && this.head?.live.some(({ id }) => id === parent.id) !== true) {
        throw new HoldfastError('invalid-input', 'Cannot begin a backup: its parent is not kept alive by this machine')
      }
      const { store, machine, clock, random, threads = Math.min(maxThreads, availableParallelism()), packsInFlight = 2 } = this.#options
      return new BackupSession({
        store, index: this.#index, metadata: this.#metadata, keyring: this.#keyring, owner: this.owner, ownerBytes: this.#ownerBytes,
        machine: machine.id, clock, random, threads, packsInFlight, parent,
        publish: async ({ latest, step, put, signal }) => await this.#publish({ latest, step, put, signal }),
        ended: () => { this.#busy = false },
      }, request, hooks)
    } catch (error) {
      this.#busy = false
      throw error
    }
  }

  /** Snapshots of all devices, oldest first; those that cannot be read now are named beside. */
  async snapshots(options: CallOptions = {}): Promise<{ snapshots: Snapshot[], unreadable: ObjectRef[] }> {
    const snapshots: Snapshot[] = []
    const unreadable: ObjectRef[] = []
    for (const ref of this.#named('snapshot')) {
      try {
        snapshots.push(await this.#readSnapshot(ref, options))
      } catch (error) {
        if (!hasCode(error, 'object-missing', 'object-damaged', 'format-unknown', 'key-missing')) throw error
        unreadable.push(ref)
      }
    }
    return { snapshots: snapshots.sort((a, b) => Date.parse(a.time) - Date.parse(b.time)), unreadable }
  }

  /**
   * By `latest`, an id or the beginning of one; also one that no head names any more, while holders have it. Throws `not-found`, `invalid-input` when several begin so, and
   * `object-missing` or `object-damaged` when it is there but cannot be read now.
   */
  async snapshot(name: string, options: CallOptions = {}): Promise<Snapshot> {
    if (name === 'latest') {
      const { snapshots, unreadable } = await this.snapshots(options)
      const latest = snapshots.at(-1)
      const newest = unreadable.find(({ id }) => this.#local.all().some(({ document }) => document.latest === id))
      // An older one must not pass for the newest because that cannot be read now: the error says what is missing.
      if (newest !== undefined) await this.#readSnapshot(newest, options)
      if (latest === undefined) throw new HoldfastError('not-found', 'Cannot find a snapshot: there is none')
      return latest
    }
    const matching = () => this.#named('snapshot').filter(({ id }) => id.startsWith(name))
    let found = matching()
    if (found.length === 0 && name.length >= 4) {
      await this.#takeKept(options)
      found = matching()
    }
    if (name.length < 4 || found.length > 1) throw new HoldfastError('invalid-input', `Cannot find snapshot ${name}: give more of its id`)
    if (found[0] === undefined) throw new HoldfastError('not-found', `Cannot find snapshot ${name}: there is none`)
    return await this.#readSnapshot(found[0], options)
  }

  /** Snapshots that no head names any more and that holders still have, oldest first by what they say of themselves. */
  async keptSnapshots(options: CallOptions = {}): Promise<{ snapshots: Snapshot[], unreadable: ObjectRef[] }> {
    await this.#takeKept(options)
    const kept = new Set(this.#kept.map(({ id }) => id))
    const { snapshots, unreadable } = await this.snapshots(options)
    return { snapshots: snapshots.filter(({ id }) => kept.has(id)), unreadable: unreadable.filter(({ id }) => kept.has(id)) }
  }

  /** Asks what the holders have beyond the heads; from then on it is read like what another device named. */
  async #takeKept(options: CallOptions): Promise<void> {
    const named = new Set(this.#counting().flatMap(({ live }) => live.map(({ id }) => id)))
    this.#kept = []
    for await (const ref of this.#options.store.list(options)) if (ref.kind !== 'key' && !named.has(ref.id)) this.#kept.push(ref)
    await this.#load(options)
  }

  /** Entries of a folder, or of the roots when no path is given. Throws `not-found`. */
  async list(snapshot: Snapshot, path?: string, options: CallOptions = {}): Promise<{ path: string, entry: Entry }[]> {
    if (path === undefined) return snapshot.roots
    const { entry, separator } = await this.#find(snapshot, path, options)
    if (entry.type !== 'directory') return [{ path, entry }]
    return (await this.#metadata.folder(entry, options.signal)).map((child) => ({ path: joinPath(path, separator, child.name), entry: child }))
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
        for (const child of (await this.#metadata.folder(entry, options.signal)).reverse()) {
          stack.push({ path: joinPath(path, separator, child.name), parts: [...parts, child.name], entry: child })
        }
      }
    }
  }

  /** Writes files in bulk; see restore.ts. Rejects only when cancelled or when a `done` throws: a file fails by itself. */
  async restore(items: Iterable<RestoreItem> | AsyncIterable<RestoreItem>, options: CallOptions & { onBytes?: (bytes: number) => void } = {}): Promise<void> {
    await restoreItems(items, {
      store: this.#options.store, index: this.#index, metadata: this.#metadata, threads: this.#threads(),
      secrets: { owner: this.#ownerBytes, chunkIdKey: this.#keyring.chunkIdKey }, keyFor: (epoch) => this.#keyFor(epoch), ...options,
    })
  }

  /** Bytes [offset, offset + length) of a file, cut at its end. Throws `object-missing`, `object-damaged`. */
  async readRange(content: FileContent, { offset, length }: { offset: number, length: number }, options: CallOptions = {}): Promise<Buffer> {
    const end = Math.min(content.size, offset + length)
    if (offset < 0 || length < 0) throw new RangeError('Cannot read a range: it begins before the file')
    const bytes = Buffer.alloc(Math.max(0, end - offset))
    if (bytes.length === 0) return bytes
    for await (const chunks of this.#metadata.list(content, options.signal).chunks(offset)) {
      for (const chunk of chunks) {
        if (chunk.offset + chunk.length <= offset || chunk.offset >= end || isHole(chunk.id)) continue
        const plain = await this.#chunks.read(chunk.id, options.signal)
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

  /** Checks that everything that the heads name can be read; what cannot is stored again by the next backup. */
  async verify(request: { readData: boolean, onBytes?: (bytes: number) => void }, options: CallOptions = {}): Promise<VerifyReport> {
    return await verifyRepository({
      store: this.#options.store, index: this.#index, metadata: this.#metadata, threads: this.#threads(),
      secrets: { owner: this.#ownerBytes, chunkIdKey: this.#keyring.chunkIdKey }, keyFor: (epoch) => this.#keyFor(epoch),
      named: this.#counting().flatMap(({ live }) => live), readSnapshot: async (ref) => await this.#readSnapshot(ref, options),
      signal: options.signal,
    }, request)
  }

  /** Takes over what other devices (default: all) keep alive, after a recovery, and publishes a head that names it. */
  async adopt(options: CallOptions & { machines?: readonly MachineId[] } = {}): Promise<void> {
    await this.#exclusively(async () => {
      const heads = this.#counting().filter(({ document }) => document.machine !== this.#options.machine.id
        && (options.machines === undefined || options.machines.includes(document.machine)))
      await this.#publish({ adopted: heads, put: async (object) => { await this.#options.store.put(object, options) }, signal: options.signal })
    })
  }

  /** Drops snapshots of this device from its head, and every pack that no kept one needs. Holders keep them a month more. */
  async forget(request: ForgetRequest, options: CallOptions = {}): Promise<ForgetReport> {
    return await this.#exclusively(async () => {
      const { keep, report } = await planForget({
        index: this.#index, metadata: this.#metadata, live: this.head?.live ?? [],
        readSnapshot: async (ref) => await this.#readSnapshot(ref, options),
        readIndex: async (ref) => await this.#readIndex(ref, options), signal: options.signal,
      }, request)
      if (request.dryRun !== true && report.snapshots.length > 0) {
        await this.#publish({ live: keep, put: async (object) => { await this.#options.store.put(object, options) }, signal: options.signal })
      }
      return report
    })
  }

  /** Drops what no snapshot of this device's head refers to, and rewrites packs that are mostly dead; see prune.ts. */
  async prune(request: PruneRequest, options: CallOptions = {}): Promise<PruneReport> {
    return await this.#exclusively(async () => {
      const { clock, random, store } = this.#options
      const { epoch, dataKey } = currentEpoch(this.#keyring)
      const put = async (object: NewObject) => await store.put(object, options)
      const { keep, report } = await prune({
        index: this.#index, metadata: this.#metadata, live: this.head?.live ?? [], store, put, nowMs: clock, signal: options.signal,
        readSnapshot: async (ref) => await this.#readSnapshot(ref, options), readIndex: async (ref) => await this.#readIndex(ref, options),
        keyFor: (of) => this.#keyFor(of), chunkIdKey: chunkIdKeyOf(this.#keyring.chunkIdKey), sealing: { owner: this.#ownerBytes, dataKey, epoch, random },
      }, request)
      const changes = keep.length < (this.head?.live.length ?? 0) || report.rewritten > 0
      if (request.dryRun !== true && changes) await this.#publish({ live: keep, put: async (object) => { await put(object) }, signal: options.signal })
      return report
    })
  }

  /** Takes a changed keyring (an epoch or a recipient more or less) and publishes a head that names it. */
  async changeKeyring(keyring: Keyring, options: CallOptions = {}): Promise<void> {
    if (keyring.owner !== this.owner) throw new RangeError('Cannot change the keyring: it is of another owner')
    await this.#exclusively(async () => {
      writeDurably(keyringPath(this.#options.directory), await sealKeyring(keyring))
      this.#keyring = keyring
      await this.#publish({ put: async (object) => { await this.#options.store.put(object, options) }, signal: options.signal })
    })
  }

  /** Reads every index again, and the tables of packs that no index names. Returns what could not be read. */
  async rebuildIndex(options: CallOptions = {}): Promise<readonly ObjectRef[]> {
    return await this.#exclusively(async () => {
      this.#index.clear()
      await this.#load(options)
      return this.#unreadable
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#index[Symbol.dispose]()
    await Promise.resolve()
  }

  #threads(): number {
    return this.#options.threads ?? Math.min(maxThreads, availableParallelism())
  }

  #keyFor(epoch: number): KeyOptions {
    return { dataKey: dataKeyOf(this.#keyring, epoch), owner: this.#ownerBytes }
  }

  #knowsOwnHead(): boolean {
    return this.#local.known || this.head !== undefined || existsSync(join(this.#options.directory, 'heads'))
  }

  #occupy(): void {
    if (this.#busy) throw new HoldfastError('in-use', 'Cannot begin: a backup or another change is under way')
    this.#busy = true
  }

  async #exclusively<T>(work: () => Promise<T>): Promise<T> {
    this.#occupy()
    try {
      return await work()
    } finally {
      this.#busy = false
    }
  }

  #compareWithSeen(found: ReadonlyMap<MachineId, Head>): HeadReport['rolledBack'] {
    return this.#local.all().flatMap((seen) => {
      const head = found.get(seen.document.machine)
      if (head === undefined || compareHeads(head, seen) >= 0 || this.#local.get(seen.document.machine)?.published === false) return []
      return [{ machine: seen.document.machine, seen: seen.document.seq, found: head.document.seq }]
    })
  }

  #named(kind: ObjectRef['kind']): ObjectRef[] {
    const refs = [...this.#counting().flatMap(({ live }) => live), ...this.#kept].filter((ref) => ref.kind === kind)
    return [...new Map(refs.map((ref) => [ref.id, ref])).values()]
  }

  async #newestOwn(): Promise<Snapshot | undefined> {
    const { head } = this
    const latest = head?.live.find(({ id }) => id === head.document.latest)
    if (latest === undefined) return undefined
    try {
      return await this.#readSnapshot(latest, {})
    } catch (error) {
      if (hasCode(error, 'object-missing', 'object-damaged')) return undefined
      throw error
    }
  }

  async #find(snapshot: Snapshot, path: string, { signal }: CallOptions): Promise<{ entry: Entry, separator: string }> {
    return await findEntry(snapshot, path, async (entry) => await this.#metadata.folder(entry, signal))
  }

  /** Tells the index what the heads name. */
  #assign(): void {
    const named = new Map<ObjectId, { ref: ObjectRef, state: ObjectState }>()
    for (const ref of this.#kept) named.set(ref.id, { ref, state: 'foreign' })
    for (const { document, live } of this.#counting()) {
      if (document.machine !== this.#options.machine.id) for (const ref of live) named.set(ref.id, { ref, state: 'foreign' })
    }
    const own = this.#local.get(this.#options.machine.id)
    for (const ref of own?.head.live ?? []) {
      const unconfirmed = own?.published === false && this.#index.stateOf(ref.id) === 'stored'
      named.set(ref.id, { ref, state: unconfirmed ? 'stored' : 'live' })
    }
    this.#index.assign(named, this.#options.clock())
  }

  async #load(options: CallOptions): Promise<void> {
    this.#assign()
    this.#unreadable = []
    const nowMs = this.#options.clock()
    const missing = new Map(this.#index.untabled().map((ref) => [ref.id, ref]))
    for (const ref of this.#named('index')) {
      if (missing.size === 0) break
      if (this.#index.document(ref.id) !== undefined) continue
      await this.#orUnreadable(ref, async () => {
        for (const pack of await this.#readIndex(ref, options)) {
          if (missing.delete(pack.id)) this.#index.addPack(pack, { state: this.#index.stateOf(pack.id) ?? 'foreign', indexed: true, nowMs })
        }
        this.#index.addDocument(ref.id, 'loaded')
      })
    }
    for (const ref of missing.values()) {
      await this.#orUnreadable(ref, async () => {
        const read = async (offset: number, length: number) => await this.#options.store.get(ref, { offset, length }, options)
        const { key, table } = await readTable(ref.length, read, (epoch) => this.#keyFor(epoch))
        this.#index.addPack({ id: ref.id, length: ref.length, epoch: key.epoch, salt: key.salt, table },
          { state: this.#index.stateOf(ref.id) ?? 'foreign', indexed: false, nowMs })
      })
    }
  }

  async #orUnreadable(ref: ObjectRef, work: () => Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      if (!hasCode(error, 'object-missing', 'object-damaged', 'format-unknown', 'key-missing', 'too-few-holders')) throw error
      this.#unreadable.push(ref)
    }
  }

  async #readIndex(ref: ObjectRef, options: CallOptions): Promise<TabledPack[]> {
    return decodeIndex(await openDocument('index', await this.#options.store.get(ref, undefined, options), (epoch) => this.#keyFor(epoch)))
  }

  async #readSnapshot(ref: ObjectRef, options: CallOptions): Promise<Snapshot> {
    const known = this.#index.document(ref.id)
    const text = known === undefined
      ? await openDocument('snapshot', await this.#options.store.get(ref, undefined, options), (epoch) => this.#keyFor(epoch))
      : Buffer.from(known)
    const document = decodeSnapshot(text)
    if (document.owner !== this.owner) throw damaged('a snapshot is of another owner')
    if (known === undefined) this.#index.addDocument(ref.id, text.toString())
    return { ...document, id: ref.id }
  }

  async #publish(options: {
    latest?: ObjectRef, adopted?: readonly Head[], live?: readonly ObjectRef[],
    step?: (step: BackupStep) => void, put: (object: NewObject) => Promise<void>, signal: AbortSignal | undefined,
  }): Promise<{ seq: number, acknowledged: number, asked: number }> {
    const { machine, certificate, clock } = this.#options
    const keyring = await this.#storeKeyring(options)
    const previous = this.head
    const kept = options.live ?? previous?.live ?? []
    const live = [...kept, ...this.#index.objects('pack', 'stored'), ...this.#index.objects('index', 'stored'), ...(options.adopted ?? []).flatMap((head) => head.live)]
      .filter(({ kind }) => kind !== 'key')
    if (options.latest !== undefined) live.push(options.latest)
    const published = await signHead({
      owner: this.owner, epoch: this.#epoch, seq: (previous?.document.seq ?? 0) + 1, previous: previous?.published, nowMs: clock(),
      keyring, latest: this.#latestOf(live, options), live: [...live, keyring], adopts: adoptsOf(previous, options.adopted ?? []),
    }, { machine, certificate })
    const head = await verifyHead(published, this.owner)
    this.#local.set(head, false)
    options.step?.('head-signed')
    const counts = await this.#options.heads.publish(published, { signal: options.signal })
    this.#local.set(head, true)
    this.#assign()
    options.step?.('head-published')
    return { seq: head.document.seq, ...counts }
  }

  async #publishAgain(head: Head, options: CallOptions): Promise<void> {
    try {
      await this.#options.heads.publish(head.published, options)
    } catch (error) {
      if (!hasCode(error, 'too-few-holders', 'key-cloned')) throw error
      return
    }
    if (this.#local.get(head.document.machine)?.head !== head) return // a backup has outdated it meanwhile
    this.#local.set(head, true)
    this.#assign()
  }

  async #storeKeyring({ put, step }: { put: (object: NewObject) => Promise<void>, step?: (step: BackupStep) => void }): Promise<ObjectRef> {
    const object = plainObject('key', Uint8Array.from(readFileSync(keyringPath(this.#options.directory))))
    const ref: ObjectRef = { kind: 'key', id: object.id, length: object.length }
    if (this.head?.live.some(({ id }) => id === object.id) === true) return ref
    await put(object)
    step?.('keyring-stored')
    return ref
  }

  #latestOf(live: readonly ObjectRef[], { latest, adopted }: { latest?: ObjectRef, adopted?: readonly Head[] }): ObjectId | undefined {
    if (latest !== undefined) return latest.id
    const named = new Set(live.map(({ id }) => id))
    const candidates = [this.head, ...[...adopted ?? []].sort((a, b) => Date.parse(b.document.time) - Date.parse(a.document.time))]
    return candidates.map((head) => head?.document.latest).find((id) => id !== undefined && named.has(id))
  }
}

/** The local part of `Repository.create`: afterwards `Repository.open` works, also when the process ended in between. */
export async function beginRepository(directory: string, keyring: Keyring): Promise<void> {
  const path = keyringPath(directory)
  if (existsSync(path)) throw new HoldfastError('already-exists', 'Cannot create the repository: there is one')
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  new LocalHeads(directory).begin()
  writeDurably(path, await sealKeyring(keyring))
}

/** Chains taken over, by this head and those that it took over. */
function adoptsOf(previous: Head | undefined, adopted: readonly Head[]): HeadDocument['adopts'] {
  const all = new Map<MachineId, number>()
  for (const { machine, seq } of [...previous?.document.adopts ?? [], ...adopted.flatMap(({ document }) => [...document.adopts, document])]) {
    all.set(machine, Math.max(seq, all.get(machine) ?? 0))
  }
  return [...all].map(([machine, seq]) => ({ machine, seq }))
}

function keyringPath(directory: string): string {
  return join(directory, 'keyring.hfk')
}
