/**
 * Are all shards where they should be, and making new ones of those that are not. Needs no data key.
 *
 * verifyHoldings asks every machine for its list and, with readData, reads every shard and checks every leaf.
 * repairObjects does so too, then joins k shards of each object that lacks some, checks the id of the whole before a
 * byte is written (a forged shard is never laundered), and places what is lacking on machines that have none. It does so at
 * once, as when a person asks for it, or with patience (margin.ts), as an agent does by itself; by the owner's device, or
 * by a holder in its place (holder-repair.ts), which cannot sign and so makes only what the owner signed.
 * It changes neither k of an object nor the placement of what is sound.
 */
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { type MachineId, shortId } from '../../shared/ids.ts'
import type { BytesByCause } from '../../shared/repair-causes.ts'
import { hashLeaves, leafLength } from '../merkle.ts'
import type { ObjectRef } from '../object-store.ts'
import type { Dispersal } from './dispersal.ts'
import { lackingNow, lackingWithPatience } from './margin.ts'
import { doubtfulSeconds } from './membership/liveness.ts'
import { type Peer, isWaitedFor, mayComeBack } from './peers.ts'
import { matchShards } from './placement.ts'
import type { PlacedObject } from './placement-index.ts'
import { type Redundancy, redundancyOfObject, wantedOf } from './redundancy.ts'
import { addBytes, causeOf } from './repair-causes.ts'
import { objectIdOf, parseHeader, verifiedRead, withNumber } from './shard.ts'
import type { NewShard } from './shard-store/port.ts'
import { forEachBounded, throwIfCancelled } from './slots.ts'

const readLength = 32 * leafLength
const machinesAtOnce = 4
const objectsAtOnce = 2
const relistMs = 22 * 3_600_000
const daySeconds = 86_400

export interface CheckRequest {
  /** What must be readable: the live objects of the heads. Without it, all objects that any machine has shards of. */
  readonly live?: Iterable<ObjectRef> | undefined
  /** Read every shard and check every leaf, instead of believing the lists. */
  readonly readData?: boolean | undefined
}

export interface RepairRequest extends CheckRequest {
  /** Machines that are off count as having what they acknowledged, and are listed anew once a day only. */
  readonly patient?: boolean | undefined
  /** Only shards under a header that the owner's device signed; n stays. For who cannot sign. */
  readonly asSigned?: boolean | undefined
  /** Objects that are another's to repair are left alone. */
  readonly mayRepair?: ((object: PlacedObject) => boolean) | undefined
}

export interface CheckProgress {
  readonly phase: 'asking' | 'reading' | 'repairing'
  readonly done: number
  readonly total: number
}

export interface CheckOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: CheckProgress) => void) | undefined
}

/**
 * `degraded`: it can be read, and lacks shards. The others cannot be read from those that answered. `unreachable`: it could be
 * with machines that did not answer and are not off for so long that they count as gone. `damaged`: too many of its shards
 * were not what was signed. `lost`: nobody who counts is known to have enough of it; who is off for long is named all the same.
 */
export type ObjectState = 'degraded' | 'unreachable' | 'damaged' | 'lost'

/** An object that lacks shards on machines that answered. */
export interface ObjectFinding {
  readonly object: ObjectRef
  readonly state: ObjectState
  readonly need: number
  readonly wanted: number
  /** Shards on distinct machines that answered. */
  readonly have: number
  /** Machines that did not answer and are believed to have a shard, or may have one: with them it may be readable. */
  readonly silent: readonly string[]
}

export interface DamagedShard {
  readonly object: ObjectRef
  readonly number: number
  readonly machine: string
  readonly reason: string
}

export interface HoldingsReport extends Readonly<Record<ObjectState, number>> {
  readonly objects: number
  readonly healthy: number
  readonly answered: number
  readonly asked: number
  readonly bytesRead: number
  readonly details: readonly ObjectFinding[]
  readonly damagedShards: readonly DamagedShard[]
}

export interface RepairReport {
  /** What was found before, as verifyHoldings says it. */
  readonly before: HoldingsReport
  /** Objects that have all their shards again, that have more than before but not all, and that could not be mended. */
  readonly mended: number
  readonly improved: number
  readonly failed: readonly { readonly object: ObjectRef; readonly error: unknown }[]
  readonly shardsMade: number
  readonly bytesSent: number
  readonly bytesByCause: BytesByCause
}

export async function verifyHoldings(dispersal: Dispersal, request: CheckRequest = {}, options: CheckOptions = {}): Promise<HoldingsReport> {
  return (await inspect(dispersal, request, options)).report
}

interface Inspection {
  readonly report: HoldingsReport
  readonly reachable: ReadonlySet<MachineId>
}

async function inspect(dispersal: Dispersal, request: RepairRequest, options: CheckOptions): Promise<Inspection> {
  const live = request.live === undefined ? undefined : [...request.live]
  const peers = dispersal.holders.list().filter(({ state }) => (request.patient === true ? state === 'online' : state !== 'gone'))
  const reachable = new Set<MachineId>()
  const damaged: DamagedShard[] = []
  let done = 0
  await forEachBounded(peers, 2 * machinesAtOnce, async ({ id }) => {
    throwIfCancelled(options.signal)
    if (isListed(dispersal, id, request) || await dispersal.listOf(id, options.signal) !== undefined) reachable.add(id)
    options.onProgress?.({ phase: 'asking', done: ++done, total: peers.length })
  })
  if (request.patient !== true && reachable.size === peers.length && peers.length > 0) dispersal.index.markComplete()
  const bytesRead = request.readData === true ? await readAll(dispersal, { live, reachable, damaged }, options) : 0
  const objects = live ?? [...dispersal.index.objects()]
  const details: ObjectFinding[] = []
  const asked: Asked = { reachable, unlisted: unlistedOf(dispersal).filter(({ id }) => !reachable.has(id)), level: dispersal.redundancy() }
  for (const object of objects) {
    const finding = findingOf(dispersal, { ref: object, known: await dispersal.settled(object.id, options.signal) }, asked)
    if (finding !== undefined) details.push(finding)
  }
  const count = (wanted: ObjectState) => details.filter(({ state }) => state === wanted).length
  const report: HoldingsReport = {
    objects: objects.length, healthy: objects.length - details.length,
    degraded: count('degraded'), unreachable: count('unreachable'), damaged: count('damaged'), lost: count('lost'),
    answered: reachable.size, asked: peers.length, bytesRead, details, damagedShards: damaged,
  }
  return { report, reachable }
}

/** It is there and told what it has today already. */
function isListed(dispersal: Dispersal, machine: MachineId, { patient }: RepairRequest): boolean {
  const listedMs = dispersal.index.listedMs(machine)
  const nowMs = dispersal.clock.now()
  return patient === true && listedMs !== undefined && listedMs <= nowMs && nowMs - listedMs < relistMs
}

interface Asked {
  readonly reachable: ReadonlySet<MachineId>
  /** Did not answer, and never told what they have. */
  readonly unlisted: readonly Peer[]
  /** The group's. */
  readonly level: Redundancy
}

function findingOf(dispersal: Dispersal, { ref, known }: { ref: ObjectRef; known: PlacedObject | undefined }, { reachable, unlisted, level }: Asked): ObjectFinding | undefined {
  const object = { kind: ref.kind, id: ref.id, length: ref.length }
  const perhaps = unlisted.map(({ name }) => name)
  if (known === undefined) return { object, state: unlisted.length > 0 ? 'unreachable' : 'lost', need: 1, wanted: 1, have: 0, silent: perhaps.sort() }
  const matched = matchShards(dispersal.placesOf(known, { reachable }))
  const have = matched.size
  const wanted = wantedOf(known, dispersal.levelOf(known.kind, level))
  if (have >= wanted) return undefined
  const off = known.shards.filter(({ machine }) => !reachable.has(machine) && mayComeBack(dispersal.holders.peer(machine)))
  const may = matchShards(known.shards.flatMap(({ number, machine }) => {
    const peer = dispersal.holders.peer(machine)
    return peer === undefined || !(reachable.has(machine) || isWaitedFor(peer)) ? [] : [{ number, host: peer.host }]
  })).size + unlisted.length
  const damaged = Array.from({ length: known.n }, (_, number) => number).filter((number) => !matched.has(number) && dispersal.index.isDamaged(known.id, number)).length
  const state = have >= known.k ? 'degraded' : may >= known.k ? 'unreachable' : may + damaged >= known.k ? 'damaged' : 'lost'
  const silent = [...new Set([...off.map(({ machine }) => dispersal.holders.nameOf(machine)), ...state === 'unreachable' ? perhaps : []])].sort()
  return { object, state, need: known.k, wanted, have, silent }
}

/**
 * Reads every shard of every live object on every machine that answered; what does not hold leaves the index. Who goes off
 * meanwhile leaves `reachable`: that is no damage.
 */
async function readAll(dispersal: Dispersal, { live, reachable, damaged }: { live: readonly ObjectRef[] | undefined; reachable: Set<MachineId>; damaged: DamagedShard[] }, { signal, onProgress }: CheckOptions): Promise<number> {
  const wanted = live === undefined ? undefined : new Set(live.map(({ id }) => id))
  const objects = [...dispersal.index.objects()].filter(({ id }) => wanted === undefined || wanted.has(id))
  const total = objects.reduce((sum, { shards }) => sum + shards.filter(({ machine }) => reachable.has(machine)).length, 0)
  let bytes = 0
  let done = 0
  await forEachBounded([...reachable], machinesAtOnce, async (machine) => {
    for (const object of objects) {
      if (!reachable.has(machine)) return
      for (const { number } of object.shards.filter((shard) => shard.machine === machine)) {
        throwIfCancelled(signal)
        const read = await readShard(dispersal, { object, number, machine }, signal).catch((error: unknown) => {
          throwIfCancelled(signal)
          dispersal.noteFailedRead(machine, { id: object.id, number }, error)
          if (isSilence(error)) reachable.delete(machine)
          else damaged.push({ object: { kind: object.kind, id: object.id, length: object.length }, number, machine: dispersal.holders.nameOf(machine), reason: error instanceof Error ? error.message : 'unknown' })
          return 0
        })
        bytes += read
        onProgress?.({ phase: 'reading', done: ++done, total })
      }
    }
  })
  return bytes
}

function isSilence(error: unknown): boolean {
  return hasCode(error, 'peer-unreachable', 'timeout')
}

async function readShard(dispersal: Dispersal, { object, number, machine }: { object: PlacedObject; number: number; machine: MachineId }, signal: AbortSignal | undefined): Promise<number> {
  const source = { number, holder: machine }
  dispersal.reader.forget(object.id, source)
  const { store, opened } = await dispersal.reader.open({ ...object, sources: [source] }, source, signal)
  const { shardLength } = opened.parsed
  for (let offset = 0; offset < shardLength; offset += readLength) {
    await verifiedRead(store, opened, { offset, length: Math.min(readLength, shardLength - offset), signal })
  }
  return shardLength
}

export async function repairObjects(dispersal: Dispersal, request: RepairRequest = {}, options: CheckOptions = {}): Promise<RepairReport> {
  const live = request.live === undefined ? undefined : [...request.live]
  const { report: before, reachable } = await inspect(dispersal, { ...request, live }, options)
  const judging: Judging = { ...request, reachable, unlisted: unlistedOf(dispersal).length, level: dispersal.redundancy() }
  const objects = [...new Set((live ?? [...dispersal.index.objects()]).map(({ id }) => id))]
    .flatMap((id) => dispersal.index.find(id) ?? []).filter((object) => lackingOf(dispersal, object, judging).length > 0 && request.mayRepair?.(object) !== false)
  const outcome = { mended: 0, improved: 0, shardsMade: 0, bytesSent: 0 }
  const bytesByCause: BytesByCause = {}
  const failed: { object: ObjectRef; error: unknown }[] = (request.mayRepair === undefined ? before.details : []).filter(({ object }) => dispersal.index.find(object.id) === undefined)
    .map(({ object }) => ({ object, error: new HoldfastError('object-missing', `Cannot repair ${object.kind} ${shortId(object.id)}: nobody has a shard of it`) }))
  let done = 0
  await forEachBounded(objects, objectsAtOnce, async (object) => {
    throwIfCancelled(options.signal)
    try {
      await dispersal.takeTurn(object.length, options.signal)
      const causes = lackingOf(dispersal, object, judging).map((number) => causeOf(dispersal, object, number))
      const { made, bytesSent } = await repairObject(dispersal, object, { judging, signal: options.signal })
      addBytes(bytesByCause, causes, bytesSent)
      outcome.shardsMade += made
      outcome.bytesSent += bytesSent
      const after = dispersal.index.find(object.id) ?? object
      if (lackingOf(dispersal, after, judging).length === 0) outcome.mended++
      else if (made > 0) outcome.improved++
      else failed.push({ object, error: new HoldfastError('too-few-holders', `Cannot repair ${object.kind} ${shortId(object.id)}: no machine that is on is left for its missing shards`) })
    } catch (error) {
      throwIfCancelled(options.signal)
      failed.push({ object, error })
    }
    options.onProgress?.({ phase: 'repairing', done: ++done, total: objects.length })
  })
  return { before, ...outcome, bytesByCause, failed }
}

type Judging = Pick<RepairRequest, 'patient' | 'asSigned'> & Pick<Asked, 'reachable' | 'level'> & { readonly unlisted: number }

/** Machines that may have shards of which the index knows nothing: they never told, and nothing was put there. */
function unlistedOf({ holders, index }: Dispersal): Peer[] {
  if (index.isComplete()) return []
  const known = index.machines()
  return holders.list().filter(({ id, state }) => state !== 'gone' && !known.has(id))
}

/** Numbers to be made anew. */
function lackingOf(dispersal: Dispersal, object: PlacedObject, { reachable, level, patient, asSigned, unlisted }: Judging): number[] {
  const ofKind = dispersal.levelOf(object.kind, level)
  const target = asSigned === true ? object.n : targetOf(object, ofKind)
  const spare = asSigned === true ? 0 : object.n - wantedOf(object, ofKind)
  if (patient !== true) return lackingNow(dispersal.placesOf(object, { reachable }), target).slice(spare)
  const places = object.shards.flatMap(({ number, machine }) => {
    const peer = dispersal.holders.peer(machine)
    const silentDays = peer === undefined ? Infinity : silenceOf(peer) / daySeconds
    return peer === undefined || silentDays === Infinity ? [] : [{ number, host: peer.host, silentDays }]
  })
  const { green } = redundancyOfObject(object.k, target)
  return lackingWithPatience(places, { k: object.k, target, shown: object.wasGreen && green !== null ? green : target, unlisted, spare })
}

/** Infinite for one that left, was replaced or is given up. */
function silenceOf({ silentSeconds, state }: Peer): number {
  return silentSeconds ?? { online: 0, away: 0, doubtful: doubtfulSeconds, gone: Infinity }[state]
}

/**
 * Whether a patient repair by the owner may have something to do: by what is known here, nobody is asked. What machines have
 * that never told, the repair itself asks them.
 */
export function needsRepair(dispersal: Dispersal, live: Iterable<ObjectRef>): boolean {
  const judging: Judging = { patient: true, reachable: new Set(), unlisted: 0, level: dispersal.redundancy() }
  for (const { id } of live) {
    const object = dispersal.index.find(id)
    if (object === undefined || lackingOf(dispersal, object, judging).length > 0) return true
  }
  return false
}

/**
 * n grows to that of the level of its kind when k is the same; of what is small and cannot be written again (snapshots, indexes) also when k
 * is less: more copies only survive more. Packs of another k are respread (respread.ts). What the level asks for no more
 * (wantedOf) is not made anew when it is lost.
 */
function targetOf({ kind, k, n }: PlacedObject, level: Redundancy): number {
  return level.k === k || (kind !== 'pack' && k < level.k) ? Math.max(n, level.n) : n
}

interface Repairing {
  readonly judging: Judging
  readonly signal: AbortSignal | undefined
}

async function repairObject(dispersal: Dispersal, object: PlacedObject, { judging, signal }: Repairing): Promise<{ made: number; bytesSent: number }> {
  const { reachable, level, patient, asSigned } = judging
  const lacking = lackingOf(dispersal, object, judging)
  const places = dispersal.placesOf(object, patient === true ? {} : { reachable })
  if (dispersal.writable(new Set(places.map(({ host }) => host))).length === 0) return { made: 0, bytesSent: 0 } // nobody could take a shard: read nothing
  const sources = object.shards.filter(({ machine }) => reachable.has(machine)).map(({ number, machine }) => ({ number, holder: machine }))
  const located = { kind: object.kind, id: object.id, length: object.length, k: object.k, sources }
  const bytes = await dispersal.reader.read(located, undefined, { signal })
  const leaves = hashLeaves(bytes)
  if (objectIdOf(leaves) !== object.id) throw new HoldfastError('object-damaged', `Cannot repair ${object.kind} ${shortId(object.id)}: its shards join to another object`, { details: { id: object.id } })
  const n = asSigned === true ? object.n : targetOf(object, dispersal.levelOf(object.kind, level))
  const { shards, release } = await dispersal.shardsOf({ kind: object.kind, id: object.id, length: object.length, bytes, leaves }, located.k, n)
  try {
    const made = await withKnownHeader(dispersal, shards, { located, asSigned, signal })
    const outcome = await dispersal.store(made.filter(({ number }) => lacking.includes(number)), { object: { ...located, n }, places, signal })
    return { made: outcome.stored.length, bytesSent: outcome.bytesSent }
  } finally {
    release()
  }
}

/**
 * The shards under the header that their writer signed, when one of the sources has it and it fits; so a repair changes
 * no byte of what was signed. Otherwise (n grew, only forged headers are left, or the writer's epoch is over, so that a
 * machine that joined since knows no certificate of it) this device signs anew: the bytes are those of the object's id, so
 * nothing is believed that was not checked. Who may not sign gives up then: `object-damaged`.
 */
async function withKnownHeader(dispersal: Dispersal, shards: readonly NewShard[], { located, asSigned, signal }: { located: Parameters<Dispersal['reader']['open']>[0]; asSigned: boolean | undefined; signal: AbortSignal | undefined }): Promise<readonly NewShard[]> {
  const anew = shards.slice(0, 1).map(({ header }) => parseHeader(header))
  for (const source of located.sources) {
    try {
      const { opened } = await dispersal.reader.open(located, source, signal)
      if (anew.some(({ roots, epoch }) => Buffer.compare(opened.parsed.roots, roots) === 0 && opened.parsed.epoch >= epoch)) return shards.map((shard) => ({ ...shard, header: withNumber(opened.header, shard.number) }))
    } catch (error) {
      throwIfCancelled(signal)
      dispersal.noteFailedRead(source.holder, { id: located.id, number: source.number }, error)
    }
  }
  if (asSigned === true) throw new HoldfastError('object-damaged', `Cannot repair ${located.kind} ${shortId(located.id)}: no header that its owner signed fits its bytes`, { details: { id: located.id } })
  return shards
}
