/**
 * QuickXorHash, the digest that SharePoint and OneDrive tell of each file: byte i is xored into a ring of 160 bits at bit
 * 11 i, and the length (8 bytes, little endian) into the last 8 bytes. It shows whether a text is the one that is known
 * here already; it proves nothing against an adversary, and nothing rests on it: records are signed.
 */
const ringBytes = 20
const stepBits = 11

/** Base64, as `file.hashes.quickXorHash` has it. */
export function quickXorHash(bytes: Uint8Array): string {
  const ring = new Uint8Array(ringBytes)
  let bit = 0
  for (const byte of bytes) {
    const at = bit >> 3
    const shifted = byte << (bit & 7)
    ring[at] = (ring[at] as number) ^ (shifted & 0xff)
    const next = (at + 1) % ringBytes
    ring[next] = (ring[next] as number) ^ (shifted >> 8)
    bit = (bit + stepBits) % (ringBytes * 8)
  }
  const length = Buffer.alloc(8)
  length.writeBigUInt64LE(BigInt(bytes.length))
  for (const [index, byte] of length.entries()) ring[ringBytes - 8 + index] = (ring[ringBytes - 8 + index] as number) ^ byte
  return Buffer.from(ring).toString('base64')
}
