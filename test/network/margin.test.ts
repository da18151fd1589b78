import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type PatientPlace, lackingNow, lackingWithPatience } from '../../agent/network/margin.ts'

/** Shard i on machine i; `doubtful` of them were silent for 10 days, the last ones. */
const places = (count: number, doubtful = 0): PatientPlace[] => Array.from({ length: count }, (_, number) => ({ number, host: `host-${number}`, doubtful: number >= count - doubtful }))

test('without patience every number lacks that has no host of its own', () => {
  assert.deepEqual(lackingNow(places(4), 6), [4, 5])
  assert.deepEqual(lackingNow([...places(2), { number: 2, host: 'host-0' }], 3), [2])
})

test('one machine on two weeks of leave costs nothing while two more may be lost without it', () => {
  assert.deepEqual(lackingWithPatience(places(6, 1), { k: 3, target: 6 }), [])
})

test('when two are silent for ten days the margin is thin: one shard is made, not two', () => {
  assert.deepEqual(lackingWithPatience(places(6, 2), { k: 3, target: 6 }), [4])
  assert.deepEqual(lackingWithPatience(places(6, 3), { k: 3, target: 6 }), [3, 4])
  assert.deepEqual(lackingWithPatience(places(4, 1), { k: 2, target: 4 }), [3])
  assert.deepEqual(lackingWithPatience(places(2, 1), { k: 1, target: 2 }), [1])
})

test('what was made in the place of a silent machine is not made twice', () => {
  const again = [...places(6, 2), { number: 4, host: 'host-9', doubtful: false }]
  assert.deepEqual(lackingWithPatience(again, { k: 3, target: 6 }), [])
})

test('what is lost for good lacks at once, however wide the margin', () => {
  assert.deepEqual(lackingWithPatience(places(5), { k: 3, target: 6 }), [5])
})

test('who was not asked yet may have what nobody else has', () => {
  assert.deepEqual(lackingWithPatience(places(4), { k: 3, target: 6, unlisted: 2 }), [])
  assert.deepEqual(lackingWithPatience(places(4), { k: 3, target: 6, unlisted: 1 }), [4])
  assert.deepEqual(lackingWithPatience(places(5, 2), { k: 3, target: 6, unlisted: 1 }), [3])
})
