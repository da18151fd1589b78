/** The name-to-id map (MS-PST 2.4.7): which named property each id from 0x8000 stands for. */
import { encodeProperties } from './property-context.ts'
import { checksum } from './checksum.ts'

const nodeBuckets = 251
const bucketBase = 0x1000
const binaryType = 0x0102
const bucketCountTag = 0x0001_0003
const guidsTag = 0x0002_0102
const entriesTag = 0x0003_0102
const textsTag = 0x0004_0102
/** PS_INTERNET_HEADERS, {00020386-0000-0000-C000-000000000046}, in the byte order of a GUID. */
const internetHeaders = Buffer.from('8603020000000000c000000000000046', 'hex')
/** Three set GUIDs have fixed numbers; the first in the stream is number 3. */
const firstListedGuid = 3

/** Names by index: the property of index 0 has the id 0x8000. All are texts in PS_INTERNET_HEADERS. */
const names = ['content-class'] as const

export function encodeNameMap(): Buffer[] {
  const entries = Buffer.alloc(8 * names.length)
  const texts: Buffer[] = []
  const buckets = new Map<number, Buffer[]>()
  let textOffset = 0
  const guid = (firstListedGuid << 1) | 1
  for (const [index, name] of names.entries()) {
    const text = Buffer.from(name, 'utf16le')
    const padded = Buffer.alloc(4 + Math.ceil(text.length / 4) * 4)
    padded.writeUInt32LE(text.length)
    text.copy(padded, 4)
    writeEntry(entries.subarray(8 * index), { id: textOffset, guid, index })
    const hash = checksum(text)
    const bucket = bucketBase + ((hash ^ guid) >>> 0) % nodeBuckets
    const hashed = Buffer.alloc(8)
    writeEntry(hashed, { id: hash, guid, index })
    buckets.set(bucket, [...buckets.get(bucket) ?? [], hashed])
    texts.push(padded)
    textOffset += padded.length
  }
  return encodeProperties([
    [bucketCountTag, nodeBuckets],
    [guidsTag, internetHeaders],
    [entriesTag, entries],
    [textsTag, Buffer.concat(texts)],
    ...[...buckets].map(([id, records]) => [id * 0x1_0000 + binaryType, Buffer.concat(records)] as const),
  ])
}

/** NAMEID (2.4.7.1). */
function writeEntry(target: Buffer, { id, guid, index }: { id: number; guid: number; index: number }): void {
  target.writeUInt32LE(id, 0)
  target.writeUInt16LE(guid, 4)
  target.writeUInt16LE(index, 6)
}
