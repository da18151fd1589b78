/** Brings the halves of an owner's recovery contacts to the holders, and asks the holders for one of another owner's. */
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import type { MachineId } from '../../shared/ids.ts'
import { type Contact, contactWaiting } from './membership/contact-book.ts'
import type { Membership } from './membership/membership.ts'
import type { Links } from './peer/links.ts'

export interface Delivery {
  /** Names of machines. */
  readonly delivered: string[]
  readonly missing: string[]
}

export class ContactHalves {
  readonly #membership: Membership
  readonly #links: Pick<Links, 'link'>
  /** Who has which, since this agent started. */
  readonly #told = new Map<string, Set<MachineId>>()

  constructor(membership: Membership, links: Pick<Links, 'link'>) {
    this.#membership = membership
    this.#links = links
  }

  /** To every machine that answers and was not told yet, the contact's own left out. */
  async deliver(contact: Contact, signal: AbortSignal): Promise<Delivery> {
    const half = this.#membership.contacts.halfOf(contact.id)
    const outcome: Delivery = { delivered: [], missing: [] }
    if (half === undefined) return outcome
    const told = this.#told.get(contact.id) ?? new Set()
    this.#told.set(contact.id, told)
    await this.#each(contact, signal, async (id, name) => {
      if (told.has(id)) return
      await (await this.#links.link(id, signal)).call('contact.keep', { choice: contact.jws, half }, { signal })
      told.add(id)
      outcome.delivered.push(name)
    }, (name) => { outcome.missing.push(name) })
    return outcome
  }

  /** Machines that came since, when they are online. */
  async deliverMissing(isOwnDevice: (contact: Contact) => boolean, signal: AbortSignal): Promise<void> {
    const { contacts } = this.#membership
    for (const contact of contacts.all()) {
      if (contact.isEnded || contacts.halfOf(contact.id) === undefined || !isOwnDevice(contact)) continue
      const told = this.#told.get(contact.id)
      const lacks = this.#membership.members().some(({ id, state }) => state === 'online' && !this.#membership.isOfContact(id, contact.choice) && told?.has(id) !== true)
      if (lacks) await this.deliver(contact, signal)
    }
  }

  /** From the first holder that releases it. Throws `contact-waiting` (the shortest), `not-found` when nobody who answers has it. */
  async ask({ id, choice }: Contact, request: string, signal: AbortSignal): Promise<string> {
    let half: string | undefined
    let seconds: number | undefined
    await this.#each({ id, choice }, signal, async (machine) => {
      try {
        half = (await (await this.#links.link(machine, signal)).call('contact.open', { request }, { signal })).half
      } catch (error) {
        if (!hasCode(error, 'contact-waiting')) throw error
        seconds = Math.min(seconds ?? Infinity, Number(error.details['seconds'] ?? 0))
      }
    }, () => {})
    if (half !== undefined) return half
    if (seconds !== undefined) throw contactWaiting(seconds * 1000)
    throw new HoldfastError('not-found', 'Cannot open the backup: no machine that answers keeps the other half of the contact\'s key; switch more on, or its owner ended it')
  }

  async #each({ choice }: Pick<Contact, 'id' | 'choice'>, signal: AbortSignal, work: (id: MachineId, name: string) => Promise<void>, onFailed: (name: string) => void): Promise<void> {
    const holders = this.#membership.members().filter(({ id, state }) => state !== 'gone' && !this.#membership.isOfContact(id, choice))
    await Promise.all(holders.map(async ({ id, name }) => {
      try {
        await work(id, name)
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof HoldfastError)) throw error
        onFailed(name)
      }
    }))
  }
}
