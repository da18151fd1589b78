import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { ObjectId } from '../../agent/object-store.ts'
import { chunkId, chunkIdKeyOf } from '../../agent/repository/chunk-id.ts'
import { PackBuilder } from '../../agent/repository/pack.ts'
import { decodeTable } from '../../agent/repository/table.ts'
import { type ObjectState, PackIndex, type TabledPack } from '../../agent/repository/pack-index.ts'

const idKey = chunkIdKeyOf(randomBytes(32))

function makePack(chunks: readonly Uint8Array[]): TabledPack & { ids: Buffer[] } {
  const packs: TabledPack[] = []
  const builder = new PackBuilder({
    owner: randomBytes(32), dataKey: randomBytes(32), epoch: 1, random: (length) => randomBytes(length),
    emit: ({ id, bytes, epoch, salt, table }) => packs.push({ id, length: bytes.length, epoch, salt, table }),
  })
  const ids = chunks.map((chunk) => chunkId(idKey, chunk))
  for (const [i, chunk] of chunks.entries()) builder.add(ids[i] as Buffer, chunk)
  builder.flush()
  return { ...packs[0] as TabledPack, ids }
}

const somePack = (count = 5) => makePack(Array.from({ length: count }, (_, i) => randomBytes(1000 + i)))

function makeDirectory(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-index-'))
  t.after(() => rmSync(directory, { recursive: true, force: true }))
  return directory
}

function open(t: TestContext): PackIndex {
  const index = PackIndex.open(makeDirectory(t))
  t.after(() => index[Symbol.dispose]())
  return index
}

const named = (pack: TabledPack, state: ObjectState): [ObjectId, { ref: { kind: 'pack', id: ObjectId, length: number }, state: ObjectState }] =>
  [pack.id, { ref: { kind: 'pack', id: pack.id, length: pack.length }, state }]

test('every chunk of a pack is found at its place, at once and after the index is opened again', (t) => {
  const directory = makeDirectory(t)
  const pack = makePack(Array.from({ length: 300 }, (_, i) => randomBytes(5000 + i)))
  const expected = decodeTable(pack.table, pack.length).flatMap(({ chunks }, segment) => chunks.map(({ offset, length }, chunk) => ({ segment, chunk, offset, length })))
  {
    using index = PackIndex.open(directory)
    assert.ok(!index.has(pack.ids[0] as Buffer))
    index.addPack(pack, { state: 'stored', indexed: false, nowMs: 0 })
    assert.ok(pack.ids.every((id) => index.has(id)))
    assert.deepEqual([...index.hasEach(Buffer.concat([...pack.ids, randomBytes(16)]))], [...pack.ids.map(() => 1), 0])
  }
  using index = PackIndex.open(directory)
  const number = index.packNumber(pack.id)
  assert.deepEqual(pack.ids.map((id) => index.place(id)), expected.map((place) => ({ pack: number, ...place })))
  assert.deepEqual([...index.hasEach(Buffer.concat([randomBytes(16), ...pack.ids]))], [0, ...pack.ids.map(() => 1)])
})

test('chunks of packs that only other devices name are read but not counted as stored', (t) => {
  const index = open(t)
  const pack = somePack()
  index.addPack(pack, { state: 'foreign', indexed: true, nowMs: 0 })
  assert.ok(pack.ids.every((id) => !index.has(id) && index.place(id) !== undefined))
  assert.ok(index.hasEach(Buffer.concat(pack.ids)).every((found) => found === 0))
  index.assign(new Map([named(pack, 'live')]), 0)
  assert.ok(pack.ids.every((id) => index.has(id)))
})

test('a chunk of a lost pack is found where it was stored again', (t) => {
  const index = open(t)
  const chunks = [randomBytes(100), randomBytes(200)]
  const [first, second] = [makePack(chunks), makePack(chunks)]
  index.addPack(first, { state: 'live', indexed: false, nowMs: 0 })
  index.markLost(first.id, true)
  assert.ok(index.hasLost && !index.has(first.ids[0] as Buffer))
  index.addPack(second, { state: 'stored', indexed: false, nowMs: 0 })
  assert.equal(index.place(first.ids[1] as Buffer)?.pack, index.packNumber(second.id))
})

test('what no head names any more goes with its chunks, what was stored since stays', (t) => {
  const index = open(t)
  const [old, kept, fresh] = [somePack(), somePack(), somePack()]
  index.addPack(old, { state: 'live', indexed: true, nowMs: 0 })
  index.addPack(kept, { state: 'live', indexed: true, nowMs: 0 })
  index.addPack(fresh, { state: 'stored', indexed: false, nowMs: 0 })
  index.assign(new Map([named(kept, 'live')]), 0)
  assert.deepEqual([old, kept, fresh].map((pack) => pack.ids.every((id) => index.place(id) !== undefined)), [false, true, true])
  assert.deepEqual(index.unindexed().map(({ id }) => id), [fresh.id])
})

test('packs that no head has named for too long are forgotten, younger ones are not', (t) => {
  const index = open(t)
  const [old, young] = [somePack(), somePack()]
  index.addPack(old, { state: 'stored', indexed: false, nowMs: 1000 })
  index.addPack(young, { state: 'stored', indexed: false, nowMs: 5000 })
  index.forgetUnnamed(3000)
  assert.deepEqual([old, young].map((pack) => index.has(pack.ids[0] as Buffer)), [false, true])
})

test('packs whose index object was forgotten are indexed again', (t) => {
  const index = open(t)
  const pack = somePack()
  index.addPack(pack, { state: 'stored', indexed: false, nowMs: 5000 })
  index.addObject({ kind: 'index', id: 'a'.repeat(64) as ObjectId, length: 4096 }, { state: 'stored', nowMs: 1000 })
  index.markIndexed([pack.id])
  assert.deepEqual(index.unindexed(), [])
  index.forgetUnnamed(3000)
  assert.deepEqual(index.unindexed().map(({ id }) => id), [pack.id])
})

test('an index file that is no database, or of another version, is begun anew', (t) => {
  const directory = makeDirectory(t)
  writeFileSync(join(directory, 'index.sqlite'), randomBytes(5000))
  using index = PackIndex.open(directory)
  assert.ok(!index.has(randomBytes(16)))
})

test('the oldest metadata goes when there is too much of it', (t) => {
  const index = open(t)
  const chunks = Array.from({ length: 10 }, () => ({ id: randomBytes(16), bytes: randomBytes(1000) }))
  index.addMetadata(chunks)
  index.trimMetadata(3500)
  assert.deepEqual(chunks.map(({ id }) => index.metadata(id) !== undefined), [...Array.from({ length: 7 }, () => false), true, true, true])
})
