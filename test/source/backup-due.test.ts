import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultDueRule, dueForBackup, withChange } from '../../agent/source/backup-due.ts'
import type { PendingGrowth } from '../../agent/source/backup-due.ts'

const MiB = 2 ** 20
const start = 1_700_000_000_000

function after(...changes: (readonly [minute: number, grown: number])[]): PendingGrowth | undefined {
  return changes.reduce<PendingGrowth | undefined>((pending, [minute, bytesGrown]) =>
    withChange(pending, { path: '/a', bytesGrown, changedAt: start + minute * 60_000 }), undefined)
}

function dueAt(pending: PendingGrowth | undefined, minute: number): boolean {
  return dueForBackup(pending, start + minute * 60_000)
}

test('without a change nothing is due', () => {
  assert.equal(dueAt(undefined, 1e6), false)
})

test('a change is due after five quiet minutes, counted from the last one', () => {
  assert.equal(dueAt(after([0, 1]), 4.99), false)
  assert.equal(dueAt(after([0, 1]), 5), true)
  assert.equal(dueAt(after([0, 1], [4, 1]), 8.9), false)
  assert.equal(dueAt(after([0, 1], [4, 0]), 9), true)
})

test('64 MiB of growth are due at once, however many changes they took', () => {
  assert.equal(dueAt(after([0, 32 * MiB], [1, 32 * MiB - 1]), 1), false)
  assert.equal(dueAt(after([0, 32 * MiB], [1, 32 * MiB]), 1), true)
})

test('changes in place count as changes, not as growth', () => {
  const pending = after([0, 0], [2, 0])
  assert.deepEqual([dueAt(pending, 6), dueAt(pending, 7)], [false, true])
})

test('a clock that was set back makes a change due', () => {
  assert.equal(dueAt(after([10, 1]), 9), true)
})

test('the rule can be set', () => {
  const pending = after([0, 10])
  assert.equal(dueForBackup(pending, start, { ...defaultDueRule, growthBytes: 10 }), true)
  assert.equal(dueForBackup(pending, start + 1000, { quietMs: 1000, growthBytes: 11 }), true)
})
