/**
 * Recovery contacts: colleagues who can open a backup when its owner lost the words, and not without being seen. Their key
 * is in two halves (repository/contact-key.ts); holders release theirs some days after a signed request that the owner, if
 * he is there, sees and can refuse by ending the contact.
 */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { shortId } from '../../shared/ids.ts'
import type { Contact } from '../network/membership/contact-book.ts'
import { signChoice, signEnd, signRequest } from '../network/membership/contact-records.ts'
import type { Membership } from '../network/membership/membership.ts'
import { makeContactKey, openContactKey } from '../repository/contact-key.ts'
import { type Keyring, addRecipient, withoutContacts } from '../repository/keyring.ts'
import { recoverKeyring } from '../repository/recovery.ts'
import { Repository } from '../repository/repository.ts'
import { toSummary } from './browse.ts'
import type { RunOptions } from './command.ts'
import type { AgentContext } from './context.ts'
import { findMachine } from './find-machine.ts'
import { restoreSnapshot } from './restore-snapshot.ts'

type Listed = CommandResult<'recovery-contact list'>['mine'][number]

/** Throws `too-few-holders` when nobody is there to keep the other half, `already-exists`, `invalid-input`. */
export async function contactAdd(context: AgentContext, { machine, waitDays }: CommandRequest<'recovery-contact add'>, { signal }: RunOptions): Promise<CommandResult<'recovery-contact add'>> {
  const group = context.group()
  const { membership } = group
  const owner = ownOwner(context)
  const chosen = findMachine(machine, membership.members().map(({ record }) => record))
  const theirs = membership.member(chosen.id)?.devices.map((device) => device.owner) ?? []
  if (theirs.includes(owner.owner)) throw new HoldfastError('invalid-input', `Cannot choose ${chosen.name} as a recovery contact: it is yours; choose a colleague`)
  const to = membership.members().filter(({ id, devices }) => id === chosen.id || devices.some((device) => theirs.includes(device.owner))).slice(0, 8)
  if (ownContacts(context).some(({ choice, isEnded }) => !isEnded && choice.to.includes(chosen.id))) throw new HoldfastError('already-exists', `Cannot choose ${chosen.name} again: it is a recovery contact already`)
  const keepers = membership.members().filter(({ id, state }) => state !== 'gone' && !to.some((one) => one.id === id))
  if (keepers.length === 0) throw new HoldfastError('too-few-holders', 'Cannot choose a recovery contact yet: a third machine has to keep the other half of the key')
  await group.meetPeers(signal)
  const { repository } = await context.backup()
  const key = await makeContactKey(to.map(({ id, record }) => ({ id, kx: record.kx })), (length) => randomBytes(length))
  await repository.changeKeyring(addRecipient(withoutStray(repository.keyring, ownContacts(context)), key.recipient), { signal })
  const contact = key.recipient.kid
  await membership.ingest([await signChoice({
    net: membership.net, owner: owner.owner, contact, iat: seconds(context), certificate: owner.certificate, to: to.map(({ id }) => id), waitDays, sealed: key.sealed, half: key.halfSha256,
  }, context.machine)], { kind: 'self', name: context.machine.id })
  membership.keepHalf(contact, key.half)
  await group.share()
  return { contact, name: chosen.name, waitDays, ...await group.contacts.deliver(membership.contacts.get(contact) as Contact, signal) }
}

export async function contactRemove(context: AgentContext, { contact: text }: CommandRequest<'recovery-contact remove'>, { signal }: RunOptions): Promise<CommandResult<'recovery-contact remove'>> {
  const group = context.group()
  const { membership } = group
  const owner = ownOwner(context)
  const contact = findContact(text, ownContacts(context).filter(({ isEnded }) => !isEnded), (one) => namesOf(one, membership))
  await membership.ingest([await signEnd({ net: membership.net, owner: owner.owner, contact: contact.id, iat: seconds(context), certificate: owner.certificate }, context.machine)], { kind: 'self', name: context.machine.id })
  const told = await group.announce(signal)
  const { repository } = await context.backup()
  await repository.changeKeyring(withoutStray(repository.keyring, ownContacts(context)), { signal })
  return { contact: contact.id, name: namesOf(contact, membership).join(', '), told }
}

export function contactList(context: AgentContext): CommandResult<'recovery-contact list'> {
  const { membership } = context.group()
  const list = (contacts: readonly Contact[], nameOf: (contact: Contact) => string) => contacts.map((contact): Listed => ({
    contact: contact.id, name: nameOf(contact), waitDays: contact.choice.waitDays, made: new Date(contact.choice.iat * 1000).toISOString(),
    state: contact.isEnded ? 'ended' : contact.request === undefined ? 'ready' : contact.isOpen ? 'open' : 'asked',
    asked: contact.request === undefined ? null : { time: new Date(contact.request.iat * 1000).toISOString(), by: nameOfMachine(contact.request.machine, membership), why: contact.request.why },
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
  return await reading(context, owner, options, async (repository, freshness) => (
    { snapshots: (await repository.snapshots(options)).snapshots.map(toSummary), freshness }))
}

/** Into a folder of this machine. Throws `contact-waiting`, `not-found`, and what restore throws. */
export async function contactRestore(context: AgentContext, request: CommandRequest<'recovery-contact restore'>, options: RunOptions): Promise<CommandResult<'recovery-contact restore'>> {
  const startedMs = performance.now()
  const { owner, target, snapshot, path } = request
  return await reading(context, owner, options, async (repository, freshness) => {
    const restored = await restoreSnapshot(repository, { snapshot, path, target, overwrite: false, restoredAt: new Date(context.clock.now()) }, options)
    return { ...restored, seconds: (performance.now() - startedMs) / 1000, freshness }
  })
}

/** Opens the owner's backup by the contact's key for as long as `work` takes. */
async function reading<T>(context: AgentContext, text: string, { signal, onProgress }: RunOptions, work: (repository: Repository, freshness: CommandResult<'restore'>['freshness']) => Promise<T>): Promise<T> {
  const group = context.group()
  const contact = contactOf(context, text)
  if (contact.request === undefined) throw new HoldfastError('not-found', `Cannot open the backup of ${ownerNames(contact, group.membership).join(', ')}: ask for it first, with holdfast recovery-contact request`)
  onProgress({ stage: 'asking the holders' })
  await group.meetPeers(signal)
  const { choice } = contact
  const request = group.membership.contacts.requestText(contact.id) as string
  const exchangeKey = await openContactKey({ sealed: choice.sealed, half: await group.contacts.ask(contact, request, signal) }, context.machine)
  await using session = await context.beginReading(choice.owner, choice.certificate)
  const { keyring } = await recoverKeyring({ ...session, owner: choice.owner, opener: { id: contact.id, exchangeKey } }, { signal })
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-contact-'))
  try {
    await using repository = await Repository.openForReading({
      store: session.store, heads: session.heads, machine: context.machine, certificate: choice.certificate, directory: join(directory, 'repository'),
      clock: context.clock.now, random: (length) => randomBytes(length), keyring,
    })
    const { answered, asked } = await repository.refresh({ signal })
    return await work(repository, { answered, asked, newest: 'found' })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

function ownOwner(context: AgentContext): { owner: Contact['choice']['owner']; certificate: string } {
  const owner = context.ownerFile()
  if (owner === undefined) throw new HoldfastError('key-missing', 'Cannot choose recovery contacts: owner.json is missing; recover with the recovery kit')
  return owner
}

function ownContacts(context: AgentContext): Contact[] {
  const owner = context.ownerFile()?.owner
  return context.group().membership.contacts.all().filter(({ choice }) => choice.owner === owner)
}

function foreignContacts(context: AgentContext): Contact[] {
  return context.group().membership.contacts.all().filter(({ choice }) => choice.to.includes(context.machine.id))
}

function contactOf(context: AgentContext, text: string): Contact {
  const { membership } = context.group()
  const open = foreignContacts(context).filter(({ isEnded }) => !isEnded)
  return findContact(text, open, (contact) => ownerNames(contact, membership))
}

/** By a name of a machine, or the beginning of an id. */
function findContact(text: string, contacts: readonly Contact[], namesFor: (contact: Contact) => readonly string[]): Contact {
  const found = contacts.filter((contact) => namesFor(contact).some((name) => name.toLowerCase() === text.toLowerCase()) || (text.length >= 6 && [contact.id, contact.choice.owner, ...contact.choice.to].some((id) => id.startsWith(text))))
  const [only, ...more] = found
  if (only === undefined) throw new HoldfastError('not-found', `Cannot find a recovery contact for ${text}: holdfast recovery-contact list shows them`)
  if (more.length > 0) throw new HoldfastError('invalid-input', `Cannot tell which recovery contact is meant by ${text}: ${found.map(({ id }) => shortId(id)).join(', ')}; use the id`)
  return only
}

/** Of whom was chosen. */
function namesOf({ choice }: Contact, membership: Membership): string[] {
  return choice.to.map((id) => nameOfMachine(id, membership))
}

/** Of the machine that chose, and of the owner's others. */
function ownerNames({ choice }: Contact, membership: Membership): string[] {
  const names = membership.members().filter(({ devices, record }) => devices.some(({ owner }) => owner === choice.owner) || record.owners.includes(choice.certificate)).map(({ name }) => name)
  return names.length > 0 ? names : [shortId(choice.owner)]
}

function nameOfMachine(id: Contact['choice']['to'][number], membership: Membership): string {
  return (id === membership.self ? membership.own.peer?.record.name : membership.member(id)?.name) ?? shortId(id)
}

function waitSeconds(contact: Contact, { contacts }: Membership): number | null {
  const waitMs = contacts.waitMs(contact)
  return waitMs === undefined ? null : Math.ceil(waitMs / 1000)
}

/** Without the keys of contacts that were ended, or never got to be. */
function withoutStray(ring: Keyring, contacts: readonly Contact[]): Keyring {
  return withoutContacts(ring, new Set(contacts.filter(({ isEnded }) => !isEnded).map(({ id }) => id)))
}

function seconds(context: AgentContext): number {
  return Math.floor(context.clock.now() / 1000)
}
