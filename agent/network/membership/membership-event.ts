/** What happened to the work group that others may have to act on. */
import type { MachineId, OwnerId } from '../../../shared/ids.ts'

export type MembershipEvent =
  | { readonly type: 'network-changed'; readonly epoch: number; readonly sha256: string }
  | { readonly type: 'network-forked'; readonly epoch: number }
  /** A record by somebody who was an admin and is none any more, beside what is settled here: it does not count. */
  | { readonly type: 'fork-refused'; readonly epoch: number }
  | { readonly type: 'machine-joined' | 'machine-changed' | 'machine-revoked' | 'machine-gone'; readonly id: MachineId; readonly name: string }
  /** A machine that counted as online does not answer this one, or one that did not answers again. */
  | { readonly type: 'machine-away' | 'machine-back'; readonly id: MachineId; readonly name: string }
  | { readonly type: 'owner-epoch-raised'; readonly owner: OwnerId; readonly epoch: number }
  /** A recovery contact wants to open an owner's backup. */
  | { readonly type: 'contact-asked'; readonly owner: OwnerId; readonly machine: MachineId }
  | { readonly type: 'contact-ended'; readonly owner: OwnerId }
  /** An admin approved of this machine: its record is to be written anew. */
  | { readonly type: 'approved' }
  /** Another machine writes with this key: `id` is the own id (stop using the key) or another member's. */
  | { readonly type: 'cloned-key'; readonly id: MachineId; readonly what: 'peer' | 'head' }
  | { readonly type: 'roster-rolled-back'; readonly locator: string; readonly id: MachineId | undefined; readonly known: number; readonly found: number }
