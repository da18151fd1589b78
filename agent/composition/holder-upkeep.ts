/** Lets the holder's store drop what may go: soon after the start, then every hour. */
import { systemClock } from '../network/clock.ts'
import type { ExpiryReport } from '../network/shard-store/expiry.ts'
import type { Log } from './log.ts'

const firstMs = 60_000
const everyMs = 3_600_000

export interface Expiring {
  expire(options: { signal: AbortSignal }): Promise<ExpiryReport>
}

export class HolderUpkeep implements AsyncDisposable {
  readonly #holder: Expiring
  readonly #log: Log
  readonly #stop = new AbortController()
  #cancel: () => void
  #working: Promise<void> = Promise.resolve()

  constructor(holder: Expiring, log: Log) {
    this.#holder = holder
    this.#log = log
    this.#cancel = systemClock.after(firstMs, () => { this.#working = this.#work() })
  }

  async #work(): Promise<void> {
    try {
      const { shards, bytes, frozen } = await this.#holder.expire({ signal: this.#stop.signal })
      if (shards > 0 || frozen.length > 0) this.#log('shards-expired', { shards, bytes, frozen })
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#log('expiry-failed', { error })
    }
    if (!this.#stop.signal.aborted) this.#cancel = systemClock.after(everyMs, () => { this.#working = this.#work() })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#cancel()
    await this.#working
  }
}
