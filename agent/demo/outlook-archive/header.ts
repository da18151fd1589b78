import { checksum } from './checksum.ts'
import { firstMapOffset, nidType, readU64, regionBytes, writeU64 } from './layout.ts'
import type { PageRef } from './layout.ts'
import { HoldfastError } from '../../../shared/errors.ts'

export const headerBytes = 564
/** Node indexes of messages start behind it. */
export const firstMessageIndex = 0x10000
const valid = 2
const invalid = 0

/** What changes in a Unicode PST header (MS-PST 2.2.2.6) and its ROOT (2.2.2.5). */
export interface ArchiveHeader {
  /** Id of the next page and of the next block; ids are never used twice. */
  nextPage: number
  nextBlock: number
  /** Goes up with each header that is written. */
  unique: number
  /** Last used node index for each of the 32 node types. */
  readonly lastNode: number[]
  regions: number
  freeBytes: number
  nodeTree: PageRef
  blockTree: PageRef
  /** False while allocation maps may not tell the truth (2.6.1.3.7). */
  mapsValid: boolean
}

export function newHeader(): ArchiveHeader {
  const lastNode = Array.from({ length: 32 }, () => 0x400)
  lastNode[nidType.searchFolder] = 0x4000
  lastNode[nidType.normalMessage] = firstMessageIndex
  lastNode[nidType.associatedMessage] = 0x8000
  const nowhere = { bid: 0, offset: 0 }
  return {
    nextPage: 4, nextBlock: 4, unique: 0, lastNode, regions: 0, freeBytes: 0,
    nodeTree: nowhere, blockTree: nowhere, mapsValid: false,
  }
}

export function fileBytes(regions: number): number {
  return firstMapOffset + regions * regionBytes
}

export function encodeHeader(header: ArchiveHeader): Buffer {
  const bytes = Buffer.alloc(headerBytes)
  bytes.write('!BDN', 0, 'latin1')
  bytes.write('SM', 8, 'latin1')
  bytes.writeUInt16LE(23, 10)
  bytes.writeUInt16LE(19, 12)
  bytes[14] = 1
  bytes[15] = 1
  writeU64(bytes, header.nextPage, 32)
  bytes.writeUInt32LE(header.unique, 40)
  for (const [type, index] of header.lastNode.entries()) bytes.writeUInt32LE(index, 44 + 4 * type)
  writeU64(bytes, fileBytes(header.regions), 184)
  writeU64(bytes, fileBytes(header.regions - 1), 192)
  writeU64(bytes, header.freeBytes, 200)
  writeU64(bytes, header.nodeTree.bid, 216)
  writeU64(bytes, header.nodeTree.offset, 224)
  writeU64(bytes, header.blockTree.bid, 232)
  writeU64(bytes, header.blockTree.offset, 240)
  bytes[248] = header.mapsValid ? valid : invalid
  bytes.fill(0xff, 256, 512)
  bytes[512] = 0x80
  bytes[513] = 1
  writeU64(bytes, header.nextBlock, 516)
  bytes.writeUInt32LE(checksum(bytes.subarray(8, 8 + 471)), 4)
  bytes.writeUInt32LE(checksum(bytes.subarray(8, 8 + 516)), 524)
  return bytes
}

/**
 * @throws HoldfastError `format-unknown` for what is not a permuted Unicode PST; `file-unreadable` for a header whose
 *   checksum is wrong or whose maps are not valid
 */
export function decodeHeader(bytes: Buffer): ArchiveHeader {
  if (bytes.length < headerBytes || bytes.toString('latin1', 0, 4) !== '!BDN') refuse('format-unknown', 'no archive')
  if (bytes.readUInt16LE(10) !== 23 || bytes[513] !== 1) refuse('format-unknown', 'not a permuted Unicode archive')
  const whole = checksum(bytes.subarray(8, 8 + 516)) === bytes.readUInt32LE(524)
    && checksum(bytes.subarray(8, 8 + 471)) === bytes.readUInt32LE(4)
  if (!whole) refuse('file-unreadable', 'the header is damaged')
  return {
    nextPage: readU64(bytes, 32),
    nextBlock: readU64(bytes, 516),
    unique: bytes.readUInt32LE(40),
    lastNode: Array.from({ length: 32 }, (_, type) => bytes.readUInt32LE(44 + 4 * type)),
    regions: (readU64(bytes, 184) - firstMapOffset) / regionBytes,
    freeBytes: readU64(bytes, 200),
    nodeTree: { bid: readU64(bytes, 216), offset: readU64(bytes, 224) },
    blockTree: { bid: readU64(bytes, 232), offset: readU64(bytes, 240) },
    mapsValid: bytes[248] === valid || bytes[248] === 1,
  }
}

function refuse(code: 'format-unknown' | 'file-unreadable', state: string): never {
  throw new HoldfastError(code, `Cannot read the Outlook archive: ${state}`)
}
