import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { hasCode } from '../../shared/errors.ts'
import { chunkId, chunkIdKeyOf, chunkKey } from '../../agent/repository/chunk-id.ts'
import type { ChunkerName } from '../../agent/repository/chunker/chunker.ts'
import { ContentReader, ContentWriter, type FileContent, decodePage, encodeDelta, encodePage } from '../../agent/repository/content.ts'

const refused = (error: unknown): boolean => hasCode(error, 'object-damaged', 'format-unknown')

/** Metadata chunks in a map, with the bytes put. */
class Chunks {
  readonly byId = new Map<string, Uint8Array>()
  readonly #key = chunkIdKeyOf(randomBytes(32))
  bytesPut = 0

  put = async (bytes: Uint8Array): Promise<Uint8Array> => {
    const id = chunkId(this.#key, bytes)
    if (!this.byId.has(chunkKey(id))) this.bytesPut += bytes.length
    this.byId.set(chunkKey(id), bytes)
    return id
  }

  read = async (id: Uint8Array): Promise<Uint8Array> => this.byId.get(chunkKey(id)) as Uint8Array
}

const idOf = (number: number): Buffer => {
  const id = Buffer.alloc(16)
  id.writeUInt32LE(number)
  return id
}

const sizeOf = (count: number): number => (count === 0 ? 0 : count * 16_384 - 1000)

async function writeFixed(chunks: Chunks, ids: readonly number[], base?: FileContent): Promise<FileContent> {
  const writer = new ContentWriter({
    chunker: 'fixed-16k', size: sizeOf(ids.length), put: chunks.put, base: base === undefined ? undefined : new ContentReader(base, chunks.read),
  })
  for (let at = 0; at < ids.length; at += 2048) await writer.append(Buffer.concat(ids.slice(at, at + 2048).map(idOf)))
  return await writer.finish()
}

async function readIds(chunks: Chunks, content: FileContent): Promise<number[]> {
  const ids: number[] = []
  for await (const part of new ContentReader(content, chunks.read).chunks()) for (const { id } of part) ids.push(id.readUInt32LE(0))
  return ids
}

test('a fixed list comes back through any history of edits, truncations and growth', async () => {
  const edit = fc.record({ length: fc.nat({ max: 9000 }), edits: fc.array(fc.tuple(fc.nat({ max: 8999 }), fc.nat({ max: 50 })), { maxLength: 300 }) })
  await fc.assert(fc.asyncProperty(fc.array(edit, { minLength: 1, maxLength: 5 }), async (history) => {
    const chunks = new Chunks()
    let ids: number[] = []
    let content: FileContent | undefined
    for (const [version, { length, edits }] of history.entries()) {
      ids = Array.from({ length }, (_, i) => ids[i] ?? version * 1_000_000 + i + 1)
      for (const [at, value] of edits) if (at < length) ids[at] = value
      content = await writeFixed(chunks, ids, content)
      assert.deepEqual(await readIds(chunks, content), ids)
      assert.equal(content.count, ids.length)
    }
  }), { verbose: 1, numRuns: 40 })
})

test('a scattered change of 1,000 of 131,072 chunks costs less than 64 KiB of metadata, day after day', async () => {
  const chunks = new Chunks()
  const ids = Array.from({ length: 131_072 }, (_, i) => i + 1)
  let content = await writeFixed(chunks, ids)
  for (let day = 1; day <= 8; day++) {
    for (let i = 0; i < 1000; i++) ids[(i * 131 + day * 17) % ids.length] = 1_000_000 * day + i
    chunks.bytesPut = 0
    content = await writeFixed(chunks, ids, content)
    assert.ok(chunks.bytesPut < 65_536, `${chunks.bytesPut} bytes on day ${day}`)
  }
  assert.deepEqual(await readIds(chunks, content), ids)
})

test('deltas are few: beyond 64 they become one, beyond a sixteenth of the list new pages', async () => {
  const chunks = new Chunks()
  const ids = Array.from({ length: 20_000 }, (_, i) => i + 1)
  const first = await writeFixed(chunks, ids)
  let content = first
  for (let day = 0; day < 65; day++) {
    ids[day] = 5_000_000 + day
    content = await writeFixed(chunks, ids, content)
  }
  assert.equal(content.pages, first.pages)
  assert.equal(Buffer.from(content.delta ?? '', 'base64url').length, 16)
  for (let i = 0; i < 1250; i++) ids[i * 8] = 6_000_000 + i
  const rewritten = await writeFixed(chunks, ids, content)
  assert.notEqual(rewritten.pages, first.pages)
  assert.equal(rewritten.delta, undefined)
  assert.deepEqual(await readIds(chunks, rewritten), ids)
})

test('an unchanged list puts nothing', async () => {
  const chunks = new Chunks()
  const ids = Array.from({ length: 5000 }, (_, i) => i + 1)
  const content = await writeFixed(chunks, ids)
  chunks.bytesPut = 0
  assert.deepEqual(await writeFixed(chunks, ids, content), content)
  assert.equal(chunks.bytesPut, 0)
})

test('a variable list comes back with its lengths', async () => {
  await fc.assert(fc.asyncProperty(fc.array(fc.integer({ min: 1, max: 262_144 }), { maxLength: 9000, size: 'max' }), async (lengths) => {
    const chunks = new Chunks()
    const size = lengths.reduce((sum, length) => sum + length, 0)
    const writer = new ContentWriter({ chunker: 'cdc-64k', size, put: chunks.put })
    for (const [i, length] of lengths.entries()) {
      const entry = Buffer.alloc(20)
      idOf(i + 1).copy(entry)
      entry.writeUInt32LE(length, 16)
      await writer.append(entry)
    }
    const content = await writer.finish()
    assert.equal(content.inline === undefined, lengths.length > 16)
    const found: number[] = []
    for await (const part of new ContentReader(content, chunks.read).chunks()) found.push(...part.map(({ length }) => length))
    assert.deepEqual(found, lengths)
  }), { verbose: 1, numRuns: 6 })
})

test('a range of a fixed list begins at the page that holds it', async () => {
  const chunks = new Chunks()
  const content = await writeFixed(chunks, Array.from({ length: 10_000 }, (_, i) => i + 1))
  const { value } = await new ContentReader(content, chunks.read).chunks(5000 * 16_384).next()
  assert.deepEqual([value?.[0]?.offset, value?.[0]?.id.readUInt32LE(0)], [4096 * 16_384, 4097])
})

test('a damaged page, delta or content is refused', async () => {
  const chunks = new Chunks()
  const ids = Array.from({ length: 5000 }, (_, i) => i + 1)
  const content = await writeFixed(chunks, ids)
  const read = async (changed: Partial<FileContent>, replace?: Uint8Array): Promise<void> => {
    const reader = new ContentReader({ ...content, ...changed }, replace === undefined ? chunks.read : async () => replace)
    for await (const _ of reader.chunks()) continue
  }
  const page = encodePage(Buffer.concat(ids.slice(0, 4096).map(idOf)), 'fixed-16k')
  await assert.rejects(read({}, page.subarray(0, -1)), refused)
  await assert.rejects(read({}, Buffer.concat([Buffer.from('HFL2'), page.subarray(4)])), (error) => hasCode(error, 'format-unknown'))
  await assert.rejects(read({}, encodePage(Buffer.alloc(20 * 10), 'cdc-64k')), refused)
  await assert.rejects(read({ count: 6000, size: 6000 * 16_384 }), refused)
  await assert.rejects(read({ count: 5000, size: 4000 * 16_384 }), refused)
  await assert.rejects(read({ pages: 'AAAA' }), refused)
  const delta = Buffer.from(encodeDelta([[5, idOf(1)], [4, idOf(2)]]))
  const id = await chunks.put(delta)
  await assert.rejects(read({ delta: Buffer.from(id).toString('base64url') }), refused)
})

test('decodePage() throws nothing but object-damaged or format-unknown on any bytes', () => {
  fc.assert(fc.property(fc.uint8Array({ maxLength: 100 }), fc.constantFrom<ChunkerName>('fixed-16k', 'cdc-64k'), (bytes, chunker) => {
    assert.throws(() => decodePage(bytes, chunker), refused)
  }), { verbose: 1 })
})
