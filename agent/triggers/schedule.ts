/** When a backup is due by the clock: a cron expression, and quiet hours in which nothing starts by itself. */
import { Cron } from 'croner'
import { HoldfastError } from '../../shared/errors.ts'

export interface QuietHours {
  /** Local times of day, `HH:MM`; across midnight when from is later than to. */
  readonly from: string
  readonly to: string
}

const minuteMs = 60_000

const example = 'such as "30 22 * * 1-5" (22:30 from Monday to Friday)'

/** Throws `invalid-config` when the expression cannot be read. */
export function parseCron(expression: string): Cron {
  try {
    return new Cron(expression, { paused: true })
  } catch (cause) {
    throw new HoldfastError('invalid-config', `Cannot use the schedule "${expression}": it has to be a cron expression of minute, hour, day of the month, month and day of the week, ${example}`, { cause })
  }
}

/** What somebody asks for has to come some time after `nowMs`, too. Throws `invalid-input`. */
export function checkCron(expression: string, nowMs: number): void {
  let cron: Cron
  try {
    cron = parseCron(expression)
  } catch (cause) {
    throw new HoldfastError('invalid-input', (cause as Error).message, { cause })
  }
  if (cron.nextRun(new Date(nowMs)) === null) throw new HoldfastError('invalid-input', `Cannot use the schedule "${expression}": that time never comes; write one that does, ${example}`)
}

/** Next run after `nowMs`, put off to the end of the quiet hours; null when the expression never comes again. */
export function nextRunMs(cron: Cron, quiet: QuietHours | null, nowMs: number): number | null {
  const next = cron.nextRun(new Date(nowMs))
  return next === null ? null : quietEndMs(quiet, next.getTime())
}

/** `atMs` itself outside the quiet hours, else the time at which they end. */
export function quietEndMs(quiet: QuietHours | null, atMs: number): number {
  if (quiet === null || quiet.from === quiet.to) return atMs
  const from = minutesOf(quiet.from)
  const to = minutesOf(quiet.to)
  const at = new Date(atMs)
  const minute = at.getHours() * 60 + at.getMinutes()
  const inside = from < to ? minute >= from && minute < to : minute >= from || minute < to
  if (!inside) return atMs
  const end = new Date(at)
  end.setHours(Math.floor(to / 60), to % 60, 0, 0)
  if (end.getTime() <= atMs) end.setDate(end.getDate() + 1)
  return Math.max(end.getTime(), atMs + minuteMs - (atMs % minuteMs))
}

function minutesOf(time: string): number {
  const [hours = 0, minutes = 0] = time.split(':').map(Number)
  return hours * 60 + minutes
}
