/** Who may say what about recovery contacts and backups that were handed over; what was said before is the contact book's to know. */
import type { MachineId, NetworkId, OwnerId } from '../../../shared/ids.ts'
import type { ContactRecord } from './contact-records.ts'
import type { Source, Verdict } from './intake.ts'

export interface ContactView {
  readonly net: NetworkId
  /** Of the work group, this one included; those that left, too. */
  readonly isMachine: (id: MachineId) => boolean
  readonly isRevoked: (id: MachineId) => boolean
  readonly knowsOwner: (owner: OwnerId) => boolean
  /** The highest of the owner's epochs that was seen. */
  readonly epochOf: (owner: OwnerId) => number
}

/**
 * Only a device of the owner's highest epoch chooses or ends contacts; members ask, drop and pass on. What lies in the state was
 * judged when it came: its machine may be gone by now. Undefined when the record may be taken in.
 */
export function refusalOfContact(contact: ContactRecord, from: Source, view: ContactView): Verdict | undefined {
  const { net, owner } = contact.record
  if (net !== view.net) return 'foreign'
  if (contact.kind === 'choice' || contact.kind === 'end') {
    if (from.kind === 'state') return undefined
    if (!view.knowsOwner(owner)) return 'unknown-owner'
    return contact.device.epoch < view.epochOf(owner) ? 'stale' : undefined
  }
  if (contact.kind !== 'request' && from.kind === 'state') return undefined
  if (view.isRevoked(contact.record.machine)) return 'revoked'
  return view.isMachine(contact.record.machine) ? undefined : 'unknown-machine'
}
