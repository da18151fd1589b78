import assert from 'node:assert/strict'
import { existsSync } from 'node:fs'
import { open, readFile, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { verifyDeviceCertificate } from '../../../agent/identity/device.ts'
import { idToBytes } from '../../../agent/identity/machine.ts'
import { FolderShardStore } from '../../../agent/network/shard-store/folder.ts'
import type { NewShard } from '../../../agent/network/shard-store/port.ts'
import { hasCode } from '../../../shared/errors.ts'
import { FakeTime, dayMs, hourMs } from '../../support/fake-time.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'
import { type TestOwner, makeOwner, makeShard } from '../../support/test-owner.ts'

const days = 30

interface Holder {
  readonly time: FakeTime
  readonly owner: TestOwner
  readonly shards: NewShard[]
  readonly faults: unknown[]
  readonly store: () => FolderShardStore
  readonly fileOf: (shard: NewShard) => string
  readonly restart: () => Promise<void>
  /** The machine runs for so long, and does what comes every hour. */
  readonly live: (hours: number, turn?: () => Promise<void> | undefined) => Promise<{ shards: number; damaged: number }>
}

/** A holder with `count` shards of 65 KB in the order in which they are read. */
async function holder(t: TestContext, count: number): Promise<Holder> {
  const path = await scratchFolder(t)
  const owner = await makeOwner()
  const device = await verifyDeviceCertificate(owner.certificate)
  const time = new FakeTime()
  const faults: unknown[] = []
  const openStore = async () => await FolderShardStore.open({
    path, minFree: 0, clock: time, monotonic: time.monotonic, report: (error) => faults.push(error),
    certificateOf: (id, machine) => (device.owner === id && device.machine === machine ? device : undefined),
  })
  let store = await openStore()
  t.after(async () => { await store[Symbol.asyncDispose]() })
  const shards = Array.from({ length: count }, () => makeShard(owner, { length: 65_536 })).sort((a, b) => (a.id < b.id ? -1 : 1))
  for (const shard of shards) await store.put(shard)
  return {
    time, owner, shards, faults, store: () => store,
    fileOf: ({ owner: of, id, number }) => join(path, idToBytes(of).toString('hex'), `${id}.${number}.shard`),
    async restart() {
      await store[Symbol.asyncDispose]()
      store = await openStore()
    },
    async live(hours, turn) {
      const sum = { shards: 0, damaged: 0 }
      for (let hour = 0; hour < hours; hour++) {
        time.run(hourMs)
        const { shards: read, damaged } = await store.scrub({ days, turn })
        sum.shards += read
        sum.damaged += damaged
      }
      return sum
    },
  }
}

async function flip(path: string, offset: number): Promise<void> {
  const bytes = await readFile(path)
  bytes[offset] = (bytes[offset] ?? 0) ^ 1
  await writeFile(path, bytes)
}

test('all that lies here is read once in half of the days, evenly, also over restarts and nights', async (t) => {
  const { time, live, restart, store } = await holder(t, 400)
  const perDay: number[] = []
  while (store().scrubbed().endedMs === undefined && perDay.length < 20) {
    perDay.push((await live(4)).shards)
    await restart()
    time.jump(20 * hourMs)
  }
  assert.ok(perDay.length >= 13 && perDay.length <= 16, `${perDay.length} days`)
  const sum = perDay.reduce((all, count) => all + count, 0)
  assert.ok(sum >= 400 && sum < 410, `${sum}: all of them, and some of the next round on the last day`)
  assert.ok(perDay.every((count) => count < 60), perDay.join(' '))
})

test('any flipped bit of a shard is found, wherever it lies, and the shard is dropped, so that it is made anew', async (t) => {
  const { fileOf, faults, live, owner, shards, store } = await holder(t, 12)
  // Magic, length, epoch, id, the other shard's root, signature, a leaf hash, the first and the last byte.
  const size = (await readFile(fileOf(shards[0] as NewShard))).length
  for (const [at, offset] of [0, 9, 89, 100, 170, 250, 260, size - 65_536, size - 1].entries()) await flip(fileOf(shards[at] as NewShard), offset)
  const outcome = await live(15 * 24)
  // Eight are dropped, then no more: so many at once may be the fault of the machine's memory.
  assert.deepEqual([outcome.shards, outcome.damaged, faults.length], [12, 9, 9])
  assert.deepEqual(shards.map((shard) => existsSync(fileOf(shard))), [...Array.from({ length: 8 }, () => false), true, true, true, true])
  const listed = (await Array.fromAsync(store().list(owner.root.id))).length
  assert.equal(listed, 4)
  const { damaged, isHalted, unreadable } = store().scrubbed()
  assert.deepEqual([damaged, unreadable, isHalted], [9, 0, true])
  await assert.rejects(store().open(shards[0] as NewShard), (error) => hasCode(error, 'not-found'))
  assert.equal(await store().put(shards[0] as NewShard), shards[0]?.bytes.length, 'it is taken in again')
})

test('a damage counts in its round and the next one', async (t) => {
  const { fileOf, live, shards, store } = await holder(t, 4)
  await flip(fileOf(shards[2] as NewShard), 5_000)
  await live(361)
  assert.deepEqual([store().scrubbed().damaged, store().scrubbed().isHalted], [1, false])
  await live(359)
  assert.equal(store().scrubbed().damaged, 1)
  await live(1)
  assert.equal(store().scrubbed().damaged, 0)
})

test('what cannot be read is told and stays; what comes back sound at a second look is sound', async (t) => {
  const { fileOf, live, shards, store, time } = await holder(t, 3)
  const [first, second] = shards as [NewShard, NewShard, NewShard]
  const file = await open(fileOf(first), 'r+')
  await file.truncate(400)
  await file.close()
  const sound = await readFile(fileOf(second))
  await flip(fileOf(second), 5_000)
  await live(1)
  time.run(dayMs)
  let turns = 0
  // The second one is as it was stored again when it is looked at once more.
  const disk = store()
  const { damaged } = await disk.scrub({ days: 0.001, turn: async () => { if (++turns === 2) await writeFile(fileOf(second), sound) } })
  assert.deepEqual([turns, damaged, disk.scrubbed().unreadable], [3, 1, 0], 'the one that was cut off')
  assert.ok(existsSync(fileOf(second)))
})

test('it waits for its turn before each shard, and can be stopped', async (t) => {
  const { live, store, time } = await holder(t, 3)
  await live(1)
  time.run(dayMs)
  const stop = new AbortController()
  let turns = 0
  await assert.rejects(store().scrub({ days: 0.001, signal: stop.signal, turn: async () => { if (++turns === 2) stop.abort() } }))
  assert.equal(turns, 2)
  time.run(dayMs)
  assert.equal((await store().scrub({ days: 0.001 })).shards, 2, 'it goes on with the second')
})

test('a machine that stops does not wait for a turn that does not come', async (t) => {
  const { live, store, time } = await holder(t, 1)
  await live(1)
  time.run(dayMs)
  const stop = new AbortController()
  const scrubbing = store().scrub({ days: 0.001, signal: stop.signal, turn: async () => { setImmediate(() => { stop.abort() }); await new Promise(() => {}) } })
  await assert.rejects(scrubbing, { name: 'AbortError' })
})

test('a file that was cut off just where a read begins is damaged, for the scrub and for who offers the shard again', async (t) => {
  const { owner, store, fileOf, live, time } = await holder(t, 0)
  const [found, offered] = [makeShard(owner, { length: 3_000_000 }), makeShard(owner, { length: 3_000_000 })]
  for (const shard of [found, offered]) {
    await store().put(shard)
    await truncate(fileOf(shard), (await readFile(fileOf(shard))).length - shard.bytes.length + 16 * 65_536)
  }
  assert.equal(await store().put(offered), offered.bytes.length)
  await live(1)
  time.run(20 * dayMs)
  assert.equal((await live(1)).damaged, 1)
  assert.deepEqual((await Array.fromAsync(store().list(owner.root.id))).map(({ id }) => id), [offered.id])
})
