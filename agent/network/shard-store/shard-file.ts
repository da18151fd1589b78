/** A shard's file (docs/format.md section 8): header, leaves, bytes. */
import { type FileHandle, open as openFile } from 'node:fs/promises'
import { HoldfastError } from '../../../shared/errors.ts'
import { hashLength, leafCount } from '../../merkle.ts'
import { shardLength } from '../erasure/reed-solomon.ts'
import { type ShardHeader, bytesOffset, headerLength, parseHeader } from '../shard.ts'
import type { OpenedShard, ShardEntry } from './port.ts'

const longestHeader = headerLength(255)

export async function readRange(file: FileHandle, position: number, length: number): Promise<Uint8Array> {
  const bytes = Buffer.allocUnsafe(length)
  return bytes.subarray(0, await fill(file, position, bytes))
}

/** Bytes read, fewer at the end of the file. */
export async function fill(file: FileHandle, position: number, into: Uint8Array): Promise<number> {
  let got = 0
  for (let read = -1; got < into.length && read !== 0; got += read) read = (await file.read(into, got, into.length - got, position + got)).bytesRead
  return got
}

export async function readHead(file: FileHandle, entry: ShardEntry): Promise<OpenedShard> {
  const head = headerLength(entry.n)
  const bytes = await readRange(file, 0, head + leafCount(shardLength(entry.length, entry.k)) * hashLength)
  return { header: bytes.subarray(0, head), leaves: bytes.subarray(head) }
}

/** What the header says, and the bytes of the file. Throws `object-damaged` when they do not fit. */
export async function readEntry(path: string): Promise<{ entry: ShardHeader; size: number }> {
  const file = await openFile(path, 'r')
  try {
    const entry = parseHeader(await readRange(file, 0, longestHeader), { prefix: true })
    const { size } = await file.stat()
    const expected = bytesOffset(entry.n, entry.shardLength) + entry.shardLength
    if (size !== expected) throw new HoldfastError('object-damaged', `Cannot use the shard in ${path}: ${size} bytes instead of ${expected}`)
    return { entry, size }
  } finally {
    await file.close()
  }
}
