/**
 * A machine or a roster that is away for long is tried again and again, and each time the log heard of it. The first time is
 * written, then once a day how often it was; what did not happen for an hour is written like the first time again.
 */
import { HoldfastError } from '../../shared/errors.ts'
import type { Log } from './log.ts'

/** Events that repeat, and the field that says who it is about. */
const subjects: Readonly<Record<string, string>> = { 'peer-not-met': 'machine', 'holder-fault': 'holder', 'head-refused': 'from', 'roster-fault': 'locator' }
/** Somebody is not there. What is said of bytes and signatures is written each time. */
const absences: ReadonlySet<string> = new Set(['peer-unreachable', 'timeout', 'roster-unavailable'])
const hourMs = 3_600_000
const toldAgainMs = 24 * hourMs
const mostKnown = 10_000

interface Known {
  readonly toldMs: number
  readonly lastMs: number
  /** Since it was told. */
  readonly times: number
}

export function sparingLog(log: Log, now: () => number): Log {
  const known = new Map<string, Known>()
  return (event, fields = {}) => {
    const { error } = fields
    const subject = subjects[event] === undefined ? undefined : fields[subjects[event]]
    if (typeof subject !== 'string' || !(error instanceof HoldfastError) || !absences.has(error.code)) {
      log(event, fields)
      return
    }
    const key = JSON.stringify([event, subject, error.code])
    const nowMs = now()
    const before = known.get(key)
    known.delete(key) // what happened last is last in the map
    if (before !== undefined && isWithin(nowMs - before.lastMs, hourMs) && isWithin(nowMs - before.toldMs, toldAgainMs)) {
      known.set(key, { ...before, lastMs: nowMs, times: before.times + 1 })
      return
    }
    known.set(key, { toldMs: nowMs, lastMs: nowMs, times: 0 })
    for (const [oldest] of known) {
      if (known.size <= mostKnown) break
      known.delete(oldest)
    }
    log(event, before === undefined || before.times === 0 ? fields : { ...fields, timesBefore: before.times, since: new Date(before.toldMs).toISOString() })
  }
}

/** A clock that was set back makes nothing quiet. */
function isWithin(passedMs: number, ms: number): boolean {
  return passedMs >= 0 && passedMs < ms
}
