import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { appendFileSync, closeSync, mkdirSync, openSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import type { NewObject, ObjectStore, StoreOptions } from '../../agent/object-store.ts'
import { type BackupSession, type BackupStep, backupSteps } from '../../agent/repository/backup-session.ts'
import { type FileContent } from '../../agent/repository/content.ts'
import { Repository } from '../../agent/repository/repository.ts'
import type { FileEntry } from '../../agent/repository/tree.ts'
import { type TestDevice, backUp, createRepository, makeDevice, readBack } from '../support/test-repository.ts'

const finish = async (session: BackupSession, content: FileContent) => await session.finish({
  roots: [{ path: '/data', entry: { name: 'data', type: 'directory', mode: 0o755, mtime: '0', content: await session.addDirectory([
    { name: 'a', type: 'file', mode: 0o600, mtime: '0', size: content.size, content },
  ]) } }],
})

function openFile(t: TestContext, device: TestDevice, bytes: Uint8Array): { fd: number, path: string } {
  mkdirSync(join(device.directory, 'files'), { recursive: true })
  const path = join(device.directory, 'files', 'a')
  writeFileSync(path, bytes)
  const fd = openSync(path, 'r')
  t.after(() => closeSync(fd))
  return { fd, path }
}

test('equal chunks are stored once, in one file, across files and across runs', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const chunk = randomBytes(16_384)
  const bytes = Buffer.concat(Array.from({ length: 600 }, () => chunk))
  const first = await backUp(device, repository, { a: { bytes }, b: { bytes }, c: { bytes: chunk } })
  assert.equal(first.bytesNew, 16_384)
  const second = await backUp(device, repository, { a: { bytes: Buffer.concat([bytes, chunk]) } })
  assert.equal(second.bytesNew, 0)
  assert.ok((await readBack(repository, second.snapshot))['a']?.equals(Buffer.concat([bytes, chunk])))
})

test('holes cost nothing and come back as zeros', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const result = await backUp(device, repository, { a: { bytes: Buffer.alloc(40_000_000) }, b: { bytes: Buffer.alloc(5_000_001), chunker: 'cdc-64k' } })
  assert.equal(result.bytesNew, 0)
  assert.ok(result.bytesStored < 100_000)
  const back = await readBack(repository, result.snapshot)
  assert.ok(back['a']?.equals(Buffer.alloc(40_000_000)) && back['b']?.equals(Buffer.alloc(5_000_001)))
})

test('a scattered change of a large file stores what changed, and both versions come back', async (t) => {
  const device = await makeDevice(t, { threads: 2 })
  await using repository = await createRepository(device)
  const bytes = randomBytes(40_000_000)
  const first = await backUp(device, repository, { a: { bytes } })
  const changed = Buffer.from(bytes)
  for (let i = 0; i < 50; i++) changed.set(randomBytes(10), i * 800_000)
  const second = await backUp(device, repository, { a: { bytes: Buffer.concat([changed, randomBytes(100_000)]) } })
  assert.ok(second.bytesNew < 60 * 16_384)
  assert.ok(second.bytesStored < 1_300_000, `${second.bytesStored} bytes stored`)
  assert.ok((await readBack(repository, first.snapshot))['a']?.equals(bytes))
  assert.ok((await readBack(repository, second.snapshot))['a']?.subarray(0, changed.length).equals(changed))
})

test('keepFile() takes a file over without reading it', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  await backUp(device, repository, { a: { bytes: randomBytes(100_000) } })
  await using session = await repository.beginBackup({ host: 'test' })
  const before = (await session.previousFolder(session.previousRoot('/data'))).get('a') as FileEntry
  const content = await session.keepFile(before)
  assert.deepEqual(content, before.content)
  const result = await finish(session, content as FileContent)
  assert.deepEqual([result.files, result.bytesRead, result.bytesNew, result.snapshot.stats.bytes], [1, 0, 0, 100_000])
})

test('a file that changes while it is read is refused, and the session goes on', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const bytes = randomBytes(300_000)
  const { fd, path } = openFile(t, device, bytes)
  await using session = await repository.beginBackup({ host: 'test' })
  const assertUnchanged = (): void => { throw new HoldfastError('file-changed', 'Cannot read the file: it was written to') }
  await assert.rejects(session.addFile({ fd, size: bytes.length, chunker: 'cdc-64k', assertUnchanged }), (error) => hasCode(error, 'file-changed'))
  truncateSync(path, 200_000)
  await assert.rejects(session.addFile({ fd, size: bytes.length, chunker: 'fixed-16k' }), (error) => hasCode(error, 'file-changed'))
  appendFileSync(path, bytes.subarray(200_000))
  const result = await finish(session, await session.addFile({ fd, size: bytes.length, chunker: 'fixed-16k' }))
  assert.equal(result.files, 1)
  assert.ok((await readBack(repository, result.snapshot))['a']?.equals(bytes))
})

test('a file that cannot be read is refused with the system code, and the session goes on', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const folder = openSync(device.directory, 'r')
  t.after(() => closeSync(folder))
  await using session = await repository.beginBackup({ host: 'test' })
  await assert.rejects(session.addFile({ fd: folder, size: 10, chunker: 'cdc-64k' }), (error) => hasCode(error, 'file-unreadable') && error.details['reason'] === 'EISDIR')
  const { fd } = openFile(t, device, Buffer.from('ok'))
  await finish(session, await session.addFile({ fd, size: 2, chunker: 'cdc-64k' }))
})

test('no more packs are on their way than allowed, however large the file', async (t) => {
  const device = await makeDevice(t, { threads: 2, packsInFlight: 1 })
  const { store } = device
  let held = 0
  let mostHeld = 0
  const slow: ObjectStore = {
    get: async (...call) => await store.get(...call), list: () => store.list(),
    put: async (object: NewObject, options?: StoreOptions) => {
      mostHeld = Math.max(mostHeld, held += object.kind === 'pack' ? 1 : 0)
      for (let turn = 0; turn < 200; turn++) await new Promise((resolve) => { setImmediate(resolve) })
      try {
        return await store.put(object, options)
      } finally {
        held -= object.kind === 'pack' ? 1 : 0
      }
    },
  }
  await using repository = await Repository.create({ ...device.options, store: slow, keyring: device.keyring })
  const bytes = randomBytes(90_000_000)
  const result = await backUp(device, repository, { a: { bytes } })
  assert.ok(mostHeld >= 1 && mostHeld <= 3, `${mostHeld} packs at a time`)
  assert.ok((await readBack(repository, result.snapshot))['a']?.equals(bytes))
})

test('an abort ends a session with cancelled, and the next session works', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const bytes = randomBytes(40_000_000)
  const { fd } = openFile(t, device, bytes)
  const abort = new AbortController()
  {
    await using session = await repository.beginBackup({ host: 'test' }, {
      signal: abort.signal, onStep: (step) => { if (step === 'pack-stored') abort.abort() },
    })
    await assert.rejects(session.addFile({ fd, size: bytes.length, chunker: 'fixed-16k' }).then(async (content) => await finish(session, content)), (error) => hasCode(error, 'cancelled'))
  }
  const result = await backUp(device, repository, { a: { bytes } })
  assert.ok(result.bytesNew < bytes.length, 'what was stored before is used')
  assert.ok((await readBack(repository, result.snapshot))['a']?.equals(bytes))
})

test('an abort at any moment leaves no thread behind and harms no later backup', async (t) => {
  const device = await makeDevice(t, { threads: 2 })
  await using repository = await createRepository(device)
  const bytes = randomBytes(12_000_000)
  const { fd } = openFile(t, device, bytes)
  for (let turns = 0; turns < 6; turns++) {
    const abort = new AbortController()
    await using session = await repository.beginBackup({ host: 'test' }, { signal: abort.signal })
    const outcome = session.addFile({ fd, size: bytes.length, chunker: 'cdc-64k' }).then(() => 'read', (error: unknown) => (hasCode(error, 'cancelled') ? 'cancelled' : error))
    for (let turn = 0; turn < turns * 1000; turn++) await new Promise((resolve) => { setImmediate(resolve) })
    abort.abort()
    assert.ok(['read', 'cancelled'].includes(await outcome as string))
  }
  const result = await backUp(device, repository, { a: { bytes, chunker: 'cdc-64k' } })
  assert.ok((await readBack(repository, result.snapshot))['a']?.equals(bytes))
})

test('a store that fails ends the session with its error, and the next session works', async (t) => {
  const device = await makeDevice(t)
  let failing = true
  const { store } = device
  const faulty: ObjectStore = {
    get: async (...call) => await store.get(...call), list: () => store.list(),
    put: async (object, options) => {
      if (failing) throw new HoldfastError('too-few-holders', 'Cannot store the object: nobody is there')
      return await store.put(object, options)
    },
  }
  await using repository = await Repository.create({ ...device.options, store: faulty, keyring: device.keyring })
  const bytes = randomBytes(40_000_000)
  await assert.rejects(backUp(device, repository, { a: { bytes } }), (error) => hasCode(error, 'too-few-holders'))
  failing = false
  await backUp(device, repository, { a: { bytes } })
})

test('one backup at a time', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  await using session = await repository.beginBackup({ host: 'test' })
  await assert.rejects(repository.beginBackup({ host: 'test' }), (error) => hasCode(error, 'in-use'))
  await session[Symbol.asyncDispose]()
  await backUp(device, repository, {})
})

test('thousands of small files go into few packs and come back', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const files = Object.fromEntries(Array.from({ length: 2000 }, (_, i) => [`f${i}`, { bytes: randomBytes(i % 900), chunker: 'cdc-64k' as const }]))
  const result = await backUp(device, repository, files)
  assert.equal(result.files, 2000)
  assert.ok(result.receipts.objects < 12, `${result.receipts.objects} objects`)
  const back = await readBack(repository, result.snapshot)
  for (const [name, { bytes }] of Object.entries(files)) assert.ok(back[name]?.equals(bytes), name)
})

class Killed extends Error {}

for (const step of backupSteps) {
  test(`a run that dies at ${step} loses nothing, and the next one uses what it stored`, async (t) => {
    const device = await makeDevice(t)
    const old = randomBytes(200_000)
    const bytes = randomBytes(3_000_000)
    {
      await using repository = await createRepository(device)
      if (step !== 'keyring-stored') await backUp(device, repository, { old: { bytes: old } })
      const seen = new Set<BackupStep>()
      const dying = backUp(device, repository, { a: { bytes, chunker: 'fixed-16k' } }, {
        onStep: (passed) => { seen.add(passed); if (passed === step) throw new Killed() },
      })
      await assert.rejects(dying, (error) => error instanceof Killed || hasCode(error, 'cancelled'))
      assert.ok(seen.has(step))
    }
    await using repository = await Repository.open(device.options)
    const report = await repository.verify({ readData: true })
    assert.deepEqual([report.badObjects, report.badFiles], [[], []])
    const again = await backUp(device, repository, { old: { bytes: old }, a: { bytes } })
    const stored = backupSteps.indexOf(step) >= backupSteps.indexOf('pack-stored')
    assert.equal(again.bytesNew, (stored ? 0 : bytes.length) + (step === 'keyring-stored' ? old.length : 0))
    const back = await readBack(repository, again.snapshot)
    assert.ok(back['a']?.equals(bytes) && back['old']?.equals(old))
    const after = await repository.verify({ readData: true })
    assert.ok(after.ok)
    assert.deepEqual(await repository.rebuildIndex(), [])
    assert.ok((await readBack(repository, again.snapshot))['a']?.equals(bytes))
  })
}
