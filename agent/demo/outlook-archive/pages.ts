import { checksum, signature } from './checksum.ts'
import { pageBytes, pageDataBytes, pageType, readU64, writeU64 } from './layout.ts'
import type { PageRef, PageType } from './layout.ts'
import { HoldfastError } from '../../../shared/errors.ts'

/** Writes the trailer (MS-PST 2.2.2.7.1) of a page whose first 496 bytes are filled. */
export function sealPage(page: Buffer, type: PageType, ref: PageRef): void {
  const isMap = type !== pageType.blockTree && type !== pageType.nodeTree && type !== pageType.densityList
  page[496] = type
  page[497] = type
  page.writeUInt16LE(isMap ? 0 : signature(ref.offset, ref.bid), 498)
  page.writeUInt32LE(checksum(page.subarray(0, pageDataBytes)), 500)
  writeU64(page, ref.bid, 504)
}

/** @throws HoldfastError `file-unreadable` when the page is not what `ref` promises */
export function checkPage(page: Buffer, type: PageType, ref: PageRef): void {
  const whole = page[496] === type && page[497] === type && readU64(page, 504) === ref.bid
    && checksum(page.subarray(0, pageDataBytes)) === page.readUInt32LE(500)
  if (!whole) {
    throw new HoldfastError('file-unreadable', `Cannot read the page at ${ref.offset}: it is damaged`)
  }
}

/**
 * A PMap, FMap or FPMap page (2.2.2.7.3, 2.2.2.7.5, 2.2.2.7.6). Outlook 2007 and later only keep their place and
 * checksum; like rgbFM and rgbFP in the header, they are filled with 0xFF and never change.
 */
export function legacyMapPage(type: PageType, offset: number): Buffer {
  const page = Buffer.alloc(pageBytes)
  page.fill(0xff, 0, pageDataBytes)
  sealPage(page, type, { bid: offset, offset })
  return page
}

export interface Density {
  readonly region: number
  readonly freeSlots: number
}

const densityEntries = 119

/** The density list (2.2.2.7.4.2): the emptiest regions first. `regions` must be sorted so. */
export function densityListPage(regions: readonly Density[], ref: PageRef): Buffer {
  const page = Buffer.alloc(pageBytes)
  const listed = regions.slice(0, densityEntries)
  page[0] = 1
  page[1] = listed.length
  for (const [i, { region, freeSlots }] of listed.entries()) {
    page.writeUInt32LE((freeSlots * 0x10_0000 + region) >>> 0, 8 + 4 * i)
  }
  sealPage(page, pageType.densityList, ref)
  return page
}
