import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { respread } from '../../agent/commands/respread.ts'
import { repairObjects } from '../../agent/network/repair.ts'
import { pacePacks, packsToRespread } from '../../agent/network/respread.ts'
import { dayMs, freezeFromBytes, freezeShare } from '../../agent/network/shard-store/retention.ts'
import type { ObjectId } from '../../agent/object-store.ts'
import type { Repository } from '../../agent/repository/repository.ts'
import { FakeTime } from '../support/fake-time.ts'
import { makeGroup } from '../support/shard-group.ts'
import { backUp, createRepository, makeDevice, readBack } from '../support/test-repository.ts'
import type { TestContext } from 'node:test'

const { signal } = new AbortController()

/** Three machines of which one more is the owner's, and a backup of several packs on them: 1-of-3. */
async function makeScene(t: TestContext) {
  const time = new FakeTime()
  const device = await makeDevice(t, { clock: () => time.nowMs++ })
  const owner = { root: device.owner, machine: device.machine, certificate: device.options.certificate, epoch: 1 }
  const group = await makeGroup(3, { clock: time, owner })
  const { dispersal } = group
  const repository = await createRepository({ ...device, options: { ...device.options, store: dispersal } })
  t.after(async () => {
    await repository[Symbol.asyncDispose]()
    await group[Symbol.asyncDispose]()
  })
  const files = Object.fromEntries(Array.from({ length: 4 }, (_, at) => [`file-${at}`, { bytes: randomBytes(300_000) }]))
  const names = Object.keys(files)
  for (const at of names.keys()) await backUp(device, repository, Object.fromEntries(Object.entries(files).slice(0, at + 1)))
  const levels = () => repository.head!.live.filter(({ kind }) => kind === 'pack').map(({ id }) => {
    const { k, n } = dispersal.index.find(id)!
    return `${k}-of-${n}`
  })
  const assertReads = async (from: Repository = repository): Promise<void> => {
    const back = await readBack(from, await from.snapshot('latest'))
    for (const [name, { bytes }] of Object.entries(files)) assert.ok(back[name]?.equals(bytes), name)
  }
  return { time, device, group, dispersal, repository, levels, assertReads, live: () => repository.head!.live }
}

test('when the group has grown, new objects take the new level at once, old ones after 14 days without another change', async (t) => {
  const { time, group, device, dispersal, repository, levels, assertReads, live } = await makeScene(t)
  assert.deepEqual([...new Set(levels())], ['1-of-3'])
  const before = live().filter(({ kind }) => kind === 'pack')
  assert.deepEqual(packsToRespread(dispersal, live()), [])
  group.addMachine()
  group.addMachine()
  assert.deepEqual(packsToRespread(dispersal, live()), [])
  time.run(13 * dayMs)
  assert.deepEqual(packsToRespread(dispersal, live()), [])
  group.addMachine()
  assert.deepEqual(packsToRespread(dispersal, live()), [], 'the level changed again: the days begin anew')
  time.run(13 * dayMs)
  assert.equal(await respread({ dispersal, repository }, { signal }), 0)
  await backUp(device, repository, { 'file-0': { bytes: randomBytes(70_000) } }, { parent: null })
  assert.equal(levels().filter((level) => level === '3-of-6').length, 2)
  time.run(dayMs)
  let moved = 0
  for (let day = 0; levels().includes('1-of-3'); day++, time.run(dayMs)) {
    assert.ok(day < 30)
    moved += await respread({ dispersal, repository }, { signal })
    await readBack(repository, (await repository.snapshots()).snapshots[3]!)
  }
  assert.equal(moved, before.length)
  assert.equal(dispersal.protectionOf(dispersal.index.find(live().find(({ kind }) => kind === 'pack')!.id)!).state, 'protected')
  assert.equal(await respread({ dispersal, repository }, { signal }), 0)
  // The former shards are where they were: no holder drops them before its delay is over.
  assert.ok(group.machines.slice(0, 3).every(({ memory }) => before.every(({ id }) => [...memory.shards.keys()].some((name) => name.includes(id)))))
  for (const { memory } of group.machines) for (const name of memory.shards.keys()) if (before.some(({ id }) => name.includes(id))) memory.shards.delete(name)
  for (const machine of group.machines.slice(0, 3)) machine.store.faults.gone = true
  const snapshot = (await repository.snapshots()).snapshots[3]!
  assert.equal(Object.keys(await readBack(repository, snapshot)).length, 4)
  await assert.rejects(assertReads()) // the newest has one file only
})

test('as long as fewer machines are there than the new level wants, or one of them is full, the old packs stay named', async (t) => {
  const { time, group, dispersal, repository, levels, assertReads, live } = await makeScene(t)
  for (let count = 0; count < 3; count++) group.addMachine()
  packsToRespread(dispersal, live())
  time.run(15 * dayMs)
  group.machines[5]!.peer = { ...group.machines[5]!.peer, state: 'away' }
  assert.deepEqual(packsToRespread(dispersal, live()), [])
  group.machines[5]!.peer = { ...group.machines[5]!.peer, state: 'online' }
  group.machines[5]!.store.faults.full = true
  const { head } = repository
  await assert.rejects(respread({ dispersal, repository }, { signal }), { code: 'too-few-holders' })
  assert.equal(repository.head, head)
  await assertReads()
  group.machines[5]!.store.faults.full = false
  time.run(dayMs)
  while (levels().includes('1-of-3')) {
    assert.ok(await respread({ dispersal, repository }, { signal }) > 0)
    time.run(dayMs)
  }
  await assertReads()
  assert.ok((await repository.verify({ readData: true })).ok)
})

test('small objects get the copies that the new level wants by repair, packs of another k do not', async (t) => {
  const { group, dispersal, live } = await makeScene(t)
  for (let count = 0; count < 3; count++) group.addMachine()
  await repairObjects(dispersal, { live: live() })
  const levelsOf = (kind: string) => [...new Set(live().filter((ref) => ref.kind === kind).map(({ id }) => `${dispersal.index.find(id)!.k}-of-${dispersal.index.find(id)!.n}`))]
  assert.deepEqual(['snapshot', 'index', 'pack'].map(levelsOf), [['1-of-6'], ['1-of-6'], ['1-of-3']])
})

test('no week replaces so much of what a holder has that it freezes, and everything is replaced in the end', () => {
  const sizes = fc.array(fc.record({ length: fc.integer({ min: 1_000, max: 16_777_216 }), k: fc.constantFrom(1, 2, 3) }), { minLength: 2, maxLength: 60 })
  fc.assert(fc.property(sizes, (objects) => {
    let former = objects.map(({ length, k }, at) => ({ id: String(at) as ObjectId, shardBytes: Math.ceil(length / k), length }))
    let present = 0
    const replaced: { atMs: number; bytes: number }[] = []
    const held: number[] = []
    for (let day = 0; day < 2_000 && former.length > 0; day++) {
      const heldBytes = former.reduce((sum, { shardBytes }) => sum + shardBytes, present)
      held.push(heldBytes)
      const ids = new Set(pacePacks(former, { heldBytes, replaced, nowMs: day * dayMs }))
      const bytes = former.filter(({ id }) => ids.has(id)).reduce((sum, { shardBytes }) => sum + shardBytes, 0)
      if (ids.size > 0) replaced.push({ atMs: day * dayMs, bytes })
      present += former.filter(({ id }) => ids.has(id)).reduce((sum, { length }) => sum + length / 4, 0)
      former = former.filter(({ id }) => !ids.has(id))
      const week = replaced.filter(({ atMs }) => day * dayMs - atMs <= 7 * dayMs).reduce((sum, replacedThen) => sum + replacedThen.bytes, 0)
      assert.ok(week < freezeFromBytes || week <= freezeShare * held.at(-8 < -held.length ? 0 : -8)!, `day ${day}: ${week} of ${held}`)
    }
    assert.ok(former.every(({ shardBytes }) => shardBytes > 0.75 * freezeFromBytes), `${former.length} left`)
  }), { numRuns: 60 })
})
