import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type AuditReport, auditHolders, leavesPerDay, leavesToFind } from '../../agent/network/audit.ts'
import { AuditBook } from '../../agent/network/audit-book.ts'
import { repairObjects, verifyHoldings } from '../../agent/network/repair.ts'
import { FakeTime, dayMs } from '../support/fake-time.ts'
import { seededLots } from '../support/lots.ts'
import { type ShardGroup, makeGroup, makeObject } from '../support/shard-group.ts'

interface Scene extends AsyncDisposable {
  readonly group: ShardGroup
  readonly time: FakeTime
  readonly book: AuditBook
  readonly objects: ReturnType<typeof makeObject>[]
  audit(options?: { evenIfNotDue?: boolean }): Promise<AuditReport>
}

/** Four machines that hold `count` objects of one leaf a shard, 2-of-4. */
async function makeScene(count: number, seed = 1): Promise<Scene> {
  const time = new FakeTime()
  const book = new AuditBook(':memory:')
  const group = await makeGroup(4, { redundancy: '2-of-4', clock: time, scoreOf: (machine) => book.score(machine, time.now()) })
  const objects = Array.from({ length: count }, () => makeObject(600))
  await Promise.all(objects.map(async (object) => await group.dispersal.put(object)))
  const random = seededLots(seed)
  return {
    group, time, book, objects,
    audit: async ({ evenIfNotDue } = {}) => await auditHolders(group.dispersal, { book, live: objects, evenIfNotDue, random: (below) => Math.floor(random() * below) }),
    async [Symbol.asyncDispose]() {
      await group[Symbol.asyncDispose]()
      book[Symbol.dispose]()
    },
  }
}

function rot({ group }: Scene, at: number, share: number): number {
  const shards = [...group.machines[at]!.memory.shards.values()]
  const bad = shards.slice(0, Math.ceil(shards.length * share))
  for (const { bytes } of bad) bytes[0]! ^= 1
  return bad.length
}

test('the sample finds one percent of rot within 30 days with 99.9 %, also when five of the days are lost', () => {
  assert.equal(leavesToFind(0.01, 0.999), 688)
  assert.ok(leavesPerDay * 25 >= leavesToFind(0.01, 0.999))
  assert.ok(1 - 0.99 ** (leavesPerDay * 30) > 0.9998)
})

test('an audit asks each holder for 30 leaves a day, and not twice on one day', async () => {
  await using scene = await makeScene(60)
  const first = await scene.audit()
  assert.deepEqual(first.holders.map(({ name, state, passed, failed }) => [name, state, passed, failed]), [0, 1, 2, 3].map((at) => [`machine-${at}`, 'passed', 30, 0]))
  assert.equal(first.bytesRead, 4 * 30 * 320)
  assert.deepEqual((await scene.audit()).holders, [])
  assert.equal((await scene.audit({ evenIfNotDue: true })).holders.length, 4)
  scene.time.run(dayMs)
  assert.equal((await scene.audit()).holders.length, 4)
  assert.equal(scene.book.of(scene.group.machines[0]!.id).passed, 90)
})

test('days without an audit are made good, ten at most', async () => {
  await using scene = await makeScene(320)
  await scene.audit()
  scene.time.run(3 * dayMs)
  assert.deepEqual((await scene.audit()).holders.map(({ passed }) => passed), [90, 90, 90, 90])
  scene.time.run(100 * dayMs)
  assert.deepEqual((await scene.audit()).holders.map(({ passed }) => passed), [300, 300, 300, 300])
})

test('a machine that does not answer fails no audit, and is asked again as soon as it is there', async () => {
  await using scene = await makeScene(10)
  const { faults } = scene.group.machines[1]!.store
  faults.gone = true
  const [, silent] = (await scene.audit()).holders
  assert.deepEqual([silent?.state, silent?.failed], ['silent', 0])
  assert.equal(scene.book.score(scene.group.machines[1]!.id, scene.time.now()), 1)
  faults.gone = false
  assert.deepEqual((await scene.audit()).holders.map(({ name, state }) => [name, state]), [['machine-1', 'passed']])
})

test('a flipped bit fails the audit: the shard is made anew, and the holder counts for less and recovers over months', async () => {
  await using scene = await makeScene(20)
  assert.equal(rot(scene, 2, 1), 20)
  const report = await scene.audit()
  assert.deepEqual(report.holders.map(({ state, failed }) => [state, failed]), [['passed', 0], ['passed', 0], ['failed', 20], ['passed', 0]])
  assert.match(report.damaged[0]!.reason, /leaf 0 differs/)
  const { id } = scene.group.machines[2]!
  assert.equal(scene.book.score(id, scene.time.now()), 0.5)
  assert.ok(scene.group.dispersal.holders.isSuspect(id))
  assert.equal(scene.group.dispersal.protectionOf(scene.group.dispersal.index.find(scene.objects[0]!.id)!).placed, 3)
  scene.group.addMachine()
  const { mended } = await repairObjects(scene.group.dispersal, { live: scene.objects })
  assert.equal(mended, 20)
  assert.equal(scene.group.machines[4]!.memory.shards.size, 20)
  scene.time.run(90 * dayMs)
  assert.ok(scene.book.score(id, scene.time.now()) > 0.9)
})

test('a holder that failed once is read whole within the next seven days of audits', async () => {
  await using scene = await makeScene(200)
  const shards = [...scene.group.machines[0]!.memory.shards.values()]
  for (const { bytes } of shards.slice(0, 10)) bytes[0]! ^= 1
  let day = 0
  for (; scene.book.of(scene.group.machines[0]!.id).failed === 0; day++) {
    await scene.audit()
    scene.time.run(dayMs)
  }
  for (let swept = 0; swept < 7; swept++) {
    const [audit] = (await scene.audit()).holders
    assert.ok(audit!.passed + audit!.failed >= 30)
    scene.time.run(dayMs)
  }
  assert.equal(scene.book.of(scene.group.machines[0]!.id).failed, 10)
  assert.equal(scene.book.of(scene.group.machines[0]!.id).sweep, undefined)
  const { healthy } = await verifyHoldings(scene.group.dispersal, { live: scene.objects, readData: true })
  assert.equal(healthy, 190)
})

test('a shard that is not there any more fails the audit, and the holder\'s own list tells what else is gone', async () => {
  await using scene = await makeScene(80)
  scene.time.run(1)
  scene.group.machines[3]!.memory.shards.clear()
  const [, , , lost] = (await scene.audit()).holders
  assert.deepEqual([lost?.state, lost?.failed], ['failed', 30])
  assert.equal([...scene.group.dispersal.index.objects()].filter(({ shards }) => shards.some(({ machine }) => machine === lost?.machine)).length, 0)
})

test('who answers every question but those about what it lost does not get away with it', async () => {
  await using scene = await makeScene(40)
  const { id, store, memory } = scene.group.machines[0]!
  const [kept] = [...memory.shards.values()]
  store.faults.silentAbout = new Set([kept!.id])
  const states: string[] = []
  for (let day = 0; day < 20 && !states.includes('failed'); day++) {
    states.push((await scene.audit()).holders.find(({ machine }) => machine === id)?.state ?? '')
    scene.time.run(dayMs)
  }
  assert.equal(states.at(-1), 'failed')
  assert.ok(states.length >= 3)
  assert.equal(scene.group.dispersal.index.find(kept!.id)?.shards.some(({ machine }) => machine === id), false)
})

test('an audit stops when it is told to', async () => {
  await using scene = await makeScene(1)
  await assert.rejects(auditHolders(scene.group.dispersal, { book: scene.book, live: scene.objects }, { signal: AbortSignal.abort() }), { code: 'cancelled' })
})
