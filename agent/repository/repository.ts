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
 *   await repository.restore(items)                             // items: { content, target: { fd, fault } | { write }, done }
 *   const bytes = await repository.readRange(content, offset, length)
 *   const report = await repository.verify({ readData: true })
 *
 * A new or recovered machine calls `Repository.create` with a keyring (keyring.ts: createKeyring; recovery.ts:
 * recoverKeyring), then `refresh` and `adopt`. It does not scan folders, rename files, choose holders or schedule.
 */
import { availableParallelism } from 'node:os'
import { existsSync, mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { HoldfastError } from '../../shared/errors.ts'
import type { MachineId, OwnerId } from '../../shared/ids.ts'
import { verifyDeviceCertificate } from '../identity/device.ts'
import { type Machine, idToBytes } from '../identity/machine.ts'
import type { HeadStore, NewObject, ObjectRef, ObjectStore } from '../object-store.ts'
import { type BackupHooks, type BackupRequest, BackupSession, plainObject } from './backup-session.ts'
import { ChunkReader } from './chunk-reader.ts'
import { chunkIdKeyOf } from './chunk-id.ts'
import type { FileContent } from './content.ts'
import { type ForgetReport, type ForgetRequest, planForget } from './forget.ts'
import type { Head } from './head.ts'
import { type Keyring, addRecipient, currentEpoch, dataKeyOf, openKeyring, sealKeyring } from './keyring.ts'
import { type HeadComparison, KnownHeads } from './known-heads.ts'
import { LocalHeads, writeDurably } from './local-heads.ts'
import { MetadataReader } from './metadata.ts'
import { PackIndex } from './pack-index.ts'
import { type RestoreItem, restoreItems } from './restore.ts'
import { type PruneReport, type PruneRequest, prune } from './prune.ts'
import type { KeyOptions } from './seal.ts'
import type { Snapshot } from './snapshot.ts'
import { type CallOptions, SnapshotReader } from './snapshot-reader.ts'
import type { Entry } from './tree.ts'
import { type VerifyReport, type VerifyRequest, verifyRepository } from './verify.ts'

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
  /** Before each piece of some MiB that a backup reads; undefined: at once. */
  readonly turn?: (() => Promise<void> | undefined) | undefined
}

/** What is known about the heads after asking for them. */
export interface HeadReport extends HeadComparison {
  readonly answered: number
  readonly asked: number
  /** The newest head of each device. */
  readonly heads: readonly Head[]
  /** Indexes and packs whose tables could not be read now. */
  readonly unreadable: readonly ObjectRef[]
}

/** Holders may drop what no head has named for 30 days; what was stored this long ago is stored again. */
const unnamedMs = 7 * 86_400_000
const maxThreads = 4

export class Repository implements AsyncDisposable {
  readonly owner: OwnerId
  readonly #options: RepositoryOptions
  readonly #ownerBytes: Uint8Array
  readonly #index: PackIndex
  readonly #heads: KnownHeads
  readonly #metadata: MetadataReader
  readonly #reader: SnapshotReader
  #keyring: Keyring
  #busy = false

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
    return await Repository.#openWith(options, keyring, certificate.epoch)
  }

  /**
   * To read somebody's backup with his keyring and no device of his: `certificate` is that of any of his devices, and
   * whatever this machine would publish nobody takes. Throws `already-exists`.
   */
  static async openForReading(options: RepositoryOptions & { readonly keyring: Keyring }): Promise<Repository> {
    const { keyring, directory, machine } = options
    await beginRepository(directory, addRecipient(keyring, { kid: machine.id, role: 'device', kx: machine.exchangeJwk }))
    return await Repository.#openWith(options, keyring, currentEpoch(keyring).epoch)
  }

  static async #openWith(options: RepositoryOptions, keyring: Keyring, epoch: number): Promise<Repository> {
    const path = keyringPath(options.directory)
    const index = PackIndex.open(options.directory)
    try {
      const { machine, heads, directory, clock } = options
      const known = await KnownHeads.open({
        owner: keyring.owner, epoch, machine, certificate: options.certificate, heads, index, directory, clock,
        keyringObject: () => plainObject('key', Uint8Array.from(readFileSync(path))),
      })
      return new Repository(options, { keyring, index, heads: known })
    } catch (error) {
      index[Symbol.dispose]()
      throw error
    }
  }

  private constructor(options: RepositoryOptions, { keyring, index, heads }: { keyring: Keyring, index: PackIndex, heads: KnownHeads }) {
    const { store, clock } = options
    this.#options = options
    this.#keyring = keyring
    this.#index = index
    this.#heads = heads
    this.owner = keyring.owner
    this.#ownerBytes = new Uint8Array(idToBytes(this.owner))
    const keyFor = (epoch: number) => this.#keyFor(epoch)
    const chunks = new ChunkReader({ store, index, chunkIdKey: chunkIdKeyOf(keyring.chunkIdKey), keyFor })
    this.#metadata = new MetadataReader(index, chunks)
    this.#reader = new SnapshotReader({ owner: this.owner, store, index, metadata: this.#metadata, chunks, heads, keyFor, clock })
  }

  get keyring(): Keyring {
    return this.#keyring
  }

  /** The newest own head that was signed here, acknowledged or not. */
  get head(): Head | undefined {
    return this.#heads.own
  }

  /** Each object that the heads of all devices keep alive. */
  get live(): ObjectRef[] {
    return this.#heads.distinct()
  }

  /**
   * Asks for the newest heads and takes in what they name; publishes the own one again when nobody had acknowledged it.
   * Rejects what HeadStore.collect rejects with; nothing is lost then, the heads seen before stay.
   */
  async refresh(options: CallOptions = {}): Promise<HeadReport> {
    const { heads, answered, asked } = await this.#options.heads.collect(options)
    const comparison = await this.#heads.take(heads)
    const unreadable = await this.#reader.load(options)
    await this.#heads.publishAgain(options)
    return { answered, asked, heads: this.#heads.all(), ...comparison, unreadable }
  }

  /** Begins a backup; one at a time, `in-use` otherwise. Finds the parent by itself unless told. */
  async beginBackup(request: BackupRequest, hooks: BackupHooks = {}): Promise<BackupSession> {
    this.#occupy()
    try {
      if (!this.#heads.isOwnKnown()) await this.refresh({ signal: hooks.signal })
      if (!this.#heads.isOwnKnown()) throw new HoldfastError('too-few-holders', 'Cannot begin a backup: what this machine stored last is not known, and nobody answered')
      this.#index.forgetUnnamed(this.#options.clock() - unnamedMs)
      const parent = request.parent === undefined ? await this.#reader.newestOwn() : request.parent ?? undefined
      if (parent !== undefined && this.head?.live.some(({ id }) => id === parent.id) !== true) {
        throw new HoldfastError('invalid-input', 'Cannot begin a backup: its parent is not kept alive by this machine')
      }
      const { store, machine, clock, random, threads = Math.min(maxThreads, availableParallelism()), packsInFlight = 2 } = this.#options
      return new BackupSession({
        store, index: this.#index, metadata: this.#metadata, keyring: this.#keyring, owner: this.owner, ownerBytes: this.#ownerBytes,
        machine: machine.id, clock, random, threads, packsInFlight, parent, turn: this.#options.turn,
        publish: async ({ latest, step, put, signal }) => await this.#heads.publish({ latest, step, put, signal }),
        ended: () => { this.#busy = false },
      }, request, hooks)
    } catch (error) {
      this.#busy = false
      throw error
    }
  }

  /** Snapshots of all devices, oldest first; those that cannot be read now are named beside. */
  async snapshots(options: CallOptions = {}): Promise<{ snapshots: Snapshot[], unreadable: ObjectRef[] }> {
    return await this.#reader.snapshots(options)
  }

  /** By `latest`, an id or the beginning of one. Throws `not-found`, `invalid-input`, `object-missing`, `object-damaged`. */
  async snapshot(name: string, options: CallOptions = {}): Promise<Snapshot> {
    return await this.#reader.snapshot(name, options)
  }

  /** Snapshots that no head names any more and that holders still have, oldest first by what they say of themselves. */
  async keptSnapshots(options: CallOptions = {}): Promise<{ snapshots: Snapshot[], unreadable: ObjectRef[] }> {
    return await this.#reader.kept(options)
  }

  /** Entries of a folder, or of the roots when no path is given. Throws `not-found`. */
  async list(snapshot: Snapshot, path?: string, options: CallOptions = {}): Promise<{ path: string, entry: Entry }[]> {
    return await this.#reader.list(snapshot, path, options)
  }

  /** The entry at a path, as the machine writes it. Throws `not-found`. */
  async entry(snapshot: Snapshot, path: string, options: CallOptions = {}): Promise<Entry> {
    return await this.#reader.entry(snapshot, path, options)
  }

  /** Everything at and below a path (default: all roots), a folder before what is in it. `parts`: names from the start down. */
  walk(snapshot: Snapshot, path?: string, options: CallOptions = {}): AsyncGenerator<{ path: string, parts: string[], entry: Entry }> {
    return this.#reader.walk(snapshot, path, options)
  }

  /** Writes files in bulk; see restore.ts. Rejects only when cancelled or when a `done` throws: a file fails by itself. */
  async restore(items: Iterable<RestoreItem> | AsyncIterable<RestoreItem>, options: CallOptions & { onBytes?: (bytes: number) => void } = {}): Promise<void> {
    await restoreItems(items, {
      store: this.#options.store, index: this.#index, metadata: this.#metadata, threads: this.#threads(),
      secrets: { owner: this.#ownerBytes, chunkIdKey: this.#keyring.chunkIdKey }, keyFor: (epoch) => this.#keyFor(epoch), ...options,
    })
  }

  /** Bytes [offset, offset + length) of a file, cut at its end. Throws `object-missing`, `object-damaged`. */
  async readRange(content: FileContent, range: { offset: number, length: number }, options: CallOptions = {}): Promise<Buffer> {
    return await this.#reader.readRange(content, range, options)
  }

  /** A file in order, some MiB at a time, one piece read ahead. */
  readContent(content: FileContent, options: CallOptions = {}): AsyncGenerator<{ offset: number, bytes: Buffer }> {
    return this.#reader.readContent(content, options)
  }

  /** Checks that everything that the heads name can be read; what cannot is stored again by the next backup. */
  async verify(request: VerifyRequest, options: CallOptions = {}): Promise<VerifyReport> {
    return await verifyRepository({
      store: this.#options.store, index: this.#index, metadata: this.#metadata, threads: this.#threads(),
      secrets: { owner: this.#ownerBytes, chunkIdKey: this.#keyring.chunkIdKey }, keyFor: (epoch) => this.#keyFor(epoch),
      named: this.live, readSnapshot: async (ref) => await this.#reader.readSnapshot(ref, options),
      signal: options.signal,
    }, request)
  }

  /** Takes over what other devices (default: all) keep alive, after a recovery, and publishes a head that names it. */
  async adopt(options: CallOptions & { machines?: readonly MachineId[] } = {}): Promise<void> {
    await this.#exclusively(async () => {
      const heads = this.#heads.counting().filter(({ document }) => document.machine !== this.#options.machine.id
        && (options.machines === undefined || options.machines.includes(document.machine)))
      await this.#heads.publish({ adopted: heads, put: async (object) => { await this.#options.store.put(object, options) }, signal: options.signal })
    })
  }

  /** Drops snapshots of this device from its head, and every pack that no kept one needs. Holders keep them a month more. */
  async forget(request: ForgetRequest, options: CallOptions = {}): Promise<ForgetReport> {
    return await this.#exclusively(async () => {
      const { keep, report } = await planForget({
        index: this.#index, metadata: this.#metadata, live: this.head?.live ?? [],
        readSnapshot: async (ref) => await this.#reader.readSnapshot(ref, options),
        readIndex: async (ref) => await this.#reader.readIndex(ref, options), signal: options.signal,
      }, request)
      if (request.dryRun !== true && report.snapshots.length > 0) {
        await this.#heads.publish({ live: keep, put: async (object) => { await this.#options.store.put(object, options) }, signal: options.signal })
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
        readSnapshot: async (ref) => await this.#reader.readSnapshot(ref, options), readIndex: async (ref) => await this.#reader.readIndex(ref, options),
        keyFor: (of) => this.#keyFor(of), chunkIdKey: chunkIdKeyOf(this.#keyring.chunkIdKey), sealing: { owner: this.#ownerBytes, dataKey, epoch, random },
      }, request)
      const changes = keep.length < (this.head?.live.length ?? 0) || report.rewritten > 0
      if (request.dryRun !== true && changes) await this.#heads.publish({ live: keep, put: async (object) => { await put(object) }, signal: options.signal })
      return report
    })
  }

  /** Takes a changed keyring (an epoch or a recipient more or less) and publishes a head that names it. */
  async changeKeyring(keyring: Keyring, options: CallOptions = {}): Promise<void> {
    if (keyring.owner !== this.owner) throw new RangeError('Cannot change the keyring: it is of another owner')
    await this.#exclusively(async () => {
      writeDurably(keyringPath(this.#options.directory), await sealKeyring(keyring))
      this.#keyring = keyring
      await this.#heads.publish({ put: async (object) => { await this.#options.store.put(object, options) }, signal: options.signal })
    })
  }

  /** Reads every index again, and the tables of packs that no index names. Returns what could not be read. */
  async rebuildIndex(options: CallOptions = {}): Promise<readonly ObjectRef[]> {
    return await this.#exclusively(async () => {
      this.#index.clear()
      return await this.#reader.load(options)
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

  #occupy(): void {
    if (this.#busy) throw new HoldfastError('in-use', 'Cannot begin: a backup or another change is under way', { guidance: 'Wait for its end, and try again.' })
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
}

/** The local part of `Repository.create`: afterwards `Repository.open` works, also when the process ended in between. */
export async function beginRepository(directory: string, keyring: Keyring): Promise<void> {
  const path = keyringPath(directory)
  if (existsSync(path)) throw new HoldfastError('already-exists', 'Cannot create the repository: there is one')
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  new LocalHeads(directory).begin()
  writeDurably(path, await sealKeyring(keyring))
}

function keyringPath(directory: string): string {
  return join(directory, 'keyring.hfk')
}
