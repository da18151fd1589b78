/**
 * Which packs are to be written again because the work group's level of redundancy is another one than when they were
 * stored. Their k cannot change, so the owner's repository rewrites them (repository/prune.ts) and dispersal places the new
 * ones; holders keep the old ones for their delay.
 *
 * It begins when the level was the same for 14 days, so that a machine on leave or a visitor costs nothing, and is paced:
 * a holder freezes when most of what it has is dropped within a week, and the network is for other things too.
 */
import type { MachineId } from '../../shared/ids.ts'
import type { ObjectId, ObjectRef } from '../object-store.ts'
import type { Dispersal } from './dispersal.ts'
import { dayMs, freezeFromBytes, freezeShare, freezeWindowMs } from './shard-store/retention.ts'

export const stableMs = 14 * dayMs
/** Of what a holder has, in a day, and, well below what makes it freeze, in a week. */
const dayShare = 0.05
const weekShare = 0.8 * freezeShare
const weekBytes = 0.75 * freezeFromBytes

export interface PlannedPack {
  readonly id: ObjectId
  /** Bytes of one shard: what each holder drops with it. */
  readonly shardBytes: number
}

export interface PaceOptions {
  /** Bytes of shards, one of each object: what a holder has about. */
  readonly heldBytes: number
  /** Of packs that were replaced before. */
  readonly replaced: readonly { readonly atMs: number; readonly bytes: number }[]
  readonly nowMs: number
}

/** As many of `packs`, in their order, as may be replaced now. At least one a day while the week has room for it. */
export function pacePacks(packs: readonly PlannedPack[], { heldBytes, replaced, nowMs }: PaceOptions): ObjectId[] {
  const since = (ms: number): number => replaced.filter(({ atMs }) => nowMs - atMs < ms).reduce((sum, { bytes }) => sum + bytes, 0)
  const weekRoom = Math.max(weekShare * heldBytes, weekBytes) - since(freezeWindowMs + dayMs)
  const today = since(dayMs)
  const dayRoom = dayShare * heldBytes - today
  const chosen: ObjectId[] = []
  let bytes = 0
  for (const { id, shardBytes } of packs) {
    const isFirst = chosen.length === 0 && today === 0
    if (bytes + shardBytes > weekRoom || (bytes + shardBytes > dayRoom && !isFirst)) continue
    bytes += shardBytes
    chosen.push(id)
  }
  return chosen
}

/**
 * Packs of `live` that may be written again now. None before the level was stable for long enough, nor while fewer machines
 * can take shards than it wants. To be called from time to time: it is how the age of the level is known.
 */
export function packsToRespread(dispersal: Dispersal, live: readonly ObjectRef[]): PlannedPack[] {
  const { index } = dispersal
  const nowMs = dispersal.clock.now()
  const level = dispersal.redundancy()
  if (nowMs - index.levelSince(level, nowMs) < stableMs) return []
  const placed = live.flatMap(({ id }) => index.find(id) ?? [])
  const former = placed.filter(({ kind, k, isSettled }) => kind === 'pack' && k !== level.k && isSettled)
  if (former.length === 0 || reachableHosts(dispersal) < level.n) return []
  const sized = former.map(({ id, length, k }) => ({ id, shardBytes: Math.ceil(length / k) }))
  const heldBytes = placed.reduce((sum, { length, k }) => sum + length / k, 0)
  const chosen = new Set(pacePacks(sized, { heldBytes, replaced: index.replaced(nowMs - 2 * freezeWindowMs), nowMs }))
  return sized.filter(({ id }) => chosen.has(id))
}

function reachableHosts({ holders }: Dispersal): number {
  const canTake = ({ id, state }: { id: MachineId; state: string }): boolean => state === 'online' && holders.isWritable(id)
  return new Set(holders.list().filter(canTake).map(({ host }) => host)).size
}
