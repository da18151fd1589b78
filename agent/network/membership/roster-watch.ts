/**
 * Notices a roster that goes back in time: each is compared with what it showed itself earlier, because a shared folder
 * may well be slower than gossip. A record that is missing says nothing; an older one in its place does. That one did is
 * remembered, for it may be mended before anybody looks; both outlast a restart, with the membership.
 */
import { z } from 'zod'
import { type MachineId, machineIdSchema } from '../../../shared/ids.ts'
import { locatorSchema } from './records.ts'

const count = z.int().min(0)
/** What is known of one roster, as it is saved. `behind`: which records are older there than they were; `wentBackMs`: the last time that one went back, since 1970. */
export const watchedRosterSchema = z.object({
  locator: locatorSchema, epoch: count, seqs: z.array(z.tuple([machineIdSchema, count])),
  behind: z.array(z.union([machineIdSchema, z.literal('network')])).default([]), wentBackMs: z.number().min(0).optional(),
})
type WatchedRoster = z.infer<typeof watchedRosterSchema>

export interface RosterHighest {
  /** Highest network epoch shown; 0 when none. */
  epoch: number
  readonly seqs: Map<MachineId, number>
}

export interface RollBack {
  readonly locator: string
  /** The machine whose record went back; undefined for the network record. */
  readonly id: MachineId | undefined
  readonly known: number
  readonly found: number
}

export class RosterWatch {
  readonly #now: () => number
  readonly #report: (rollBack: RollBack) => void
  readonly #seen = new Map<string, RosterHighest>()
  readonly #behind = new Map<string, Set<MachineId | 'network'>>()
  readonly #wentBackMs = new Map<string, number>()

  /** `now`: milliseconds since 1970. `report` is called once when a record goes back, and again only after it had come forward. */
  constructor(now: () => number, report: (rollBack: RollBack) => void) {
    this.#now = now
    this.#report = report
  }

  /** `shown`: the highest of each verified record in one listing. */
  saw(locator: string, shown: RosterHighest): void {
    const seen = this.#seen.get(locator) ?? { epoch: 0, seqs: new Map<MachineId, number>() }
    this.#seen.set(locator, seen)
    if (shown.epoch > 0) this.#compare({ locator, id: undefined, known: seen.epoch, found: shown.epoch })
    seen.epoch = Math.max(seen.epoch, shown.epoch)
    for (const [id, seq] of shown.seqs) {
      const known = seen.seqs.get(id) ?? 0
      this.#compare({ locator, id, known, found: seq })
      seen.seqs.set(id, Math.max(known, seq))
    }
  }

  #compare(rollBack: RollBack): void {
    const behind = this.#behind.get(rollBack.locator) ?? new Set<MachineId | 'network'>()
    this.#behind.set(rollBack.locator, behind)
    const key = rollBack.id ?? 'network'
    if (rollBack.found >= rollBack.known) {
      behind.delete(key)
    } else if (!behind.has(key)) {
      behind.add(key)
      this.#wentBackMs.set(rollBack.locator, this.#now())
      this.#report(rollBack)
    }
  }

  /** Does the roster show something older than it once did? */
  isBehind(locator: string): boolean {
    return (this.#behind.get(locator)?.size ?? 0) > 0
  }

  /** When the roster last went back, mended or not, in milliseconds since 1970; undefined when it never did, or that is settled. */
  wentBackMs(locator: string): number | undefined {
    return this.#wentBackMs.get(locator)
  }

  /**
   * Everybody was told of what happened before: what is mended is forgotten, and so is a record of whom nobody publishes any
   * more (`isMember` is false). What a clock that ran ahead noted counts as of now. Returns whether anything changed.
   */
  settle(beforeMs: number, isMember: (id: MachineId) => boolean): boolean {
    let changed = false
    for (const [locator, atMs] of this.#wentBackMs) {
      const behind = this.#behind.get(locator)
      for (const id of behind ?? []) {
        if (id !== 'network' && !isMember(id)) changed = behind?.delete(id) === true || changed
      }
      if (atMs > this.#now()) {
        this.#wentBackMs.set(locator, this.#now())
        changed = true
      } else if (atMs < beforeMs && !this.isBehind(locator)) {
        changed = this.#wentBackMs.delete(locator) || changed
      }
    }
    return changed
  }

  toJson(): WatchedRoster[] {
    return [...this.#seen].map(([locator, { epoch, seqs }]) => {
      const wentBackMs = this.#wentBackMs.get(locator)
      return { locator, epoch, seqs: [...seqs], behind: [...this.#behind.get(locator) ?? []], ...(wentBackMs === undefined ? {} : { wentBackMs }) }
    })
  }

  load(rosters: readonly WatchedRoster[]): void {
    for (const { locator, epoch, seqs, behind, wentBackMs } of rosters) {
      this.#seen.set(locator, { epoch, seqs: new Map(seqs) })
      this.#behind.set(locator, new Set(behind))
      if (wentBackMs !== undefined) this.#wentBackMs.set(locator, wentBackMs)
    }
  }
}
