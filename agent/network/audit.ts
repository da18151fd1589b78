/**
 * Do the holders still have what they acknowledged? Random leaves of random shards, with their path to the root that the
 * owner's device signed, at each holder once a day; needs no data key.
 *
 * c leaves drawn at random find a holder that lost the share f of its leaves with 1 − (1 − f)^c. For 1 % and 99.9 % within
 * 30 days c = ln 0.001 / ln 0.99 = 688; 30 a day are 900, so that a week in which nobody was there costs nothing. Days that
 * were missed are made good, ten at most. What fails counts no longer as placed, so repair makes it anew; a holder that
 * failed is read whole within the next seven days of audits, and placement prefers others.
 *
 * Silence is no failure: a machine may be off. Only a question that stays unanswered for days while the same machine answers
 * others counts as failed, so that nobody passes by answering only what it has. It cannot tell a holder that has a shard from
 * one that fetches it from others to answer.
 */
import { randomInt } from 'node:crypto'
import { hasCode } from '../../shared/errors.ts'
import type { MachineId } from '../../shared/ids.ts'
import { leafCount, leafLength } from '../merkle.ts'
import type { ObjectId, ObjectRef } from '../object-store.ts'
import type { AuditBook, Challenge, HolderAudits } from './audit-book.ts'
import type { Dispersal } from './dispersal.ts'
import { shardLength } from './erasure/reed-solomon.ts'
import type { PlacedObject } from './placement-index.ts'
import type { DamagedShard } from './repair.ts'
import { damaged, isDamage, verifiedRead } from './shard.ts'
import { forEachBounded, throwIfCancelled } from './slots.ts'

const dayMs = 86_400_000
export const leavesPerDay = 30
const mostDays = 10
/** A little less than a week, so that a week suffices although the holding changes meanwhile. */
const sweepDays = 6
/** An audit is due so long after the last one, ms: each day, a little earlier rather than later. */
const dueMs = 22 * 3_600_000
const holdersAtOnce = 4
/** A question that was left open so often, and for so long, is answered: the holder does not have it. */
const mostTries = 3
const mostOpenMs = 2 * dayMs
/** After so many questions in a row without an answer the machine is taken to be off. */
const silentInRow = 3

/** Leaves that find a loss of `share` (0 to 1) with `confidence` (0 to 1): ln(1 − confidence) / ln(1 − share). */
export function leavesToFind(share: number, confidence: number): number {
  return Math.ceil(Math.log(1 - confidence) / Math.log(1 - share))
}

export interface AuditRequest {
  readonly book: AuditBook
  /** What the heads keep alive: only that must be there. */
  readonly live: Iterable<ObjectRef>
  /** Also holders that were audited today. */
  readonly evenIfNotDue?: boolean | undefined
  /** A whole number from 0 up to `below`, exclusive, that nobody can foresee. */
  readonly random?: ((below: number) => number) | undefined
}

export interface AuditRunOptions {
  readonly signal?: AbortSignal | undefined
  readonly onProgress?: ((progress: { readonly done: number; readonly total: number }) => void) | undefined
}

export interface HolderAudit {
  readonly machine: MachineId
  readonly name: string
  /** `silent`: it did not answer, which is no failure. */
  readonly state: 'passed' | 'failed' | 'silent'
  /** Leaves asked for that were right; that were wrong or lost; that had no answer. */
  readonly passed: number
  readonly failed: number
  readonly unanswered: number
}

export interface AuditReport {
  readonly holders: readonly HolderAudit[]
  readonly bytesRead: number
  readonly damaged: readonly DamagedShard[]
}

/** A shard that a holder is believed to have. */
interface HeldShard {
  readonly object: PlacedObject
  readonly number: number
  readonly leaves: number
}

export async function auditHolders(dispersal: Dispersal, request: AuditRequest, options: AuditRunOptions = {}): Promise<AuditReport> {
  const due = [...shardsByHolder(dispersal, request.live)].filter(([machine]) => isDue(dispersal, request, machine))
  const holders: HolderAudit[] = []
  const damaged: DamagedShard[] = []
  let bytesRead = 0
  await forEachBounded(due, holdersAtOnce, async ([machine, shards]) => {
    throwIfCancelled(options.signal)
    const audit = new Audit(dispersal, request, { machine, shards, signal: options.signal })
    holders.push(await audit.run())
    damaged.push(...audit.damaged)
    bytesRead += audit.bytesRead
    options.onProgress?.({ done: holders.length, total: due.length })
  })
  return { holders: holders.sort((a, b) => (a.name < b.name ? -1 : 1)), bytesRead, damaged }
}

/** Everything alive that machines of the group are believed to have, in the order of ids and numbers. */
function shardsByHolder(dispersal: Dispersal, live: Iterable<ObjectRef>): Map<MachineId, HeldShard[]> {
  const wanted = new Set([...live].map(({ id }) => id))
  const held = new Map<MachineId, HeldShard[]>()
  for (const object of dispersal.index.objects()) {
    if (!wanted.has(object.id)) continue
    const leaves = leafCount(shardLength(object.length, object.k))
    for (const { machine, number } of object.shards) {
      const peer = dispersal.holders.peer(machine)
      if (peer === undefined || peer.state === 'gone') continue
      const shards = held.get(machine) ?? []
      shards.push({ object, number, leaves })
      held.set(machine, shards)
    }
  }
  return held
}

function isDue(dispersal: Dispersal, { book, evenIfNotDue }: AuditRequest, machine: MachineId): boolean {
  if (evenIfNotDue === true) return true
  const { auditedMs } = book.of(machine)
  const nowMs = dispersal.clock.now()
  return auditedMs === undefined || nowMs - auditedMs >= dueMs || auditedMs > nowMs
}

interface AuditParts {
  readonly machine: MachineId
  readonly shards: readonly HeldShard[]
  readonly signal: AbortSignal | undefined
}

/** One audit of one holder. */
class Audit {
  readonly damaged: DamagedShard[] = []
  bytesRead = 0
  readonly #dispersal: Dispersal
  readonly #book: AuditBook
  readonly #random: (below: number) => number
  readonly #parts: AuditParts
  readonly #byName: ReadonlyMap<string, HeldShard>
  /** Questions that earlier audits left open, by name. */
  readonly #open = new Set<string>()
  readonly #unanswered: Challenge[] = []
  #passed = 0
  #failed = 0
  #silentInRow = 0
  #hasLost = false

  constructor(dispersal: Dispersal, { book, random = (below) => randomInt(below) }: AuditRequest, parts: AuditParts) {
    this.#dispersal = dispersal
    this.#book = book
    this.#random = random
    this.#parts = parts
    this.#byName = new Map(parts.shards.map((shard) => [nameOf(shard.object.id, shard.number), shard]))
  }

  async run(): Promise<HolderAudit> {
    const { machine, signal } = this.#parts
    const nowMs = this.#dispersal.clock.now()
    const days = this.#daysSince(nowMs)
    const sweep = this.#sweepPart(days)
    for (const [name, leaves] of this.#challenges(days, sweep.shards)) {
      const shard = this.#byName.get(name)
      if (shard !== undefined) await this.#ask(shard, [...leaves].sort((a, b) => a - b))
      throwIfCancelled(signal)
      if (this.#silentInRow >= silentInRow) break
    }
    this.#closeOpen(nowMs)
    const answered = this.#passed + this.#failed > 0
    if (answered) {
      this.#book.note(machine, { passed: this.#passed, failed: this.#failed, nowMs, sweep: this.#nextSweep(sweep.next) })
    }
    if (this.#hasLost) await this.#dispersal.listOf(machine, signal)
    return {
      machine, name: this.#dispersal.holders.nameOf(machine), state: this.#failed > 0 ? 'failed' : answered ? 'passed' : 'silent',
      passed: this.#passed, failed: this.#failed, unanswered: this.#unanswered.length,
    }
  }

  #daysSince(nowMs: number): number {
    const { auditedMs } = this.#book.of(this.#parts.machine)
    return auditedMs === undefined ? 1 : Math.min(mostDays, Math.max(1, (nowMs - auditedMs) / dayMs))
  }

  /** Leaves by shard: those left open, those of the sweep, and others by lot. */
  #challenges(days: number, sweep: readonly HeldShard[]): Map<string, Set<number>> {
    const challenges = new Map<string, Set<number>>()
    const add = (name: string, leaf: number): void => { challenges.set(name, (challenges.get(name) ?? new Set<number>()).add(leaf)) }
    for (const open of this.#book.openChallenges(this.#parts.machine)) {
      this.#open.add(challengeName(open))
      if (this.#byName.has(nameOf(open.id, open.number))) add(nameOf(open.id, open.number), open.leaf)
      else this.#book.close(this.#parts.machine, open)
    }
    for (const { shard, leaf } of this.#draw(Math.round(leavesPerDay * days))) add(nameOf(shard.object.id, shard.number), leaf)
    for (const shard of sweep) for (let leaf = 0; leaf < shard.leaves; leaf++) add(nameOf(shard.object.id, shard.number), leaf)
    return challenges
  }

  /** Distinct leaves, each as likely as any other of the holder. */
  *#draw(count: number): Generator<{ shard: HeldShard; leaf: number }> {
    const { shards } = this.#parts
    const ends: number[] = []
    let total = 0
    for (const { leaves } of shards) ends.push(total += leaves)
    const drawn = new Set<number>()
    while (drawn.size < Math.min(count, total)) {
      const lot = this.#random(total)
      if (drawn.has(lot)) continue
      drawn.add(lot)
      const at = firstAbove(ends, lot)
      const shard = shards[at] as HeldShard
      yield { shard, leaf: lot - (ends[at] as number) + shard.leaves }
    }
  }

  /** A part of everything it has for each day, while a sweep is on; `next` is where the one after begins. */
  #sweepPart(days: number): { shards: readonly HeldShard[]; next: HolderAudits['sweep'] } {
    const { sweep } = this.#book.of(this.#parts.machine)
    if (sweep === undefined) return { shards: [], next: undefined }
    const { shards } = this.#parts
    const rest = shards.slice(shards.findLastIndex(({ object, number }) => object.id < sweep.id || (object.id === sweep.id && number <= sweep.number)) + 1)
    const total = shards.reduce((sum, { leaves }) => sum + leaves, 0)
    let left = total * days / sweepDays
    const part = rest.filter(({ leaves }) => {
      const isIn = left > 0
      left -= leaves
      return isIn
    })
    const last = part.at(-1)
    return { shards: part, next: last === undefined || part.length === rest.length ? undefined : { id: last.object.id, number: last.number } }
  }

  /** A sweep whose part was not answered is where it was; a failure outside one begins one. */
  #nextSweep(next: HolderAudits['sweep']): HolderAudits['sweep'] {
    const { sweep } = this.#book.of(this.#parts.machine)
    if (this.#silentInRow >= silentInRow) return sweep
    return sweep === undefined && this.#failed > 0 ? { id: '', number: -1 } : next
  }

  /** Opens the shard anew, so that header and leaves are asked for too, and reads the leaves one by one. */
  async #ask(shard: HeldShard, leaves: readonly number[]): Promise<void> {
    const { machine, signal } = this.#parts
    const { object, number } = shard
    const source = { number, holder: machine }
    const length = shardLength(object.length, object.k)
    let asked = 0
    try {
      this.#dispersal.reader.forget(object.id, source)
      const { store, opened } = await this.#dispersal.reader.open({ ...object, sources: [source] }, source, signal)
      for (const leaf of leaves) {
        const offset = leaf * leafLength
        const bytes = await verifiedRead(store, opened, { offset, length: Math.min(leafLength, length - offset), signal })
        this.bytesRead += bytes.length
        this.#answered({ id: object.id, number, leaf })
        asked++
      }
    } catch (error) {
      throwIfCancelled(signal)
      this.#faulty(shard, leaves.slice(asked), error)
    }
  }

  #answered(challenge: Challenge): void {
    this.#passed++
    this.#silentInRow = 0
    this.#close(challenge)
  }

  #close(challenge: Challenge): void {
    if (this.#open.delete(challengeName(challenge))) this.#book.close(this.#parts.machine, challenge)
  }

  #faulty(shard: HeldShard, leaves: readonly number[], error: unknown): void {
    const { id } = shard.object
    if (isDamage(error) || hasCode(error, 'not-found')) {
      this.#hasLost ||= hasCode(error, 'not-found')
      this.#fail(shard, error)
      for (const leaf of leaves) this.#close({ id, number: shard.number, leaf })
      return
    }
    this.#silentInRow++
    this.#unanswered.push(...leaves.map((leaf) => ({ id, number: shard.number, leaf })))
  }

  #fail({ object, number }: HeldShard, error: unknown): void {
    const { machine } = this.#parts
    this.#failed++
    this.#silentInRow = 0
    this.#dispersal.noteFailedRead(machine, { id: object.id, number }, error)
    this.damaged.push({
      object: { kind: object.kind, id: object.id, length: object.length }, number,
      machine: this.#dispersal.holders.nameOf(machine), reason: error instanceof Error ? error.message : 'unknown',
    })
  }

  /** A machine that answered nothing was off. One that answered other questions is asked this one again, then not believed. */
  #closeOpen(nowMs: number): void {
    const { machine } = this.#parts
    if (this.#passed + this.#failed === 0) return
    for (const challenge of this.#unanswered) {
      const { tries, sinceMs } = this.#book.noteUnanswered(machine, challenge, nowMs)
      const shard = this.#byName.get(nameOf(challenge.id, challenge.number))
      if (shard === undefined || tries < mostTries || nowMs - sinceMs < mostOpenMs) continue
      this.#fail(shard, damaged(`asked ${tries} times, its holder answers other questions only`, { id: challenge.id, number: challenge.number }))
      this.#book.close(machine, challenge)
    }
  }
}

function challengeName({ id, number, leaf }: Challenge): string {
  return `${id}.${number}.${leaf}`
}

function nameOf(id: ObjectId, number: number): string {
  return `${id}.${number}`
}

/** Index of the first element above `value` of an ascending list. */
function firstAbove(ascending: readonly number[], value: number): number {
  let from = 0
  let to = ascending.length - 1
  while (from < to) {
    const middle = (from + to) >> 1
    if ((ascending[middle] as number) > value) to = middle
    else from = middle + 1
  }
  return from
}
