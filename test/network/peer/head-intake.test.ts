import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate } from 'node:timers/promises'
import { HoldfastError } from '../../../shared/errors.ts'
import type { MachineId } from '../../../shared/ids.ts'
import { HeadIntake } from '../../../agent/network/peer/head-intake.ts'
import { diffLive } from '../../../agent/network/peer/live-delta.ts'
import { MemoryShardStore } from '../../support/memory-shard-store.ts'
import { type TestOwner, makeHead, makeLive, makeOwner } from '../../support/test-owner.ts'

const withCode = (code: string) => (error: unknown) => error instanceof HoldfastError && error.code === code
const none = new Uint8Array(0)
const entry = 41

/** Room for 30 entries under way. */
async function scene(owners: readonly TestOwner[]) {
  const store = new MemoryShardStore(owners.map(({ certificate }) => certificate))
  const clock = { ms: 0 }
  const intake = new HeadIntake(store, { now: () => clock.ms }, 30 * entry)
  const send = async (owner: TestOwner, { certificate, head }: { certificate: string; head: string }, live: { from?: number; add?: Uint8Array; drop?: Uint8Array; more?: boolean }, link: object = owner) =>
    await intake.take({ sender: owner.machine.id, link }, { owner: owner.root.id, machine: owner.machine.id as MachineId }, { certificate, head, live: { from: 0, add: none, drop: none, more: true, ...live } })
  const liveOf = async (owner: TestOwner) => Buffer.from((await store.heads(owner.root.id))[0]?.live ?? none)
  return { clock, intake, send, liveOf, store }
}

test('a list comes in parts of any size, and as a difference, and is what the head signs', async () => {
  const owner = await makeOwner()
  const { send, liveOf } = await scene([owner])
  const long = makeLive(20)
  const head = await makeHead(owner, 1, long)
  for (let at = 0; at < 19; at++) assert.deepEqual(await send(owner, head, { add: long.subarray(at * entry, (at + 1) * entry) }), { need: 'more' })
  assert.deepEqual(await send(owner, head, { add: long.subarray(19 * entry), more: false }), { seq: 1 })
  assert.ok((await liveOf(owner)).equals(long))
  const shorter = await makeHead(owner, 2, long.subarray(2 * entry))
  assert.deepEqual(await send(owner, shorter, { from: 1, drop: long.subarray(0, entry) }), { need: 'more' })
  assert.deepEqual(await send(owner, shorter, { from: 1, drop: long.subarray(entry, 2 * entry), more: false }), { seq: 2 })
  assert.ok((await liveOf(owner)).equals(long.subarray(2 * entry)))
  assert.deepEqual(await send(owner, await makeHead(owner, 4, long), { from: 3, add: long.subarray(0, entry) }), { need: 'full' }, 'told with the first part')
})

test('nothing is kept of a list whose head does not verify, beyond what the head counts or can drop, or without anything in it', async () => {
  const [owner, stranger] = [await makeOwner(), await makeOwner()]
  const { send, liveOf } = await scene([owner])
  const live = makeLive(3)
  const head = await makeHead(owner, 1, live)
  const forged = { certificate: owner.certificate, head: (await makeHead(stranger, 1, live)).head }
  await assert.rejects(send(owner, forged, { add: live.subarray(0, entry) }), withCode('record-invalid'))
  await assert.rejects(send(owner, head, {}), withCode('invalid-input'))
  await send(owner, head, { add: live })
  await assert.rejects(send(owner, head, { add: live.subarray(0, entry) }), withCode('record-invalid'), 'a fourth of three')
  await assert.rejects(send(owner, head, { drop: live.subarray(0, entry) }), withCode('record-invalid'), 'of an empty list nothing can be dropped')
  assert.deepEqual(await send(owner, head, { add: live, more: false }), { seq: 1 }, 'what was wrong is forgotten')
  assert.ok((await liveOf(owner)).equals(live))
})

test('a machine has one head under way, whichever of its links it comes over, and none when the link has ended', async () => {
  const owner = await makeOwner()
  const { send, intake } = await scene([owner])
  const live = makeLive(20)
  const head = await makeHead(owner, 1, live)
  const links = [{}, {}, {}, {}]
  for (const link of links) assert.deepEqual(await send(owner, head, { add: live.subarray(0, 19 * entry) }, link), { need: 'more' }, 'four lists of 19 entries would not fit into 30')
  await assert.rejects(send(owner, head, { add: live.subarray(19 * entry), more: false }, links[0]), withCode('record-invalid'), 'the beginning is gone')
  await send(owner, head, { add: live.subarray(0, 19 * entry) }, links[1])
  intake.leave(owner.machine.id, links[0] as object)
  assert.deepEqual(await send(owner, head, { add: live.subarray(19 * entry), more: false }, links[1]), { seq: 1 }, 'another link ended')
  const next = await makeHead(owner, 2, live)
  await send(owner, next, { add: live.subarray(0, 19 * entry) }, links[2])
  intake.leave(owner.machine.id, links[2] as object)
  await assert.rejects(send(owner, next, { add: live.subarray(19 * entry), more: false }, links[2]), withCode('record-invalid'))
})

test('what all machines together have under way is bounded, and what rests gives way', async () => {
  const [owner, other] = [await makeOwner(), await makeOwner()]
  const { send, clock } = await scene([owner, other])
  const live = makeLive(20)
  const [head, second] = [await makeHead(owner, 1, live), await makeHead(other, 1, live)]
  await send(owner, head, { add: live.subarray(0, 19 * entry) })
  await assert.rejects(send(other, second, { add: live.subarray(0, 19 * entry) }), withCode('quota-exceeded'))
  await send(other, second, { add: live.subarray(0, 2 * entry) })
  clock.ms += 60_000
  assert.deepEqual(await send(other, second, { add: live.subarray(2 * entry, 12 * entry) }), { need: 'more' }, 'slower than the other, which rests')
  await assert.rejects(send(owner, head, { add: live.subarray(19 * entry), more: false }), withCode('quota-exceeded'))
  assert.deepEqual(await send(other, second, { add: live.subarray(12 * entry), more: false }), { seq: 1 })
})

test('a head in one part is taken whatever others have under way, and who is slowest gives way to who is faster', async () => {
  const [slow, small, fast] = [await makeOwner(), await makeOwner(), await makeOwner()]
  const { send, clock } = await scene([slow, small, fast])
  const live = makeLive(30)
  const [head, long] = [await makeHead(slow, 1, live), await makeHead(fast, 1, live)]
  await send(slow, head, { add: live.subarray(0, 28 * entry) })
  clock.ms += 59_000
  await send(slow, head, { add: live.subarray(28 * entry, 29 * entry) })
  assert.deepEqual(await send(small, await makeHead(small, 1, live), { add: live, more: false }), { seq: 1 })
  assert.deepEqual(await send(fast, long, { add: live.subarray(0, 5 * entry) }), { need: 'more' })
  await assert.rejects(send(slow, head, { add: live.subarray(29 * entry), more: false }), withCode('quota-exceeded'), 'it gave way')
  assert.deepEqual(await send(slow, head, { add: live, more: false }), { seq: 1 }, 'from its beginning it is taken')
  assert.deepEqual(await send(fast, long, { add: live.subarray(5 * entry), more: false }), { seq: 1 })
})

test('a list takes its room, in memory and not only in bytes that came, until the store has it, also when its link has ended', async () => {
  const [owner, other] = [await makeOwner(), await makeOwner()]
  const { send, clock, intake, store } = await scene([owner, other])
  const live = makeLive(30)
  const [head, second] = [await makeHead(owner, 1, live), await makeHead(other, 1, live)]
  for (const [from, to] of [[0, 9], [9, 18], [18, 19]] as const) await send(owner, head, { add: live.subarray(from * entry, to * entry) })
  await assert.rejects(send(other, second, { add: live.subarray(0, 2 * entry) }), withCode('quota-exceeded'), '21 of 30 came, but the memory of the first has doubled')
  const [looking, looked] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  const putHead = store.putHead.bind(store)
  store.putHead = async (published) => {
    looking.resolve()
    await looked.promise
    await putHead(published)
  }
  const ending = send(owner, head, { add: live.subarray(19 * entry), more: false })
  await looking.promise
  intake.leave(owner.machine.id, owner)
  clock.ms += 60_000
  await assert.rejects(send(other, second, { add: live.subarray(0, 2 * entry) }), withCode('quota-exceeded'), 'the store still looks at it')
  looked.resolve()
  assert.deepEqual(await ending, { seq: 1 })
  assert.deepEqual(await send(other, second, { add: live.subarray(0, 29 * entry) }), { need: 'more' })
})

test('a list whose link ends while its first part is verified takes no room', async () => {
  const [owner, other] = [await makeOwner(), await makeOwner()]
  const { send, intake } = await scene([owner, other])
  const live = makeLive(20)
  const [head, second] = [await makeHead(owner, 1, live), await makeHead(other, 1, live)]
  const first = send(owner, head, { add: live.subarray(0, 19 * entry) })
  intake.leave(owner.machine.id, owner)
  await first
  assert.deepEqual(await send(other, second, { add: live.subarray(0, 19 * entry) }), { need: 'more' })
})

test('however many send heads at once, one list is read and made anew at a time, and one that the store refuses holds nobody up', async () => {
  const owners = [await makeOwner(), await makeOwner(), await makeOwner()]
  const { send, store } = await scene(owners)
  const [live, longer] = [makeLive(8), makeLive(9)]
  for (const owner of owners) await send(owner, await makeHead(owner, 1, live), { add: live, more: false })
  const inMemory = { lists: 0, most: 0 }
  const [heads, putHead] = [store.heads.bind(store), store.putHead.bind(store)]
  store.heads = async (owner) => {
    inMemory.most = Math.max(inMemory.most, ++inMemory.lists)
    await setImmediate()
    inMemory.lists--
    return await heads(owner)
  }
  store.putHead = async (published) => {
    inMemory.most = Math.max(inMemory.most, ++inMemory.lists)
    for (let turn = 0; turn < 20; turn++) await setImmediate()
    inMemory.lists--
    if (published.certificate === owners[0]?.certificate) throw new HoldfastError('disk-full', 'Cannot keep the head: the disk is full')
    await putHead(published)
  }
  const { add, drop } = diffLive(live, longer)
  const sent = await Promise.allSettled(owners.map(async (owner, at) => {
    const head = await makeHead(owner, 2, longer)
    if (at === 2) await send(owner, head, { from: 1, add: add.subarray(0, entry) })
    return await send(owner, head, { from: 1, add: at === 2 ? add.subarray(entry) : add, drop, more: false })
  }))
  assert.deepEqual(sent.map(({ status }) => status), ['rejected', 'fulfilled', 'fulfilled'])
  assert.deepEqual(inMemory, { lists: 0, most: 1 })
  store.heads = heads
  assert.ok(Buffer.from((await store.heads(owners[2]!.root.id))[0]?.live ?? none).equals(longer))
})
