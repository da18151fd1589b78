/** A group of machines in one process: stores in memory or in folders behind a faulty decorator, and a Peers over them. */
import { randomBytes } from 'node:crypto'
import { HoldfastError } from '../../shared/errors.ts'
import type { MachineId } from '../../shared/ids.ts'
import { hashLeaves } from '../../agent/merkle.ts'
import type { Clock } from '../../agent/network/clock.ts'
import { DeviceKeys } from '../../agent/network/device-keys.ts'
import { Dispersal, type DispersalTimings, type HolderReport } from '../../agent/network/dispersal.ts'
import type { Peer, Peers } from '../../agent/network/peers.ts'
import { PlacementIndex } from '../../agent/network/placement-index.ts'
import { objectIdOf } from '../../agent/network/shard.ts'
import type { CallOptions, NewShard, PutOptions, ShardRef, ShardStore } from '../../agent/network/shard-store/port.ts'
import type { NewObject, ObjectKind, PublishedHead } from '../../agent/object-store.ts'
import { MemoryShardStore } from './memory-shard-store.ts'
import { type TestOwner, makeOwner } from './test-owner.ts'

/** What a machine does wrong; changed at will while the test runs. */
export interface Faults {
  /** Every call is refused: it is switched off. */
  gone?: boolean
  /** It is gone after so many more calls. */
  goneAfter?: number
  full?: boolean
  /** It has no room for a head now. */
  headsFull?: boolean
  /** It takes nothing while its connection costs money. */
  spares?: boolean
  /** Puts never end (until their signal fires). */
  stuckPut?: boolean
  /** Reads never end (until their signal fires). */
  stuckRead?: boolean
  /** Reads come with a flipped bit. */
  flips?: boolean
  /** Puts are acknowledged and thrown away. */
  forgets?: boolean
  /** Told of each read before it is answered; a machine that is switched off then gives no answer any more. */
  onRead?: () => void
  /** Questions about these objects have no answer, others do. */
  silentAbout?: ReadonlySet<string>
}

export class FaultyStore implements ShardStore {
  readonly faults: Faults = {}
  readonly inner: ShardStore
  /** Calls by name. */
  readonly calls = new Map<string, number>()

  constructor(inner: ShardStore) {
    this.inner = inner
  }

  #enter(name: string, { signal }: CallOptions = {}): void {
    signal?.throwIfAborted()
    this.calls.set(name, (this.calls.get(name) ?? 0) + 1)
    if (this.faults.goneAfter !== undefined && this.faults.goneAfter-- <= 0) this.faults.gone = true
    this.#assertOn()
  }

  #assertOn(): void {
    if (this.faults.gone === true) throw new HoldfastError('peer-unreachable', 'Cannot reach the machine: it is switched off')
  }

  async put(shard: NewShard, options?: PutOptions): Promise<number> {
    this.#enter('put', options)
    if (this.faults.spares === true) throw new HoldfastError('quota-exceeded', 'Cannot store the shard: this machine is on a connection that costs money', { details: { metered: true } })
    if (this.faults.full === true) throw new HoldfastError('disk-full', 'Cannot store the shard: the disk is full')
    if (this.faults.stuckPut === true) await never(options)
    if (this.faults.forgets === true) return shard.bytes.length
    return await this.inner.put(shard, options)
  }

  async open(ref: ShardRef, options?: CallOptions): ReturnType<ShardStore['open']> {
    this.#enter('open', options)
    if (this.faults.silentAbout?.has(ref.id) === true) throw new HoldfastError('timeout', 'Cannot open the shard: no answer')
    return await this.inner.open(ref, options)
  }

  async read(ref: ShardRef, offset: number, length: number, options?: CallOptions): Promise<Uint8Array> {
    this.#enter('read', options)
    this.faults.onRead?.()
    if (this.faults.stuckRead === true) await never(options)
    const bytes = Buffer.from(await this.inner.read(ref, offset, length, options))
    this.#assertOn()
    if (this.faults.flips === true && bytes.length > 0) bytes[bytes.length >> 1]! ^= 4
    return bytes
  }

  list(owner: Parameters<ShardStore['list']>[0], options?: CallOptions): ReturnType<ShardStore['list']> {
    this.#enter('list', options)
    return this.inner.list(owner, options)
  }

  async putHead(head: PublishedHead, options?: CallOptions): Promise<void> {
    this.#enter('putHead', options)
    if (this.faults.headsFull === true) throw new HoldfastError('quota-exceeded', 'Cannot take the head: too many long ones are on their way')
    await this.inner.putHead(head, options)
  }

  async heads(owner: Parameters<ShardStore['heads']>[0], options?: CallOptions): Promise<readonly PublishedHead[]> {
    this.#enter('heads', options)
    return await this.inner.heads(owner, options)
  }

  async space(options?: CallOptions): ReturnType<ShardStore['space']> {
    this.#enter('space', options)
    return await this.inner.space(options)
  }
}

async function never({ signal }: CallOptions = {}): Promise<never> {
  return await new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)))
}

/** All of that size, in their order. */
export function* subsets<T>(items: readonly T[], size: number): Generator<T[]> {
  if (size === 0) yield []
  for (const [at, item] of items.entries()) {
    if (size > 0) for (const rest of subsets(items.slice(at + 1), size - 1)) yield [item, ...rest]
  }
}

/** Those of the design's table, each once: name, k, n. */
export const levels = [['mirror-2', 1, 2], ['mirror-3', 1, 3], ['2-of-3', 2, 3], ['4-of-5', 4, 5], ['2-of-4', 2, 4], ['3-of-5', 3, 5], ['4-of-6', 4, 6], ['triple', 3, 6]] as const

export interface GroupMachine {
  readonly id: MachineId
  readonly store: FaultyStore
  readonly memory: MemoryShardStore
  peer: Peer
}

export interface ShardGroup extends AsyncDisposable {
  readonly owner: TestOwner
  readonly machines: GroupMachine[]
  readonly peers: Peers
  readonly dispersal: Dispersal
  readonly reports: HolderReport[]
  /** A dispersal of the same owner that knows nothing yet, as on a new machine. */
  fresh(): Promise<Dispersal>
  machine(id: MachineId): GroupMachine
  /** Another machine joins; `store` is what it keeps shards in, if not memory. */
  addMachine(options?: { host?: string | undefined; store?: ShardStore | undefined }): GroupMachine
}

/** `hosts`: what counts as one machine, by position; distinct without it. `stores`: likewise, in memory without it. */
export async function makeGroup(count: number, options: { redundancy?: string; hosts?: readonly string[]; timings?: Partial<DispersalTimings>; quota?: number; owner?: TestOwner; stores?: readonly ShardStore[]; clock?: Clock; scoreOf?: (machine: MachineId) => number } = {}): Promise<ShardGroup> {
  const owner = options.owner ?? await makeOwner()
  const machines: GroupMachine[] = []
  const addMachine: ShardGroup['addMachine'] = ({ host, store } = {}) => {
    const at = machines.length
    const id = randomBytes(32).toString('base64url') as MachineId
    const memory = new MemoryShardStore([owner.certificate], options.quota)
    const peer: Peer = { id, name: `machine-${at}`, host: host ?? `host-${at}`, state: 'online', offer: 1e9 }
    const added: GroupMachine = { id, memory, store: new FaultyStore(store ?? memory), peer }
    machines.push(added)
    return added
  }
  for (let at = 0; at < count; at++) addMachine({ host: options.hosts?.[at], store: options.stores?.[at] })
  const machine = (id: MachineId): GroupMachine => machines.find((one) => one.id === id) as GroupMachine
  const peers: Peers = {
    list: () => machines.map(({ peer }) => peer),
    find: (id) => machines.find((one) => one.id === id)?.peer,
    async connect(id) {
      if (machine(id).store.faults.gone === true) throw new HoldfastError('peer-unreachable', 'Cannot reach the machine: it is switched off')
      return machine(id).store
    },
  }
  const reports: HolderReport[] = []
  const opened: { dispersal: Dispersal; index: PlacementIndex }[] = []
  const open = async (): Promise<Dispersal> => {
    const keys = new DeviceKeys()
    await keys.learn(owner.certificate)
    const index = new PlacementIndex(':memory:')
    const dispersal = new Dispersal({
      owner: owner.root.id, device: owner.machine, epoch: owner.epoch, peers, index, keys,
      redundancy: () => options.redundancy ?? 'auto', timings: options.timings, clock: options.clock, scoreOf: options.scoreOf, report: (report) => { reports.push(report) },
    })
    opened.push({ dispersal, index })
    return dispersal
  }
  return {
    owner, machines, peers, reports, machine, addMachine, fresh: open, dispersal: await open(),
    async [Symbol.asyncDispose]() {
      for (const { dispersal, index } of opened) {
        await dispersal[Symbol.asyncDispose]()
        index[Symbol.dispose]()
      }
    },
  }
}

export function makeObject(length: number, kind: ObjectKind = 'pack'): NewObject & { readonly copy: Buffer } {
  const bytes = new Uint8Array(randomBytes(length))
  const leaves = hashLeaves(bytes)
  return { kind, id: objectIdOf(leaves), length, bytes, leaves, copy: Buffer.from(bytes) }
}
