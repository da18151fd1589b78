import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { type HolderSet, holderSetsSchema, namesOn, packHolderSets, reachableOf } from '../../../agent/network/membership/holder-sets.ts'
import type { MachineId } from '../../../shared/ids.ts'

const idOf = (at: number) => `${String(at).padStart(5, 'm')}${'x'.repeat(38)}` as MachineId
const setOf = (machines: readonly number[], k: number, n = machines.length): HolderSet => ({ machines: new Set(machines.map(idOf)), k, n })
const on = (...machines: number[]) => namesOn(machines.map((at) => ({ id: idOf(at), isOn: true })))

test('copies are counted by who is on, and a restore needs k of each set', () => {
  const packed = packHolderSets([setOf([1, 2, 3, 4, 5, 6], 3)])
  assert.ok(packed !== undefined)
  assert.deepEqual([on(1, 2, 3, 4, 5, 6, 7), on(2, 4, 6, 9), on(2, 4), on()].map((those) => reachableOf(packed, those, 6)),
    [{ reachable: 6, restorable: true }, { reachable: 3, restorable: true }, { reachable: 2, restorable: false }, { reachable: 0, restorable: false }])
  assert.deepEqual(reachableOf(packHolderSets([setOf([1, 2], 2, 4)]) as never, on(1, 2), 4), { reachable: 2, restorable: true }, 'what was never made is missing too')
  assert.deepEqual(reachableOf(packHolderSets([setOf([], 1, 3)]) as never, on(1), 3), { reachable: 0, restorable: false })
  assert.equal(packHolderSets([]), undefined)
})

test('while a group changes its level, no figure of one level is told as one of the other', () => {
  const packed = packHolderSets([setOf([1, 2, 3], 1), setOf([1, 4, 5, 6, 7, 8], 3)])
  assert.ok(packed !== undefined)
  const told = (wanted: number, ...machines: number[]) => reachableOf(packed, on(...machines), wanted)
  assert.deepEqual([told(3, 1, 2, 3, 4, 5), told(6, 1, 2, 3, 4, 5)], [{ reachable: null, restorable: true }, { reachable: 3, restorable: true }], 'three of six are off')
  assert.deepEqual([told(3, 4, 5, 6, 7, 8), told(6, 4, 5, 6, 7, 8)], [{ reachable: 0, restorable: false }, { reachable: null, restorable: false }], 'all three are off')
  const everybody = [1, 2, 3, 4, 5, 6, 7, 8]
  assert.deepEqual([told(3, ...everybody), told(6, ...everybody)], [{ reachable: 3, restorable: true }, { reachable: 6, restorable: true }])
  assert.deepEqual(reachableOf({ ids: packed.ids, sets: [[7, 1, 1]] }, on(...everybody), 1), { reachable: 1, restorable: true }, 'of a report that names more machines than copies')
})

test('of ids that begin alike every machine has to be on', () => {
  const [first, second] = [`aaaaa${'1'.repeat(38)}`, `aaaaa${'2'.repeat(38)}`] as MachineId[] as [MachineId, MachineId]
  assert.deepEqual([...namesOn([{ id: first, isOn: true }, { id: second, isOn: false }])], [])
  assert.deepEqual([...namesOn([{ id: first, isOn: false }, { id: second, isOn: true }])], [])
  assert.deepEqual([...namesOn([{ id: first, isOn: true }, { id: second, isOn: true }])], ['aaaaa'])
})

test('what is packed reads back, is short, and says of any machines on what the sets say, of those that it has room for', () => {
  const anySet = fc.tuple(fc.uniqueArray(fc.integer({ min: 0, max: 40 }), { maxLength: 12 }), fc.integer({ min: 1, max: 6 }), fc.integer({ min: 0, max: 3 })).map(([machines, k, lacking]) => setOf(machines, k, Math.max(1, machines.length + lacking)))
  fc.assert(fc.property(fc.array(anySet, { minLength: 1, maxLength: 8 }), fc.uniqueArray(fc.integer({ min: 0, max: 40 })), (sets, machines) => {
    const packed = packHolderSets(sets)
    assert.ok(packed !== undefined && JSON.stringify(packed).length <= 190)
    assert.deepEqual(holderSetsSchema.parse(JSON.parse(JSON.stringify(packed))), packed)
    const isOn = new Set(machines.map(idOf))
    const found = sets.map(({ machines: holders, k, n }) => ({ have: [...holders].filter((id) => isOn.has(id)).length, k, n }))
    const missing = Math.max(...found.map(({ n, have }) => n - have))
    const wanted = found.find(({ n, have }) => n - have === missing)?.n ?? 0
    const [said, truth] = [reachableOf(packed, on(...machines), wanted), { reachable: wanted - missing, restorable: found.every(({ have, k }) => have >= k) }]
    assert.ok((said.reachable === null || said.reachable >= truth.reachable) && (said.restorable || !truth.restorable), 'it names no set that is not there')
    if (sets.length === 1) assert.deepEqual(said, truth)
  }))
  const alike = Array.from({ length: 50 }, (_, at) => setOf([0, 1, 2, at + 3], 2, 4))
  assert.equal(packHolderSets([...alike, setOf([0, 1, 2], 2, 4)])?.sets.length, 1, 'a set that holds all of another is never worse')
})
