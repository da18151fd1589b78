/**
 * Reads single chunks: finds the segment, fetches its range, opens it, checks the chunk against its id. The last few
 * segments stay open, because neighbours are read together. They are known by the index's numbers of packs, which it gives
 * out again once it has forgotten a pack: then all that is open is let go. For whole files see restore.ts, which reads in
 * bulk.
 */
import { HoldfastError } from '../../shared/errors.ts'
import type { ObjectStore } from '../object-store.ts'
import { type ChunkIdKey, chunkId } from './chunk-id.ts'
import type { PackIndex, PackRow, Place } from './pack-index.ts'
import { type KeyOptions, type ObjectKey, damaged, deriveObjectKey, openPart } from './seal.ts'

export interface ChunkReaderOptions {
  readonly store: ObjectStore
  readonly index: PackIndex
  readonly chunkIdKey: ChunkIdKey
  readonly keyFor: (epoch: number) => KeyOptions
}

const openSegments = 16
const keptKeys = 256

export class ChunkReader {
  readonly #options: ChunkReaderOptions
  readonly #segments = new Map<string, Promise<Buffer>>()
  readonly #keys = new Map<number, ObjectKey>()
  /** Of the index, when the first of what is kept was looked up. */
  #removals = 0

  constructor(options: ChunkReaderOptions) {
    this.#options = options
  }

  /** Throws `object-missing` or `object-damaged`. */
  async read(id: Uint8Array, signal?: AbortSignal): Promise<Buffer> {
    this.#forgetRemoved()
    const place = this.#options.index.place(id)
    if (place === undefined) throw missingChunk()
    const chunk = (await this.#segment(place, signal)).subarray(place.offset, place.offset + place.length)
    if (!chunkId(this.#options.chunkIdKey, chunk).equals(id)) throw damaged('a chunk is not the one that its id names')
    return chunk
  }

  #forgetRemoved(): void {
    const { removals } = this.#options.index
    if (removals === this.#removals) return
    this.#segments.clear()
    this.#keys.clear()
    this.#removals = removals
  }

  async #segment({ pack, segment }: Place, signal: AbortSignal | undefined): Promise<Buffer> {
    const key = `${pack}/${segment}`
    const known = this.#segments.get(key)
    if (known !== undefined) {
      this.#segments.delete(key)
      this.#segments.set(key, known)
      return await known
    }
    const opening = this.#open(pack, segment, signal)
    opening.catch(() => {
      if (this.#segments.get(key) === opening) this.#segments.delete(key)
    })
    this.#segments.set(key, opening)
    if (this.#segments.size > openSegments) this.#segments.delete(this.#segments.keys().next().value as string)
    return await opening
  }

  async #open(pack: number, segment: number, signal: AbortSignal | undefined): Promise<Buffer> {
    const row = this.#options.index.pack(pack)
    const shape = this.#options.index.segment(pack, segment)
    if (row === undefined || shape === undefined) throw missingChunk()
    const { offset, length, plainLength, codec } = shape
    const key = this.#key(pack, row) // before the wait, during which the number may pass to another pack
    const sealed = await this.#options.store.get(row.ref, { offset, length }, { signal })
    return openPart(key, { number: segment, codec, plainLength }, sealed)
  }

  #key(pack: number, { epoch, salt }: PackRow): ObjectKey {
    const known = this.#keys.get(pack)
    if (known !== undefined) return known
    const key = deriveObjectKey({ kind: 'pack', epoch, salt }, this.#options.keyFor(epoch))
    if (this.#keys.size >= keptKeys) this.#keys.clear()
    this.#keys.set(pack, key)
    return key
  }
}

export function missingChunk(): HoldfastError {
  return new HoldfastError('object-missing', 'Cannot read a chunk: no known pack holds it', { details: { have: 0, need: 1 } })
}
