import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { hasCode } from '../../shared/errors.ts'
import { type KeepRule, chooseSnapshots } from '../../agent/repository/keep-rule.ts'
import type { Snapshot } from '../../agent/repository/snapshot.ts'

interface Shape { time: string, tags?: string[], skipped?: string[], damaged?: string[], roots?: string[] }

/** Local times, as a person in any time zone writes them. */
function snapshotAt({ time, tags = [], skipped = [], damaged = [], roots = ['/data'] }: Shape): Snapshot {
  return {
    id: time, time: new Date(time).toISOString(), tags, roots: roots.map((path) => ({ path })), skipped: skipped.map((path) => ({ path, reason: '' })),
    damaged: damaged.map((path) => ({ path, problem: '' })),
  } as unknown as Snapshot
}

const keptOf = (shapes: readonly (string | Shape)[], rule: KeepRule) =>
  [...chooseSnapshots(shapes.map((shape) => snapshotAt(typeof shape === 'string' ? { time: shape } : shape)), rule).keys()].map(String).sort()

test('a rule keeps the newest of each hour, day, week, month and year that has any, by local time', () => {
  const days = ['2024-12-31', '2026-01-01', '2026-01-30', '2026-02-01', '2026-02-02', '2026-02-03']
  const times = days.flatMap((day) => ['08:10', '08:50', '20:00'].map((hour) => `${day}T${hour}:00`))
  assert.deepEqual(keptOf(times, { last: 3 }), ['2026-02-03T08:10:00', '2026-02-03T08:50:00', '2026-02-03T20:00:00'])
  assert.deepEqual(keptOf(times, { hourly: 2 }), ['2026-02-03T08:50:00', '2026-02-03T20:00:00'])
  assert.deepEqual(keptOf(times, { daily: 2 }), ['2026-02-02T20:00:00', '2026-02-03T20:00:00'])
  assert.deepEqual(keptOf(times, { weekly: 2 }), ['2026-02-01T20:00:00', '2026-02-03T20:00:00'])
  assert.deepEqual(keptOf(times, { monthly: 5 }), ['2024-12-31T20:00:00', '2026-01-30T20:00:00', '2026-02-03T20:00:00'])
  assert.deepEqual(keptOf(times, { yearly: 2 }), ['2024-12-31T20:00:00', '2026-02-03T20:00:00'])
})

test('keep-within counts back from the newest snapshot, by the calendar', () => {
  const times = ['2025-01-31T12:00:00', '2025-12-31T12:00:00', '2026-01-30T11:00:00', '2026-01-31T11:00:00', '2026-01-31T12:00:00']
  assert.deepEqual(keptOf(times, { within: '1h' }), times.slice(3))
  assert.deepEqual(keptOf(times, { within: '1d' }), times.slice(3))
  assert.deepEqual(keptOf(times, { within: '1d1h' }), times.slice(2))
  assert.deepEqual(keptOf(times, { within: '1m' }), times.slice(1))
  assert.deepEqual(keptOf(times, { within: '1y' }), times)
  for (const within of ['', '3', '2w', '-1d', '1d1y']) assert.throws(() => keptOf(times, { within }), (error) => hasCode(error, 'invalid-input'), within)
})

test('keep-tag keeps what has all tags of one of its lists', () => {
  const shapes = [{ time: '2026-01-01T00:00:00', tags: ['a', 'b'] }, { time: '2026-01-02T00:00:00', tags: ['a'] }, { time: '2026-01-03T00:00:00', tags: ['c'] }, '2026-01-04T00:00:00']
  assert.deepEqual(keptOf(shapes, { last: 1, tags: [['a', 'b'], ['c']] }), ['2026-01-01T00:00:00', '2026-01-03T00:00:00', '2026-01-04T00:00:00'])
})

test('a rule that keeps nothing is refused', () => {
  assert.throws(() => keptOf(['2026-01-01T00:00:00'], {}), (error) => hasCode(error, 'invalid-input'))
})

test('the newest sound snapshot of each root stays, however many broken ones come after it', () => {
  const sound = { time: '2026-01-01T00:00:00', roots: ['/mail', '/docs'] }
  const broken = [2, 3, 4].map((day) => ({
    time: `2026-01-0${day}T00:00:00`, roots: ['/mail', '/docs'], damaged: ['/mail/archive.pst'], skipped: day === 4 ? ['/docs'] : [],
  }))
  assert.deepEqual(keptOf([sound, ...broken], { last: 1 }), ['2026-01-01T00:00:00', '2026-01-03T00:00:00', '2026-01-04T00:00:00'])
  assert.deepEqual(keptOf(['2026-01-01T00:00:00', '2026-01-02T00:00:00', '2026-01-03T00:00:00', '2026-01-04T00:00:00'], { last: 1, proved: ['2026-01-01T00:00:00', '2026-01-03T00:00:00'] }), ['2026-01-01T00:00:00', '2026-01-03T00:00:00', '2026-01-04T00:00:00'])
  const again = { ...sound, time: '2026-01-05T00:00:00' }
  assert.deepEqual(keptOf([sound, ...broken, again], { last: 1 }), ['2026-01-05T00:00:00'])
})

test('of what stays it is known by which rules, and of what it is the last sound one', () => {
  const shapes = [
    { time: '2026-01-01T08:00:00', roots: ['/mail', '/docs'] }, { time: '2026-01-02T08:00:00', roots: ['/mail'], tags: ['year'] }, { time: '2026-01-02T09:00:00', roots: ['/mail'], damaged: ['/mail/a.pst'] },
    { time: '2026-01-03T08:00:00', roots: ['/mail'], skipped: ['/mail/b'] },
  ]
  const why = (rule: KeepRule) => Object.fromEntries(chooseSnapshots(shapes.map(snapshotAt), rule))
  assert.deepEqual(why({ last: 1, daily: 2, within: '1h', tags: [['year']], proved: ['2026-01-01T08:00:00'] }), {
    '2026-01-03T08:00:00': { reasons: ['last', 'daily', 'within'], wholeOf: [] },
    '2026-01-02T09:00:00': { reasons: ['daily'], wholeOf: [] },
    '2026-01-02T08:00:00': { reasons: ['tags', 'whole'], wholeOf: ['/mail'] },
    '2026-01-01T08:00:00': { reasons: ['whole', 'proved'], wholeOf: ['/docs'] },
  })
  assert.deepEqual(why({ hourly: 1, weekly: 1, monthly: 1, yearly: 1 })['2026-01-03T08:00:00'], { reasons: ['hourly', 'weekly', 'monthly', 'yearly'], wholeOf: [] })
})

test('whatever the rule, the newest snapshot and each root\'s last sound one stay, and more of a rule never keeps less', () => {
  const rule = fc.record({ last: fc.nat(3), hourly: fc.nat(3), daily: fc.nat(3), weekly: fc.nat(3), monthly: fc.nat(3), yearly: fc.nat(3) })
  const shape = fc.record({ hour: fc.nat(20_000), broken: fc.boolean() })
  fc.assert(fc.property(fc.uniqueArray(shape, { selector: ({ hour }) => hour, minLength: 1, maxLength: 30 }), rule, (shapes, keep) => {
    fc.pre(Object.values(keep).some((count) => count > 0))
    const snapshots = shapes.map(({ hour, broken }) => snapshotAt({ time: new Date(Date.UTC(2026, 0, 1, hour)).toISOString(), skipped: broken ? ['/data/x'] : [] }))
    const kept = chooseSnapshots(snapshots, keep)
    const newestFirst = snapshots.toSorted((a, b) => Date.parse(b.time) - Date.parse(a.time))
    assert.ok(kept.has(newestFirst[0]!.id))
    const sound = newestFirst.find(({ skipped }) => skipped.length === 0)
    assert.ok(sound === undefined || kept.has(sound.id))
    const more = chooseSnapshots(snapshots, Object.fromEntries(Object.entries(keep).map(([name, count]) => [name, count + 1])))
    for (const id of kept.keys()) assert.ok(more.has(id))
  }))
})
