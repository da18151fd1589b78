import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { type Member, ageTone, countTones, hasCopiesOff, isFailing, memberTone, membersAsCsv, standingOf, worstFirst } from '../../addin/members.ts'

const day = 86_400

const covered: Member = {
  name: 'Ana', owner: 'o1', machine: 'm1', state: 'protected', lastSnapshotAgeSeconds: 3600, placed: 6, wanted: 6, reachable: 6, restorable: true, unprotectedBytes: 0, lastVerifiedRestore: null, verifiedInPart: false, lastFailedDrill: null, lastAudit: null,
  machineState: 'online', self: false, admin: false, offSinceSeconds: null, usedBytes: null, offerBytes: null, reportAgeSeconds: null, chosen: 1, lost: false, frozenAt: 0, storedBytes: null, fairBytes: 0,
}
const off = (days: number): Partial<Member> => ({ machineState: days > 21 ? 'gone' : days > 10 ? 'doubtful' : 'away', offSinceSeconds: days * day })

test('a member is never shown better than the age or the copies of the backup', () => {
  assert.deepEqual([ageTone(null), ageTone(8 * day), ageTone(4 * day), ageTone(2 * day)], ['bad', 'bad', 'warning', 'good'])
  const cases: [Partial<Member>, string, string][] = [
    [{}, 'covered', 'good'], [{ lastSnapshotAgeSeconds: 8 * day }, 'overdue', 'bad'], [{ lastSnapshotAgeSeconds: 4 * day }, 'aging', 'warning'],
    [{ state: 'partial' }, 'partly', 'warning'], [{ state: 'partial', lastSnapshotAgeSeconds: 8 * day }, 'overdue', 'bad'], [{ state: 'unknown' }, 'unknown', 'warning'],
    [{ state: 'unprotected' }, 'atRisk', 'bad'], [{ lastSnapshotAgeSeconds: null, state: 'unprotected' }, 'never', 'bad'],
    [{ lastSnapshotAgeSeconds: null, state: 'unprotected', chosen: 0 }, 'nothing', 'bad'], [{ chosen: null }, 'covered', 'good'], [{ frozenAt: 2 }, 'frozen', 'warning'],
    [{ lastFailedDrill: '2026-11-22T14:03:00.000Z' }, 'drillFailed', 'warning'],
    [{ reachable: 4 }, 'covered', 'good'], [{ reachable: 2, restorable: false }, 'notNow', 'warning'], [{ reachable: null, restorable: null }, 'covered', 'good'], [{ reachable: 2, restorable: false, state: 'unprotected' }, 'atRisk', 'bad'],
  ]
  for (const [change, standing, tone] of cases) {
    const member = { ...covered, ...change }
    assert.deepEqual([standingOf(member), memberTone(member)], [standing, tone], JSON.stringify(change))
  }
})

test('copies that are off are told apart from copies that were never made', () => {
  const told = (change: Partial<Member>) => hasCopiesOff({ ...covered, ...change })
  assert.deepEqual([told({}), told({ reachable: 5 }), told({ placed: 4, reachable: 4 }), told({ placed: 4, reachable: 3 }), told({ reachable: null }), told({ reachable: 0, lastSnapshotAgeSeconds: null })], [false, true, false, true, false, false])
})

test('a machine that is off is no failing backup, and its backup ages only while it was on', () => {
  const old = { ...covered, lastSnapshotAgeSeconds: 9 * day }
  assert.deepEqual([isFailing(old), standingOf(old)], [true, 'overdue'])
  assert.deepEqual([isFailing({ ...old, ...off(9) }), standingOf({ ...old, ...off(9) })], [false, 'covered'])
  assert.equal(standingOf({ ...old, ...off(1) }), 'overdue', 'it was not backed up for 8 days before it went off')
  assert.equal(standingOf({ ...old, lastSnapshotAgeSeconds: 12 * day, ...off(12) }), 'offLong')
  assert.equal(standingOf({ ...old, lastSnapshotAgeSeconds: 30 * day, ...off(30) }), 'gone')
})

test('the worst is first, and the order loses nobody', () => {
  const members: Member[] = [covered, { ...covered, name: 'Bo', state: 'partial' }, { ...covered, name: 'Chi', lastSnapshotAgeSeconds: 9 * day }, { ...covered, name: 'Dee', lastSnapshotAgeSeconds: null, state: 'unprotected', ...off(1) }]
  assert.deepEqual(worstFirst(members).map(({ name }) => name), ['Chi', 'Dee', 'Bo', 'Ana'])
  assert.deepEqual(countTones(members), { good: 1, warning: 1, bad: 2 })
  fc.assert(fc.property(fc.shuffledSubarray(members, { minLength: 4 }), (shuffled) => {
    assert.deepEqual(worstFirst(shuffled), worstFirst(members))
  }))
})

test('the table as CSV can be read back, and runs nothing in a spreadsheet', () => {
  const [heading, first, second] = membersAsCsv([{ ...covered, name: 'Ana "the admin", Ruiz' }, { ...covered, name: '=HYPERLINK("http://x")' }]).split('\r\n')
  assert.ok(heading?.startsWith('standing,name,state,lastSnapshotAgeSeconds,'))
  assert.ok(first?.startsWith('covered,"Ana ""the admin"", Ruiz",protected,3600,6,6,6,true,0,,false,,online'))
  assert.ok(second?.startsWith('covered,"\'=HYPERLINK('))
})
