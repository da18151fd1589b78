/** Takes the roster to another place, or to one place more: every agent follows by the next epoch of the network record. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { firstNetworkId } from '../network/membership/records.ts'
import type { Roster } from '../network/roster/port.ts'
import { networkName } from '../network/roster/names.ts'
import type { AgentContext } from './context.ts'
import type { RunOptions } from './command.ts'
import { govern } from './govern.ts'

const maxRosters = 8

/**
 * The new place is made, proved writable and given the network records before anybody is told of it. In the old one the
 * epoch that names the new one stays, for who was away: leave it there until all have followed.
 */
export async function networkMoveRoster(context: AgentContext, { locator, keep }: CommandRequest<'network move-roster'>, options: RunOptions): Promise<CommandResult<'network move-roster'>> {
  const { membership } = context.group()
  await context.adminKey()
  const roster = context.openRoster(locator)
  const before = membership.network.rosters
  const after = keep ? [...before.filter((one) => one !== roster.locator), roster.locator] : [roster.locator]
  if (after.length > maxRosters) throw new HoldfastError('invalid-input', `Cannot add a roster: there are ${before.length} already; move without --keep`)
  if (after.length === before.length && after.every((one) => before.includes(one))) throw new HoldfastError('already-exists', `Cannot move the roster: it is in ${roster.locator} already`)
  options.onProgress({ stage: 'preparing the new place' })
  await fill(roster, context, options.signal)
  options.onProgress({ stage: 'telling the group' })
  const told = await govern(context, () => ({ rosters: after }), options)
  return { rosters: [...membership.network.rosters], former: before.filter((one) => !membership.network.rosters.includes(one)), told }
}

/** With the network records alone: each machine writes its own, because in some places only who wrote a record may change it. */
async function fill(roster: Roster, context: AgentContext, signal: AbortSignal): Promise<void> {
  const { membership } = context.group()
  await roster.prepare({ signal })
  const { records } = await roster.list(undefined, { signal })
  const texts = records.filter(({ name }) => name.startsWith('network/')).map(({ text }) => text.trim())
  const net = await firstNetworkId(texts)
  if (net !== undefined && net !== membership.net) throw new HoldfastError('already-exists', `Cannot move the roster to ${roster.locator}: another work group is there`)
  for (const { jws, record, sha256 } of membership.chain.entries().filter((entry) => !texts.includes(entry.jws))) {
    for (const name of [networkName(record.epoch), networkName(record.epoch, sha256)]) {
      if (await roster.createOnce(name, jws, { signal }) === 'created') break
    }
  }
}
