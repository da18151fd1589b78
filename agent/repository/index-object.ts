/** Index objects (docs/format.md section 3): tables of contents of many packs in one object, so that none need be opened. */
import { HoldfastError } from '../../shared/errors.ts'
import type { ObjectId } from '../object-store.ts'
import type { TabledPack } from './pack-index.ts'
import { damaged, saltLength } from './seal.ts'

const magic = Buffer.from('HFI1', 'latin1')
const entryHeaderLength = 32 + 4 + 4 + saltLength + 4
/** Plain bytes of one index object; sealed it stays below 16 MiB. */
const maxPlainLength = 12 * 1_048_576

/** Cuts a list of packs so that each part makes one index object. */
export function splitForIndexes(packs: readonly TabledPack[]): TabledPack[][] {
  const parts: TabledPack[][] = []
  let length = maxPlainLength
  for (const pack of packs) {
    length += entryHeaderLength + pack.table.length
    if (length > maxPlainLength) {
      parts.push([])
      length = entryHeaderLength + pack.table.length
    }
    parts.at(-1)?.push(pack)
  }
  return parts
}

export function encodeIndex(packs: readonly TabledPack[]): Buffer {
  const count = Buffer.alloc(4)
  count.writeUInt32LE(packs.length, 0)
  const parts: Uint8Array[] = [magic, count]
  for (const pack of packs) {
    const header = Buffer.alloc(entryHeaderLength)
    header.write(pack.id, 0, 'hex')
    header.writeUInt32LE(pack.length, 32)
    header.writeUInt32LE(pack.epoch, 36)
    header.set(pack.salt, 40)
    header.writeUInt32LE(pack.table.length, 72)
    parts.push(header, pack.table)
  }
  return Buffer.concat(parts)
}

/** Throws `object-damaged` or `format-unknown`. The tables are not looked into. */
export function decodeIndex(bytes: Buffer): TabledPack[] {
  if (bytes.length < 8) throw damaged('an index is cut off')
  if (!bytes.subarray(0, 4).equals(magic)) throw new HoldfastError('format-unknown', 'Cannot read an index: unknown magic')
  const packs: TabledPack[] = []
  let at = 8
  for (let left = bytes.readUInt32LE(4); left > 0; left--) {
    if (at + entryHeaderLength > bytes.length) throw damaged('an index is cut off')
    const tableLength = bytes.readUInt32LE(at + 72)
    const end = at + entryHeaderLength + tableLength
    if (end > bytes.length) throw damaged('an index is cut off')
    packs.push({
      id: bytes.toString('hex', at, at + 32) as ObjectId, length: bytes.readUInt32LE(at + 32), epoch: bytes.readUInt32LE(at + 36),
      salt: bytes.subarray(at + 40, at + 72), table: bytes.subarray(at + entryHeaderLength, end),
    })
    at = end
  }
  if (at !== bytes.length) throw damaged('an index is too long')
  return packs
}
