/**
 * What somebody has to be told of: the own backup, as `status` and `coverage` show it; and the others' silence and age, by
 * one machine of the group alone, the lowest id of those admins that somebody heard of lately (or of all when no admin is).
 */
import type { CommandResult } from '../../shared/api.ts'
import { noticeText } from '../../shared/notice-texts.ts'
import type { Notice } from '../../shared/notices.ts'
import type { Config } from '../config.ts'
import { isHeardLately } from '../network/membership/liveness.ts'
import { leastKeepDays } from '../../shared/network-commands.ts'
import type { Alert, News, Standing } from './alert-book.ts'
import { usualKeepDays } from './leave.ts'
import type { OthersContact } from './status-notices.ts'

type Member = CommandResult<'coverage'>['members'][number]
type Status = CommandResult<'status'>

export interface AlertInput {
  readonly status: Pick<Status, 'protection' | 'paths' | 'alarms'>
  readonly members: readonly Member[]
  readonly settings: Config['alerts']
  /** Machines that left: their silence is no news. For how many days their backups are kept; undefined while their owner stays. */
  readonly left: ReadonlyMap<string, number | undefined>
  /** Who asked to open the backup of somebody else, as a recovery contact. */
  readonly contacts: readonly OthersContact[]
}

const hourMs = 3_600_000
const daySeconds = 86_400
/** What a machine that is switched on again, or a repair, mends by itself. */
const mendsMs = 24 * hourMs

export function alertsOf(input: AlertInput): Alert[] {
  const { members, left } = input
  const self = members.find((member) => member.self)
  const quiet = self === undefined || speaker(members)?.machine !== self.machine
  const others = members.filter((member) => !member.self)
    .flatMap((member) => (left.has(member.machine) ? alertsOfLeft(member, left.get(member.machine)) : alertsAbout(member, input.settings)))
  return [...ownAlerts(input, self), ...contactAlerts(input, self), ...others.map((alert) => ({ ...alert, quiet }))]
}

/** Who tells of the others. Whether it answers this machine does not matter: others would choose somebody else. */
export function speaker(members: readonly Member[]): Member | undefined {
  const online = members.filter(({ machineState: state, offSinceSeconds }) => state === 'online' || isHeardLately({ state, heardSecondsAgo: offSinceSeconds ?? undefined }))
  const admins = online.filter(({ admin }) => admin)
  return (admins.length > 0 ? admins : online).toSorted((a, b) => (a.machine < b.machine ? -1 : 1))[0]
}

function ownAlerts({ status, settings }: AlertInput, self: Member | undefined): Alert[] {
  const { protection: { state, placed, wanted }, paths, alarms } = status
  const isBackedUp = paths.some(({ lastSnapshot }) => lastSnapshot !== null)
  return [
    ...(self !== undefined && paths.length > 0 && isOld(self, settings) ? [staleAlert('stale', self, { settings, own: true })] : []),
    ...(isBackedUp && state !== 'protected' ? [alertOf('deficit', { own: true, afterMs: mendsMs, notices: [{ code: 'deficit', name: self?.name ?? 'this computer', placed, wanted }] })] : []),
    ...Object.entries(Object.groupBy(alarms, alarmKey)).map(([key, of = []]) => alertOf(key, {
      own: true, afterMs: of[0]?.kind === 'refused' ? mendsMs : 0, notices: of.map(({ notice }) => notice),
    })),
  ]
}

/** One for each thing that can go wrong by itself: another machine, another roster, another way. */
function alarmKey({ kind, notice }: Status['alarms'][number]): string {
  const about = 'machine' in notice ? notice.machine : 'locator' in notice ? notice.locator : 'name' in notice ? notice.name : 'by' in notice ? notice.by : undefined
  const when = notice.code === 'roster-rolled-back' && 'at' in notice ? [notice.at] : [] // each time is news
  return [kind, notice.code, ...(about === undefined ? [] : [about]), ...when].join(':')
}

function alertsAbout(member: Member, settings: Config['alerts']): Alert[] {
  const { machine, name, offSinceSeconds, state, chosen, placed, wanted } = member
  const about = (kind: string, notice: Notice, afterMs = 0) => alertAbout(machine, { kind, notice, afterMs })
  return [
    ...(offSinceSeconds !== null && offSinceSeconds > settings.silentDays * daySeconds ? [about('silent', { code: 'silent', name, days: Math.floor(offSinceSeconds / daySeconds) })] : []),
    ...(chosen !== 0 && isOld(member, settings) ? [staleAlert(`stale:${machine}`, member, { settings, own: false })] : []),
    ...(chosen !== 0 && (state === 'partial' || state === 'unprotected') ? [about('deficit', { code: 'deficit', name, placed, wanted }, mendsMs)] : []),
    ...(member.lastFailedDrill === null ? [] : [about('drill', { code: 'member-drill-failed', name })]),
    ...frozenAlerts(member),
  ]
}

/** The owner's own machine may be off. Who asked is not left to tell of it. */
function contactAlerts({ contacts, members }: AlertInput, self: Member | undefined): Alert[] {
  const isTeller = (asker: string) => self !== undefined && speaker(members.filter(({ machine }) => machine !== asker))?.machine === self.machine
  return contacts.map(({ machine, contact, notice }) => ({ ...alertOf(`contact:${contact}`, { own: false, afterMs: 0, notices: [notice] }), quiet: !isTeller(machine) }))
}

/** Its key alone says that it left, so whoever took the machine over can: who knows better hears of it while all is there. */
function alertsOfLeft(member: Member, keepDays: number | undefined): Alert[] {
  const isEarly = keepDays !== undefined && keepDays < usualKeepDays.own && !member.lost
  const notice = { code: 'left-early', name: member.name, days: Math.max(keepDays ?? 0, leastKeepDays) } as const
  return [...(isEarly ? [alertAbout(member.machine, { kind: 'left', notice })] : []), ...frozenAlerts(member)]
}

function frozenAlerts({ machine, name, frozenAt }: Member): Alert[] {
  return frozenAt > 0 ? [alertAbout(machine, { kind: 'frozen', notice: { code: 'member-frozen', name, machines: frozenAt } })] : []
}

function alertAbout(machine: string, { kind, notice, afterMs = 0 }: { kind: string; notice: Notice; afterMs?: number }): Alert {
  return alertOf(`${kind}:${machine}`, { own: false, afterMs, notices: [notice] })
}

function staleAlert(key: string, { name, lastSnapshotAgeSeconds: age }: Member, { settings, own }: { settings: Config['alerts']; own: boolean }): Alert {
  const days = age === null ? null : Math.floor(age / daySeconds)
  return alertOf(key, { own, afterMs: age === null ? settings.staleDays * 24 * hourMs : 0, notices: [{ code: 'stale', name, days }] })
}

function alertOf(key: string, alert: Pick<Alert, 'own' | 'afterMs' | 'notices'>): Alert {
  return { key, text: alert.notices.map(noticeText).join('; '), ...alert }
}

function isOld({ lastSnapshotAgeSeconds }: Member, { staleDays }: Config['alerts']): boolean {
  return lastSnapshotAgeSeconds === null || lastSnapshotAgeSeconds > staleDays * daySeconds
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
