/**
 * Heap-on-Node (MS-PST 2.3.1) and the B-tree on it (2.3.2): small items in blocks of 8176 bytes, each with a map of
 * its items. A heap id is `block << 16 | item number << 5`, so items move within their block only, and an edit leaves
 * the other blocks as they are.
 */
import { maxBlockBytes } from './layout.ts'

export const maxItemBytes = 3580
export const propertyContextHeap = 0xbc
export const tableContextHeap = 0x7c
const heapSignature = 0xec
const mostItems = 2047
const treeSignature = 0xb5

interface HeapBlock {
  readonly bytes: Buffer
  /** Where each item ends, from the start of the block. */
  readonly ends: number[]
}

export class Heap {
  readonly #blocks: HeapBlock[] = []

  static decode(blocks: readonly Buffer[]): { heap: Heap; root: number } {
    const heap = new Heap()
    for (const [index, encoded] of blocks.entries()) {
      const bytes = Buffer.alloc(maxBlockBytes)
      const map = encoded.readUInt16LE(0)
      const count = encoded.readUInt16LE(map)
      const ends = Array.from({ length: count }, (_, i) => encoded.readUInt16LE(map + 6 + 2 * i))
      encoded.copy(bytes, 0, 0, ends.at(-1) ?? headBytes(index))
      heap.#blocks.push({ bytes, ends })
    }
    return { heap, root: blocks[0]!.readUInt32LE(4) }
  }

  /** @returns the heap id; 0 for an empty item, which needs none */
  add(item: Uint8Array): number {
    if (item.length === 0) return 0
    if (item.length > maxItemBytes) throw new RangeError(`A heap item cannot hold ${item.length} bytes`)
    const index = this.#blockWithRoom(item.length)
    const { bytes, ends } = this.#blocks[index]!
    const start = ends.at(-1) ?? headBytes(index)
    bytes.set(item, start)
    ends.push(start + item.length)
    return ((index << 16) | (ends.length << 5)) >>> 0
  }

  /** The item, as a view: bytes may be changed in place, until the next `add` or `free`. */
  get(hid: number): Buffer {
    const { index, start, end } = this.#find(hid)
    return this.#blocks[index]!.bytes.subarray(start, end)
  }

  free(hid: number): void {
    if (hid === 0) return
    const { index, item, start, end } = this.#find(hid)
    const { bytes, ends } = this.#blocks[index]!
    const last = ends.at(-1)!
    bytes.copyWithin(start, end, last)
    bytes.fill(0, last - (end - start), last)
    for (let i = item; i < ends.length; i++) ends[i]! -= end - start
    while (ends.length > 0 && ends.at(-1) === (ends.at(-2) ?? headBytes(index))) ends.pop()
  }

  /** The blocks to store. `type` tells readers what the root item is. */
  encode(type: number, root: number): Buffer[] {
    const levels = this.#blocks.map((block, index) => fillLevel(room(block, index)))
    return this.#blocks.map((block, index) => {
      const isLast = index === this.#blocks.length - 1
      const end = block.ends.at(-1) ?? headBytes(index)
      const mapBytes = 4 + 2 * (block.ends.length + 1)
      const map = isLast ? end + (end % 2) : maxBlockBytes - mapBytes
      const encoded = Buffer.alloc(map + mapBytes)
      block.bytes.copy(encoded, 0, 0, end)
      encoded.writeUInt16LE(map, 0)
      if (index === 0) {
        encoded[2] = heapSignature
        encoded[3] = type
        encoded.writeUInt32LE(root, 4)
        writeLevels(encoded.subarray(8, 12), levels.slice(0, 8))
      } else if (hasBitmapHeader(index)) {
        writeLevels(encoded.subarray(2, 66), levels.slice(index, index + 128))
      }
      writeMap(encoded.subarray(map), block.ends, headBytes(index))
      return encoded
    })
  }

  #blockWithRoom(length: number): number {
    const last = this.#blocks.length - 1
    if (last >= 0 && fits(this.#blocks[last]!, last, length)) return last
    const found = this.#blocks.findIndex((block, index) => fits(block, index, length))
    if (found >= 0) return found
    return this.#blocks.push({ bytes: Buffer.alloc(maxBlockBytes), ends: [] }) - 1
  }

  #find(hid: number): { index: number; item: number; start: number; end: number } {
    const index = hid >>> 16
    const item = ((hid & 0xffff) >>> 5) - 1
    const ends = this.#blocks[index]?.ends
    const end = ends?.[item]
    if (ends === undefined || end === undefined) throw new RangeError(`The heap has no item ${hid}`)
    return { index, item, start: item === 0 ? headBytes(index) : ends[item - 1]!, end }
  }
}

/** HNHDR, HNBITMAPHDR (block 8 and each 128th from there) or HNPAGEHDR. */
function headBytes(index: number): number {
  if (index === 0) return 12
  return hasBitmapHeader(index) ? 66 : 2
}

function hasBitmapHeader(index: number): boolean {
  return index >= 8 && (index - 8) % 128 === 0
}

/** Bytes for one more item, when it gets its place in the map. */
function room({ ends }: HeapBlock, index: number): number {
  const end = ends.at(-1) ?? headBytes(index)
  return maxBlockBytes - 1 - end - (4 + 2 * (ends.length + 2))
}

function fits(block: HeapBlock, index: number, length: number): boolean {
  return block.ends.length < mostItems && room(block, index) >= length
}

function writeMap(map: Buffer, ends: readonly number[], head: number): void {
  map.writeUInt16LE(ends.length, 0)
  map.writeUInt16LE(ends.filter((end, i) => end === (ends[i - 1] ?? head)).length, 2)
  map.writeUInt16LE(head, 4)
  for (const [i, end] of ends.entries()) map.writeUInt16LE(end, 6 + 2 * i)
}

/** Fill levels of 2.3.1.2: 0 for at least 3584 free bytes up to 15 for fewer than 8. */
const levelBounds = [3584, 2560, 2048, 1792, 1536, 1280, 1024, 768, 512, 256, 128, 64, 32, 16, 8]

function fillLevel(free: number): number {
  const level = levelBounds.findIndex((bound) => free >= bound)
  return level < 0 ? 15 : level
}

function writeLevels(target: Buffer, levels: readonly number[]): void {
  for (const [i, level] of levels.entries()) target[i >> 1]! |= level << (4 * (i & 1))
}

export interface HeapTreeShape {
  readonly keyBytes: 2 | 4
  readonly valueBytes: number
}

/** Adds the header of a B-tree on the heap; its records come with `fillHeapTree`. */
export function addHeapTree(heap: Heap, { keyBytes, valueBytes }: HeapTreeShape): number {
  return heap.add(Buffer.from([treeSignature, keyBytes, valueBytes, 0, 0, 0, 0, 0]))
}

/** Replaces the records of a B-tree on the heap. `records` are sorted by key, one behind the other. */
export function fillHeapTree(heap: Heap, tree: number, records: Buffer): void {
  const [, keyBytes, valueBytes, levels] = heap.get(tree) as unknown as [number, number, number, number]
  freeLevel(heap, { hid: heap.get(tree).readUInt32LE(4), level: levels, keyBytes })
  let rows = records
  let rowBytes = keyBytes + valueBytes
  for (let level = 0; ; level++) {
    const ids = addRows(heap, rows, rowBytes)
    if (ids.length <= 1) {
      const header = heap.get(tree)
      header[3] = level
      header.writeUInt32LE(ids[0] ?? 0, 4)
      return
    }
    rows = branchRecords(rows, ids, { rowBytes, keyBytes })
    rowBytes = keyBytes + 4
  }
}

/** The records of a B-tree on the heap, one behind the other. */
export function readHeapTree(heap: Heap, tree: number): Buffer {
  const header = heap.get(tree)
  return readLevel(heap, { hid: header.readUInt32LE(4), level: header[3]!, keyBytes: header[1]! })
}

interface Level {
  readonly hid: number
  readonly level: number
  readonly keyBytes: number
}

function children(heap: Heap, { hid, level, keyBytes }: Level): Level[] {
  if (level === 0 || hid === 0) return []
  const rows = heap.get(hid)
  const rowBytes = keyBytes + 4
  return Array.from({ length: rows.length / rowBytes }, (_, i) =>
    ({ hid: rows.readUInt32LE(i * rowBytes + keyBytes), level: level - 1, keyBytes }))
}

function readLevel(heap: Heap, node: Level): Buffer {
  if (node.hid === 0) return Buffer.alloc(0)
  if (node.level === 0) return Buffer.from(heap.get(node.hid))
  return Buffer.concat(children(heap, node).map((child) => readLevel(heap, child)))
}

function freeLevel(heap: Heap, node: Level): void {
  for (const child of children(heap, node)) freeLevel(heap, child)
  heap.free(node.hid)
}

function addRows(heap: Heap, rows: Buffer, rowBytes: number): number[] {
  const step = Math.floor(maxItemBytes / rowBytes) * rowBytes
  const ids: number[] = []
  for (let at = 0; at < rows.length; at += step) ids.push(heap.add(rows.subarray(at, at + step)))
  return ids
}

function branchRecords(
  rows: Buffer, ids: readonly number[], { rowBytes, keyBytes }: { rowBytes: number; keyBytes: number },
): Buffer {
  const step = Math.floor(maxItemBytes / rowBytes) * rowBytes
  const branch = Buffer.alloc(ids.length * (keyBytes + 4))
  for (const [i, id] of ids.entries()) {
    rows.copy(branch, i * (keyBytes + 4), i * step, i * step + keyBytes)
    branch.writeUInt32LE(id, i * (keyBytes + 4) + keyBytes)
  }
  return branch
}
