/** Property context (MS-PST 2.3.3): the properties of a message, a folder, an attachment or the store. */
import { addHeapTree, fillHeapTree, Heap, maxItemBytes, propertyContextHeap, readHeapTree } from './heap.ts'
import { encodeValue, isInlineProperty, typeOf } from './properties.ts'
import type { Properties } from './properties.ts'

const recordBytes = 8

/** @param addLarge stores a value that is too large for the heap and returns the id of its subnode */
export function encodeProperties(properties: Properties, addLarge?: (value: Buffer) => number): Buffer[] {
  const heap = new Heap()
  const tree = addHeapTree(heap, { keyBytes: 2, valueBytes: 6 })
  const sorted = [...properties].sort(([a], [b]) => a - b)
  const records = Buffer.alloc(sorted.length * recordBytes)
  for (const [i, [tag, value]] of sorted.entries()) {
    const bytes = encodeValue(tag, value)
    records.writeUInt16LE(tag >>> 16, i * recordBytes)
    records.writeUInt16LE(typeOf(tag), i * recordBytes + 2)
    if (isInlineProperty(tag)) bytes.copy(records, i * recordBytes + 4)
    else records.writeUInt32LE(place(heap, bytes, addLarge), i * recordBytes + 4)
  }
  fillHeapTree(heap, tree, records)
  return heap.encode(propertyContextHeap, tree)
}

function place(heap: Heap, bytes: Buffer, addLarge: ((value: Buffer) => number) | undefined): number {
  if (bytes.length <= maxItemBytes) return heap.add(bytes)
  if (addLarge === undefined) throw new RangeError(`A property of ${bytes.length} bytes needs a subnode`)
  return addLarge(bytes)
}

/** The same properties with one integer changed. */
export function withInteger(blocks: readonly Buffer[], tag: number, value: number): Buffer[] {
  const { heap, root } = Heap.decode(blocks)
  const records = heap.get(heap.get(root).readUInt32LE(4))
  records.writeUInt32LE(value, findRecord(records, tag) + 4)
  return heap.encode(propertyContextHeap, root)
}

/** A text property that is in the heap. */
export function readText(blocks: readonly Buffer[], tag: number): string {
  const { heap, root } = Heap.decode(blocks)
  const records = readHeapTree(heap, root)
  const hid = records.readUInt32LE(findRecord(records, tag) + 4)
  return hid === 0 ? '' : heap.get(hid).toString('utf16le')
}

function findRecord(records: Buffer, tag: number): number {
  for (let at = 0; at < records.length; at += recordBytes) {
    if (records.readUInt16LE(at) === tag >>> 16) return at
  }
  throw new RangeError(`There is no property ${tag.toString(16)}`)
}
