import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MachineId } from '../../shared/ids.ts'
import { type ErrorCode, HoldfastError } from '../../shared/errors.ts'
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
    handed: new HandedShards({ read: () => kept.text, write: (text) => { kept.text = text } }, { now: () => 0 }), isAway: () => true,
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
  const handed = new HandedShards({ read: () => undefined, write: () => {} }, { now: () => 0 })
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

/** A leaver that keeps `count` shards of one owner, and one heir. */
async function oneHeir(count: number) {
  const owner = await makeOwner()
  const [leaver, heir] = [new MemoryShardStore([owner.certificate]), new MemoryShardStore([owner.certificate])]
  const shards = Array.from({ length: count }, (_, at) => makeShards(owner, { length: 1000 + at })[0]!)
  for (const shard of shards) await leaver.put(shard)
  const heirId = generateMachine().id
  const state = { isOn: true, takes: true, nowMs: 1_000_000, text: undefined as string | undefined, writes: 0, refusal: undefined as ErrorCode | undefined }
  const attempt = async (onProgress = () => {}) => {
    const { handedOver, safe, kept } = await handOver({
      store: Object.assign(leaver, { accounts: () => [{ owner: owner.root.id, used: 1000, freezes: [], terms: { delayDays: 30, days: 14, weeks: 8 } }] }),
      heirs: () => (state.isOn ? [{ id: heirId, host: heirId, offer: 1, owners: state.takes ? [] : [owner.root.id] }] : []),
      numbersAt: async (_id, of, headers) => {
        if (state.refusal !== undefined) throw new HoldfastError(state.refusal, 'Cannot say what is here: the disk fails')
        return await Promise.all(headers.map(async (header) => await numbersOf(of, header, heir)))
      },
      storeOf: async () => await Promise.resolve(heir), isAway: () => true,
      handed: new HandedShards({ read: () => state.text, write: (text) => { 
        state.text = text
        state.writes++
      } }, { now: () => state.nowMs }),
    }, { signal: AbortSignal.timeout(60_000), onProgress })
    return { handedOver, safe, kept }
  }
  return { attempt, heir, state }
}

test('a shard of which the machine that took it said that it has it no more is not safe there when that is off', async () => {
  const { attempt, heir, state } = await oneHeir(1)
  assert.deepEqual(await attempt(), { handedOver: 1, safe: 0, kept: 0 })
  heir.shards.clear()
  state.takes = false
  assert.deepEqual(await attempt(), { handedOver: 0, safe: 0, kept: 1 })
  state.isOn = false
  assert.deepEqual(await attempt(), { handedOver: 0, safe: 0, kept: 1 })
})

test('what was handed over counts for a week, by a clock that does not go back', async () => {
  const { attempt, state } = await oneHeir(1)
  await attempt()
  state.isOn = false
  const after = async (ms: number) => {
    state.nowMs = 1_000_000 + ms
    return (await attempt()).safe
  }
  assert.deepEqual([await after(7 * 86_400_000 - 1), await after(7 * 86_400_000), await after(-1)], [1, 0, 0])
})

test('what was handed over is remembered also when the agent is killed before it has handed over the rest', async () => {
  const { attempt, state } = await oneHeir(12)
  const seen: (string | undefined)[] = []
  await attempt(() => { seen.push(state.text) })
  state.text = seen[10]
  state.isOn = false
  assert.deepEqual(await attempt(), { handedOver: 0, safe: 10, kept: 2 }, 'killed at the eleventh')
})

test('what was handed over is written now and then only, however much it is, and once more at the end', async () => {
  const { attempt, state } = await oneHeir(100)
  const seen: (string | undefined)[] = []
  await attempt(() => {
    seen.push(state.text)
    state.nowMs += 100
  })
  assert.equal(state.writes, 3, 'after one second, after six, and at the end')
  state.isOn = false
  assert.deepEqual(await attempt(), { handedOver: 0, safe: 100, kept: 0 })
  state.text = seen[65]
  assert.deepEqual(await attempt(), { handedOver: 0, safe: 60, kept: 40 }, 'killed at the sixty-sixth')
})

test('what a machine took that is there and cannot say whether it has it is safe there no more than elsewhere', async () => {
  const { attempt, state } = await oneHeir(1)
  await attempt()
  const refused = async (code: ErrorCode) => {
    state.refusal = code
    return await attempt()
  }
  for (const code of ['peer-unreachable', 'timeout'] as const) assert.deepEqual(await refused(code), { handedOver: 0, safe: 1, kept: 0 }, 'it is off')
  for (const code of ['internal', 'peer-misbehaves', 'object-damaged'] as const) assert.deepEqual(await refused(code), { handedOver: 0, safe: 0, kept: 1 })
  state.refusal = undefined
  assert.deepEqual(await attempt(), { handedOver: 0, safe: 1, kept: 0 }, 'it has it after all')
})
