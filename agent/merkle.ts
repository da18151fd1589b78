/**
 * Merkle tree over 64 KiB leaves, hashed as in RFC 9162 section 2.1.1: leaf = SHA-256(0x00 ‖ data),
 * inner = SHA-256(0x01 ‖ left ‖ right), the left subtree takes the largest power of two below the count.
 * The root names objects and shards; leaf hashes let a reader check a range without the rest.
 */
import { createHash } from 'node:crypto'

export const leafLength = 65_536
export const hashLength = 32

const leafPrefix = Uint8Array.of(0)
const nodePrefix = Uint8Array.of(1)

/** Number of leaves of `length` bytes; an empty input has one leaf of no bytes. */
export function leafCount(length: number): number {
  return Math.max(1, Math.ceil(length / leafLength))
}

export function hashLeaf(data: Uint8Array): Buffer {
  return createHash('sha256').update(leafPrefix).update(data).digest()
}

/** Leaf hashes of `data`, concatenated: 32 bytes for each 64 KiB. */
export function hashLeaves(data: Uint8Array): Uint8Array<ArrayBuffer> {
  const count = leafCount(data.length)
  const leaves = new Uint8Array(count * hashLength)
  for (let leaf = 0; leaf < count; leaf++) {
    leaves.set(hashLeaf(data.subarray(leaf * leafLength, (leaf + 1) * leafLength)), leaf * hashLength)
  }
  return leaves
}

/** Root (32 bytes) over concatenated leaf hashes. Throws RangeError when the input is no whole number of hashes. */
export function rootOf(leaves: Uint8Array): Buffer {
  const count = leaves.length / hashLength
  if (!Number.isInteger(count) || count === 0) throw new RangeError(`Cannot take a root: ${leaves.length} bytes of leaf hashes`)
  return subtreeRoot(leaves, 0, count)
}

function subtreeRoot(leaves: Uint8Array, first: number, count: number): Buffer {
  if (count === 1) return Buffer.from(leaves.subarray(first * hashLength, (first + 1) * hashLength))
  const left = 2 ** (Math.ceil(Math.log2(count)) - 1)
  return createHash('sha256').update(nodePrefix)
    .update(subtreeRoot(leaves, first, left))
    .update(subtreeRoot(leaves, first + left, count - left))
    .digest()
}
