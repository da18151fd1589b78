/** What is so: the machines of the group, what is protected here, and who in the group is covered. */
import { lstatSync } from 'node:fs'
import type { CommandRequest, CommandResult, Protection } from '../../shared/api.ts'
import { hasCode } from '../../shared/errors.ts'
import { type MachineId, shortId } from '../../shared/ids.ts'
import type { Member, Membership } from '../network/membership/membership.ts'
import { isSimulatedHost } from '../network/membership/host-id.ts'
import { isSinglePlace } from '../network/redundancy.ts'
import type { Snapshot } from '../repository/snapshot.ts'
import type { AgentContext, Backup } from './context.ts'
import type { RunOptions } from './command.ts'
import { refreshHeads } from './freshness.ts'
import { nothing, protectionOf, reachNow } from './protection.ts'

const meetMs = 5_000

/** Meets whoever answers within a few seconds, so that a short-lived command tells what is so now. */
async function meet(context: AgentContext, signal: AbortSignal): Promise<ReadonlySet<MachineId>> {
  return await context.group().meetPeers(signal, { patienceMs: meetMs })
}

export async function peers(context: AgentContext, _request: CommandRequest<'peers'>, { signal }: RunOptions): Promise<CommandResult<'peers'>> {
  const { membership } = context.group()
  await meet(context, signal)
  const own = membership.own.peer?.record
  const others = membership.members().map(({ id, name, host, state, heardSecondsAgo, record }) => ({
    id, name, host, addresses: record.addrs.map(addressText), state, ageSeconds: heardSecondsAgo ?? null, offer: record.offer.bytes,
    owners: record.owners.length, simulated: isSimulatedHost(host), self: false,
  }))
  const self = own === undefined ? [] : [{
    id: own.id as string, name: own.name, host: own.host, addresses: own.addrs.map(addressText), state: 'online' as const, ageSeconds: 0,
    offer: own.offer.bytes, owners: own.owners.length, simulated: isSimulatedHost(own.host), self: true,
  }]
  return { peers: [...self, ...others].sort((a, b) => (a.name < b.name ? -1 : 1)) }
}

function addressText({ host, port }: { host: string; port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

export async function status(context: AgentContext, _request: CommandRequest<'status'>, { signal }: RunOptions): Promise<CommandResult<'status'>> {
  const { config } = context.settings
  const owner = context.ownerFile()
  const holder = await context.holder.space()
  const common = {
    machine: { id: context.machine.id as string, name: config.label ?? '', owner: owner?.owner ?? null }, holder,
    keyConfirmed: owner !== undefined && owner.words === undefined, nextBackup: timeOrNull(context.nextBackupMs()), running: context.running(),
  }
  if (!context.isMember()) {
    return { ...common, network: null, protection: nothing(0), paths: config.protect.map(({ path }) => unknownPath(path, 'this machine is in no work group')), rosters: [], warnings: [] }
  }
  const group = context.group()
  const { membership } = group
  const answering = await meet(context, signal)
  const services = await context.backup()
  const headWarnings = await headWarningsOf(services, signal)
  const { snapshots } = await services.repository.snapshots({ signal })
  const protection = protectionOf(services)
  const members = membership.members().filter(({ state }) => state !== 'gone')
  const level = services.dispersal.redundancy()
  return {
    ...common,
    machine: { ...common.machine, name: membership.own.peer?.record.name ?? common.machine.name },
    network: {
      id: membership.net, name: membership.network.name, redundancy: membership.network.redundancy, level: levelName(level),
      members: members.length + 1, online: members.filter(({ id }) => answering.has(id)).length + 1,
    },
    protection,
    paths: config.protect.map(({ path }) => pathStatus(path, snapshots, protection)),
    rosters: group.rosterStatus.map(({ locator, state, problem }) => ({
      locator, state: state === 'ok' ? 'ok' as const : state === 'unread' ? 'unknown' as const : 'unreachable' as const, detail: problem ?? (state === 'ok' || state === 'unread' ? '' : state),
    })),
    warnings: [
      ...(common.keyConfirmed ? [] : ['The recovery kit is not confirmed as stored: holdfast key show, then holdfast key confirm']),
      ...groupWarnings(members, answering, isSinglePlace(level)), ...reachWarnings(services, answering), ...headWarnings, ...cloneWarnings(membership),
    ],
  }
}

function timeOrNull(timeMs: number | null): string | null {
  return timeMs === null ? null : new Date(timeMs).toISOString()
}

function levelName({ k, n }: { k: number; n: number }): string {
  return k === 1 && n > 1 ? `mirror-${n}` : `${k}-of-${n}`
}

type PathStatus = CommandResult<'status'>['paths'][number]

function unknownPath(path: string, reason: string): PathStatus {
  return { path, state: 'unprotected', lastSnapshot: null, lastSnapshotTime: null, changedSince: false, reason }
}

function pathStatus(path: string, snapshots: readonly Snapshot[], protection: Protection): PathStatus {
  const last = snapshots.filter(({ roots }) => roots.some((root) => root.path === path)).at(-1)
  if (last === undefined) return unknownPath(path, 'never backed up')
  const entry = last.roots.find((root) => root.path === path)?.entry
  const skipped = last.skipped.find((one) => one.path === path)
  const reason = skipped?.reason ?? (protection.state === 'protected' ? null : `${protection.placed} of ${protection.wanted} shards are on machines of their own`)
  return {
    path, state: protection.state, lastSnapshot: last.id, lastSnapshotTime: last.time,
    changedSince: entry !== undefined && changedSince(path, BigInt(entry.mtime)), reason,
  }
}

/** The path itself: what changed deeper in a folder is for the next run to find. */
function changedSince(path: string, mtimeNs: bigint): boolean {
  const now = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return now === undefined || now.mtimeNs !== mtimeNs
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

function cloneWarnings(membership: Membership): string[] {
  return [...membership.clones].map((id) => (id === membership.self
    ? 'Another machine uses the key of this one, perhaps a copy of its home: stop the copy, or recover with the recovery kit on an empty machine, which shuts both out'
    : `Two machines use the key of ${membership.member(id)?.name ?? shortId(id)}: its user is to stop the copy`))
}

export async function coverage(context: AgentContext, _request: CommandRequest<'coverage'>, { signal }: RunOptions): Promise<CommandResult<'coverage'>> {
  const { membership } = context.group()
  await meet(context, signal)
  const own = membership.own.peer?.record
  const owner = context.ownerFile()
  const members = membership.members().flatMap((member) => member.devices.map((device) => {
    const head = membership.heads.get(device.owner, member.id)?.head
    return {
      name: member.name, owner: device.owner as string, machine: member.id as string, machineState: member.state,
      state: head === undefined ? 'unprotected' as const : 'unknown' as const, lastSnapshotAgeSeconds: ageSeconds(head?.time, context),
      placed: 0, wanted: 0, unprotectedBytes: null, lastVerifiedRestore: null,
    }
  }))
  const self = own === undefined || owner === undefined ? [] : [await ownCoverage(context, own.name, signal)]
  return { members: [...self, ...members].sort((a, b) => (b.lastSnapshotAgeSeconds ?? Infinity) - (a.lastSnapshotAgeSeconds ?? Infinity)) }
}

async function ownCoverage(context: AgentContext, name: string, signal: AbortSignal): Promise<CommandResult<'coverage'>['members'][number]> {
  const services = await context.backup()
  const protection = protectionOf(services)
  const latest = await services.repository.snapshot('latest', { signal }).catch((error: unknown) => {
    if (hasCode(error, 'not-found')) return undefined
    throw error
  })
  return {
    name, owner: services.repository.owner, machine: context.machine.id, machineState: 'online', state: protection.state,
    lastSnapshotAgeSeconds: ageSeconds(latest?.time, context), placed: protection.placed, wanted: protection.wanted,
    unprotectedBytes: null, lastVerifiedRestore: null,
  }
}

function ageSeconds(time: string | undefined, context: AgentContext): number | null {
  return time === undefined ? null : Math.max(0, (context.clock.now() - Date.parse(time)) / 1000)
}
