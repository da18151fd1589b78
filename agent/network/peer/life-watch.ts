/**
 * Whether a peer that somebody waits for is still there. When a cable is pulled or a machine loses power TCP says nothing for
 * a quarter of an hour, and the peer may well be busy: so it is pinged below all requests, which it answers whatever it does.
 *
 * Every 5 s while somebody waits: if nothing was received since the last look the peer is pinged; after the fourth such look
 * it is given up, 20 to 25 s after its last byte.
 */
import type { Clock } from '../clock.ts'

export const lookMs = 5_000
const silentLooks = 4

export interface LifeWatchOptions {
  readonly clock: Clock
  /** Bytes received of the peer so far, whatever they are. */
  readonly received: () => number
  /** Asks for a sign of life. */
  readonly ping: () => void
  /** Called once; then the watch is over. */
  readonly onDead: () => void
}

export class LifeWatch {
  readonly #options: LifeWatchOptions
  #waiting = 0
  #received = 0
  #silent = 0
  #isOver = false
  #cancel: () => void = () => {}

  constructor(options: LifeWatchOptions) {
    this.#options = options
  }

  /** Somebody waits for the peer until the returned function is called; more than once does no harm. */
  wait(): () => void {
    if (this.#waiting++ === 0) {
      this.#received = this.#options.received()
      this.#silent = 0
      this.#lookLater()
    }
    let waits = true
    return () => {
      if (!waits) return
      waits = false
      if (--this.#waiting === 0) this.#cancel()
    }
  }

  #lookLater(): void {
    if (this.#isOver) return
    this.#cancel = this.#options.clock.after(lookMs, () => { this.#look() })
  }

  #look(): void {
    const { received, ping, onDead } = this.#options
    const now = received()
    this.#silent = now === this.#received ? this.#silent + 1 : 0
    this.#received = now
    if (this.#silent >= silentLooks) return onDead()
    this.#lookLater()
    if (this.#silent > 0) ping()
  }

  end(): void {
    this.#isOver = true
    this.#cancel()
  }
}
