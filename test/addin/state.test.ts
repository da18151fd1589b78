import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { type Member, ageTone, initialState, isFailing, memberTone, membersAsCsv, secondsLeft, shareDone, withRunEvent, worstFirst } from '../../addin/state.ts'
import type { RunState } from '../../shared/api.ts'

const day = 86_400

function run(id: string, bytesDone?: number): RunState {
  return { id, name: 'backup', startedAt: '2026-11-22T10:00:00Z', stage: 'reading', ...(bytesDone === undefined ? {} : { progress: { stage: 'reading', bytesDone, bytesTotal: 1000 } }) }
}

const covered: Member = {
  name: 'Ana', owner: 'o1', machine: 'm1', state: 'protected', lastSnapshotAgeSeconds: 3600, placed: 6, wanted: 6, unprotectedBytes: 0, lastVerifiedRestore: null,
  machineState: 'online', self: false, admin: false, offSinceSeconds: null, usedBytes: null, offerBytes: null, reportAgeSeconds: null, frozenAt: 0,
}

test('a run is watched from its first event to its end, with a rate and the time that is left', () => {
  let state = withRunEvent(initialState, { type: 'run', run: run('r1', 0) }, 0)
  assert.equal(state.runs[0]?.rate, undefined)
  state = withRunEvent(state, { type: 'run', run: run('r1', 200) }, 1000)
  const watched = state.runs[0]
  assert.ok(watched !== undefined)
  assert.deepEqual([watched.rate, shareDone(watched), secondsLeft(watched)], [200, 0.2, 4])
  state = withRunEvent(state, { type: 'ended', id: 'r1', name: 'backup', result: { snapshot: 's' }, problem: null }, 2000)
  assert.deepEqual([state.runs, state.ended[0]?.result], [[], { snapshot: 's' }])
})

test('a run that begins to count anew keeps its rate, and short questions are not shown', () => {
  let state = withRunEvent(initialState, { type: 'run', run: run('r1', 500) }, 0)
  state = withRunEvent(state, { type: 'run', run: run('r1', 700) }, 1000)
  state = withRunEvent(state, { type: 'run', run: run('r1', 0) }, 2000)
  assert.equal(state.runs[0]?.rate, 200)
  assert.equal(withRunEvent(initialState, { type: 'run', run: { ...run('r2'), name: 'status' } }, 0).runs.length, 0)
})

test('a member is never shown better than the age or the copies of the backup', () => {
  assert.deepEqual([ageTone(null), ageTone(8 * day), ageTone(4 * day), ageTone(2 * day)], ['bad', 'bad', 'warning', 'good'])
  assert.equal(memberTone(covered), 'good')
  assert.equal(memberTone({ ...covered, lastSnapshotAgeSeconds: 8 * day }), 'bad')
  assert.equal(memberTone({ ...covered, state: 'partial' }), 'warning')
  assert.equal(memberTone({ ...covered, state: 'unknown' }), 'warning')
})

test('a machine that is off is no failing backup', () => {
  const old = { ...covered, lastSnapshotAgeSeconds: 9 * day }
  assert.equal(isFailing(old), true)
  assert.equal(isFailing({ ...old, machineState: 'away', offSinceSeconds: 9 * day }), false)
})

test('the worst is first, and the order loses nobody', () => {
  const members = [covered, { ...covered, name: 'Bo', state: 'partial' as const }, { ...covered, name: 'Chi', lastSnapshotAgeSeconds: 9 * day }, { ...covered, name: 'Dee', lastSnapshotAgeSeconds: null, state: 'unprotected' as const, machineState: 'away' as const }]
  assert.deepEqual(worstFirst(members).map(({ name }) => name), ['Chi', 'Dee', 'Bo', 'Ana'])
  fc.assert(fc.property(fc.shuffledSubarray(members, { minLength: 4 }), (shuffled) => {
    assert.deepEqual(worstFirst(shuffled), worstFirst(members))
  }))
})

test('the table as CSV can be read back, and runs nothing in a spreadsheet', () => {
  const [heading, first, second] = membersAsCsv([{ ...covered, name: 'Ana "the admin", Ruiz' }, { ...covered, name: '=HYPERLINK("http://x")' }]).split('\r\n')
  assert.ok(heading?.startsWith('name,state,lastSnapshotAgeSeconds,'))
  assert.ok(first?.startsWith('"Ana ""the admin"", Ruiz",protected,3600,6,6,0,,online'))
  assert.ok(second?.startsWith('"\'=HYPERLINK('))
})
