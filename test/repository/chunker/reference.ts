/** Content-defined cuts by the letter of docs/format.md, without the kernel: one 64-bit hash rolled over the whole region. */

const mask = (1n << 64n) - 1n

/** Ends of the chunks of one region; `table`: 2,048 bytes. */
export function slowCuts(bytes: Uint8Array, table: Uint8Array): number[] {
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength)
  const gear = Array.from({ length: 256 }, (_, byte) => view.getBigUint64(byte * 8, true))
  const ends: number[] = []
  let hash = 0n
  let start = 0
  for (const [i, byte] of bytes.entries()) {
    hash = ((hash << 1n) + gear[byte]!) & mask
    const length = i + 1 - start
    const small = length >= 16_384 && hash < (length <= 53_248 ? 1n << 46n : 1n << 50n)
    if (small || length === 262_144 || i + 1 === bytes.length) {
      ends.push(i + 1)
      start = i + 1
    }
  }
  return ends
}
