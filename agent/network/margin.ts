/**
 * Which shards of an object are to be made anew: pure functions of where the others are.
 *
 * At once: every number that no machine of its own has. With patience: a machine that is off counts as having what it
 * acknowledged, for 10 days; then (doubtful) its shards are made anew only as far as the margin, what may still be lost
 * besides it, is 1 or less; after 21 days, or by an admin's word, it is gone and everything on it is lacking. So two weeks of
 * leave cost nothing while others are there.
 */
import { type Place, matchShards } from './placement.ts'

/** As few losses as an object shall survive without counting on machines that nobody heard of for 10 days. */
const safeMargin = 2

export interface PatientPlace extends Place {
  readonly doubtful: boolean
}

/** Numbers below `target` that lie on no host of their own. */
export function lackingNow(places: readonly Place[], target: number): number[] {
  const matched = matchShards(places)
  return Array.from({ length: target }, (_, number) => number).filter((number) => !matched.has(number))
}

/**
 * Those worth making anew now. `places`: on machines that are not gone. `unlisted`: machines of the group that were never asked
 * what they have; each may have one of the missing shards.
 */
export function lackingWithPatience(places: readonly PatientPlace[], { k, target, unlisted = 0 }: { k: number; target: number; unlisted?: number }): number[] {
  const lost = lackingNow(places, target)
  if (lost.length > unlisted) return lost.slice(0, lost.length - unlisted)
  const steady = places.filter(({ doubtful }) => !doubtful)
  if (steady.length === places.length) return []
  const lacking = lackingNow(steady, target)
  const margin = target - lacking.length + Math.min(unlisted, lost.length) - k
  return lacking.slice(0, Math.max(0, safeMargin - margin))
}
