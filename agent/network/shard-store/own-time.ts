/**
 * The time by which a holder lets go of things (docs/format.md section 7): it never goes back, and a clock that is set
 * ahead by months does not move it by months.
 *
 * Between two looks it advances by what the steady clock measured. What the wall clock says beyond that (the machine slept
 * or was off, or its clock was set) is believed as far as there is credit: eight times the time that the machine really
 * ran since, three days at most. So thirty days of it take at least three days and a bit of a running machine, nights and
 * weekends count in full, long absences do not: then things are kept longer, never shorter.
 */
import { dayMs } from './retention.ts'

const maxCreditMs = 3 * dayMs
const creditPerRun = 8
const saveMs = 60_000

export interface OwnTimeState {
  /** Own time and wall clock at the last look, ms since 1970; own time began as the wall clock of that day. */
  readonly own: number
  readonly wall: number
  readonly creditMs: number
}

export interface OwnTimeOptions {
  /** Of the last process; undefined at the very first start. */
  readonly state: OwnTimeState | undefined
  /** The wall clock, ms since 1970. */
  readonly now: () => number
  /** Milliseconds that never go back while this process runs. */
  readonly monotonic: () => number
  /** Called about once a minute, when somebody looks. */
  readonly save: (state: OwnTimeState) => void
}

export class OwnTime {
  readonly #options: OwnTimeOptions
  #state: OwnTimeState
  #steady: number
  #savedOwn = -Infinity

  constructor(options: OwnTimeOptions) {
    const wall = options.now()
    this.#options = options
    this.#state = options.state ?? { own: wall, wall, creditMs: 0 }
    this.#steady = options.monotonic()
    this.now()
  }

  /** For what is written down: it is saved first, so that no later process is ever before it. */
  stamp(): number {
    const own = this.now()
    if (own > this.#savedOwn) this.#save()
    return own
  }

  /** Milliseconds; never less than before, over restarts never less than the last stamp(). */
  now(): number {
    const { now, monotonic } = this.#options
    const [wall, steady] = [now(), monotonic()]
    const ran = Math.max(0, steady - this.#steady)
    const credit = Math.min(maxCreditMs, this.#state.creditMs + creditPerRun * ran)
    const believed = Math.min(credit, Math.max(0, wall - this.#state.wall - ran))
    this.#state = { own: Math.floor(this.#state.own + ran + believed), wall, creditMs: credit - believed }
    this.#steady = steady
    if (this.#state.own - this.#savedOwn >= saveMs) this.#save()
    return this.#state.own
  }

  #save(): void {
    this.#savedOwn = this.#state.own
    this.#options.save(this.#state)
  }
}
