/**
 * When the machines of an office are on: weekdays from about 8:40 to 17:30, one day in eight absent, five weeks of leave a
 * year, the lid closed for some of the day; a quarter of the machines always. The assumptions are those of the model that the
 * figures are held against (docs/benchmarks.md).
 */
import { dayMs, hourMs } from '../support/fake-time.ts'

export interface Presence {
  /** On around the clock. */
  readonly always: boolean
  /** Days since 1970 of the leave, first and last. */
  readonly leaves: readonly (readonly [number, number])[]
}

const absentShare = 0.12
const lidClosedShare = 0.15
const leaveWeeks = 5

/** Leave in a stretch of two weeks and one of three, somewhere in each year from `startMs` on. */
export function drawPresence(always: boolean, { startMs, days, random }: { startMs: number; days: number; random: () => number }): Presence {
  const first = Math.floor(startMs / dayMs)
  const leaves: [number, number][] = []
  for (let year = 0; year * 365 < days; year++) {
    for (const weeks of [2, leaveWeeks - 2]) {
      const begin = first + year * 365 + Math.floor(random() * (365 - weeks * 7))
      leaves.push([begin, begin + weeks * 7 - 1])
    }
  }
  return { always, leaves }
}

/** Whether a machine is on at that time (UTC); `lots` are drawn for the day and for the hour. */
export function isOn({ always, leaves }: Presence, nowMs: number, lots: { readonly absent: number; readonly lid: number }): boolean {
  if (always) return true
  const day = Math.floor(nowMs / dayMs)
  if (!isOfficeHour(nowMs) || leaves.some(([from, to]) => day >= from && day <= to)) return false
  return lots.absent >= absentShare && lots.lid >= lidClosedShare
}

/** Whether people work at that time (UTC). */
export function isOfficeHour(nowMs: number): boolean {
  const weekday = new Date(nowMs).getUTCDay()
  const hour = (nowMs % dayMs) / hourMs
  return weekday !== 0 && weekday !== 6 && hour >= 8.7 && hour < 17.5
}
