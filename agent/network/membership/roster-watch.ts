/**
 * Notices a roster that goes back in time: each is compared with what it showed itself earlier, because a shared folder
 * may well be slower than gossip. A record that is missing says nothing; an older one in its place does.
 */
import type { MachineId } from '../../../shared/ids.ts'

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
  readonly #report: (rollBack: RollBack) => void
  readonly #seen = new Map<string, RosterHighest>()
  readonly #behind = new Map<string, Set<string>>()

  /** `report` is called once when a record goes back, and again only after it had come forward. */
  constructor(report: (rollBack: RollBack) => void) {
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
    const behind = this.#behind.get(rollBack.locator) ?? new Set<string>()
    this.#behind.set(rollBack.locator, behind)
    const key = rollBack.id ?? 'network'
    if (rollBack.found >= rollBack.known) {
      behind.delete(key)
    } else if (!behind.has(key)) {
      behind.add(key)
      this.#report(rollBack)
    }
  }

  /** Does the roster show something older than it once did? */
  isBehind(locator: string): boolean {
    return (this.#behind.get(locator)?.size ?? 0) > 0
  }

  toJson(): { locator: string; epoch: number; seqs: [MachineId, number][] }[] {
    return [...this.#seen].map(([locator, { epoch, seqs }]) => ({ locator, epoch, seqs: [...seqs] }))
  }

  load(rosters: ReturnType<RosterWatch['toJson']>): void {
    for (const { locator, epoch, seqs } of rosters) this.#seen.set(locator, { epoch, seqs: new Map(seqs) })
  }
}
