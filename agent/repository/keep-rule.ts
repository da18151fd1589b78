/**
 * Which snapshots a rule keeps, with restic's meanings: the newest `last`; for each of the last so many hours, days, weeks
 * (ISO, from Monday), months and years that have a snapshot the newest one, in local time; everything `within` a span
 * before the newest snapshot; everything that has all tags of one of `tags`.
 *
 * Besides, whatever the rule says: for each protected root the newest snapshot in which it was stored whole and sound, and the
 * newest one of which data was read back and found right. Newer ones that are broken, or of which nobody knows yet, never
 * displace the last good one.
 */
import { HoldfastError } from '../../shared/errors.ts'
import type { KeepReason } from '../../shared/keep-reasons.ts'
import type { ObjectId } from '../object-store.ts'
import { isAtOrBelow } from './paths.ts'
import { type Snapshot, inOrder, lacking } from './snapshot.ts'

export interface KeepRule {
  readonly last?: number | undefined
  readonly hourly?: number | undefined
  readonly daily?: number | undefined
  readonly weekly?: number | undefined
  readonly monthly?: number | undefined
  readonly yearly?: number | undefined
  /** Such as `1y6m14d12h`. */
  readonly within?: string | undefined
  /** Each element: tags that a snapshot must have all of. */
  readonly tags?: readonly (readonly string[])[] | undefined
  /** Ids of the newest snapshots that a drill or a check of all data found right. */
  readonly proved?: readonly string[] | undefined
}

export interface Kept {
  readonly reasons: KeepReason[]
  /** Roots that no newer snapshot holds whole and sound. */
  readonly wholeOf: string[]
}

const dayMs = 86_400_000
const span = /^(?:(\d{1,4})y)?(?:(\d{1,4})m)?(?:(\d{1,5})d)?(?:(\d{1,6})h)?$/

/** The snapshots that stay, and why. Throws `invalid-input` for a rule that keeps nothing, or a span that cannot be read. */
export function chooseSnapshots(snapshots: readonly Snapshot[], rule: KeepRule): Map<ObjectId, Kept> {
  const { last = 0, hourly = 0, daily = 0, weekly = 0, monthly = 0, yearly = 0, within, tags = [], proved = [] } = rule
  if (last + hourly + daily + weekly + monthly + yearly <= 0 && within === undefined && tags.length === 0) {
    throw new HoldfastError('invalid-input', 'Cannot forget: the rule keeps no snapshot')
  }
  const newestFirst = inOrder(snapshots).reverse()
  const all = new Map<ObjectId, Kept>()
  const keep = (reason: KeepReason, ids: readonly ObjectId[]) => { for (const id of ids) keptAt(all, id).reasons.push(reason) }
  keep('last', newestFirst.slice(0, last).map(({ id }) => id))
  const periods = [['hourly', hourly, hourOf], ['daily', daily, dayOf], ['weekly', weekly, weekOf], ['monthly', monthly, monthOf], ['yearly', yearly, yearOf]] as const
  for (const [name, count, periodOf] of periods) keep(name, newestOfPeriods(newestFirst, count, periodOf))
  const newest = newestFirst[0]
  if (within !== undefined && newest !== undefined) {
    const since = before(new Date(newest.time), within)
    keep('within', newestFirst.filter(({ time }) => Date.parse(time) >= since).map(({ id }) => id))
  }
  keep('tags', newestFirst.filter(({ tags: has }) => tags.some((wanted) => wanted.every((tag) => has.includes(tag)))).map(({ id }) => id))
  const sound = lastSound(newestFirst)
  keep('whole', [...new Set(sound.values())])
  for (const [path, id] of sound) keptAt(all, id).wholeOf.push(path)
  keep('proved', newestFirst.map(({ id }) => id).filter((id) => proved.includes(id)))
  return all
}

function keptAt(all: Map<ObjectId, Kept>, id: ObjectId): Kept {
  const kept = all.get(id) ?? { reasons: [], wholeOf: [] }
  all.set(id, kept)
  return kept
}

function newestOfPeriods(newestFirst: readonly Snapshot[], count: number, periodOf: (time: Date) => string): ObjectId[] {
  const newest = new Map<string, ObjectId>()
  for (const { id, time } of newestFirst) {
    const period = periodOf(new Date(time))
    if (newest.has(period)) continue
    if (newest.size === count) break
    newest.set(period, id)
  }
  return [...newest.values()]
}

/** For each root the newest snapshot that has it without anything lacking or damaged in it. */
function lastSound(newestFirst: readonly Snapshot[]): Map<string, ObjectId> {
  const sound = new Map<string, ObjectId>()
  for (const { id, roots, skipped, damaged = [] } of newestFirst) {
    const faults = [...lacking({ skipped }), ...damaged]
    for (const { path } of roots) {
      if (!sound.has(path) && !faults.some((fault) => isAtOrBelow(fault.path, path))) sound.set(path, id)
    }
  }
  return sound
}

/** Throws `invalid-input` for a span that is none. */
export function assertSpan(text: string): void {
  if (text === '' || !span.test(text)) throw new HoldfastError('invalid-input', `Cannot keep within ${text}: write a span such as 14d, 6m or 1y6m14d12h`)
}

function before(time: Date, within: string): number {
  assertSpan(within)
  const [years, months, days, hours] = span.exec(within)?.slice(1).map((part) => Number(part ?? 0)) ?? []
  const since = new Date(time)
  since.setFullYear(since.getFullYear() - (years ?? 0), since.getMonth() - (months ?? 0), since.getDate() - (days ?? 0))
  return since.getTime() - (hours ?? 0) * 3_600_000
}

/** Days since 1970 by the local calendar. */
function localDay(time: Date): number {
  return Math.floor(Date.UTC(time.getFullYear(), time.getMonth(), time.getDate()) / dayMs)
}

const dayOf = (time: Date): string => String(localDay(time))
const hourOf = (time: Date): string => `${localDay(time)}/${time.getHours()}`
const weekOf = (time: Date): string => String(Math.floor((localDay(time) + 3) / 7))
const monthOf = (time: Date): string => `${time.getFullYear()}/${time.getMonth()}`
const yearOf = (time: Date): string => String(time.getFullYear())
