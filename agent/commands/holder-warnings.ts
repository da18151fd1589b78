/** Sudden changes that holders do not believe: what this machine says of others' backups, and the others of this one's. */
import { type OwnerId, shortId } from '../../shared/ids.ts'
import type { AgentContext } from './context.ts'

/** Names of the machines that let nothing of the owner go. */
export function freezersOf(context: AgentContext, owner: OwnerId): string[] {
  const { membership } = context.group()
  const others = membership.coverage.all().filter(({ report }) => report.frozen.includes(owner))
    .flatMap(({ report }) => membership.member(report.id)?.name ?? [])
  const here = context.holder.accounts().some((account) => account.owner === owner && account.freezes.length > 0)
  return [...others, ...(here ? ['this machine'] : [])]
}

/** Others do not believe what happened to this backup. */
export function ownFrozen(context: AgentContext): string[] {
  const own = context.ownerFile()?.owner
  const freezers = own === undefined ? [] : freezersOf(context, own)
  return freezers.length === 0 ? [] : [`Most of this backup was dropped at once, so ${freezers.join(', ')} let nothing of it go. If you did not do that, this machine may be attacked: holdfast snapshots --kept shows what is still there. If you did: holdfast retention agree`]
}

/** This machine does not believe what happened to somebody else's. */
export function othersFrozen(context: AgentContext): string[] {
  const own = context.ownerFile()?.owner
  return context.holder.accounts().filter(({ owner, freezes }) => owner !== own && freezes.length > 0)
    .map(({ owner }) => `Most of the backup of ${nameOfOwner(context, owner)} was dropped at once: this machine keeps all of it until its owner and an admin have agreed`)
}

export function nameOfOwner(context: AgentContext, owner: OwnerId): string {
  const member = context.group().membership.members().find(({ devices }) => devices.some((device) => device.owner === owner))
  return member?.name ?? `owner ${shortId(owner)}`
}
