/** Which steps of a process are tried as its last one: see kill-at.mjs. */

/** `npm run kill-points`: all of them; else a choice that is the same at every run and fits into the suite. */
export const everyKillPoint = process.env['HOLDFAST_EVERY_KILL_POINT'] === '1'

export interface KillPoint {
  readonly place: string
  /** From 1: at the how-manieth step at that place. */
  readonly occurrence: number
}

/**
 * `places` is what a whole run did, step by step. Each place is a kill point, at its first step, one in the middle and its
 * last in turn, ascending by when they were reached. With `every`, each at all three.
 */
export function killPoints(places: readonly string[], every = everyKillPoint): KillPoint[] {
  const reached = new Map<string, number[]>()
  for (const [at, place] of places.entries()) reached.set(place, [...reached.get(place) ?? [], at])
  const points = [...reached].flatMap(([place, steps], index) => {
    const choices = [1, Math.ceil(steps.length / 2), steps.length]
    const chosen = every ? [...new Set(choices)] : [choices[index % choices.length] ?? 1]
    return chosen.map((occurrence) => ({ place, occurrence, at: steps[occurrence - 1] ?? 0 }))
  })
  return points.sort((a, b) => a.at - b.at).map(({ place, occurrence }) => ({ place, occurrence }))
}

/** `count` of `all`, evenly; all when there are no more. */
export function evenly<T>(all: readonly T[], count: number): T[] {
  if (all.length <= count) return [...all]
  return Array.from({ length: count }, (_, index) => all[Math.floor(((index + 0.5) / count) * all.length)] as T)
}
