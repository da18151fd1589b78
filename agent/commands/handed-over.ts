/**
 * Backups of owners who left and handed them over: a contact whose key is open to the colleague's machines from the start,
 * without a request and a wait, because the owner was there and agreed (docs/decisions/0019-handed-over.md).
 */
import { randomBytes } from 'node:crypto'
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { type Contact, machinesOf, sealedFor } from '../network/membership/contact-book.ts'
import { signChoice, signDrop, signEnd, signPass } from '../network/membership/contact-records.ts'
import type { Member } from '../network/membership/membership.ts'
import { makeContactKey, resealHalf } from '../repository/contact-key.ts'
import { addRecipient } from '../repository/keyring.ts'
import { listedEntry } from './browse.ts'
import type { RunOptions } from './command.ts'
import { findMachine } from './find-machine.ts'
import { type ReadWork, findColleague, findContact, listing, ownOwner, ownerNames, readByContact, restoring, seconds, withoutStray } from './contact-reading.ts'
import type { AgentContext } from './context.ts'

/**
 * Before the owner leaves. Throws `too-few-holders` when nobody who is on heard of it or there is nobody to keep the keyring:
 * the record would be lost with the machine.
 */
export async function handBackupsTo(context: AgentContext, text: string, signal: AbortSignal): Promise<void> {
  const group = context.group()
  const { membership } = group
  const owner = ownOwner(context)
  const { chosen, to } = findColleague(text, owner.owner, membership)
  const { repository } = await context.backup()
  const key = await makeContactKey(to.map(({ id, record }) => ({ id, kx: record.kx })), (length) => randomBytes(length))
  await repository.changeKeyring(addRecipient(withoutStray(repository.keyring, context), key.recipient), { signal })
  await membership.ingest([await signChoice({
    net: membership.net, owner: owner.owner, contact: key.recipient.kid, iat: seconds(context), certificate: owner.certificate, to: to.map(({ id }) => id), waitDays: 0,
    sealed: key.sealed, half: key.halfSha256, open: key.half,
  }, context.machine)], { kind: 'self', name: context.machine.id })
  const told = await group.announce(signal)
  if (told.peers === 0) throw new HoldfastError('too-few-holders', `Cannot hand the backups to ${chosen.name}: no other machine is on that could keep the word of it; switch one on`)
}

/** The owner stays after all: ends the record, and wraps the keyring without its key. */
export async function takeBackupsBack(context: AgentContext): Promise<void> {
  const { membership } = context.group()
  const owner = ownOwner(context)
  const mine = membership.contacts.all().filter(({ choice, isHanded, isEnded }) => isHanded && !isEnded && choice.owner === owner.owner)
  for (const { id } of mine) {
    await membership.ingest([await signEnd({ net: membership.net, owner: owner.owner, contact: id, iat: seconds(context), certificate: owner.certificate }, context.machine)], { kind: 'self', name: context.machine.id })
  }
  await context.group().share()
  const { repository } = await context.backup()
  const ring = withoutStray(repository.keyring, context)
  if (ring.recipients.length < repository.keyring.recipients.length) await repository.changeKeyring(ring)
}

/** What this machine can open. */
export async function handedOverList(context: AgentContext, _request: CommandRequest<'handed-over list'>, { signal }: RunOptions): Promise<CommandResult<'handed-over list'>> {
  const group = context.group()
  await group.catchUp(signal)
  const { membership } = group
  return { backups: handed(context).map((contact) => {
    const keepDays = membership.keepDaysOf(contact.choice.owner)
    return { contact: contact.id, name: ownerNames(contact, membership).join(', '), made: new Date(contact.choice.iat * 1000).toISOString(), keepDays: keepDays ?? null, opensOn: opensOn(contact, context) }
  }) }
}

export async function handedOverSnapshots(context: AgentContext, { owner }: CommandRequest<'handed-over snapshots'>, options: RunOptions): Promise<CommandResult<'handed-over snapshots'>> {
  return await reading(context, owner, options, listing(options))
}

export async function handedOverLs(context: AgentContext, { owner, snapshot, path }: CommandRequest<'handed-over ls'>, options: RunOptions): Promise<CommandResult<'handed-over ls'>> {
  return await reading(context, owner, options, async (repository) => {
    const found = await repository.snapshot(snapshot, options)
    const entries = await repository.list(found, path === '' ? undefined : path, options)
    return { snapshot: found.id, entries: entries.map(({ path: at, entry }) => listedEntry(at, entry)) }
  })
}

/** Into a folder of this machine. Throws `not-found`, and what restore throws. */
export async function handedOverRestore(context: AgentContext, request: CommandRequest<'handed-over restore'>, options: RunOptions): Promise<CommandResult<'handed-over restore'>> {
  return await reading(context, request.owner, options, restoring(context, request, performance.now(), options))
}

/** Another machine (of a colleague, or a new one of one's own), with that person's others, opens it from then on too. */
export async function handedOverPassOn(context: AgentContext, { owner, to }: CommandRequest<'handed-over pass-on'>, { signal }: RunOptions): Promise<CommandResult<'handed-over pass-on'>> {
  const group = context.group()
  const { membership } = group
  await group.catchUp(signal)
  const contact = handedBy(context, owner)
  const chosen = membership.member(findMachine(to, membership.members().map(({ record }) => record)).id) as Member
  const added = await passOn(context, contact, [chosen, ...othersOf(chosen, membership.members())])
  if (added === 0) throw new HoldfastError('already-exists', `Cannot pass it on to ${chosen.name}: it opens there already`)
  return { contact: contact.id, name: ownerNames(contact, membership).join(', '), opensOn: opensOn(membership.contacts.get(contact.id) ?? contact, context), told: await group.announce(signal) }
}

/** What was handed to this machine and opens nowhere else; by the names of their owners. */
export function strandedBackups(context: AgentContext): string[] {
  const { membership } = context.group()
  return handed(context).filter((contact) => opensOn(contact, context).length <= 1).map((contact) => ownerNames(contact, membership).join(', '))
}

/**
 * Before this machine leaves: what was handed to it opens on `receivers` from then on; returns of whom. What cannot be
 * opened here is left as it is. Throws `too-few-holders` when nobody who is on heard of it.
 */
export async function passAllOn(context: AgentContext, receivers: readonly Member[], signal: AbortSignal): Promise<string[]> {
  const group = context.group()
  const passed: string[] = []
  for (const contact of handed(context)) {
    try {
      if (await passOn(context, contact, receivers) > 0) passed.push(ownerNames(contact, group.membership).join(', '))
    } catch (error) {
      if (!hasCode(error, 'key-missing')) throw error
    }
  }
  if (passed.length > 0 && (await group.announce(signal)).peers === 0) throw new HoldfastError('too-few-holders', `Cannot pass on what ${passed.join(' and ')} handed over: no other machine is on that could keep the word of it; switch one on`)
  return passed
}

/** Returns how many machines it did not open on before. */
async function passOn(context: AgentContext, contact: Contact, receivers: readonly Member[]): Promise<number> {
  const { membership } = context.group()
  const has = machinesOf(contact)
  const to = receivers.filter(({ id, state }) => state !== 'gone' && !has.has(id)).slice(0, 8)
  if (to.length === 0) return 0
  const receiving = to.map(({ id, record }) => ({ id, kx: record.kx }))
  const halves = sealedFor(context.machine.id, contact)
  const sealed = await Promise.any(halves.map(async (half) => await resealHalf({ id: contact.id, sealed: half }, context.machine, receiving))).catch((cause: unknown) => {
    throw new HoldfastError('key-missing', 'Cannot pass the backup on: this machine cannot open it', { cause })
  })
  const jws = await signPass({ net: membership.net, owner: contact.choice.owner, contact: contact.id, iat: seconds(context), to: to.map(({ id }) => id), sealed }, context.machine)
  const { taken } = await membership.ingest([jws], { kind: 'self', name: context.machine.id })
  if (taken === 0) throw new HoldfastError('quota-exceeded', 'Cannot pass the backup on: it was passed on too often')
  return to.length
}

/** The same person's other machines. */
function othersOf({ id, devices }: Member, members: readonly Member[]): Member[] {
  return members.filter((member) => member.id !== id && member.state !== 'gone' && member.devices.some(({ owner }) => devices.some((device) => device.owner === owner)))
}

/** Names of the machines on which it can be opened now, this one among them. */
function opensOn(contact: Contact, context: AgentContext): string[] {
  const { membership } = context.group()
  const machines = machinesOf(contact)
  const others = membership.members().filter(({ id, state }) => state !== 'gone' && machines.has(id)).map(({ name }) => name)
  return machines.has(context.machine.id) ? [membership.nameOf(context.machine.id), ...others] : others
}

/** For good: holders let it go when they let go of anything. */
export async function handedOverRemove(context: AgentContext, { owner }: CommandRequest<'handed-over remove'>, { signal }: RunOptions): Promise<CommandResult<'handed-over remove'>> {
  const group = context.group()
  const { membership } = group
  const contact = handedBy(context, owner)
  const name = ownerNames(contact, membership).join(', ')
  await membership.ingest([await signDrop({ net: membership.net, owner: contact.choice.owner, contact: contact.id, iat: seconds(context) }, context.machine)], { kind: 'self', name: context.machine.id })
  return { contact: contact.id, name, told: await group.announce(signal) }
}

async function reading<T>(context: AgentContext, text: string, options: RunOptions, work: ReadWork<T>): Promise<T> {
  const group = context.group()
  await group.catchUp(options.signal)
  const contact = handedBy(context, text)
  return await readByContact(context, contact, { signal: options.signal, half: contact.choice.open as string }, work)
}

function handed(context: AgentContext): Contact[] {
  return context.group().membership.contacts.all().filter((contact) => contact.isHanded && !contact.isEnded && machinesOf(contact).has(context.machine.id))
}

function handedBy(context: AgentContext, text: string): Contact {
  const { membership } = context.group()
  return findContact(text, handed(context), (contact) => ownerNames(contact, membership), { what: 'a backup that was handed over by', list: 'handed-over list' })
}
