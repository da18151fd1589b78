/**
 * This machine's holder store: shards of colleagues as files, their heads, within quota and disk reserve.
 *
 * Layout under the folder: `<owner in hex>/<object id>.<number>.shard` and `<owner in hex>/<machine in hex>.head`, which
 * alone suffice to restore from; `incoming/` with interrupted transfers; `index.sqlite` (rebuilt from the folder when it
 * was not closed cleanly) and `heads.sqlite` (what named each object when).
 * Whose signature makes a shard one that is taken in: shard-signers.ts.
 * Nothing is deleted on anybody's word: expire() drops what no head names any more, after the delay and the floor of
 * retention.ts, by this holder's own time.
 */
import type { StatsFs } from 'node:fs'
import { mkdir, open as openFile, readdir, rm, stat, statfs } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError, hasCode } from '../../../shared/errors.ts'
import { type OwnerId, shortId } from '../../../shared/ids.ts'
import type { DeviceCertificate } from '../../identity/device.ts'
import { idToBytes } from '../../identity/machine.ts'
import { hashLength } from '../../merkle.ts'
import type { PublishedHead } from '../../object-store.ts'
import { type Clock, systemClock } from '../clock.ts'
import { isBeyondShare } from '../fair-share.ts'
import { FolderSync, writeDurably } from '../durable-file.ts'
import { compareHeads, headToJson, verifyPublishedHead, type VerifiedHead } from '../published-head.ts'
import { type ShardHeader, isDamage } from '../shard.ts'
import { WriteAreas } from './appending-writer.ts'
import { type ExpiryReport, expire } from './expiry.ts'
import { FolderIndex } from './folder-index.ts'
import { FolderTransfer, type OpenFile } from './folder-transfer.ts'
import { HeadHistory } from './head-history.ts'
import { OwnTime } from './own-time.ts'
import { reconcile } from './reconcile.ts'
import { type ScrubOptions, type ScrubReport, type ScrubStanding, scrub, scrubStanding } from './scrub.ts'
import { type CertificateSource, ShardSigners } from './shard-signers.ts'
import { StoredShards } from './stored-shards.ts'
import type { CallOptions, HolderAccounts, NewShard, OpenedShard, OwnerAccount, PutOptions, ShardEntry, ShardReading, ShardRef, ShardTransfer, Space, TransferringShardStore } from './port.ts'

const incomingAgeMs = 3 * 86_400_000

/** Blocks of `bsize` bytes: all there are, and those that are free to this user. */
export type DiskSpace = Pick<StatsFs, 'bavail' | 'blocks' | 'bsize'>

export interface FolderOptions {
  readonly path: string
  /** Bytes that may be stored at most; without it the reserve alone decides. */
  readonly quota?: number | undefined
  /** Share of the disk that stays free whatever the quota says, 0 to 1; 0 switches the reserve off. */
  readonly minFree?: number | (() => number) | undefined
  readonly certificateOf: CertificateSource
  /** Bytes that an owner may have of `offer` here; undefined: as much as fits. */
  readonly fairShare?: ((owner: OwnerId, offer: number) => number | undefined) | undefined
  /** For how many days the shards of an owner are kept who left the group; undefined for who did not. */
  readonly keepDaysOf?: ((owner: OwnerId) => number | undefined) | undefined
  readonly clock?: Clock | undefined
  /** Milliseconds that never go back; what the holder's own time runs by. */
  readonly monotonic?: (() => number) | undefined
  readonly openFile?: OpenFile | undefined
  /** How full the disk is; the system's answer without it. */
  readonly diskOf?: ((path: string) => Promise<DiskSpace>) | undefined
  /** Told of files in the folder that are not what they should be; they count as not there. */
  readonly report?: ((error: unknown) => void) | undefined
}

export class FolderShardStore implements TransferringShardStore, HolderAccounts, AsyncDisposable {
  readonly #options: FolderOptions
  readonly #index: FolderIndex
  readonly #history: HeadHistory
  readonly #signers: ShardSigners
  readonly #stored: StoredShards
  readonly #clock: Clock
  /** The holder's own time: what retention counts by. */
  readonly #time: OwnTime
  readonly #folders = new Map<OwnerId, Promise<FolderSync>>()
  readonly #transfers = new Map<string, { transfer: Promise<FolderTransfer>; size: number }>()
  readonly #puts = new Map<string, Promise<unknown>>()
  readonly #begins = new Map<string, Promise<unknown>>()
  readonly #areas = new WriteAreas()
  #headTurn: Promise<void> = Promise.resolve()

  private constructor(options: FolderOptions, index: FolderIndex, history: HeadHistory) {
    this.#options = options
    this.#index = index
    this.#history = history
    this.#signers = new ShardSigners(history, options.certificateOf)
    this.#stored = new StoredShards(index, (ref) => this.#pathOf(ref))
    this.#clock = options.clock ?? systemClock
    this.#time = new OwnTime({
      state: history.time, now: () => this.#clock.now(), monotonic: options.monotonic ?? (() => performance.now()), save: (state) => { history.saveTime(state) },
    })
  }

  static async open(options: FolderOptions): Promise<FolderShardStore> {
    await mkdir(join(options.path, 'incoming'), { recursive: true, mode: 0o700 })
    const store = new FolderShardStore(options, await openIndex(options), new HeadHistory(join(options.path, 'heads.sqlite')))
    if (!store.#index.isClean() || store.#history.isNew) await reconcile({ path: options.path, index: store.#index, history: store.#history, now: () => store.#time.now(), report: (error) => { options.report?.(error) } })
    store.#index.mark(false)
    await store.#dropOldIncoming()
    return store
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const { transfer } of this.#transfers.values()) await transfer.then(async (open) => await open.close(), () => undefined)
    await Promise.allSettled(this.#puts.values())
    await this.#headTurn
    this.#index.mark(true)
    this.#index[Symbol.dispose]()
    this.#history[Symbol.dispose]()
  }

  /** Puts of one shard wait for each other; the later ones find it stored. */
  async put(shard: NewShard, options: PutOptions = {}): Promise<number> {
    const name = nameOf(shard)
    const earlier = this.#puts.get(name)
    const turn = Promise.resolve(earlier).catch(() => undefined).then(async () => await this.#put(shard, options))
    this.#puts.set(name, turn)
    try {
      return await turn
    } finally {
      if (this.#puts.get(name) === turn) this.#puts.delete(name)
    }
  }

  async #put(shard: NewShard, { signal, onProgress }: PutOptions): Promise<number> {
    const transfer = await this.begin(shard, { signal })
    if (transfer === 'stored') return 0
    try {
      const rest = shard.bytes.subarray(transfer.offset)
      await transfer.write(rest)
      onProgress?.(shard.bytes.length)
      signal?.throwIfAborted()
      await transfer.commit()
      return rest.length
    } finally {
      await transfer.close()
    }
  }

  async begin(shard: Omit<NewShard, 'bytes'>, { signal }: CallOptions = {}): Promise<ShardTransfer | 'stored'> {
    signal?.throwIfAborted()
    const header = await this.#signers.verified(shard)
    const name = nameOf(shard)
    const turn = (this.#begins.get(name) ?? Promise.resolve()).catch(() => undefined).then(async () => await this.#begin(shard, header, name))
    this.#begins.set(name, turn)
    try {
      return await turn
    } finally {
      if (this.#begins.get(name) === turn) this.#begins.delete(name)
    }
  }

  /** One after the other for each shard: two that write one file would cut off what the other wrote. The later one goes on. */
  async #begin(shard: Omit<NewShard, 'bytes'>, header: ShardHeader, name: string): Promise<ShardTransfer | 'stored'> {
    await this.#transfers.get(name)?.transfer.then(async (older) => await older.close(), () => undefined)
    if (await this.#has(header, shard)) return 'stored'
    const head = Buffer.concat([shard.header, shard.leaves])
    const size = head.length + header.shardLength
    const transfer = this.#startTransfer({ header, head, leaves: Buffer.from(shard.leaves), size, name })
    this.#transfers.set(name, { transfer, size })
    try {
      return await transfer
    } catch (error) {
      this.#transfers.delete(name)
      throw error
    }
  }

  async #startTransfer({ header, head, leaves, size, name }: { header: ShardHeader; head: Buffer; leaves: Buffer; size: number; name: string }): Promise<FolderTransfer> {
    await this.#assertRoom(header.owner, size)
    return await FolderTransfer.open({
      header, head, leaves, folder: await this.#folder(header.owner),
      partialPath: join(this.#options.path, 'incoming', `${name}.partial`), path: this.#pathOf(header),
      openFile: this.#options.openFile ?? openFile, areas: this.#areas,
      ended: (outcome) => {
        this.#transfers.delete(name)
        if (outcome === 'stored') this.#index.add(header, { size, stored: this.#time.now() })
      },
    })
  }

  async #assertRoom(owner: OwnerId, size: number): Promise<void> {
    const { free, quota: offer } = await this.space()
    if (size > free) throw new HoldfastError('quota-exceeded', `Cannot store the shard: ${free} bytes of space are left, ${size} are needed`)
    const fair = this.#options.fairShare?.(owner, offer)
    if (fair === undefined) return
    const used = this.#index.usedBy(owner)
    if (!isBeyondShare({ used, size, fair, free, offer })) return
    throw new HoldfastError('quota-exceeded', `Cannot store the shard: ${megabytes(used)} of this owner are here, ${megabytes(fair)} are its fair share, and less than half of what this machine offers is free; offer more space to the group, or forget old snapshots`, { details: { used, fair: Math.floor(fair) } })
  }

  /** A verified certificate was seen somewhere (a record, gossip): devices of lower epochs are shut out from now on. */
  sawCertificate(certificate: DeviceCertificate): void {
    this.#history.raiseEpoch(certificate.owner, certificate.epoch)
  }

  /** Highest epoch seen of the owner; 0 when none. */
  ownerEpoch(owner: OwnerId): number {
    return this.#history.ownerEpoch(owner)
  }

  /** Whether the shard lies here and is sound; what rotted on the disk is taken in again. */
  async #has(header: ShardHeader, ref: ShardRef): Promise<boolean> {
    if (this.#index.find(ref) === undefined) return false
    let stored: ShardHeader
    try {
      stored = await this.#stored.check(ref)
    } catch (error) {
      if (!isDamage(error) && !hasCode(error, 'not-found')) throw error
      this.#options.report?.(error)
      this.#index.remove(ref)
      return false
    }
    const at = header.number * hashLength
    const same = stored.k === header.k && stored.length === header.length
      && Buffer.compare(stored.roots.subarray(at, at + hashLength), header.roots.subarray(at, at + hashLength)) === 0
    if (!same) throw new HoldfastError('already-exists', `Cannot store shard ${ref.number} of ${shortId(ref.id)}: another one lies here under its name`)
    return this.#index.touch(ref, this.#time.now())
  }

  async open(ref: ShardRef, { signal }: CallOptions = {}): Promise<OpenedShard> {
    signal?.throwIfAborted()
    return await this.#stored.open(ref)
  }

  async read(ref: ShardRef, offset: number, length: number, { signal }: CallOptions = {}): Promise<Uint8Array> {
    signal?.throwIfAborted()
    return await this.#stored.read(ref, offset, length)
  }

  async reading(ref: ShardRef): Promise<ShardReading> {
    return await this.#stored.reading(ref)
  }

  /** Of whom something lies here. */
  owners(): OwnerId[] {
    return this.#index.owners()
  }

  async *list(owner: OwnerId, { signal }: CallOptions = {}): AsyncGenerator<ShardEntry> {
    for (let after = { id: '', number: -1 }; ;) {
      signal?.throwIfAborted()
      const page = this.#index.page(owner, after)
      yield* page
      const last = page.at(-1)
      if (last === undefined) return
      after = last
    }
  }

  async putHead(published: PublishedHead, { signal }: CallOptions = {}): Promise<void> {
    signal?.throwIfAborted()
    const head = await verifyPublishedHead(published)
    const turn = this.#headTurn.then(async () => await this.#keepHead(head))
    this.#headTurn = turn.catch(() => undefined)
    await turn
  }

  async #keepHead(head: VerifiedHead): Promise<void> {
    const { owner, machine, epoch } = head.device
    if (epoch < this.#history.ownerEpoch(owner) && !this.#history.isAdopted(head)) throw new HoldfastError('revoked', `Cannot keep the head: epoch ${epoch} of its owner is over`)
    const newest = this.#history.newest(owner, machine)
    const order = newest === undefined ? 1 : compareHeads(head, newest)
    if (order === 0 && newest?.head !== head.head) throw new HoldfastError('key-cloned', `Cannot keep the head: another head ${head.seq} of the device is here, its key has a clone`)
    if (order <= 0) {
      if (order < 0) this.#history.judgeAfterMeant(head, this.#time.stamp(), () => this.#index.heldBytes(owner))
      return
    }
    await this.#folder(owner)
    await writeDurably(join(this.#folderPath(owner), `${idToBytes(machine).toString('hex')}.head`), headToJson(head))
    this.#history.record(head, this.#time.stamp(), () => this.#index.heldBytes(owner))
  }

  async heads(owner: OwnerId, { signal }: CallOptions = {}): Promise<readonly PublishedHead[]> {
    signal?.throwIfAborted()
    return this.#history.heads(owner)
  }

  ownTime(): number {
    return this.#time.now()
  }

  accounts(): OwnerAccount[] {
    return this.#index.owners().map((owner) => this.account(owner)).sort((a, b) => b.used - a.used)
  }

  account(owner: OwnerId): OwnerAccount {
    return { owner, used: this.#index.usedBy(owner), freezes: this.#history.freezes(owner), terms: this.#history.terms(owner) }
  }

  agree(owner: OwnerId, agreement: Parameters<HolderAccounts['agree']>[1]): void {
    this.#history.agree(owner, agreement, this.#time.stamp())
  }

  /** Drops what may go; what cannot be removed now is reported and tried again. */
  async expire(options: CallOptions = {}): Promise<ExpiryReport> {
    return await expire({
      index: this.#index, history: this.#history, now: () => this.#time.now(), pathOf: (shard) => this.#pathOf(shard), keepDaysOf: this.#options.keepDaysOf,
      report: (error) => { this.#options.report?.(error) },
    }, options)
  }

  /** Reads what is due of what lies here, and drops what is not what was signed. */
  async scrub(options: ScrubOptions): Promise<ScrubReport> {
    return await scrub({
      index: this.#index, now: () => this.#time.now(), pathOf: (shard) => this.#pathOf(shard), check: async (shard) => await this.#checkSigned(shard),
      report: (error) => { this.#options.report?.(error) },
    }, options)
  }

  scrubbed(): ScrubStanding {
    return scrubStanding(this.#index)
  }

  /** All of a shard's file, and its signature where the device's certificate is known. */
  async #checkSigned(ref: ShardRef): Promise<void> {
    await this.#stored.check(ref)
    await this.#signers.check((await this.open(ref)).header)
  }

  async space({ signal }: CallOptions = {}): Promise<Space> {
    signal?.throwIfAborted()
    const coming = [...this.#transfers.values()].reduce((sum, { size }) => sum + size, 0)
    const used = this.#index.used + coming
    const { quota = Number.MAX_SAFE_INTEGER } = this.#options
    const { minFree: reserve = 0.3 } = this.#options
    const minFree = typeof reserve === 'number' ? reserve : reserve()
    const disk = minFree > 0 ? await this.#spareBytes(minFree) - coming : Number.MAX_SAFE_INTEGER
    const free = Math.max(0, Math.min(quota - used, disk))
    return { free, quota: this.#options.quota ?? used + free, used }
  }

  async #spareBytes(minFree: number): Promise<number> {
    const { bavail, blocks, bsize } = await (this.#options.diskOf ?? statfs)(this.#options.path)
    return Math.floor((bavail - blocks * minFree) * bsize)
  }

  #folderPath(owner: OwnerId): string {
    return join(this.#options.path, idToBytes(owner).toString('hex'))
  }

  #pathOf(ref: ShardRef): string {
    return join(this.#folderPath(ref.owner), `${ref.id}.${ref.number}.shard`)
  }

  async #folder(owner: OwnerId): Promise<FolderSync> {
    const folder = this.#folders.get(owner) ?? mkdir(this.#folderPath(owner), { recursive: true, mode: 0o700 })
      .then(async () => {
        await new FolderSync(this.#options.path).sync()
        return new FolderSync(this.#folderPath(owner))
      })
    this.#folders.set(owner, folder)
    return await folder
  }

  async #dropOldIncoming(): Promise<void> {
    const folder = join(this.#options.path, 'incoming')
    for (const name of await readdir(folder)) {
      try {
        const { mtimeMs } = await stat(join(folder, name))
        if (this.#clock.now() - mtimeMs > incomingAgeMs) await rm(join(folder, name), { force: true })
      } catch (error) {
        this.#options.report?.(error) // another program has it open: the next start tries again
      }
    }
  }
}

function megabytes(bytes: number): string {
  return `${Math.ceil(bytes / 1e6)} MB`
}

function nameOf({ owner, id, number }: ShardRef): string {
  return `${idToBytes(owner).toString('hex').slice(0, 16)}.${id}.${number}`
}

/** An index that SQLite cannot read is made anew. */
async function openIndex(options: FolderOptions): Promise<FolderIndex> {
  const path = join(options.path, 'index.sqlite')
  try {
    return new FolderIndex(path)
  } catch (error) {
    options.report?.(error)
    for (const ending of ['', '-wal', '-shm']) await rm(path + ending, { force: true })
    return new FolderIndex(path)
  }
}
