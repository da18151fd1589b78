/** Verified records that depend on one that is not here yet: a bounded number, tried again when something was taken. */
import { type Source, type Verdict, type Verified, byDependency, jwsOf } from './intake.ts'

const maxWaiting = 256
const waits: ReadonlySet<Verdict> = new Set(['waiting', 'not-an-admin', 'replaced-unknown'])

export class WaitingRoom {
  readonly #waiting = new Map<string, { readonly verified: Verified; readonly from: Source }>()

  /** Keeps the record when its verdict may be another one later, and forgets it otherwise. */
  settle(verified: Verified, from: Source, verdict: Verdict): void {
    const key = jwsOf(verified)
    if (waits.has(verdict) && (this.#waiting.size < maxWaiting || this.#waiting.has(key))) this.#waiting.set(key, { verified, from })
    else this.#waiting.delete(key)
  }

  /** Until none is taken any more. Returns how many were. */
  retry(apply: (verified: Verified, from: Source) => Verdict): number {
    let taken = 0
    for (let progress = true; progress;) {
      progress = false
      for (const { verified, from } of [...this.#waiting.values()].sort((a, b) => byDependency(a.verified, b.verified))) {
        if (apply(verified, from) !== 'taken') continue
        taken++
        progress = true
      }
    }
    return taken
  }
}
