/**
 * Invitations that admins made, without the secret that they travel with: spread by gossip so that every admin sees what
 * is open and can revoke it, also one that a colleague made and that nobody used yet.
 */
import type { Invitation } from './records.ts'

export const maxInvitations = 500
const skewMs = 2 * 86_400_000

export interface HeldInvitation {
  readonly jws: string
  readonly invitation: Invitation
}

export class InvitationBook {
  readonly #held = new Map<string, HeldInvitation>()

  /** The invitation must be verified and by an admin. */
  add(held: HeldInvitation, nowMs: number): 'taken' | 'known' | 'stale' | 'quota' {
    const { id, exp } = held.invitation
    if (this.#held.has(id)) return 'known'
    if (exp * 1000 + skewMs < nowMs) return 'stale'
    for (const [other, { invitation }] of this.#held) if (invitation.exp * 1000 + skewMs < nowMs) this.#held.delete(other)
    if (this.#held.size >= maxInvitations) return 'quota'
    this.#held.set(id, { jws: held.jws, invitation: held.invitation })
    return 'taken'
  }

  get(id: string): HeldInvitation | undefined {
    return this.#held.get(id)
  }

  all(): HeldInvitation[] {
    return [...this.#held.values()]
  }
}
