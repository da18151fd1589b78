/**
 * Which 64-byte slots of the file are in use (MS-PST 2.2.2.7.2).
 *
 * New space is taken from one region after the other: at the start of a change, the emptiest first (as the density
 * list has it), then new regions at the end. Space that is given up during a change becomes free only with `settle`,
 * so nothing that the trees on disk refer to is overwritten.
 */
import { legacyMapPage, sealPage } from './pages.ts'
import type { Density } from './pages.ts'
import {
  firstMapOffset, pageBytes, pageDataBytes, pageSlots, pageType, regionBytes, regionSlots, slotBytes,
} from './layout.ts'
import type { PageType } from './layout.ts'

/** A region with less free space than this is not worth a visit: 32 KiB. */
const worthwhileSlots = 512

interface Region {
  readonly bits: Buffer
  freeSlots: number
  changed: boolean
}

export interface MapPage {
  readonly offset: number
  readonly bytes: Buffer
}

export class AllocationMap {
  readonly #regions: Region[] = []
  readonly #given: { offset: number; bytes: number }[] = []
  readonly #newLegacyPages: MapPage[] = []
  #candidates: number[] = []
  #open = -1
  #scan = 0

  /** @param bitmaps the 496 data bytes of each AMap page of an existing file */
  constructor(bitmaps: readonly Buffer[]) {
    for (const bits of bitmaps) this.#regions.push({ bits, freeSlots: countZeroBits(bits), changed: false })
    this.#candidates = this.densities().filter((d) => d.freeSlots >= worthwhileSlots).map((d) => d.region).reverse()
  }

  get regions(): number {
    return this.#regions.length
  }

  get freeBytes(): number {
    return this.#regions.reduce((sum, region) => sum + region.freeSlots, 0) * slotBytes
  }

  /** Free bytes behind the last allocation; the rest of a region that is filled in order. */
  get openBytes(): number {
    return this.#open < 0 ? 0 : (regionSlots - this.#scan) * slotBytes
  }

  /** Regions with free slots, the emptiest first. */
  densities(): Density[] {
    return this.#regions
      .map(({ freeSlots }, region) => ({ region, freeSlots }))
      .filter(({ freeSlots }) => freeSlots > 0)
      .sort((a, b) => b.freeSlots - a.freeSlots || a.region - b.region)
  }

  allocateBlock(bytes: number): number {
    return this.#allocate(bytes / slotBytes, 1)
  }

  allocatePage(): number {
    return this.#allocate(pageSlots, pageSlots)
  }

  /** Gives up space, at the next `settle`. */
  release(offset: number, bytes: number): void {
    this.#given.push({ offset, bytes })
  }

  settle(): void {
    for (const { offset, bytes } of this.#given.splice(0)) {
      const index = Math.floor((offset - firstMapOffset) / regionBytes)
      this.#mark(index, (offset - firstMapOffset - index * regionBytes) / slotBytes, bytes / slotBytes, false)
    }
  }

  /** Adds a region with its map pages in place: AMap, each 8th PMap, FMap and FPMap where they are due. */
  addRegion(): void {
    const index = this.#regions.length
    const legacy: PageType[] = []
    if (index % 8 === 0) legacy.push(pageType.allocationPageMap)
    if (index >= 128 && (index - 128) % 496 === 0) legacy.push(pageType.freeMap)
    if (index >= 8192 && (index - 8192) % (496 * 64) === 0) legacy.push(pageType.freePageMap)
    const start = firstMapOffset + index * regionBytes
    for (const [i, type] of legacy.entries()) {
      const offset = start + (i + 1) * pageBytes
      this.#newLegacyPages.push({ offset, bytes: legacyMapPage(type, offset) })
    }
    this.#regions.push({ bits: Buffer.alloc(pageDataBytes), freeSlots: regionSlots, changed: true })
    this.#mark(index, 0, (legacy.length + 1) * pageSlots, true)
  }

  /** The AMap pages that changed and the legacy map pages of new regions, in the order of offsets. */
  takeChangedPages(): MapPage[] {
    const pages = this.#newLegacyPages.splice(0)
    for (const [index, region] of this.#regions.entries()) {
      if (!region.changed) continue
      region.changed = false
      const offset = firstMapOffset + index * regionBytes
      const bytes = Buffer.alloc(pageBytes)
      region.bits.copy(bytes)
      sealPage(bytes, pageType.allocationMap, { bid: offset, offset })
      pages.push({ offset, bytes })
    }
    return pages.sort((a, b) => a.offset - b.offset)
  }

  #allocate(slots: number, alignment: number): number {
    for (;;) {
      const at = this.#open < 0 ? -1 : findRun(this.#regions[this.#open]!.bits, this.#scan, slots, alignment)
      if (at >= 0) {
        this.#mark(this.#open, at, slots, true)
        this.#scan = at + slots
        return firstMapOffset + this.#open * regionBytes + at * slotBytes
      }
      const next = this.#candidates.pop()
      if (next === undefined) this.addRegion()
      this.#open = next ?? this.#regions.length - 1
      this.#scan = 0
    }
  }

  #mark(index: number, first: number, slots: number, used: boolean): void {
    const region = this.#regions[index]!
    for (let slot = first; slot < first + slots; slot++) {
      const bit = 0x80 >> (slot & 7)
      if (used) region.bits[slot >> 3]! |= bit
      else region.bits[slot >> 3]! &= ~bit
    }
    region.freeSlots += used ? -slots : slots
    region.changed = true
  }
}

/** First run of `slots` zero bits at or after `from`, its start a multiple of `alignment`; -1 when there is none. */
function findRun(bits: Buffer, from: number, slots: number, alignment: number): number {
  let start = Math.ceil(from / alignment) * alignment
  while (start + slots <= regionSlots) {
    let slot = start
    while (slot < start + slots && (bits[slot >> 3]! & (0x80 >> (slot & 7))) === 0) slot++
    if (slot === start + slots) return start
    start = Math.ceil((slot + 1) / alignment) * alignment
  }
  return -1
}

function countZeroBits(bits: Buffer): number {
  let ones = 0
  for (const byte of bits) for (let rest = byte; rest !== 0; rest &= rest - 1) ones++
  return bits.length * 8 - ones
}
