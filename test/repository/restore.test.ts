import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { closeSync, ftruncateSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hasCode, type HoldfastError } from '../../shared/errors.ts'
import type { ObjectStore } from '../../agent/object-store.ts'
import { Repository } from '../../agent/repository/repository.ts'
import { Pool } from '../../agent/repository/restore.ts'
import type { FileEntry } from '../../agent/repository/tree.ts'
import { unwritable } from '../../agent/source/file-faults.ts'
import { type TestFile, backUp, createRepository, makeDevice } from '../support/test-repository.ts'

const fault = (cause: Error): HoldfastError => assert.fail(cause)

test('files are written in place by threads, holes stay holes, and each range is fetched once', async (t) => {
  const device = await makeDevice(t)
  const sparse = Buffer.alloc(6_000_000)
  sparse.set(randomBytes(20_000), 5_000_000)
  const files: Record<string, TestFile> = {
    large: { bytes: randomBytes(40_000_000) }, sparse: { bytes: sparse }, empty: { bytes: Buffer.alloc(0) }, twice: { bytes: Buffer.concat([sparse, sparse]) },
    ...Object.fromEntries(Array.from({ length: 400 }, (_, i) => [`small${i}`, { bytes: randomBytes(500 + i), chunker: 'cdc-64k' as const }])),
  }
  const { store } = device
  let fetched = 0
  let calls = 0
  const counting: ObjectStore = {
    put: async (...call) => await store.put(...call), list: () => store.list(),
    get: async (ref, range, options) => {
      calls++
      fetched += range?.length ?? ref.length
      return await store.get(ref, range, options)
    },
  }
  await using repository = await Repository.create({ ...device.options, store: counting, keyring: device.keyring })
  const { snapshot } = await backUp(device, repository, files)
  calls = fetched = 0
  const folder = join(device.directory, 'restored')
  mkdirSync(folder)
  const failed: unknown[] = []
  const entries = (await repository.list(snapshot, '/data')).map(({ entry }) => entry as FileEntry)
  let written = 0
  function* items() {
    for (const { name, content, size } of entries) {
      const fd = openSync(join(folder, name), 'w')
      ftruncateSync(fd, size)
      yield { content, target: { fd, fault }, done: (error?: HoldfastError) => { closeSync(fd); if (error !== undefined) failed.push(error) } }
    }
  }
  await repository.restore(items(), { onBytes: (bytes) => { written += bytes } })
  assert.deepEqual(failed, [])
  for (const [name, { bytes }] of Object.entries(files)) assert.ok(readFileSync(join(folder, name)).equals(bytes), name)
  assert.ok(fetched < 44_000_000 && calls < 16, `${fetched} bytes in ${calls} calls`)
  assert.ok(written < 41_000_000 && written > 40_000_000)
})

test('a file is not whole while chunks of it wait for the next batch, however soon the first batch is done', async (t) => {
  const device = await makeDevice(t)
  const large = randomBytes(70_000_000) // more than one batch
  const { store } = device
  let fetches = 0
  const counting: ObjectStore = {
    put: async (...call) => await store.put(...call), list: () => store.list(),
    get: async (...call) => {
      fetches++
      return await store.get(...call)
    },
  }
  await using repository = await Repository.create({ ...device.options, store: counting, keyring: device.keyring })
  const { snapshot } = await backUp(device, repository, { large: { bytes: large }, small: { bytes: randomBytes(1000) } })
  const entries = (await repository.list(snapshot, '/data')).map(({ entry }) => entry as FileEntry)
  const path = join(device.directory, 'restored')
  const fd = openSync(path, 'w')
  t.after(() => { closeSync(fd) })
  const firstBatch = Promise.withResolvers<void>()
  let written = 0
  let fetched = fetches = 0
  const whole: string[] = []
  async function* items() {
    for (const { name, content } of entries) {
      if (name === 'small') { // the next file is long in coming
        await firstBatch.promise
        assert.deepEqual(whole, [])
      }
      yield { content, target: name === 'large' ? { fd, fault } : { write: () => {} }, done: (error?: HoldfastError) => { whole.push(error?.message ?? name) } }
    }
  }
  await repository.restore(items(), {
    onBytes: (bytes) => {
      written += bytes
      if (++fetched === fetches && written < large.byteLength) firstBatch.resolve()
    },
  })
  assert.deepEqual(whole.sort(), ['large', 'small'])
  assert.ok(readFileSync(path).equals(large))
})

test('a segment whose bytes were swapped for others that the store vouches for is refused', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const { snapshot } = await backUp(device, repository, { a: { bytes: randomBytes(100_000) } })
  const { store } = device
  const lying: ObjectStore = {
    put: async (...call) => await store.put(...call), list: () => store.list(),
    get: async (ref, range, options) => {
      const bytes = await store.get(ref, range, options)
      if (ref.kind === 'pack') bytes[50] = (bytes[50] as number) ^ 1
      return bytes
    },
  }
  await repository[Symbol.asyncDispose]()
  await using reading = await Repository.open({ ...device.options, store: lying })
  const entry = await reading.entry(snapshot, '/data/a') as FileEntry
  let code: string | undefined
  await reading.restore([{ content: entry.content, target: { write: () => assert.fail('a wrong byte came out') }, done: (error) => { code = error?.code } }])
  assert.equal(code, 'object-damaged')
  await assert.rejects(reading.readRange(entry.content, { offset: 0, length: 10 }), (error) => hasCode(error, 'object-damaged'))
})

test('what the store gave unchecked and turns out wrong is asked for again, checked', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const bytes = randomBytes(3_000_000)
  const { snapshot } = await backUp(device, repository, { a: { bytes }, b: { bytes: bytes.subarray(0, 1_000_000) } })
  const { store } = device
  const asked: (boolean | undefined)[] = []
  const careless: ObjectStore = {
    put: async (...call) => await store.put(...call), list: () => store.list(),
    get: async (ref, range, options) => {
      const given = await store.get(ref, range, options)
      if (range !== undefined) asked.push(options?.unchecked)
      const at = given.length >> 1
      if (options?.unchecked === true) given[at] = (given[at] as number) ^ 1
      return given
    },
  }
  await repository[Symbol.asyncDispose]()
  await using reading = await Repository.open({ ...device.options, store: careless })
  const path = join(device.directory, 'restored')
  const fd = openSync(path, 'w')
  t.after(() => closeSync(fd))
  const second = Buffer.alloc(1_000_000)
  const done = (error?: HoldfastError): void => assert.equal(error, undefined)
  const contentOf = async (name: string) => (await reading.entry(snapshot, `/data/${name}`) as FileEntry).content
  await reading.restore([
    { content: await contentOf('a'), target: { fd, fault }, done },
    { content: await contentOf('b'), target: { write: (offset, part) => { second.set(part, offset) } }, done },
  ])
  assert.ok(readFileSync(path).equals(bytes))
  assert.ok(second.equals(bytes.subarray(0, 1_000_000)))
  assert.ok(asked.includes(true) && asked.includes(false))
})

test('a file that cannot be written fails by itself, with its path and what the system says', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const { snapshot } = await backUp(device, repository, { a: { bytes: randomBytes(50_000) }, b: { bytes: randomBytes(50_000) } })
  const readOnly = openSync(join(device.directory, 'files', 'a'), 'r')
  t.after(() => closeSync(readOnly))
  const outcome: Record<string, HoldfastError | undefined> = {}
  await repository.restore((await repository.list(snapshot, '/data')).map(({ entry }) => ({
    content: (entry as FileEntry).content, target: entry.name === 'a' ? { fd: readOnly, fault: (cause) => unwritable('/target/a', cause) } : { write: () => {} },
    done: (error?: HoldfastError) => { outcome[entry.name] = error },
  })))
  assert.deepEqual(Object.keys(outcome).sort(), ['a', 'b'])
  assert.equal(outcome['b'], undefined)
  assert.equal(outcome['a']?.code, 'target-unwritable')
  assert.deepEqual(outcome['a'].details, { path: '/target/a', reason: 'EBADF' })
})

test('a restore goes on when a prune rewrites, between planning and reading, the packs that it was about to read', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const kept = randomBytes(200_000)
  await backUp(device, repository, { kept: { bytes: kept }, ...Object.fromEntries(Array.from({ length: 6 }, (_, at) => [`other-${at}`, { bytes: randomBytes(200_000) }])) })
  const { snapshot } = await backUp(device, repository, { kept: { bytes: kept } })
  await repository.forget({ keep: { last: 1 } })
  const { content } = await repository.entry(snapshot, '/data/kept') as FileEntry
  const back = Buffer.alloc(kept.length)
  const ends: (string | undefined)[] = []
  async function* items() {
    yield { content, target: { write: (offset: number, bytes: Uint8Array) => back.set(bytes, offset) }, done: (error?: HoldfastError) => { ends.push(error?.code) } }
    assert.equal((await repository.prune({})).rewritten, 1)
  }
  await repository.restore(items())
  assert.deepEqual(ends, [undefined])
  assert.ok(back.equals(kept))
})

test('a pool whose thread died runs the next job on another thread, and fails what the dead one had', async (t) => {
  const device = await makeDevice(t)
  const { chunkIdKey } = device.keyring
  await using pool = new Pool({ secrets: { owner: new Uint8Array(32), chunkIdKey }, threads: 1 })
  const job = () => ({ epoch: 1, salt: new Uint8Array(32), dataKey: new Uint8Array(32), bytes: new Uint8Array(8), segments: [] })
  await assert.rejects(pool.run({ ...job(), segments: undefined as unknown as [] }), (error) => hasCode(error, 'internal'))
  assert.deepEqual((await pool.run(job())).failures, [])
})
