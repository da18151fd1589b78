/** A set of byte ranges `[start, end)`, kept sorted and merged. */

export type ByteRange = readonly [start: number, end: number]

export class ByteRanges {
  #ranges: ByteRange[] = []

  constructor(ranges: Iterable<ByteRange> = []) {
    for (const [start, end] of ranges) this.add(start, end)
  }

  add(start: number, end: number): void {
    if (start >= end) return
    const from = this.#firstEndingAtOrAfter(start)
    let to = from
    let [low, high] = [start, end]
    for (let range = this.#ranges[to]; range !== undefined && range[0] <= end; range = this.#ranges[to]) {
      low = Math.min(low, range[0])
      high = Math.max(high, range[1])
      to += 1
    }
    this.#ranges.splice(from, to - from, [low, high])
  }

  has(start: number, end: number): boolean {
    if (start >= end) return true
    const range = this.#ranges[this.#firstEndingAtOrAfter(end)]
    return range !== undefined && range[0] <= start
  }

  list(): readonly ByteRange[] {
    return [...this.#ranges]
  }

  #firstEndingAtOrAfter(position: number): number {
    let [low, high] = [0, this.#ranges.length]
    while (low < high) {
      const middle = (low + high) >>> 1
      if ((this.#ranges[middle]?.[1] ?? 0) < position) low = middle + 1
      else high = middle
    }
    return low
  }
}
