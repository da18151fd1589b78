/**
 * The node database of an archive: nodes and blocks, changed by copy-on-write (MS-PST 2.6.1).
 *
 * 1. `begin` marks the maps as not valid. 2. New blocks and tree pages go to free space or to the end. 3. `commit`
 * syncs them, then writes the header that points to the new trees. 4. Only now is the space of dropped blocks and pages
 * freed and are the maps written. 5. The header says that the maps are valid. A crash before 3 leaves the old trees
 * whole, one after it the new; between 1 and 5 the maps must be rebuilt from the trees.
 *
 * It does not look inside data: streams.ts and the heap do.
 */
import { AllocationMap } from './allocation-map.ts'
import { checksum, signature } from './checksum.ts'
import { decodeHeader, encodeHeader, fileBytes, firstMessageIndex, headerBytes, newHeader } from './header.ts'
import {
  blockSpace, blockTrailerBytes, densityListOffset, firstMapOffset, isInternal, maxBlockBytes, nidType, nodeId, pageBytes,
  pageDataBytes, pageType, readU64, regionBytes, writeU64,
} from './layout.ts'
import { checkPage, densityListPage } from './pages.ts'
import { PageTree } from './page-tree.ts'
import { decodePermuted, encodePermuted } from './permute.ts'
import { RunWriter } from './run-writer.ts'
import type { ArchiveFile } from './archive-file.ts'
import type { ArchiveHeader } from './header.ts'
import type { PageRef } from './layout.ts'
import { HoldfastError } from '../../../shared/errors.ts'

export interface ArchiveNode {
  readonly nid: number
  /** Block id of the data, 0 when there is none. */
  readonly data: number
  /** Block id of the list of subnodes, 0 when there is none. */
  readonly subnodes: number
  readonly parent: number
}

/** A multiple of the page size, so no page lies across two stretches. */
const stretchBytes = 1 << 16
const mostStretches = 128

export class ArchiveStore {
  readonly #file: ArchiveFile
  readonly #header: ArchiveHeader
  readonly #maps: AllocationMap
  readonly #nodes: PageTree
  readonly #blocks: PageTree
  readonly #writer: RunWriter
  readonly #entry = Buffer.alloc(32)
  #bytesAdded = 0
  #inPlaceBytes = 0

  private constructor(
    file: ArchiveFile,
    parts: { header: ArchiveHeader; maps: AllocationMap; nodes: PageTree; blocks: PageTree },
  ) {
    this.#file = file
    this.#header = parts.header
    this.#maps = parts.maps
    this.#nodes = parts.nodes
    this.#blocks = parts.blocks
    this.#writer = new RunWriter(file)
  }

  /** A store in an empty file. */
  static create(file: ArchiveFile): ArchiveStore {
    const parts = { nodes: new PageTree('nodes'), blocks: new PageTree('blocks') }
    return new ArchiveStore(file, { header: newHeader(), maps: new AllocationMap([]), ...parts })
  }

  /** @throws HoldfastError `format-unknown`, `file-unreadable` */
  static async open(file: ArchiveFile): Promise<ArchiveStore> {
    const header = decodeHeader(await file.read(0, headerBytes))
    if (!header.mapsValid) {
      throw new HoldfastError('file-unreadable', 'Cannot change the Outlook archive: it was not closed cleanly')
    }
    const bitmaps: Buffer[] = []
    for (let i = 0; i < header.regions; i++) {
      const offset = firstMapOffset + i * regionBytes
      const page = await file.read(offset, pageBytes)
      checkPage(page, pageType.allocationMap, { bid: offset, offset })
      bitmaps.push(page.subarray(0, pageDataBytes))
    }
    const readPage = pageReader(file)
    const nodes = await PageTree.load('nodes', header.nodeTree, readPage)
    const blocks = await PageTree.load('blocks', header.blockTree, readPage)
    return new ArchiveStore(file, { header, maps: new AllocationMap(bitmaps), nodes, blocks })
  }

  /** File size after a commit now, tree pages not counted. */
  get size(): number {
    return fileBytes(this.#maps.regions)
  }

  /** Space used in a new archive so far, holes at the ends of regions included. */
  get used(): number {
    return this.size - this.#maps.openBytes
  }

  /** Bytes that the changed tree pages of a new archive will take, at most. */
  get treeBytes(): number {
    return (this.#nodes.pages + this.#blocks.pages) * pageBytes
  }

  /** Space of the blocks added since the store was opened. */
  get bytesAdded(): number {
    return this.#bytesAdded
  }

  /** Bytes given to the file since the store was opened. */
  get bytesWritten(): number {
    return this.#writer.written + this.#inPlaceBytes
  }

  /** Bytes of new blocks that wait in memory for `flush`. */
  get pending(): number {
    return this.#writer.pending
  }

  node(nid: number): ArchiveNode | undefined {
    const entry = this.#nodes.get(nid)
    return entry && decodeNode(entry)
  }

  * nodes(): Generator<ArchiveNode> {
    for (const entry of this.#nodes.entries()) yield decodeNode(entry)
  }

  putNode(node: ArchiveNode): void {
    this.#entry.fill(0)
    this.#entry.writeUInt32LE(node.nid, 0)
    writeU64(this.#entry, node.data, 8)
    writeU64(this.#entry, node.subnodes, 16)
    this.#entry.writeUInt32LE(node.parent, 24)
    this.#nodes.put(this.#entry)
  }

  removeNode(nid: number): void {
    this.#nodes.remove(nid)
  }

  /** How many messages this archive ever had. */
  get messageNumber(): number {
    return this.#header.lastNode[nidType.normalMessage]! - firstMessageIndex
  }

  /** A node id that was never used. */
  newNode(type: number): number {
    const index = this.#header.lastNode[type]! + 1
    this.#header.lastNode[type] = index
    return nodeId(type, index)
  }

  /** @param data at most 8176 bytes */
  addBlock(data: Uint8Array, kind: 'data' | 'internal'): number {
    if (data.length === 0 || data.length > maxBlockBytes) throw new RangeError(`A block cannot hold ${data.length} bytes`)
    const bid = this.#header.nextBlock + (kind === 'internal' ? 2 : 0)
    this.#header.nextBlock += 4
    const space = blockSpace(data.length)
    const offset = this.#maps.allocateBlock(space)
    const bytes = this.#writer.reserve(offset, space)
    const stored = bytes.subarray(0, data.length)
    if (kind === 'data') encodePermuted(data, stored)
    else stored.set(data)
    bytes.fill(0, data.length, space - blockTrailerBytes)
    const trailer = space - blockTrailerBytes
    bytes.writeUInt16LE(data.length, trailer)
    bytes.writeUInt16LE(signature(offset, bid), trailer + 2)
    bytes.writeUInt32LE(checksum(stored), trailer + 4)
    writeU64(bytes, bid, trailer + 8)
    this.#putBlock(bid, { offset, length: data.length, references: 2 })
    this.#bytesAdded += space
    return bid
  }

  /** Lets one more node use a block. */
  shareBlock(bid: number): void {
    const block = this.#block(bid)
    this.#putBlock(bid, { ...block, references: block.references + 1 })
  }

  /** Data of a block, decoded. @throws HoldfastError `file-unreadable` when it is damaged or unknown */
  async readBlock(bid: number): Promise<Buffer> {
    if (this.#writer.pending > 0) await this.flush()
    const { offset, length } = this.#block(bid)
    const stored = await this.#file.read(offset, blockSpace(length))
    const trailer = blockSpace(length) - blockTrailerBytes
    const data = stored.subarray(0, length)
    if (stored.length <= trailer || readU64(stored, trailer + 8) !== bid
      || stored.readUInt32LE(trailer + 4) !== checksum(data)) {
      throw new HoldfastError('file-unreadable', `Cannot read the block at ${offset}: it is damaged`)
    }
    return isInternal(bid) ? data : decodePermuted(data)
  }

  /** Gives up one reference to a block; with the last one its space is freed at the commit. */
  dropBlock(bid: number): void {
    const block = this.#block(bid)
    if (block.references > 2) {
      this.#putBlock(bid, { ...block, references: block.references - 1 })
      return
    }
    this.#blocks.remove(bid)
    this.#maps.release(block.offset, blockSpace(block.length))
  }

  /** Announces a change of an existing archive; to be called before the first block is added. */
  async begin(): Promise<void> {
    await this.#writeHeader(false)
    await this.#file.sync()
  }

  /** Writes what waits in memory. The trees on disk do not know of it yet. */
  async flush(): Promise<void> {
    await this.#writer.flush()
  }

  /** @param minimumSize the file gets empty regions up to this size */
  async commit(minimumSize = 0): Promise<void> {
    const nodes = this.#writeTree(this.#nodes)
    const blocks = this.#writeTree(this.#blocks)
    await this.flush()
    while (this.size < minimumSize) this.#maps.addRegion()
    if (await this.#file.size() < this.size) await this.#file.extend(this.size)
    await this.#file.sync()
    this.#header.nodeTree = nodes.root
    this.#header.blockTree = blocks.root
    this.#header.regions = this.#maps.regions
    await this.#writeHeader(false)
    await this.#file.sync()
    for (const { offset } of [...nodes.stale, ...blocks.stale]) this.#maps.release(offset, pageBytes)
    this.#maps.settle()
    for (const { offset, bytes } of this.#maps.takeChangedPages()) this.#writer.put(offset, bytes)
    const densityList = { bid: this.#header.nextPage++, offset: densityListOffset }
    this.#writer.put(densityListOffset, densityListPage(this.#maps.densities(), densityList))
    await this.flush()
    await this.#file.sync()
    this.#header.freeBytes = this.#maps.freeBytes
    await this.#writeHeader(true)
    await this.#file.sync()
  }

  #writeTree(tree: PageTree): { root: PageRef; stale: PageRef[] } {
    return tree.write(
      () => ({ bid: this.#header.nextPage++, offset: this.#maps.allocatePage() }),
      (offset) => this.#writer.reserve(offset, pageBytes),
    )
  }

  async #writeHeader(mapsValid: boolean): Promise<void> {
    this.#header.mapsValid = mapsValid
    this.#header.unique = (this.#header.unique + 1) >>> 0
    await this.#file.write(0, encodeHeader(this.#header))
    this.#inPlaceBytes += headerBytes
  }

  #block(bid: number): { offset: number; length: number; references: number } {
    const entry = this.#blocks.get(bid)
    if (entry === undefined) {
      throw new HoldfastError('file-unreadable', `Cannot read the Outlook archive: block ${bid} is missing`)
    }
    return { offset: readU64(entry, 8), length: entry.readUInt16LE(16), references: entry.readUInt16LE(18) }
  }

  #putBlock(bid: number, block: { offset: number; length: number; references: number }): void {
    this.#entry.fill(0)
    writeU64(this.#entry, bid, 0)
    writeU64(this.#entry, block.offset, 8)
    this.#entry.writeUInt16LE(block.length, 16)
    this.#entry.writeUInt16LE(block.references, 18)
    this.#blocks.put(this.#entry)
  }
}

/** All nodes, read from the node tree alone. @throws HoldfastError `format-unknown`, `file-unreadable` */
export async function readNodes(file: ArchiveFile): Promise<ArchiveNode[]> {
  const header = decodeHeader(await file.read(0, headerBytes))
  const tree = await PageTree.load('nodes', header.nodeTree, pageReader(file))
  return Array.from(tree.entries(), decodeNode)
}

function decodeNode(entry: Buffer): ArchiveNode {
  return {
    nid: entry.readUInt32LE(0),
    data: readU64(entry, 8),
    subnodes: readU64(entry, 16),
    parent: entry.readUInt32LE(24),
  }
}

/** Tree pages often lie together, so one read fetches a stretch of them, and the last stretches are kept. */
function pageReader(file: ArchiveFile): (offset: number) => Promise<Buffer> {
  const stretches = new Map<number, Buffer>()
  return async (offset) => {
    const start = Math.floor(offset / stretchBytes) * stretchBytes
    let stretch = stretches.get(start)
    if (stretch === undefined) {
      stretch = await file.read(start, stretchBytes)
      const [oldest] = stretches.keys()
      if (stretches.size === mostStretches && oldest !== undefined) stretches.delete(oldest)
      stretches.set(start, stretch)
    }
    return stretch.subarray(offset - start, offset - start + pageBytes)
  }
}
