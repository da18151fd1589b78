/** Which chunks of which packs some snapshots refer to: a bit for each chunk, so that an archive of 50 GB takes a few MiB. */
import type { ObjectId } from '../object-store.ts'
import { chunkIdLength, isHole } from './chunk-id.ts'
import { missingChunk } from './chunk-reader.ts'
import { type FileContent, listChunkIds } from './content.ts'
import type { MetadataReader } from './metadata.ts'
import type { PackIndex } from './pack-index.ts'
import type { Snapshot } from './snapshot.ts'
import type { Entry } from './tree.ts'

const idsAtOnce = 4096
const segmentStep = 65_536

interface Use {
  /** Of chunks that are referred to, each counted once. */
  bytes: number
  /** Of a pack of lists and folders. */
  isMetadata: boolean
  /** By segment: one bit for each chunk. */
  readonly chunks: Map<number, Uint8Array>
}

export class PackUse {
  readonly #uses = new Map<number, Use>()

  /** Marks chunks by their places: pack, segment, number in the segment. */
  mark(place: { readonly pack: number, readonly segment: number, readonly chunk: number, readonly length: number }, isMetadata: boolean): void {
    const use: Use = this.#uses.get(place.pack) ?? { bytes: 0, isMetadata, chunks: new Map() }
    this.#uses.set(place.pack, use)
    const at = place.chunk >> 3
    let bits = use.chunks.get(place.segment)
    if (bits === undefined || bits.length <= at) {
      const longer = new Uint8Array(Math.min(segmentStep / 8, Math.max(at + 1, 2 * (bits?.length ?? 4))))
      longer.set(bits ?? [])
      use.chunks.set(place.segment, bits = longer)
    }
    const bit = 1 << (place.chunk & 7)
    if (((bits[at] ?? 0) & bit) !== 0) return
    bits[at] = (bits[at] ?? 0) | bit
    use.bytes += place.length
  }

  /** Local numbers of the packs that anything refers to. */
  packs(): IterableIterator<number> {
    return this.#uses.keys()
  }

  bytesOf(pack: number): number {
    return this.#uses.get(pack)?.bytes ?? 0
  }

  isMetadata(pack: number): boolean {
    return this.#uses.get(pack)?.isMetadata ?? false
  }

  has(pack: number, segment: number, chunk: number): boolean {
    return ((this.#uses.get(pack)?.chunks.get(segment)?.[chunk >> 3] ?? 0) & (1 << (chunk & 7))) !== 0
  }

  ids(index: PackIndex): Set<ObjectId> {
    return new Set([...this.#uses.keys()].flatMap((number) => index.pack(number)?.ref.id ?? []))
  }
}

export interface UseContext {
  readonly index: PackIndex
  readonly metadata: MetadataReader
  readonly signal?: AbortSignal | undefined
}

/** Throws when anything that a snapshot needs cannot be read or found: then nothing may go. */
export async function packUseOf(context: UseContext, snapshots: readonly Snapshot[]): Promise<PackUse> {
  const use = new PackUse()
  const seen = new Set<string>()
  const entries: Entry[] = snapshots.flatMap(({ roots }) => roots.map(({ entry }) => entry))
  for (let entry = entries.pop(); entry !== undefined; entry = entries.pop()) {
    if (entry.type === 'symlink') continue
    const key = JSON.stringify(entry.content)
    if (seen.has(key)) continue
    seen.add(key)
    await markContent(context, use, { content: entry.content, isMetadata: entry.type === 'directory' })
    if (entry.type === 'directory') entries.push(...await context.metadata.folder(entry, context.signal))
  }
  return use
}

async function markContent({ index, metadata, signal }: UseContext, use: PackUse, { content, isMetadata }: { content: FileContent, isMetadata: boolean }): Promise<void> {
  const mark = (ids: readonly Uint8Array[], ofMetadata: boolean): void => {
    for (let first = 0; first < ids.length; first += idsAtOnce) {
      const places = index.placeEach(Buffer.concat(ids.slice(first, first + idsAtOnce), Math.min(idsAtOnce, ids.length - first) * chunkIdLength))
      for (const place of places) {
        if (place === undefined) throw missingChunk()
        use.mark(place, ofMetadata)
      }
    }
  }
  mark(listChunkIds(content), true)
  for await (const chunks of metadata.list(content, signal).chunks()) mark(chunks.flatMap(({ id }) => (isHole(id) ? [] : [id])), isMetadata)
}
