/** Who uses how much space where, and how much is fair (network/fair-share.ts). */
import type { CommandResult } from '../../shared/api.ts'
import type { Notice } from '../../shared/notices.ts'
import type { Dispersal } from '../network/dispersal.ts'
import type { AgentContext } from './context.ts'
import { nameOfOwner } from './holder-warnings.ts'

/** A refusal counts for so long; missing shards are offered again before. */
const refusalMs = 36 * 3_600_000

/** Bytes of shards that this owner has on other machines. */
export function storedBytes({ index }: Dispersal): number {
  return [...index.bytesByMachine().values()].reduce((sum, bytes) => sum + bytes, 0)
}

export function shareOf(context: AgentContext, dispersal: Dispersal): CommandResult<'status'>['share'] {
  const owner = context.ownerFile()?.owner
  return { stored: storedBytes(dispersal), fair: owner === undefined ? 0 : Math.floor(context.group().shares().of(owner)) }
}

export function ownersHere(context: AgentContext): CommandResult<'status'>['holder']['owners'] {
  if (!context.isMember()) return []
  const shares = context.group().shares()
  return context.holder.accounts().map(({ owner, used, freezes, terms }) => ({
    owner, name: nameOfOwner(context, owner), used, fair: Math.floor(shares.at(context.machine.id, owner)), frozen: freezes.length > 0, terms,
  }))
}

/** How reading all of it again and again stands. */
export function scrubHere(context: AgentContext): CommandResult<'status'>['holder']['scrub'] {
  const { endedMs, damaged, unreadable, isHalted } = context.holder.scrubbed()
  return { lastRead: endedMs === undefined ? null : new Date(endedMs).toISOString(), damaged, unreadable, halted: isHalted }
}

/** Machines that take no more of this owner, in their own words. */
export function refusalsOf({ clock, holders, refusals }: Dispersal): { name: string; reason: string }[] {
  return [...refusals].filter(([, { atMs }]) => clock.now() - atMs < refusalMs).map(([machine, { reason }]) => ({ name: holders.nameOf(machine), reason }))
}

export function refusalNotices(dispersal: Dispersal): Notice[] {
  return refusalsOf(dispersal).map(({ name, reason }) => ({ code: 'refused', name, detail: reason }))
}
