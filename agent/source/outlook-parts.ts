/**
 * What parts of an Outlook archive tell of it, for who has some ranges of it and not the whole file: its header, the roots
 * of both trees and the allocation maps (MS-PST 2.2.2.6, 2.2.2.7.2, 2.2.2.7.7) each carry a checksum.
 *
 * It does not go down the trees and judges no block; for whole archives see outlook-health.ts.
 */
import { type OutlookFormat, type OutlookHeader, parseOutlookHeader } from './outlook-archive.ts'
import { checkOutlookHeader, damageOf, pageLayouts, pageTypes, trailerFault } from './outlook-health.ts'

/** Where the first allocation map lies, and how far it is from each to the next. The 4 KiB layout: as observed and as libpff's documents have it. */
const allocationMaps: Readonly<Record<OutlookFormat, { readonly first: number; readonly step: number }>> = {
  'ansi': { first: 0x4400, step: 253_952 }, 'unicode': { first: 0x4400, step: 253_952 }, 'unicode-4k': { first: 0x22000, step: 16_678_912 },
}

interface KnownPage {
  readonly offset: number
  readonly type: number
  readonly id: bigint
  readonly name: string
}

export class OutlookParts {
  readonly #header: OutlookHeader
  readonly #size: number
  /** What is wrong with the header; undefined when nothing is. */
  readonly headerDamage: string | undefined

  /** `start`: the first `outlookHeaderLength` bytes of a file of `size` bytes. Undefined when they are of no archive. */
  static of(start: Uint8Array, size: number): OutlookParts | undefined {
    const header = parseOutlookHeader(start)
    return header === undefined ? undefined : new OutlookParts(header, size, damageOf(checkOutlookHeader(start, size)))
  }

  private constructor(header: OutlookHeader, size: number, headerDamage: string | undefined) {
    this.#header = header
    this.#size = size
    this.headerDamage = headerDamage
  }

  /** Offsets of the pages to look at first: the roots and the first allocation map. None when the header cannot be trusted. */
  get firstPages(): number[] {
    const { checksumsValid, format } = this.#header
    if (!checksumsValid) return []
    return [...this.#roots().map(({ offset }) => offset), allocationMaps[format].first].filter((offset) => offset + this.#pageSize <= this.#size)
  }

  /** What is wrong with the roots that lie in these bytes of the file, wholly; undefined when nothing is. */
  rootDamageIn(offset: number, bytes: Buffer): string | undefined {
    return this.#damage(this.#roots(), offset, bytes)
  }

  /** The same of the allocation maps, which a backup does not look at: they may have been so before. */
  mapDamageIn(offset: number, bytes: Buffer): string | undefined {
    return this.#damage(this.#maps(offset, bytes.length), offset, bytes)
  }

  #damage(pages: readonly KnownPage[], offset: number, bytes: Buffer): string | undefined {
    const layout = pageLayouts[this.#header.format]
    const damaged = pages.find((page) => {
      const at = page.offset - offset
      return at >= 0 && at + layout.pageSize <= bytes.length && trailerFault(bytes.subarray(at, at + layout.pageSize), layout, page) !== undefined
    })
    return damaged === undefined ? undefined : `${damaged.name} at byte ${damaged.offset} is damaged`
  }

  get #pageSize(): number {
    return pageLayouts[this.#header.format].pageSize
  }

  #roots(): KnownPage[] {
    const { checksumsValid, nodeTree, blockTree } = this.#header
    if (!checksumsValid) return []
    return [
      { offset: Number(nodeTree.offset), type: pageTypes.nodeTree, id: nodeTree.id, name: 'the root of its index of nodes' },
      { offset: Number(blockTree.offset), type: pageTypes.blockTree, id: blockTree.id, name: 'the root of its index of blocks' },
    ]
  }

  /** None while the header says that they are not valid: Outlook makes them anew then (MS-PST 2.6.1.3.8). Their id is their place. */
  #maps(offset: number, length: number): KnownPage[] {
    const { format, allocationMapState, checksumsValid, fileEnd } = this.#header
    if (!checksumsValid || allocationMapState === 0) return []
    const { first, step } = allocationMaps[format]
    const end = Math.min(offset + length, Number(fileEnd))
    const pages: KnownPage[] = []
    for (let at = first + Math.max(0, Math.ceil((offset - first) / step)) * step; at + this.#pageSize <= end; at += step) {
      pages.push({ offset: at, type: pageTypes.allocationMap, id: BigInt(at), name: 'an allocation map' })
    }
    return pages
  }
}
