/**
 * Heads to and from every machine that can be reached, and to a notice board (roster and gossip) that carries them
 * without their live lists.
 *
 * publish: own copy on disk first, so that a crash never signs two heads of one seq; then all machines at once.
 * collect: the newest valid head of each device, from the own copy and whoever answers. What does not verify is
 * reported and left out; a head of which only the notice board knows is named in `newer`: what was found is older.
 */
import { readFile } from 'node:fs/promises'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import type { MachineId, OwnerId } from '../../shared/ids.ts'
import type { HeadStore, PublishedHead, StoreOptions } from '../object-store.ts'
import type { DeviceKeys } from './device-keys.ts'
import { writeDurably } from './durable-file.ts'
import { type Holders, faultOf } from './holders.ts'
import { mayComeBack } from './peers.ts'
import { type VerifiedHead, compareHeads, headFromJson, headToJson, verifyHeadRecord, verifyPublishedHead } from './published-head.ts'
import { forEachBounded, throwIfCancelled } from './slots.ts'

const machinesAtOnce = 8

/** A head without its live list: what fits in a roster. */
export interface HeadNotice {
  readonly certificate: string
  readonly head: string
}

/** Where notices hang: the roster, the membership's gossip. Failures are the board's to report; they stop nothing here. */
export interface HeadBoard {
  post(notice: HeadNotice): Promise<void>
  notices(owner: OwnerId): Promise<readonly HeadNotice[]>
}

export interface HeadReport {
  /** Machine id of who brought it, or `own copy`, `notice board`. */
  readonly from: string
  readonly error: unknown
}

export interface HeadDistributionOptions {
  readonly owner: OwnerId
  readonly holders: Holders
  readonly keys: DeviceKeys
  /** File with the newest head that this device published. */
  readonly path: string
  readonly board?: HeadBoard | undefined
  readonly report?: ((report: HeadReport) => void) | undefined
}

export interface CollectedHeads {
  readonly heads: readonly PublishedHead[]
  readonly answered: number
  readonly asked: number
  /** Names of the machines that did not answer and may some time: what nobody has who answered may be there. */
  readonly silent: readonly string[]
  /** Heads that exist by the notice board and that nobody who answered has: the newest found is not the newest. */
  readonly newer: readonly { readonly machine: MachineId; readonly epoch: number; readonly seq: number }[]
}

export class HeadDistribution implements HeadStore {
  readonly #options: HeadDistributionOptions
  readonly #clones = new Set<MachineId>()
  #newerSeen: CollectedHeads['newer'] = []
  #silentSeen: readonly string[] = []
  #kept: VerifiedHead | undefined
  #keeping: Promise<void> = Promise.resolve()

  /** Of the last collect: heads that only the notice board knows. */
  get newer(): CollectedHeads['newer'] {
    return this.#newerSeen
  }

  /** Of the last collect: who did not answer. */
  get silent(): readonly string[] {
    return this.#silentSeen
  }

  /** Devices of which two different heads of one number were found: two machines sign with one key. */
  get clones(): ReadonlySet<MachineId> {
    return this.#clones
  }

  constructor(options: HeadDistributionOptions) {
    this.#options = options
  }

  async publish(published: PublishedHead, { signal }: StoreOptions = {}): Promise<{ acknowledged: number; asked: number }> {
    throwIfCancelled(signal)
    const { holders, board } = this.#options
    const head = await verifyPublishedHead(published)
    await this.#options.keys.learn(head.certificate)
    await this.#keep(head)
    const asked = holders.list().filter(({ state }) => state !== 'gone')
    let acknowledged = 0
    let cloned: unknown
    const posting = this.#tried('notice board', async () => await board?.post({ certificate: head.certificate, head: head.head }))
    await forEachBounded(asked.filter(({ id }) => !holders.isDoubtful(id)), machinesAtOnce, async ({ id }) => {
      const refusal = await this.#put(id, head, signal)
      if (refusal === undefined) acknowledged++
      else if (hasCode(refusal, 'key-cloned')) cloned = refusal
    })
    await posting
    throwIfCancelled(signal)
    if (acknowledged === 0 && cloned !== undefined) throw new HoldfastError('key-cloned', `Cannot publish head ${head.seq}: the others have another head of this number, so a copy of this machine's key is in use`, { cause: cloned })
    if (acknowledged === 0) throw new HoldfastError('too-few-holders', `Cannot publish head ${head.seq}: none of ${asked.length} machines took it`, { details: { asked: asked.length } })
    return { acknowledged, asked: asked.length }
  }

  /** One after the other, and never an older one over a newer: a listing may publish again what a backup just outdates. */
  async #keep(head: VerifiedHead): Promise<void> {
    this.#keeping = this.#keepAfter(this.#keeping.catch(() => {}), head)
    await this.#keeping
  }

  async #keepAfter(before: Promise<void>, head: VerifiedHead): Promise<void> {
    await before
    if (this.#kept !== undefined && compareHeads(this.#kept, head) > 0) return
    await writeDurably(this.#options.path, headToJson(head))
    this.#kept = head
  }

  /** Undefined when the machine took it, else why not. */
  async #put(machine: MachineId, head: PublishedHead, signal: AbortSignal | undefined): Promise<unknown> {
    let refusal: unknown
    await this.#tried(machine, async () => {
      try {
        await (await this.#options.holders.connect(machine, signal)).putHead(head, { signal })
      } catch (error) {
        refusal = error
        throw error
      }
    }, signal)
    return refusal
  }

  async collect({ signal }: StoreOptions = {}): Promise<CollectedHeads> {
    throwIfCancelled(signal)
    const { holders } = this.#options
    const asked = holders.list().filter(({ state }) => state !== 'gone')
    const newest = new Map<MachineId, VerifiedHead>()
    const answering = new Set<MachineId>()
    await this.#takeOwn(newest)
    await forEachBounded(asked, machinesAtOnce, async ({ id }) => {
      const heads = await this.#tried(id, async () => await (await holders.connect(id, signal)).heads(this.#options.owner, { signal }), signal)
      if (heads === undefined) return
      answering.add(id)
      for (const head of heads) await this.#take(newest, head, id)
    })
    throwIfCancelled(signal)
    const heads = [...newest.values()].map(({ certificate, head, live }) => ({ certificate, head, live }))
    this.#newerSeen = await this.#newer(newest)
    this.#silentSeen = holders.list().filter((peer) => !answering.has(peer.id) && mayComeBack(peer)).map(({ name }) => name).sort()
    return { heads, answered: answering.size, asked: asked.length, newer: this.#newerSeen, silent: this.#silentSeen }
  }

  async #takeOwn(newest: Map<MachineId, VerifiedHead>): Promise<void> {
    const text = await readFile(this.#options.path, 'utf8').catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'ENOENT') this.#report('own copy', error)
    })
    if (text === undefined) return
    const head = await this.#tried('own copy', async () => headFromJson(text))
    if (head !== undefined) await this.#take(newest, head, 'own copy')
  }

  /** Keeps the head when it verifies, is of this owner and newer; two different ones of one seq are reported. */
  async #take(newest: Map<MachineId, VerifiedHead>, published: PublishedHead, from: string): Promise<void> {
    await this.#tried(from, async () => {
      const head = await verifyPublishedHead(published)
      if (head.device.owner !== this.#options.owner) throw new HoldfastError('record-invalid', 'Cannot use a head: it is of another owner')
      await this.#options.keys.learn(head.certificate)
      const known = newest.get(head.device.machine)
      const order = known === undefined ? 1 : compareHeads(head, known)
      if (order > 0) newest.set(head.device.machine, head)
      else if (order === 0 && known?.head !== head.head) {
        this.#clones.add(head.device.machine)
        throw new HoldfastError('key-cloned', `Cannot use head ${head.seq}: there are two of this number, the device's key has a clone`)
      }
    })
  }

  async #newer(newest: ReadonlyMap<MachineId, VerifiedHead>): Promise<CollectedHeads['newer']> {
    const { board, owner } = this.#options
    const notices = await this.#tried('notice board', async () => await board?.notices(owner) ?? []) ?? []
    const newer = new Map<MachineId, { machine: MachineId; epoch: number; seq: number }>()
    for (const notice of notices) {
      const head = await this.#tried('notice board', async () => await verifyHeadRecord(notice))
      if (head === undefined || head.device.owner !== owner) continue
      const { machine } = head.device
      const known = newer.get(machine) ?? newest.get(machine)
      if (known === undefined || compareHeads(head, known) > 0) newer.set(machine, { machine, epoch: head.epoch, seq: head.seq })
    }
    return [...newer.values()]
  }

  /** The outcome, or undefined when it failed, which is reported; a machine that did not answer is left alone a while. */
  async #tried<T>(from: string, work: () => Promise<T>, signal?: AbortSignal): Promise<T | undefined> {
    try {
      return await work()
    } catch (error) {
      throwIfCancelled(signal)
      const { holders } = this.#options
      if (holders.peer(from as MachineId) !== undefined && faultOf(error) === 'unreachable') holders.fault(from as MachineId, 'unreachable')
      this.#report(from, error)
      return undefined
    }
  }

  #report(from: string, error: unknown): void {
    this.#options.report?.({ from, error })
  }
}
