/** Clocks that a test turns: the wall clock, and the steady one that runs only while the machine does. */
import type { Clock } from '../../agent/network/clock.ts'

export const hourMs = 3_600_000
export const dayMs = 24 * hourMs

export class FakeTime implements Clock {
  nowMs: number
  steadyMs = 0
  readonly #waiting = new Set<{ readonly at: number; readonly work: () => void }>()

  constructor(nowMs = Date.parse('2026-01-05T08:00:00Z')) {
    this.nowMs = nowMs
  }

  readonly now = (): number => this.nowMs
  readonly monotonic = (): number => this.steadyMs

  after(delayMs: number, work: () => void): () => void {
    const waiting = { at: this.nowMs + delayMs, work }
    this.#waiting.add(waiting)
    return () => { this.#waiting.delete(waiting) }
  }

  /** The machine runs for so long; what waits comes due. */
  run(ms: number): void {
    this.steadyMs += ms
    this.jump(ms)
  }

  /** The wall clock alone moves: the machine was off, or somebody set its clock. */
  jump(ms: number): void {
    this.nowMs += ms
    for (const waiting of [...this.#waiting].sort((a, b) => a.at - b.at)) {
      if (waiting.at <= this.nowMs && this.#waiting.delete(waiting)) waiting.work()
    }
  }
}
