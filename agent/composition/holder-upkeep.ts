/** What a holder's store does by itself: it lets go of what may go, and reads what it keeps, soon after the start, then every hour. */
import type { Clock } from '../network/clock.ts'
import type { FolderShardStore } from '../network/shard-store/folder.ts'
import { Recurring } from '../triggers/recurring.ts'
import type { Log } from './log.ts'

const minuteMs = 60_000

export interface HolderUpkeepOptions {
  readonly clock: Clock
  readonly log: Log
  /** Everything is read once in so many days; null: never. */
  readonly scrubDays: () => number | null
  /** Before each shard that is read. */
  readonly turn: () => Promise<void> | undefined
}

/** Until disposed of. */
export function keepHolder(holder: () => Pick<FolderShardStore, 'expire' | 'scrub'>, { clock, log, scrubDays, turn }: HolderUpkeepOptions): AsyncDisposable {
  const hourly = (firstMs: number, fault: string, work: (signal: AbortSignal) => Promise<void>) => new Recurring({
    firstMs, everyMs: 60 * minuteMs, after: (delayMs, then) => clock.after(delayMs, then), onFault: (error) => log(fault, { error }), work,
  })
  const works = [
    hourly(minuteMs, 'expiry-failed', async (signal) => {
      const { shards, bytes, frozen } = await holder().expire({ signal })
      if (shards > 0 || frozen.length > 0) log('shards-expired', { shards, bytes, frozen })
    }),
    hourly(10 * minuteMs, 'scrub-failed', async (signal) => {
      const days = scrubDays()
      if (days === null) return
      const { shards, bytes, damaged } = await holder().scrub({ days, turn, signal })
      if (damaged > 0) log('shards-damaged', { damaged, shards, bytes })
    }),
  ]
  return { async [Symbol.asyncDispose]() { await Promise.all(works.map(async (work) => await work[Symbol.asyncDispose]())) } }
}
