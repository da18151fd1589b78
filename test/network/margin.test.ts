import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type PatientPlace, lackingNow, lackingWithPatience } from '../../agent/network/margin.ts'

/** Shard i on machine i; the last ones were silent for so many days. */
const places = (count: number, ...silent: number[]): PatientPlace[] => Array.from({ length: count }, (_, number) => ({ number, host: `host-${number}`, silentDays: silent[number - count + silent.length] ?? 0 }))
const triple = { k: 3, target: 6, shown: 5 }

test('without patience every number lacks that has no host of its own', () => {
  assert.deepEqual(lackingNow(places(4), 6), [4, 5])
  assert.deepEqual(lackingNow([...places(2), { number: 2, host: 'host-0' }], 3), [2])
})

test('leave costs nothing while margins are wide: three weeks of one machine, two of two, a week of all but one', () => {
  assert.deepEqual(lackingWithPatience(places(6, 41), triple), [])
  assert.deepEqual(lackingWithPatience(places(6, 16, 16), triple), [])
  assert.deepEqual(lackingWithPatience(places(6, 9, 9, 9, 9, 9), triple), [])
  assert.deepEqual(lackingWithPatience(places(4, 16), { k: 2, target: 4, shown: 3 }), [])
})

test('the longer others are silent, the more losses have to be survivable without them', () => {
  assert.deepEqual(lackingWithPatience(places(6, 10, 10, 10), triple), [3], 'one more after 10 days')
  assert.deepEqual(lackingWithPatience(places(6, 17, 17), triple), [4], 'two more after 17')
  assert.deepEqual(lackingWithPatience(places(4, 17), { k: 2, target: 4, shown: 3 }), [3])
  assert.deepEqual(lackingWithPatience(places(2, 10), { k: 1, target: 2, shown: 2 }), [1])
})

test('after 21 days, when it no longer counts in what is shown, as many are made as keep the object green', () => {
  const wide = { k: 6, target: 10, shown: 9 }
  assert.deepEqual(lackingWithPatience(places(10, 20, 20), wide), [])
  assert.deepEqual(lackingWithPatience(places(10, 21, 21), wide), [8])
  assert.deepEqual(lackingWithPatience(places(6, 21), { ...triple, shown: 6 }), [5], 'that was never green')
})

test('after 42 days of silence all of it lacks, however wide the margin', () => {
  assert.deepEqual(lackingWithPatience(places(6, 42), triple), [5])
  assert.deepEqual(lackingWithPatience(places(6, 42), { k: 1, target: 6, shown: 5 }), [5])
})

test('what was silent for the longest is made first', () => {
  assert.deepEqual(lackingWithPatience(places(6, 30, 17), triple), [4])
  assert.deepEqual(lackingWithPatience(places(6, 17, 30), triple), [5])
})

test('what was made in the place of a silent machine is not made twice, and counts on when that comes back', () => {
  const again = (silent: number): PatientPlace[] => [...places(6, 17, silent), { number: 4, host: 'host-9', silentDays: 0 }]
  assert.deepEqual(lackingWithPatience(again(17), triple), [])
  assert.deepEqual(lackingWithPatience([...places(6, 0, 42), { number: 5, host: 'host-9', silentDays: 0 }], triple), [])
})

test('what is lost for good lacks at once, however wide the margin', () => {
  assert.deepEqual(lackingWithPatience(places(5), triple), [5])
})

test('what the level asks for no more is not made anew, and what it does is, as if the rest had never been', () => {
  assert.deepEqual(lackingWithPatience(places(5), { ...triple, spare: 1 }), [])
  assert.deepEqual(lackingWithPatience(places(4), { ...triple, spare: 1 }), [4])
  assert.deepEqual(lackingWithPatience(places(2, 10), { k: 1, target: 3, shown: 3, spare: 1 }), [1], 'one more has to be survivable without the silent one')
  assert.deepEqual(lackingWithPatience(places(3, 21), { k: 1, target: 3, shown: 3, spare: 1 }), [], 'two are left, as many as are asked for')
})

test('who was not asked yet may have what nobody else has', () => {
  assert.deepEqual(lackingWithPatience(places(4), { ...triple, unlisted: 2 }), [])
  assert.deepEqual(lackingWithPatience(places(4), { ...triple, unlisted: 1 }), [4])
  assert.deepEqual(lackingWithPatience(places(5, 17, 17), { ...triple, unlisted: 1 }), [3])
})
