import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { Repository } from '../../agent/repository/repository.ts'
import { type TestDevice, backUp, createRepository, makeDevice, readBack } from '../support/test-repository.ts'

/** Six files in one pack, of which one is kept: a pack that is mostly dead. */
async function mostlyDead(device: TestDevice, repository: Repository) {
  const kept = randomBytes(200_000)
  const others = Object.fromEntries(Array.from({ length: 6 }, (_, at) => [`other-${at}`, { bytes: randomBytes(200_000) }]))
  await backUp(device, repository, { kept: { bytes: kept }, ...others })
  const { snapshot } = await backUp(device, repository, { kept: { bytes: kept } })
  await repository.forget({ keep: { last: 1 } })
  return { kept, others, snapshot }
}

/** What holders do in the end: nothing stays that the head does not name. */
async function dropUnnamed(device: TestDevice, repository: Repository): Promise<void> {
  const live = new Set(repository.head?.live.map(({ id }) => id))
  for await (const ref of device.store.list()) if (!live.has(ref.id)) await device.store.drop(ref)
}

const livePacks = (repository: Repository) => repository.head!.live.filter(({ kind }) => kind === 'pack')
const bytesOf = (refs: readonly { length: number }[]) => refs.reduce((sum, { length }) => sum + length, 0)

test('prune() rewrites packs that are mostly dead; what is kept reads from the new ones alone, on a new machine too', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const { kept, others, snapshot } = await mostlyDead(device, repository)
  const before = livePacks(repository)
  const plan = await repository.prune({ dryRun: true })
  assert.deepEqual(livePacks(repository), before)
  const report = await repository.prune({})
  assert.deepEqual([plan.rewritten, plan.droppedBytes], [report.rewritten, report.droppedBytes])
  assert.ok(report.rewritten === 1 && report.droppedBytes > 1_400_000 && report.writtenBytes < 300_000, JSON.stringify(report))
  assert.ok(bytesOf(livePacks(repository)) < 400_000)
  await dropUnnamed(device, repository)
  assert.ok((await readBack(repository, snapshot))['kept']?.equals(kept))
  assert.ok((await repository.verify({ readData: true })).ok)
  assert.deepEqual(await repository.rebuildIndex(), [])
  assert.ok((await readBack(repository, snapshot))['kept']?.equals(kept))
  assert.equal((await backUp(device, repository, { kept: { bytes: kept }, ...others })).bytesNew, 6 * 200_000)
  assert.equal((await repository.prune({ dryRun: true })).rewritten, 0)
})

test('what prune() left out is not gone: a snapshot of an older head reads while holders have its packs', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const { others } = await mostlyDead(device, repository)
  await repository.prune({})
  const { snapshots } = await repository.keptSnapshots()
  assert.equal(snapshots.length, 1)
  const back = await readBack(repository, snapshots[0]!)
  for (const [name, { bytes }] of Object.entries(others)) assert.ok(back[name]?.equals(bytes), name)
  const [first] = snapshots
  await using fresh = await Repository.open(device.options)
  assert.equal((await fresh.snapshot(first!.id.slice(0, 10))).id, first!.id)
  await dropUnnamed(device, repository)
  assert.deepEqual((await repository.keptSnapshots()).snapshots, [])
  await assert.rejects(fresh.snapshot('0123456789'), (error) => hasCode(error, 'not-found'))
})

test('a prune whose head nobody took changes nothing; the next backup and prune go on', async (t) => {
  const device = await makeDevice(t)
  const refusal = { on: false }
  const heads = {
    collect: async () => await device.store.collect(),
    publish: async (head: Parameters<typeof device.store.publish>[0]) => {
      if (refusal.on) throw new HoldfastError('too-few-holders', 'Cannot publish: nobody answers')
      return await device.store.publish(head)
    },
  }
  await using repository = await Repository.create({ ...device.options, heads, keyring: device.keyring })
  const { kept, snapshot } = await mostlyDead(device, repository)
  refusal.on = true
  await assert.rejects(repository.prune({}), (error) => hasCode(error, 'too-few-holders'))
  assert.ok((await readBack(repository, snapshot))['kept']?.equals(kept))
  refusal.on = false
  await repository[Symbol.asyncDispose]()
  await using again = await Repository.open({ ...device.options, heads })
  await again.refresh()
  device.now += 40 * 86_400_000
  const next = await backUp(device, again, { kept: { bytes: kept } })
  assert.equal(next.bytesNew, 0)
  await again.prune({})
  await dropUnnamed(device, again)
  assert.ok((await readBack(again, next.snapshot))['kept']?.equals(kept))
  assert.ok((await again.verify({ readData: true })).ok)
})

test('what a head that nobody took leaves out is stored again by the next backup, not taken for stored', async (t) => {
  const device = await makeDevice(t)
  const refusal = { on: false }
  const heads = {
    collect: async () => await device.store.collect(),
    publish: async (head: Parameters<typeof device.store.publish>[0]) => {
      if (refusal.on) throw new HoldfastError('too-few-holders', 'Cannot publish: nobody answers')
      return await device.store.publish(head)
    },
  }
  await using repository = await Repository.create({ ...device.options, heads, keyring: device.keyring })
  const [kept, gone] = [randomBytes(100_000), randomBytes(100_000)]
  await backUp(device, repository, { gone: { bytes: gone } })
  await backUp(device, repository, { kept: { bytes: kept } })
  refusal.on = true
  await assert.rejects(repository.forget({ keep: { last: 1 } }), (error) => hasCode(error, 'too-few-holders'))
  refusal.on = false
  const { snapshot } = await backUp(device, repository, { kept: { bytes: kept }, again: { bytes: gone } })
  await dropUnnamed(device, repository)
  const back = await readBack(repository, snapshot)
  assert.ok(back['kept']?.equals(kept) && back['again']?.equals(gone))
})

test('prune() rewrites no more than it is told, and makes few of many indexes', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  await mostlyDead(device, repository)
  assert.deepEqual(await repository.prune({ maxRewriteBytes: 1_000 }).then(({ rewritten, left }) => [rewritten, left]), [0, 1])
  const files: Record<string, { bytes: Uint8Array }> = {}
  for (let at = 0; at < 17; at++) {
    files[`file-${at}`] = { bytes: randomBytes(3_000) }
    await backUp(device, repository, files)
  }
  const report = await repository.prune({ maxRewriteBytes: 0 })
  assert.ok(report.indexes > 16 && report.indexesAfter === 1)
  assert.equal(repository.head!.live.filter(({ kind }) => kind === 'index').length, 1)
  await dropUnnamed(device, repository)
  assert.deepEqual(await repository.rebuildIndex(), [])
  assert.equal(Object.keys(await readBack(repository, (await repository.snapshots()).snapshots.at(-1)!)).length, 17)
})

test('prune() makes few of many small packs, within its limit, and does not rewrite what it made each time another comes', async (t) => {
  const device = await makeDevice(t)
  await using repository = await createRepository(device)
  const files: Record<string, { bytes: Uint8Array }> = {}
  const addFiles = async (count: number): Promise<void> => {
    for (let at = 0; at < count; at++) {
      files[`file-${Object.keys(files).length}`] = { bytes: randomBytes(5_000) }
      await backUp(device, repository, files)
    }
  }
  await addFiles(16)
  const many = livePacks(repository).length
  assert.ok(many >= 16)
  const smallest = Math.min(...livePacks(repository).map(({ length }) => length))
  assert.deepEqual(await repository.prune({ maxRewriteBytes: smallest }).then(({ rewritten, left }) => [rewritten, left > 0]), [0, true], 'one alone would become one')
  assert.ok((await repository.prune({})).rewritten >= 16)
  const few = livePacks(repository).length
  assert.ok(few <= many / 4, `${few} of ${many}`)
  await addFiles(2)
  assert.equal((await repository.prune({ dryRun: true })).rewritten, 0)
  await dropUnnamed(device, repository)
  const back = await readBack(repository, (await repository.snapshots()).snapshots.at(-1)!)
  for (const [name, { bytes }] of Object.entries(files)) assert.ok(back[name]?.equals(bytes), name)
  assert.ok((await repository.verify({ readData: true })).ok)
})

test('after any backups, forgets and prunes every snapshot that is kept reads back as it was', async (t) => {
  const action = fc.oneof(
    { weight: 3, arbitrary: fc.record({ do: fc.constant('backup' as const), seeds: fc.array(fc.nat(9), { minLength: 1, maxLength: 6 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('forget' as const), last: fc.integer({ min: 1, max: 3 }) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('prune' as const), max: fc.constantFrom(0, 500_000, Infinity) }) },
    { weight: 1, arbitrary: fc.record({ do: fc.constant('reopen' as const) }) },
  )
  const contents = Array.from({ length: 10 }, () => randomBytes(60_000))
  await fc.assert(fc.asyncProperty(fc.array(action, { minLength: 4, maxLength: 10 }), async (actions) => {
    const device = await makeDevice(t)
    let repository = await createRepository(device)
    const taken = new Map<string, Set<number>>()
    for (const step of actions) {
      if (step.do === 'backup') {
        const seeds = new Set(step.seeds)
        const { snapshot } = await backUp(device, repository, Object.fromEntries([...seeds].map((seed) => [`f${seed}`, { bytes: contents[seed]! }])))
        taken.set(snapshot.id, seeds)
      } else if (step.do === 'forget') await repository.forget({ keep: { last: step.last } })
      else if (step.do === 'prune') await repository.prune({ maxRewriteBytes: step.max })
      else {
        await repository[Symbol.asyncDispose]()
        repository = await Repository.open(device.options)
      }
      if (repository.head !== undefined) await dropUnnamed(device, repository)
    }
    for (const snapshot of (await repository.snapshots()).snapshots) {
      const back = await readBack(repository, snapshot)
      for (const seed of taken.get(snapshot.id)!) assert.ok(back[`f${seed}`]?.equals(contents[seed]!))
    }
    await repository[Symbol.asyncDispose]()
  }), { numRuns: 4 })
})

test('a dry run of prune() tells what prune() then does: packs, indexes, what goes, and what is written as far as tables tell', async (t) => {
  const text = (at: number) => Buffer.from(Array.from({ length: 1000 }, (_, line) => `line ${(line * 7) % 1000} of ${at}, again\n`).join(''))
  const small = async (device: TestDevice, repository: Repository) => {
    for (let at = 0; at < 16; at++) await backUp(device, repository, { file: { bytes: randomBytes(20_000) } })
  }
  const half = async (device: TestDevice, repository: Repository) => {
    const kept = { bytes: Buffer.concat(Array.from({ length: 30 }, (_, at) => text(at))) }
    await backUp(device, repository, { kept, other: { bytes: randomBytes(1_400_000) } })
    await backUp(device, repository, { kept })
    await repository.forget({ keep: { last: 1 } })
  }
  const scenes = [
    ['many small ones that cannot be compressed', small, 0],
    ['a dead half that cannot be compressed', mostlyDead, 0],
    // A text compresses better than the segment did that it shared with other bytes: that no table tells.
    ['a dead half beside a text', half, 1_048_576],
  ] as const
  for (const [name, fill, most] of scenes) {
    const device = await makeDevice(t)
    await using repository = await createRepository(device)
    await fill(device, repository)
    const plan = await repository.prune({ dryRun: true })
    const report = await repository.prune({})
    assert.deepEqual({ ...plan, writtenBytes: 0 }, { ...report, writtenBytes: 0 }, name)
    assert.equal(report.indexesAfter, repository.head!.live.filter(({ kind }) => kind === 'index').length, name)
    const more = plan.writtenBytes - report.writtenBytes
    assert.ok(more >= 0 && more <= most, `${name}: ${plan.writtenBytes}, then ${report.writtenBytes}`)
  }
})
