/**
 * How long a holder keeps what is not named any more (docs/format.md section 7). All times are the holder's own.
 *
 * Nobody can ask a holder to delete. An object stays while the newest head of a device names it; while a head named it that
 * was the newest at any time of the last `delayDays`; and while a head of the floor names it: the first head received on
 * each of the last `days` days, and the first of each of the last `weeks` weeks in which any was received. So a thousand heads
 * of one hour push out nothing, whatever times they claim. What came after the owner's last head, or within the delay, stays.
 */

export const dayMs = 86_400_000

export interface RetentionTerms {
  readonly delayDays: number
  readonly days: number
  readonly weeks: number
}

/** What holds unless the owner and an admin agreed on less. */
export const defaultTerms: RetentionTerms = { delayDays: 30, days: 14, weeks: 8 }

/** A device that drops more than this share of what it had named a week ago is not believed: its owner's expiry freezes. */
export const freezeShare = 0.5
export const freezeWindowMs = 7 * dayMs
/** Less than this, in bytes of shards at this holder, freezes nothing: compaction of a small backup rewrites most of it. */
export const freezeFromBytes = 16 * 1_048_576

/** Expiry of an owner that stands still, and why. */
export interface Freeze {
  /** Machine of the device whose head did it, and that head's number. */
  readonly machine: string
  readonly seq: number
  /** Own time, ms. */
  readonly since: number
  /** Bytes of shards here that the head dropped, of those that the device had named a week before. */
  readonly dropped: number
  readonly base: number
}

/**
 * The receipts that make the floor, of `receipts` (the first of each day, own ms, in any order): those of the last days,
 * and the first of each of the newest weeks (from Monday) that have any, however long ago.
 */
export function floorOf(receipts: readonly number[], { days, weeks }: Pick<RetentionTerms, 'days' | 'weeks'>, nowMs: number): Set<number> {
  const newestFirst = [...receipts].sort((a, b) => b - a)
  const floor = new Set(newestFirst.filter((received) => received > nowMs - days * dayMs))
  const firstOfWeek = new Map<number, number>()
  for (const received of newestFirst) firstOfWeek.set(weekOf(received), received)
  for (const received of [...firstOfWeek.values()].slice(0, weeks)) floor.add(received)
  return floor
}

/**
 * Days for which what an owner who left had stored stays at least: his machine alone says that he left, so it must not end
 * sooner than what only he and an admin together can shorten.
 */
export function leastDaysAfterLeaving({ delayDays, weeks }: RetentionTerms): number {
  return Math.max(delayDays, 7 * weeks)
}

/** Number of a day; of a week that begins on Monday. */
export function dayOf(timeMs: number): number {
  return Math.floor(timeMs / dayMs)
}

function weekOf(timeMs: number): number {
  return Math.floor((dayOf(timeMs) + 3) / 7)
}
