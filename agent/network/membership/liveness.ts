/**
 * How long ago each machine was heard of, by this machine's own steady clock (docs/protocol.md section 4).
 *
 * A stretch in which nobody looked (the machine slept, the agent was off) counts for at most three days, so that coming
 * back from leave makes nobody look gone; no two machines' clocks are compared.
 */
import type { MachineId } from '../../../shared/ids.ts'

export type LiveState = 'online' | 'away' | 'doubtful' | 'gone'

const day = 86_400
export const onlineSeconds = 150
export const doubtfulSeconds = 10 * day
export const goneSeconds = 21 * day
const maxGapMs = 3 * day * 1000

export function stateOfAge(ageSeconds: number): LiveState {
  if (ageSeconds <= onlineSeconds) return 'online'
  if (ageSeconds < doubtfulSeconds) return 'away'
  return ageSeconds < goneSeconds ? 'doubtful' : 'gone'
}

/**
 * Somebody had an answer of it a short time ago, perhaps not this machine: who is behind a firewall dials others and cannot be
 * dialled. In this all who hear of each other agree, and no dial of their own changes it.
 */
export function isHeardLately({ state, heardSecondsAgo = Infinity }: { readonly state: LiveState; readonly heardSecondsAgo?: number | undefined }): boolean {
  return state !== 'gone' && heardSecondsAgo <= onlineSeconds
}

export class Liveness {
  readonly #monotonic: () => number
  #last: number
  #elapsedMs = 0
  /** On the scale of #elapsedMs; negative for what was heard before this run. */
  readonly #heard = new Map<MachineId, number>()
  readonly #known = new Map<MachineId, number>()
  readonly #missed = new Map<MachineId, number>()

  /** `monotonic` in milliseconds, never going back. */
  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
    this.#last = monotonic()
  }

  #nowMs(): number {
    const now = this.#monotonic()
    this.#elapsedMs += Math.min(Math.max(0, now - this.#last), maxGapMs)
    this.#last = now
    return this.#elapsedMs
  }

  /** `id` answered, or was heard of by somebody `ageSeconds` ago. The smallest age wins. */
  heard(id: MachineId, ageSeconds = 0): void {
    const at = this.#nowMs() - Math.max(0, ageSeconds) * 1000
    if (at > (this.#heard.get(id) ?? -Infinity)) this.#heard.set(id, at)
  }

  /** It does not answer this machine. */
  missed(id: MachineId): void {
    this.#missed.set(id, this.#nowMs())
  }

  /** It did not answer this machine, and nobody heard of it since, as far as is known by now. */
  isMissed(id: MachineId): boolean {
    const at = this.#missed.get(id)
    return at !== undefined && !this.heardSince(id, at)
  }

  /** A point in time for heardSince(). */
  mark(): number {
    return this.#nowMs()
  }

  /** Did it answer, or somebody hear of it, after the mark, as far as is known by now? */
  heardSince(id: MachineId, mark: number): boolean {
    return (this.#heard.get(id) ?? -Infinity) > mark
  }

  /** From now on silence counts against `id`, if it did not already. */
  know(id: MachineId, ageSeconds = 0): void {
    if (!this.#known.has(id)) this.#known.set(id, this.#nowMs() - ageSeconds * 1000)
  }

  /** Undefined when nobody ever reported an answer of it. */
  heardAge(id: MachineId): number | undefined {
    const at = this.#heard.get(id)
    return at === undefined ? undefined : (this.#nowMs() - at) / 1000
  }

  /** Seconds of silence: since it was last heard of, or since it is known. */
  silence(id: MachineId): number {
    return this.heardAge(id) ?? (this.#nowMs() - (this.#known.get(id) ?? this.#nowMs())) / 1000
  }

  isHeard(id: MachineId): boolean {
    return this.#heard.has(id)
  }

  /** [id, seconds of silence, heard at all?] for the state file. */
  toJson(): [MachineId, number, boolean][] {
    return [...this.#known.keys()].map((id) => [id, Math.ceil(this.silence(id)), this.isHeard(id)])
  }

  /** `offMs`: how long the agent was off, by its own wall clock. */
  load(ages: readonly (readonly [MachineId, number, boolean])[], offMs: number): void {
    const off = Math.min(Math.max(0, offMs), maxGapMs) / 1000
    for (const [id, age, heard] of ages) {
      this.know(id, age + off)
      if (heard) this.heard(id, age + off)
    }
  }
}
