import { crc32 } from 'node:zlib'

/** CRC of pages, blocks and header (MS-PST 5.3): the CRC-32 polynomial with initial value 0 and no final inversion. */
export function checksum(bytes: Uint8Array): number {
  return ~crc32(bytes, 0xffff_ffff) >>> 0
}

/** Signature of a page or block (MS-PST 5.5): offset and id folded to 16 bits. */
export function signature(offset: number, bid: number): number {
  const mixed = (offset % 0x1_0000_0000 ^ bid % 0x1_0000_0000) >>> 0
  return ((mixed >>> 16) ^ mixed) & 0xffff
}
