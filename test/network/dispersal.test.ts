import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { HoldfastError } from '../../shared/errors.ts'
import { type ShardGroup, levels, makeGroup, makeObject, subsets } from '../support/shard-group.ts'

const withCode = (...codes: string[]) => (error: unknown) => error instanceof HoldfastError && codes.includes(error.code)
const lengths = [1, 100_000, 700_001, 5 * 1_048_576 + 77]

function switchOff(group: ShardGroup, gone: readonly number[]): void {
  for (const [at, { store }] of group.machines.entries()) store.faults.gone = gone.includes(at)
}

for (const [redundancy, k, n] of levels) {
  test(`${redundancy}: any ${n - k} of ${n} machines may be gone, one more and the error counts what is left`, async () => {
    await using group = await makeGroup(n, { redundancy })
    const objects = lengths.map((length) => makeObject(length))
    for (const object of objects) {
      const receipt = await group.dispersal.put(object)
      assert.deepEqual([receipt.placed, receipt.wanted], [n, n])
    }
    const machines = group.machines.map((_, at) => at)
    for (const gone of subsets(machines, n - k)) {
      switchOff(group, gone)
      const reader = await group.fresh()
      for (const { copy, ...object } of objects) assert.ok(copy.equals(await reader.get(object)), `without ${gone.join(', ')}`)
    }
    for (const gone of subsets(machines, n - k + 1)) {
      switchOff(group, [])
      const reader = await group.fresh()
      await reader.refresh()
      switchOff(group, gone)
      await assert.rejects(reader.get(objects[2]!), (error) => withCode('object-missing')(error)
        && assert.deepEqual((error as HoldfastError).details, {
          id: objects[2]!.id, have: k - 1, need: k, missing: gone.map((at) => `machine-${at}`), off: gone.map((at) => `machine-${at}`),
        }) === undefined)
    }
  })
}

test('a machine that goes away in the middle of a put is replaced by a spare one', async () => {
  await using group = await makeGroup(7, { redundancy: 'triple' })
  for (const at of [0, 3]) {
    group.machines[at]!.store.faults.goneAfter = 0
    const object = makeObject(400_000)
    const { placed, wanted } = await group.dispersal.put(object)
    assert.deepEqual([placed, wanted], at === 0 ? [6, 6] : [5, 6])
    assert.ok(object.copy.equals(await group.dispersal.get(object)))
  }
})

test('without a spare machine the receipt counts what is missing, and below k the put fails', async () => {
  await using group = await makeGroup(6, { redundancy: 'triple' })
  for (const [gone, placed] of [[1, 5], [2, 4], [3, 3]] as const) {
    group.machines[gone]!.store.faults.gone = true
    assert.deepEqual(await group.dispersal.put(makeObject(1_000)), { placed, wanted: 6, bytesSent: placed * 384 })
  }
  group.machines[4]!.store.faults.gone = true
  await assert.rejects(group.dispersal.put(makeObject(1_000)), (error) => withCode('too-few-holders')(error)
    && (error as HoldfastError).details['placed'] === 2 && (error as HoldfastError).details['need'] === 3)
})

test('a shard that waited in the queue of a machine that was found full meanwhile does not make it seem slow', async () => {
  await using group = await makeGroup(3)
  const [full] = group.machines
  full!.store.faults.full = true
  const { dispersal } = group
  await Promise.all(Array.from({ length: 5 }, async () => {
    const object = makeObject(1_000)
    const { shards } = await dispersal.shardsOf(object, 1, 3)
    await dispersal.store(shards, { object: { ...object, k: 1, n: 3 }, places: [] })
  }))
  dispersal.holders.answered(full!.id)
  assert.equal(dispersal.holders.isWritable(full!.id), false)
  assert.deepEqual([...new Set(group.reports.map(({ fault }) => fault))], ['full'])
})

test('a machine whose connection costs money is left alone for a while, and nobody is told that it lacks space', async () => {
  await using group = await makeGroup(4, { redundancy: '2-of-4' })
  for (const at of [0, 1, 2]) group.machines[at]!.store.faults.spares = true
  const { dispersal } = group
  await assert.rejects(dispersal.put(makeObject(50_000)), withCode('too-few-holders'))
  const [sparing] = group.machines
  assert.deepEqual([dispersal.refusals.size, dispersal.holders.isWritable(sparing!.id), dispersal.holders.isDoubtful(sparing!.id), dispersal.holders.isSuspect(sparing!.id)], [0, false, false, false])
})

test('a failed put that is tried again sends only what is missing', async () => {
  await using group = await makeGroup(4, { redundancy: '2-of-4', timings: {} })
  for (const at of [0, 1, 2]) group.machines[at]!.store.faults.full = true
  const object = makeObject(50_000)
  await assert.rejects(group.dispersal.put({ ...object, bytes: object.bytes.slice() }), withCode('quota-exceeded'))
  for (const { id, store } of group.machines) {
    store.faults.full = false
    group.dispersal.holders.forgive(id)
  }
  const { placed, bytesSent } = await group.dispersal.put(object)
  assert.deepEqual([placed, bytesSent], [4, 3 * 25_024])
})

test('an object that is there already costs nothing, not even a call', async () => {
  await using group = await makeGroup(3)
  const object = makeObject(100_000)
  await group.dispersal.put({ ...object, bytes: object.bytes.slice() })
  const calls = group.machines.map(({ store }) => store.calls.get('put'))
  assert.deepEqual(await group.dispersal.put(object), { placed: 3, wanted: 3, bytesSent: 0 })
  assert.deepEqual(group.machines.map(({ store }) => store.calls.get('put')), calls)
})

test('a holder that makes no progress is passed over, and the next objects do not wait for it', async () => {
  await using group = await makeGroup(6, { redundancy: 'triple', timings: { lagMs: 20 } })
  const [stuck] = group.machines
  stuck!.store.faults.stuckPut = true
  for (let count = 0; count < 5; count++) assert.equal((await group.dispersal.put(makeObject(10_000))).placed, 5)
  assert.equal(stuck!.store.calls.get('put'), 1)
  assert.ok(group.reports.some(({ machine, fault }) => machine === stuck!.id && fault === 'slow'))
})

test('a holder that stalls before k are safe gives way to a spare one', async () => {
  await using group = await makeGroup(2, { redundancy: 'mirror-2', timings: { stallMs: 20, lagMs: 1e6 } })
  for (const { store } of group.machines) store.faults.stuckPut = true
  await assert.rejects(group.dispersal.put(makeObject(10)), withCode('too-few-holders'))
})

test('the shards of one object never count twice on one host', async () => {
  await using group = await makeGroup(4, { redundancy: 'mirror-3', hosts: ['a', 'a', 'b', 'b'] })
  const object = makeObject(5_000)
  assert.deepEqual(await group.dispersal.put(object), { placed: 2, wanted: 3, bytesSent: 10_112 })
  assert.equal(group.dispersal.protectionOf(group.dispersal.index.find(object.id)!).state, 'partial')
})

test('auto follows the number of machines, and the keyring is whole on every holder', async () => {
  for (const [count, k, n] of [[1, 1, 1], [2, 1, 2], [3, 1, 3], [4, 2, 4], [5, 3, 5], [7, 3, 6]] as const) {
    await using group = await makeGroup(count)
    const [pack, key] = [makeObject(9_000), makeObject(700, 'key')]
    await group.dispersal.put(pack)
    await group.dispersal.put(key)
    const [packAt, keyAt] = [group.dispersal.index.find(pack.id)!, group.dispersal.index.find(key.id)!]
    assert.deepEqual([packAt.k, packAt.n, keyAt.k, keyAt.n, keyAt.shards.length], [k, n, 1, n, n])
    assert.equal(group.dispersal.protectionOf(packAt).state, n === 1 ? 'partial' : 'protected')
  }
})

test('holders that flip bits never lead to a wrong byte, and are named', async () => {
  await using group = await makeGroup(6, { redundancy: 'triple' })
  const object = makeObject(900_000)
  await group.dispersal.put(object)
  for (const liars of subsets([0, 1, 2, 3, 4, 5], 3)) {
    const reader = await group.fresh()
    for (const [at, { store }] of group.machines.entries()) store.faults.flips = liars.includes(at)
    group.reports.length = 0
    assert.ok(object.copy.equals(await reader.get(object)))
    for (const { machine, fault } of group.reports) assert.ok(fault === 'damaged' && liars.includes(group.machines.findIndex(({ id }) => id === machine)))
  }
  for (const [at, { store }] of group.machines.entries()) store.faults.flips = at < 4
  await assert.rejects((await group.fresh()).get(object), withCode('object-damaged'))
})

test('unchecked, bytes come as the holders give them; checked, the one that flips them is found', async () => {
  await using group = await makeGroup(4, { redundancy: '2-of-4' })
  const object = makeObject(900_000)
  await group.dispersal.put(object)
  const unchecked = async () => await group.dispersal.get(object, { offset: 1_000, length: 890_000 }, { unchecked: true })
  assert.ok(object.copy.subarray(1_000, 891_000).equals(await unchecked()))
  const liar = group.machines.find(({ id }) => group.dispersal.index.find(object.id)?.shards.some(({ number, machine }) => number === 0 && machine === id))!
  liar.store.faults.flips = true
  assert.ok(!object.copy.subarray(1_000, 891_000).equals(await unchecked()))
  assert.deepEqual(group.reports, [])
  assert.ok(object.copy.equals(await group.dispersal.get(object)))
  assert.deepEqual(group.reports.map(({ machine, fault }) => [machine, fault]), [[liar.id, 'damaged']])
  assert.ok(object.copy.subarray(1_000, 891_000).equals(await unchecked()), 'from then on its bytes are rebuilt from others')
})

test('a holder that threw an acknowledged shard away counts as missing once that is seen', async () => {
  await using group = await makeGroup(3, { redundancy: '2-of-3' })
  group.machines[0]!.store.faults.forgets = true
  const objects = Array.from({ length: 20 }, () => makeObject(2_000)) // a third of the reads do without that machine
  for (const object of objects) {
    assert.equal((await group.dispersal.put(object)).placed, 3)
    assert.ok(object.copy.equals(await group.dispersal.get(object)))
  }
  await group.dispersal.refresh()
  for (const { id } of objects) assert.deepEqual(group.dispersal.protectionOf(group.dispersal.index.find(id)!), { state: 'partial', placed: 2, wanted: 3, survives: 0 })
})

test('a read that hangs is gone round by way of the other shards', async () => {
  await using group = await makeGroup(4, { redundancy: '2-of-4', timings: { hedgeMs: 10 } })
  const object = makeObject(300_000)
  await group.dispersal.put(object)
  for (const at of [0, 1]) group.machines[at]!.store.faults.stuckRead = true
  assert.ok(object.copy.equals(await group.dispersal.get(object)))
})

test('any range is exact, whichever machines are gone', async () => {
  await using group = await makeGroup(6, { redundancy: 'triple' })
  const object = makeObject(4 * 1_048_576 + 12_345)
  await group.dispersal.put(object)
  const range = fc.tuple(fc.nat(object.length), fc.nat(object.length)).map(([a, b]) => ({ offset: Math.min(a, b), length: Math.abs(a - b) }))
  await fc.assert(fc.asyncProperty(range, fc.subarray([0, 1, 2, 3, 4, 5], { maxLength: 3 }), async (range, gone) => {
    switchOff(group, gone)
    const bytes = await group.dispersal.get(object, range)
    assert.ok(object.copy.subarray(range.offset, range.offset + range.length).equals(bytes))
    for (const { id } of group.machines) group.dispersal.holders.forgive(id)
  }), { numRuns: 40 })
  await assert.rejects(group.dispersal.get(object, { offset: 1, length: object.length }), RangeError)
})

test('a read of one range from all machines on costs no decoding and little more than the range', async () => {
  await using group = await makeGroup(6, { redundancy: 'triple' })
  const object = makeObject(6 * 1_048_576)
  await group.dispersal.put(object)
  for (const { store } of group.machines) store.calls.clear()
  await group.dispersal.get(object, { offset: 100_000, length: 65_536 })
  assert.equal(group.machines.reduce((sum, { store }) => sum + (store.calls.get('read') ?? 0), 0), 1)
})

test('a machine that knows nothing finds what a holder with false lists tries to hide', async () => {
  await using group = await makeGroup(4, { redundancy: '2-of-4' })
  const object = makeObject(80_000)
  await group.dispersal.put(object)
  const liar = group.machines[0]!.store
  const honest = liar.list.bind(liar)
  liar.list = async function* (owner) {
    for await (const entry of honest(owner)) yield { ...entry, k: 9, n: 255, length: 12 }
  }
  group.machines.push(...group.machines.splice(0, 1))
  const reader = await group.fresh()
  assert.ok(object.copy.equals(await reader.get(object)))
  const listed = []
  for await (const ref of reader.list()) listed.push(ref)
  assert.deepEqual(listed, [{ kind: 'pack', id: object.id, length: object.length }])
})

test('shards that join to another object than their signed header says are no snapshot', async () => {
  await using group = await makeGroup(2, { redundancy: 'mirror-2' })
  const [one, other] = [makeObject(5_000, 'snapshot'), makeObject(5_000, 'snapshot')]
  await group.dispersal.put({ ...one, id: other.id })
  await assert.rejects(group.dispersal.get(other), withCode('object-damaged'))
})

test('a put that is cancelled says so and leaves the store usable', async () => {
  await using group = await makeGroup(3)
  for (const { store } of group.machines) store.faults.stuckPut = true
  const control = new AbortController()
  const put = group.dispersal.put(makeObject(1_000), { signal: control.signal })
  control.abort()
  await assert.rejects(put, withCode('cancelled'))
  for (const { store } of group.machines) store.faults.stuckPut = false
  assert.equal((await group.dispersal.put(makeObject(1_000))).placed, 3)
})

test('an object that nobody has is missing, and the silent machines are named', async () => {
  await using group = await makeGroup(3)
  group.machines[1]!.peer = { ...group.machines[1]!.peer, state: 'away' }
  await assert.rejects(group.dispersal.get(makeObject(10)), (error) => withCode('object-missing')(error)
    && assert.deepEqual((error as HoldfastError).details['missing'], ['machine-1']) === undefined)
})

test('forgetDead() keeps the index as long as what is alive or lies at a machine of the group, and no longer', async () => {
  await using group = await makeGroup(4, { redundancy: 'mirror-3' })
  const { dispersal, machines } = group
  const [alive, lost, expired, delayed] = [makeObject(100), makeObject(200), makeObject(300), makeObject(400)]
  for (const object of [alive, lost, expired, delayed]) await dispersal.put(object)
  const ids = (): string[] => [...dispersal.index.objects()].map(({ id }) => id).sort()
  for (const { memory } of machines) {
    for (const [name, shard] of memory.shards) if ([lost.id, expired.id].includes(shard.id)) memory.shards.delete(name)
  }
  await dispersal.refresh()
  dispersal.forgetDead([alive, lost])
  assert.deepEqual(ids(), [alive.id, lost.id, delayed.id].sort())
  for (const machine of machines.slice(0, 3)) machine.peer = { ...machine.peer, state: 'gone' }
  dispersal.forgetDead([alive, lost])
  assert.deepEqual(dispersal.index.find(alive.id)?.shards.length, 3)
  assert.ok((dispersal.index.find(delayed.id)?.shards ?? []).every(({ machine }) => machine === machines[3]?.id))
  machines[3]!.peer = { ...machines[3]!.peer, state: 'gone' }
  dispersal.forgetDead([alive, lost])
  assert.deepEqual(ids(), [alive.id, lost.id].sort())
})

test('what can be read no more, since machines left for good or gave back other bytes, is told from what can be once machines are on', async () => {
  await using group = await makeGroup(3, { redundancy: '2-of-3' })
  const { copy: _copy, ...object } = makeObject(100_000)
  await group.dispersal.put(object)
  const ref = { kind: object.kind, id: object.id, length: object.length }
  const failure = async () => await group.dispersal.get(ref).then(() => undefined, (error: HoldfastError) => [error.code, error.details['off'], /switch these on/.test(error.guidance)])
  switchOff(group, [0, 1])
  assert.deepEqual(await failure(), ['object-missing', ['machine-0', 'machine-1'], true])
  group.machines[0]!.peer = { ...group.machines[0]!.peer, state: 'gone', silentSeconds: Infinity }
  assert.deepEqual(await failure(), ['object-missing', ['machine-1'], true])
  group.machines[1]!.peer = { ...group.machines[1]!.peer, state: 'gone', silentSeconds: 22 * 86_400 }
  assert.deepEqual(await failure(), ['object-missing', [], false], 'off for three weeks counts as gone')
  group.machines[1]!.peer = { ...group.machines[1]!.peer, state: 'away', silentSeconds: 0 }
  switchOff(group, [0])
  group.machines[1]!.store.faults.flips = true
  assert.deepEqual(await failure(), ['object-damaged', [], false])
})
