/**
 * Linear combinations of byte rows over GF(2^8), done by assembly/gf256.ts in a WebAssembly memory of its own.
 *
 * Input is copied in and results are copied out in blocks that fit the processor's cache, so an input of any size
 * passes through a fixed memory of 640 KiB. The distance between rows is no power of two, lest they compete for the same
 * cache lines.
 */
import { readFileSync } from 'node:fs'
import { HoldfastError } from '../../../shared/errors.ts'
import { maxDataShards } from './coding-matrix.ts'
import { multiply } from './gf256.ts'

const file = new URL('../../kernels/gf256.wasm', import.meta.url)
const page = 65_536
const tableLength = 32
const rowGap = 64
const maxBlockLength = 32_768
const rowsPerPass = 16
const tablesLength = maxDataShards * rowsPerPass * tableLength
const blocksLength = 524_288
const pages = Math.ceil((tablesLength + blocksLength + (maxDataShards + rowsPerPass) * rowGap) / page)

interface Exports {
  combine(
    sources: number, columns: number, destinations: number, rows: number, stride: number, length: number, tables: number,
  ): void
}

export class ErasureKernel {
  readonly #exports: Exports
  readonly #bytes: Uint8Array<ArrayBuffer>

  constructor() {
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    this.#exports = new WebAssembly.Instance(loadModule(), { env: { memory } }).exports as Exports
    this.#bytes = new Uint8Array(memory.buffer)
  }

  /**
   * Σ coefficient · source for each row of coefficients, byte by byte: as many results of `length` bytes. A row has one
   * coefficient for each source, of which there are at most 128. A source shorter than `length` counts as padded with
   * zeros. The results go `into` given memory, or new memory.
   */
  combine<B extends ArrayBufferLike = ArrayBuffer>(
    coefficients: readonly Uint8Array[], sources: readonly Uint8Array[], length: number, into?: readonly Uint8Array<B>[],
  ): Uint8Array<B>[] {
    const results = coefficients.map((_, row) => into?.[row] ?? allocateUncleared(length) as Uint8Array<B>)
    if (results.some((result) => result.length !== length)) throw new RangeError(`Cannot combine into other memory than ${length} bytes a row`)
    for (let row = 0; row < results.length; row += rowsPerPass) {
      this.#storeTables(coefficients.slice(row, row + rowsPerPass))
      this.#pass(sources, results.slice(row, row + rowsPerPass), length)
    }
    return results
  }

  #pass(sources: readonly Uint8Array[], results: readonly Uint8Array[], length: number): void {
    const blockLength = blockLengthFor(sources.length + results.length)
    const stride = blockLength + rowGap
    const destinations = tablesLength + sources.length * stride
    for (let start = 0; start < length; start += blockLength) {
      const end = Math.min(start + blockLength, length)
      for (const [index, source] of sources.entries()) {
        const at = tablesLength + index * stride
        const part = source.subarray(start, end)
        this.#bytes.set(part, at)
        this.#bytes.fill(0, at + part.length, at + end - start)
      }
      const worked = Math.ceil((end - start) / 32) * 32
      this.#exports.combine(tablesLength, sources.length, destinations, results.length, stride, worked, 0)
      for (const [index, result] of results.entries()) {
        const at = destinations + index * stride
        result.set(this.#bytes.subarray(at, at + end - start), start)
      }
    }
  }

  #storeTables(coefficients: readonly Uint8Array[]): void {
    let at = 0
    for (const row of coefficients) {
      for (const coefficient of row) {
        for (let nibble = 0; nibble < 16; nibble++) {
          this.#bytes[at + nibble] = multiply(coefficient, nibble)
          this.#bytes[at + 16 + nibble] = multiply(coefficient, nibble << 4)
        }
        at += tableLength
      }
    }
  }
}

/** Bytes of each of `rows` rows that are worked on at a time: a multiple of 64. */
function blockLengthFor(rows: number): number {
  return Math.min(maxBlockLength, Math.floor(blocksLength / rows / 64) * 64)
}

/** Bytes to be overwritten in full: clearing them first would take a third of the time of coding. */
function allocateUncleared(length: number): Uint8Array<ArrayBuffer> {
  return new Uint8Array(Buffer.allocUnsafeSlow(length).buffer)
}

function loadModule(): WebAssembly.Module {
  try {
    return new WebAssembly.Module(readFileSync(file))
  } catch (cause) {
    throw new HoldfastError('internal', 'Cannot load the erasure kernel: run `npm run build`', { cause })
  }
}
