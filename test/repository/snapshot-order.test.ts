import assert from 'node:assert/strict'
import { test } from 'node:test'
import { array, assert as assertProperty, boolean, integer, nat, property, record } from 'fast-check'
import { chooseSnapshots } from '../../agent/repository/keep-rule.ts'
import { type Snapshot, inOrder } from '../../agent/repository/snapshot.ts'

function snapshot(id: string, time: string, parent?: string): Snapshot {
  return { id, time, ...(parent === undefined ? {} : { parent }), roots: [], skipped: [], tags: [] } as unknown as Snapshot
}

const ids = (snapshots: readonly Snapshot[]) => snapshots.map(({ id }) => String(id)).join(' ')

test('snapshots are in the order of their times, but none comes before its parent', () => {
  const a = snapshot('a', '2026-11-20T00:00:00Z')
  const b = snapshot('b', '2026-11-22T00:00:00Z', 'a')
  const late = snapshot('late', '2026-11-21T00:00:00Z', 'b')
  const later = snapshot('later', '2026-11-21T12:00:00Z', 'late')
  assert.equal(ids(inOrder([later, late, b, a])), 'a b late later')
  const other = snapshot('other', '2026-11-23T00:00:00Z')
  assert.equal(ids(inOrder([other, later, a, late, b])), 'a b late later other', 'another machine\'s stay where their times are')
  const ahead = snapshot('ahead', '2036-01-01T00:00:00Z', 'a')
  assert.equal(ids(inOrder([snapshot('today', '2026-11-24T00:00:00Z', 'ahead'), ahead, a])), 'a ahead today')
  assert.deepEqual([...chooseSnapshots([b, late, a, later], { last: 1 }).keys()].map(String), ['later'])
})

test('whatever the times and parents, the order has each once and every child after its parent; a circle ends too', () => {
  const rows = array(record({ day: integer({ min: 1, max: 28 }), parent: nat({ max: 9 }), hasParent: boolean(), inCircle: boolean() }), { maxLength: 10 })
  assertProperty(property(rows, (shapes) => {
    const parents = shapes.map(({ parent, hasParent, inCircle }, at) => (!hasParent ? -1 : inCircle ? parent % shapes.length : at === 0 ? -1 : parent % at))
    const all = shapes.map(({ day }, at) => snapshot(String(at), `2026-11-${String(day).padStart(2, '0')}T00:00:00Z`, (parents[at] ?? -1) < 0 ? undefined : String(parents[at])))
    const order = inOrder(all).map(({ id }) => Number(id))
    assert.deepEqual(order.toSorted((a, b) => a - b), all.map((_each, at) => at))
    if (shapes.some(({ inCircle }) => inCircle)) return
    for (const [at, parent] of parents.entries()) if (parent >= 0) assert.ok(order.indexOf(parent) < order.indexOf(at), `${parent} before ${at}`)
  }))
})
