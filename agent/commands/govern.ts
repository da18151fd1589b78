/** What admins do to the whole group: its settings, who else is an admin, and which machines are shut out or lost. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import type { MachineId } from '../../shared/ids.ts'
import { type Governing, type NetworkChange, changeNetwork, machineRevocation, revokeKeeping, withAdmin, withLost } from '../network/governing.ts'
import { adminsOf } from '../network/membership/admins.ts'
import type { Membership } from '../network/membership/membership.ts'
import type { PeerRecord } from '../network/membership/records.ts'
import { redundancyOf } from '../network/redundancy.ts'
import type { AgentContext, Told } from './context.ts'
import type { RunOptions } from './command.ts'
import { findMachine } from './find-machine.ts'

/** Another admin may change the group in the same moment, and then our record loses: it is made anew on top. */
const attempts = 4

/**
 * Makes the next epoch on top of the newest that can be had, and tells whoever answers. `makeChange` is called anew for
 * each attempt. Throws `unauthorized` when this owner is no admin.
 */
export async function govern(context: AgentContext, makeChange: (governing: Governing) => NetworkChange, { signal }: RunOptions): Promise<Told> {
  const group = context.group()
  const { membership } = group
  await context.adminKey() // refuses before anybody is asked
  await group.catchUp(signal)
  for (let attempt = 1; ; attempt++) {
    const governing = { membership, admin: await context.adminKey(), nowMs: context.clock.now() }
    const jws = await changeNetwork(makeChange(governing), governing)
    const told = await group.announce(signal)
    if (membership.chain.chain.some((entry) => entry.jws === jws)) return told
    if (attempt === attempts) throw new HoldfastError('in-use', 'Cannot change the work group: another admin changes it again and again', { guidance: 'Try once more, when the other admin is done.' })
  }
}

export async function networkSettings(context: AgentContext, { change }: CommandRequest<'network settings'>, options: RunOptions): Promise<CommandResult<'network settings'>> {
  const { membership } = context.group()
  let told: Told | null = null
  if (Object.keys(change).length > 0) {
    if (change.redundancy !== undefined) demandReachable(change.redundancy, membership)
    told = await govern(context, () => changeOf(context, change, membership), options)
  }
  const { name, redundancy, minFree, admission, schedule, epoch } = membership.network
  const admins = await listAdmins(context)
  return { settings: { name, redundancy, minFree, admission, schedule: schedule ?? null }, epoch, admins, mayChange: admins.some(({ self }) => self), told }
}

/** Every backup would fail by a level that needs more machines to restore than there are. Fewer than it spreads over is shown as partly protected. */
function demandReachable(name: string, membership: Membership): void {
  const others = membership.members().filter(({ state }) => state !== 'gone').length
  const { k } = redundancyOf(name, others)
  if (k <= Math.max(1, others)) return
  throw new HoldfastError('invalid-input', `Cannot set ${name}: a backup needs at least ${k} other machines, and there ${others === 1 ? 'is 1' : `are ${others}`}; let more join first, or choose a lower level`)
}

function changeOf(context: AgentContext, { schedule, ...rest }: CommandRequest<'network settings'>['change'], { network }: Membership): NetworkChange {
  const plain = Object.fromEntries(Object.entries(rest).filter(([, value]) => value !== undefined)) as NetworkChange
  if (schedule === undefined) return plain
  if (schedule === null) return { ...plain, schedule: undefined }
  const { cron, quietHours } = context.settings.config.schedule
  const merged = { cron, quietHours, ...network.schedule, ...schedule }
  const whole = { cron: merged.cron ?? null, quietHours: merged.quietHours ?? null }
  context.settings.checkSchedule(schedule)
  return { ...plain, schedule: whole }
}

async function listAdmins(context: AgentContext): Promise<CommandResult<'network settings'>['admins']> {
  return adminsOf(context.group().membership, await context.ownAdminKey()).map(({ id, name, machines, isSelf }) => ({ id, name, machines: [...machines], self: isSelf }))
}

export async function networkAdminAdd(context: AgentContext, { machine }: CommandRequest<'network admin add'>, options: RunOptions): Promise<CommandResult<'network admin add'>> {
  const { membership } = context.group()
  const told = await govern(context, () => {
    const { adminKey, name } = memberNamed(machine, membership)
    if (adminKey === undefined) throw new HoldfastError('invalid-input', `Cannot make an admin of ${name}: its record names no admin key; update Holdfast there`)
    return { admins: withAdmin(adminKey, membership) }
  }, options)
  return { admins: await listAdmins(context), told }
}

export async function networkAdminRemove(context: AgentContext, { machine }: CommandRequest<'network admin remove'>, options: RunOptions): Promise<CommandResult<'network admin remove'>> {
  const { membership } = context.group()
  const told = await govern(context, ({ nowMs }) => ({ revoked: [revokeKeeping(adminNamed(machine, membership), membership, { nowMs, why: 'no admin any more' })] }), options)
  return { admins: await listAdmins(context), told }
}

/** By the machine of its owner, or by the key's id. */
function adminNamed(text: string, membership: Membership): string {
  const admins = adminsOf(membership, undefined)
  const byKey = admins.filter(({ id }) => text.length >= 6 && id.startsWith(text))
  if (byKey.length === 1) return byKey[0]?.id ?? ''
  const { id, name } = memberNamed(text, membership)
  const admin = admins.find(({ machines }) => machines.includes(id))
  if (admin === undefined) throw new HoldfastError('not-found', `Cannot remove the admin: the owner of ${name} is none`)
  return admin.id
}

export async function networkRevoke(context: AgentContext, { machine, why }: CommandRequest<'network revoke'>, options: RunOptions): Promise<CommandResult<'network revoke'>> {
  const { membership } = context.group()
  const { id, name } = otherNamed(machine, membership)
  if (membership.isRevoked(id)) throw new HoldfastError('already-exists', `Cannot shut ${name} out: it is shut out already`)
  const told = await govern(context, ({ nowMs }) => ({ revoked: machineRevocation(id, membership, { nowMs, why }) }), options)
  return { machine: id, name, told }
}

export async function networkLost(context: AgentContext, { machine, found }: CommandRequest<'network lost'>, options: RunOptions): Promise<CommandResult<'network lost'>> {
  const { membership } = context.group()
  const { id, name } = otherNamed(machine, membership)
  if (membership.chain.isLost(id) !== found) throw new HoldfastError('already-exists', found ? `Cannot take it back: ${name} does not count as lost` : `Cannot give ${name} up: it counts as lost already`)
  const told = await govern(context, ({ nowMs }) => ({ lost: withLost(id, membership, { lost: !found, nowMs }) }), options)
  return { machine: id, name, lost: !found, told }
}

function memberNamed(text: string, membership: Membership): PeerRecord {
  const own = membership.own.peer?.record
  return findMachine(text, [...(own === undefined ? [] : [own]), ...membership.members().map(({ record }) => record)])
}

/** Also one whose admission does not hold, or who only asks for it, so that it can be shut out. `name`: as lists show it. */
function otherNamed(text: string, membership: Membership): { id: MachineId; name: string } {
  const own = membership.own.peer?.record
  const record = findMachine(text, [...(own === undefined ? [] : [own]), ...membership.peers.all().map((peer) => peer.record), ...membership.requests().map((peer) => peer.record)])
  if (record.id === membership.self) throw new HoldfastError('invalid-input', 'Cannot do that to this machine itself: holdfast network leave')
  return { id: record.id, name: membership.member(record.id)?.name ?? record.name }
}
