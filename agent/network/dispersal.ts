/**
 * Objects cut into shards, one on each machine of the owner's holder set; read back from any k of them.
 *
 * put: parity in a worker, one signed header for all shards, all shards sent at once; what fails moves to a spare machine;
 * it resolves once every shard is stored or has nowhere to go and at least k machines have one. Missing shards are
 * counted in the receipt, never glossed over, and made good by repair (repair.ts).
 * get: see object-reader.ts. Where the shards are stands in the placement index; a fresh machine asks the holders.
 * It knows no data keys, deletes nothing, and never counts two shards on one host twice.
 */
import { counted, needed } from '../../shared/counted.ts'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { type MachineId, type OwnerId, shortId } from '../../shared/ids.ts'
import type { Signer } from '../identity/jws.ts'
import { releaseBytes } from '../release-bytes.ts'
import type { GetOptions, NewObject, ObjectId, ObjectRef, ObjectStore, PutReceipt, StoreOptions, StorePutOptions } from '../object-store.ts'
import { type Clock, systemClock } from './clock.ts'
import type { DeviceKeys } from './device-keys.ts'
import { Holders, type HolderFault, faultOf, isSparing, untilAborted } from './holders.ts'
import { type LocatedObject, ObjectReader } from './object-reader.ts'
import { type PlacingOutcome, placeShards } from './object-placing.ts'
import { ParityEncoder } from './parity-encoder.ts'
import { type Peer, type Peers, isWaitedFor, mayComeBack } from './peers.ts'
import { type Place, type Protection, admitNewcomer, chooseHolders, judge, matchShards } from './placement.ts'
import type { PlacedObject, PlacementIndex } from './placement-index.ts'
import { type Redundancy, fewerAsked, mirrored, redundancyOf, redundancyOfObject } from './redundancy.ts'
import { isDamage, signHeader, withNumber } from './shard.ts'
import { rootsOf } from './shard-set.ts'
import type { NewShard, ShardEntry } from './shard-store/port.ts'
import { Slots, forEachBounded, throwIfCancelled } from './slots.ts'

export interface DispersalTimings {
  /** Dialling a holder is given up after this, ms. */
  readonly connectMs: number
  /** A holder that takes nothing in for so long is slow, ms. */
  readonly stallMs: number
  /** Once k shards are safe the others get this long, ms, or three times what the k took. */
  readonly lagMs: number
  /** Another way is tried beside a read that takes longer, ms. */
  readonly hedgeMs: number
  /** Holders are asked again for an object that nobody seemed to have after this, ms. */
  readonly refreshMs: number
}

export const defaultTimings: DispersalTimings = { connectMs: 10_000, stallMs: 20_000, lagMs: 3_000, hedgeMs: 3_000, refreshMs: 30_000 }

/** What the log and the pane may want to know about a holder. */
export interface HolderReport {
  readonly machine: MachineId
  readonly name: string
  readonly fault: HolderFault | 'not-found'
  readonly object?: ObjectId | undefined
  readonly number?: number | undefined
  readonly error: unknown
}

export interface DispersalOptions {
  readonly owner: OwnerId
  /** This machine's key and the epoch of its certificate: they sign the headers. */
  readonly device: Signer & { readonly id: MachineId }
  readonly epoch: number
  readonly peers: Peers
  readonly index: PlacementIndex
  readonly keys: DeviceKeys
  /** The work group's redundancy at the moment: a name or k-of-n (redundancy.ts). */
  readonly redundancy: () => string
  /** What audits say of a holder, 0 to 1; placement prefers the better ones. */
  readonly scoreOf?: ((machine: MachineId) => number) | undefined
  readonly clock?: Clock | undefined
  /** Before some MiB are stored, read or repaired; undefined: at once. */
  readonly turn?: (() => Promise<void> | undefined) | undefined
  readonly timings?: Partial<DispersalTimings> | undefined
  readonly report?: ((report: HolderReport) => void) | undefined
}

/** Metadata goes on while the data waits. */
const politeBytes = 1_048_576
const objectsAtOnce = 2
const listsAtOnce = 8

export class Dispersal implements ObjectStore, AsyncDisposable {
  readonly owner: OwnerId
  readonly index: PlacementIndex
  readonly holders: Holders
  readonly reader: ObjectReader
  readonly clock: Clock
  readonly #options: DispersalOptions
  readonly #timings: DispersalTimings
  readonly #encoder = new ParityEncoder()
  readonly #objects = new Slots(objectsAtOnce)
  readonly #puts = new Map<ObjectId, Promise<PutReceipt>>()
  /** Why a machine takes no more of this owner, as it said last. */
  readonly refusals = new Map<MachineId, { readonly reason: string; readonly atMs: number }>()
  #refreshedMs = -Infinity
  #refreshing: Promise<{ answered: number; asked: number }> | undefined
  constructor(options: DispersalOptions) {
    this.#options = options
    this.#timings = { ...defaultTimings, ...options.timings }
    this.owner = options.owner
    this.index = options.index
    this.clock = options.clock ?? systemClock
    this.holders = new Holders(options.peers, this.clock, { timings: this.#timings, scoreOf: options.scoreOf })
    this.reader = new ObjectReader({
      owner: options.owner, keys: options.keys, clock: this.clock, hedgeMs: this.#timings.hedgeMs,
      connect: async (holder, signal) => await this.holders.connect(holder, signal),
      isDoubtful: (holder) => this.holders.isDoubtful(holder),
      isWaitedFor: (holder) => isWaitedFor(this.holders.peer(holder)), nameOf: (holder) => this.holders.nameOf(holder), silent: () => this.#silentNames(),
      failed: ({ holder, number }, id, error) => this.noteFailedRead(holder, { id, number }, error),
    })
  }

  /** The level of new objects in the group as it is now. */
  redundancy(): Redundancy {
    return redundancyOf(this.#options.redundancy(), this.holders.count())
  }

  /** Of objects of a kind; `level`: the group's. */
  levelOf(kind: ObjectRef['kind'], level = this.redundancy()): Redundancy {
    return kind === 'key' ? mirrored(level) : level
  }

  /** Resolves when work on so many bytes may begin; few bytes wait for nobody. Rejects with the signal's reason. */
  async takeTurn(bytes: number, signal?: AbortSignal): Promise<void> {
    const wait = bytes < politeBytes ? undefined : this.#options.turn?.()
    if (wait !== undefined) await (signal === undefined ? wait : untilAborted(wait, signal))
  }

  async put(object: NewObject, { signal, onSent }: StorePutOptions = {}): Promise<PutReceipt> {
    throwIfCancelled(signal)
    const earlier = this.#puts.get(object.id)
    if (earlier !== undefined) return { ...await earlier, bytesSent: 0 }
    const put = this.#objects.run(async () => {
      await this.takeTurn(object.length, signal)
      return await this.#place(object, { signal, onSent })
    }, signal)
    this.#puts.set(object.id, put)
    try {
      return await put
    } finally {
      this.#puts.delete(object.id)
    }
  }

  async #place(object: NewObject, { signal, onSent }: StorePutOptions): Promise<PutReceipt> {
    const known = await this.#knownPlaces(object.id, signal)
    const { k, n } = known ?? this.levelOf(object.kind)
    const places = known === undefined ? [] : this.placesOf(known)
    const matched = matchShards(places)
    if (matched.size >= n) return { placed: matched.size, wanted: n, bytesSent: 0 }
    const lacking = Array.from({ length: n }, (_, number) => number).filter((number) => !matched.has(number))
    const canGrow = this.writable(new Set(places.map(({ host }) => host))).length > 0
    if (known !== undefined && matched.size >= k && !canGrow) return { placed: matched.size, wanted: n, bytesSent: 0 }
    const { shards, release } = await this.shardsOf(object, k, n)
    try {
      const outcome = await this.store(shards.filter(({ number }) => lacking.includes(number)), { object: { ...refOf(object), k, n }, places, signal, onSent })
      return this.#receipt(object, { k, n, outcome })
    } finally {
      // A link that was given up may still send a frame of other bytes: of a transfer that never ends.
      release()
      releaseBytes(object.bytes)
    }
  }

  /** What the index knows, unless no machine of the group has a shard of it any more. */
  async #knownPlaces(id: ObjectId, signal: AbortSignal | undefined): Promise<PlacedObject | undefined> {
    const known = await this.settled(id, signal)
    if (known === undefined || this.placesOf(known).length > 0) return known
    this.index.drop(id)
    return undefined
  }

  /** Where its shards are believed to be, by host, as far as those machines still belong to the group. */
  placesOf(object: PlacedObject, options: { reachable?: ReadonlySet<MachineId> } = {}): Place[] {
    return object.shards.flatMap(({ number, machine }) => {
      const peer = this.holders.peer(machine)
      if (peer === undefined || peer.state === 'gone' || options.reachable?.has(machine) === false) return []
      return [{ number, host: peer.host }]
    })
  }

  /** `level`: the group's as it is now, for those who judge many. */
  protectionOf(object: PlacedObject, level?: Redundancy): Protection {
    const { k, n, kind, wasGreen } = object
    const verdict = judge(redundancyOfObject(k, n), this.placesOf(object), wasGreen)
    const fewer = verdict.placed >= n ? undefined : fewerAsked(object, this.levelOf(kind, level))
    if (fewer === undefined) return verdict
    return { ...verdict, wanted: Math.max(fewer.all, verdict.placed), ...(verdict.placed >= (wasGreen ? fewer.green : fewer.all) ? { state: 'protected' as const } : {}) }
  }

  #receipt(object: NewObject, { k, n, outcome }: { k: number; n: number; outcome: PlacingOutcome }): PutReceipt {
    const known = this.index.find(object.id)
    const placed = known === undefined ? 0 : matchShards(this.placesOf(known)).size
    if (placed >= k) return { placed, wanted: n, bytesSent: outcome.bytesSent }
    const full = outcome.failures.filter(({ error }) => faultOf(error) === 'full' && !isSparing(error)).length
    const failed = [...new Set(outcome.failures.map(({ machine }) => this.holders.nameOf(machine)))].sort()
    throw new HoldfastError(full > 0 && placed + full >= k ? 'quota-exceeded' : 'too-few-holders',
      `Cannot store ${object.kind} ${shortId(object.id)}: ${counted(placed, 'machine')} took a shard, ${needed(k)}`,
      { details: { placed, need: k, wanted: n, failed }, cause: outcome.failures[0]?.error })
  }

  /** All n shards, signed; `release` is to be called when they are needed no more. */
  async shardsOf(object: NewObject, k: number, n: number): Promise<{ shards: NewShard[]; release: () => void }> {
    const { shards: cut, release } = await this.#encoder.cut(object, k, n)
    const header = signHeader({ kind: object.kind, id: object.id, length: object.length, k, n, owner: this.owner, epoch: this.#options.epoch, roots: rootsOf(cut) }, this.#options.device)
    return { shards: cut.map(({ number, bytes, leaves }) => ({ owner: this.owner, id: object.id, number, header: withNumber(header, number), leaves, bytes })), release }
  }

  /** Sends shards to machines that have none of the object yet, and records what arrived. */
  async store(shards: readonly NewShard[], { object, places, signal, onSent }: StorePutOptions & { object: ObjectRef & { k: number; n: number }; places: readonly Place[] }): Promise<PlacingOutcome> {
    const usedHosts = new Set(places.map(({ host }) => host))
    const spares = this.writable(usedHosts)
    const set = this.#holderSet(object.n).filter((id) => spares.includes(id) && !this.holders.isSuspect(id))
    const outcome = await placeShards({
      shards, usedHosts, firstOf: assign(shards, set, object), spares: spares.filter((id) => !set.includes(id)).concat(set),
      lacking: Math.max(0, object.k - matchShards(places).size),
    }, { holders: this.holders, clock: this.clock, timings: this.#timings, signal, onSent })
    for (const { machine, error } of outcome.failures) this.#report(machine, { fault: faultOf(error), error, object: object.id })
    this.confirm(object, outcome.stored)
    return outcome
  }

  /** Records acknowledged shards, and whether the object is green now. */
  confirm(object: ObjectRef & { k: number; n: number }, stored: readonly { number: number; machine: MachineId }[]): void {
    for (const { machine } of stored) this.refusals.delete(machine)
    this.index.record(object, stored.map((place) => ({ ...place, confirmedMs: this.clock.now() })))
    const known = this.index.find(object.id)
    if (known !== undefined && !known.wasGreen && matchShards(this.placesOf(known)).size >= known.n) this.index.record(known, [], { green: true })
  }

  /** Machines that may be tried now, of hosts not in `without`: those that gave nothing wrong first, then online ones. */
  writable(without: ReadonlySet<string>): MachineId[] {
    return this.holders.list().filter(({ id, host }) => !without.has(host) && this.holders.isWritable(id))
      .sort((a, b) => Number(this.holders.isSuspect(a.id)) - Number(this.holders.isSuspect(b.id)) || Number(b.state === 'online') - Number(a.state === 'online') || b.offer - a.offer || (a.id < b.id ? -1 : 1))
      .map(({ id }) => id)
  }

  /** The owner's holder set: chosen once, kept, filled up when it has too few; who joins has its chance once. */
  #holderSet(count: number): MachineId[] {
    const keep = this.index.holders()
    const candidates = this.holders.list().filter(({ id, state, isLeaving }) => state !== 'gone' && isLeaving !== true && (state !== 'doubtful' || keep.includes(id))).map((peer) => toCandidate(peer, this.holders.scoreOf(peer.id)))
    const newcomers = this.index.acquaint(candidates.map(({ id }) => id))
    const chosen = chooseHolders(this.owner, candidates, {
      count: Math.max(count, keep.length), keep: newcomers.length === 0 ? keep : admitNewcomer(this.owner, candidates, { keep, newcomers }),
    })
    if (chosen.length !== keep.length || chosen.some((id, index) => id !== keep[index])) this.index.setHolders(chosen)
    return chosen
  }

  /** What the index knows of the object; where holders say different things, headers are opened until one verifies. */
  async settled(id: ObjectId, signal?: AbortSignal): Promise<PlacedObject | undefined> {
    const known = this.index.find(id)
    if (known?.isDisputed !== true) return known
    for (const claim of this.index.claims(id)) {
      const source = { number: claim.number, holder: claim.machine }
      try {
        const { opened } = await this.reader.open({ ...claim, sources: [source] }, source, signal)
        this.index.record({ ...refOf(claim), k: claim.k, n: opened.parsed.n }, [])
        break
      } catch (error) {
        throwIfCancelled(signal)
        this.noteFailedRead(claim.machine, claim, error)
      }
    }
    return this.index.find(id)
  }

  async get(ref: ObjectRef, range?: { offset: number; length: number }, options: GetOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    const { signal } = options
    await this.takeTurn(range?.length ?? ref.length, signal)
    const located = await this.#locate(ref, signal)
    if (located !== undefined) {
      try {
        return await this.reader.read(located, range, options)
      } catch (error) {
        if (!hasCode(error, 'object-missing', 'object-damaged') || !await this.#mayHaveNews(signal)) throw error
      }
    } else await this.#mayHaveNews(signal)
    const anew = await this.#locate(ref, signal)
    if (anew === undefined) throw this.#nowhere(ref)
    return await this.reader.read(anew, range, options)
  }

  async #locate(ref: ObjectRef, signal: AbortSignal | undefined): Promise<LocatedObject | undefined> {
    const known = await this.settled(ref.id, signal)
    if (known === undefined || known.shards.length === 0) return undefined
    return { ...refOf(ref), k: known.k, sources: known.shards.map(({ number, machine }) => ({ number, holder: machine })) }
  }

  #nowhere(ref: ObjectRef): HoldfastError {
    const missing = this.#silentNames()
    return new HoldfastError('object-missing', `Cannot read ${ref.kind} ${shortId(ref.id)}: no machine that answers has a shard of it${missing.length === 0 ? '' : `; ${missing.join(', ')} cannot be asked`}`, { details: { id: ref.id, have: 0, need: 1, missing }, guidance: missing.length === 0 ? undefined : `${missing.join(', ')} may have it: switch on what is off of these, and run it again.` })
  }

  #silentNames(): string[] {
    return this.holders.list().filter((peer) => (peer.state !== 'online' || this.holders.isSilent(peer.id)) && mayComeBack(peer)).map(({ name }) => name).sort()
  }

  /** Asks all holders for their lists, unless that was done a moment ago. */
  async #mayHaveNews(signal: AbortSignal | undefined): Promise<boolean> {
    if (this.clock.now() - this.#refreshedMs < this.#timings.refreshMs) return false
    await this.refresh({ signal })
    return true
  }

  async *list({ signal }: StoreOptions = {}): AsyncGenerator<ObjectRef> {
    if (!this.index.isComplete()) await this.#mayHaveNews(signal)
    for (const object of this.index.objects()) {
      throwIfCancelled(signal)
      yield refOf(object)
    }
  }

  /** Makes the placement index anew from what the holders say they have. Holders that do not answer keep their places. */
  async refresh({ signal }: StoreOptions = {}): Promise<{ answered: number; asked: number }> {
    this.#refreshing ??= this.#refresh(signal).finally(() => { this.#refreshing = undefined })
    return await this.#refreshing
  }

  async #refresh(signal: AbortSignal | undefined): Promise<{ answered: number; asked: number }> {
    const asked = this.holders.list().filter(({ state }) => state !== 'gone')
    let answered = 0
    await forEachBounded(asked, listsAtOnce, async (peer) => {
      throwIfCancelled(signal)
      if (await this.listOf(peer.id, signal) !== undefined) answered++
    })
    this.#refreshedMs = this.clock.now()
    if (answered === asked.length && asked.length > 0) this.index.markComplete()
    return { answered, asked: asked.length }
  }

  /** What the machine says it has, taken into the index; undefined and reported when it does not answer. */
  async listOf(machine: MachineId, signal?: AbortSignal): Promise<ShardEntry[] | undefined> {
    const askedMs = this.clock.now()
    try {
      const store = await this.holders.connect(machine, signal)
      const entries: ShardEntry[] = []
      for await (const entry of store.list(this.owner, { signal })) entries.push(entry)
      this.index.replaceMachine(machine, entries, { askedMs, nowMs: this.clock.now() })
      this.holders.forgive(machine)
      return entries
    } catch (error) {
      throwIfCancelled(signal)
      this.holders.fault(machine, faultOf(error))
      this.#report(machine, { fault: faultOf(error), error })
      return undefined
    }
  }

  /** Keeps the index from growing for ever: what is not `live` and lies at no machine of the group is forgotten. */
  forgetDead(live: Iterable<ObjectRef>): void {
    const members = this.holders.list().filter(({ state }) => state !== 'gone').map(({ id }) => id)
    this.index.forgetDead(new Set(Array.from(live, ({ id }) => id)), new Set(members))
  }

  /** What is lost or wrong counts no longer as placed; who does not answer is asked last for a while. */
  noteFailedRead(machine: MachineId, shard: { id: ObjectId; number: number }, error: unknown): void {
    const isGone = hasCode(error, 'not-found')
    const isWrong = isDamage(error)
    if (isGone) this.index.remove(shard.id, shard.number, machine)
    if (isWrong) {
      this.index.markDamaged(shard.id, shard.number, machine)
      this.holders.suspect(machine)
    }
    if (!isGone && !isWrong) this.holders.fault(machine, faultOf(error))
    this.#report(machine, { fault: isGone ? 'not-found' : faultOf(error), error, object: shard.id, number: shard.number })
  }

  #report(machine: MachineId, report: Omit<HolderReport, 'machine' | 'name'>): void {
    if (report.fault === 'full' && report.error instanceof Error && !isSparing(report.error)) this.refusals.set(machine, { reason: report.error.message, atMs: this.clock.now() })
    this.#options.report?.({ machine, name: this.holders.nameOf(machine), ...report })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.allSettled(this.#puts.values())
    await this.#encoder[Symbol.asyncDispose]()
  }
}

function refOf({ kind, id, length }: ObjectRef): ObjectRef {
  return { kind, id, length }
}

function toCandidate(peer: Peer, score: number): Parameters<typeof chooseHolders>[1][number] {
  return { id: peer.id, host: peer.host, user: peer.user, subnet: peer.subnet, free: peer.offer, onlineShare: peer.onlineShare ?? (peer.state === 'online' ? 0.5 : 0.25), score }
}

/** A machine of the set for each shard, turned by the object's id, so that data shards spread over all of them. */
function assign(shards: readonly NewShard[], set: readonly MachineId[], { id, n }: { id: ObjectId; n: number }): (MachineId | undefined)[] {
  const turn = Number.parseInt(id.slice(0, 4), 16)
  if (shards.length === n && set.length >= n) return shards.map(({ number }) => set.slice(0, n)[(number + turn) % n])
  return shards.map((_, index) => set[index])
}
