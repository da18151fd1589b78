/** Names of chunks (docs/format.md section 4): 16 bytes of HMAC-SHA-256, and zeros for a hole. */
import { hash } from 'node:crypto'

export const chunkIdLength = 16
export const maxChunkLength = 1_048_576
const none = Buffer.alloc(chunkIdLength)

/** Of SHA-256. */
const blockLength = 64
const digestLength = 32
/** No shorter room is made: that of an Outlook archive's chunks. */
const commonChunkLength = 16_384

/** The chunk id key of the repository, ready for use. */
export interface ChunkIdKey {
  /** The inner key's block, and room for a chunk behind it. */
  inner: Buffer
  /** The outer key's block, and room for the inner hash. */
  readonly outer: Buffer
}

/** `bytes`: 32. */
export function chunkIdKeyOf(bytes: Uint8Array): ChunkIdKey {
  const inner = Buffer.alloc(blockLength + commonChunkLength)
  const outer = Buffer.alloc(blockLength + digestLength)
  for (let i = 0; i < blockLength; i++) {
    const byte = bytes[i] ?? 0
    inner[i] = byte ^ 0x36
    outer[i] = byte ^ 0x5c
  }
  return { inner, outer }
}

/**
 * HMAC (RFC 2104) as two hashes in one call each, and a copy. Each Hmac of Node.js holds OpenSSL's memory until the heap
 * is collected as a whole: with 65,000 chunks in a GiB that came to tens of MiB in each thread.
 */
export function chunkId(key: ChunkIdKey, bytes: Uint8Array): Buffer {
  const length = blockLength + bytes.length
  if (key.inner.length < length) key.inner = Buffer.concat([key.inner.subarray(0, blockLength)], Math.max(length, blockLength + maxChunkLength))
  key.inner.set(bytes, blockLength)
  key.outer.set(hash('sha256', key.inner.subarray(0, length), 'buffer'), blockLength)
  return hash('sha256', key.outer, 'buffer').subarray(0, chunkIdLength)
}

/** Whether `id` stands for a chunk of zeros that is stored nowhere. */
export function isHole(id: Uint8Array): boolean {
  return none.equals(id)
}

/** A chunk id as a key of maps. */
export function chunkKey(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1')
}
