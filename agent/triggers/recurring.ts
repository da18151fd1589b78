/** Work that comes again and again, once at a time: first after `firstMs`, then `everyMs` after each end. A fault is told, not fatal. */
export interface RecurringOptions {
  readonly firstMs: number
  readonly everyMs: number
  readonly work: (signal: AbortSignal) => Promise<void>
  /** Not told of what ends because it is disposed of. */
  readonly onFault: (error: unknown) => void
  /** Calls `then` once after so many milliseconds; returns how to call it off. */
  readonly after: (delayMs: number, then: () => void) => () => void
}

export class Recurring implements AsyncDisposable {
  readonly #options: RecurringOptions
  readonly #stop = new AbortController()
  #working: Promise<void> = Promise.resolve()
  #cancel: () => void
  #isWorking = false
  #hurryMs: number | undefined

  constructor(options: RecurringOptions) {
    this.#options = options
    this.#cancel = this.#later(options.firstMs)
  }

  /** There is something to do: the next turn comes after `delayMs` (counted from the end of one that is under way). */
  soon(delayMs: number): void {
    if (this.#stop.signal.aborted) return
    if (this.#isWorking) {
      this.#hurryMs = delayMs
      return
    }
    this.#cancel()
    this.#cancel = this.#later(delayMs)
  }

  #later(delayMs: number): () => void {
    return this.#options.after(delayMs, () => { this.#working = this.#work() })
  }

  async #work(): Promise<void> {
    const { work, onFault, everyMs } = this.#options
    this.#isWorking = true
    try {
      await work(this.#stop.signal)
    } catch (error) {
      if (!this.#stop.signal.aborted) onFault(error)
    }
    this.#isWorking = false
    if (!this.#stop.signal.aborted) this.#cancel = this.#later(this.#hurryMs ?? everyMs)
    this.#hurryMs = undefined
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#cancel()
    await this.#working
  }
}
