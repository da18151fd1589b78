/** Names of chunks (docs/format.md section 4): 16 bytes of HMAC-SHA-256, and zeros for a hole. */
import { type KeyObject, createHmac, createSecretKey } from 'node:crypto'

export const chunkIdLength = 16
export const maxChunkLength = 1_048_576
const none = Buffer.alloc(chunkIdLength)

/** The chunk id key of the repository, ready for use: importing it anew for each chunk costs as much as the hash. */
export function chunkIdKeyOf(bytes: Uint8Array): KeyObject {
  return createSecretKey(bytes)
}

export function chunkId(key: KeyObject, bytes: Uint8Array): Buffer {
  return createHmac('sha256', key).update(bytes).digest().subarray(0, chunkIdLength)
}

/** Whether `id` stands for a chunk of zeros that is stored nowhere. */
export function isHole(id: Uint8Array): boolean {
  return none.equals(id)
}

/** A chunk id as a key of maps. */
export function chunkKey(id: Uint8Array): string {
  return Buffer.from(id.buffer, id.byteOffset, id.byteLength).toString('latin1')
}
