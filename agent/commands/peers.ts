/** The machines of the group, as they answer now. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { isSimulatedHost } from '../network/membership/host-id.ts'
import type { Membership } from '../network/membership/membership.ts'
import type { PeerRecord } from '../network/membership/records.ts'
import type { AgentContext } from './context.ts'
import type { RunOptions } from './command.ts'
import { meetMs } from './freshness.ts'

export async function peers(context: AgentContext, _request: CommandRequest<'peers'>, { signal }: RunOptions): Promise<CommandResult<'peers'>> {
  const { membership } = context.group()
  await context.group().meetPeers(signal, { patienceMs: meetMs })
  const { dispersal } = await context.backup()
  const holds = dispersal.index.bytesByMachine()
  const own = membership.own.peer?.record
  const others = membership.members().map(({ id, name, host, state, heardSecondsAgo, record }) => ({
    id, name, host, addresses: record.addrs.map(addressText), state, ageSeconds: heardSecondsAgo ?? null, offer: record.offer.bytes,
    owners: record.owners.length, simulated: isSimulatedHost(host), self: false, holds: holds.get(id) ?? 0, onlineShare: context.group().onlineShare(id), membership: standingOf(record, membership),
  }))
  const self = own === undefined ? [] : [{
    id: own.id as string, name: membership.nameOf(own.id), host: own.host, addresses: own.addrs.map(addressText), state: 'online' as const, ageSeconds: 0,
    offer: own.offer.bytes, owners: own.owners.length, simulated: isSimulatedHost(own.host), self: true, holds: 0, onlineShare: 1, membership: standingOf(own, membership),
  }]
  return { peers: [...self, ...others].sort((a, b) => (a.name < b.name ? -1 : 1)) }
}

function standingOf({ id, state }: PeerRecord, { chain, peers: book }: Membership): CommandResult<'peers'>['peers'][number]['membership'] {
  if (state !== 'on') return state
  if (chain.isLost(id)) return 'lost'
  return book.isReplaced(id) ? 'replaced' : 'member'
}

function addressText({ host, port }: { host: string; port: number }): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}
