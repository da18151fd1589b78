import assert from 'node:assert/strict'
import { test } from 'node:test'
import { generateMachine } from '../../agent/identity/machine.ts'
import { type HolderRepairOptions, type OwnerRepair, repairForSilentOwners } from '../../agent/network/holder-repair.ts'
import type { Peer, Peers } from '../../agent/network/peers.ts'
import { PlacementIndex } from '../../agent/network/placement-index.ts'
import { FolderShardStore } from '../../agent/network/shard-store/folder.ts'
import { repairObjects, verifyHoldings } from '../../agent/network/repair.ts'
import { FakeTime, dayMs } from '../support/fake-time.ts'
import { type GroupMachine, type ShardGroup, makeGroup, makeObject } from '../support/shard-group.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { liveOf, makeHead, makeOwner } from '../support/test-owner.ts'

type Scene = AsyncDisposable & {
  readonly group: ShardGroup
  readonly time: FakeTime
  readonly objects: ReturnType<typeof makeObject>[]
  /** Machines that hold shards, by id. */
  holders(): GroupMachine[]
  round(machine: GroupMachine, change?: Partial<HolderRepairOptions>): Promise<OwnerRepair[]>
}

/** The machines of the group as one of them sees them. */
function peersOf(group: ShardGroup, seen: (peers: readonly Peer[]) => readonly Peer[]): Peers {
  const list = (): readonly Peer[] => seen(group.peers.list())
  return { list, find: (id) => list().find((peer) => peer.id === id), connect: async (id, options) => await group.peers.connect(id, options) }
}

/** Six machines that hold three objects of an owner that is silent, and spare ones. */
async function makeScene({ spares = 1 } = {}): Promise<Scene> {
  const time = new FakeTime()
  const group = await makeGroup(6 + spares, { redundancy: 'triple', clock: time })
  const objects = [makeObject(9_000), makeObject(70_000), makeObject(500, 'index')]
  for (const object of objects) await group.dispersal.put(object)
  const head = await makeHead(group.owner, 5, liveOf(objects))
  const holders = (): GroupMachine[] => group.machines.filter(({ memory }) => memory.shards.size > 0).sort((a, b) => (a.id < b.id ? -1 : 1))
  for (const { memory } of holders()) await memory.putHead(head)
  const indexes = new Map<string, PlacementIndex>()
  const keepIndex = (id: string): PlacementIndex => {
    const index = new PlacementIndex(':memory:')
    indexes.set(id, index)
    return index
  }
  return {
    group, time, objects, holders,
    round: async ({ id, memory, peer }, change = {}) => await repairForSilentOwners({
      machine: { ...generateMachine(), id }, self: peer, clock: time, isSilent: () => true,
      store: memory, indexOf: () => indexes.get(id) ?? keepIndex(id),
      peers: peersOf(group, (peers) => peers.filter((one) => one.id !== id)),
      ...change,
    }),
    async [Symbol.asyncDispose]() {
      await group[Symbol.asyncDispose]()
      for (const index of indexes.values()) index[Symbol.dispose]()
    },
  }
}

function lose(machine: GroupMachine, state: 'away' | 'doubtful' | 'gone'): void {
  machine.store.faults.gone = true
  machine.peer = { ...machine.peer, state }
}

test('while the owner is silent, the lowest-numbered holder that is online makes anew what went with a machine, and hands the head on', async () => {
  await using scene = await makeScene()
  const [first, second, third] = scene.holders() as [GroupMachine, GroupMachine, GroupMachine]
  for (const machine of scene.holders()) assert.deepEqual(await scene.round(machine), [], 'nothing lacks')
  lose(third, 'gone')
  scene.time.run(dayMs)
  assert.deepEqual(await scene.round(second), [], 'it is not the first')
  const [done] = await scene.round(first)
  assert.deepEqual([done?.shardsMade, done?.mended, done?.failed], [3, 3, []])
  const { healthy } = await verifyHoldings(await scene.group.fresh(), { live: scene.objects, readData: true })
  assert.equal(healthy, 3)
  for (const { memory, id } of scene.group.machines) if (id !== third.id) assert.equal((await memory.heads(scene.group.owner.root.id)).length, 1, 'whoever keeps shards has the head')
  assert.deepEqual(await scene.round(first), [])
})

test('what a lost device signed goes to a machine that joined after the recovery, with the certificate that proves it', async (t) => {
  await using scene = await makeScene({ spares: 0 })
  const { owner } = scene.group
  const recovered = await makeOwner({ root: owner.root, epoch: 2 })
  const head = await makeHead(recovered, 1, liveOf(scene.objects), [{ machine: owner.machine.id, seq: 5 }])
  for (const { memory } of scene.holders()) await memory.putHead(head)
  const path = await scratchFolder(t)
  await using joined = await FolderShardStore.open({ path, minFree: 0, certificateOf: () => undefined })
  const [first, , third] = scene.holders() as [GroupMachine, GroupMachine, GroupMachine]
  scene.group.addMachine({ store: joined })
  await scene.round(first)
  lose(third, 'gone')
  scene.time.run(dayMs)
  assert.deepEqual((await scene.round(first)).map(({ mended, failed }) => [mended, failed]), [[3, []]])
  const kept = await Array.fromAsync(joined.list(owner.root.id))
  assert.equal(kept.length, 3)
  assert.deepEqual((await joined.heads(owner.root.id)).map(({ certificate }) => certificate).sort(), [owner.certificate, recovered.certificate].sort())
})

test('the next holder acts when the first one is off', async () => {
  await using scene = await makeScene()
  const [first, second, third] = scene.holders() as [GroupMachine, GroupMachine, GroupMachine]
  for (const machine of scene.holders()) await scene.round(machine)
  lose(first, 'away')
  lose(third, 'gone')
  scene.time.run(dayMs)
  assert.equal((await scene.round(second))[0]?.shardsMade, 3)
})

test('who has no room for the heads now takes the shards, and does not count as full', async () => {
  await using scene = await makeScene()
  const [first, , third] = scene.holders() as [GroupMachine, GroupMachine, GroupMachine]
  await scene.round(first)
  lose(third, 'gone')
  for (const { store } of scene.group.machines) store.faults.headsFull = true
  scene.time.run(dayMs)
  assert.deepEqual((await scene.round(first)).map(({ shardsMade, failed }) => [shardsMade, failed]), [[3, []]])
})

test('machines that are off for two weeks cost nothing, also those that were never asked', async () => {
  await using scene = await makeScene()
  const [first, , third, fourth] = scene.holders() as [GroupMachine, GroupMachine, GroupMachine, GroupMachine]
  lose(fourth, 'away')
  assert.deepEqual(await scene.round(first), [], 'who is off may have what nobody else has')
  lose(third, 'doubtful')
  scene.time.run(dayMs)
  assert.deepEqual(await scene.round(first), [])
})

test('two that repair at once do no harm', async () => {
  await using scene = await makeScene()
  const [first, second, third] = scene.holders() as [GroupMachine, GroupMachine, GroupMachine]
  for (const machine of [first, second]) await scene.round(machine)
  lose(third, 'gone')
  scene.time.run(dayMs)
  const alone = (machine: GroupMachine, other: GroupMachine) => scene.round(machine, {
    peers: peersOf(scene.group, (peers) => peers.filter(({ id }) => id !== machine.id).map((peer) => (peer.id === other.id ? { ...peer, state: 'away' as const } : peer))),
  })
  await Promise.all([alone(first, second), alone(second, first)])
  const { healthy, damagedShards } = await verifyHoldings(await scene.group.fresh(), { live: scene.objects, readData: true })
  assert.deepEqual([healthy, damagedShards], [3, []])
})

test('nobody acts for an owner that is there, and a holder makes no shard that the owner did not sign', async () => {
  await using scene = await makeScene()
  const [first, , third] = scene.holders() as [GroupMachine, GroupMachine, GroupMachine]
  await scene.round(first)
  lose(third, 'gone')
  scene.time.run(dayMs)
  assert.deepEqual(await scene.round(first, { isSilent: () => false }), [])
  const signed = new Set(scene.group.machines.flatMap(({ memory }) => [...memory.shards.values()].map(({ header }) => Buffer.from(header).subarray(-64).toString('hex'))))
  await scene.round(first)
  for (const { memory } of scene.group.machines) for (const { header } of memory.shards.values()) assert.ok(signed.has(Buffer.from(header).subarray(-64).toString('hex')))
})

test('an owner that comes back finds what others made, and makes nothing twice', async () => {
  await using scene = await makeScene()
  const [first, , third] = scene.holders() as [GroupMachine, GroupMachine, GroupMachine]
  await scene.round(first)
  lose(third, 'gone')
  scene.time.run(dayMs)
  await scene.round(first)
  const report = await repairObjects(scene.group.dispersal, { live: scene.objects, patient: true })
  assert.deepEqual([report.shardsMade, report.failed], [0, []])
  assert.equal(scene.group.dispersal.protectionOf(scene.group.dispersal.index.find(scene.objects[0]!.id)!).placed, 6)
})
