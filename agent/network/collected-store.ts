/**
 * Reads an owner's objects and heads from folders copied off holders' disks: no network, no living group, only the words.
 * The folders may be holder folders, their owner folders, or anything above them. Everything is verified as over the
 * network; any k shards of an object suffice, wherever they lie.
 */
import { join } from 'node:path'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { type MachineId, type OwnerId, shortId } from '../../shared/ids.ts'
import { idToBytes } from '../identity/machine.ts'
import type { GetOptions, HeadStore, ObjectId, ObjectRef, ObjectStore, PublishedHead, PutReceipt } from '../object-store.ts'
import { systemClock } from './clock.ts'
import { ownerFolders } from './collected-folders.ts'
import { DeviceKeys } from './device-keys.ts'
import { ObjectReader, type LocatedObject } from './object-reader.ts'
import { type VerifiedHead, compareHeads, verifyPublishedHead } from './published-head.ts'
import { CollectedFolder, readOnly } from './shard-store/collected-folder.ts'
import type { ShardEntry } from './shard-store/port.ts'

export interface CollectedOptions {
  readonly owner: OwnerId
  readonly folders: readonly string[]
  /** Told of every file or shard that cannot be used. */
  readonly report?: ((path: string, error: unknown) => void) | undefined
}

export class CollectedStore implements ObjectStore, HeadStore {
  readonly #folders: readonly CollectedFolder[]
  /** By id, what the headers say it is: more than one description only when some are rotten or forged. */
  readonly #objects = new Map<ObjectId, LocatedObject<string>[]>()
  readonly #reader: ObjectReader<string>
  readonly #keys = new DeviceKeys()
  readonly #report: (path: string, error: unknown) => void

  private constructor(options: CollectedOptions, folders: readonly CollectedFolder[]) {
    this.#folders = folders
    this.#report = options.report ?? (() => undefined)
    for (const folder of folders) for (const entry of folder.entries()) this.#add(entry, folder.path)
    this.#reader = new ObjectReader<string>({
      owner: options.owner, keys: this.#keys, clock: systemClock, hedgeMs: 30_000,
      connect: async (path) => this.#folder(path), isDoubtful: () => false, isWaitedFor: () => false, nameOf: (path) => path,
      failed: ({ holder, number }, id, error) => this.#report(join(holder, `${id}.${number}.shard`), error),
    })
  }

  #add({ kind, id, length, k, number }: ShardEntry, path: string): void {
    const described = this.#objects.get(id) ?? []
    const source = { number, holder: path }
    const at = described.findIndex((known) => known.kind === kind && known.length === length && known.k === k)
    const known = described[at]
    if (known === undefined) described.push({ kind, id, length, k, sources: [source] })
    else described[at] = { ...known, sources: [...known.sources, source] }
    this.#objects.set(id, described)
  }

  /** Throws `not-found` when the folders hold nothing of the owner. */
  static async open(options: CollectedOptions): Promise<CollectedStore> {
    const name = idToBytes(options.owner).toString('hex')
    const report = options.report ?? (() => undefined)
    const paths = new Set<string>()
    for (const folder of options.folders) for await (const path of ownerFolders(folder, (found) => found === name, report)) paths.add(path)
    if (paths.size === 0) {
      throw new HoldfastError('not-found', `Cannot find shards of owner ${shortId(options.owner)}: none of the folders has a folder ${name.slice(0, 8)}…`, {
        guidance: 'Either the words are those of another owner, or these machines kept nothing for this one: copy the folder `holder` of others.',
      })
    }
    const opened: CollectedFolder[] = []
    for (const path of paths) opened.push(await CollectedFolder.open(path, options.owner, report))
    const store = new CollectedStore(options, opened)
    await store.collect()
    return store
  }

  #folder(path: string): CollectedFolder {
    return this.#folders.find((folder) => folder.path === path) as CollectedFolder
  }

  async get(ref: ObjectRef, range?: { offset: number; length: number }, options: GetOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    let failure: unknown
    for (const located of this.#objects.get(ref.id) ?? []) {
      if (located.length !== ref.length || located.kind !== ref.kind) continue
      try {
        return await this.#reader.read(located, range, options)
      } catch (error) {
        if (!hasCode(error, 'object-missing', 'object-damaged')) throw error
        failure ??= error
      }
    }
    throw failure ?? new HoldfastError('object-missing', `Cannot read ${ref.kind} ${shortId(ref.id)}: no folder has a shard of it`, { details: { id: ref.id, have: 0, need: 1, missing: [] } })
  }

  async *list(): AsyncGenerator<ObjectRef> {
    for (const [described] of this.#objects.values()) {
      if (described !== undefined) yield { kind: described.kind, id: described.id, length: described.length }
    }
  }

  async put(): Promise<PutReceipt> {
    throw readOnly()
  }

  async publish(): Promise<{ acknowledged: number; asked: number }> {
    throw readOnly()
  }

  async collect(): Promise<{ heads: readonly PublishedHead[]; answered: number; asked: number }> {
    const newest = new Map<MachineId, VerifiedHead>()
    let answered = 0
    for (const folder of this.#folders) {
      const heads = await folder.heads()
      if (heads.length > 0) answered++
      for (const head of heads) await this.#take(newest, head, folder.path)
    }
    const heads = [...newest.values()].map(({ certificate, head, live }) => ({ certificate, head, live }))
    return { heads, answered, asked: this.#folders.length }
  }

  async #take(newest: Map<MachineId, VerifiedHead>, published: PublishedHead, path: string): Promise<void> {
    try {
      const head = await verifyPublishedHead(published)
      await this.#keys.learn(head.certificate)
      const known = newest.get(head.device.machine)
      if (known === undefined || compareHeads(head, known) > 0) newest.set(head.device.machine, head)
    } catch (error) {
      this.#report(path, error)
    }
  }
}
