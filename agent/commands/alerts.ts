/**
 * What somebody has to be told of: the own backup, as `status` and `coverage` show it; and the others' silence and age, by
 * one machine of the group alone, the lowest id of those online admins (or of all that are online when no admin is).
 */
import type { CommandResult } from '../../shared/api.ts'
import type { Config } from '../config.ts'
import type { Alert, News, Standing } from './alert-book.ts'

type Member = CommandResult<'coverage'>['members'][number]
type Status = CommandResult<'status'>

export interface AlertInput {
  readonly status: Pick<Status, 'protection' | 'paths' | 'alarms'>
  readonly members: readonly Member[]
  readonly settings: Config['alerts']
  /** Machines that left in good order: their silence is no news. */
  readonly left: ReadonlySet<string>
}

const hourMs = 3_600_000
const daySeconds = 86_400
/** What a machine that is switched on again, or a repair, mends by itself. */
const mendsMs = 24 * hourMs

export function alertsOf(input: AlertInput): Alert[] {
  const { members, left } = input
  const self = members.find((member) => member.self)
  const others = self !== undefined && speaker(members)?.machine === self.machine ? members.filter((member) => !member.self && !left.has(member.machine)) : []
  return [...ownAlerts(input, self), ...others.flatMap((member) => alertsAbout(member, input.settings))]
}

/** Who tells of the others. */
export function speaker(members: readonly Member[]): Member | undefined {
  const online = members.filter(({ machineState }) => machineState === 'online')
  const admins = online.filter(({ admin }) => admin)
  return (admins.length > 0 ? admins : online).toSorted((a, b) => (a.machine < b.machine ? -1 : 1))[0]
}

function ownAlerts({ status, settings }: AlertInput, self: Member | undefined): Alert[] {
  const { protection, paths, alarms } = status
  const isBackedUp = paths.some(({ lastSnapshot }) => lastSnapshot !== null)
  return [
    ...(self !== undefined && paths.length > 0 && isOld(self, settings)
      ? [{ key: 'stale', own: true, afterMs: self.lastSnapshotAgeSeconds === null ? settings.staleDays * 24 * hourMs : 0, text: `${self.name} has had no complete backup ${ageText(self)}` }] : []),
    ...(isBackedUp && protection.state !== 'protected'
      ? [{ key: 'deficit', own: true, afterMs: mendsMs, text: `The backup of ${self?.name ?? 'this machine'} is only partly protected: ${protection.placed} of ${protection.wanted} copies for more than a day` }] : []),
    ...Object.entries(Object.groupBy(alarms, ({ kind }) => kind)).map(([kind, of = []]) => ({
      key: kind, own: true, afterMs: kind === 'refused' ? mendsMs : 0, text: of.map(({ text }) => text).join('; '),
    })),
  ]
}

function alertsAbout(member: Member, settings: Config['alerts']): Alert[] {
  const { machine, name, offSinceSeconds, state, chosen } = member
  const silent = offSinceSeconds !== null && offSinceSeconds > settings.silentDays * daySeconds
  return [
    ...(silent ? [{ key: `silent:${machine}`, own: false, afterMs: 0, text: `${name} has not been seen for ${Math.floor(offSinceSeconds / daySeconds)} days` }] : []),
    ...(chosen !== 0 && isOld(member, settings)
      ? [{ key: `stale:${machine}`, own: false, afterMs: member.lastSnapshotAgeSeconds === null ? settings.staleDays * 24 * hourMs : 0, text: `${name} has had no complete backup ${ageText(member)}` }] : []),
    ...(chosen !== 0 && (state === 'partial' || state === 'unprotected')
      ? [{ key: `deficit:${machine}`, own: false, afterMs: mendsMs, text: `The backup of ${name} is only partly protected: ${member.placed} of ${member.wanted} copies` }] : []),
    ...(member.frozenAt > 0 ? [{ key: `frozen:${machine}`, own: false, afterMs: 0, text: `Most of the backup of ${name} was dropped at once; ${member.frozenAt} machines let nothing of it go until its owner and an admin agree` }] : []),
  ]
}

function isOld({ lastSnapshotAgeSeconds }: Member, { staleDays }: Config['alerts']): boolean {
  return lastSnapshotAgeSeconds === null || lastSnapshotAgeSeconds > staleDays * daySeconds
}

function ageText({ lastSnapshotAgeSeconds }: Member): string {
  return lastSnapshotAgeSeconds === null ? 'yet' : `for ${Math.floor(lastSnapshotAgeSeconds / daySeconds)} days`
}

/** Who is told what; nothing for nobody. */
export function mailsOf(news: News, { group, mail }: { group: string; mail: Pick<Config['mail'], 'to' | 'admins'> }): { to: string[]; subject: string; text: string }[] {
  const admins = [...new Set(mail.admins)]
  const member = [...new Set(mail.to)].filter((to) => !admins.includes(to))
  const own = { raised: news.raised.filter((alert) => alert.own), over: news.over.filter((alert) => alert.own) }
  return [mailTo(admins, news, group), mailTo(member, own, group)].flatMap((one) => (one === undefined ? [] : [one]))
}

function mailTo(to: string[], { raised, over }: News, group: string) {
  if (to.length === 0 || raised.length + over.length === 0) return undefined
  const [first] = [...raised, ...over] as [Standing, ...Standing[]]
  const more = raised.length + over.length - 1
  return {
    to, subject: oneLine(`Holdfast, ${group}: ${raised.length === 0 ? 'over: ' : ''}${first.text}`) + (more === 0 ? '' : ` (and ${more} more)`),
    text: [
      ...raised.map(({ text }) => `- ${oneLine(text)}`), ...(over.length === 0 ? [] : ['', 'Over:', ...over.map(({ text }) => `- ${oneLine(text)}`)]),
      '', 'You are told once, and again when it is over. More: holdfast status, holdfast coverage', '',
    ].join('\n'),
  }
}

/** Names come from other machines: they start no header and no line of their own. */
function oneLine(text: string): string {
  return text.replaceAll(/[\p{Cc}\p{Zl}\p{Zp}]+/gu, ' ')
}
