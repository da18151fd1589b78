/**
 * Chunks of 16 KiB at multiples of 16 KiB, the last of a file shorter: for Outlook data files, which are edited in place
 * and never shift.
 */
import { ChunkerKernel } from './kernel.ts'
import { windowLength } from './chunker.ts'
import type { Chunker } from './chunker.ts'

export const fixedChunkLength = 16_384

export class FixedChunker implements Chunker {
  readonly name = 'fixed-16k'
  readonly maxLength = fixedChunkLength
  readonly #kernel: ChunkerKernel

  /** Throws RangeError when `capacity`, the bytes of the window, cannot hold a chunk. */
  constructor({ capacity = windowLength }: { readonly capacity?: number } = {}) {
    if (capacity < fixedChunkLength) throw new RangeError(`Cannot cut in a window of ${capacity} bytes: need ${fixedChunkLength}`)
    this.#kernel = new ChunkerKernel(capacity, new Uint8Array(0))
  }

  get window(): Uint8Array<ArrayBuffer> {
    return this.#kernel.window
  }

  cut(bytes: Uint8Array, final: boolean): number[] {
    const whole = Math.floor(bytes.length / fixedChunkLength)
    const ends = Array.from({ length: whole }, (_, index) => (index + 1) * fixedChunkLength)
    if (final && bytes.length > whole * fixedChunkLength) ends.push(bytes.length)
    return ends
  }

  isZero(offset: number, length: number): boolean {
    return this.#kernel.isZero(offset, length)
  }
}
