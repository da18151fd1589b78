/**
 * Repair in the owner's place, while all its machines are silent: by the holders, without any key.
 *
 * Every holder asks the others once a day what they have of that owner; what lacks is judged with patience (margin.ts) and
 * made anew by the machine with the lowest id among those that have a shard of the object and are online. It joins k shards,
 * checks the object's id, and stores what is missing under the header that the owner signed; before it go the owner's heads, so
 * that who takes it knows what is alive and the certificates that the headers are checked with. Two that do it at once make two copies and no harm.
 * It signs nothing, knows no plaintext, and touches no object of which this machine has no shard.
 */
import { hasCode } from '../../shared/errors.ts'
import type { MachineId, OwnerId } from '../../shared/ids.ts'
import type { Machine } from '../identity/machine.ts'
import type { ObjectId, ObjectRef, PublishedHead } from '../object-store.ts'
import { type Clock, systemClock } from './clock.ts'
import { DeviceKeys } from './device-keys.ts'
import { Dispersal, type DispersalTimings } from './dispersal.ts'
import type { Peer, Peers } from './peers.ts'
import type { PlacementIndex } from './placement-index.ts'
import { liveObjects, verifyPublishedHead } from './published-head.ts'
import { type RepairReport, repairObjects } from './repair.ts'
import type { CallOptions, NewShard, OpenedShard, PutOptions, ShardEntry, ShardRef, ShardStore, Space } from './shard-store/port.ts'
import { throwIfCancelled } from './slots.ts'

/** This machine's own store: it also knows of whom it keeps something. */
export interface KeepingStore extends ShardStore {
  owners(): readonly OwnerId[]
}

export interface HolderRepairOptions {
  readonly machine: Machine
  /** This machine as others see it. */
  readonly self: Peer
  readonly store: KeepingStore
  readonly peers: Peers
  /** Whether no machine of the owner was heard of for so long that others are to act. */
  readonly isSilent: (owner: OwnerId) => boolean
  /** What is known of where the owner's shards are, kept from one day to the next. */
  readonly indexOf: (owner: OwnerId) => PlacementIndex
  readonly clock?: Clock | undefined
  readonly timings?: Partial<DispersalTimings> | undefined
}

export interface OwnerRepair extends Pick<RepairReport, 'mended' | 'improved' | 'failed' | 'shardsMade' | 'bytesSent' | 'bytesByCause'> {
  readonly owner: OwnerId
}

/** One round over all silent owners; what was done, for owners for which there was something to do. */
export async function repairForSilentOwners(options: HolderRepairOptions, { signal }: CallOptions = {}): Promise<OwnerRepair[]> {
  const done: OwnerRepair[] = []
  for (const owner of options.store.owners()) {
    throwIfCancelled(signal)
    if (!options.isSilent(owner)) continue
    const report = await repairFor(owner, options, signal)
    if (report !== undefined) done.push({ owner, ...report })
  }
  return done
}

async function repairFor(owner: OwnerId, options: HolderRepairOptions, signal: AbortSignal | undefined): Promise<RepairReport | undefined> {
  const { clock = systemClock, machine, peers, self, store, timings } = options
  const heads = await store.heads(owner, { signal })
  const held = await Array.fromAsync(store.list(owner, { signal }))
  if (heads.length === 0 || held.length === 0) return undefined
  const keys = new DeviceKeys()
  for (const { certificate } of heads) await keys.learn(certificate)
  const index = options.indexOf(owner)
  const headerOf = headersOf(store, held)
  const handOn = handingOn(heads)
  await using dispersal = new Dispersal({
    owner, device: machine, epoch: 1, index, keys, clock, timings, redundancy: () => 'auto',
    peers: {
      list: () => [...peers.list(), self],
      find: (id) => (id === self.id ? self : peers.find(id)),
      connect: async (id, call) => (id === self.id ? store : new HeldStore(await peers.connect(id, call), { headerOf, prepare: async (taker) => await handOn(id, taker, signal) })),
    },
  })
  const live = new Map<ObjectId, ObjectRef>()
  for (const head of heads) for (const object of liveObjects(head.live)) live.set(object.id, object)
  const report = await repairObjects(dispersal, { live: live.values(), patient: true, asSigned: true, mayRepair: (object) => isFirst(self, dispersal, object) }, { signal })
  dispersal.forgetDead(live.values())
  return report.shardsMade + report.failed.length > 0 ? report : undefined
}

/** Whether this machine has a shard of the object, and no machine that is online and has one has a lower id. */
function isFirst(self: Peer, { holders }: Dispersal, { shards }: { shards: readonly { machine: MachineId }[] }): boolean {
  const there = shards.map(({ machine }) => machine).filter((id) => id === self.id || holders.peer(id)?.state === 'online')
  return there.includes(self.id) && there.every((id) => id >= self.id)
}

/**
 * Gives a machine the owner's heads once, the newest epoch first: that one names which older ones it took over, whose
 * certificates a machine that joined later lacks. A head that it refuses, or has no room for now, stops nothing.
 */
function handingOn(heads: readonly PublishedHead[]): (id: MachineId, taker: ShardStore, signal: AbortSignal | undefined) => Promise<void> {
  const told = new Map<MachineId, Promise<void>>()
  const tell = async (taker: ShardStore, signal: AbortSignal | undefined): Promise<void> => {
    const verified = await Promise.all(heads.map(verifyPublishedHead))
    for (const head of verified.sort((a, b) => b.epoch - a.epoch)) {
      try {
        await taker.putHead(head, { signal })
      } catch (error) {
        if (!hasCode(error, 'revoked', 'key-cloned', 'unauthorized', 'quota-exceeded')) throw error
      }
    }
  }
  return async (id, taker, signal) => {
    const telling = told.get(id) ?? tell(taker, signal)
    told.set(id, telling)
    await telling
  }
}

interface Held {
  readonly headerOf: HeaderOf
  /** Done before the machine is given a shard. */
  readonly prepare: (taker: ShardStore) => Promise<void>
}

/** Another machine's store, to which each question shows the header of a shard that this machine keeps. */
class HeldStore implements ShardStore {
  readonly #inner: ShardStore
  readonly #headerOf: HeaderOf
  readonly #prepare: Held['prepare']

  constructor(inner: ShardStore, { headerOf, prepare }: Held) {
    this.#inner = inner
    this.#headerOf = headerOf
    this.#prepare = prepare
  }

  async #showing(id: ObjectId | undefined, options: CallOptions): Promise<CallOptions> {
    return { ...options, holding: await this.#headerOf(id) }
  }

  async put(shard: NewShard, options?: PutOptions): Promise<number> {
    await this.#prepare(this.#inner)
    return await this.#inner.put(shard, options)
  }

  async open(ref: ShardRef, options: CallOptions = {}): Promise<OpenedShard> {
    return await this.#inner.open(ref, await this.#showing(ref.id, options))
  }

  async read(ref: ShardRef, offset: number, length: number, options: CallOptions = {}): Promise<Uint8Array> {
    return await this.#inner.read(ref, offset, length, await this.#showing(ref.id, options))
  }

  async *list(owner: OwnerId, options: CallOptions = {}): AsyncGenerator<ShardEntry> {
    yield* this.#inner.list(owner, await this.#showing(undefined, options))
  }

  async putHead(head: PublishedHead, options?: CallOptions): Promise<void> {
    await this.#inner.putHead(head, options)
  }

  async heads(owner: OwnerId, options?: CallOptions): Promise<readonly PublishedHead[]> {
    return await this.#inner.heads(owner, options)
  }

  async space(options?: CallOptions): Promise<Space> {
    return await this.#inner.space(options)
  }
}

/** The header of a shard of the object that this machine keeps; of any of the owner's without an id. */
type HeaderOf = (id: ObjectId | undefined) => Promise<Uint8Array | undefined>

function headersOf(store: ShardStore, held: readonly ShardEntry[]): HeaderOf {
  const byId = new Map(held.map((entry) => [entry.id, entry]))
  return async (id) => {
    const entry = id === undefined ? held[0] : byId.get(id)
    return entry === undefined ? undefined : (await store.open(entry)).header
  }
}
