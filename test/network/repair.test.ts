import assert from 'node:assert/strict'
import { mkdtemp, open, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { verifyDeviceCertificate } from '../../agent/identity/device.ts'
import { importPublicKey } from '../../agent/identity/jws.ts'
import { idToBytes } from '../../agent/identity/machine.ts'
import { hashLeaves } from '../../agent/merkle.ts'
import { DeviceKeys } from '../../agent/network/device-keys.ts'
import { Dispersal } from '../../agent/network/dispersal.ts'
import { PlacementIndex } from '../../agent/network/placement-index.ts'
import { needsRepair, repairObjects, verifyHoldings } from '../../agent/network/repair.ts'
import { signHeader, verifyHeader, withNumber } from '../../agent/network/shard.ts'
import { cutDataShards, rootsOf } from '../../agent/network/shard-set.ts'
import { FolderShardStore } from '../../agent/network/shard-store/folder.ts'
import { MemoryShardStore } from '../support/memory-shard-store.ts'
import { type ShardGroup, makeGroup, makeObject } from '../support/shard-group.ts'
import { makeHead, makeOwner } from '../support/test-owner.ts'

const refOf = ({ kind, id, length }: ReturnType<typeof makeObject>) => ({ kind, id, length })

async function fill(group: ShardGroup, count: number, length = 90_000): Promise<ReturnType<typeof makeObject>[]> {
  const objects = Array.from({ length: count }, () => makeObject(length))
  for (const object of objects) await group.dispersal.put(object)
  return objects
}

/** Everything that the machine keeps, by object. */
function holdings(group: ShardGroup, at: number): string[] {
  return [...group.machines[at]!.memory.shards.values()].map(({ id, number }) => `${id}.${number}`).sort()
}

test('verify finds a sound group healthy, and reads every byte of every shard when told to', async () => {
  await using group = await makeGroup(4)
  const objects = await fill(group, 3)
  const live = objects.map(refOf)
  const report = await verifyHoldings(group.dispersal, { live })
  assert.deepEqual(report, { objects: 3, healthy: 3, degraded: 0, unreachable: 0, damaged: 0, lost: 0, answered: 4, asked: 4, bytesRead: 0, details: [], damagedShards: [] })
  const seen: string[] = []
  const read = await verifyHoldings(group.dispersal, { live, readData: true }, { onProgress: ({ phase, done, total }) => seen.push(`${phase} ${done}/${total}`) })
  assert.equal(read.bytesRead, 3 * 4 * 45_056)
  assert.deepEqual([seen[0], seen.at(-1)], ['asking 1/4', 'reading 12/12'])
})

test('verify tells degraded, unreachable and lost objects apart and names who was silent', async () => {
  await using group = await makeGroup(4)
  const [object] = await fill(group, 1)
  group.machines[0]!.store.faults.gone = true
  const one = await verifyHoldings(group.dispersal, { live: [refOf(object!)] })
  assert.deepEqual([one.degraded, one.lost, one.answered, one.details[0]?.silent, one.details[0]?.have], [1, 0, 3, ['machine-0'], 3])
  for (const at of [1, 2]) group.machines[at]!.store.faults.gone = true
  const unknown = makeObject(10)
  const three = await verifyHoldings(group.dispersal, { live: [refOf(object!), refOf(unknown)] })
  assert.deepEqual(three.details.map(({ state, have, silent }) => [state, have, silent]), [['unreachable', 1, ['machine-0', 'machine-1', 'machine-2']], ['lost', 0, []]])
  assert.deepEqual([three.degraded, three.unreachable, three.damaged, three.lost], [0, 1, 0, 1])
  const stranger = await verifyHoldings(await group.fresh(), { live: [refOf(object!), refOf(unknown)] })
  assert.deepEqual(stranger.details.map(({ state }) => state), ['unreachable', 'unreachable'], 'who never told what it has may have anything')
  for (const at of [0, 1, 2]) group.machines[at]!.peer = { ...group.machines[at]!.peer, state: 'gone', silentSeconds: Infinity }
  const left = await verifyHoldings(group.dispersal, { live: [refOf(object!)] })
  assert.deepEqual(left.details.map(({ state, silent }) => [state, silent]), [['lost', []]], 'who left for good does not come back')
  for (const at of [0, 1, 2]) group.machines[at]!.peer = { ...group.machines[at]!.peer, state: 'gone', silentSeconds: 22 * 86_400 }
  const long = await verifyHoldings(group.dispersal, { live: [refOf(object!)] })
  assert.deepEqual(long.details.map(({ state, silent }) => [state, silent]), [['lost', ['machine-0', 'machine-1', 'machine-2']]], 'what is on machines off for three weeks is to be stored anew, and may come back all the same')
})

test('verify calls damaged what too many holders have other than it was stored, and unreachable what goes off while it is read', async () => {
  await using group = await makeGroup(4)
  const [object] = await fill(group, 1)
  const live = [refOf(object!)]
  group.machines[0]!.store.faults.onRead = () => { group.machines[0]!.store.faults.gone = true }
  const off = await verifyHoldings(group.dispersal, { live, readData: true })
  assert.deepEqual([off.degraded, off.damagedShards, off.details[0]?.silent], [1, [], ['machine-0']])
  group.machines[0]!.store.faults.gone = false
  delete group.machines[0]!.store.faults.onRead
  for (const { store } of group.machines.slice(0, 3)) store.faults.flips = true
  const damaged = await verifyHoldings(group.dispersal, { live, readData: true })
  assert.deepEqual([damaged.details[0]?.state, damaged.damaged, damaged.damagedShards.length], ['damaged', 1, 3])
})

test('repair puts what was lost with a machine on a spare one, under the header that was signed', async () => {
  await using group = await makeGroup(7, { redundancy: 'triple' })
  const objects = await fill(group, 4)
  const away = group.machines.findIndex((_, at) => holdings(group, at).length === 4)
  const signed = [...group.machines[away]!.memory.shards.values()].map(({ header }) => Buffer.from(header).subarray(-64).toString('hex')).sort()
  group.machines[away]!.store.faults.gone = true
  const report = await repairObjects(group.dispersal, { live: objects.map(refOf) })
  assert.deepEqual([report.before.degraded, report.mended, report.shardsMade, report.failed], [4, 4, 4, []])
  const spare = group.machines.findIndex((_, at) => at !== away && [...group.machines[at]!.memory.shards.values()].some(({ header }) => signed.includes(Buffer.from(header).subarray(-64).toString('hex'))))
  assert.ok(spare >= 0)
  assert.equal((await verifyHoldings(group.dispersal, { live: objects.map(refOf) })).healthy, 4)
  for (const at of [0, 1, 2, 3, 4, 5, 6].filter((at) => at !== away).slice(0, 2)) group.machines[at]!.store.faults.gone = true
  for (const { copy, ...object } of objects) assert.ok(copy.equals(await group.dispersal.get(object)))
})

test('what a lost device wrote is repaired onto machines that joined later, signed by the device that took its place', async () => {
  await using group = await makeGroup(3, { redundancy: '2-of-3' })
  const [object] = await fill(group, 1)
  for (const { memory } of group.machines) await memory.putHead(await makeHead(group.owner, 1))
  const recovered = await makeOwner({ root: group.owner.root, epoch: 2 })
  const joined = new MemoryShardStore([recovered.certificate])
  group.addMachine({ store: joined })
  group.machines[0]!.store.faults.gone = true
  const keys = new DeviceKeys()
  await keys.learn(recovered.certificate)
  using index = new PlacementIndex(':memory:')
  await using dispersal = new Dispersal({
    owner: recovered.root.id, device: recovered.machine, epoch: 2, peers: group.peers, index, keys, redundancy: () => '2-of-3',
  })
  await dispersal.refresh()
  const report = await repairObjects(dispersal, { live: [refOf(object!)] })
  assert.deepEqual([report.mended, report.failed], [1, []])
  const [shard] = joined.shards.values()
  assert.equal(verifyHeader(shard!.header, importPublicKey(recovered.machine.jwk)).id, object!.id)
  assert.ok(object!.copy.equals(await dispersal.get(refOf(object!))))
})

test('repair finds bits that rotted on a disk, makes that shard anew there, and leaves the sound ones alone', async () => {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-repair-'))
  const owner = await makeOwner()
  const device = await verifyDeviceCertificate(owner.certificate)
  await using store = await FolderShardStore.open({ path, minFree: 0, certificateOf: () => device })
  await using group = await makeGroup(3, { redundancy: '2-of-3', owner, stores: [store] })
  const objects = await fill(group, 2)
  const live = objects.map(refOf)
  const [name] = await readdir(join(path, idToBytes(owner.root.id).toString('hex')))
  const file = await open(join(path, idToBytes(owner.root.id).toString('hex'), name!), 'r+')
  await file.write(Buffer.of(1, 2, 3, 4), 0, 4, 20_000)
  await file.close()
  assert.equal((await verifyHoldings(group.dispersal, { live })).healthy, 2)
  const puts = group.machines.map(({ store }) => store.calls.get('put') ?? 0)
  const report = await repairObjects(group.dispersal, { live, readData: true })
  assert.deepEqual(report.before.damagedShards.map(({ object, number, machine }) => [`${object.id}.${number}.shard`, machine]), [[name, 'machine-0']])
  assert.deepEqual([report.before.degraded, report.mended, report.shardsMade, report.failed], [1, 1, 1, []])
  assert.deepEqual(group.machines.map(({ store }, at) => (store.calls.get('put') ?? 0) - puts[at]!), [1, 0, 0])
  assert.deepEqual((await verifyHoldings(group.dispersal, { live, readData: true })).damagedShards, [])
  await rm(path, { recursive: true })
})

test('repair never launders a forged shard, even one signed with the key of the device', async () => {
  await using group = await makeGroup(3, { redundancy: 'mirror-3' })
  const [object] = await fill(group, 1, 10_000)
  const forged = makeObject(10_000)
  const cut = Array.from({ length: 3 }, () => cutDataShards(forged.bytes, hashLeaves(forged.bytes), 1)[0]!)
  const header = signHeader({ ...refOf(object!), k: 1, n: 3, owner: group.owner.root.id, epoch: 1, roots: rootsOf(cut) }, group.owner.machine)
  for (const at of [0, 1]) {
    const { memory } = group.machines[at]!
    for (const [name, shard] of memory.shards) memory.shards.set(name, { ...shard, header: withNumber(header, shard.number), leaves: cut[0]!.leaves, bytes: cut[0]!.bytes })
  }
  group.machines[2]!.memory.shards.clear()
  const report = await repairObjects(await group.fresh(), { live: [refOf(object!)] })
  assert.deepEqual([report.mended, report.shardsMade, report.failed.length], [0, 0, 1])
  assert.match(String(report.failed[0]?.error), /join to another object/)
  assert.equal(group.machines[2]!.memory.shards.size, 0)
})

test('repair without a spare machine says what it could not mend', async () => {
  await using group = await makeGroup(3, { redundancy: '2-of-3' })
  const objects = await fill(group, 1)
  group.machines[0]!.store.faults.gone = true
  const report = await repairObjects(group.dispersal, { live: objects.map(refOf) })
  assert.deepEqual([report.mended, report.improved, report.failed.map(({ error }) => (error as { code?: string }).code)], [0, 0, ['too-few-holders']])
})

test('when the group grew, repair makes the shards that the level now wants, without a change to the old ones', async () => {
  await using group = await makeGroup(2)
  const objects = await fill(group, 2)
  const before = holdings(group, 0)
  group.addMachine()
  const report = await repairObjects(group.dispersal, { live: objects.map(refOf) })
  assert.deepEqual([report.mended, report.shardsMade], [2, 2])
  assert.deepEqual(holdings(group, 0), before)
  assert.deepEqual(holdings(group, 2).map((name) => name.split('.')[1]), ['2', '2'])
  assert.equal((await verifyHoldings(await group.fresh(), { live: objects.map(refOf) })).healthy, 2)
})

test('when the group shrank, what the smaller one asks for is protected, and repair does not try for more', async () => {
  await using group = await makeGroup(3)
  const objects = await fill(group, 2)
  const live = objects.map(refOf)
  const protections = () => objects.map(({ id }) => group.dispersal.protectionOf(group.dispersal.index.find(id)!))
  group.machines[2]!.peer = { ...group.machines[2]!.peer, state: 'gone', silentSeconds: Infinity }
  assert.deepEqual(protections(), objects.map(() => ({ state: 'protected', placed: 2, wanted: 2, survives: 1 })))
  for (const patient of [true, false]) {
    const { shardsMade, failed } = await repairObjects(group.dispersal, { live, patient })
    assert.deepEqual([shardsMade, failed], [0, []])
  }
  assert.equal(needsRepair(group.dispersal, live), false)
  const { healthy, details } = await verifyHoldings(group.dispersal, { live })
  assert.deepEqual({ healthy, details }, { healthy: 2, details: [] })
  group.addMachine()
  assert.deepEqual(protections().map(({ state, wanted }) => [state, wanted]), objects.map(() => ['partial', 3]))
  assert.equal((await repairObjects(group.dispersal, { live })).mended, 2)
  assert.deepEqual(protections().map(({ state, placed }) => [state, placed]), objects.map(() => ['protected', 3]))
})

test('repair stops when it is told to', async () => {
  await using group = await makeGroup(3)
  const objects = await fill(group, 1)
  await assert.rejects(repairObjects(group.dispersal, { live: objects.map(refOf) }, { signal: AbortSignal.abort() }), { code: 'cancelled' })
})
