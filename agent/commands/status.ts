/** What is protected here, how well, and what is to be done. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { type MachineId, shortId } from '../../shared/ids.ts'
import type { Member, Membership } from '../network/membership/membership.ts'
import { isSinglePlace } from '../network/redundancy.ts'
import type { RosterStatus } from '../network/roster/roster-sync.ts'
import type { AgentContext, Backup } from './context.ts'
import type { RunOptions } from './command.ts'
import { meetMs, refreshHeads } from './freshness.ts'
import { othersFrozen, ownFrozen } from './holder-warnings.ts'
import { ownersHere, refusalWarnings, shareOf } from './space.ts'
import { pathStatus, unknownPath } from './path-status.ts'
import { nothing, protectionOf, reachNow } from './protection.ts'

export async function status(context: AgentContext, { fresh }: CommandRequest<'status'>, { signal }: RunOptions): Promise<CommandResult<'status'>> {
  const { config } = context.settings
  const owner = context.ownerFile()
  const holder = { ...await context.holder.space(), owners: ownersHere(context) }
  const common = {
    machine: { id: context.machine.id as string, name: config.label ?? '', owner: owner?.owner ?? null }, holder,
    keyConfirmed: owner !== undefined && owner.words === undefined, nextBackup: timeOrNull(context.nextBackupMs()), running: context.running(),
    pausedUntil: config.schedule.pausedUntil, retention: config.retention,
    alerts: context.alerts.standing().map(({ since, text }) => ({ since: new Date(since).toISOString(), text })),
  }
  if (!context.isMember()) {
    return { ...common, network: null, protection: nothing(0), paths: config.protect.map(({ path }) => unknownPath(path, 'this machine is in no work group')), rosters: [], holders: [], share: { stored: 0, fair: 0 }, drill: context.checks.drill, alarms: [], warnings: [] }
  }
  const group = context.group()
  const { membership } = group
  const services = await context.backup()
  const answering = fresh ? await group.meetPeers(signal, { patienceMs: meetMs }) : onlineOf(membership)
  const headWarnings = fresh ? await headWarningsOf(services, signal) : []
  const { snapshots } = await services.repository.snapshots({ signal })
  const protection = protectionOf(services)
  const members = membership.members().filter(({ state }) => state !== 'gone')
  const level = services.dispersal.redundancy()
  const alarms = alarmsOf(context, services, headWarnings)
  return {
    ...common,
    machine: { ...common.machine, name: membership.own.peer?.record.name ?? common.machine.name },
    network: {
      id: membership.net, name: membership.network.name, redundancy: membership.network.redundancy, level: levelName(level),
      members: members.length + 1, online: members.filter(({ id }) => answering.has(id)).length + 1,
    },
    protection,
    paths: config.protect.map(({ path }) => pathStatus(path, snapshots, protection)),
    holders: holdersOf(services, membership), share: shareOf(context, services.dispersal),
    rosters: group.rosterStatus.map(rosterOf), drill: context.checks.drill, alarms,
    warnings: [
      ...(common.keyConfirmed ? [] : ['The recovery kit is not confirmed as stored: holdfast key show, then holdfast key confirm']),
      ...groupWarnings(members, answering, isSinglePlace(level)), ...reachWarnings(services, answering), ...alarms.map(({ text }) => text), ...standingWarnings(membership), ...othersFrozen(context), ...signInWarnings(group.rosterStatus),
    ],
  }
}

type Alarm = CommandResult<'status'>['alarms'][number]

/** What is worth a mail, besides the protection itself. */
function alarmsOf(context: AgentContext, services: Backup, headWarnings: readonly string[]): Alarm[] {
  const { membership } = context.group()
  const owner = context.ownerFile()
  const recovered = owner !== undefined && membership.ownerEpoch(owner.owner) > owner.epoch
  const of = (kind: Alarm['kind'], texts: readonly string[]) => texts.map((text) => ({ kind, text }))
  return [
    ...of('rollback', headWarnings), ...of('clone', cloneWarnings(membership)),
    ...of('recovered', recovered ? ['Somebody recovered this backup with its 24 words on another machine, and this one is shut out. If that was not you, the recovery kit is in other hands'] : []),
    ...of('frozen', ownFrozen(context)), ...of('refused', refusalWarnings(services.dispersal)),
    ...of('audit', holdersOf(services, membership).filter(({ lastAudit, lastFailedAudit }) => lastFailedAudit !== null && (lastAudit === null || lastFailedAudit > lastAudit))
      .map(({ name }) => `${name} could not show what it should keep of this backup; what is missing is made anew`)),
    ...of('drill', context.checks.drill?.ok === false ? [`The last restore drill failed: ${context.checks.drill.problems[0] ?? 'nothing could be tried'}`] : []),
  ]
}

function rosterOf({ locator, state, problem, needsSignIn }: RosterStatus): CommandResult<'status'>['rosters'][number] {
  const shown = state === 'ok' ? 'ok' : state === 'unread' ? 'unknown' : needsSignIn ? 'signed-out' : 'unreachable'
  return { locator, state: shown, detail: problem ?? (shown === 'ok' || shown === 'unknown' ? '' : state) }
}

function signInWarnings(rosters: readonly RosterStatus[]): string[] {
  return rosters.filter(({ needsSignIn }) => needsSignIn).map(({ locator }) => `The sign-in to the roster is missing or ended; backups go on. Sign in again: holdfast sign-in '${locator}'`)
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
function holdersOf({ audits, dispersal, repository }: Backup, membership: Membership): CommandResult<'status'>['holders'] {
  const shards = new Map<MachineId, number>()
  const bytes = dispersal.index.bytesByMachine()
  for (const { id } of repository.head?.live ?? []) {
    for (const { machine } of dispersal.index.find(id)?.shards ?? []) shards.set(machine, (shards.get(machine) ?? 0) + 1)
  }
  return [...shards].sort(([, a], [, b]) => b - a).map(([machine, count]) => {
    const member = membership.member(machine)
    const { passedMs = null, failedMs = null } = audits.of(machine)
    return {
      machine, name: member?.name ?? shortId(machine), state: member?.state ?? 'gone', shards: count, bytes: bytes.get(machine) ?? 0,
      lastAudit: timeOrNull(passedMs), lastFailedAudit: timeOrNull(failedMs),
    }
  })
}

function groupWarnings(members: readonly Member[], answering: ReadonlySet<MachineId>, single: boolean): string[] {
  const silent = members.filter(({ id }) => !answering.has(id)).map(({ name }) => name)
  return [
    ...(silent.length === 0 ? [] : [`No answer from ${silent.join(', ')}`]),
    ...(members.length === 0 ? ['No other machine is in the work group yet: nothing can be backed up'] : []),
    ...(single && members.length > 0 ? ['Only one copy elsewhere is possible: add a machine'] : []),
  ]
}

/** Acknowledged shards count as placed while their machine is away; what that means for a restore now is said here. */
function reachWarnings(services: Backup, answering: ReadonlySet<MachineId>): string[] {
  const reach = reachNow(services, answering)
  if (reach === undefined || reach.have >= reach.placed) return []
  const { have, placed, need } = reach
  return [have < need
    ? `Not everything can be restored right now: only ${have} of the ${placed} machines that hold it answer, ${need} are needed`
    : `Only ${have} of the ${placed} machines that hold the backup answer; ${need} are needed to restore it`]
}

/** A short-lived command has not asked for heads yet; what is slow to answer is left out. */
async function headWarningsOf(services: Backup, signal: AbortSignal): Promise<string[]> {
  const timeout = AbortSignal.timeout(meetMs)
  try {
    return (await refreshHeads(services, AbortSignal.any([signal, timeout]))).warnings
  } catch (error) {
    signal.throwIfAborted()
    if (!timeout.aborted) throw error
    return ['The newest heads could not be asked for in time']
  }
}

function standingWarnings(membership: Membership): string[] {
  const refusal = membership.ownRefusal()
  return [
    ...(refusal === 'approval-missing' ? ['This machine waits to be let in: an admin has to run holdfast network approve'] : []),
    ...(refusal === 'revoked' ? ['An admin shut this machine out of the work group: nothing is backed up any more. Ask an admin for a new invitation, for another --home'] : []),
    ...(membership.refusedForks > 0 ? ['Somebody who is no admin any more tried to change the work group from before; it was not followed here'] : []),
  ]
}

function cloneWarnings(membership: Membership): string[] {
  return [...membership.clones].map((id) => (id === membership.self
    ? 'Another machine uses the key of this one, perhaps a copy of its home: stop the copy, or recover with the recovery kit on an empty machine, which shuts both out'
    : `Two machines use the key of ${membership.member(id)?.name ?? shortId(id)}: its user is to stop the copy`))
}
