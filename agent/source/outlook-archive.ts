/**
 * The header of an Outlook archive (PST, OST): MS-PST 2.2.2.6 HEADER and 2.2.2.5 ROOT; the 4 KiB OST layout, which
 * MS-PST does not describe, has its fields at the same places.
 *
 * An archive is changed by copy on write: new and changed blocks and tree pages go to free space, then the header
 * is written with the new roots (MS-PST 2.6.1). So the roots of its two trees name one whole state of the archive.
 * Nothing here decodes messages.
 */
import { crc32 } from 'node:zlib'

/** Bytes of the header that are looked at; an ANSI header is shorter, but no archive is. */
export const outlookHeaderLength = 568

export type OutlookFormat = 'ansi' | 'unicode' | 'unicode-4k'

export interface PageReference {
  /** Page id (BID). */
  readonly id: bigint
  /** Offset in the file. */
  readonly offset: bigint
}

export interface OutlookHeader {
  readonly format: OutlookFormat
  /** wVer: 14, 15 (ANSI), 23 (Unicode), 36 (4 KiB pages). */
  readonly version: number
  readonly client: 'pst' | 'ost'
  /** Every checksum that this format has is right. */
  readonly checksumsValid: boolean
  /** ibFileEof: the length that the file ought to have. */
  readonly fileEnd: bigint
  /** fAMapValid: 0 when the archive was not closed cleanly, or is being written. */
  readonly allocationMapState: number
  /** BREFNBT, root of the tree of nodes. */
  readonly nodeTree: PageReference
  /** BREFBBT, root of the tree of blocks. */
  readonly blockTree: PageReference
  /** bidNextB, the id that the next block will get. */
  readonly nextBlockId: bigint
  readonly encoding: 'none' | 'permute' | 'cyclic' | 'unknown'
}

/** CRC of MS-PST 5.3: polynomial of CRC-32, started with 0, without the final inversion. */
export function outlookChecksum(bytes: Uint8Array): number {
  return ~crc32(bytes, 0xFFFFFFFF) >>> 0
}

/** What the first 12 bytes say: an archive, a cache of the server, or undefined for any other file. */
export function outlookKindOf(start: Uint8Array): 'pst' | 'ost' | undefined {
  const text = Buffer.from(start.buffer, start.byteOffset, Math.min(start.byteLength, 12)).toString('latin1')
  if (text.length < 12 || !text.startsWith('!BDN')) return undefined
  const client = text.slice(8, 10)
  return client === 'SM' ? 'pst' : client === 'SO' ? 'ost' : undefined
}

/**
 * Reads the fields of a header from the first 568 bytes of a file. Undefined when these are not an Outlook archive,
 * are of an unknown version, or are too few; a wrong checksum is reported in the result.
 */
export function parseOutlookHeader(bytes: Uint8Array): OutlookHeader | undefined {
  const client = outlookKindOf(bytes)
  if (client === undefined || bytes.byteLength < outlookHeaderLength) return undefined
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, outlookHeaderLength)
  const version = header.readUInt16LE(10)
  const format = formats.get(version)
  if (format === undefined) return undefined
  const partialValid = outlookChecksum(header.subarray(8, 479)) === header.readUInt32LE(4)
  if (format === 'ansi') return { format, version, client, checksumsValid: partialValid, ...ansiFields(header) }
  const fullValid = outlookChecksum(header.subarray(8, 524)) === header.readUInt32LE(524)
  return { format, version, client, checksumsValid: partialValid && fullValid, ...unicodeFields(header) }
}

const formats: ReadonlyMap<number, OutlookFormat> =
  new Map([[14, 'ansi'], [15, 'ansi'], [23, 'unicode'], [36, 'unicode-4k']])
const encodings = ['none', 'permute', 'cyclic'] as const

type Fields = Omit<OutlookHeader, 'format' | 'version' | 'client' | 'checksumsValid'>

function ansiFields(header: Buffer): Fields {
  const word = (at: number): bigint => BigInt(header.readUInt32LE(at))
  return {
    fileEnd: word(168),
    nodeTree: { id: word(184), offset: word(188) },
    blockTree: { id: word(192), offset: word(196) },
    allocationMapState: header.readUInt8(200),
    nextBlockId: word(24),
    encoding: encodings[header.readUInt8(461)] ?? 'unknown',
  }
}

function unicodeFields(header: Buffer): Fields {
  const word = (at: number): bigint => header.readBigUInt64LE(at)
  return {
    fileEnd: word(184),
    nodeTree: { id: word(216), offset: word(224) },
    blockTree: { id: word(232), offset: word(240) },
    allocationMapState: header.readUInt8(248),
    nextBlockId: word(516),
    encoding: encodings[header.readUInt8(513)] ?? 'unknown',
  }
}

/**
 * Names the state of an archive: equal fingerprints of one file mean that no block and no node changed, although the
 * modification time and the rest of the header moved, which merely opening the archive in Outlook brings about.
 * Undefined when a checksum is wrong: such a header proves nothing.
 *
 * Still to be read again when fingerprints are equal: the header itself and the map pages (allocation and density
 * maps), which are rewritten in place. A program that edits blocks in place without copy on write (some repair and
 * forensic tools) is not seen: read the whole file now and then all the same.
 */
export function archiveFingerprint(header: OutlookHeader): string | undefined {
  if (!header.checksumsValid) return undefined
  const { nodeTree, blockTree, nextBlockId, fileEnd } = header
  const fields = [nodeTree.id, nodeTree.offset, blockTree.id, blockTree.offset, nextBlockId, fileEnd]
  return `${header.format}:${fields.map((field) => field.toString(16)).join(':')}`
}
