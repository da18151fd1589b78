/**
 * Systematic Reed-Solomon coding of objects into shards: any k of n shards give the object back.
 *
 * An object is cut into k data shards of S bytes, the last ones padded with zeros; parity shard r adds up the data
 * shards, byte by byte, with the coefficients of row r of the coding matrix. Because that is so for each byte offset,
 * a range of any shard can be rebuilt from the same range of any k others.
 * It neither detects nor corrects wrong bytes: Merkle roots find them, and a shard with one counts as missing.
 */
import { checkCode, generatorRow, recoveryRows } from './coding-matrix.ts'
import { ErasureKernel } from './kernel.ts'

const mebibyte = 1_048_576
const smallStep = 64
const largeStep = 65_536

/** S, the bytes of each shard of an object of `objectLength` bytes in k data shards (docs/format.md, "Shards"). */
export function shardLength(objectLength: number, k: number): number {
  checkCode(k, k)
  if (!Number.isSafeInteger(objectLength) || objectLength < 0) throw new RangeError(`Cannot cut an object of ${objectLength} bytes`)
  const step = objectLength <= k * mebibyte ? smallStep : largeStep
  return Math.max(smallStep, Math.ceil(Math.ceil(objectLength / k) / step) * step)
}

/** Data shard `number` of an object without its padding: a view, which may be shorter than S or empty. */
export function dataShard(object: Uint8Array, k: number, number: number): Uint8Array {
  const length = shardLength(object.length, k)
  return object.subarray(number * length, (number + 1) * length)
}

export interface CodedObject {
  /** The whole object. */
  readonly data: Uint8Array
  readonly k: number
  readonly n: number
}

/** The same range of bytes of a shard; `number` counts data shards first, from 0. */
export interface AvailableShard {
  readonly number: number
  readonly bytes: Uint8Array
}

/** Holds a WebAssembly memory of 640 KiB: make one for each thread and use it again. Not to be sent to a worker. */
export class ErasureCoder {
  readonly #kernel = new ErasureKernel()

  /**
   * Parity shards number k + firstParity … n − 1, S bytes each. Throws RangeError for a k or n outside the limits.
   * With `firstParity` above 0 an object whose n grows gets its new shards alone. They go `into` given memory, or new memory.
   */
  encodeParity<B extends ArrayBufferLike = ArrayBuffer>({ data, k, n }: CodedObject, firstParity = 0, into?: readonly Uint8Array<B>[]): Uint8Array<B>[] {
    checkCode(k, n)
    if (!Number.isInteger(firstParity) || firstParity < 0 || firstParity > n - k) {
      throw new RangeError(`Cannot begin with parity shard ${firstParity}: there are ${n - k}`)
    }
    const rows = Array.from({ length: n - k - firstParity }, (_, index) => generatorRow(k + firstParity + index, k))
    const sources = Array.from({ length: k }, (_, number) => dataShard(data, k, number))
    return this.#kernel.combine(rows, sources, shardLength(data.length, k), into)
  }

  /**
   * The shards `wanted`, data or parity, in that order, or the range of them that `available` covers: exactly k shards
   * with different numbers and equally many bytes, in any order. Data shards come with their padding.
   * Throws RangeError otherwise.
   */
  reconstruct({ k, wanted, available }: {
    readonly k: number
    readonly wanted: readonly number[]
    readonly available: readonly AvailableShard[]
  }): Uint8Array<ArrayBuffer>[] {
    const rows = recoveryRows(k, available.map(({ number }) => number), wanted)
    const length = available[0]!.bytes.length
    if (available.some(({ bytes }) => bytes.length !== length)) {
      throw new RangeError('Cannot rebuild shards: the ranges given differ in length')
    }
    return this.#kernel.combine(rows, available.map(({ bytes }) => bytes), length)
  }
}
