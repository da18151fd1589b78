/**
 * Reads a Unicode PST from memory and lists what is wrong with it (MS-PST 2.2, 2.3). Written from the specification
 * alone: it shares no code with the generator.
 */

const crcTable = Uint32Array.from({ length: 256 }, (_, n) => {
  let value = n
  for (let bit = 0; bit < 8; bit++) value = value & 1 ? (value >>> 1) ^ 0xedb88320 : value >>> 1
  return value >>> 0
})

export function crc(bytes: Uint8Array): number {
  let value = 0
  for (const byte of bytes) value = crcTable[(value ^ byte) & 255]! ^ (value >>> 8)
  return value >>> 0
}

export interface Block { bid: number; offset: number; length: number; references: number }
export interface Node { nid: number; data: number; subnodes: number; parent: number }
interface Page { bid: number; offset: number }

export interface Inspection {
  readonly errors: string[]
  readonly mapsValid: boolean
  readonly nextBlock: number
  readonly nextPage: number
  readonly blocks: Map<number, Block>
  readonly nodes: Map<number, Node>
  readonly pages: Map<number, Page>
  /** Space that the AMaps call used though nothing refers to it, in slots of 64 bytes. */
  readonly leakedSlots: number
}

const u64 = (bytes: Buffer, at: number): number => Number(bytes.readBigUInt64LE(at))
const space = (length: number): number => Math.ceil((length + 16) / 64) * 64
const foldedSignature = (offset: number, bid: number): number => {
  const mixed = BigInt(offset) ^ BigInt(bid)
  return Number(((mixed >> 16n) ^ mixed) & 0xffffn)
}

/** Checks header, tree pages and blocks; the maps and the use of space only when the header calls the maps valid. */
export function inspect(file: Buffer): Inspection {
  const errors: string[] = []
  const check = (holds: boolean, what: string): void => { if (!holds) errors.push(what) }
  check(file.toString('latin1', 0, 4) === '!BDN' && file.toString('latin1', 8, 10) === 'SM', 'magic')
  check(file.readUInt16LE(10) === 23, 'version')
  check(crc(file.subarray(8, 479)) === file.readUInt32LE(4), 'header crc')
  check(crc(file.subarray(8, 524)) === file.readUInt32LE(524), 'header full crc')
  check(file[512] === 0x80 && file[513] === 1, 'sentinel and crypt method')
  const pages = new Map<number, Page>()
  const blocks = new Map<number, Block>()
  const nodes = new Map<number, Node>()
  const walk = (ref: Page, type: number, level: number | undefined, leaf: (entry: Buffer) => void): void => {
    const page = file.subarray(ref.offset, ref.offset + 512)
    const at = `page at ${ref.offset}`
    if (page.length < 512 || ref.offset % 512 !== 0) return void errors.push(`${at}: place`)
    check(page[496] === type && page[497] === type, `${at}: type`)
    check(u64(page, 504) === ref.bid, `${at}: id`)
    check(page.readUInt16LE(498) === foldedSignature(ref.offset, ref.bid), `${at}: signature`)
    if (crc(page.subarray(0, 496)) !== page.readUInt32LE(500)) return void errors.push(`${at}: crc`)
    check(level === undefined || page[491] === level, `${at}: level`)
    pages.set(ref.offset, ref)
    const count = page[488]!
    const size = page[490]!
    check(count > 0 && count <= page[489]! && page[489]! * size <= 488, `${at}: count`)
    let last = -1
    for (let i = 0; i < count; i++) {
      const entry = page.subarray(i * size, (i + 1) * size)
      check(u64(entry, 0) > last, `${at}: order`)
      last = u64(entry, 0)
      if (page[491] === 0) {
        leaf(entry)
        continue
      }
      const child = { bid: u64(entry, 8), offset: u64(entry, 16) }
      check(u64(file, child.offset) === last, `${at}: key of child ${i}`)
      walk(child, type, page[491]! - 1, leaf)
    }
  }
  walk({ bid: u64(file, 232), offset: u64(file, 240) }, 0x80, undefined, (entry) => {
    const bid = u64(entry, 0)
    blocks.set(bid, { bid, offset: u64(entry, 8), length: entry.readUInt16LE(16), references: entry.readUInt16LE(18) })
  })
  walk({ bid: u64(file, 216), offset: u64(file, 224) }, 0x81, undefined, (entry) => {
    const nid = entry.readUInt32LE(0)
    nodes.set(nid, { nid, data: u64(entry, 8), subnodes: u64(entry, 16), parent: entry.readUInt32LE(24) })
  })
  const nextBlock = u64(file, 516)
  const nextPage = u64(file, 32)
  for (const block of blocks.values()) checkBlock(file, block, nextBlock, check)
  for (const page of pages.values()) check(page.bid < nextPage, `page at ${page.offset}: id not below the next`)
  const mapsValid = file[248] === 2
  let leakedSlots = 0
  if (mapsValid) leakedSlots = checkSpace(file, { blocks, pages }, check)
  const used = new Map<number, number>()
  const reader = new Reader(file, blocks, used, errors)
  for (const node of nodes.values()) reader.countNode(node)
  for (const { bid, references } of blocks.values()) {
    check(references === (used.get(bid) ?? 0) + 1, `block ${bid}: ${references} references, used ${used.get(bid) ?? 0}`)
  }
  return { errors, mapsValid, nextBlock, nextPage, blocks, nodes, pages, leakedSlots }
}

type Check = (holds: boolean, what: string) => void

function checkBlock(file: Buffer, block: Block, nextBlock: number, check: Check): void {
  const { bid, offset, length } = block
  const trailer = offset + space(length) - 16
  const at = `block ${bid}`
  check(offset % 64 === 0 && trailer + 16 <= file.length && length > 0 && length <= 8176, `${at}: place`)
  if (trailer + 16 > file.length) return
  check((bid & ~2) < nextBlock, `${at}: id not below the next`)
  check(file.readUInt16LE(trailer) === length, `${at}: length`)
  check(file.readUInt16LE(trailer + 2) === foldedSignature(offset, bid), `${at}: signature`)
  check(file.readUInt32LE(trailer + 4) === crc(file.subarray(offset, offset + length)), `${at}: crc`)
  check(u64(file, trailer + 8) === bid, `${at}: id`)
}

/** Every slot has at most one user, and the AMaps say so. */
function checkSpace(
  file: Buffer, { blocks, pages }: { blocks: Map<number, Block>; pages: Map<number, Page> }, check: Check,
): number {
  const regions = (u64(file, 184) - 0x4400) / 253952
  check(Number.isInteger(regions) && u64(file, 184) === file.length, 'file size')
  check(u64(file, 192) === 0x4400 + (regions - 1) * 253952, 'last map')
  const used = new Uint8Array(regions * 3968)
  const take = (offset: number, bytes: number, what: string): void => {
    for (let slot = (offset - 0x4400) / 64; slot < (offset - 0x4400 + bytes) / 64; slot++) {
      if (used[slot] !== 0) check(false, `${what}: overlap at ${slot * 64 + 0x4400}`)
      used[slot] = 1
    }
  }
  const mapPage = (offset: number, type: number): void => {
    const page = file.subarray(offset, offset + 512)
    check(page[496] === type && page[497] === type && u64(page, 504) === offset && page.readUInt16LE(498) === 0, `map at ${offset}`)
    check(crc(page.subarray(0, 496)) === page.readUInt32LE(500), `map at ${offset}: crc`)
    take(offset, 512, 'map')
  }
  for (let region = 0; region < regions; region++) {
    let offset = 0x4400 + region * 253952
    mapPage(offset, 0x84)
    if (region % 8 === 0) mapPage(offset += 512, 0x83)
    if (region >= 128 && (region - 128) % 496 === 0) mapPage(offset += 512, 0x82)
  }
  for (const block of blocks.values()) take(block.offset, space(block.length), `block ${block.bid}`)
  for (const page of pages.values()) take(page.offset, 512, 'page')
  let free = 0
  let leaked = 0
  for (let slot = 0; slot < used.length; slot++) {
    const region = Math.floor(slot / 3968)
    const byte = file[0x4400 + region * 253952 + ((slot % 3968) >> 3)]!
    const isMarked = (byte & (0x80 >> (slot & 7))) !== 0
    if (!isMarked) free++
    if (isMarked && used[slot] === 0) leaked++
    if (!isMarked && used[slot] !== 0) check(false, `slot ${slot} is used but marked as free`)
  }
  check(u64(file, 200) === free * 64, 'free bytes in the header')
  checkDensityList(file.subarray(0x4200, 0x4400), check)
  return leaked
}

function checkDensityList(page: Buffer, check: Check): void {
  check(page[496] === 0x86 && crc(page.subarray(0, 496)) === page.readUInt32LE(500), 'density list')
  check(page.readUInt16LE(498) === foldedSignature(0x4200, u64(page, 504)), 'density list: signature')
  const free = Array.from({ length: page[1]! }, (_, i) => page.readUInt32LE(8 + 4 * i) >>> 20)
  check(free.every((slots, i) => i === 0 || slots <= free[i - 1]!), 'density list: order')
}

const decodeTable = (() => {
  // MS-PST 5.1, mpbbI: the inverse of the permutation, from the published table.
  const hex = '47f1b4e60b6a7248854e9eebe2f89453e0bba002e85a09abdbe3bac67cc310dd39059630f53760828cc9134a6b1df3fb'
    + '8f2697ca911701c4322d6e3195ffd923d1005e79dc443b1a28c5615720903d83b943be67d2464276c06d5b7eb20f16293ca903540d'
    + 'da5ddff6b7c762cd8d06d3695c86d614f7a56675acb1e94521700c879f74a4224c6fbf1f56aa2eb3783350b0a392bccf191ca763cb'
    + '1e4d3e4b1b9b4fe7f0eead3ab55904ea40552551e57a893868527bfc27aed7bdfa07f4cc8e5fef359c842b15d5773449b6120a7f71'
    + '88fd9d18417d93d8582ccefe24afdeb836c8a180a69998a82f0e816573e4c2a28ad4e111d0088b2af2ed9a643fc16cf9ec'
  return Buffer.from(hex, 'hex')
})()

/** Data trees, subnodes, heaps and tables of one file. */
export class Reader {
  readonly #file: Buffer
  readonly #blocks: ReadonlyMap<number, Block>
  readonly #used: Map<number, number>
  readonly #errors: string[]

  constructor(file: Buffer, blocks: ReadonlyMap<number, Block>, used = new Map<number, number>(), errors: string[] = []) {
    this.#file = file
    this.#blocks = blocks
    this.#used = used
    this.#errors = errors
  }

  /** Counts every reference that a node makes, directly and through lists. A block that is shared is entered once. */
  countNode({ data, subnodes }: { data: number; subnodes: number }): void {
    this.#count(data)
    this.#count(subnodes)
  }

  #count(bid: number): void {
    if (bid === 0) return
    const before = this.#used.get(bid) ?? 0
    this.#used.set(bid, before + 1)
    if (before > 0 || (bid & 2) === 0) return
    const bytes = this.block(bid)
    for (let i = 0; i < bytes.readUInt16LE(2); i++) {
      if (bytes[0] === 1) this.#count(u64(bytes, 8 + 8 * i))
      else this.countNode({ data: u64(bytes, 16 + 24 * i), subnodes: u64(bytes, 24 + 24 * i) })
    }
  }

  block(bid: number): Buffer {
    const block = this.#blocks.get(bid)
    if (block === undefined) {
      this.#errors.push(`block ${bid} is missing`)
      return Buffer.alloc(8)
    }
    const bytes = this.#file.subarray(block.offset, block.offset + block.length)
    return (bid & 2) !== 0 ? bytes : Buffer.from(bytes.map((byte) => decodeTable[byte]!))
  }

  /** The data blocks below a block id; the lengths that XBLOCK and XXBLOCK state must be right. */
  stream(bid: number): Buffer[] {
    if (bid === 0) return []
    const bytes = this.block(bid)
    if ((bid & 2) === 0) return [bytes]
    const below = Array.from({ length: bytes.readUInt16LE(2) }, (_, i) => this.stream(u64(bytes, 8 + 8 * i))).flat()
    const length = below.reduce((sum, block) => sum + block.length, 0)
    if (bytes[0] !== 1 || bytes.readUInt32LE(4) !== length) this.#errors.push(`data tree ${bid}: length`)
    if (below.slice(0, -1).some((block) => block.length !== 8176)) this.#errors.push(`data tree ${bid}: short block`)
    return below
  }

  subnodes(bid: number): Map<number, { data: number; subnodes: number }> {
    if (bid === 0) return new Map()
    const bytes = this.block(bid)
    return new Map(Array.from({ length: bytes.readUInt16LE(2) }, (_, i) =>
      [u64(bytes, 8 + 24 * i), { data: u64(bytes, 16 + 24 * i), subnodes: u64(bytes, 24 + 24 * i) }]))
  }

  /** Properties by id: the four bytes in the record, and the bytes they refer to when those are in the heap. */
  properties(bid: number): Map<number, { inline: number; bytes: Buffer }> {
    const blocks = this.stream(bid)
    const root = heapItem(blocks, blocks[0]!.readUInt32LE(4))
    const records = treeRecords(blocks, root)
    return new Map(records.map((record) => {
      const inline = record.readUInt32LE(4)
      const isInHeap = ![0x0003, 0x000b].includes(record.readUInt16LE(2)) && (inline & 0x1f) === 0
      return [record.readUInt16LE(0), { inline, bytes: isInHeap ? heapItem(blocks, inline) : Buffer.alloc(0) }]
    }))
  }

  /** Row ids of a table, in their order; each row must lie where the index says. */
  rowIds(node: { data: number; subnodes: number }): number[] {
    const blocks = this.stream(node.data)
    const info = heapItem(blocks, blocks[0]!.readUInt32LE(4))
    const rowBytes = info.readUInt16LE(8)
    const where = info.readUInt32LE(14)
    const matrix = (where & 0x1f) === 0
      ? [heapItem(blocks, where)]
      : this.stream(this.subnodes(node.subnodes).get(where)?.data ?? 0)
    const perBlock = Math.floor(8176 / rowBytes)
    return treeRecords(blocks, heapItem(blocks, info.readUInt32LE(10))).map((record) => {
      const rowId = record.readUInt32LE(0)
      const place = record.readUInt32LE(4)
      const at = matrix[Math.floor(place / perBlock)]?.readUInt32LE((place % perBlock) * rowBytes)
      if (at !== rowId) this.#errors.push(`row ${rowId} is not at ${place}`)
      return rowId
    })
  }
}

function heapItem(blocks: readonly Buffer[], hid: number): Buffer {
  if (hid === 0) return Buffer.alloc(0)
  const block = blocks[hid >>> 16]!
  const map = block.readUInt16LE(0)
  const item = ((hid & 0xffff) >>> 5) - 1
  return block.subarray(block.readUInt16LE(map + 4 + 2 * item), block.readUInt16LE(map + 6 + 2 * item))
}

function treeRecords(blocks: readonly Buffer[], header: Buffer): Buffer[] {
  const keyBytes = header[1]!
  const rows = (hid: number, level: number): Buffer[] => {
    const bytes = heapItem(blocks, hid)
    const rowBytes = keyBytes + (level === 0 ? header[2]! : 4)
    const all = Array.from({ length: bytes.length / rowBytes }, (_, i) => bytes.subarray(i * rowBytes, (i + 1) * rowBytes))
    return level === 0 ? all : all.flatMap((row) => rows(row.readUInt32LE(keyBytes), level - 1))
  }
  return rows(header.readUInt32LE(4), header[3]!)
}
