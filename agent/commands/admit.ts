/** Whom admins let in: invitations, which of them are open, and approvals where the group asks for them. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { thumbprint } from '../identity/machine.ts'
import { admitMachine } from '../network/founding.ts'
import { revokeKeeping } from '../network/governing.ts'
import { adminsOf } from '../network/membership/admins.ts'
import { makeInvitation } from '../network/membership/invitation.ts'
import type { Membership } from '../network/membership/membership.ts'
import type { Invitation, VerifiedPeer } from '../network/membership/records.ts'
import { grantName } from '../network/roster/names.ts'
import type { AgentContext } from './context.ts'
import type { RunOptions } from './command.ts'
import { findMachine } from './find-machine.ts'
import { govern } from './govern.ts'

const hourMs = 3_600_000

export async function networkInvite(context: AgentContext, request: CommandRequest<'network invite'>): Promise<CommandResult<'network invite'>> {
  const group = context.group()
  const { membership } = group
  const { network } = membership
  const nowMs = context.clock.now()
  const validMs = request.hours * hourMs
  const { text, id, jws } = await makeInvitation({
    net: membership.net, name: network.name, count: request.count, validMs, nowMs, approval: network.admission === 'approved',
    rosters: network.rosters, peers: [...context.addresses()], settled: membership.chain.settled,
  }, await context.adminKey())
  await membership.ingest([jws], { kind: 'self', name: membership.self })
  await group.share()
  return { invitation: text, id, expires: new Date(nowMs + validMs).toISOString(), count: request.count }
}

export async function networkInvitations(context: AgentContext): Promise<CommandResult<'network invitations'>> {
  const { membership } = context.group()
  const admins = adminsOf(membership, undefined)
  const nowMs = context.clock.now()
  const invitations = knownInvitations(membership).map((invitation) => {
    const { id, by, iat, exp, count, approval } = invitation
    const machines = membership.admittedBy(id)
    const key = thumbprint(by)
    return {
      id, by: admins.find((admin) => admin.id === key)?.name ?? `key ${key.slice(0, 8)}`, made: timeOf(iat), expires: timeOf(exp), count, approval,
      used: machines.length, machines: machines.map((machine) => membership.nameOf(machine)), state: stateOf(invitation, { membership, used: machines.length, nowMs }),
    }
  })
  return { invitations: invitations.sort((a, b) => (a.made < b.made ? 1 : -1)) }
}

/** Those that gossip brought, and those that a machine came in by. */
function knownInvitations(membership: Membership): Invitation[] {
  const known = new Map(membership.invitations.all().map(({ invitation }) => [invitation.id, invitation]))
  for (const peer of [membership.own.peer, ...membership.peers.all()]) {
    if (peer?.admission.by === 'invitation') known.set(peer.admission.invitation.id, peer.admission.invitation)
  }
  return [...known.values()]
}

function stateOf({ id, count, exp }: Invitation, { membership, used, nowMs }: { membership: Membership; used: number; nowMs: number }) {
  if (membership.isRevoked(id)) return 'revoked' as const
  return exp * 1000 < nowMs ? 'expired' as const : used >= count ? 'used-up' as const : 'open' as const
}

function timeOf(seconds: number): string {
  return new Date(seconds * 1000).toISOString()
}

/** Who came in by it stays. */
export async function networkUninvite(context: AgentContext, request: CommandRequest<'network uninvite'>, options: RunOptions): Promise<CommandResult<'network uninvite'>> {
  const { membership } = context.group()
  const [found, ...more] = knownInvitations(membership).filter(({ id }) => id.startsWith(request.id))
  if (found === undefined || more.length > 0) {
    throw new HoldfastError(found === undefined ? 'not-found' : 'invalid-input', `Cannot revoke the invitation ${request.id}: ${found === undefined ? 'it is not known here' : 'there are several of that beginning'}; holdfast network invitations shows them`)
  }
  const { id } = found
  if (membership.isRevoked(id)) throw new HoldfastError('already-exists', 'Cannot revoke the invitation: it is revoked already')
  const told = await govern(context, ({ nowMs }) => ({ revoked: [revokeKeeping(id, membership, { nowMs, why: 'invitation revoked' })] }), options)
  return { id, kept: membership.admittedBy(id).length, told }
}

export async function networkRequests(context: AgentContext, _request: CommandRequest<'network requests'>, { signal }: RunOptions): Promise<CommandResult<'network requests'>> {
  const group = context.group()
  await group.catchUp(signal)
  const requests = group.membership.requests().map(({ record, admission }) => ({
    machine: record.id, name: record.name, asked: timeOf(record.iat), addresses: record.addrs.map(({ host, port }) => `${host.includes(':') ? `[${host}]` : host}:${port}`),
    invitation: admission.by === 'invitation' ? admission.invitation.id : '',
  }))
  return { requests }
}

/** The grant goes to the rosters, where the machine looks for it. */
export async function networkApprove(context: AgentContext, { machine }: CommandRequest<'network approve'>, { signal }: RunOptions): Promise<CommandResult<'network approve'>> {
  const group = context.group()
  const { membership } = group
  const admin = await context.adminKey()
  await group.catchUp(signal)
  const { id, name } = findMachine(machine, membership.requests().map(({ record }) => record))
  const { admission } = membership.requests().find(({ record }) => record.id === id) as VerifiedPeer
  if (admission.by !== 'invitation') throw new HoldfastError('not-found', `Cannot approve ${name}: it asks for nothing`)
  const { grant } = await admitMachine(id, { net: membership.net, admin, nowMs: context.clock.now() })
  const rosters = await group.post(grantName(admission.invitation.id, admission.claim.slot, id), grant, signal)
  if (rosters === 0) throw new HoldfastError('roster-unavailable', `Cannot approve ${name}: no roster takes the approval now`)
  return { machine: id, name, rosters }
}
