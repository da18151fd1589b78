/**
 * Metadata chunks: list pages, deltas and the text of folders. They go into packs of their own, and a copy stays in the
 * local index, so that listing and the next backup need no network.
 */
import { type ChunkIdKey, chunkId, chunkKey, isHole } from './chunk-id.ts'
import { ContentDefinedChunker } from './chunker/content-defined.ts'
import { regionsOf } from './chunker/chunker.ts'
import type { ChunkReader } from './chunk-reader.ts'
import { ContentReader, ContentWriter, type FileContent } from './content.ts'
import { PackBuilder } from './pack.ts'
import type { FinishedPack, PackBuilderOptions } from './pack.ts'
import type { PackIndex } from './pack-index.ts'
import { damaged } from './seal.ts'
import { type DirectoryEntry, type Entry, decodeFolder } from './tree.ts'

const maxFolderLength = 1_073_741_824
const heldBytes = 8_388_608

/** Reads metadata, from the local copy when it is there. */
export class MetadataReader {
  readonly #index: PackIndex
  readonly #chunks: ChunkReader

  constructor(index: PackIndex, chunks: ChunkReader) {
    this.#index = index
    this.#chunks = chunks
  }

  async read(id: Uint8Array, signal?: AbortSignal): Promise<Uint8Array> {
    const known = this.#index.metadata(id)
    if (known !== undefined) return known
    const bytes = await this.#chunks.read(id, signal)
    this.#index.addMetadata([{ id, bytes }])
    return bytes
  }

  list(content: FileContent, signal?: AbortSignal): ContentReader {
    return new ContentReader(content, async (id) => await this.read(id, signal))
  }

  async folder(entry: Pick<DirectoryEntry, 'content'>, signal?: AbortSignal): Promise<Entry[]> {
    if (entry.content.size > maxFolderLength) throw damaged('a folder is longer than it may be')
    const parts: Uint8Array[] = []
    for await (const chunks of this.list(entry.content, signal).chunks()) {
      for (const { id, length } of chunks) {
        const part = isHole(id) ? Buffer.alloc(length) : await this.read(id, signal)
        if (part.length !== length) throw damaged('a chunk has another length than its list says')
        parts.push(part)
      }
    }
    return decodeFolder(Buffer.concat(parts))
  }
}

export interface MetadataWriterOptions extends Omit<PackBuilderOptions, 'emit'> {
  readonly chunkIdKey: ChunkIdKey
  readonly chunkerKey: Uint8Array
  readonly index: PackIndex
  readonly storePack: (pack: FinishedPack) => Promise<void>
}

/** Gathers metadata chunks into packs; holds one pack and some MiB for the local copy. */
export class MetadataWriter {
  readonly #options: MetadataWriterOptions
  readonly #builder: PackBuilder
  readonly #pending = new Set<string>()
  #chunker: ContentDefinedChunker | undefined
  #held: { id: Uint8Array, bytes: Uint8Array }[] = []
  #heldBytes = 0
  #finished: FinishedPack[] = []
  /** Bytes of new metadata chunks. */
  bytesNew = 0

  constructor(options: MetadataWriterOptions) {
    this.#options = options
    this.#builder = new PackBuilder({ ...options, emit: (pack) => this.#finished.push(pack) })
  }

  /** Stores a chunk unless it is stored, and returns its id. */
  async put(bytes: Uint8Array): Promise<Uint8Array> {
    const id = chunkId(this.#options.chunkIdKey, bytes)
    const key = chunkKey(id)
    if (this.#pending.has(key) || this.#options.index.has(id)) return id
    this.#pending.add(key)
    this.#builder.add(id, bytes)
    this.#held.push({ id, bytes: Uint8Array.from(bytes) })
    this.#heldBytes += bytes.length
    this.bytesNew += bytes.length
    if (this.#heldBytes > heldBytes) this.#keep()
    await this.#storeFinished()
    return id
  }

  /** Stores any bytes as a `cdc-64k` content. */
  async putBytes(bytes: Uint8Array): Promise<FileContent> {
    this.#chunker ??= new ContentDefinedChunker(this.#options.chunkerKey)
    const list = new ContentWriter({ chunker: 'cdc-64k', size: bytes.length, put: async (page) => await this.put(page) })
    for (const { start, end } of regionsOf(bytes.length)) {
      let from = start
      for (const cut of this.#chunker.cut(bytes.subarray(start, end), true)) {
        const entry = Buffer.alloc(20)
        entry.set(await this.put(bytes.subarray(from, start + cut)))
        entry.writeUInt32LE(start + cut - from, 16)
        await list.append(entry)
        from = start + cut
      }
    }
    return await list.finish()
  }

  /** Stores what is open; then every chunk put so far is stored. */
  async flush(): Promise<void> {
    this.#builder.flush()
    await this.#storeFinished()
    this.#keep()
  }

  #keep(): void {
    this.#options.index.addMetadata(this.#held)
    this.#held = []
    this.#heldBytes = 0
  }

  async #storeFinished(): Promise<void> {
    for (const pack of this.#finished.splice(0)) await this.#options.storePack(pack)
  }
}
