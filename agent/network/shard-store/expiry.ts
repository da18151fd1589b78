/** Lets go of what may go (retention.ts), one owner after the other, some files at a time. */
import { rmSync } from 'node:fs'
import type { OwnerId } from '../../../shared/ids.ts'
import type { FolderIndex, IndexedShard } from './folder-index.ts'
import type { HeadHistory } from './head-history.ts'
import type { CallOptions, ShardRef } from './port.ts'
import { dayMs, defaultTerms, leastDaysAfterLeaving } from './retention.ts'

export interface ExpiryReport {
  readonly shards: number
  readonly bytes: number
  /** Owners whose expiry stands still. */
  readonly frozen: readonly OwnerId[]
}

export interface ExpiryContext {
  readonly index: FolderIndex
  readonly history: HeadHistory
  /** The holder's own time, ms. */
  readonly now: () => number
  readonly pathOf: (shard: ShardRef) => string
  /** Days for which the group keeps what an owner who left had stored; undefined while he is there. */
  readonly keepDaysOf: ((owner: OwnerId) => number | undefined) | undefined
  /** Told of a file that cannot be removed now; it is tried again. */
  readonly report: (error: unknown) => void
}

const dropsAtOnce = 16
/** Newest to oldest in the order of writing: what is dropped last needs nothing that is gone. */
const dropOrder = { snapshot: 0, index: 1, pack: 2, key: 3 } as const

export async function expire(context: ExpiryContext, { signal }: CallOptions): Promise<ExpiryReport> {
  const { index, history } = context
  const outcome = { shards: 0, bytes: 0 }
  for (const owner of index.owners()) {
    signal?.throwIfAborted()
    await othersFirst()
    if (history.freezes(owner).length > 0) continue
    for (const [at, shard] of expired(context, owner).entries()) {
      signal?.throwIfAborted()
      if (at % dropsAtOnce === dropsAtOnce - 1) await othersFirst()
      if (!drop(context, shard)) continue
      outcome.shards++
      outcome.bytes += shard.size
    }
    history.prune(owner, () => index.heldBytes(owner))
  }
  return { ...outcome, frozen: history.frozenOwners() }
}

function expired(context: ExpiryContext, owner: OwnerId): IndexedShard[] {
  const { index, history, now } = context
  const nowMs = now()
  const { named, lastHeadMs } = history.keeping(owner, nowMs)
  const { delayDays, weeks } = history.terms(owner)
  const { beganMs } = history
  const gone = isOver(context, owner, nowMs)
  const isUnknown = nowMs - beganMs < 7 * Math.max(weeks, defaultTerms.weeks) * dayMs
  const found: IndexedShard[] = []
  for (let page = index.page(owner, { id: '', number: -1 }); page.length > 0; page = index.page(owner, page.at(-1) as ShardRef)) {
    found.push(...page.filter(({ id, stored }) => gone || (!named.has(id) && stored < lastHeadMs && stored < nowMs - delayDays * dayMs
      && !(isUnknown && stored <= beganMs))))
  }
  return found.sort((a, b) => dropOrder[a.kind] - dropOrder[b.kind])
}

/** The owner left, and the days are over for which the group keeps what was backed up; never sooner than the floor would be. */
function isOver({ history, keepDaysOf }: ExpiryContext, owner: OwnerId, nowMs: number): boolean {
  const keepDays = keepDaysOf?.(owner)
  const sinceMs = history.leftSince(owner, keepDays === undefined ? undefined : nowMs)
  if (keepDays === undefined || sinceMs === undefined) return false
  return nowMs - sinceMs > Math.max(keepDays, leastDaysAfterLeaving(history.terms(owner))) * dayMs
}

/**
 * File and index entry go in one turn of the event loop, so that nobody takes the shard in again in between. False when it
 * was offered again meanwhile, or its file cannot be removed now (another program has it open).
 */
export function drop({ index, pathOf, report }: Pick<ExpiryContext, 'index' | 'pathOf' | 'report'>, shard: IndexedShard): boolean {
  if (index.find(shard)?.stored !== shard.stored) return false
  try {
    rmSync(pathOf(shard), { force: true })
  } catch (error) {
    report(error)
    return false
  }
  index.remove(shard)
  return true
}

async function othersFirst(): Promise<void> {
  await new Promise(setImmediate)
}
