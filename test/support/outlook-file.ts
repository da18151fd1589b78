/**
 * Builds the skeleton of an Outlook archive: a header and the two trees, with blocks that hold zeros. Enough for all
 * that reads headers and tree pages; no mail program would open it (MS-PST 2.2.2.6, 2.2.2.7).
 */
import { outlookChecksum } from '../../agent/source/outlook-archive.ts'
import type { OutlookFormat } from '../../agent/source/outlook-archive.ts'

const shapes = {
  'ansi': { version: 14, page: 512, trailer: 12, meta: 496, word: 4, align: 64, eof: 168, nbt: 184, map: 200, nextB: 24, crypt: 461 },
  'unicode': { version: 23, page: 512, trailer: 16, meta: 488, word: 8, align: 64, eof: 184, nbt: 216, map: 248, nextB: 516, crypt: 513 },
  'unicode-4k': { version: 36, page: 4096, trailer: 24, meta: 4056, word: 8, align: 512, eof: 184, nbt: 216, map: 248, nextB: 516, crypt: 513 },
} as const

export interface BuiltArchive {
  readonly bytes: Buffer
  readonly format: OutlookFormat
  /** Offsets of tree pages: the root first, then its leaves. */
  readonly blockPages: readonly number[]
  readonly nodePages: readonly number[]
}

export interface ArchiveShape {
  readonly format?: OutlookFormat
  readonly client?: 'SM' | 'SO'
  /** Blocks and nodes in each of the two trees; they fill leaves of four. */
  readonly blocks?: number
  readonly nodes?: number
}

const perLeaf = 4

export function buildOutlookFile(wanted: ArchiveShape = {}): BuiltArchive {
  const { format = 'unicode', client = 'SM', blocks = 10, nodes = 6 } = wanted
  const shape = shapes[format]
  const firstPage = Math.ceil(1024 / shape.page)
  const blockPages = pageOffsets(shape.page, firstPage, blocks)
  const nodePages = pageOffsets(shape.page, firstPage + blockPages.length, nodes)
  const dataAt = shape.page * (firstPage + blockPages.length + nodePages.length)
  const blockSize = Math.ceil((100 + shape.trailer) / shape.align) * shape.align
  const bytes = Buffer.alloc(dataAt + blocks * blockSize)
  const blockEntries = Array.from({ length: blocks }, (_, i) => [4 * (i + 1), dataAt + i * blockSize, 100])
  const nodeEntries = Array.from({ length: nodes }, (_, i) => [0x21 + 0x20 * i, 4, 0, 0])
  const built = { bytes, format, blockPages, nodePages }
  writeTree(built, blockPages, { type: 0x80, words: 3, entries: blockEntries })
  writeTree(built, nodePages, { type: 0x81, words: 4, entries: nodeEntries })
  bytes.write('!BDN', 0, 'latin1')
  bytes.write(client, 8, 'latin1')
  bytes.writeUInt16LE(shape.version, 10)
  writeWord(built, shape.nextB, 4 * (blocks + 1))
  writeWord(built, shape.eof, bytes.length)
  const [nodeRoot = 0, blockRoot = 0] = [nodePages[0], blockPages[0]]
  for (const [i, value] of [pageId(nodeRoot), nodeRoot, pageId(blockRoot), blockRoot].entries()) {
    writeWord(built, shape.nbt + i * shape.word, value)
  }
  bytes.writeUInt8(2, shape.map)
  bytes.writeUInt8(1, shape.crypt)
  sealHeader(built)
  return built
}

/** Writes the fields that a test changes most: where the recorded length and the state of the maps lie. */
export function headerFields(archive: BuiltArchive): { length: number, mapState: number, nextBlock: number } {
  const { eof, map, nextB } = shapes[archive.format]
  return { length: eof, mapState: map, nextBlock: nextB }
}

/** Where the count, the entry size and the level of a page lie within it. */
export function pageFields(archive: BuiltArchive): { count: number, entrySize: number, level: number, word: number } {
  const { meta, word } = shapes[archive.format]
  const wide = archive.format === 'unicode-4k'
  return { count: meta, entrySize: meta + (wide ? 4 : 2), level: meta + (wide ? 5 : 3), word }
}

export function writeWord(archive: BuiltArchive, at: number, value: number): void {
  if (shapes[archive.format].word === 8) archive.bytes.writeBigUInt64LE(BigInt(value), at)
  else archive.bytes.writeUInt32LE(value, at)
}

/** Makes the checksums of the header right again after a change. */
export function sealHeader({ bytes, format }: BuiltArchive): void {
  bytes.writeUInt32LE(outlookChecksum(bytes.subarray(8, 479)), 4)
  if (format !== 'ansi') bytes.writeUInt32LE(outlookChecksum(bytes.subarray(8, 524)), 524)
}

/** Makes the checksum of the page at `offset` right again after a change. */
export function sealPage({ bytes, format }: BuiltArchive, offset: number): void {
  const shape = shapes[format]
  const at = offset + shape.page - shape.trailer
  bytes.writeUInt32LE(outlookChecksum(bytes.subarray(offset, at)), at + (shape.word === 8 ? 4 : 8))
}

export function pageId(offset: number): number {
  return 1000 + offset
}

function pageOffsets(pageSize: number, first: number, entries: number): number[] {
  const count = 1 + Math.ceil(entries / perLeaf)
  return Array.from({ length: count }, (_, i) => (first + i) * pageSize)
}

interface TreeContent {
  readonly type: number
  readonly words: number
  readonly entries: readonly (readonly number[])[]
}

function writeTree(archive: BuiltArchive, pages: readonly number[], content: TreeContent): void {
  const [root = 0, ...leaves] = pages
  const groups = leaves.map((_, i) => content.entries.slice(i * perLeaf, (i + 1) * perLeaf))
  leaves.forEach((at, i) => {
    writePage(archive, at, { ...content, level: 0, entries: groups[i] ?? [] })
  })
  const references = leaves.map((at, i) => [groups[i]?.[0]?.[0] ?? 0, pageId(at), at])
  writePage(archive, root, { type: content.type, words: 3, level: 1, entries: references })
}

function writePage(archive: BuiltArchive, at: number, page: TreeContent & { level: number }): void {
  const { bytes, format } = archive
  const shape = shapes[format]
  const fields = pageFields(archive)
  page.entries.forEach((entry, i) => {
    entry.forEach((value, j) => writeWord(archive, at + (i * page.words + j) * shape.word, value))
  })
  if (format === 'unicode-4k') bytes.writeUInt16LE(page.entries.length, at + fields.count)
  else bytes.writeUInt8(page.entries.length, at + fields.count)
  bytes.writeUInt8(page.words * shape.word, at + fields.entrySize)
  bytes.writeUInt8(page.level, at + fields.level)
  const trailer = at + shape.page - shape.trailer
  bytes.fill(page.type, trailer, trailer + 2)
  writeWord(archive, trailer + (shape.word === 8 ? 8 : 4), pageId(at))
  sealPage(archive, at)
}
