import { createCipheriv, createHash } from 'node:crypto'

const zeros = Buffer.alloc(1 << 20)

/** Random numbers that depend on a seed alone, the same on every machine. Not for secrets. */
export class Random {
  readonly #name: string
  #state: number

  constructor(name: string) {
    this.#name = name
    this.#state = createHash('sha256').update(name).digest().readUInt32LE(0)
  }

  /** From 0 to below 1 (mulberry32). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0
    let t = this.#state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 0x1_0000_0000
  }

  /** From 0 to below `bound`. */
  below(bound: number): number {
    return Math.floor(this.next() * bound)
  }

  chance(probability: number): boolean {
    return this.next() < probability
  }

  pick<T>(items: readonly T[]): T {
    const item = items[this.below(items.length)]
    if (item === undefined) throw new RangeError('There is nothing to pick from')
    return item
  }

  /** Incompressible bytes: an AES-CTR key stream. */
  bytes(length: number): Buffer {
    const key = createHash('sha256').update(`${this.#name}/${this.below(0x1_0000_0000)}`).digest()
    const plain = length <= zeros.length ? zeros.subarray(0, length) : Buffer.alloc(length)
    return createCipheriv('aes-128-ctr', key.subarray(0, 16), key.subarray(16)).update(plain)
  }
}
