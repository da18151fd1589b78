/** At most so many at once; the others wait in the order in which they came. */
import { HoldfastError } from '../../shared/errors.ts'

export class Slots {
  #free: number
  readonly #waiting: (() => void)[] = []

  constructor(count: number) {
    this.#free = count
  }

  /** Runs `work` when a slot is free. Rejects `cancelled` when the signal fires while it waits. */
  async run<T>(work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    await this.#take(signal)
    try {
      return await work()
    } finally {
      this.#give()
    }
  }

  async #take(signal?: AbortSignal): Promise<void> {
    throwIfCancelled(signal)
    if (this.#free > 0) {
      this.#free--
      return
    }
    await new Promise<void>((resolve, reject) => {
      const next = (): void => {
        signal?.removeEventListener('abort', leave)
        resolve()
      }
      const leave = (): void => {
        this.#waiting.splice(this.#waiting.indexOf(next), 1)
        reject(cancelled(signal))
      }
      this.#waiting.push(next)
      signal?.addEventListener('abort', leave, { once: true })
    })
  }

  #give(): void {
    const next = this.#waiting.shift()
    if (next === undefined) this.#free++
    else next()
  }
}

export function throwIfCancelled(signal?: AbortSignal): void {
  if (signal?.aborted === true) throw cancelled(signal)
}

function cancelled(signal?: AbortSignal): HoldfastError {
  return signal?.reason instanceof HoldfastError ? signal.reason : new HoldfastError('cancelled', 'Cannot go on: cancelled', { cause: signal?.reason })
}

/** Runs `work` over all items, at most `limit` at once; the first failure stops it and is thrown. */
export async function forEachBounded<T>(items: Iterable<T>, limit: number, work: (item: T) => Promise<void>): Promise<void> {
  const iterator = items[Symbol.iterator]()
  let failed = false
  const lane = async (): Promise<void> => {
    for (let next = iterator.next(); next.done !== true && !failed; next = iterator.next()) {
      try {
        await work(next.value)
      } catch (error) {
        failed = true
        throw error
      }
    }
  }
  const lanes = await Promise.allSettled(Array.from({ length: limit }, lane))
  for (const outcome of lanes) if (outcome.status === 'rejected') throw outcome.reason
}
