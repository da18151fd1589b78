/** Time as an argument, so that tests drive it. */
export interface Clock {
  /** Milliseconds since 1970. */
  now(): number
  /** Calls `then` once after `delayMs`; the returned function cancels it. */
  after(delayMs: number, then: () => void): () => void
}

export const systemClock: Clock = {
  now: () => Date.now(),
  after(delayMs, then) {
    const timer = setTimeout(then, delayMs)
    return () => clearTimeout(timer)
  },
}
