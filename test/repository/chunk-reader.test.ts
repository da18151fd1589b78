import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import type { ObjectId, ObjectStore } from '../../agent/object-store.ts'
import { chunkId, chunkIdKeyOf } from '../../agent/repository/chunk-id.ts'
import { ChunkReader } from '../../agent/repository/chunk-reader.ts'
import { PackBuilder } from '../../agent/repository/pack.ts'
import { PackIndex, type TabledPack } from '../../agent/repository/pack-index.ts'

const chunkIdKey = chunkIdKeyOf(randomBytes(32))
const keys = { owner: randomBytes(32), dataKey: randomBytes(32) }

/** An index and a reader over packs in memory; `hold` makes the next fetch wait. */
function makeReader(t: TestContext) {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-reader-'))
  const index = PackIndex.open(directory)
  t.after(() => {
    index[Symbol.dispose]()
    rmSync(directory, { recursive: true, force: true })
  })
  const packs = new Map<ObjectId, Uint8Array>()
  const waits: Promise<void>[] = []
  const store: Pick<ObjectStore, 'get'> = {
    get: async ({ id }, range) => {
      await waits.shift()
      const bytes = packs.get(id) as Uint8Array
      return Uint8Array.from(range === undefined ? bytes : bytes.subarray(range.offset, range.offset + range.length))
    },
  }
  const addPack = (nowMs: number) => {
    const chunk = randomBytes(1000)
    const id = chunkId(chunkIdKey, chunk)
    let pack: TabledPack | undefined
    const builder = new PackBuilder({
      ...keys, epoch: 1, random: (length) => randomBytes(length),
      emit: ({ bytes, ...sealed }) => {
        packs.set(sealed.id, Uint8Array.from(bytes))
        pack = { ...sealed, length: bytes.length }
      },
    })
    builder.add(id, chunk)
    builder.flush()
    index.addPack(pack as TabledPack, { state: 'stored', indexed: false, nowMs })
    return { id, chunk, number: index.packNumber((pack as TabledPack).id) }
  }
  const reader = new ChunkReader({ store: store as ObjectStore, index, chunkIdKey, keyFor: () => keys })
  return { index, reader, addPack, hold: (until: Promise<void>) => waits.push(until) }
}

test('read() serves the pack that has a number now, not one that had it before', async (t) => {
  const { index, reader, addPack } = makeReader(t)
  const old = addPack(0)
  assert.deepEqual(await reader.read(old.id), old.chunk)
  index.forgetUnnamed(1)
  const next = addPack(2)
  assert.equal(next.number, old.number)
  assert.deepEqual(await reader.read(next.id), next.chunk)
})

test('read() that was under way when its pack was forgotten leaves no key behind for the pack that follows', async (t) => {
  const { index, reader, addPack, hold } = makeReader(t)
  const old = addPack(0)
  const fetched = Promise.withResolvers<void>()
  hold(fetched.promise)
  const reading = reader.read(old.id)
  index.forgetUnnamed(1)
  const next = addPack(2)
  assert.equal(next.number, old.number)
  // The look-up that lets go of what was kept comes first, then the old fetch ends.
  await assert.rejects(reader.read(old.id), { code: 'object-missing' })
  fetched.resolve()
  assert.deepEqual(await reading, old.chunk)
  assert.deepEqual(await reader.read(next.id), next.chunk)
})
