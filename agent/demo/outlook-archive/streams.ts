/**
 * Data of any length in blocks: XBLOCK and XXBLOCK trees (MS-PST 2.2.2.8.3.2), and lists of subnodes (2.2.2.8.3.3).
 */
import { isInternal, maxBlockBytes, readU64, writeU64 } from './layout.ts'
import type { ArchiveStore } from './store.ts'

const mostChildren = (maxBlockBytes - 8) / 8
const mostSubnodes = Math.floor((maxBlockBytes - 8) / 24)
const dataTree = 1
const subnodeTree = 2

export interface Subnode {
  readonly nid: number
  readonly data: number
  readonly subnodes: number
}

/** Adds bytes as a data tree and returns its block id. Empty data has no block: 0. */
export function addStream(store: ArchiveStore, bytes: Uint8Array): number {
  if (bytes.length === 0) return 0
  return addBlocks(store, splitBlocks(bytes))
}

/** Adds data that is already cut; each block but the last must hold 8176 bytes. */
export function addBlocks(store: ArchiveStore, blocks: readonly Uint8Array[]): number {
  const length = blocks.reduce((sum, block) => sum + block.length, 0)
  return addTree(store, blocks.map((block) => store.addBlock(block, 'data')), length)
}

export function addSubnodes(store: ArchiveStore, subnodes: readonly Subnode[]): number {
  if (subnodes.length === 0) return 0
  if (subnodes.length > mostSubnodes) throw new RangeError(`A list cannot hold ${subnodes.length} subnodes`)
  const list = Buffer.alloc(8 + 24 * subnodes.length)
  list[0] = subnodeTree
  list.writeUInt16LE(subnodes.length, 2)
  const sorted = [...subnodes].sort((a, b) => a.nid - b.nid)
  for (const [i, subnode] of sorted.entries()) {
    writeU64(list, subnode.nid, 8 + 24 * i)
    writeU64(list, subnode.data, 16 + 24 * i)
    writeU64(list, subnode.subnodes, 24 + 24 * i)
  }
  return store.addBlock(list, 'internal')
}

/** The data blocks of a tree, decoded, in order. */
export async function readBlocks(store: ArchiveStore, bid: number): Promise<Buffer[]> {
  const leaves = await leafIds(store, bid)
  return Promise.all(leaves.map((leaf) => store.readBlock(leaf)))
}

/**
 * Writes new content in place of an old data tree and returns its block id. A block that is the same as the old one
 * at its place stays where it is; the others are new and the old ones are dropped.
 */
export async function replaceBlocks(store: ArchiveStore, bid: number, blocks: readonly Buffer[]): Promise<number> {
  const old = await leafIds(store, bid)
  const kept = new Set<number>()
  const leaves: number[] = []
  for (const [i, block] of blocks.entries()) {
    const before = old[i]
    if (before !== undefined && (await store.readBlock(before)).equals(block)) kept.add(before)
    leaves.push(before !== undefined && kept.has(before) ? before : store.addBlock(block, 'data'))
  }
  if (kept.size === old.length && old.length === blocks.length) return bid
  for (const leaf of old) if (!kept.has(leaf) && leaf !== bid) store.dropBlock(leaf)
  if (isInternal(bid)) await dropBranches(store, bid)
  else if (bid !== 0 && !kept.has(bid)) store.dropBlock(bid)
  return addTree(store, leaves, blocks.reduce((sum, block) => sum + block.length, 0))
}

/** Drops a data tree with all its blocks. */
export async function dropStream(store: ArchiveStore, bid: number): Promise<void> {
  if (bid === 0) return
  for (const child of await childIds(store, bid)) await dropStream(store, child)
  store.dropBlock(bid)
}

export async function readSubnodes(store: ArchiveStore, bid: number): Promise<Subnode[]> {
  if (bid === 0) return []
  const list = await store.readBlock(bid)
  return Array.from({ length: list.readUInt16LE(2) }, (_, i) => ({
    nid: list.readUInt32LE(8 + 24 * i),
    data: readU64(list, 16 + 24 * i),
    subnodes: readU64(list, 24 + 24 * i),
  }))
}

/** Drops a list of subnodes with all that is below it. */
export async function dropSubnodes(store: ArchiveStore, bid: number): Promise<void> {
  for (const subnode of await readSubnodes(store, bid)) {
    await dropStream(store, subnode.data)
    await dropSubnodes(store, subnode.subnodes)
  }
  if (bid !== 0) store.dropBlock(bid)
}

function splitBlocks(bytes: Uint8Array): Uint8Array[] {
  const count = Math.ceil(bytes.length / maxBlockBytes)
  return Array.from({ length: count }, (_, i) => bytes.subarray(i * maxBlockBytes, (i + 1) * maxBlockBytes))
}

function addTree(store: ArchiveStore, leaves: readonly number[], length: number): number {
  if (leaves.length <= 1) return leaves[0] ?? 0
  if (leaves.length <= mostChildren) return addBranch(store, { level: 1, children: leaves, length })
  const branches: number[] = []
  for (let i = 0; i < leaves.length; i += mostChildren) {
    const children = leaves.slice(i, i + mostChildren)
    branches.push(addBranch(store, {
      level: 1, children, length: Math.min(length - i * maxBlockBytes, mostChildren * maxBlockBytes),
    }))
  }
  if (branches.length > mostChildren) throw new RangeError(`A stream cannot hold ${length} bytes`)
  return addBranch(store, { level: 2, children: branches, length })
}

function addBranch(
  store: ArchiveStore,
  { level, children, length }: { level: number; children: readonly number[]; length: number },
): number {
  const branch = Buffer.alloc(8 + 8 * children.length)
  branch[0] = dataTree
  branch[1] = level
  branch.writeUInt16LE(children.length, 2)
  branch.writeUInt32LE(length, 4)
  for (const [i, child] of children.entries()) writeU64(branch, child, 8 + 8 * i)
  return store.addBlock(branch, 'internal')
}

async function childIds(store: ArchiveStore, bid: number): Promise<number[]> {
  if (!isInternal(bid)) return []
  const branch = await store.readBlock(bid)
  return Array.from({ length: branch.readUInt16LE(2) }, (_, i) => readU64(branch, 8 + 8 * i))
}

async function leafIds(store: ArchiveStore, bid: number): Promise<number[]> {
  if (bid === 0) return []
  if (!isInternal(bid)) return [bid]
  const below = (await childIds(store, bid)).map((child) => leafIds(store, child))
  return (await Promise.all(below)).flat()
}

async function dropBranches(store: ArchiveStore, bid: number): Promise<void> {
  for (const child of await childIds(store, bid)) if (isInternal(child)) await dropBranches(store, child)
  store.dropBlock(bid)
}
