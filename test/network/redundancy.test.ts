import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../../shared/errors.ts'
import { fewerAsked, redundancyOf, redundancyOfObject } from '../../agent/network/redundancy.ts'

test('every level of the table is what the table says', () => {
  const table = [
    ['mirror-2', 9, 1, 2, 2], ['mirror-3', 9, 1, 3, 3], ['raid5', 3, 2, 3, 3], ['raid5', 5, 4, 5, 5],
    ['raid6', 4, 2, 4, 3], ['raid6', 5, 3, 5, 4], ['raid6', 6, 4, 6, 5], ['triple', 9, 3, 6, 5],
    ['2-of-5', 1, 2, 5, 4], ['5-of-6', 1, 5, 6, 6], ['3-of-6', 1, 3, 6, 5],
    ['auto', 0, 1, 1, null], ['auto', 1, 1, 1, null], ['auto', 2, 1, 2, 2], ['auto', 3, 1, 3, 3], ['auto', 4, 2, 4, 3],
    ['auto', 5, 3, 5, 4], ['auto', 6, 3, 6, 5], ['auto', 40, 3, 6, 5],
  ] as const
  for (const [name, others, k, n, green] of table) assert.deepEqual(redundancyOf(name, others), { k, n, green }, `${name} with ${others}`)
})

test('an object is never judged more mildly than the level that it was coded for', () => {
  for (const [name, others] of [['mirror-2', 2], ['mirror-3', 3], ['raid5', 3], ['raid5', 5], ['raid6', 4], ['raid6', 5], ['raid6', 6], ['triple', 6], ['auto', 1]] as const) {
    const level = redundancyOf(name, others)
    assert.deepEqual(redundancyOfObject(level.k, level.n), level, name)
  }
})

test('what was cut for more machines than the level asks for now survives as many losses as what is cut for it', () => {
  const auto = (others: number) => redundancyOf('auto', others)
  const table = [[3, 2, { all: 2, green: 2 }], [6, 5, { all: 5, green: 4 }], [6, 4, { all: 4, green: 4 }], [6, 2, { all: 4, green: 4 }], [6, 3, { all: 5, green: 5 }], [2, 1, undefined], [3, 6, undefined], [6, 40, undefined]] as const
  for (const [before, now, fewer] of table) {
    const { k, n } = auto(before)
    assert.deepEqual(fewerAsked({ k, n }, auto(now)), fewer, `${before} to ${now}`)
    const { k: present, green } = auto(now)
    if (fewer !== undefined) assert.equal(fewer.green - k, (green ?? 0) - present)
  }
})

test('what is no level is refused with the reason', () => {
  for (const [name, reason] of [['3-of-3', /smaller than n/], ['0-of-3', /at least 1/], ['7-of-6', /smaller than n/], ['2-of-200', /at most 32/], ['raid7', /none of auto|none of mirror-2/], ['3 of 6', /k-of-n/], ['', /none of/], ['toString', /none of/]] as const) {
    assert.throws(() => redundancyOf(name, 6), (error) => error instanceof HoldfastError && error.code === 'invalid-input' && reason.test(error.message), name)
  }
})
