/** Why shards are made anew, as far as the placement index knows: what repair traffic is for (shared/repair-causes.ts). */
import type { BytesByCause, RepairCause } from '../../shared/repair-causes.ts'
import type { Dispersal } from './dispersal.ts'
import type { PlacedObject } from './placement-index.ts'

/** Why this number is to be made anew; to be asked before it is. */
export function causeOf({ holders, index }: Pick<Dispersal, 'holders' | 'index'>, object: PlacedObject, number: number): RepairCause {
  if (number >= object.n) return 'level'
  const peers = object.shards.filter((shard) => shard.number === number).map(({ machine }) => holders.peer(machine))
  if (peers.some((peer) => peer !== undefined && peer.silentSeconds !== Infinity)) return 'silent'
  if (peers.length > 0) return 'removed'
  if (index.isDamaged(object.id, number)) return 'damaged'
  if (object.wasGreen) return 'dropped'
  return object.isSettled ? 'unfinished' : 'unknown'
}

/** What one object cost: each of its shards is as long as any other. */
export function addBytes(sums: BytesByCause, causes: readonly RepairCause[], bytes: number): void {
  for (const cause of causes) sums[cause] = (sums[cause] ?? 0) + Math.round(bytes / causes.length)
}
