/**
 * The table of contents of a pack (docs/format.md section 3): segments, and in each of them chunks, 20 bytes a chunk. A
 * backup reads the table of every pack that it made, with thousands of chunks in each; so they are left as they stand,
 * and no objects are made of them but for who wants places.
 */
import { chunkIdLength } from './chunk-id.ts'
import { codecs, damaged, headerLength, maxSegmentLength, maxSegments, tagLength } from './seal.ts'

export const segmentEntryLength = 16
export const chunkEntryLength = chunkIdLength + 4

export interface ChunkPlace {
  readonly id: Buffer
  /** In the plain text of the segment. */
  readonly offset: number
  readonly length: number
}

export interface SegmentEntry {
  /** In the object. */
  readonly offset: number
  /** With the tag. */
  readonly length: number
  readonly plainLength: number
  readonly codec: number
}

export interface TableSegment extends SegmentEntry {
  readonly chunks: readonly ChunkPlace[]
}

/** A segment as it goes into a table. */
export interface GrowingSegment extends SegmentEntry {
  readonly chunkEntries: Buffer
}

export function encodeTable(segments: readonly GrowingSegment[]): Buffer<ArrayBuffer> {
  const parts: Buffer[] = [Buffer.alloc(4)]
  parts[0]?.writeUInt32LE(segments.length, 0)
  for (const segment of segments) {
    const entry = Buffer.alloc(segmentEntryLength)
    entry.writeUInt32LE(segment.offset, 0)
    entry.writeUInt32LE(segment.length, 4)
    entry.writeUInt32LE(segment.plainLength, 8)
    entry[12] = segment.codec
    entry.writeUInt16LE(segment.chunkEntries.length / chunkEntryLength, 14)
    parts.push(entry, segment.chunkEntries)
  }
  return Buffer.concat(parts)
}

/** The chunks of a segment as they stand in a table: 20 bytes each. A table has thousands, and most readers want one thing of each. */
export class ChunkEntries {
  readonly #bytes: Buffer

  /** Throws `object-damaged` when a chunk is impossible, or they do not fill the segment. */
  constructor(bytes: Buffer, plainLength: number) {
    this.#bytes = bytes
    let end = 0
    for (let at = 0; at < bytes.length; at += chunkEntryLength) {
      const length = bytes.readUInt32LE(at + chunkIdLength)
      if (length === 0 || length > maxSegmentLength || isHoleAt(bytes, at)) throw damaged('a chunk has an impossible length or id')
      end += length
    }
    if (bytes.length > 0 && end !== plainLength) throw damaged('the chunks of a segment do not fill it')
  }

  get count(): number {
    return this.#bytes.length / chunkEntryLength
  }

  /** See chunkKey. */
  *keys(): Generator<string> {
    for (let at = 0; at < this.#bytes.length; at += chunkEntryLength) yield this.#bytes.toString('latin1', at, at + chunkIdLength)
  }

  /** 16 bytes each. */
  ids(): Buffer {
    const ids = Buffer.allocUnsafe(this.count * chunkIdLength)
    for (let at = 0, to = 0; at < this.#bytes.length; at += chunkEntryLength, to += chunkIdLength) this.#bytes.copy(ids, to, at, at + chunkIdLength)
    return ids
  }

  /** Where each ends in the plain text of the segment. */
  ends(): Uint32Array<ArrayBuffer> {
    const ends = new Uint32Array(this.count)
    for (let i = 0, end = 0; i < ends.length; i++) ends[i] = end += this.#bytes.readUInt32LE(i * chunkEntryLength + chunkIdLength)
    return ends
  }

  places(): ChunkPlace[] {
    const ids = this.ids()
    const places: ChunkPlace[] = []
    let offset = 0
    for (const [i, end] of this.ends().entries()) {
      places.push({ id: ids.subarray(i * chunkIdLength, (i + 1) * chunkIdLength), offset, length: end - offset })
      offset = end
    }
    return places
  }
}

function isHoleAt(bytes: Buffer, at: number): boolean {
  return bytes.readBigUInt64LE(at) === 0n && bytes.readBigUInt64LE(at + 8) === 0n
}

/** Reads a table of contents; segments lie one after the other before `limit`. Throws `object-damaged`. */
export function decodeTable(table: Uint8Array, limit: number): TableSegment[] {
  return readTableEntries(table, limit).map((segment) => ({ ...segment, chunks: segment.chunks.places() }))
}

/** The same, with the chunks as they stand in the table. */
export function readTableEntries(table: Uint8Array, limit: number): (SegmentEntry & { readonly chunks: ChunkEntries })[] {
  const bytes = Buffer.from(table.buffer, table.byteOffset, table.byteLength)
  if (bytes.length < 4) throw damaged('its table is cut off')
  const count = bytes.readUInt32LE(0)
  if (count > maxSegments || count * segmentEntryLength > bytes.length) throw damaged('its table is cut off')
  const segments: (SegmentEntry & { readonly chunks: ChunkEntries })[] = []
  let at = 4
  let end = headerLength
  for (let number = 0; number < count; number++) {
    if (at + segmentEntryLength > bytes.length) throw damaged('its table is cut off')
    const offset = bytes.readUInt32LE(at)
    const length = bytes.readUInt32LE(at + 4)
    const plainLength = bytes.readUInt32LE(at + 8)
    const codec = bytes.readUInt8(at + 12)
    const chunksEnd = at + segmentEntryLength + bytes.readUInt16LE(at + 14) * chunkEntryLength
    if (bytes[at + 13] !== 0) throw damaged('reserved bytes of its table are set')
    if (offset < end || length <= tagLength || offset + length > limit) throw damaged('its segments overlap or leave it')
    if (plainLength === 0 || plainLength > maxSegmentLength) throw damaged('a segment has an impossible length')
    if (codec === codecs.stored && plainLength !== length - tagLength) throw damaged('a stored segment has two lengths')
    if (chunksEnd > bytes.length) throw damaged('its table is cut off')
    segments.push({ offset, length, plainLength, codec, chunks: new ChunkEntries(bytes.subarray(at + segmentEntryLength, chunksEnd), plainLength) })
    at = chunksEnd
    end = offset + length
  }
  if (at !== bytes.length) throw damaged('its table is too long')
  return segments
}
