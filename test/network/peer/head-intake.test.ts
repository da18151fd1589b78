import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../../../shared/errors.ts'
import type { MachineId } from '../../../shared/ids.ts'
import { HeadIntake } from '../../../agent/network/peer/head-intake.ts'
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
  return { clock, intake, send, liveOf }
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
  clock.ms += 60_000
  assert.deepEqual(await send(other, second, { add: live, more: false }), { seq: 1 })
  await assert.rejects(send(owner, head, { add: live.subarray(19 * entry), more: false }), withCode('record-invalid'), 'begun anew, it is short')
})
