/** assembly/gear.ts in a WebAssembly memory of its own: the gear table, then the window that holds the bytes to cut. */
import { readFileSync } from 'node:fs'
import { HoldfastError } from '../../../shared/errors.ts'

const file = new URL('../../kernels/gear.wasm', import.meta.url)
const page = 65_536
const tableAddress = 0
const windowAddress = page

interface Exports {
  firstCut(
    start: number, length: number, minimum: number, normal: number, maximum: number, strict: bigint, loose: bigint,
  ): number
  isZero(start: number, length: number): number
}

/** Lengths in bytes; a chunk of up to `normal` ends where the hash is below `strict`, a longer one below `loose`. */
export interface CutRule {
  readonly minimum: number
  readonly normal: number
  readonly maximum: number
  readonly strict: bigint
  readonly loose: bigint
}

export class ChunkerKernel {
  readonly window: Uint8Array<ArrayBuffer>
  readonly #exports: Exports

  /** `table`: 2,048 bytes, all zero when only isZero is used. */
  constructor(windowLength: number, table: Uint8Array) {
    const pages = 1 + Math.ceil(windowLength / page)
    const memory = new WebAssembly.Memory({ initial: pages, maximum: pages })
    this.#exports = new WebAssembly.Instance(loadModule(), { env: { memory } }).exports as Exports
    this.window = new Uint8Array(memory.buffer, windowAddress, windowLength)
    new Uint8Array(memory.buffer).set(table, tableAddress)
  }

  /** Length of the first chunk of `length` bytes at `offset` of the window, or 0 when there is no cut yet. */
  firstCut(offset: number, length: number, { minimum, normal, maximum, strict, loose }: CutRule): number {
    return this.#exports.firstCut(windowAddress + offset, length, minimum, normal, maximum, strict, loose)
  }

  isZero(offset: number, length: number): boolean {
    const inside = Number.isInteger(offset) && Number.isInteger(length) && offset >= 0 && length >= 0
    if (!inside || offset + length > this.window.length) {
      throw new RangeError(`Cannot test ${length} bytes at ${offset}: the window has ${this.window.length}`)
    }
    return this.#exports.isZero(windowAddress + offset, length) === 1
  }
}

function loadModule(): WebAssembly.Module {
  try {
    return new WebAssembly.Module(readFileSync(file))
  } catch (cause) {
    throw new HoldfastError('internal', 'Cannot load the chunker kernel: run `npm run build`', { cause })
  }
}
