/** The shards of one object with their leaves; whole leaves of the object serve as leaves of its data shards. */
import { hashLeaf, hashLeaves, hashLength, leafCount, leafLength, rootOf } from '../merkle.ts'
import { dataShard, shardLength } from './erasure/reed-solomon.ts'

export interface CutShard {
  readonly number: number
  readonly bytes: Uint8Array
  readonly leaves: Uint8Array
}

const zeroLeaf = hashLeaf(new Uint8Array(leafLength))

/** Gives memory for one shard. */
export type TakeMemory = (length: number) => Uint8Array
const newMemory: TakeMemory = (length) => new Uint8Array(length)

/** How many of the k data shards hold padding. */
export function countPadded(objectLength: number, k: number): number {
  return k - Math.floor(objectLength / shardLength(objectLength, k))
}

/**
 * Data shards 0 … k−1, padded. `leaves`: those of the object. Only leaves that hold padding are hashed. The shards are views
 * of the object, those with padding lie in memory from `take`.
 */
export function cutDataShards(object: Uint8Array, leaves: Uint8Array, k: number, take: TakeMemory = newMemory): CutShard[] {
  const length = shardLength(object.length, k)
  return Array.from({ length: k }, (_, number) => {
    const bytes = padded(dataShard(object, k, number), length, take)
    return { number, bytes, leaves: leavesOfDataShard(bytes, number * length, { length: object.length, leaves }) }
  })
}

function padded(bytes: Uint8Array, length: number, take: TakeMemory): Uint8Array {
  if (bytes.length === length) return bytes
  const whole = take(length)
  whole.set(bytes)
  return whole.fill(0, bytes.length)
}

/** `start`: where the shard begins in the object; unless that is at a leaf, every leaf of the shard is its own. */
function leavesOfDataShard(bytes: Uint8Array, start: number, object: { length: number; leaves: Uint8Array }): Uint8Array {
  if (start % leafLength !== 0) return hashLeaves(bytes)
  const leaves = new Uint8Array(leafCount(bytes.length) * hashLength)
  for (let at = 0; at < bytes.length; at += leafLength) {
    leaves.set(leafAt(bytes.subarray(at, at + leafLength), start + at, object), at / leafLength * hashLength)
  }
  return leaves
}

function leafAt(bytes: Uint8Array, at: number, object: { length: number; leaves: Uint8Array }): Uint8Array {
  const isWhole = bytes.length === leafLength
  if (isWhole && at + leafLength <= object.length) return object.leaves.subarray(at / leafLength * hashLength, (at / leafLength + 1) * hashLength)
  return isWhole && at >= object.length ? zeroLeaf : hashLeaf(bytes)
}

/** Roots of shards in their order, joined as the header has them. */
export function rootsOf(shards: readonly CutShard[]): Uint8Array {
  return Buffer.concat(shards.map(({ leaves }) => rootOf(leaves)))
}
