/** Meeting the others of the group now, instead of waiting for the next round of gossip: what commands do that ask or tell everybody. */
import { HoldfastError } from '../../shared/errors.ts'
import type { MachineId } from '../../shared/ids.ts'
import type { Clock } from '../network/clock.ts'
import type { Member, Membership } from '../network/membership/membership.ts'
import type { Gossip } from '../network/peer/gossip.ts'
import type { Links } from '../network/peer/links.ts'
import type { RosterSync } from '../network/roster/roster-sync.ts'
import type { Log } from './log.ts'

/** A command waits so long for rosters that hang. */
export const rosterPatienceMs = 4_000

export interface MeetingParts {
  readonly membership: Membership
  readonly links: Pick<Links, 'link'>
  readonly gossip: Pick<Gossip, 'meet'>
  readonly rosters: Pick<RosterSync, 'syncOnce'>
  readonly clock: Clock
  /** Takes work that goes on when nobody waits for it any more. */
  readonly track: (work: Promise<unknown>) => void
  readonly log: Log
}

export class Meetings {
  readonly #parts: MeetingParts

  constructor(parts: MeetingParts) {
    this.#parts = parts
  }

  /**
   * Who answered, after `patienceMs` (default: until all did or failed) at the latest. Whoever is not reached is tried once more
   * after the rosters were read: they may know a newer address.
   */
  async everybody(signal: AbortSignal, { patienceMs }: { patienceMs?: number } = {}): Promise<ReadonlySet<MachineId>> {
    const met = new Set<MachineId>()
    const until = patienceMs === undefined ? signal : AbortSignal.any([signal, AbortSignal.timeout(patienceMs)])
    try {
      await this.#meet(met, until)
      if (this.#unmet(met).length === 0) return met
      await this.rostersRead(until)
      await this.#meet(met, until)
    } catch (error) {
      signal.throwIfAborted()
      if (!until.aborted) throw error
    }
    return met
  }

  #unmet(met: ReadonlySet<MachineId>): Member[] {
    return this.#parts.membership.members().filter(({ id, state }) => state !== 'gone' && !met.has(id))
  }

  /** Adds who answers to `met`. */
  async #meet(met: Set<MachineId>, signal: AbortSignal): Promise<void> {
    const { links, gossip, log } = this.#parts
    await Promise.all(this.#unmet(met).map(async ({ id }) => {
      try {
        const link = await links.link(id, signal)
        if (await unlessAborted(gossip.meet(link), signal)) met.add(id)
      } catch (error) {
        signal.throwIfAborted()
        if (!(error instanceof HoldfastError)) throw error
        log('peer-not-met', { machine: id, error })
      }
    }))
  }

  /** Resolves when the rosters were read and written once, with or without those that count requests, or patience is over. */
  async rostersRead(signal: AbortSignal, which: { metered?: boolean } = {}): Promise<void> {
    const { clock, rosters, track } = this.#parts
    const { promise, resolve } = Promise.withResolvers<void>()
    const enough = clock.after(rosterPatienceMs, resolve)
    track(rosters.syncOnce(which).finally(resolve))
    try {
      await unlessAborted(promise, signal)
    } finally {
      enough()
    }
  }
}

/** For work that somebody else waits for too and that ends by itself. */
async function unlessAborted<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted()
  const { promise: aborted, reject } = Promise.withResolvers<never>()
  const abort = () => { reject(signal.reason) }
  signal.addEventListener('abort', abort, { once: true })
  try {
    return await Promise.race([work, aborted])
  } finally {
    signal.removeEventListener('abort', abort)
  }
}
