import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { existsSync, renameSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { issueDeviceCertificate } from '../../agent/identity/device.ts'
import { generateMachine } from '../../agent/identity/machine.ts'
import type { ObjectId } from '../../agent/object-store.ts'
import { signHead } from '../../agent/repository/head.ts'
import { addRecipient, createKeyring, raiseEpoch, removeRecipient } from '../../agent/repository/keyring.ts'
import { removeIndex } from '../../agent/repository/index-database.ts'
import { ownerOpener, recoverKeyring } from '../../agent/repository/recovery.ts'
import { Repository } from '../../agent/repository/repository.ts'
import type { FileEntry } from '../../agent/repository/tree.ts'
import { type TestFile, backUp, createRepository, makeDevice, readBack, recipientsOf } from '../support/test-repository.ts'

test('files of any size come back byte for byte, by either chunker', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const sparse = Buffer.alloc(3_000_000)
  sparse.set(randomBytes(50_000), 1_000_000)
  const bytes = {
    empty: Buffer.alloc(0), one: Buffer.of(7), exact: randomBytes(16_384 * 20), odd: randomBytes(16_384 * 300 + 5), sparse,
    zeros: Buffer.alloc(100_000), text: Buffer.from('all work and no play\n'.repeat(20_000)), regions: randomBytes(33_554_432 + 1),
  }
  const files: Record<string, TestFile> = Object.fromEntries(Object.entries(bytes).flatMap(([name, content]) => [
    [`${name}.fixed`, { bytes: content, chunker: 'fixed-16k' as const }], [`${name}.cdc`, { bytes: content, chunker: 'cdc-64k' as const }],
  ]))
  const result = await backUp(device, repository, files)
  assert.equal(result.files, 16)
  assert.deepEqual([result.receipts.placed, result.receipts.wanted, result.receipts.partial], [1, 1, 0])
  const back = await readBack(repository, await repository.snapshot('latest'))
  assert.deepEqual(Object.keys(back).sort(), Object.keys(files).sort())
  for (const [name, { bytes: expected }] of Object.entries(files)) assert.ok(back[name]?.equals(expected), name)
})

test('any range of a file reads as that part of it', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const bytes = Buffer.concat([randomBytes(700_001), Buffer.alloc(200_000), randomBytes(500_000)])
  const { snapshot } = await backUp(device, repository, { a: { bytes }, b: { bytes, chunker: 'cdc-64k' } })
  for (const name of ['a', 'b']) {
    const { content } = await repository.entry(snapshot, `/data/${name}`) as FileEntry
    await fc.assert(fc.asyncProperty(fc.nat({ max: bytes.length + 10 }), fc.nat({ max: 400_000 }), async (offset, length) => {
      assert.ok((await repository.readRange(content, { offset, length })).equals(bytes.subarray(offset, offset + length)))
    }), { verbose: 1, numRuns: 30 })
    const parts: Buffer[] = []
    for await (const part of repository.readContent(content)) parts.push(part.bytes)
    assert.ok(Buffer.concat(parts).equals(bytes))
  }
})

test('entries are found by path, listed and walked; what is not there is not-found', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  await using session = await repository.beginBackup({ host: 'test', tags: ['hand'] })
  const link = { name: 'l', type: 'symlink' as const, mode: 0o777, mtime: '0', target: '../x' }
  const inner = await session.addDirectory([link])
  const outer = await session.addDirectory([{ name: 'in', type: 'directory', mode: 0o700, mtime: '3', content: inner }, { ...link, name: 'z' }])
  const root = { type: 'directory' as const, mode: 0o755, mtime: '0', content: outer }
  await session.finish({
    roots: [{ path: '/home/eve', entry: { ...root, name: 'eve' } }, { path: 'C:\\Users\\eve', entry: { ...root, name: 'eve' } }],
    excludes: ['*.tmp'], skipped: [{ path: '/home/eve/s', reason: 'special' }],
  })
  const snapshot = await repository.snapshot('latest')
  assert.deepEqual([snapshot.tags, snapshot.excludes, snapshot.skipped.length], [['hand'], ['*.tmp'], 1])
  assert.equal((await repository.entry(snapshot, '/home/eve/in/l')).type, 'symlink')
  assert.equal((await repository.entry(snapshot, 'C:/Users/eve/in/l')).type, 'symlink')
  assert.deepEqual((await repository.list(snapshot)).map(({ path }) => path), ['/home/eve', 'C:\\Users\\eve'])
  assert.deepEqual((await repository.list(snapshot, 'C:\\Users\\eve')).map(({ path }) => path), ['C:\\Users\\eve\\in', 'C:\\Users\\eve\\z'])
  const walked: string[] = []
  for await (const { path, parts } of repository.walk(snapshot, '/home/eve')) walked.push(`${path} ${parts.join(':')}`)
  assert.deepEqual(walked, ['/home/eve eve', '/home/eve/in eve:in', '/home/eve/in/l eve:in:l', '/home/eve/z eve:z'])
  for (const path of ['/home/eve/no', '/home/eve/z/below', '/home/ev', '/']) await assert.rejects(repository.entry(snapshot, path), (error) => hasCode(error, 'not-found'))
})

test('a snapshot is found by the beginning of its id', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  await assert.rejects(repository.snapshot('latest'), (error) => hasCode(error, 'not-found'))
  const first = await backUp(device, repository, { a: { bytes: Buffer.of(1) } })
  const second = await backUp(device, repository, { a: { bytes: Buffer.of(2) } })
  assert.equal((await repository.snapshot(first.snapshot.id.slice(0, 12))).id, first.snapshot.id)
  assert.equal((await repository.snapshot('latest')).id, second.snapshot.id)
  assert.equal(second.snapshot.parent, first.snapshot.id)
  await assert.rejects(repository.snapshot('zzzz'), (error) => hasCode(error, 'not-found'))
  await assert.rejects(repository.snapshot('a'), (error) => hasCode(error, 'invalid-input'))
})

test('listing and the next backup read nothing from the store', async (t) => {
  const device = await makeDevice(t)
  const bytes = randomBytes(2_000_000)
  {
    await using repository = await createRepository(device)
    await backUp(device, repository, { a: { bytes } })
  }
  const store = {
    put: async (...call: Parameters<typeof device.store.put>) => await device.store.put(...call), list: () => device.store.list(),
    get: async (): Promise<Uint8Array> => { throw new HoldfastError('object-missing', 'Cannot get the object: nobody is there') },
  }
  await using repository = await Repository.open({ ...device.options, store })
  const names: string[] = []
  for await (const { path } of repository.walk(await repository.snapshot('latest'))) names.push(path)
  assert.deepEqual(names, ['/data', '/data/a'])
  bytes[5] = (bytes[5] as number) ^ 1
  assert.equal((await backUp(device, repository, { a: { bytes } })).bytesNew, 16_384)
})

test('without its index, or with index objects lost, everything is found again', async (t) => {
  const device = await makeDevice(t)
  const bytes = randomBytes(2_000_000)
  {
    await using repository = await createRepository(device)
    await backUp(device, repository, { a: { bytes } })
  }
  for (const loseIndexObjects of [false, true]) {
    removeIndex(device.options.directory)
    for await (const ref of device.store.list()) if (loseIndexObjects && ref.kind === 'index') await device.store.drop(ref)
    await using repository = await Repository.open(device.options)
    const report = await repository.refresh()
    assert.deepEqual(report.unreadable.map(({ kind }) => kind), loseIndexObjects ? ['index'] : [])
    assert.ok((await readBack(repository, await repository.snapshot('latest')))['a']?.equals(bytes))
    assert.equal((await backUp(device, repository, { a: { bytes } })).bytesNew, 0)
  }
})

test('verify() names the files that a lost or damaged pack takes with it, and the next backup heals them', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const [kept, gone] = [randomBytes(500_000), randomBytes(600_000)]
  await backUp(device, repository, { kept: { bytes: kept } })
  const before = new Set<ObjectId>()
  for await (const { id } of device.store.list()) before.add(id)
  const { snapshot } = await backUp(device, repository, { kept: { bytes: kept }, gone: { bytes: gone } })
  const fresh = []
  for await (const ref of device.store.list()) if (!before.has(ref.id) && ref.kind === 'pack' && ref.length > 100_000) fresh.push(ref)
  assert.equal(fresh.length, 1)
  await device.store.damage(fresh[0] as typeof fresh[0] & object, 5000)
  assert.ok((await repository.verify({ readData: false })).ok)
  const report = await repository.verify({ readData: true })
  assert.deepEqual(report.badObjects.map(({ ref, code }) => [ref.id, code]), [[fresh[0]?.id, 'object-damaged']])
  assert.deepEqual(report.badFiles.map(({ snapshot: id, path }) => [id, path]), [[snapshot.id, '/data/gone']])
  await device.store.drop(fresh[0] as typeof fresh[0] & object)
  assert.deepEqual((await repository.verify({ readData: false })).badObjects.map(({ code }) => code), ['object-missing'])
  const healed = await backUp(device, repository, { kept: { bytes: kept }, gone: { bytes: gone } })
  assert.equal(healed.bytesNew, gone.length)
  const back = await readBack(repository, snapshot)
  assert.ok(back['gone']?.equals(gone) && back['kept']?.equals(kept))
})

test('one pack that is missing fails the files in it and no others', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const [a, b] = [randomBytes(300_000), randomBytes(300_000)]
  await backUp(device, repository, { a: { bytes: a } })
  const before = new Set<ObjectId>()
  for await (const { id } of device.store.list()) before.add(id)
  const { snapshot } = await backUp(device, repository, { a: { bytes: a }, b: { bytes: b } })
  for await (const ref of device.store.list()) if (!before.has(ref.id) && ref.length > 100_000) await device.store.drop(ref)
  const outcome: Record<string, string> = {}
  const items = (await repository.list(snapshot, '/data')).map(({ entry }) => ({
    content: (entry as FileEntry).content, target: { write: () => {} }, done: (error?: HoldfastError) => { outcome[entry.name] = error?.code ?? 'whole' },
  }))
  await repository.restore(items)
  assert.deepEqual(outcome, { a: 'whole', b: 'object-missing' })
})

test('a restore that is cancelled tells every open file so and rejects', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const { snapshot } = await backUp(device, repository, { a: { bytes: randomBytes(5_000_000) }, b: { bytes: randomBytes(5_000_000) } })
  const abort = new AbortController()
  const codes: (string | undefined)[] = []
  const entries = await repository.list(snapshot, '/data')
  function* items() {
    for (const { entry } of entries) {
      yield { content: (entry as FileEntry).content, target: { write: () => {} }, done: (error?: HoldfastError) => { codes.push(error?.code) } }
      abort.abort()
    }
  }
  await assert.rejects(repository.restore(items(), { signal: abort.signal }), (error) => hasCode(error, 'cancelled'))
  assert.deepEqual(codes, ['cancelled', 'cancelled'])
})

test('a recovered machine with nothing but the words reads everything, and goes on with the chain it took over', async (t) => {
  const device = await makeDevice(t)
  const bytes = randomBytes(1_000_000)
  {
    await using repository = await createRepository(device)
    await backUp(device, repository, { a: { bytes } })
  }
  const { store, owner } = device
  const found = await recoverKeyring({ store, heads: store, owner: owner.id, opener: ownerOpener(owner) })
  assert.deepEqual([found.epoch, found.heads.length], [1, 1])
  const machine = generateMachine()
  const without = removeRecipient(found.keyring, device.machine.id)
  const keyring = addRecipient(raiseEpoch(without, 2, (length) => randomBytes(length)), { kid: machine.id, role: 'device', kx: machine.exchangeJwk })
  const certificate = await issueDeviceCertificate(owner, machine, 2, device.now)
  await using repository = await Repository.create({ ...device.options, machine, certificate, keyring, directory: join(device.directory, 'recovered') })
  await repository.refresh()
  assert.ok((await readBack(repository, await repository.snapshot('latest')))['a']?.equals(bytes))
  await repository.adopt()
  assert.deepEqual([repository.head?.document.seq, repository.head?.document.epoch, repository.head?.document.adopts], [1, 2, [{ machine: device.machine.id, seq: 1 }]])
  const next = await backUp(device, repository, { a: { bytes } })
  assert.deepEqual([next.seq, next.bytesNew, next.snapshot.parent !== undefined], [2, 0, true])
  assert.ok((await repository.verify({ readData: true })).ok)
  await using stolen = await Repository.open(device.options)
  await stolen.refresh()
  await assert.rejects(backUp(device, stolen, {}).then(async () => await stolen.snapshot(next.snapshot.id)), (error) => hasCode(error, 'key-missing'))
})

test('two devices of one owner see each other\'s snapshots, and do not lean on each other\'s packs', async (t) => {
  const device = await makeDevice(t)
  const second = generateMachine()
  const keyring = createKeyring(device.owner.id, {
    random: (length) => randomBytes(length), recipients: [...recipientsOf(device.owner, device.machine), { kid: second.id, role: 'device', kx: second.exchangeJwk }],
  })
  const bytes = randomBytes(200_000)
  await using one = await Repository.create({ ...device.options, keyring })
  await backUp(device, one, { a: { bytes } })
  await using two = await Repository.create({
    ...device.options, keyring, machine: second, certificate: await issueDeviceCertificate(device.owner, second, 1, 0), directory: join(device.directory, 'two'),
  })
  await two.refresh()
  assert.equal((await two.snapshots()).snapshots.length, 1)
  const result = await backUp(device, two, { a: { bytes } })
  assert.equal(result.bytesNew, bytes.length)
  await one.refresh()
  assert.equal((await one.snapshots()).snapshots.length, 2)
  assert.ok((await readBack(one, await one.snapshot(result.snapshot.id)))['a']?.equals(bytes))
})

test('refresh() reports a head that went back, a cloned key and a forged head', async (t) => {
  const device = await makeDevice(t)
  const { store, machine, owner } = device
  await using repository = await createRepository(device)
  await backUp(device, repository, { a: { bytes: Buffer.of(1) } })
  const { heads: old } = await store.collect()
  await backUp(device, repository, { a: { bytes: Buffer.of(2) } })
  const keyring = { kind: 'key' as const, id: 'a'.repeat(64) as ObjectId, length: 5 }
  const clone = await signHead({ owner: owner.id, epoch: 1, seq: 2, previous: old[0], nowMs: 0, keyring, latest: undefined, live: [keyring], adopts: [] },
    { machine, certificate: device.options.certificate })
  const ask = async (heads: typeof old) => {
    await using asking = await Repository.open({ ...device.options, heads: { publish: async () => ({ acknowledged: 1, asked: 1 }), collect: async () => ({ heads, answered: 1, asked: 1 }) } })
    return await asking.refresh()
  }
  assert.deepEqual((await ask(old)).rolledBack, [{ machine: machine.id, seen: 2, found: 1 }])
  assert.deepEqual((await ask([clone])).conflicts, [machine.id])
  const forged = { ...clone, live: new Uint8Array(41) }
  const report = await ask([forged])
  assert.deepEqual([report.rejected, report.conflicts, report.heads.length], [1, [], 1])
})

test('a head that nobody acknowledged is published by the next refresh, and no other head of its number is ever signed', async (t) => {
  const device = await makeDevice(t)
  const { store } = device
  let silent = true
  const published: number[] = []
  const heads = {
    collect: async () => await store.collect(),
    publish: async (...call: Parameters<typeof store.publish>) => {
      if (silent) throw new HoldfastError('too-few-holders', 'Cannot publish the head: nobody answered')
      published.push((JSON.parse(Buffer.from(call[0].head.split('.')[1] as string, 'base64url').toString()) as { seq: number }).seq)
      return await store.publish(...call)
    },
  }
  {
    await using repository = await Repository.create({ ...device.options, heads, keyring: device.keyring })
    await assert.rejects(backUp(device, repository, { a: { bytes: Buffer.of(1) } }), (error) => hasCode(error, 'too-few-holders'))
  }
  silent = false
  await using repository = await Repository.open({ ...device.options, heads })
  await repository.refresh()
  await backUp(device, repository, { a: { bytes: Buffer.of(1) } })
  assert.deepEqual(published, [1, 2])
})

test('a machine that lost its heads does not begin a new chain while nobody answers', async (t) => {
  const device = await makeDevice(t)
  {
    await using repository = await createRepository(device)
    await backUp(device, repository, { a: { bytes: Buffer.of(1) } })
  }
  rmSync(join(device.options.directory, 'heads'), { recursive: true })
  const nobody = { publish: device.store.publish, collect: async () => { throw new HoldfastError('too-few-holders', 'Cannot collect heads: nobody answered') } }
  {
    await using repository = await Repository.open({ ...device.options, heads: nobody })
    await assert.rejects(repository.beginBackup({ host: 'test' }), (error) => hasCode(error, 'too-few-holders'))
  }
  await using repository = await Repository.open(device.options)
  assert.equal((await backUp(device, repository, { a: { bytes: Buffer.of(1) } })).seq, 2)
})

test('forget() drops the packs that only forgotten snapshots need, and keeps every byte of the others', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const [shared, first, last] = [randomBytes(300_000), randomBytes(400_000), randomBytes(500_000)]
  await backUp(device, repository, { shared: { bytes: shared } })
  await backUp(device, repository, { shared: { bytes: shared }, first: { bytes: first } })
  const { snapshot } = await backUp(device, repository, { shared: { bytes: shared }, last: { bytes: last } })
  const plan = await repository.forget({ keep: { last: 1 }, dryRun: true })
  assert.equal((await repository.snapshots()).snapshots.length, 3)
  const report = await repository.forget({ keep: { last: 1 } })
  assert.deepEqual([report.snapshots.length, report.kept.map(({ id }) => id), report.bytes], [2, [snapshot.id], plan.bytes])
  assert.ok(report.bytes > 400_000 && report.bytes < 500_000)
  const live = new Set(repository.head?.live.map(({ id }) => id))
  for await (const ref of device.store.list()) if (!live.has(ref.id)) await device.store.drop(ref)
  assert.deepEqual((await repository.snapshots()).snapshots.map(({ id }) => id), [snapshot.id])
  const back = await readBack(repository, snapshot)
  assert.ok(back['shared']?.equals(shared) && back['last']?.equals(last))
  assert.ok((await repository.verify({ readData: true })).ok)
  assert.equal((await backUp(device, repository, { first: { bytes: first } })).bytesNew, first.length)
})

test('create() refuses a place that has a repository, open() one that has none or another key', async (t) => {
  const device = await makeDevice(t)
  await assert.rejects(Repository.open(device.options), (error) => hasCode(error, 'not-found'))
  { await using repository = await createRepository(device); assert.equal(repository.owner, device.owner.id) }
  await assert.rejects(createRepository(device), (error) => hasCode(error, 'already-exists'))
  await assert.rejects(Repository.open({ ...device.options, machine: generateMachine() }), (error) => hasCode(error, 'key-missing'))
  renameSync(join(device.options.directory, 'keyring.hfk'), join(device.options.directory, 'away'))
  assert.ok(!existsSync(join(device.options.directory, 'keyring.hfk')))
})
