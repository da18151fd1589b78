/** How each member of the group stands: one word, one colour, and who comes first. Pure. */
import type { CommandResult } from '../shared/api.ts'
import type { Tone } from './state.ts'

export type Member = CommandResult<'coverage'>['members'][number]

const daySeconds = 86_400
/** Ages at which a backup stops being fresh, and starts being old. */
export const freshSeconds = 3 * daySeconds
export const oldSeconds = 7 * daySeconds

export function ageTone(seconds: number | null): Tone {
  return seconds === null || seconds > oldSeconds ? 'bad' : seconds > freshSeconds ? 'warning' : 'good'
}

/** The one thing to say of a member, the worst that is true of it. */
export type Standing = 'nothing' | 'never' | 'atRisk' | 'gone' | 'overdue' | 'frozen' | 'notNow' | 'drillFailed' | 'partly' | 'offLong' | 'aging' | 'unknown' | 'covered'

const tones: Readonly<Record<Standing, Tone>> = {
  nothing: 'bad', never: 'bad', atRisk: 'bad', gone: 'bad', overdue: 'bad', frozen: 'warning', notNow: 'warning', drillFailed: 'warning', partly: 'warning', offLong: 'warning', aging: 'warning', unknown: 'warning', covered: 'good',
}

export function standingOf(member: Member): Standing {
  if (member.chosen === 0) return 'nothing'
  if (member.lastSnapshotAgeSeconds === null) return 'never'
  if (member.state === 'unprotected') return 'atRisk'
  if (member.machineState === 'gone') return 'gone'
  const age = ageTone(ageWhileOn(member))
  if (age === 'bad') return 'overdue'
  if (member.frozenAt > 0) return 'frozen'
  if (member.restorable === false) return 'notNow'
  if (member.lastFailedDrill !== null) return 'drillFailed'
  if (member.state === 'partial') return 'partly'
  if (member.machineState === 'doubtful') return 'offLong'
  if (age === 'warning') return 'aging'
  return member.state === 'unknown' ? 'unknown' : 'covered'
}

export function memberTone(member: Member): Tone {
  return tones[standingOf(member)]
}

/** Some of its copies are on computers that are off now. */
export function hasCopiesOff({ reachable, wanted, placed, lastSnapshotAgeSeconds }: Member): boolean {
  return reachable !== null && lastSnapshotAgeSeconds !== null && reachable < Math.min(placed, wanted)
}

/** Nothing changes on a machine that is off: its backup ages only while it is on. */
function ageWhileOn({ lastSnapshotAgeSeconds: age, offSinceSeconds: off }: Member): number | null {
  return age === null ? null : Math.max(0, age - (off ?? 0))
}

export function isOff({ machineState }: Member): boolean {
  return machineState !== 'online'
}

/** On, with something to back up, and not backed up: not to be mixed up with a machine that is merely off. */
export function isFailing(member: Member): boolean {
  return !isOff(member) && ['never', 'atRisk', 'overdue'].includes(standingOf(member))
}

/** Worst first: failing, then not covered, then what needs a look; of those the oldest first. */
export function worstFirst(members: readonly Member[]): Member[] {
  const rank = (member: Member) => (isFailing(member) ? 0 : { bad: 1, warning: 2, good: 3 }[memberTone(member)])
  return [...members].sort((a, b) => rank(a) - rank(b) || (b.lastSnapshotAgeSeconds ?? Infinity) - (a.lastSnapshotAgeSeconds ?? Infinity) || a.name.localeCompare(b.name))
}

/** How many members have each tone. */
export function countTones(members: readonly Member[]): Readonly<Record<Tone, number>> {
  const counts = { good: 0, warning: 0, bad: 0 }
  for (const member of members) counts[memberTone(member)]++
  return counts
}

/** RFC 4180. A leading sign of a formula is defused: spreadsheets would run it. */
export function membersAsCsv(members: readonly Member[]): string {
  const columns = [
    'name', 'state', 'lastSnapshotAgeSeconds', 'placed', 'wanted', 'reachable', 'restorable', 'unprotectedBytes', 'lastVerifiedRestore', 'verifiedInPart', 'lastFailedDrill', 'machineState', 'offSinceSeconds', 'chosen', 'usedBytes', 'offerBytes', 'reportAgeSeconds', 'machine', 'owner',
  ] as const
  const cell = (value: unknown) => {
    const text = value === null || value === undefined ? '' : String(value)
    const safe = /^[=+\-@\t\r]/.test(text) && Number.isNaN(Number(text)) ? `'${text}` : text
    return /[",\r\n]/.test(safe) ? `"${safe.replaceAll('"', '""')}"` : safe
  }
  return [['standing', ...columns].join(','), ...members.map((member) => [standingOf(member), ...columns.map((column) => member[column])].map(cell).join(','))].join('\r\n') + '\r\n'
}
