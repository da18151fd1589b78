import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { verifyDeviceCertificate } from '../../../agent/identity/device.ts'
import { FolderShardStore } from '../../../agent/network/shard-store/folder.ts'
import type { NewShard } from '../../../agent/network/shard-store/port.ts'
import { defaultTerms, floorOf, leastDaysAfterLeaving } from '../../../agent/network/shard-store/retention.ts'
import { leastKeepDays } from '../../../shared/network-commands.ts'
import { FakeTime, dayMs, hourMs } from '../../support/fake-time.ts'
import { type TestOwner, makeHead, makeOwner, makeShard } from '../../support/test-owner.ts'

/** A holder on a fake clock, and one owner whose device publishes heads that name shards. */
class Holder implements AsyncDisposable {
  readonly time = new FakeTime()
  readonly owner: TestOwner
  readonly path: string
  store: FolderShardStore
  /** What the group says of an owner who left. */
  keepDays: number | undefined
  #seq = 0

  static async open(): Promise<Holder> {
    const path = await mkdtemp(join(tmpdir(), 'holdfast-retention-'))
    const owner = await makeOwner()
    const time = new FakeTime()
    const made: { holder?: Holder } = {}
    made.holder = new Holder(path, owner, await openStore(path, owner, time, () => made.holder?.keepDays), time)
    return made.holder
  }

  private constructor(path: string, owner: TestOwner, store: FolderShardStore, time: FakeTime) {
    this.path = path
    this.owner = owner
    this.store = store
    this.time = time
  }

  async reopen(): Promise<void> {
    await this.store[Symbol.asyncDispose]()
    this.time.steadyMs = 0
    this.store = await openStore(this.path, this.owner, this.time, () => this.keepDays)
  }

  async put(length = 1_000): Promise<NewShard> {
    const shard = makeShard(this.owner, { length })
    await this.store.put(shard)
    return shard
  }

  /** The next head of the device; it names the objects of these shards. */
  async head(...named: readonly NewShard[]): Promise<void> {
    await this.store.putHead(await makeHead(this.owner, ++this.#seq, liveOf(named)))
  }

  /** Days of a machine that runs, with the holder's upkeep four times on the way. */
  async days(count: number): Promise<void> {
    for (let part = 0; part < 4; part++) {
      this.time.run(count * dayMs / 4)
      await this.store.expire()
    }
  }

  async has(shard: NewShard): Promise<boolean> {
    return await this.store.open(shard).then(() => true, () => false)
  }

  get seq(): number {
    return this.#seq
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.store[Symbol.asyncDispose]()
    await rm(this.path, { recursive: true })
  }
}

async function openStore(path: string, owner: TestOwner, time: FakeTime, keepDaysOf: () => number | undefined = () => undefined): Promise<FolderShardStore> {
  const device = await verifyDeviceCertificate(owner.certificate)
  return await FolderShardStore.open({ path, minFree: 0, certificateOf: () => device, keepDaysOf, clock: time, monotonic: time.monotonic })
}

function liveOf(shards: readonly NewShard[]): Buffer {
  return Buffer.concat(shards.map(({ id, bytes }) => {
    const entry = Buffer.alloc(41)
    entry[0] = 1
    entry.write(id, 1, 'hex')
    entry.writeBigUInt64LE(BigInt(bytes.length), 33)
    return entry
  }).sort(Buffer.compare))
}

test('an object stays for 30 days after the last head that named it, then goes; what the newest head names stays for ever', async () => {
  await using holder = await Holder.open()
  const [old, kept] = [await holder.put(), await holder.put()]
  await holder.head(old, kept)
  holder.time.run(hourMs)
  await holder.head(kept)
  await holder.days(29)
  assert.ok(await holder.has(old))
  for (let week = 0; week < 9; week++) {
    await holder.days(7)
    await holder.head(kept)
  }
  assert.ok(!await holder.has(old), 'after the delay and the floor')
  await holder.days(400)
  assert.ok(await holder.has(kept), 'the owner was silent for a year')
})

test('what an owner who left had backed up stays for the days that were said, and an owner who comes back keeps all', async () => {
  await using holder = await Holder.open()
  const shard = await holder.put()
  await holder.head(shard)
  holder.keepDays = 0
  await holder.days(29)
  assert.ok(await holder.has(shard), 'erased is no sooner than anything goes')
  holder.keepDays = undefined
  await holder.days(10)
  holder.keepDays = 90
  await holder.days(80)
  await holder.reopen()
  assert.ok(await holder.has(shard))
  await holder.days(40)
  assert.ok(!await holder.has(shard))
})

test('who says that he left erases nothing for as long as the floor would stand, unless he and an admin agreed on less', async () => {
  assert.equal(leastDaysAfterLeaving(defaultTerms), leastKeepDays)
  await using holder = await Holder.open()
  const shard = await holder.put()
  await holder.head(shard)
  holder.keepDays = 0
  await holder.store.expire()
  await holder.days(55)
  assert.ok(await holder.has(shard))
  await holder.days(2)
  assert.ok(!await holder.has(shard))

  await using agreed = await Holder.open()
  const other = await agreed.put()
  await agreed.head(other)
  agreed.keepDays = 0
  agreed.store.agree(agreed.owner.root.id, { signed: 1, terms: { delayDays: 2, days: 1, weeks: 1 }, accepts: [] })
  await agreed.store.expire()
  await agreed.days(6)
  assert.ok(await agreed.has(other))
  await agreed.days(2)
  assert.ok(!await agreed.has(other))
})

test('a head of long ago counts until it was replaced: an empty one after half a year erases nothing for a month', async () => {
  await using holder = await Holder.open()
  const shard = await holder.put()
  await holder.head(shard)
  await holder.days(180)
  await holder.head()
  await holder.days(29)
  assert.ok(await holder.has(shard))
})

test('a flood of heads pushes nothing out of the floor, and leaves no more behind than one', async () => {
  await using holder = await Holder.open()
  const shard = await holder.put()
  const other = await holder.put()
  await holder.head(shard, other)
  await holder.days(8)
  for (let at = 0; at < 100; at++) {
    holder.time.run(1_000)
    await holder.head(...(at % 2 === 0 ? [other] : []))
  }
  for (let week = 0; week < 6; week++) {
    await holder.days(7)
    await holder.head(other)
  }
  assert.ok(await holder.has(shard), 'of the week before the flood')
  for (let week = 0; week < 3; week++) {
    await holder.days(7)
    await holder.head(other)
  }
  assert.ok(!await holder.has(shard), 'eight weeks with heads later')
})

test('what came after the last head stays, and what is offered again counts as new', async () => {
  await using holder = await Holder.open()
  const [late, again, forgotten] = [await holder.put(), await holder.put(), await holder.put()]
  await holder.days(100)
  assert.ok(await holder.has(late), 'no head ever came')
  await holder.store.put(again)
  await holder.head()
  await holder.days(1)
  assert.deepEqual([await holder.has(again), await holder.has(forgotten)], [true, false])
})

test('a wall clock that jumps ahead by months expires nothing, with a restart in between neither', async () => {
  await using holder = await Holder.open()
  const shard = await holder.put()
  await holder.head(shard)
  holder.time.run(dayMs)
  await holder.head()
  for (let jump = 0; jump < 6; jump++) {
    holder.time.jump(180 * dayMs)
    if (jump % 2 === 1) await holder.reopen()
    holder.time.run(1_000)
    await holder.store.expire()
  }
  assert.ok(await holder.has(shard))
  holder.time.jump(-2_000 * dayMs)
  await holder.days(70)
  for (let week = 0; week < 8; week++) {
    await holder.head()
    await holder.days(7)
  }
  assert.ok(!await holder.has(shard), 'the time that the machine really ran counts')
})

test('a head that drops most of what is here freezes expiry until both have agreed, once', async () => {
  await using holder = await Holder.open()
  const big = [await holder.put(12 * 1_048_576), await holder.put(12 * 1_048_576), await holder.put(4 * 1_048_576)] as const
  await holder.head(...big)
  await holder.days(10)
  await holder.head(big[0], big[1])
  assert.deepEqual(holder.store.account(holder.owner.root.id).freezes, [], 'a seventh part is nothing unusual')
  const fictional = Array.from({ length: 20 }, () => makeShard(holder.owner, { length: 64 }))
  await holder.head(...fictional)
  const [freeze] = holder.store.account(holder.owner.root.id).freezes
  assert.equal(freeze?.seq, holder.seq)
  assert.ok(freeze.dropped > 24 * 1_048_576 && freeze.base >= freeze.dropped)
  await holder.days(200)
  await holder.reopen()
  assert.deepEqual((await holder.store.expire()).frozen, [holder.owner.root.id])
  for (const shard of big) assert.ok(await holder.has(shard))
  const machine = holder.owner.machine.id
  const agree = (signed: number, seq: number) => { holder.store.agree(holder.owner.root.id, { signed, terms: defaultTerms, accepts: [{ machine, seq }] }) }
  agree(100, freeze.seq - 1)
  assert.equal((await holder.store.expire()).frozen.length, 1, 'another head was meant')
  agree(101, freeze.seq)
  for (let week = 0; week < 8; week++) {
    await holder.days(7)
    await holder.head()
  }
  assert.equal((await holder.store.expire()).frozen.length, 0)
  assert.ok(!await holder.has(big[0]))
})

test('an agreement that comes before the head that it means counts for that head, and for no later one', async () => {
  await using holder = await Holder.open()
  const owner = holder.owner.root.id
  const big = await Promise.all(Array.from({ length: 3 }, async () => await holder.put(9 * 1_048_576)))
  await holder.head(...big)
  await holder.days(10)
  holder.store.agree(owner, { signed: 100, terms: defaultTerms, accepts: [{ machine: holder.owner.machine.id, seq: holder.seq + 1 }] })
  await holder.reopen()
  await holder.head(big[0]!)
  assert.deepEqual(holder.store.account(owner).freezes, [])
  const more = await Promise.all(Array.from({ length: 3 }, async () => await holder.put(9 * 1_048_576)))
  await holder.head(...more)
  await holder.days(10)
  await holder.head()
  assert.equal(holder.store.account(owner).freezes.length, 1)
})

for (const [what, dropped, frozen] of [['what is missing is what was agreed on', 1, 0], ['the later head drops most of what was meant to stay', 2, 1]] as const) {
  test(`a holder that was off when a change was agreed on hears of the head that was meant after a later one: ${what}`, async () => {
    await using holder = await Holder.open()
    const { owner: { root, machine }, store } = holder
    const kept = [await holder.put(9 * 1_048_576), await holder.put(9 * 1_048_576), await holder.put(9 * 1_048_576)]
    const cleared = await Promise.all(Array.from({ length: 4 }, async () => await holder.put(9 * 1_048_576)))
    await holder.head(...kept, ...cleared)
    await holder.days(10)
    const meant = await makeHead(holder.owner, holder.seq + 1, liveOf(kept))
    const later = await makeHead(holder.owner, holder.seq + 5, liveOf(kept.slice(dropped)))
    await store.putHead(later)
    store.agree(root.id, { signed: 100, terms: defaultTerms, accepts: [{ machine: machine.id, seq: holder.seq + 1 }] })
    await store.putHead(await makeHead(holder.owner, holder.seq + 2, liveOf(kept.slice(dropped))))
    assert.equal(store.account(root.id).freezes.length, 1, 'another head than the one that was meant changes nothing')
    await store.putHead(meant)
    await store.putHead(meant)
    assert.equal(store.account(root.id).freezes.length, frozen)
    assert.deepEqual((await store.heads(root.id)).map(({ head }) => head), [later.head])
    holder.time.run(hourMs)
    await store.putHead(await makeHead(holder.owner, holder.seq + 6, liveOf([])))
    await store.putHead(meant)
    assert.equal(store.account(root.id).freezes.length, 1, 'it counts once')
  })
}

test('drops that are spread over many heads of a week count together', async () => {
  await using holder = await Holder.open()
  const shards = await Promise.all(Array.from({ length: 10 }, async () => await holder.put(3 * 1_048_576)))
  await holder.head(...shards)
  await holder.days(10)
  for (let dropped = 1; dropped <= 6; dropped++) {
    await holder.head(...shards.slice(dropped))
    await holder.days(1)
  }
  assert.equal(holder.store.account(holder.owner.root.id).freezes.length, 1)
})

test('a holder that lost what the heads said keeps everything for eight weeks more', async () => {
  await using holder = await Holder.open()
  const shard = await holder.put()
  await holder.head(shard)
  await holder.head()
  holder.time.run(dayMs)
  await holder.store[Symbol.asyncDispose]()
  for (const ending of ['', '-wal', '-shm']) await rm(join(holder.path, `heads.sqlite${ending}`), { force: true })
  holder.store = await openStore(holder.path, holder.owner, holder.time)
  assert.equal((await holder.store.heads(holder.owner.root.id)).length, 1)
  await holder.head()
  await holder.days(55)
  assert.ok(await holder.has(shard))
  await holder.days(2)
  assert.ok(!await holder.has(shard))
})

test('a shorter floor that both agreed on gives space back sooner', async () => {
  await using holder = await Holder.open()
  holder.time.run(hourMs)
  const shard = await holder.put()
  await holder.head(shard)
  holder.store.agree(holder.owner.root.id, { signed: 1, terms: { delayDays: 2, days: 1, weeks: 1 }, accepts: [] })
  await holder.days(8)
  await holder.head()
  await holder.days(3)
  assert.ok(!await holder.has(shard))
})

test('a head that takes another device\'s chain over ends that chain, after the delay', async () => {
  await using holder = await Holder.open()
  const [old, kept] = [await holder.put(), await holder.put()]
  await holder.head(old, kept)
  const recovered = await makeOwner({ root: holder.owner.root, epoch: 2 })
  const adopts = [{ machine: holder.owner.machine.id, seq: holder.seq }]
  await holder.store.putHead(await makeHead(recovered, 1, liveOf([kept]), adopts))
  await holder.days(29)
  assert.ok(await holder.has(old))
  for (let seq = 2; seq < 12; seq++) {
    await holder.days(7)
    await holder.store.putHead(await makeHead(recovered, seq, liveOf([kept]), adopts))
  }
  assert.deepEqual([await holder.has(old), await holder.has(kept)], [false, true])
})

test('the floor is every day of the last two weeks, and the first of each of the newest eight weeks that have any', () => {
  fc.assert(fc.property(fc.uniqueArray(fc.nat(400), { maxLength: 120 }), (days) => {
    const receiptOf = (day: number) => day * dayMs + 5
    const floor = floorOf(days.map(receiptOf), defaultTerms, 400 * dayMs)
    const weekOf = (day: number) => Math.floor((day + 3) / 7)
    const weeks = [...new Set(days.map(weekOf))].sort((a, b) => b - a).slice(0, 8)
    const expected = days.filter((day) => day >= 386 || (weeks.includes(weekOf(day)) && days.every((other) => other >= day || weekOf(other) !== weekOf(day))))
    assert.deepEqual([...floor].sort(), expected.map(receiptOf).sort())
  }))
})
