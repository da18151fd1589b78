/**
 * Whether a peer is still there. When a cable is pulled or a machine loses power TCP says nothing for
 * a quarter of an hour, and the peer may well be busy: so it is pinged below all requests, which it answers whatever it does.
 *
 * Every 5 s while somebody waits: if nothing was received since the last look the peer is pinged; after the fourth such look
 * it is given up, 20 to 25 s after its last byte. While nobody waits it looks every 8 s and gives up after the third such look, 16 to 24 s
 * after the last byte, so that everybody soon knows who is off; a ping has 8 s at least to be answered.
 */
import type { Clock } from '../clock.ts'

export const lookMs = 5_000
const silentLooks = 4
export const idleLookMs = 8_000
const idleSilentLooks = 3

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
  #isStarted = false
  #cancel: () => void = () => {}

  constructor(options: LifeWatchOptions) {
    this.#options = options
  }

  /** From now on it looks also while nobody waits. */
  start(): void {
    this.#isStarted = true
    if (this.#waiting === 0) this.#begin()
  }

  /** What was so far tells nothing. */
  #begin(): void {
    this.#received = this.#options.received()
    this.#silent = 0
    this.#lookLater()
  }

  /** Somebody waits for the peer until the returned function is called; more than once does no harm. */
  wait(): () => void {
    if (this.#waiting++ === 0) this.#begin()
    let waits = true
    return () => {
      if (!waits) return
      waits = false
      if (--this.#waiting > 0) return
      this.#cancel()
      if (this.#isStarted) this.#begin()
    }
  }

  #lookLater(): void {
    this.#cancel()
    if (!this.#isOver) this.#cancel = this.#options.clock.after(this.#waiting > 0 ? lookMs : idleLookMs, () => { this.#look() })
  }

  #look(): void {
    const { received, ping, onDead } = this.#options
    const now = received()
    this.#silent = now === this.#received ? this.#silent + 1 : 0
    this.#received = now
    if (this.#silent >= (this.#waiting > 0 ? silentLooks : idleSilentLooks)) return onDead()
    this.#lookLater()
    if (this.#silent > 0) ping()
  }

  end(): void {
    this.#isOver = true
    this.#cancel()
  }
}
