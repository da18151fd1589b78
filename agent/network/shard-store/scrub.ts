/**
 * A holder reads what it keeps, all of it once in so many days, so that rot is found by who can see it for free: owners ask
 * for a few leaves a day over the network, and only while they are there. A shard that is not what was signed is dropped
 * after a second look; its owner or another holder misses it at the next listing and makes it anew.
 *
 * It goes through the shards in the order of their names, a part in proportion to the time that passed, and goes on there
 * after a restart. When many shards are wrong at once, the fault may be this machine's memory or this program: then it drops
 * no more, and says so.
 */
import { HoldfastError } from '../../../shared/errors.ts'
import { untilAborted } from '../holders.ts'
import { isDamage } from '../shard.ts'
import { drop } from './expiry.ts'
import type { FolderIndex, IndexedShard } from './folder-index.ts'
import type { CallOptions, ShardRef } from './port.ts'
import { dayMs } from './retention.ts'

export interface ScrubState {
  /** The last shard of the round that was looked at; undefined before the first and after the last one. */
  readonly at: ShardRef | undefined
  /** Own time, ms: when the round began, when it was worked on last, and when the one before it ended (0: none did). */
  readonly beganMs: number
  readonly lastMs: number
  readonly endedMs: number
  /** Shards that were dropped, in this round and in the one before it, and those that the disk did not give. */
  readonly damaged: number
  readonly damagedBefore: number
  readonly unreadable: number
}

/** How it stands, for who looks after the machine. */
export interface ScrubStanding {
  /** When everything was read for the last time (own time, ms); undefined: it was not yet. */
  readonly endedMs: number | undefined
  /** Shards in this round and the one before it that were not what was stored here, and in this one those that could not be read. */
  readonly damaged: number
  readonly unreadable: number
  /** Too many are damaged: nothing is dropped any more. */
  readonly isHalted: boolean
}

export interface ScrubReport {
  readonly shards: number
  readonly bytes: number
  readonly damaged: number
}

export interface ScrubOptions extends CallOptions {
  /** Everything is read once in so many days. */
  readonly days: number
  /** Before each shard; undefined: it may begin at once. */
  readonly turn?: (() => Promise<void> | undefined) | undefined
}

export interface ScrubContext {
  readonly index: FolderIndex
  /** The holder's own time, ms. */
  readonly now: () => number
  readonly pathOf: (shard: ShardRef) => string
  /** Reads and checks all of a shard's file. Rejects as ShardStore.open, `object-damaged`, or with what the system says. */
  readonly check: (shard: ShardRef) => Promise<void>
  readonly report: (error: unknown) => void
}

/** Of the days: rounds of half of them leave no shard unread for longer than all of them, and holidays time. */
const aim = 0.5
/** Damaged shards in one round after which none is dropped any more: so many, or a part of what lies here if that is more. */
const manyDamaged = 8
const manyShare = 0.02

export function scrubStanding(index: FolderIndex): ScrubStanding {
  const { endedMs, damaged, damagedBefore, unreadable } = index.scrub ?? newRound(0)
  return { endedMs: endedMs === 0 ? undefined : endedMs, damaged: damaged + damagedBefore, unreadable, isHalted: isTooMuch(damaged, index) }
}

/** Reads as much as is due by now. */
export async function scrub(context: ScrubContext, { days, turn, signal }: ScrubOptions): Promise<ScrubReport> {
  const { index, now } = context
  const nowMs = now()
  const endMs = aim * days * dayMs
  let state = index.scrub ?? newRound(nowMs)
  if (state.endedMs >= state.beganMs && nowMs >= state.beganMs + endMs) state = { ...newRound(nowMs), endedMs: state.endedMs, damagedBefore: state.damaged }
  const report = { shards: 0, bytes: 0, damaged: 0 }
  if (state.endedMs < state.beganMs) {
    let due = index.bytesAfter(state.at) * dueShare(state, { nowMs, endMs })
    for (let shard = index.after(state.at); shard !== undefined && due > 0; shard = index.after(state.at)) {
      const wait = turn?.()
      if (wait !== undefined) await (signal === undefined ? wait : untilAborted(wait, signal))
      signal?.throwIfAborted()
      const outcome = await look(context, shard, { mayDrop: !isTooMuch(state.damaged, index) })
      state = { ...state, at: { owner: shard.owner, id: shard.id, number: shard.number }, damaged: state.damaged + Number(outcome === 'damaged'), unreadable: state.unreadable + Number(outcome === 'unreadable') }
      index.scrub = state
      due -= shard.size
      report.shards++
      report.bytes += shard.size
      report.damaged += Number(outcome === 'damaged')
    }
    if (index.after(state.at) === undefined) state = { ...state, at: undefined, endedMs: nowMs }
  }
  index.scrub = { ...state, lastMs: nowMs }
  return report
}

function newRound(nowMs: number): ScrubState {
  return { at: undefined, beganMs: nowMs, lastMs: nowMs, endedMs: 0, damaged: 0, damagedBefore: 0, unreadable: 0 }
}

/** Of what is left of the round, the part that belongs to the time since it was worked on. */
function dueShare({ beganMs, lastMs }: ScrubState, { nowMs, endMs }: { nowMs: number; endMs: number }): number {
  const leftMs = beganMs + endMs - lastMs
  return leftMs <= 0 ? 1 : Math.min(1, Math.max(0, nowMs - lastMs) / leftMs)
}

function isTooMuch(damaged: number, index: FolderIndex): boolean {
  return damaged >= manyDamaged && damaged >= index.count * manyShare
}

async function look(context: ScrubContext, shard: IndexedShard, { mayDrop }: { mayDrop: boolean }): Promise<'sound' | 'damaged' | 'unreadable'> {
  const fault = await faultOf(context, shard) === undefined ? undefined : await faultOf(context, shard)
  if (fault === undefined) return 'sound'
  context.report(fault)
  if (!isDamage(fault)) return 'unreadable'
  if (mayDrop) drop(context, shard)
  return 'damaged'
}

/** Undefined when all is well, or the shard was let go meanwhile. */
async function faultOf({ check, index }: ScrubContext, shard: IndexedShard): Promise<unknown> {
  try {
    await check(shard)
    return undefined
  } catch (error) {
    if (index.find(shard)?.stored !== shard.stored) return undefined
    return error instanceof Error ? error : new HoldfastError('internal', 'Cannot read a shard', { cause: error })
  }
}
