/**
 * Health of an Outlook archive without Outlook, in two levels:
 *
 * 0. header: magic, version, checksums, recorded length, closed cleanly;
 * 1. both trees: checksum, type, id and level of every page, keys ascending over the whole tree and below the id that
 *    is given out next, every page and every block inside the file and aligned (MS-PST 2.2.2.7.7, 2.2.2.8).
 *
 * It does not read the blocks themselves and does not compare the trees with the allocation maps.
 * Safe on hostile files: a page is entered once, the walk keeps a list as deep as the tree (8 levels at most) and the
 * set of pages seen, problems are listed up to a number and counted beyond, and a limit ends the walk.
 */
import { readSync } from 'node:fs'
import { setImmediate } from 'node:timers/promises'
import { unreadable } from './file-faults.ts'
import { outlookChecksum, outlookHeaderLength, parseOutlookHeader } from './outlook-archive.ts'
import type { OutlookFormat, OutlookHeader, PageReference } from './outlook-archive.ts'

export type HealthProblemKind =
  | 'not-an-archive' | 'header-checksum' | 'truncated' | 'longer-than-recorded' | 'not-closed-cleanly'
  | 'page-outside' | 'page-truncated' | 'page-checksum' | 'page-type' | 'page-id' | 'page-level' | 'page-entries'
  | 'page-twice' | 'keys-not-ascending' | 'block-outside' | 'block-id' | 'too-many-pages'

export interface HealthProblem {
  readonly kind: HealthProblemKind
  /** Offset in the file of the header or page concerned. */
  readonly offset: number
}

export interface ArchiveHealth {
  readonly level: 0 | 1
  /** `damaged`: messages may be lost. `unclean`: it was being written or not closed; Outlook repairs that by itself. */
  readonly state: 'sound' | 'unclean' | 'damaged'
  /** The first problems found. */
  readonly problems: readonly HealthProblem[]
  readonly problemCount: number
  /** Pages, blocks and nodes that the walk went over; 0 at level 0. */
  readonly pages: number
  readonly blocks: number
  readonly nodes: number
}

export interface HealthOptions {
  readonly level: 0 | 1
  readonly signal?: AbortSignal
  /** Tree pages that are read at most; default 4,194,304, as many as an archive of some 250 GB has. */
  readonly maxPages?: number
}

const inWords: Readonly<Record<HealthProblemKind, string>> = {
  'not-an-archive': 'its header cannot be understood', 'header-checksum': 'the checksum of its header is wrong', 'truncated': 'its end is missing',
  'longer-than-recorded': 'it is longer than it says', 'not-closed-cleanly': 'it was not closed cleanly', 'page-outside': 'an index page lies outside of it',
  'page-truncated': 'an index page is cut off', 'page-checksum': 'the checksum of an index page is wrong', 'page-type': 'an index page is of another type',
  'page-id': 'an index page is another one', 'page-level': 'its index is out of order', 'page-entries': 'an index page has impossible entries',
  'page-twice': 'its index leads in a circle', 'keys-not-ascending': 'its index is out of order', 'block-outside': 'data lie outside of it',
  'block-id': 'it holds data from the future', 'too-many-pages': 'its index has no end',
}

/** What is wrong with a damaged archive, for its user; undefined when it is none. */
export function damageOf({ state, problems, problemCount }: ArchiveHealth): string | undefined {
  const first = problems.find(({ kind }) => !repairable.includes(kind))
  if (state !== 'damaged' || first === undefined) return undefined
  return `${inWords[first.kind]}${problemCount > 1 ? ` (the first of ${problemCount} faults)` : ''}`
}

/** Seen in the middle of a write and after an end of power; the trees are whole all the same. */
const repairable: readonly HealthProblemKind[] = ['longer-than-recorded', 'not-closed-cleanly']
const listedProblems = 20
const deepestLevel = 8
const pagesPerTurn = 256

export interface PageLayout {
  readonly pageSize: number
  readonly trailerSize: number
  /** Where the counts of entries and the level lie; the entries end there. */
  readonly metaAt: number
  readonly wide: boolean
  readonly wordSize: 4 | 8
  readonly blockAlignment: number
}

export const pageLayouts: Readonly<Record<OutlookFormat, PageLayout>> = {
  'ansi': { pageSize: 512, trailerSize: 12, metaAt: 496, wide: false, wordSize: 4, blockAlignment: 64 },
  'unicode': { pageSize: 512, trailerSize: 16, metaAt: 488, wide: false, wordSize: 8, blockAlignment: 64 },
  'unicode-4k': { pageSize: 4096, trailerSize: 24, metaAt: 4056, wide: true, wordSize: 8, blockAlignment: 512 },
}

/**
 * Checks the open archive `fd` of `size` bytes. Level 1 reads about 1 % of the file and lets other work run between
 * its reads. Throws `file-unreadable` when a read fails and the signal's reason when it is aborted; damage is a result.
 */
export async function checkOutlookArchive(
  fd: number, file: { size: number, path: string }, options: HealthOptions,
): Promise<ArchiveHealth> {
  const start = Buffer.alloc(Math.min(outlookHeaderLength, file.size))
  const header = readAt(fd, start, 0, file.path) === start.length ? parseOutlookHeader(start) : undefined
  const findings = new Findings()
  if (header === undefined) {
    findings.add('not-an-archive', 0)
    return findings.result(options.level)
  }
  checkHeader(header, file.size, findings)
  if (options.level === 1 && header.checksumsValid) {
    const walk = new TreeWalk(fd, file, header, findings, options)
    await walk.run('block', header.blockTree)
    await walk.run('node', header.nodeTree)
  }
  return findings.result(options.level)
}

/** Level 0, of the first bytes of a file of `size` bytes: `outlookHeaderLength` of them. */
export function checkOutlookHeader(start: Uint8Array, size: number): ArchiveHealth {
  const findings = new Findings()
  const header = parseOutlookHeader(start)
  if (header === undefined) findings.add('not-an-archive', 0)
  else checkHeader(header, size, findings)
  return findings.result(0)
}

function checkHeader(header: OutlookHeader, size: number, findings: Findings): void {
  if (!header.checksumsValid) findings.add('header-checksum', 0)
  if (header.fileEnd > BigInt(size)) findings.add('truncated', 0)
  if (header.fileEnd < BigInt(size)) findings.add('longer-than-recorded', 0)
  if (header.allocationMapState === 0) findings.add('not-closed-cleanly', 0)
}

/** MS-PST 2.2.2.7.1. */
export const pageTypes = { blockTree: 0x80, nodeTree: 0x81, allocationMap: 0x84 } as const

/** PAGETRAILER, MS-PST 2.2.2.7.1; in ANSI archives the id comes before the checksum. */
export function trailerFault(page: Buffer, layout: PageLayout, { type, id }: { type: number; id: bigint }): HealthProblemKind | undefined {
  const at = layout.pageSize - layout.trailerSize
  const long = layout.wordSize === 8
  const checksum = page.readUInt32LE(at + (long ? 4 : 8))
  if (outlookChecksum(page.subarray(0, at)) !== checksum) return 'page-checksum'
  if (page.readUInt8(at) !== type || page.readUInt8(at + 1) !== type) return 'page-type'
  const ownId = long ? page.readBigUInt64LE(at + 8) : BigInt(page.readUInt32LE(at + 4))
  return ownId === id ? undefined : 'page-id'
}

class Findings {
  readonly counts = { page: 0, block: 0, node: 0 }
  readonly #listed: HealthProblem[] = []
  #problems = 0
  #damages = 0

  add(kind: HealthProblemKind, offset: number): void {
    this.#problems += 1
    if (!repairable.includes(kind)) this.#damages += 1
    if (this.#listed.length < listedProblems) this.#listed.push({ kind, offset })
  }

  result(level: 0 | 1): ArchiveHealth {
    return {
      level,
      state: this.#damages > 0 ? 'damaged' : this.#problems > 0 ? 'unclean' : 'sound',
      problems: this.#listed,
      problemCount: this.#problems,
      pages: this.counts.page,
      blocks: this.counts.block,
      nodes: this.counts.node,
    }
  }
}

type Tree = 'block' | 'node'

/** A page still to be read, and the level that its parent implies; the root tells its own. */
interface Visit extends PageReference {
  readonly level: number | undefined
}

interface Page {
  readonly level: number
  readonly count: number
  readonly entrySize: number
}

class TreeWalk {
  readonly #fd: number
  readonly #file: { size: number, path: string }
  readonly #header: OutlookHeader
  readonly #layout: PageLayout
  readonly #findings: Findings
  readonly #options: HealthOptions
  readonly #seen = new Set<bigint>()
  readonly #page: Buffer
  #lastKey = -1n

  constructor(
    fd: number, file: { size: number, path: string }, header: OutlookHeader, findings: Findings, options: HealthOptions,
  ) {
    this.#fd = fd
    this.#file = file
    this.#header = header
    this.#layout = pageLayouts[header.format]
    this.#findings = findings
    this.#options = options
    this.#page = Buffer.alloc(this.#layout.pageSize)
  }

  async run(tree: Tree, root: PageReference): Promise<void> {
    this.#lastKey = -1n
    const pending: Visit[] = [{ ...root, level: undefined }]
    for (let visit = pending.pop(); visit !== undefined; visit = pending.pop()) {
      if (this.#findings.counts.page >= (this.#options.maxPages ?? 4_194_304)) {
        this.#findings.add('too-many-pages', 0)
        return
      }
      if (this.#seen.size % pagesPerTurn === pagesPerTurn - 1) await setImmediate()
      this.#options.signal?.throwIfAborted()
      const page = this.#enter(tree, visit)
      if (page === undefined) continue
      if (page.level > 0) pending.push(...this.#children(page).reverse())
      else this.#checkLeaf(tree, page, Number(visit.offset))
    }
  }

  /** Reads the page into the one buffer and checks it; undefined when what it says cannot be used. */
  #enter(tree: Tree, visit: Visit): Page | undefined {
    const { pageSize, metaAt, wide } = this.#layout
    const size = BigInt(pageSize)
    if (visit.offset < size || visit.offset + size > BigInt(this.#file.size) || visit.offset % 512n !== 0n) {
      return this.#reject('page-outside', 0)
    }
    const offset = Number(visit.offset)
    if (this.#seen.has(visit.offset)) return this.#reject('page-twice', offset)
    this.#seen.add(visit.offset)
    if (readAt(this.#fd, this.#page, offset, this.#file.path) < pageSize) return this.#reject('page-truncated', offset)
    this.#findings.counts.page += 1
    const fault = trailerFault(this.#page, this.#layout, { type: tree === 'block' ? pageTypes.blockTree : pageTypes.nodeTree, id: visit.id })
    if (fault !== undefined) return this.#reject(fault, offset)
    const page = {
      count: wide ? this.#page.readUInt16LE(metaAt) : this.#page.readUInt8(metaAt),
      entrySize: this.#page.readUInt8(metaAt + (wide ? 4 : 2)),
      level: this.#page.readUInt8(metaAt + (wide ? 5 : 3)),
    }
    if (page.level > deepestLevel || (visit.level !== undefined && page.level !== visit.level)) {
      return this.#reject('page-level', offset)
    }
    const smallest = (page.level > 0 ? 3 : tree === 'block' ? 3 : 4) * this.#layout.wordSize
    const isEmptyRoot = page.count === 0 && visit.level === undefined && page.level === 0
    if (page.entrySize < smallest || page.count * page.entrySize > metaAt || (page.count === 0 && !isEmptyRoot)) {
      return this.#reject('page-entries', offset)
    }
    return page
  }

  /** BTENTRY: key, id, offset. */
  #children(page: Page): Visit[] {
    return Array.from({ length: page.count }, (_, i) => ({
      id: this.#word(i * page.entrySize, 1),
      offset: this.#word(i * page.entrySize, 2),
      level: page.level - 1,
    }))
  }

  #checkLeaf(tree: Tree, page: Page, offset: number): void {
    for (let i = 0; i < page.count; i++) {
      const at = i * page.entrySize
      const key = this.#word(at, 0)
      this.#findings.counts[tree] += 1
      if (key <= this.#lastKey) this.#findings.add('keys-not-ascending', offset)
      this.#lastKey = key
      if (tree === 'block') this.#checkBlock(at, key, offset)
    }
  }

  /** BBTENTRY: id, offset, byte count. */
  #checkBlock(at: number, id: bigint, pageOffset: number): void {
    const { blockAlignment, trailerSize, wordSize } = this.#layout
    const offset = this.#word(at, 1)
    const raw = this.#page.readUInt16LE(at + 2 * wordSize) + trailerSize
    const length = BigInt(Math.ceil(raw / blockAlignment) * blockAlignment)
    const inside = offset >= 512n && offset + length <= BigInt(this.#file.size)
    if (!inside || offset % BigInt(blockAlignment) !== 0n) this.#findings.add('block-outside', pageOffset)
    if (id >= this.#header.nextBlockId) this.#findings.add('block-id', pageOffset)
  }

  #word(at: number, index: number): bigint {
    return this.#layout.wordSize === 8
      ? this.#page.readBigUInt64LE(at + 8 * index)
      : BigInt(this.#page.readUInt32LE(at + 4 * index))
  }

  #reject(kind: HealthProblemKind, offset: number): undefined {
    this.#findings.add(kind, offset)
  }
}

/** Bytes read; fewer than the buffer holds at the end of the file. */
function readAt(fd: number, buffer: Buffer, position: number, path: string): number {
  try {
    let filled = 0
    while (filled < buffer.length) {
      const bytesRead = readSync(fd, buffer, filled, buffer.length - filled, position + filled)
      if (bytesRead === 0) break
      filled += bytesRead
    }
    return filled
  } catch (cause) {
    throw unreadable(path, cause)
  }
}
