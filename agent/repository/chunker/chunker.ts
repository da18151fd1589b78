/**
 * Chunking: where the bytes of a file are cut for deduplication.
 *
 * A file is read region by region (32 MiB each, independent of the others, so several workers share a file). A region is
 * read straight into the chunker's window; `cut` finds the ends of the chunks in it; the bytes after the last end move
 * to the window's front and are cut with what follows them. The last bytes of a region always end a chunk.
 * Hashing, holes and what becomes of a chunk are the caller's.
 */
import { HoldfastError } from '../../../shared/errors.ts'

/** Bytes that are cut on their own: chunks never cross a multiple of this. */
export const regionLength = 33_554_432

/** Bytes that a window holds unless told otherwise. */
export const windowLength = 4_194_304

export type ChunkerName = 'fixed-16k' | 'cdc-64k'

/** One thread's chunker. It keeps no state between calls but the content of its window. */
export interface Chunker {
  /** As written in a file's content. */
  readonly name: ChunkerName
  /** No chunk is longer, in bytes. */
  readonly maxLength: number
  /**
   * Memory to read files into: the same array for the life of the chunker, never shorter than `maxLength`. It lies in a
   * WebAssembly memory, so it can be read, written and hashed like any other but not transferred to another thread.
   */
  readonly window: Uint8Array<ArrayBuffer>
  /**
   * Ends of the whole chunks in `bytes`, ascending, the first chunk beginning at 0. `bytes` begins where a chunk begins;
   * `final` says that the region ends with it, which makes its length the last end. Otherwise the bytes after the last
   * end are to be given again together with those that follow. The ends do not depend on how a region is split into
   * calls. A view of the window is cut in place; other bytes may overwrite the window.
   */
  cut(bytes: Uint8Array, final: boolean): number[]
  /** Whether `length` bytes at `offset` of the window are all zero. Throws RangeError when they are not all inside. */
  isZero(offset: number, length: number): boolean
}

/** Bytes [start, end) of a file, within one region: `start` is a multiple of 32 MiB. */
export interface Region {
  readonly start: number
  readonly end: number
}

/** The regions of a file of `size` bytes, in order; none for an empty file. */
export function regionsOf(size: number): Region[] {
  return Array.from({ length: Math.ceil(size / regionLength) }, (_, index) => ({
    start: index * regionLength,
    end: Math.min((index + 1) * regionLength, size),
  }))
}

/** Whole chunks that lie in the window: `bytes` (at offset 0 of the window) was read at `position` of the file. */
export interface CutWindow {
  readonly position: number
  readonly bytes: Uint8Array<ArrayBuffer>
  readonly ends: readonly number[]
}

/**
 * Cuts a region: yields its chunks in order, a window full at a time, each valid until the next is asked for.
 * `read` fills as much of `into` as it can from `position` and returns the count, like readSync; fewer bytes are fine.
 * Throws `file-changed` when the file ends before the region does.
 */
export function* cutRegion(
  chunker: Chunker, region: Region, read: (into: Uint8Array<ArrayBuffer>, position: number) => number,
): Generator<CutWindow, void, void> {
  const { window } = chunker
  let held = 0
  let position = region.start
  while (position < region.end) {
    const count = read(window.subarray(held, Math.min(window.length, held + region.end - position)), position)
    if (count === 0) {
      throw new HoldfastError('file-changed', `Cannot read the file: it ends at ${position}, before ${region.end}`)
    }
    position += count
    held += count
    const ends = chunker.cut(window.subarray(0, held), position === region.end)
    const cut = ends.at(-1) ?? 0
    if (cut > 0) yield { position: position - held, bytes: window.subarray(0, cut), ends }
    window.copyWithin(0, cut, held)
    held -= cut
  }
}
