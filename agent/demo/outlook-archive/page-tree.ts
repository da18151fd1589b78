/**
 * A B-tree of pages in memory (MS-PST 2.2.2.7.7): the node tree (NBT) or the block tree (BBT).
 *
 * It changes as Outlook changes it: a page on disk is never altered. A changed page and all pages above it lose their
 * place and get a new one when the tree is written; the old places are handed back as stale.
 */
import { checkPage, sealPage } from './pages.ts'
import { pageBytes, pageType, readU64, writeU64 } from './layout.ts'
import type { PageRef } from './layout.ts'

const branchEntryBytes = 24
const countAt = 488
const slabBytes = 1 << 18
const noEntries = Buffer.alloc(0)

interface TreePage {
  readonly level: number
  /** Lowest key below this page. */
  low: number
  /** Leaf: `count` entries of the tree's entry size, with room for one too many. */
  readonly entries: Buffer
  count: number
  readonly children: TreePage[]
  /** Where the page lies; undefined once it changed. */
  ref: PageRef | undefined
}

export type TreeKind = 'nodes' | 'blocks'
type Leaf = { readonly page: TreePage; readonly index: number; readonly found: boolean }

const kinds = {
  nodes: { type: pageType.nodeTree, entryBytes: 32, mostEntries: 15 },
  blocks: { type: pageType.blockTree, entryBytes: 24, mostEntries: 20 },
} as const
const mostChildren = 20

export class PageTree {
  readonly #type: typeof pageType.nodeTree | typeof pageType.blockTree
  readonly #entryBytes: number
  readonly #mostEntries: number
  readonly #stale: PageRef[] = []
  #slab: Buffer = noEntries
  #root: TreePage
  #pages = 1

  constructor(kind: TreeKind) {
    this.#type = kinds[kind].type
    this.#entryBytes = kinds[kind].entryBytes
    this.#mostEntries = kinds[kind].mostEntries
    this.#root = this.#newPage(0)
  }

  /** @throws HoldfastError `file-unreadable` when a page is damaged */
  static async load(kind: TreeKind, root: PageRef, read: (offset: number) => Promise<Buffer>): Promise<PageTree> {
    const tree = new PageTree(kind)
    tree.#pages = 0
    tree.#root = await tree.#load(root, read)
    return tree
  }

  get pages(): number {
    return this.#pages
  }

  /** The entry of a key, as a view that is valid until the next change. */
  get(key: number): Buffer | undefined {
    const { page, index, found } = this.#seek(key)
    return found ? this.#entry(page, index) : undefined
  }

  /** Every entry in the order of keys, as views. */
  * entries(page: TreePage = this.#root): Generator<Buffer> {
    for (let i = 0; i < page.count; i++) yield this.#entry(page, i)
    for (const child of page.children) yield* this.entries(child)
  }

  /** Inserts or replaces; the key is the first eight bytes of the entry. */
  put(entry: Buffer): void {
    const right = this.#put(this.#root, readU64(entry, 0), entry)
    if (right === undefined) return
    const left = this.#root
    this.#root = this.#newPage(left.level + 1)
    this.#root.children.push(left, right)
    this.#root.low = left.low
  }

  remove(key: number): void {
    if (!this.#remove(this.#root, key)) throw new RangeError(`The tree has no key ${key}`)
    while (this.#root.children.length === 1) {
      this.#discard(this.#root)
      this.#root = this.#root.children[0]!
    }
  }

  /** Writes each changed page to a place of its own, children first. Returns the root and the places given up. */
  write(place: () => PageRef, emit: (offset: number) => Buffer): { root: PageRef; stale: PageRef[] } {
    const root = this.#write(this.#root, place, emit)
    return { root, stale: this.#stale.splice(0) }
  }

  #newPage(level: number): TreePage {
    this.#pages++
    const entries = level === 0 ? this.#takeEntries() : noEntries
    return { level, low: 0, entries, count: 0, children: [], ref: undefined }
  }

  /** Pages live long, so they share large pieces of memory of their own. */
  #takeEntries(): Buffer {
    const length = (this.#mostEntries + 1) * this.#entryBytes
    if (this.#slab.length < length) this.#slab = Buffer.alloc(slabBytes)
    const entries = this.#slab.subarray(0, length)
    this.#slab = this.#slab.subarray(length)
    return entries
  }

  async #load(ref: PageRef, read: (offset: number) => Promise<Buffer>): Promise<TreePage> {
    const bytes = await read(ref.offset)
    checkPage(bytes, this.#type, ref)
    const count = bytes[countAt]!
    const page = this.#newPage(bytes[countAt + 3]!)
    page.ref = ref
    page.low = readU64(bytes, 0)
    if (page.level === 0) {
      bytes.copy(page.entries, 0, 0, count * this.#entryBytes)
      page.count = count
      return page
    }
    for (let at = 0; at < count * branchEntryBytes; at += branchEntryBytes) {
      const child = { bid: readU64(bytes, at + 8), offset: readU64(bytes, at + 16) }
      page.children.push(await this.#load(child, read))
    }
    return page
  }

  #entry(page: TreePage, index: number): Buffer {
    return page.entries.subarray(index * this.#entryBytes, (index + 1) * this.#entryBytes)
  }

  #keyAt(page: TreePage, index: number): number {
    return readU64(page.entries, index * this.#entryBytes)
  }

  #childFor(page: TreePage, key: number): number {
    let low = 0
    let high = page.children.length - 1
    while (low < high) {
      const middle = (low + high + 1) >> 1
      if (page.children[middle]!.low <= key) low = middle
      else high = middle - 1
    }
    return low
  }

  #indexFor(page: TreePage, key: number): number {
    let low = 0
    let high = page.count
    while (low < high) {
      const middle = (low + high) >> 1
      if (this.#keyAt(page, middle) < key) low = middle + 1
      else high = middle
    }
    return low
  }

  #seek(key: number): Leaf {
    let page = this.#root
    while (page.level > 0) page = page.children[this.#childFor(page, key)]!
    const index = this.#indexFor(page, key)
    return { page, index, found: index < page.count && this.#keyAt(page, index) === key }
  }

  #change(page: TreePage): void {
    if (page.ref !== undefined) this.#stale.push(page.ref)
    page.ref = undefined
  }

  #discard(page: TreePage): void {
    this.#change(page)
    this.#pages--
  }

  #put(page: TreePage, key: number, entry: Buffer): TreePage | undefined {
    this.#change(page)
    if (page.level > 0) {
      const at = this.#childFor(page, key)
      const right = this.#put(page.children[at]!, key, entry)
      if (right !== undefined) page.children.splice(at + 1, 0, right)
      page.low = page.children[0]!.low
      return page.children.length > mostChildren ? this.#split(page) : undefined
    }
    const index = this.#indexFor(page, key)
    const at = index * this.#entryBytes
    if (index === page.count || this.#keyAt(page, index) !== key) {
      page.entries.copyWithin(at + this.#entryBytes, at, page.count * this.#entryBytes)
      page.count++
    }
    entry.copy(page.entries, at, 0, this.#entryBytes)
    page.low = this.#keyAt(page, 0)
    return page.count > this.#mostEntries ? this.#split(page) : undefined
  }

  /** Moves the upper half to a new page, so pages that grew by ascending keys stay half full, as Outlook's are. */
  #split(page: TreePage): TreePage {
    const right = this.#newPage(page.level)
    if (page.level > 0) {
      right.children.push(...page.children.splice(page.children.length >> 1))
      right.low = right.children[0]!.low
      return right
    }
    const kept = page.count >> 1
    right.count = page.count - kept
    page.entries.copy(right.entries, 0, kept * this.#entryBytes, page.count * this.#entryBytes)
    page.count = kept
    right.low = this.#keyAt(right, 0)
    return right
  }

  #remove(page: TreePage, key: number): boolean {
    if (page.level === 0) {
      const index = this.#indexFor(page, key)
      if (index === page.count || this.#keyAt(page, index) !== key) return false
      page.entries.copyWithin(index * this.#entryBytes, (index + 1) * this.#entryBytes, page.count * this.#entryBytes)
      page.count--
      if (page.count > 0) page.low = this.#keyAt(page, 0)
    } else {
      const at = this.#childFor(page, key)
      const child = page.children[at]!
      if (!this.#remove(child, key)) return false
      if (child.count === 0 && child.children.length === 0) {
        page.children.splice(at, 1)
        this.#discard(child)
      }
      if (page.children.length > 0) page.low = page.children[0]!.low
    }
    this.#change(page)
    return true
  }

  #write(page: TreePage, place: () => PageRef, emit: (offset: number) => Buffer): PageRef {
    if (page.ref !== undefined) return page.ref
    const children = page.children.map((child) => this.#write(child, place, emit))
    const ref = place()
    const bytes = emit(ref.offset)
    bytes.fill(0)
    for (const [i, child] of children.entries()) {
      writeU64(bytes, page.children[i]!.low, i * branchEntryBytes)
      writeU64(bytes, child.bid, i * branchEntryBytes + 8)
      writeU64(bytes, child.offset, i * branchEntryBytes + 16)
    }
    page.entries.copy(bytes, 0, 0, page.count * this.#entryBytes)
    const isLeaf = page.level === 0
    bytes[countAt] = isLeaf ? page.count : children.length
    bytes[countAt + 1] = isLeaf ? this.#mostEntries : mostChildren
    bytes[countAt + 2] = isLeaf ? this.#entryBytes : branchEntryBytes
    bytes[countAt + 3] = page.level
    sealPage(bytes.subarray(0, pageBytes), this.#type, ref)
    page.ref = ref
    return ref
  }
}
