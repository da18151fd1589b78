/** A number of places or bytes that several callers share, first come first served: the window and the slots of a link. */
export class Budget {
  #free: number
  readonly #size: number
  readonly #queue: { readonly amount: number; readonly resolve: () => void }[] = []

  constructor(size: number) {
    this.#free = size
    this.#size = size
  }

  /** Resolves when `amount` (at most the size is counted) is taken; rejects with the signal's reason, and has taken nothing then. */
  async take(amount: number, signal?: AbortSignal): Promise<void> {
    signal?.throwIfAborted()
    const wanted = Math.min(amount, this.#size)
    if (this.#queue.length === 0 && wanted <= this.#free) {
      this.#free -= wanted
      return
    }
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    const entry = { amount: wanted, resolve }
    const abort = () => {
      const at = this.#queue.indexOf(entry)
      if (at < 0) return
      this.#queue.splice(at, 1)
      reject(signal?.reason)
      this.#serve()
    }
    this.#queue.push(entry)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      await promise
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  give(amount: number): void {
    this.#free += Math.min(amount, this.#size)
    this.#serve()
  }

  #serve(): void {
    for (let next = this.#queue[0]; next !== undefined && next.amount <= this.#free; next = this.#queue[0]) {
      this.#queue.shift()
      this.#free -= next.amount
      next.resolve()
    }
  }
}
