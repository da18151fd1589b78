/**
 * Out of the work group in good order: the machine says that it is leaving, so that nobody puts anything new on it; what it
 * keeps for others goes to other machines; then it says that it has left, and what is to become of its own backups.
 * Cancelled, it is a member again.
 */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { needed } from '../../shared/counted.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { type HandoverReport, handOver } from '../network/handover.ts'
import { adminsOf } from '../network/membership/admins.ts'
import type { Member, Membership } from '../network/membership/membership.ts'
import { redundancyOf } from '../network/redundancy.ts'
import { findColleague, ownOwner } from './contact-reading.ts'
import type { AgentContext } from './context.ts'
import { handBackupsTo, passAllOn, strandedBackups, takeBackupsBack } from './handed-over.ts'
import type { RunOptions } from './command.ts'

/** For how many days the backups are kept unless somebody says otherwise. */
export const usualKeepDays = { own: 90, handedOver: 365 } as const

export async function networkLeave(context: AgentContext, { backups, days, handTo, force }: CommandRequest<'network leave'>, { signal, onProgress }: RunOptions): Promise<CommandResult<'network leave'>> {
  const group = context.group()
  const { membership } = group
  await refuseLastAdmin(context)
  refuseHanding(context, { backups, handTo })
  if (handTo === undefined && !force && !ownerStays(context)) refuseStranding(context)
  onProgress({ stage: 'telling the group' })
  await group.setStanding({ state: 'leaving' })
  await group.announce(signal)
  try {
    const report = await handOver({ ...group.handover(), store: context.holder }, {
      signal, onProgress: ({ bytesDone, bytesTotal }) => { onProgress({ stage: 'handing over', bytesDone, bytesTotal }) },
    })
    if (report.kept > 0 && !force) throw nowhere(report, membership)
    if (handTo !== undefined) {
      onProgress({ stage: 'handing the backups to a colleague' })
      await handBackupsTo(context, handTo, signal)
    }
    const passedOn = await passAllOn(context, receiversOf(context, handTo), signal)
    const keepDays = backups === 'erase' ? 0 : days ?? usualKeepDays[handTo === undefined ? 'own' : 'handedOver']
    await group.setStanding({ state: 'left', legacy: { keepDays } })
    const told = await group.announce(signal)
    const { shards, handedOver, safe, bytesSent, kept } = report
    return { network: membership.network.name, shards, handedOver, safe, bytesSent, kept, keepDays: ownerStays(context) ? null : keepDays, handedTo: handTo ?? null, passedOn, told }
  } catch (error) {
    await group.setStanding({ state: 'on' })
    if (handTo !== undefined) await takeBackupsBack(context)
    throw error
  }
}

/** Why not everything could be handed over, what would help, and what becomes of it when this machine leaves all the same. */
function nowhere({ kept, shards, refused, worst }: HandoverReport, membership: Membership): HoldfastError {
  const staying = membership.members().filter(({ state, record }) => state !== 'gone' && record.state === 'on')
  const off = staying.filter(({ state }) => state !== 'online').map(({ name }) => name)
  const why = refused > 0 ? 'machines that have no part of these backups yet took no more' : 'every other machine that is on has a part of the same backups already, or they are its own'
  const help = refused > 0 ? 'Let them offer more space, or let a further machine join.' : staying.length === 0 ? 'No other machine is left: one would have to join.' : off.length === 0 ? 'All machines are on: a further one would have to join.' : `${off.join(', ')} may take them: switch ${off.length === 1 ? 'it' : 'them'} on and try again, or let a further machine join.`
  return new HoldfastError('too-few-holders', `Cannot leave yet: ${kept} of ${shards} shards that this machine keeps for others have nowhere to go: ${why}`, {
    details: { kept, shards, off }, guidance: [help, forceText(worst), levelText(membership.network.redundancy, new Set(staying.map(({ host }) => host)).size - 1)].filter((text) => text !== '').join(' '),
  })
}

function forceText(worst: HandoverReport['worst']): string {
  if (worst === undefined) return 'With --force it leaves all the same; what could not be read here is not handed over by waiting either.'
  const { left, k, n } = worst
  const parts = `${left} of ${n} parts at the least, ${needed(k)} to restore`
  if (left < k) return `Not with --force now: the machines that are on would have ${parts}.`
  return `With --force it leaves all the same, and they have ${parts}; what is missing is made anew once a machine is there that has none of it.`
}

/** Whether the level still fits a group without this machine, in which each has `others` to hold its backups; empty when it does, or nobody is left (-1). */
export function levelText(name: string, others: number): string {
  if (others < 0) return ''
  const { k, n } = redundancyOf(name, others)
  const without = `Without this machine there ${others === 1 ? 'is 1 other' : `are ${others} others`} for each`
  if (k > others) return `${without}, and the level ${name} needs ${k}: every backup would fail until more join or an admin chooses a lower level.`
  if (n > others) return `${without}, and the level ${name} wants ${n}: new backups would be partly protected until more join or an admin chooses a lower level.`
  return n === 1 ? `${without}: new backups would have a single copy.` : ''
}

/** Nobody could let machines in or shut them out any more. */
async function refuseLastAdmin(context: AgentContext): Promise<void> {
  const { membership } = context.group()
  const admins = adminsOf(membership, await context.ownAdminKey())
  const others = membership.members().filter(({ state }) => state !== 'gone')
  if (admins.length === 1 && admins[0]?.isSelf === true && admins[0].machines.length <= 1 && others.length > 0) {
    throw new HoldfastError('invalid-input', 'Cannot leave: this machine has the only admin of the work group; make another one first: holdfast network admin add MACHINE')
  }
}

/** Before anything is moved: what is wrong with handing the backups over. */
function refuseHanding(context: AgentContext, { backups, handTo }: Pick<CommandRequest<'network leave'>, 'backups' | 'handTo'>): void {
  if (handTo === undefined) return
  if (backups === 'erase') throw new HoldfastError('invalid-input', 'Cannot erase the backups and hand them over: choose one')
  if (ownerStays(context)) throw new HoldfastError('invalid-input', 'Cannot hand the backups over: their owner stays in the group with another machine')
  findColleague(handTo, ownOwner(context).owner, context.group().membership)
}

/** Who left before entrusted their backups to this machine alone. */
function refuseStranding(context: AgentContext): void {
  const names = strandedBackups(context)
  if (names.length === 0) return
  throw new HoldfastError('invalid-input', `Cannot leave: what ${names.join(' and ')} handed over opens on this machine alone; pass it on before (holdfast handed-over pass-on MACHINE --to MACHINE) or with your own backups (--hand-to MACHINE), drop it (holdfast handed-over remove), or leave with --force`, { details: { stranded: names } })
}

/** Who opens from then on what was handed to this machine: whoever gets its own backups, or the owner's other machines. */
function receiversOf(context: AgentContext, handTo: string | undefined): Member[] {
  const { membership } = context.group()
  if (handTo !== undefined) return findColleague(handTo, ownOwner(context).owner, membership).to
  const owner = context.ownerFile()?.owner
  return membership.members().filter(({ devices, state }) => state !== 'gone' && devices.some((device) => device.owner === owner))
}

/** Moved to another machine (recover), or the owner has several: then the backups are not this machine's to end. */
function ownerStays(context: AgentContext): boolean {
  const owner = context.ownerFile()?.owner
  return context.group().membership.members().some(({ devices, state }) => state !== 'gone' && devices.some((device) => device.owner === owner))
}
