/**
 * Work that starts by itself gives way: to who sits at the machine, to a battery, to a connection that costs money. It asks
 * for a turn before each piece (some MiB); while there is a reason, turns come one a second, or not at all.
 *
 * The conditions are looked at every second while turns are asked for, so that it gives way within two. What a person started,
 * and whatever such a command waits for, has every turn at once.
 */
import type { Conditions, ConditionsSource, Pace } from '../conditions/port.ts'

export interface PolitenessRules {
  readonly whenActive: 'slow' | 'go'
  readonly onBattery: 'wait' | 'slow' | 'go'
  readonly onMetered: 'wait' | 'slow' | 'go'
}

export interface PolitenessOptions {
  readonly source: ConditionsSource
  readonly rules: () => PolitenessRules
  /** Somebody waits for work that is under way, or for its end. */
  readonly isHurried: () => boolean
  /** Calls `then` once after so many milliseconds; returns how to call it off. */
  readonly after: (delayMs: number, then: () => void) => () => void
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
}

const lookMs = 1000
/** Who paused so long is not at work at the moment. */
const idleSeconds = 60
/** Without a turn asked for so long, looking ends. */
const restMs = 10_000
const order = { go: 0, slow: 1, wait: 2 } as const

/** The strictest of what holds. */
export function paceOf(conditions: Conditions, rules: PolitenessRules): Pace {
  const reasons: Pace[] = [
    ...(conditions.isMetered === true ? [{ state: rules.onMetered, reason: 'metered' as const }] : []),
    ...(conditions.onBattery === true ? [{ state: rules.onBattery, reason: 'battery' as const }] : []),
    ...(conditions.idleSeconds !== null && conditions.idleSeconds < idleSeconds ? [{ state: rules.whenActive, reason: 'active' as const }] : []),
  ]
  return reasons.reduce<Pace>((strictest, one) => (order[one.state] > order[strictest.state] ? one : strictest), { state: 'go', reason: null })
}

export class Politeness implements AsyncDisposable {
  readonly #options: PolitenessOptions
  #conditions: Conditions | undefined
  #glance: { readonly atMs: number; readonly conditions: Promise<Conditions> } | undefined
  #queue: (() => void)[] = []
  #askedAt = -Infinity
  #turnAt = -Infinity
  #cancel: (() => void) | undefined
  #looking: Promise<void> = Promise.resolve()
  #isEnded = false

  constructor(options: PolitenessOptions) {
    this.#options = options
  }

  /** What holds for work that nobody waits for, by the last look; `go` while nothing is under way, or somebody waits for it. */
  get pace(): Pace {
    return this.#conditions === undefined || this.#cancel === undefined || this.#options.isHurried() ? { state: 'go', reason: null } : paceOf(this.#conditions, this.#options.rules())
  }

  /** Whether this machine takes nothing for others now: its connection costs money, by a look of the last ten seconds, and the rule is to wait. */
  async sparesLink(): Promise<boolean> {
    const { source, rules, monotonic } = this.#options
    if (this.#isEnded || rules().onMetered !== 'wait') return false
    if (this.#cancel !== undefined && this.#conditions !== undefined) return this.#conditions.isMetered === true
    if (this.#glance === undefined || monotonic() - this.#glance.atMs > restMs) this.#glance = { atMs: monotonic(), conditions: source.look() }
    return (await this.#glance.conditions).isMetered === true
  }

  /** Before each piece of work: undefined when it may go on at once. */
  turn(): Promise<void> | undefined {
    if (this.#isEnded || this.#options.isHurried()) return undefined
    this.#askedAt = this.#options.monotonic()
    const isKnown = this.#cancel !== undefined && this.#conditions !== undefined
    if (isKnown && this.pace.state === 'go') return undefined
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#queue.push(resolve)
    if (this.#cancel === undefined) this.#lookAgain()
    else if (isKnown) this.#serve()
    return promise
  }

  #lookAgain(): void {
    this.#cancel = () => {}
    this.#looking = this.#look()
  }

  async #look(): Promise<void> {
    this.#conditions = await this.#options.source.look()
    if (this.#isEnded) return
    this.#serve()
    if (this.#queue.length === 0 && this.#options.monotonic() - this.#askedAt > restMs) {
      this.#cancel = undefined
      this.#conditions = undefined
      return
    }
    this.#cancel = this.#options.after(lookMs, () => { this.#lookAgain() })
  }

  #serve(): void {
    const { isHurried, monotonic } = this.#options
    const { state } = this.pace
    if (state === 'go' || isHurried()) return this.#release(this.#queue.length)
    if (state === 'wait' || monotonic() - this.#turnAt < lookMs) return
    this.#release(1)
  }

  #release(count: number): void {
    if (count > 0) this.#turnAt = this.#options.monotonic()
    for (const go of this.#queue.splice(0, count)) go()
  }

  /** Everybody goes on; nobody waits any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#isEnded = true
    this.#cancel?.()
    this.#release(this.#queue.length)
    await this.#looking
    await this.#glance?.conditions
    await this.#options.source[Symbol.asyncDispose]()
  }
}
