import { createCipheriv } from 'node:crypto'

/** `length` bytes that look random: the AES-256-CTR keystream under `key` (32 bytes), counter block of zeros. */
export function keystream(key: Uint8Array, length: number): Buffer {
  return createCipheriv('aes-256-ctr', key, new Uint8Array(16)).update(new Uint8Array(length))
}
