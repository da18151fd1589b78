/**
 * Packs (docs/format.md section 3): chunks gather to segments of up to 1 MiB, segments are compressed, sealed and laid
 * into one buffer of 16 MiB, the table of contents follows, and random bytes fill the rest.
 *
 * PackBuilder runs in the capture workers (file data) and in the main thread (metadata); it keeps one pack open across
 * files, because small files share segments. It does not look chunks up, and does not store anything.
 */
import { randomFillSync } from 'node:crypto'
import type { ObjectId } from '../object-store.ts'
import { hashLeaves, rootOf } from '../merkle.ts'
import { chunkIdLength } from './chunk-id.ts'
import {
  type Codec, type KeyOptions, type ObjectKey, codecs, compress, damaged, deriveObjectKey, headerLength, maxSegmentLength,
  maxSegments, openPart, openTable, packLength, padme, readHeader, readLocator, saltLength, sealInto, sealTable, tagLength,
  writeHeader,
} from './seal.ts'
import { type GrowingSegment, type TableSegment, chunkEntryLength, decodeTable, encodeTable, segmentEntryLength } from './table.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { releaseBytes } from '../release-bytes.ts'

export interface FinishedPack {
  readonly id: ObjectId
  readonly epoch: number
  readonly salt: Uint8Array<ArrayBuffer>
  /** In the memory that was given for it. */
  readonly bytes: Uint8Array
  readonly leaves: Uint8Array<ArrayBuffer>
  /** Table of contents, open: see encodeTable. */
  readonly table: Uint8Array<ArrayBuffer>
  /** Bytes of chunks in it. */
  readonly plainBytes: number
}

const maxChunksPerSegment = 65_535
/** The rest of a pack is filled with a part of a segment when it has so many bytes. */
const worthFilling = 65_536
const maxDocumentLength = 64 * 1_048_576

interface CompressedSegment {
  readonly payload: Uint8Array
  readonly codec: Codec
  readonly plainLength: number
  readonly chunkEntries: Buffer
}

/** Opens the table of a whole pack, or of its beginning and end as `read` gives them. */
export async function readTable(
  length: number, read: (offset: number, length: number) => Promise<Uint8Array>, keyFor: (epoch: number) => KeyOptions,
): Promise<{ key: ObjectKey, table: Buffer, segments: TableSegment[] }> {
  const start = await read(0, Math.min(headerLength, length))
  const header = readHeader(start)
  const key = deriveObjectKey(header, keyFor(header.epoch))
  const locator = readLocator(start, key, length)
  const table = openTable(key, await read(locator.tableOffset, locator.tableLength))
  const segments = decodeTable(table, locator.tableOffset)
  if (segments.length !== locator.segments) throw damaged('its locator counts other segments than its table')
  return { key, table, segments }
}

/** One object being filled: segments go in, sealed bytes come out. Fills one buffer of 16 MiB. */
export class ObjectWriter {
  readonly #key: ObjectKey
  readonly #buffer: Buffer
  readonly #segments: GrowingSegment[] = []
  #end = headerLength
  #tableLength = 4
  #plainBytes = 0

  constructor(key: ObjectKey, buffer: Buffer = Buffer.allocUnsafeSlow(packLength)) {
    this.#key = key
    this.#buffer = buffer
  }

  get empty(): boolean {
    return this.#segments.length === 0
  }

  /** Bytes that the payload of one more segment of so many chunks may have; below 0 when none fits. */
  room(chunks: number): number {
    const table = this.#tableLength + segmentEntryLength + chunks * chunkEntryLength + tagLength
    return this.#segments.length < maxSegments ? this.#buffer.length - this.#end - tagLength - table : -1
  }

  add(segment: CompressedSegment): void {
    const length = sealInto(this.#buffer, this.#end, this.#key, { number: this.#segments.length, ...segment })
    const { codec, plainLength, chunkEntries } = segment
    this.#segments.push({ offset: this.#end, length, plainLength, codec, chunkEntries })
    this.#end += length
    this.#tableLength += segmentEntryLength + chunkEntries.length
    this.#plainBytes += plainLength
  }

  /** Seals the table, pads (to the whole buffer when `full`) and names the object. */
  finish(full: boolean): FinishedPack {
    const table = encodeTable(this.#segments)
    const tableLength = sealTable(this.#buffer, this.#end, this.#key, table)
    const locator = { tableOffset: this.#end, tableLength, segments: this.#segments.length }
    writeHeader(this.#buffer, this.#key, locator)
    const length = this.#end + tableLength
    const padded = full ? this.#buffer.length : padme(length)
    randomFillSync(this.#buffer, length, padded - length)
    const bytes = this.#bytes(padded)
    const leaves = hashLeaves(bytes)
    return {
      id: rootOf(leaves).toString('hex') as ObjectId, epoch: this.#key.epoch, salt: Uint8Array.from(this.#key.salt),
      bytes, leaves, table: Uint8Array.from(table), plainBytes: this.#plainBytes,
    }
  }

  /** A short object gets memory of its own length: a thread that is sent a view gets a copy of all that is behind it. */
  #bytes(length: number): Uint8Array {
    const bytes = new Uint8Array(this.#buffer.buffer, this.#buffer.byteOffset, length)
    return length === this.#buffer.length || this.#buffer.buffer instanceof SharedArrayBuffer ? bytes : Uint8Array.from(bytes)
  }
}

export interface PackBuilderOptions extends KeyOptions {
  readonly epoch: number
  readonly random: (length: number) => Uint8Array
  /** Gives the 16 MiB that a pack is built in; without it each pack gets new memory. */
  readonly acquire?: () => Buffer
  /** Takes a finished pack. */
  readonly emit: (pack: FinishedPack) => void
}

/** Gathers chunks to segments and packs, in the order they come. */
export class PackBuilder {
  readonly #options: PackBuilderOptions
  readonly #segment = Buffer.allocUnsafeSlow(maxSegmentLength)
  #segmentLength = 0
  #entries: Buffer[] = []
  #writer: ObjectWriter | undefined

  constructor(options: PackBuilderOptions) {
    this.#options = options
  }

  /** `bytes` are copied. */
  add(id: Uint8Array, bytes: Uint8Array): void {
    if (this.#segmentLength + bytes.length > maxSegmentLength || this.#entries.length === maxChunksPerSegment) this.#endSegment()
    this.#segment.set(bytes, this.#segmentLength)
    this.#segmentLength += bytes.length
    const entry = Buffer.allocUnsafe(chunkEntryLength)
    entry.set(id, 0)
    entry.writeUInt32LE(bytes.length, chunkIdLength)
    this.#entries.push(entry)
  }

  /** Ends the open segment and the open pack. */
  flush(): void {
    this.#endSegment()
    if (this.#writer !== undefined && !this.#writer.empty) this.#options.emit(this.#writer.finish(false))
    this.#writer = undefined
  }

  #endSegment(): void {
    if (this.#entries.length === 0) return
    const segment = this.#compress(this.#entries.length)
    if (this.#writer !== undefined && this.#writer.room(this.#entries.length) < segment.payload.length) {
      const filled = this.#fillUp(this.#writer, segment)
      this.#options.emit(this.#writer.finish(true))
      this.#writer = undefined
      if (filled) {
        releaseFrame(segment)
        this.#endSegment()
        return
      }
    }
    this.#writer ??= this.#open()
    this.#writer.add(segment)
    releaseFrame(segment)
    this.#take(this.#entries.length, segment.plainLength)
  }

  /** Puts as many chunks of the open segment as should fit into the rest of a pack; says whether it did. */
  #fillUp(writer: ObjectWriter, { payload, plainLength }: CompressedSegment): boolean {
    const room = writer.room(this.#entries.length)
    if (room < worthFilling) return false
    const wanted = Math.floor(plainLength * room / payload.length * 0.97)
    let count = 0
    for (let length = 0; ; count++) {
      length += this.#entries[count]?.readUInt32LE(chunkIdLength) ?? wanted
      if (length > wanted) break
    }
    if (count === 0) return false
    const part = this.#compress(count)
    const fits = part.payload.length <= room
    if (fits) {
      writer.add(part)
      this.#take(count, part.plainLength)
    }
    releaseFrame(part)
    return fits
  }

  /** The first chunks of the open segment as they go into a pack. */
  #compress(count: number): CompressedSegment {
    const entries = this.#entries.slice(0, count)
    const plainLength = entries.reduce((sum, entry) => sum + entry.readUInt32LE(chunkIdLength), 0)
    const plain = this.#segment.subarray(0, plainLength)
    const frame = compress(plain)
    return {
      payload: frame ?? plain, codec: frame === undefined ? codecs.stored : codecs.zstd, plainLength, chunkEntries: Buffer.concat(entries),
    }
  }

  /** Removes the first chunks of the open segment. */
  #take(count: number, plainLength: number): void {
    this.#entries = this.#entries.slice(count)
    this.#segment.copyWithin(0, plainLength, this.#segmentLength)
    this.#segmentLength -= plainLength
  }

  #open(): ObjectWriter {
    const buffer = this.#options.acquire?.()
    const { epoch, random } = this.#options
    return new ObjectWriter(deriveObjectKey({ kind: 'pack', epoch, salt: random(saltLength) }, this.#options), buffer)
  }
}

/** A frame has a MiB of memory for itself; what is stored as it is stands in the builder's. */
function releaseFrame({ codec, payload }: CompressedSegment): void {
  if (codec === codecs.zstd) releaseBytes(payload)
}

/** Seals one document of up to some 15 MiB, cut into segments of 1 MiB: an index or a snapshot. */
export function sealDocument(
  kind: 'index' | 'snapshot', document: Uint8Array, options: KeyOptions & { epoch: number, salt: Uint8Array },
): FinishedPack {
  const room = Math.ceil(document.length * 1.01) + 65_536
  if (room > packLength) throw new HoldfastError('invalid-input', `Cannot seal the ${kind}: ${document.length} bytes are too many for one object`)
  const key = deriveObjectKey({ kind, epoch: options.epoch, salt: options.salt }, options)
  const writer = new ObjectWriter(key, Buffer.allocUnsafeSlow(padme(room)))
  for (let at = 0; at < document.length; at += maxSegmentLength) {
    const plain = document.subarray(at, at + maxSegmentLength)
    const frame = compress(plain)
    const codec = frame === undefined ? codecs.stored : codecs.zstd
    const segment = { payload: frame ?? plain, codec, plainLength: plain.length, chunkEntries: Buffer.alloc(0) }
    writer.add(segment)
    releaseFrame(segment)
  }
  return writer.finish(false)
}

/** Opens a whole index or snapshot object and joins its segments. */
export async function openDocument(
  kind: 'index' | 'snapshot', object: Uint8Array, keyFor: (epoch: number) => KeyOptions,
): Promise<Buffer> {
  const { key, segments } = await readTable(object.length, async (offset, length) => object.subarray(offset, offset + length), keyFor)
  if (key.kind !== kind) throw damaged(`it is no ${kind}`)
  const total = segments.reduce((sum, segment) => sum + segment.plainLength, 0)
  if (total > maxDocumentLength) throw damaged('it is longer than its kind may be')
  const parts = segments.map(({ offset, length, plainLength, codec }, number) =>
    openPart(key, { number, codec, plainLength }, object.subarray(offset, offset + length)))
  const document = Buffer.concat(parts)
  for (const part of parts) releaseBytes(part)
  return document
}
