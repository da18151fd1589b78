/** What `status` says needs somebody's attention. The words are in shared/notice-texts.ts. */
import type { CommandResult, Protection } from '../../shared/api.ts'
import { type MachineId, type OwnerId, shortId } from '../../shared/ids.ts'
import type { Notice, NoticeCode } from '../../shared/notices.ts'
import type { Member, Membership } from '../network/membership/membership.ts'
import type { RosterStatus } from '../network/roster/roster-sync.ts'
import type { AgentContext, Backup } from './context.ts'
import { meetMs, refreshHeads } from './freshness.ts'
import { diskNotices, ownFrozen } from './holder-warnings.ts'
import { refusalNotices } from './space.ts'

type AlarmKind = CommandResult<'status'>['alarms'][number]['kind']

/** Those that are worth a mail, besides the protection itself. */
const alarmKinds: Partial<Record<NoticeCode, AlarmKind>> = {
  'key-cloned-here': 'clone', 'key-cloned': 'clone', 'recovered-elsewhere': 'recovered', 'contact-asked': 'contact', 'contact-open': 'contact', 'own-frozen': 'frozen', 'refused': 'refused', 'audit-failed': 'audit', 'drill-failed': 'drill', 'disk-damage': 'disk', 'much-disk-damage': 'disk',
}

/** What is not named is about heads and rosters that went back in time. */
export function alarmKind({ code }: Notice): AlarmKind {
  return alarmKinds[code] ?? 'rollback'
}

export function alarmingNotices(context: AgentContext, services: Backup, { headNotices, holders }: { headNotices: readonly Notice[]; holders: CommandResult<'status'>['holders'] }): Notice[] {
  const { membership } = context.group()
  const owner = context.ownerFile()
  const failedAudits = holders.filter(({ lastAudit, lastFailedAudit }) => lastFailedAudit !== null && (lastAudit === null || lastFailedAudit > lastAudit))
  const { drill } = context.checks
  return [
    ...headNotices, ...cloneNotices(membership), ...(isRecoveredElsewhere(context) ? [{ code: 'recovered-elsewhere' as const }] : []),
    ...contactNotices(membership, owner?.owner), ...ownFrozen(context), ...refusalNotices(services.dispersal), ...failedAudits.map(({ name }) => ({ code: 'audit-failed' as const, name })),
    ...diskNotices(context),
    ...(drill?.ok === false ? [{ code: 'drill-failed' as const, detail: drill.problems[0] ?? 'nothing could be tried' }] : []),
  ]
}

/** Did somebody recover this backup on another machine, which takes the place of this one? */
export function isRecoveredElsewhere(context: AgentContext): boolean {
  const owner = context.ownerFile()
  return owner !== undefined && context.group().membership.ownerEpoch(owner.owner) > owner.epoch
}

export function signInNotices(rosters: readonly RosterStatus[]): Notice[] {
  return rosters.filter(({ needsSignIn }) => needsSignIn).map(({ locator }) => ({ code: 'sign-in-needed', locator }))
}

/** Null when it is in order and was so all the time, or was not read yet. */
export function rosterNotice(roster: RosterStatus): Notice | null {
  const { locator, state, problem, needsSignIn } = roster
  const detail = problem === undefined ? {} : { detail: problem }
  if (needsSignIn) return { code: 'sign-in-needed', locator, ...detail }
  switch (state) {
    case 'ok': case 'unread': case 'rolled-back': return rosterAlarm(roster)
    case 'empty': return { code: 'roster-empty', locator }
    case 'foreign': return { code: 'roster-foreign', locator }
    case 'unavailable': return { code: 'roster-unreachable', locator, ...detail }
  }
}

/** Those worth a mail, also when they are in order again: `rosters` of the status tells of the others. */
export function rosterAlarms(rosters: readonly RosterStatus[]): Notice[] {
  return rosters.flatMap((roster) => rosterAlarm(roster) ?? [])
}

function rosterAlarm({ locator, wentBackMs }: RosterStatus): Notice | null {
  return wentBackMs === undefined ? null : { code: 'roster-rolled-back', locator, at: new Date(wentBackMs).toISOString() }
}

export function groupNotices(members: readonly Member[], answering: ReadonlySet<MachineId>, { isSingle }: { isSingle: boolean }): Notice[] {
  const silent = members.filter(({ id }) => !answering.has(id)).map(({ name }) => name)
  return [
    ...(silent.length === 0 ? [] : [{ code: 'silent-machines' as const, names: silent }]),
    ...(members.length === 0 ? [{ code: 'alone' as const }] : []),
    ...(isSingle && members.length > 0 ? [{ code: 'single-copy' as const }] : []),
  ]
}

/** Acknowledged shards count as placed while their machine is away; what that means for a restore now is said here. */
export function reachNotices({ reach }: Protection): Notice[] {
  if (reach === null || reach.have >= reach.placed) return []
  const { have, placed, need } = reach
  return [{ code: have < need ? 'not-restorable-now' : 'few-answer', have, placed, need }]
}

/** A short-lived command has not asked for heads yet; what is slow to answer is left out. */
export async function headNoticesOf(services: Backup, signal: AbortSignal): Promise<Notice[]> {
  const timeout = AbortSignal.timeout(meetMs)
  try {
    return (await refreshHeads(services, AbortSignal.any([signal, timeout]))).notices
  } catch (error) {
    signal.throwIfAborted()
    if (!timeout.aborted) throw error
    return [{ code: 'heads-not-in-time' }]
  }
}

export function standingNotices(membership: Membership): Notice[] {
  const refusal = membership.ownRefusal()
  return [
    ...(refusal === 'approval-missing' ? [{ code: 'approval-missing' as const }] : []),
    ...(refusal === 'revoked' ? [{ code: 'shut-out' as const }] : []),
    ...(membership.refusedForks > 0 ? [{ code: 'former-admin' as const }] : []),
  ]
}

/** To the owner: who wants to open his backup, or can. */
function contactNotices(membership: Membership, owner: OwnerId | undefined): Notice[] {
  return asked(membership).filter(({ owner: of }) => of === owner).map(({ by, days, why }) => (days === 0 ? { code: 'contact-open', by } : { code: 'contact-asked', by, days, why }))
}

export interface OthersContact {
  /** Of the contact's key: one for each time that an owner chose. */
  readonly contact: string
  /** Who asked. */
  readonly machine: MachineId
  readonly notice: Notice
}

/** To everybody but `owner`, so that nobody opens a backup unseen while its owner is away. */
export function othersContacts(membership: Membership, owner: OwnerId | undefined): OthersContact[] {
  return asked(membership).filter(({ owner: of }) => of !== owner).map(({ contact, machine, owner: of, by, days }) => ({
    contact, machine, notice: { code: 'contact-asked-other', by, name: nameOfOwner(of, membership), days },
  }))
}

function asked(membership: Membership): { contact: string; machine: MachineId; owner: OwnerId; by: string; days: number; why: string }[] {
  return membership.contacts.all().flatMap((contact) => {
    const waitMs = membership.contacts.waitMs(contact)
    if (contact.request === undefined || waitMs === undefined) return []
    const { machine, why } = contact.request
    const by = membership.nameOf(machine)
    return [{ contact: contact.id, machine, owner: contact.choice.owner, by, days: Math.ceil(waitMs / 86_400_000), why }]
  })
}

function nameOfOwner(owner: OwnerId, membership: Membership): string {
  return membership.members().find(({ devices }) => devices.some((device) => device.owner === owner))?.name ?? shortId(owner)
}

function cloneNotices(membership: Membership): Notice[] {
  return [...membership.clones].map((id) => (id === membership.self ? { code: 'key-cloned-here' } : { code: 'key-cloned', name: membership.nameOf(id) }))
}
