/**
 * Recovery contacts: colleagues who can open a backup when its owner lost the words, and not without being seen. Their key
 * is in two halves (repository/contact-key.ts); holders release theirs some days after a signed request that the owner, if
 * he is there, sees and can refuse by ending the contact.
 */
import { randomBytes } from 'node:crypto'
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import type { Contact } from '../network/membership/contact-book.ts'
import { signChoice, signEnd, signRequest } from '../network/membership/contact-records.ts'
import type { Membership } from '../network/membership/membership.ts'
import { makeContactKey } from '../repository/contact-key.ts'
import { addRecipient } from '../repository/keyring.ts'
import type { RunOptions } from './command.ts'
import { type ReadWork, findColleague, findContact, listing, namesOf, ownOwner, ownerNames, readByContact, restoring, seconds, withoutStray } from './contact-reading.ts'
import type { AgentContext } from './context.ts'

type Listed = CommandResult<'recovery-contact list'>['mine'][number]

/** Throws `too-few-holders` when nobody is there to keep the other half, `already-exists`, `invalid-input`. */
export async function contactAdd(context: AgentContext, { machine, waitDays }: CommandRequest<'recovery-contact add'>, { signal }: RunOptions): Promise<CommandResult<'recovery-contact add'>> {
  const group = context.group()
  const { membership } = group
  const owner = ownOwner(context)
  const { chosen, to } = findColleague(machine, owner.owner, membership)
  if (ownContacts(context).some(({ choice, isEnded }) => !isEnded && choice.to.includes(chosen.id))) throw new HoldfastError('already-exists', `Cannot choose ${chosen.name} again: it is a recovery contact already`)
  const keepers = membership.members().filter(({ id, state }) => state !== 'gone' && !to.some((one) => one.id === id))
  if (keepers.length === 0) throw new HoldfastError('too-few-holders', 'Cannot choose a recovery contact yet: a third machine has to keep the other half of the key')
  await group.meetPeers(signal)
  const { repository } = await context.backup()
  const key = await makeContactKey(to.map(({ id, record }) => ({ id, kx: record.kx })), (length) => randomBytes(length))
  await repository.changeKeyring(addRecipient(withoutStray(repository.keyring, context), key.recipient), { signal })
  const contact = key.recipient.kid
  await membership.ingest([await signChoice({
    net: membership.net, owner: owner.owner, contact, iat: seconds(context), certificate: owner.certificate, to: to.map(({ id }) => id), waitDays, sealed: key.sealed, half: key.halfSha256,
  }, context.machine)], { kind: 'self', name: context.machine.id })
  membership.keepHalf(contact, key.half)
  await group.share()
  return { contact, name: membership.nameOf(chosen.id), waitDays, ...await group.contacts.deliver(membership.contacts.get(contact) as Contact, signal) }
}

export async function contactRemove(context: AgentContext, { contact: text }: CommandRequest<'recovery-contact remove'>, { signal }: RunOptions): Promise<CommandResult<'recovery-contact remove'>> {
  const group = context.group()
  const { membership } = group
  const owner = ownOwner(context)
  const contact = findContact(text, ownContacts(context).filter(({ isEnded }) => !isEnded), (one) => namesOf(one, membership))
  await membership.ingest([await signEnd({ net: membership.net, owner: owner.owner, contact: contact.id, iat: seconds(context), certificate: owner.certificate }, context.machine)], { kind: 'self', name: context.machine.id })
  const told = await group.announce(signal)
  const { repository } = await context.backup()
  await repository.changeKeyring(withoutStray(repository.keyring, context), { signal })
  return { contact: contact.id, name: namesOf(contact, membership).join(', '), told }
}

export function contactList(context: AgentContext): CommandResult<'recovery-contact list'> {
  const { membership } = context.group()
  const list = (contacts: readonly Contact[], nameOf: (contact: Contact) => string) => contacts.map((contact): Listed => ({
    contact: contact.id, name: nameOf(contact), waitDays: contact.choice.waitDays, made: new Date(contact.choice.iat * 1000).toISOString(),
    state: contact.isEnded ? 'ended' : contact.request === undefined ? 'ready' : contact.isOpen ? 'open' : 'asked',
    asked: contact.request === undefined ? null : { time: new Date(contact.request.iat * 1000).toISOString(), by: membership.nameOf(contact.request.machine), why: contact.request.why },
    opensInSeconds: waitSeconds(contact, membership),
  }))
  return {
    mine: list(ownContacts(context), (contact) => namesOf(contact, membership).join(', ')),
    others: list(foreignContacts(context), (contact) => ownerNames(contact, membership).join(', ')),
  }
}

/** On a contact's machine. Everybody in the group hears of it. */
export async function contactRequest(context: AgentContext, { owner: text, why }: CommandRequest<'recovery-contact request'>, { signal }: RunOptions): Promise<CommandResult<'recovery-contact request'>> {
  const group = context.group()
  const { membership } = group
  await group.catchUp(signal)
  const contact = contactOf(context, text)
  if (contact.request === undefined) {
    const request = await signRequest({ net: membership.net, owner: contact.choice.owner, contact: contact.id, iat: seconds(context), why }, context.machine)
    await membership.ingest([request], { kind: 'self', name: context.machine.id })
  }
  const told = await group.announce(signal)
  const asked = membership.contacts.get(contact.id) ?? contact
  return { contact: contact.id, owner: ownerNames(contact, membership).join(', '), opensInSeconds: waitSeconds(asked, membership) ?? 0, told }
}

export async function contactSnapshots(context: AgentContext, { owner }: CommandRequest<'recovery-contact snapshots'>, options: RunOptions): Promise<CommandResult<'recovery-contact snapshots'>> {
  return await reading(context, owner, options, listing(options))
}

/** Into a folder of this machine. Throws `contact-waiting`, `not-found`, and what restore throws. */
export async function contactRestore(context: AgentContext, request: CommandRequest<'recovery-contact restore'>, options: RunOptions): Promise<CommandResult<'recovery-contact restore'>> {
  return await reading(context, request.owner, options, restoring(context, request, performance.now(), options))
}

/** Opens the owner's backup by the contact's key for as long as `work` takes. */
async function reading<T>(context: AgentContext, text: string, options: RunOptions, work: ReadWork<T>): Promise<T> {
  const group = context.group()
  const contact = contactOf(context, text)
  if (contact.request === undefined) throw new HoldfastError('not-found', `Cannot open the backup of ${ownerNames(contact, group.membership).join(', ')}: ask for it first, with holdfast recovery-contact request`)
  options.onProgress({ stage: 'asking the holders' })
  await group.meetPeers(options.signal)
  const request = group.membership.contacts.requestText(contact.id) as string
  return await readByContact(context, contact, { ...options, half: await group.contacts.ask(contact, request, options.signal) }, work)
}

function ownContacts(context: AgentContext): Contact[] {
  const owner = context.ownerFile()?.owner
  return context.group().membership.contacts.all().filter(({ choice, isHanded }) => !isHanded && choice.owner === owner)
}

function foreignContacts(context: AgentContext): Contact[] {
  return context.group().membership.contacts.all().filter(({ choice, isHanded }) => !isHanded && choice.to.includes(context.machine.id))
}

function contactOf(context: AgentContext, text: string): Contact {
  const { membership } = context.group()
  const open = foreignContacts(context).filter(({ isEnded }) => !isEnded)
  return findContact(text, open, (contact) => ownerNames(contact, membership))
}

function waitSeconds(contact: Contact, { contacts }: Membership): number | null {
  const waitMs = contacts.waitMs(contact)
  return waitMs === undefined ? null : Math.ceil(waitMs / 1000)
}
