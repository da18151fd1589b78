/** Sudden changes that holders do not believe: what this machine says of others' backups, and the others of this one's. */
import { type OwnerId, shortId } from '../../shared/ids.ts'
import type { Notice } from '../../shared/notices.ts'
import type { AgentContext } from './context.ts'

/** The machines that let nothing of the owner go: the names of others, and whether this one is among them. */
export function freezersOf(context: AgentContext, owner: OwnerId): { names: string[]; here: boolean } {
  const { membership } = context.group()
  const names = membership.coverage.all().filter(({ report }) => report.frozen.includes(owner))
    .flatMap(({ report }) => membership.member(report.id)?.name ?? [])
  return { names, here: context.holder.accounts().some((account) => account.owner === owner && account.freezes.length > 0) }
}

/** Others do not believe what happened to this backup. */
export function ownFrozen(context: AgentContext): Notice[] {
  const own = context.ownerFile()?.owner
  const { names, here } = own === undefined ? { names: [], here: false } : freezersOf(context, own)
  return names.length === 0 && !here ? [] : [{ code: 'own-frozen', names, here }]
}

/** This machine does not believe what happened to somebody else's. */
export function othersFrozen(context: AgentContext): Notice[] {
  const own = context.ownerFile()?.owner
  return context.holder.accounts().filter(({ owner, freezes }) => owner !== own && freezes.length > 0)
    .map(({ owner }) => ({ code: 'other-frozen', name: nameOfOwner(context, owner) }))
}

/** What this machine keeps for others is not what it was given. */
export function diskNotices(context: AgentContext): Notice[] {
  const { damaged, unreadable, isHalted } = context.holder.scrubbed()
  if (isHalted) return [{ code: 'much-disk-damage', damaged }]
  return damaged + unreadable === 0 ? [] : [{ code: 'disk-damage', damaged, unreadable }]
}

export function nameOfOwner(context: AgentContext, owner: OwnerId): string {
  const member = context.group().membership.members().find(({ devices }) => devices.some((device) => device.owner === owner))
  return member?.name ?? `owner ${shortId(owner)}`
}
