/** What is protected here, how well, and what is to be done. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import type { MachineId } from '../../shared/ids.ts'
import { noticeText } from '../../shared/notice-texts.ts'
import type { Notice } from '../../shared/notices.ts'
import type { Membership } from '../network/membership/membership.ts'
import { isSinglePlace } from '../network/redundancy.ts'
import type { RosterStatus } from '../network/roster/roster-sync.ts'
import type { AgentContext, Backup } from './context.ts'
import type { RunOptions } from './command.ts'
import { meetMs } from './freshness.ts'
import { othersFrozen } from './holder-warnings.ts'
import { ownersHere, scrubHere, shareOf } from './space.ts'
import { pathStatus, unknownPath } from './path-status.ts'
import { type LivePlaces, livePlacesOf, nothing, protectionOf } from './protection.ts'
import { alarmKind, alarmingNotices, groupNotices, headNoticesOf, othersContacts, reachNotices, rosterAlarms, rosterNotice, signInNotices, standingNotices } from './status-notices.ts'

export async function status(context: AgentContext, { fresh }: CommandRequest<'status'>, { signal }: RunOptions): Promise<CommandResult<'status'>> {
  const { config } = context.settings
  const owner = context.ownerFile()
  const holder = { ...await context.holder.space(), owners: ownersHere(context), scrub: scrubHere(context) }
  const common = {
    machine: { id: context.machine.id as string, name: config.label ?? '', owner: owner?.owner ?? null }, holder,
    keyConfirmed: owner !== undefined && owner.words === undefined, nextBackup: timeOrNull(context.nextBackupMs()), running: context.running(), pace: context.pace(),
    pausedUntil: config.schedule.pausedUntil, quietUntil: timeOrNull(context.quietUntilMs()), retention: config.retention,
    alerts: context.alerts.standing().map(({ since, text, notices }) => ({ since: new Date(since).toISOString(), text, notices: [...notices] })),
  }
  if (!context.isMember()) {
    const notices: Notice[] = context.hasLeft() ? [{ code: 'has-left' }] : []
    return { ...common, network: null, protection: nothing(0), paths: config.protect.map(({ path }) => unknownPath(path, 'this machine is in no work group')), rosters: [], holders: [], share: { stored: 0, fair: 0 }, drill: context.checks.drill, alarms: [], notices, warnings: notices.map(noticeText) }
  }
  const group = context.group()
  const { membership } = group
  const services = await context.backup()
  const [answering] = fresh ? await Promise.all([group.meetPeers(signal, { patienceMs: meetMs }), group.lookAtRosters(signal)]) : [onlineOf(membership)]
  const headNotices = fresh ? await headNoticesOf(services, signal) : []
  const { snapshots } = await services.repository.snapshots({ signal })
  const places = livePlacesOf(services)
  const protection = protectionOf(services, places, answering)
  const members = membership.members().filter(({ state }) => state !== 'gone')
  const level = services.dispersal.redundancy()
  const holders = holdersOf(services, places, membership)
  const alarming = alarmingNotices(context, services, { headNotices, holders })
  const notices: Notice[] = [
    ...(common.keyConfirmed ? [] : [{ code: 'kit-unconfirmed' as const }]),
    ...groupNotices(members, answering, { isSingle: isSinglePlace(level) }), ...reachNotices(protection), ...alarming, ...standingNotices(membership), ...othersContacts(membership, owner?.owner).map(({ notice }) => notice), ...othersFrozen(context), ...signInNotices(group.rosterStatus),
  ]
  return {
    ...common,
    machine: { ...common.machine, name: membership.own.peer?.record.name ?? common.machine.name },
    network: {
      id: membership.net, name: membership.network.name, redundancy: membership.network.redundancy, level: levelName(level),
      members: members.length + 1, online: members.filter(({ id }) => answering.has(id)).length + 1,
    },
    protection,
    paths: config.protect.map(({ path }) => pathStatus(path, snapshots, protection)),
    holders, share: shareOf(context, services.dispersal),
    rosters: group.rosterStatus.map(rosterOf), drill: context.checks.drill, notices, warnings: notices.map(noticeText),
    alarms: [...alarming, ...rosterAlarms(group.rosterStatus)].map((notice) => ({ kind: alarmKind(notice), text: noticeText(notice), notice })),
  }
}

function rosterOf(status: RosterStatus): CommandResult<'status'>['rosters'][number] {
  const { locator, state, problem, needsSignIn, wentBackMs } = status
  const shown = state === 'ok' ? 'ok' : state === 'unread' ? 'unknown' : needsSignIn ? 'signed-out' : 'unreachable'
  return { locator, state: shown, detail: problem ?? (shown !== 'ok' && shown !== 'unknown' ? state : wentBackMs === undefined ? '' : 'it went back in time'), notice: rosterNotice(status) }
}

function timeOrNull(timeMs: number | null): string | null {
  return timeMs === null ? null : new Date(timeMs).toISOString()
}

function levelName({ k, n }: { k: number; n: number }): string {
  return k === 1 && n > 1 ? `mirror-${n}` : `${k}-of-${n}`
}

function onlineOf(membership: Membership): Set<MachineId> {
  return new Set(membership.members().filter(({ state }) => state === 'online').map(({ id }) => id))
}

/** The machines that acknowledged shards of what is alive, those with most first. */
function holdersOf({ audits, dispersal }: Backup, places: LivePlaces, membership: Membership): CommandResult<'status'>['holders'] {
  const shards = new Map<MachineId, number>()
  const bytes = dispersal.index.bytesByMachine()
  for (const known of places) {
    for (const { machine } of known?.shards ?? []) shards.set(machine, (shards.get(machine) ?? 0) + 1)
  }
  return [...shards].sort(([, a], [, b]) => b - a).map(([machine, count]) => {
    const member = membership.member(machine)
    const { passedMs = null, failedMs = null } = audits.of(machine)
    return {
      machine, name: membership.nameOf(machine), state: member?.state ?? 'gone', shards: count, bytes: bytes.get(machine) ?? 0,
      lastAudit: timeOrNull(passedMs), lastFailedAudit: timeOrNull(failedMs),
    }
  })
}
