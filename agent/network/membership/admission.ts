/**
 * Whether a verified peer record's admission holds (docs/format.md section 11): one pure judgement over what is known.
 *
 * An admin's grant and an invitation hold while the admin key is not revoked. An invitation holds within its count, its
 * days and for the machine that its slot was first seen with. An owner lets a recovered machine in for one that it lost,
 * also when the lost one is shut out afterwards; for one that was shut out before, an admin has to invite him.
 */
import type { MachineId, OwnerId } from '../../../shared/ids.ts'
import type { NetworkChain } from './network-chain.ts'
import type { VerifiedAdmission, VerifiedPeer } from './records.ts'

const skewSeconds = 2 * 86_400
/** Machines that one owner may let in by recovering, ever: an owner who is a rogue cannot fill the group with machines. */
export const maxReplacements = 64

export type Refusal =
  | 'revoked' | 'not-an-admin' | 'invitation-revoked' | 'invitation-expired' | 'invitation-used-up' | 'slot-taken'
  | 'approval-missing' | 'replaced-unknown' | 'replacements-used-up'

export interface AdmissionView {
  readonly chain: NetworkChain
  readonly peer: (id: MachineId) => VerifiedPeer | undefined
  readonly hasDevice: (owner: OwnerId, machine: MachineId) => boolean
  readonly slotHolder: (invitation: string, slot: number) => MachineId | undefined
  readonly replacements: (owner: OwnerId) => readonly MachineId[]
  /**
   * Set for a record that is new here: the time (seconds), when this agent began to watch, and whether a member brought
   * it. Who was watching when an invitation ran out takes claims that turn up later only from a member, because their
   * `iat` is the claimant's word; who came later has to believe what it finds.
   */
  readonly sighting?: { readonly now: number; readonly since: number; readonly byMember: boolean } | undefined
}

/** Undefined when the admission holds. */
export function refusalOf(peer: VerifiedPeer, view: AdmissionView): Refusal | undefined {
  return judge(peer.record.id, peer.admission, view, new Set())
}

function judge(machine: MachineId, admission: VerifiedAdmission, view: AdmissionView, path: Set<MachineId>): Refusal | undefined {
  if (view.chain.revocation(machine) !== undefined) return 'revoked'
  if (admission.by === 'admin') return view.chain.mayAdmit(admission.grant.by, machine) ? undefined : 'not-an-admin'
  return admission.by === 'invitation' ? judgeInvitation(admission, view) : judgeReplacement(machine, admission, view, path)
}

function judgeInvitation({ invitation, claim, grant }: VerifiedAdmission & { by: 'invitation' }, view: AdmissionView): Refusal | undefined {
  const { machine, slot } = claim
  if (!view.chain.mayAdmit(invitation.by, machine)) return 'not-an-admin'
  const revoked = view.chain.revocation(invitation.id)
  if (revoked !== undefined && !revoked.keep.has(machine)) return 'invitation-revoked'
  if (slot > invitation.count) return 'invitation-used-up'
  if (claim.iat < invitation.iat - skewSeconds || claim.iat > invitation.exp + skewSeconds) return 'invitation-expired'
  const holder = view.slotHolder(invitation.id, slot)
  if (holder !== undefined && holder !== machine) return 'slot-taken'
  if (invitation.approval && (grant === undefined || !view.chain.mayAdmit(grant.by, machine))) return 'approval-missing'
  const end = invitation.exp + skewSeconds
  const { sighting } = view
  const late = holder === undefined && sighting !== undefined && !sighting.byMember && sighting.since <= end && sighting.now > end
  return late ? 'invitation-expired' : undefined
}

function judgeReplacement(machine: MachineId, { grant }: VerifiedAdmission & { by: 'owner' }, view: AdmissionView, path: Set<MachineId>): Refusal | undefined {
  // The record of a machine that is shut out is no longer taken: the admin's word stands for it.
  const revoked = view.chain.revocation(grant.old)
  if (revoked !== undefined) return revoked.keep.has(machine) ? undefined : 'revoked'
  const old = view.peer(grant.old)
  if (old === undefined || path.has(machine) || !view.hasDevice(grant.owner, grant.old)) return 'replaced-unknown'
  const others = view.replacements(grant.owner).filter((id) => id !== machine)
  if (others.length >= maxReplacements) return 'replacements-used-up'
  return judge(grant.old, old.admission, { ...view, sighting: undefined }, path.add(machine))
}
