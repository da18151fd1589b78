/**
 * What a prune would write, by the tables of the packs alone: nothing is read. Of each segment the part that is used counts as
 * it was compressed; how well that part compresses by itself, and beside others, shows when it is written.
 */
import type { ObjectRef } from '../object-store.ts'
import type { PackIndex } from './pack-index.ts'
import type { PackUse } from './pack-use.ts'
import { headerLength, maxSegmentLength, packLength, padme, tagLength } from './seal.ts'
import { chunkEntryLength, segmentEntryLength } from './table.ts'

interface Content {
  /** Bytes of chunks, and of these compressed. */
  plain: number
  payload: number
  chunks: number
}

/** Bytes of the packs, padded, into which what is used of `refs` would go: those of data and those of lists and folders apart. */
export function estimateWritten({ index, use }: { readonly index: PackIndex; readonly use: PackUse }, refs: readonly ObjectRef[]): number {
  const contents = { data: { plain: 0, payload: 0, chunks: 0 }, metadata: { plain: 0, payload: 0, chunks: 0 } }
  for (const { id } of refs) {
    const number = index.packNumber(id)
    if (number !== undefined) addUsed(contents[use.isMetadata(number) ? 'metadata' : 'data'], { index, use, number })
  }
  return packedLength(contents.data) + packedLength(contents.metadata)
}

function addUsed(content: Content, { index, use, number }: { readonly index: PackIndex; readonly use: PackUse; readonly number: number }): void {
  for (const { segment, shape, chunks } of index.segmentsOf(number)) {
    const used = chunks.filter((_, chunk) => use.has(number, segment, chunk))
    const plain = used.reduce((sum, { length }) => sum + length, 0)
    content.plain += plain
    content.payload += shape.plainLength === 0 ? 0 : (shape.length - tagLength) * plain / shape.plainLength
    content.chunks += used.length
  }
}

/** Of packs of 16 MiB and a last one that is padded. */
function packedLength({ plain, payload, chunks }: Content): number {
  if (chunks === 0) return 0
  const segments = Math.ceil(plain / maxSegmentLength)
  const body = Math.ceil(payload) + segments * (tagLength + segmentEntryLength) + chunks * chunkEntryLength
  const room = packLength - headerLength - 4 - tagLength
  const whole = Math.floor(body / room)
  const rest = body - whole * room
  return whole * packLength + (rest === 0 ? 0 : padme(headerLength + 4 + tagLength + rest))
}
