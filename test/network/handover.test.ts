import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MachineId } from '../../shared/ids.ts'
import { generateMachine } from '../../agent/identity/machine.ts'
import { HandedShards } from '../../agent/network/handed-shards.ts'
import { handOver } from '../../agent/network/handover.ts'
import { numbersOf } from '../../agent/network/peer/permission.ts'
import { MemoryShardStore } from '../support/memory-shard-store.ts'
import { makeOwner, makeShards } from '../support/test-owner.ts'

test('what was handed to a machine that is off when the leaving is tried again is not handed over twice, also after a restart', async () => {
  const owner = await makeOwner()
  const certificates = [owner.certificate]
  const leaver = new MemoryShardStore(certificates)
  for (const length of [1000, 2000]) await leaver.put(makeShards(owner, { length })[0]!)
  const small = new MemoryShardStore(certificates, 1500)
  const large = new MemoryShardStore(certificates)
  const [smallId, largeId] = [generateMachine().id, generateMachine().id]
  const stores = new Map([[smallId, small], [largeId, large]])
  const state: { on: MachineId[] } = { on: [smallId] }
  const kept: { text?: string } = {}
  const attempt = async () => await handOver({
    store: Object.assign(leaver, { accounts: () => [{ owner: owner.root.id, used: 3000, freezes: [], terms: { delayDays: 30, days: 14, weeks: 8 } }] }),
    heirs: () => [...stores.keys()].filter((id) => state.on.includes(id)).map((id) => ({ id, host: id, offer: 1, owners: [] })),
    numbersAt: async (id, of, headers) => await Promise.all(headers.map(async (header) => await numbersOf(of, header, stores.get(id) as MemoryShardStore))),
    storeOf: async (id) => await Promise.resolve(stores.get(id) as MemoryShardStore),
    handed: new HandedShards({ read: () => kept.text, write: (text) => { kept.text = text } }), isAway: () => true,
  }, { signal: AbortSignal.timeout(60_000), onProgress: () => {} })
  const outcomeOf = async () => {
    const { shards, handedOver, safe, kept: left } = await attempt()
    return { shards, handedOver, safe, left }
  }
  assert.deepEqual(await outcomeOf(), { shards: 2, handedOver: 1, safe: 0, left: 1 })
  state.on = [largeId]
  assert.deepEqual(await outcomeOf(), { shards: 2, handedOver: 1, safe: 1, left: 0 }, 'the small one is off, and has the first')
  state.on = []
  assert.deepEqual(await outcomeOf(), { shards: 2, handedOver: 0, safe: 2, left: 0 })
  kept.text = 'damaged'
  assert.deepEqual(await outcomeOf(), { shards: 2, handedOver: 0, safe: 0, left: 2 })
  state.on = [smallId, largeId]
  assert.deepEqual(await outcomeOf(), { shards: 2, handedOver: 0, safe: 2, left: 0 }, 'who is on is asked')
})

test('a machine that took shards and is gone since, or does not have them any more, counts for nothing', async () => {
  const owner = await makeOwner()
  const leaver = new MemoryShardStore([owner.certificate])
  const shard = makeShards(owner, { length: 1000 })[0]!
  await leaver.put(shard)
  const handed = new HandedShards({ read: () => undefined, write: () => {} })
  handed.took(shard, 'first' as MachineId)
  const second = new MemoryShardStore([owner.certificate])
  const first = new MemoryShardStore([owner.certificate])
  const scene = async (isAway: boolean, heir: MemoryShardStore, id: string) => {
    const { handedOver, safe } = await handOver({
      store: Object.assign(leaver, { accounts: () => [{ owner: owner.root.id, used: 1000, freezes: [], terms: { delayDays: 30, days: 14, weeks: 8 } }] }),
      heirs: () => [{ id: id as MachineId, host: id, offer: 1, owners: [] }], numbersAt: async (_id, of, headers) => await Promise.all(headers.map(async (header) => await numbersOf(of, header, heir))),
      storeOf: async () => await Promise.resolve(heir), handed, isAway: () => isAway,
    }, { signal: AbortSignal.timeout(60_000), onProgress: () => {} })
    return { handedOver, safe }
  }
  assert.deepEqual(await scene(true, second, 'second'), { handedOver: 0, safe: 1 })
  assert.deepEqual(await scene(true, first, 'first'), { handedOver: 1, safe: 0 }, 'it is on, and says that it has none')
  assert.deepEqual(await scene(false, second, 'second'), { handedOver: 1, safe: 0 })
})
