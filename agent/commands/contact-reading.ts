/** What recovery contacts and backups that were handed over have in common: whom a name means, and reading with the contact's key. */
import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { CommandResult } from '../../shared/api.ts'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { type OwnerId, shortId } from '../../shared/ids.ts'
import { type Contact, sealedFor } from '../network/membership/contact-book.ts'
import type { Member, Membership } from '../network/membership/membership.ts'
import type { PeerRecord } from '../network/membership/records.ts'
import { isCalled } from '../network/membership/shown-names.ts'
import { openContactKey } from '../repository/contact-key.ts'
import { type Keyring, withoutContacts } from '../repository/keyring.ts'
import { recoverKeyring } from '../repository/recovery.ts'
import { Repository } from '../repository/repository.ts'
import { toSummary } from './browse.ts'
import type { RunOptions } from './command.ts'
import type { AgentContext, RecoverySession } from './context.ts'
import { findMachine } from './find-machine.ts'
import { headNotices } from './freshness.ts'
import { restoreSnapshot } from './restore-snapshot.ts'

export type ReadWork<T> = (repository: Repository, freshness: CommandResult<'restore'>['freshness']) => Promise<T>

/** Opens the backup of the contact's owner with both halves for as long as `work` takes; the others must have been met. */
export async function readByContact<T>(context: AgentContext, contact: Contact, { half, signal }: Pick<RunOptions, 'signal'> & { half: string }, work: ReadWork<T>): Promise<T> {
  const { choice } = contact
  await using session = await context.beginReading(choice.owner, choice.certificate)
  const keyring = await keyringBy(context, contact, { session, half, signal })
  const directory = await mkdtemp(join(tmpdir(), 'holdfast-contact-'))
  try {
    await using repository = await Repository.openForReading({
      store: session.store, heads: session.heads, machine: context.machine, certificate: choice.certificate, directory: join(directory, 'repository'),
      clock: context.clock.now, random: (length) => randomBytes(length), keyring,
    })
    const report = await repository.refresh({ signal })
    return await work(repository, { answered: report.answered, asked: report.asked, newest: 'found', notices: headNotices(report) })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** With each half that was sealed for this machine in turn: who passed one on may have passed on another. */
async function keyringBy(context: AgentContext, contact: Contact, { session, half, signal }: Pick<RunOptions, 'signal'> & { session: RecoverySession; half: string }): Promise<Keyring> {
  let failure: unknown = new HoldfastError('key-missing', 'Cannot open the backup: it was handed to another machine')
  for (const sealed of sealedFor(context.machine.id, contact)) {
    try {
      const exchangeKey = await openContactKey({ sealed, half }, context.machine)
      return (await recoverKeyring({ ...session, owner: contact.choice.owner, opener: { id: contact.id, exchangeKey } }, { signal })).keyring
    } catch (error) {
      if (!hasCode(error, 'key-missing', 'object-damaged')) throw error
      failure = error
    }
  }
  throw failure
}

/** What `… snapshots` reads. */
export function listing(options: RunOptions): ReadWork<CommandResult<'recovery-contact snapshots'>> {
  return async (repository, freshness) => ({ snapshots: (await repository.snapshots(options)).snapshots.map(toSummary), freshness })
}

/** What `… restore` reads: into a folder of this machine. `startedMs` by performance.now(). Throws what restoreSnapshot throws. */
export function restoring(context: AgentContext, { target, snapshot, path }: { target: string; snapshot: string; path: string }, startedMs: number, options: RunOptions): ReadWork<CommandResult<'restore'>> {
  return async (repository, freshness) => {
    const restored = await restoreSnapshot(repository, { snapshot, path, target, overwrite: false, restoredAt: new Date(context.clock.now()) }, options)
    context.restoredArchives.add(restored.written)
    return { ...restored, seconds: (performance.now() - startedMs) / 1000, freshness }
  }
}

export function ownOwner(context: AgentContext): { owner: Contact['choice']['owner']; certificate: string } {
  const owner = context.ownerFile()
  if (owner === undefined) throw new HoldfastError('key-missing', 'Cannot choose who may open this backup: owner.json is missing; recover with the recovery kit')
  return owner
}

/** A machine of somebody else than `own`, and up to 8 of that person's. Throws as findMachine, `invalid-input` for one's own. */
export function findColleague(text: string, own: OwnerId, membership: Membership): { chosen: PeerRecord; to: Member[] } {
  const chosen = findMachine(text, membership.members().map(({ record }) => record))
  const theirs = membership.member(chosen.id)?.devices.map((device) => device.owner) ?? []
  if (theirs.includes(own)) throw new HoldfastError('invalid-input', `Cannot choose ${chosen.name}: it is yours; choose a colleague`)
  const others = membership.members().filter(({ id, devices, state }) => id !== chosen.id && state !== 'gone' && devices.some((device) => theirs.includes(device.owner)))
  return { chosen, to: [membership.member(chosen.id) as Member, ...others].slice(0, 8) }
}

/** By a name of a machine, or the beginning of an id. */
export function findContact(text: string, contacts: readonly Contact[], namesFor: (contact: Contact) => readonly string[], { what, list }: { what: string; list: string } = { what: 'a recovery contact for', list: 'recovery-contact list' }): Contact {
  const found = contacts.filter((contact) => namesFor(contact).some((name) => isCalled(name, text)) || (text.length >= 6 && [contact.id, contact.choice.owner, ...contact.choice.to].some((id) => id.startsWith(text))))
  const [only, ...more] = found
  if (only === undefined) throw new HoldfastError('not-found', `Cannot find ${what} ${text}: holdfast ${list} shows them`)
  if (more.length > 0) throw new HoldfastError('invalid-input', `Cannot tell who is meant by ${text}: ${found.map(({ id }) => shortId(id)).join(', ')}; use the id`)
  return only
}

/** Of whom was chosen. */
export function namesOf({ choice }: Contact, membership: Membership): string[] {
  return choice.to.map((id) => membership.nameOf(id))
}

/** Of the machine that chose, and of the owner's others. */
export function ownerNames({ choice }: Contact, membership: Membership): string[] {
  const names = membership.members().filter(({ devices, record }) => devices.some(({ owner }) => owner === choice.owner) || record.owners.includes(choice.certificate)).map(({ name }) => name)
  return names.length > 0 ? names : [shortId(choice.owner)]
}

/** Without the keys of contacts that were ended, or never got to be. */
export function withoutStray(ring: Keyring, context: AgentContext): Keyring {
  const stay = context.group().membership.contacts.all().filter(({ choice, isEnded }) => !isEnded && choice.owner === ring.owner)
  return withoutContacts(ring, new Set(stay.map(({ id }) => id)))
}

export function seconds(context: AgentContext): number {
  return Math.floor(context.clock.now() / 1000)
}
