/**
 * The content of a file: a list of chunks (docs/format.md section 5).
 *
 * A list of up to 16 chunks stands in the entry itself; a longer one is cut into pages of 4,096 entries, which are
 * metadata chunks. A fixed list that changes in a few places keeps its pages and adds a delta; when the deltas together
 * pass one sixteenth of the list, new pages are written. So a day's scattered edits cost what changed, and memory holds
 * a few pages and the deltas, whatever the size of the file.
 */
import { z } from 'zod'
import { chunkIdLength, maxChunkLength } from './chunk-id.ts'
import type { ChunkerName } from './chunker/chunker.ts'
import { fixedChunkLength } from './chunker/fixed.ts'
import { damaged } from './seal.ts'
import { HoldfastError } from '../../shared/errors.ts'

export const pageEntries = 4096
const inlineEntries = 16
const deltaChunkEntries = 32_768
const maxDeltas = 64
/** The deltas of a list may hold one entry for so many of the list. */
const deltaShare = 16
const listMagic = Buffer.from('HFL1', 'latin1')
const deltaMagic = Buffer.from('HFD1', 'latin1')
const pageHeaderLength = 12
const deltaHeaderLength = 8
const deltaEntryLength = 4 + chunkIdLength

const base64url = z.string().regex(/^[A-Za-z0-9_-]*$/)
export const contentSchema = z.object({
  chunker: z.enum(['fixed-16k', 'cdc-64k']), size: z.int().min(0), count: z.int().min(0).max(0xffff_ffff),
  inline: base64url.optional(), pages: base64url.optional(), delta: base64url.optional(),
})
/** As it stands in entries. */
export type FileContent = z.infer<typeof contentSchema>

/** Reads one metadata chunk. */
export type ReadChunk = (id: Uint8Array) => Promise<Uint8Array>
/** Stores one metadata chunk and returns its id. */
export type PutChunk = (bytes: Uint8Array) => Promise<Uint8Array>

export interface ListedChunk {
  readonly id: Buffer
  /** In the file. */
  readonly offset: number
  readonly length: number
}

/** Bytes of one entry of a page: an id, and for variable lists its length. */
export function entryLength(chunker: ChunkerName): number {
  return chunker === 'fixed-16k' ? chunkIdLength : chunkIdLength + 4
}

/** Reads a list, page by page. */
export class ContentReader {
  readonly content: FileContent
  readonly #read: ReadChunk
  readonly #inline: Buffer | undefined
  readonly #pages: readonly Buffer[]
  #deltas: Promise<Map<number, Buffer>> | undefined
  #recent: { page: number, entries: Buffer } | undefined

  /** Throws `object-damaged` when the content contradicts itself. */
  constructor(content: FileContent, read: ReadChunk) {
    this.content = content
    this.#read = read
    this.#inline = content.inline === undefined ? undefined : Buffer.from(content.inline, 'base64url')
    this.#pages = splitIds(content.pages ?? '')
    const width = entryLength(content.chunker)
    if (content.chunker === 'fixed-16k' && content.count !== Math.ceil(content.size / fixedChunkLength)) throw damaged('a content has another count than its size')
    if (this.#inline === undefined ? content.count > 0 && content.pages === undefined : this.#inline.length !== content.count * width) {
      throw damaged('a content has another length than its count')
    }
  }

  /** Whether deltas can be added to it. */
  get canTakeDelta(): boolean {
    return this.content.chunker === 'fixed-16k' && this.#pages.length > 0
  }

  /** Ids of the metadata chunks that the list itself is made of. */
  get listIds(): Buffer[] {
    return listChunkIds(this.content)
  }

  get deltaIds(): Buffer[] {
    return splitIds(this.content.delta ?? '')
  }

  /** Chunks of the file in order, a page at a time. */
  async *chunks(from = 0): AsyncGenerator<ListedChunk[]> {
    let offset = 0
    const { chunker, count, size } = this.content
    const width = entryLength(chunker)
    const first = chunker === 'fixed-16k' ? Math.floor(from / fixedChunkLength / pageEntries) * pageEntries : 0
    if (chunker === 'fixed-16k') offset = first * fixedChunkLength
    for (let index = first; index < count; index += pageEntries) {
      const entries = await this.entries(index, Math.min(pageEntries, count - index))
      const chunks: ListedChunk[] = []
      for (let at = 0; at < entries.length; at += width) {
        const length = chunker === 'fixed-16k' ? Math.min(fixedChunkLength, size - offset) : entries.readUInt32LE(at + chunkIdLength)
        if (length === 0 || length > maxChunkLength) throw damaged('a list has a chunk of an impossible length')
        chunks.push({ id: entries.subarray(at, at + chunkIdLength), offset, length })
        offset += length
      }
      if (offset > size) throw damaged('a list is longer than its file')
      yield chunks
    }
    if (offset !== size) throw damaged('a list is shorter than its file')
  }

  /** Entries [first, first + count) of the list as pages hold them. */
  async entries(first: number, count: number): Promise<Buffer> {
    if (first + count > this.content.count) throw new RangeError('Cannot read a list: the range leaves it')
    const { entries, missing } = await this.entriesOfBase(first, count)
    if (missing !== undefined) throw damaged('a list has a gap')
    return entries
  }

  /** The same without the cut at `count`; entries from `missing` on are in neither pages nor deltas. */
  async entriesOfBase(first: number, count: number): Promise<{ entries: Buffer, missing: number | undefined }> {
    const width = entryLength(this.content.chunker)
    if (this.#inline !== undefined) return { entries: this.#inline.subarray(first * width, (first + count) * width), missing: undefined }
    const entries = Buffer.alloc(count * width)
    const deltas = await (this.#deltas ??= this.#readDeltas())
    let missing: number | undefined
    for (let index = first; index < first + count;) {
      const page = await this.#page(Math.floor(index / pageEntries))
      const start = index % pageEntries
      const here = Math.min(first + count, index - start + pageEntries)
      const paged = Math.max(0, Math.min(here - index, page.length / width - start))
      if (paged > 0) page.copy(entries, (index - first) * width, start * width, (start + paged) * width)
      for (let i = index; i < here; i++) {
        const id = deltas.size === 0 ? undefined : deltas.get(i)
        if (id !== undefined) id.copy(entries, (i - first) * width)
        else if (i >= index + paged) missing ??= i
      }
      index = here
    }
    return { entries, missing }
  }

  /** Number of distinct places that the deltas name. */
  async deltaCount(): Promise<number> {
    return (await (this.#deltas ??= this.#readDeltas())).size
  }

  /** All places that the deltas name, ascending. */
  async deltaEntries(): Promise<[number, Buffer][]> {
    return [...await (this.#deltas ??= this.#readDeltas())].sort(([a], [b]) => a - b)
  }

  async #page(page: number): Promise<Buffer> {
    const id = this.#pages[page]
    if (id === undefined) return Buffer.alloc(0)
    if (this.#recent?.page === page) return this.#recent.entries
    const entries = decodePage(await this.#read(id), this.content.chunker)
    const last = page === this.#pages.length - 1
    if (!last && entries.length !== pageEntries * entryLength(this.content.chunker)) throw damaged('a list page is not full')
    this.#recent = { page, entries }
    return entries
  }

  async #readDeltas(): Promise<Map<number, Buffer>> {
    const merged = new Map<number, Buffer>()
    for (const id of this.deltaIds) decodeDelta(await this.#read(id), merged)
    return merged
  }
}

/** Writes a list in order. With a `base` it writes what differs, until that is too much. */
export class ContentWriter {
  readonly #chunker: ChunkerName
  readonly #put: PutChunk
  readonly #size: number
  #base: ContentReader | undefined
  #count = 0
  #page: Buffer[] = []
  #pageLength = 0
  #pages: Uint8Array[] = []
  #changed: [number, Buffer][] = []

  constructor(options: { chunker: ChunkerName, size: number, put: PutChunk, base?: ContentReader | undefined }) {
    this.#chunker = options.chunker
    this.#size = options.size
    this.#put = options.put
    this.#base = options.base?.canTakeDelta === true && options.chunker === 'fixed-16k' ? options.base : undefined
  }

  /** `entries`: whole entries as pages hold them. */
  async append(entries: Uint8Array): Promise<void> {
    const buffer = Buffer.from(entries.buffer, entries.byteOffset, entries.byteLength)
    const count = buffer.length / entryLength(this.#chunker)
    if (this.#base === undefined) await this.#appendToPages(buffer)
    else await this.#compare(this.#base, buffer, count)
    this.#count += count
  }

  async finish(): Promise<FileContent> {
    const { chunker, size, count } = { chunker: this.#chunker, size: this.#size, count: this.#count }
    if (this.#base !== undefined) return { chunker, size, count, pages: this.#base.content.pages, ...await this.#writeDelta(this.#base) }
    if (count <= inlineEntries) return { chunker, size, count, inline: Buffer.concat(this.#page).toString('base64url') }
    await this.#endPage()
    return { chunker, size, count, pages: joinIds(this.#pages) }
  }

  async #compare(base: ContentReader, entries: Buffer, count: number): Promise<void> {
    const before = await base.entriesOfBase(this.#count, count)
    for (let i = 0; i < count; i++) {
      const id = entries.subarray(i * chunkIdLength, (i + 1) * chunkIdLength)
      const index = this.#count + i
      const there = before.missing === undefined || index < before.missing
      if (!there || before.entries.compare(id, 0, chunkIdLength, i * chunkIdLength, (i + 1) * chunkIdLength) !== 0) this.#changed.push([index, Buffer.from(id)])
    }
    const limit = Math.ceil(this.#size / fixedChunkLength) / deltaShare
    if (this.#changed.length > 0 && this.#changed.length + await base.deltaCount() > limit) await this.#turnToPages(base, this.#count + count)
  }

  /** The deltas became too long: writes the list so far as pages. */
  async #turnToPages(base: ContentReader, count: number): Promise<void> {
    const changed = new Map(this.#changed)
    this.#base = undefined
    this.#changed = []
    for (let first = 0; first < count; first += pageEntries) {
      const { entries } = await base.entriesOfBase(first, Math.min(pageEntries, count - first))
      for (let at = 0; at < entries.length; at += chunkIdLength) changed.get(first + at / chunkIdLength)?.copy(entries, at)
      await this.#appendToPages(entries)
    }
  }

  async #appendToPages(entries: Buffer): Promise<void> {
    const width = entryLength(this.#chunker)
    for (let at = 0; at < entries.length;) {
      const take = Math.min(entries.length - at, (pageEntries * width) - this.#pageLength)
      this.#page.push(Buffer.from(entries.subarray(at, at + take)))
      this.#pageLength += take
      at += take
      if (this.#pageLength === pageEntries * width) await this.#endPage()
    }
  }

  async #endPage(): Promise<void> {
    if (this.#pageLength === 0) return
    this.#pages.push(await this.#put(encodePage(Buffer.concat(this.#page), this.#chunker)))
    this.#page = []
    this.#pageLength = 0
  }

  async #writeDelta(base: ContentReader): Promise<{ delta?: string }> {
    let ids: Uint8Array[] = base.deltaIds
    let changed = this.#changed
    const more = Math.ceil(changed.length / deltaChunkEntries)
    if (more > 0 && ids.length + more > maxDeltas) {
      changed = [...new Map([...await base.deltaEntries(), ...changed])].sort(([a], [b]) => a - b)
      ids = []
    }
    for (let at = 0; at < changed.length; at += deltaChunkEntries) {
      ids = [...ids, await this.#put(encodeDelta(changed.slice(at, at + deltaChunkEntries)))]
    }
    return ids.length === 0 ? {} : { delta: joinIds(ids) }
  }
}

export function encodePage(entries: Uint8Array, chunker: ChunkerName): Buffer {
  const header = Buffer.alloc(pageHeaderLength)
  listMagic.copy(header)
  header[4] = chunker === 'fixed-16k' ? 0 : 1
  header.writeUInt32LE(entries.length / entryLength(chunker), 8)
  return Buffer.concat([header, entries])
}

export function decodePage(page: Uint8Array, chunker: ChunkerName): Buffer {
  const bytes = Buffer.from(page.buffer, page.byteOffset, page.byteLength)
  if (bytes.length < pageHeaderLength) throw damaged('a list page is cut off')
  if (!bytes.subarray(0, 4).equals(listMagic)) throw unknown('list page')
  const count = bytes.readUInt32LE(8)
  if (bytes[4] !== (chunker === 'fixed-16k' ? 0 : 1) || bytes[5] !== 0 || bytes[6] !== 0 || bytes[7] !== 0) throw damaged('a list page is of another flavour')
  if (count > pageEntries || bytes.length !== pageHeaderLength + count * entryLength(chunker)) throw damaged('a list page has another length than its count')
  return bytes.subarray(pageHeaderLength)
}

export function encodeDelta(entries: readonly (readonly [number, Uint8Array])[]): Buffer {
  const bytes = Buffer.alloc(deltaHeaderLength + entries.length * deltaEntryLength)
  deltaMagic.copy(bytes)
  bytes.writeUInt32LE(entries.length, 4)
  let at = deltaHeaderLength
  for (const [index, id] of entries) {
    bytes.writeUInt32LE(index, at)
    bytes.set(id, at + 4)
    at += deltaEntryLength
  }
  return bytes
}

function decodeDelta(delta: Uint8Array, into: Map<number, Buffer>): void {
  const bytes = Buffer.from(delta.buffer, delta.byteOffset, delta.byteLength)
  if (bytes.length < deltaHeaderLength) throw damaged('a delta is cut off')
  if (!bytes.subarray(0, 4).equals(deltaMagic)) throw unknown('delta')
  const count = bytes.readUInt32LE(4)
  if (count > deltaChunkEntries || bytes.length !== deltaHeaderLength + count * deltaEntryLength) throw damaged('a delta has another length than its count')
  let previous = -1
  for (let at = deltaHeaderLength; at < bytes.length; at += deltaEntryLength) {
    const index = bytes.readUInt32LE(at)
    if (index <= previous) throw damaged('a delta is not in order')
    previous = index
    into.set(index, bytes.subarray(at + 4, at + deltaEntryLength))
  }
}

/** Ids of the metadata chunks that the list itself is made of. */
export function listChunkIds(content: FileContent): Buffer[] {
  return [...splitIds(content.pages ?? ''), ...splitIds(content.delta ?? '')]
}

function splitIds(text: string): Buffer[] {
  const bytes = Buffer.from(text, 'base64url')
  if (bytes.length % chunkIdLength !== 0) throw damaged('a content names a part of an id')
  return Array.from({ length: bytes.length / chunkIdLength }, (_, i) => bytes.subarray(i * chunkIdLength, (i + 1) * chunkIdLength))
}

function joinIds(ids: readonly Uint8Array[]): string {
  return Buffer.concat(ids).toString('base64url')
}

function unknown(what: string): HoldfastError {
  return new HoldfastError('format-unknown', `Cannot read a ${what}: unknown magic`)
}
