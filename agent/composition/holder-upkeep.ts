/** Lets the holder's store drop what may go: soon after the start, then every hour. */
import { systemClock } from '../network/clock.ts'
import type { FolderShardStore } from '../network/shard-store/folder.ts'
import { Recurring } from '../triggers/recurring.ts'
import type { Log } from './log.ts'

export function keepHolder(holder: FolderShardStore, log: Log): Recurring {
  return new Recurring({
    firstMs: 60_000, everyMs: 3_600_000, after: (delayMs, then) => systemClock.after(delayMs, then),
    onFault: (error) => log('expiry-failed', { error }),
    work: async (signal) => {
      const { shards, bytes, frozen } = await holder.expire({ signal })
      if (shards > 0 || frozen.length > 0) log('shards-expired', { shards, bytes, frozen })
    },
  })
}
