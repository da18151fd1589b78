/** The recovery kit: shown until it is confirmed as stored, then the words are erased from this machine. */
import type { CommandResult } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { makeLocator } from '../network/membership/invitation.ts'
import type { AgentContext } from './context.ts'

const addressesInKit = 8

export async function keyShow(context: AgentContext): Promise<CommandResult<'key show'>> {
  const { membership } = context.group()
  const { network } = membership
  const peers = membership.members().filter(({ state }) => state !== 'gone').flatMap(({ record }) => record.addrs.slice(0, 1))
  const locator = makeLocator({ net: membership.net, name: network.name, admins: network.admins, rosters: network.rosters, peers: peers.slice(0, addressesInKit) })
  return { words: await context.words(), locator }
}

export function keyConfirm(context: AgentContext): CommandResult<'key confirm'> {
  const owner = context.ownerFile()
  if (owner === undefined) throw new HoldfastError('key-missing', 'Cannot confirm the recovery kit: this machine has no owner yet')
  const { words: _erased, ...rest } = owner
  context.saveOwner(rest)
  return { confirmed: true }
}
