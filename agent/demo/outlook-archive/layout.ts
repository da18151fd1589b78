/**
 * Sizes, offsets and types of the node database layer of a Unicode PST (MS-PST 2.2, wVer 23).
 *
 * All offsets are absolute file positions in bytes. The file is a header, a density list, and then regions of 253,952
 * bytes; each region begins with an allocation map (AMap) of one bit for every 64 bytes.
 */

export const slotBytes = 64
export const pageBytes = 512
export const pageSlots = pageBytes / slotBytes
/** A page without its 16-byte trailer (2.2.2.7.1). */
export const pageDataBytes = 496
export const blockTrailerBytes = 16
/** Most data bytes in one block: 8192 less the trailer (2.2.2.8.3.1). */
export const maxBlockBytes = 8176

export const densityListOffset = 0x4200
export const firstMapOffset = 0x4400
export const regionSlots = pageDataBytes * 8
export const regionBytes = regionSlots * slotBytes

export const pageType = {
  blockTree: 0x80,
  nodeTree: 0x81,
  freeMap: 0x82,
  allocationPageMap: 0x83,
  allocationMap: 0x84,
  freePageMap: 0x85,
  densityList: 0x86,
} as const
export type PageType = (typeof pageType)[keyof typeof pageType]

/** NID types (2.2.2.1): the low five bits of a node id. */
export const nidType = {
  normalFolder: 0x02,
  searchFolder: 0x03,
  normalMessage: 0x04,
  attachment: 0x05,
  searchUpdateQueue: 0x06,
  searchCriteria: 0x07,
  associatedMessage: 0x08,
  hierarchyTable: 0x0d,
  contentsTable: 0x0e,
  associatedTable: 0x0f,
  searchContentsTable: 0x10,
  localProperty: 0x1f,
} as const

export function nodeId(type: number, index: number): number {
  return ((index << 5) | type) >>> 0
}

export function typeOfNode(nid: number): number {
  return nid & 0x1f
}

/** The node of another type that shares the index, such as a folder's contents table. */
export function siblingNode(nid: number, type: number): number {
  return ((nid & ~0x1f) | type) >>> 0
}

/** A page or block and where it lies (BREF, 2.2.2.4). */
export interface PageRef {
  readonly bid: number
  readonly offset: number
}

/** Space that a block of `length` data bytes takes, trailer and alignment included. */
export function blockSpace(length: number): number {
  return Math.ceil((length + blockTrailerBytes) / slotBytes) * slotBytes
}

/** Blocks that hold structure (XBLOCK, SLBLOCK) carry bit 1 in their id and are stored without encoding. */
export function isInternal(bid: number): boolean {
  return (bid & 2) !== 0
}

/** Ids and offsets stay far below 2^53, so numbers do instead of bigints. */
export function readU64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at + 4) * 0x1_0000_0000 + bytes.readUInt32LE(at)
}

export function writeU64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value % 0x1_0000_0000, at)
  bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4)
}
