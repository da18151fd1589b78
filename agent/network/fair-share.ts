/**
 * What an owner may use of the group's space: in proportion to what his machines give, offer times measured online share.
 *
 * A holder's offer is divided among the owners that have no machine of their own there. The division is soft: while more
 * than half of the offer is free anybody may use it; after that who uses more than twice his share is refused. So a small
 * group needs no settings, and who fills the space, by mistake or with stolen keys, leaves half of each machine to the others.
 */
import type { MachineId, OwnerId } from '../../shared/ids.ts'

export interface Giver {
  readonly machine: MachineId
  readonly owners: readonly OwnerId[]
  /** Bytes. */
  readonly offer: number
  /** 0 to 1. */
  readonly onlineShare: number
}

/** May use so many times the share before a holder refuses. */
export const tolerance = 2
/** Above this share of free space nobody is refused. */
export const plenty = 0.5

export class FairShares {
  readonly #givers: readonly Giver[]
  readonly #given = new Map<OwnerId, number>()

  constructor(givers: readonly Giver[]) {
    this.#givers = givers
    for (const { owners, offer, onlineShare } of givers) {
      for (const owner of owners) this.#given.set(owner, (this.#given.get(owner) ?? 0) + offer * onlineShare / owners.length)
    }
  }

  /** Bytes that the owner gives: offer times online share of his machines. */
  givenBy(owner: OwnerId): number {
    return this.#given.get(owner) ?? 0
  }

  /** Bytes of shards that the owner may have on a machine that offers `offer`. */
  at(machine: MachineId, owner: OwnerId, offer = this.#givers.find((giver) => giver.machine === machine)?.offer ?? 0): number {
    const own = this.#givers.find((giver) => giver.machine === machine)?.owners ?? []
    const others = [...new Set([...this.#given.keys(), owner])].filter((one) => !own.includes(one))
    const total = others.reduce((sum, one) => sum + this.givenBy(one), 0)
    return total === 0 ? offer / Math.max(1, others.length) : offer * this.givenBy(owner) / total
  }

  /** Bytes of shards that the owner may have on all machines but his own. */
  of(owner: OwnerId): number {
    return this.#givers.filter(({ owners }) => !owners.includes(owner)).reduce((sum, { machine }) => sum + this.at(machine, owner), 0)
  }
}

/** Whether a holder refuses `size` more bytes of an owner. */
export function isBeyondShare({ used, size, fair, free, offer }: { used: number; size: number; fair: number; free: number; offer: number }): boolean {
  return used + size > tolerance * fair && free - size < plenty * offer
}
