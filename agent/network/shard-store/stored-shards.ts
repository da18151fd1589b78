/** The shard files that a holder keeps: opened by the index, read, checked against their own header and leaves. Writes nothing. */
import { type FileHandle, open as openFile } from 'node:fs/promises'
import { HoldfastError } from '../../../shared/errors.ts'
import { shortId } from '../../../shared/ids.ts'
import { leafLength } from '../../merkle.ts'
import { shardLength } from '../erasure/reed-solomon.ts'
import { type ShardHeader, bytesOffset, checkLeaves, checkRange, checkRef, damaged, parseHeader } from '../shard.ts'
import type { FolderIndex } from './folder-index.ts'
import type { OpenedShard, ShardEntry, ShardReading, ShardRef } from './port.ts'
import { fill, readHead, readRange } from './shard-file.ts'

export class StoredShards {
  readonly #index: FolderIndex
  readonly #pathOf: (ref: ShardRef) => string

  constructor(index: FolderIndex, pathOf: (ref: ShardRef) => string) {
    this.#index = index
    this.#pathOf = pathOf
  }

  /** Reads all of it. Throws `not-found`, and `object-damaged` when a byte is not what the header and the leaves say. */
  async check(ref: ShardRef): Promise<ShardHeader> {
    return await this.#withFile(ref, async (file, entry) => {
      const { header: bytes, leaves } = await readHead(file, entry)
      const header = parseHeader(bytes)
      checkRef(header, ref)
      checkLeaves(header, leaves)
      const step = 16 * leafLength
      for (let at = 0; at < header.shardLength; at += step) {
        const length = Math.min(step, header.shardLength - at)
        const range = await readRange(file, bytesOffset(header.n, header.shardLength) + at, length)
        if (range.length < length) throw damaged('its file is cut off', header)
        checkRange(leaves, at / leafLength, range, header)
      }
      return header
    })
  }

  async open(ref: ShardRef): Promise<OpenedShard> {
    return await this.#withFile(ref, async (file, entry) => await readHead(file, entry))
  }

  async read(ref: ShardRef, offset: number, length: number): Promise<Uint8Array> {
    return await this.#withFile(ref, async (file, entry) => {
      const size = shardLength(entry.length, entry.k)
      if (offset < 0 || length < 0 || offset + length > size) throw new RangeError(`Cannot read ${length} bytes at ${offset}: the shard has ${size}`)
      return await readRange(file, bytesOffset(entry.n, size) + offset, length)
    })
  }

  async reading(ref: ShardRef): Promise<ShardReading> {
    const { file, entry } = await this.#openFile(ref)
    const size = shardLength(entry.length, entry.k)
    return {
      async readInto(offset, into) {
        if (offset < 0 || offset + into.length > size) throw new RangeError(`Cannot read ${into.length} bytes at ${offset}: the shard has ${size}`)
        if (await fill(file, bytesOffset(entry.n, size) + offset, into) < into.length) throw damaged('its file is cut off', ref)
      },
      async [Symbol.asyncDispose]() { await file.close() },
    }
  }

  async #withFile<T>(ref: ShardRef, use: (file: FileHandle, entry: ShardEntry) => Promise<T>): Promise<T> {
    const { file, entry } = await this.#openFile(ref)
    try {
      return await use(file, entry)
    } finally {
      await file.close()
    }
  }

  async #openFile(ref: ShardRef): Promise<{ file: FileHandle; entry: ShardEntry }> {
    const entry = this.#index.find(ref)
    if (entry === undefined) throw notFound(ref)
    const file = await openFile(this.#pathOf(ref), 'r').catch((cause: NodeJS.ErrnoException) => {
      if (cause.code !== 'ENOENT') throw cause
      this.#index.remove(ref)
      throw notFound(ref)
    })
    return { file, entry }
  }
}

function notFound(ref: ShardRef): HoldfastError {
  return new HoldfastError('not-found', `Cannot open shard ${ref.number} of ${shortId(ref.id)}: it is not here`)
}
