/**
 * Content-defined chunks of 16 to 256 KiB, 64 KiB on average (docs/format.md, "Content-defined chunking"): for files that
 * shift when they are edited.
 *
 * A gear hash sees the last 64 bytes. A chunk ends where it is small: below 2^46 for a chunk of up to 52 KiB, below 2^50
 * for a longer one, which draws the lengths together (FastCDC, Xia and others 2016 and 2020, there with masks). The first
 * 16 KiB of a chunk are not hashed. The table comes from a secret key, so chunk lengths do not tell a known file.
 */
import { hkdfSync } from 'node:crypto'
import { windowLength } from './chunker.ts'
import type { Chunker } from './chunker.ts'
import { ChunkerKernel } from './kernel.ts'
import type { CutRule } from './kernel.ts'

const keyLength = 32
const tableLength = 2_048
const rule: CutRule = { minimum: 16_384, normal: 53_248, maximum: 262_144, strict: 1n << 46n, loose: 1n << 50n }

export const minChunkLength = rule.minimum
export const maxChunkLength = rule.maximum

/** 256 little-endian u64: HKDF-SHA-256 of the chunker key (32 bytes), no salt, info "holdfast/v1/gear". */
export function gearTable(chunkerKey: Uint8Array): Uint8Array<ArrayBuffer> {
  if (chunkerKey.length !== keyLength) throw new RangeError(`Cannot use a chunker key of ${chunkerKey.length} bytes: need ${keyLength}`)
  return new Uint8Array(hkdfSync('sha256', chunkerKey, '', 'holdfast/v1/gear', tableLength))
}

export class ContentDefinedChunker implements Chunker {
  readonly name = 'cdc-64k'
  readonly maxLength = maxChunkLength
  readonly #kernel: ChunkerKernel

  /** Throws RangeError for a key that is not 32 bytes or a `capacity`, the window's bytes, that cannot hold a chunk. */
  constructor(chunkerKey: Uint8Array, { capacity = windowLength }: { readonly capacity?: number } = {}) {
    if (capacity < maxChunkLength) throw new RangeError(`Cannot cut in a window of ${capacity} bytes: need ${maxChunkLength}`)
    this.#kernel = new ChunkerKernel(capacity, gearTable(chunkerKey))
  }

  get window(): Uint8Array<ArrayBuffer> {
    return this.#kernel.window
  }

  cut(bytes: Uint8Array, final: boolean): number[] {
    const { window } = this
    if (bytes.buffer === window.buffer) return this.#cutInPlace(bytes.byteOffset - window.byteOffset, bytes.length, final)
    const ends: number[] = []
    let held = 0
    for (let at = 0; at < bytes.length;) {
      const part = bytes.subarray(at, at + window.length - held)
      window.set(part, held)
      const base = at - held
      at += part.length
      held += part.length
      const found = this.#cutInPlace(0, held, final && at === bytes.length)
      for (const end of found) ends.push(base + end)
      const cut = found.at(-1) ?? 0
      window.copyWithin(0, cut, held)
      held -= cut
    }
    return ends
  }

  isZero(offset: number, length: number): boolean {
    return this.#kernel.isZero(offset, length)
  }

  #cutInPlace(offset: number, length: number, final: boolean): number[] {
    const ends: number[] = []
    let at = 0
    while (at < length) {
      const chunk = this.#kernel.firstCut(offset + at, length - at, rule)
      if (chunk === 0) break
      at += chunk
      ends.push(at)
    }
    if (final && at < length) ends.push(length)
    return ends
  }
}
