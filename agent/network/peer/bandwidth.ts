/**
 * A limit in bytes per second for all links together, shared fairly: those that wait are served in turn, a frame each.
 *
 * A token bucket that may run into debt: a frame goes when the bucket is not empty and is paid off before the next, so
 * frames may be larger than the bucket. The bucket holds a quarter of a second.
 */
import type { Clock } from '../clock.ts'
import type { Pace } from './pacing.ts'

const bucketSeconds = 0.25

interface Waiting { readonly bytes: number; readonly go: () => void }

export class Bandwidth {
  readonly #bytesPerSecond: number
  readonly #clock: Clock
  /** Lanes with frames that wait, the next to be served first. */
  #lanes: Waiting[][] = []
  #tokens: number
  #filledAt: number
  #cancel: (() => void) | undefined

  /** Throws RangeError when the rate is not positive. */
  constructor(bytesPerSecond: number, clock: Clock) {
    if (!(bytesPerSecond > 0)) throw new RangeError(`Cannot limit to ${bytesPerSecond} bytes a second`)
    this.#bytesPerSecond = bytesPerSecond
    this.#clock = clock
    this.#tokens = bytesPerSecond * bucketSeconds
    this.#filledAt = clock.now()
  }

  /** The pace of one link. Rejects with the signal's reason, and has taken nothing then. */
  lane(): Pace {
    const queue: Waiting[] = []
    return async (bytes, signal) => {
      signal?.throwIfAborted()
      const { promise, resolve, reject } = Promise.withResolvers<void>()
      const waiting = { bytes, go: resolve }
      const abort = () => {
        const at = queue.indexOf(waiting)
        if (at < 0) return
        queue.splice(at, 1)
        reject(signal?.reason)
      }
      queue.push(waiting)
      if (queue.length === 1) this.#lanes.push(queue)
      signal?.addEventListener('abort', abort, { once: true })
      this.#serve()
      try {
        await promise
      } finally {
        signal?.removeEventListener('abort', abort)
      }
    }
  }

  #serve(): void {
    this.#fill()
    while (this.#tokens > 0) {
      const lane = this.#lanes.shift()
      if (lane === undefined) return
      const next = lane.shift()
      if (lane.length > 0) this.#lanes.push(lane)
      if (next === undefined) continue
      this.#tokens -= next.bytes
      next.go()
    }
    if (this.#lanes.length === 0 || this.#cancel !== undefined) return
    this.#cancel = this.#clock.after(Math.ceil(-this.#tokens / this.#bytesPerSecond * 1000) + 1, () => {
      this.#cancel = undefined
      this.#serve()
    })
  }

  #fill(): void {
    const now = this.#clock.now()
    const earned = Math.max(0, now - this.#filledAt) / 1000 * this.#bytesPerSecond
    this.#tokens = Math.min(this.#bytesPerSecond * bucketSeconds, this.#tokens + earned)
    this.#filledAt = now
  }
}
