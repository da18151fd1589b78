/**
 * Table context (MS-PST 2.3.4): rows of a folder's or a message's table.
 *
 * Fixed-size cells stand in the row matrix, others in the heap. A removed row's place is taken by the last row and heap
 * items stay in their blocks, so that an edit of a long table changes few of its blocks.
 */
import { addHeapTree, fillHeapTree, Heap, maxItemBytes, readHeapTree, tableContextHeap } from './heap.ts'
import { maxBlockBytes, nidType, nodeId } from './layout.ts'
import { cellBytes, encodeValue, isInlineCell, tag } from './properties.ts'
import type { Value } from './properties.ts'

/** The subnode that holds the rows of a table too long for the heap. */
export const rowsNode = nodeId(nidType.localProperty, 1)
const infoBytes = 22
const descriptorBytes = 8

interface Column {
  readonly tag: number
  readonly offset: number
  readonly bytes: number
  readonly bit: number
}

interface Layout {
  readonly columns: readonly Column[]
  readonly end4: number
  readonly end2: number
  readonly end1: number
  readonly rowBytes: number
}

export interface EncodedTable {
  readonly heap: Buffer[]
  /** Blocks of the row matrix, when it is not in the heap. */
  readonly rows: Buffer[] | undefined
}

export type Cells = readonly (readonly [tag: number, value: Value])[]

export class Table {
  readonly #heap: Heap
  readonly #tree: number
  readonly #info: number
  readonly #layout: Layout
  readonly #rows: Buffer[]
  readonly #places = new Map<number, number>()

  private constructor(parts: { heap: Heap; tree: number; info: number; layout: Layout; rows: Buffer[] }) {
    this.#heap = parts.heap
    this.#tree = parts.tree
    this.#info = parts.info
    this.#layout = parts.layout
    this.#rows = parts.rows
    for (const [place, row] of this.#rows.entries()) this.#places.set(row.readUInt32LE(0), place)
  }

  /** @param columns tags in the order of their places in a row; row id and row version are added */
  static create(columns: readonly number[]): Table {
    const heap = new Heap()
    const layout = layOut([tag.rowId, tag.rowVersion, ...columns])
    const tree = addHeapTree(heap, { keyBytes: 4, valueBytes: 4 })
    const info = heap.add(encodeInfo(layout, tree))
    return new Table({ heap, tree, info, layout, rows: [] })
  }

  static decode({ heap: blocks, rows: rowBlocks }: EncodedTable): Table {
    const { heap, root } = Heap.decode(blocks)
    const info = heap.get(root)
    const layout = decodeLayout(info)
    const inHeap = info.readUInt32LE(14)
    const source = rowBlocks ?? (inHeap === 0 ? [] : [Buffer.from(heap.get(inHeap))])
    const rows = source.flatMap((block) => cutRows(block, layout.rowBytes))
    const tree = info.readUInt32LE(10)
    const count = readHeapTree(heap, tree).length / 8
    const table = new Table({ heap, tree, info: root, layout, rows: rows.slice(0, count) })
    if (rowBlocks === undefined) table.#freeInlineRows()
    return table
  }

  get size(): number {
    return this.#rows.length
  }

  add(rowId: number, cells: Cells): void {
    const row = Buffer.alloc(this.#layout.rowBytes)
    this.#write(row, tag.rowId, encodeValue(tag.rowId, rowId))
    this.#write(row, tag.rowVersion, encodeValue(tag.rowVersion, this.#rows.length + 1))
    for (const [column, value] of cells) {
      const bytes = encodeValue(column, value)
      this.#write(row, column, isInlineCell(column) ? bytes : encodeId(this.#heap.add(bytes)))
    }
    this.#places.set(rowId, this.#rows.push(row) - 1)
  }

  remove(rowId: number): void {
    const place = this.#place(rowId)
    const row = this.#rows[place]!
    for (const column of this.#layout.columns) {
      if (!isInlineCell(column.tag)) this.#heap.free(row.readUInt32LE(column.offset))
    }
    const last = this.#rows.pop()!
    this.#places.delete(rowId)
    if (last === row) return
    this.#rows[place] = last
    this.#places.set(last.readUInt32LE(0), place)
  }

  /** Changes an integer cell. */
  set(rowId: number, column: number, value: number): void {
    this.#write(this.#rows[this.#place(rowId)]!, column, encodeValue(column, value))
  }

  encode(): EncodedTable {
    const order = [...this.#places].sort(([a], [b]) => a - b)
    const records = Buffer.alloc(order.length * 8)
    for (const [i, [rowId, place]] of order.entries()) {
      records.writeUInt32LE(rowId, i * 8)
      records.writeUInt32LE(place, i * 8 + 4)
    }
    fillHeapTree(this.#heap, this.#tree, records)
    const isInline = this.#rows.length * this.#layout.rowBytes <= maxItemBytes
    const id = isInline ? this.#heap.add(Buffer.concat(this.#rows)) : rowsNode
    this.#heap.get(this.#info).writeUInt32LE(id, 14)
    const heap = this.#heap.encode(tableContextHeap, this.#info)
    if (isInline) this.#freeInlineRows()
    return { heap, rows: isInline ? undefined : this.#rowBlocks() }
  }

  #freeInlineRows(): void {
    this.#heap.free(this.#heap.get(this.#info).readUInt32LE(14))
    this.#heap.get(this.#info).writeUInt32LE(0, 14)
  }

  #place(rowId: number): number {
    const place = this.#places.get(rowId)
    if (place === undefined) throw new RangeError(`The table has no row ${rowId}`)
    return place
  }

  #write(row: Buffer, column: number, bytes: Buffer): void {
    const found = this.#layout.columns.find((candidate) => candidate.tag === column)
    if (found === undefined) throw new RangeError(`The table has no column ${column.toString(16)}`)
    bytes.copy(row, found.offset, 0, found.bytes)
    row[this.#layout.end1 + (found.bit >> 3)]! |= 0x80 >> (found.bit & 7)
  }

  /** Rows never lie across blocks; each block but the last is filled up to its full size (2.3.4.4.1). */
  #rowBlocks(): Buffer[] {
    const { rowBytes } = this.#layout
    const perBlock = Math.floor(maxBlockBytes / rowBytes)
    const blocks: Buffer[] = []
    for (let i = 0; i < this.#rows.length; i += perBlock) {
      const isLast = i + perBlock >= this.#rows.length
      const rows = this.#rows.slice(i, i + perBlock)
      blocks.push(Buffer.concat(rows, isLast ? rows.length * rowBytes : maxBlockBytes))
    }
    return blocks
  }
}

function encodeId(hid: number): Buffer {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32LE(hid)
  return bytes
}

function cutRows(block: Buffer, rowBytes: number): Buffer[] {
  const count = Math.floor(block.length / rowBytes)
  return Array.from({ length: count }, (_, i) => block.subarray(i * rowBytes, (i + 1) * rowBytes))
}

/** Cells of four and eight bytes first, then those of one; all in the given order. No column here takes two bytes. */
function layOut(tags: readonly number[]): Layout {
  const offsets = new Map<number, number>()
  let end = 0
  for (const column of tags.filter((t) => cellBytes(t) >= 4)) {
    offsets.set(column, end)
    end += cellBytes(column)
  }
  const end4 = end
  for (const column of tags.filter((t) => cellBytes(t) === 1)) offsets.set(column, end++)
  const columns = tags.map((column, bit) =>
    ({ tag: column, offset: offsets.get(column)!, bytes: cellBytes(column), bit }))
  return { columns, end4, end2: end4, end1: end, rowBytes: end + Math.ceil(tags.length / 8) }
}

/** TCINFO and the column descriptors, which are sorted by tag (2.3.4.1, 2.3.4.2). */
function encodeInfo(layout: Layout, tree: number): Buffer {
  const info = Buffer.alloc(infoBytes + descriptorBytes * layout.columns.length)
  info[0] = tableContextHeap
  info[1] = layout.columns.length
  for (const [i, end] of [layout.end4, layout.end2, layout.end1, layout.rowBytes].entries()) {
    info.writeUInt16LE(end, 2 + 2 * i)
  }
  info.writeUInt32LE(tree, 10)
  const sorted = [...layout.columns].sort((a, b) => a.tag - b.tag)
  for (const [i, column] of sorted.entries()) {
    const at = infoBytes + descriptorBytes * i
    info.writeUInt32LE(column.tag, at)
    info.writeUInt16LE(column.offset, at + 4)
    info[at + 6] = column.bytes
    info[at + 7] = column.bit
  }
  return info
}

function decodeLayout(info: Buffer): Layout {
  const columns = Array.from({ length: info[1]! }, (_, i) => {
    const at = infoBytes + descriptorBytes * i
    return {
      tag: info.readUInt32LE(at), offset: info.readUInt16LE(at + 4), bytes: info[at + 6]!, bit: info[at + 7]!,
    }
  })
  return {
    columns,
    end4: info.readUInt16LE(2), end2: info.readUInt16LE(4), end1: info.readUInt16LE(6),
    rowBytes: info.readUInt16LE(8),
  }
}
