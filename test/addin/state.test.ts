import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Status, initialState, waitReason, secondsLeft, shareDone, withRunEvent, withRuns } from '../../addin/state.ts'
import type { RunState } from '../../shared/api.ts'

function run(id: string, bytesDone?: number): RunState {
  return { id, name: 'backup', startedAt: '2026-11-22T10:00:00Z', stage: 'reading', ...(bytesDone === undefined ? {} : { progress: { stage: 'reading', bytesDone, bytesTotal: 1000 } }) }
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

test('a run that gives way says for what; one that a person waits for, and one that has not begun, do not', () => {
  const status = (state: 'go' | 'slow' | 'wait', reason: 'battery' | null) => ({ pace: { state, reason } }) as Status
  const reasons = [[status('wait', 'battery'), run('r1')], [status('wait', 'battery'), { ...run('r1'), stage: 'queued' }], [status('wait', 'battery'), { ...run('r1'), name: 'restore' as const }], [status('slow', 'battery'), run('r1')], [status('go', null), run('r1')], [undefined, run('r1')]] as const
  assert.deepEqual(reasons.map(([now, of]) => waitReason(now, of)), ['battery', undefined, undefined, undefined, undefined, undefined])
})

test('a run that begins to count anew keeps its rate, and short questions are not shown', () => {
  let state = withRunEvent(initialState, { type: 'run', run: run('r1', 500) }, 0)
  state = withRunEvent(state, { type: 'run', run: run('r1', 700) }, 1000)
  state = withRunEvent(state, { type: 'run', run: run('r1', 0) }, 2000)
  assert.equal(state.runs[0]?.rate, 200)
  assert.equal(withRunEvent(initialState, { type: 'run', run: { ...run('r2'), name: 'status' } }, 0).runs.length, 0)
})

test('when the agent is reached again its list is the truth: what ended meanwhile is told, what it lost was stopped, and nothing twice', () => {
  let state = ['r1', 'r2', 'r3'].reduce((now, id) => withRunEvent(now, { type: 'run', run: run(id, 100) }, 0), initialState)
  const ended = { type: 'ended' as const, id: 'r2', name: 'backup' as const, result: { snapshot: 's' }, problem: null }
  state = withRuns(state, { runs: [run('r1', 300), run('r4', 0), { ...run('r5'), name: 'status' }], ended: [ended] }, 1000)
  assert.deepEqual(state.runs.map(({ id, rate }) => [id, rate]), [['r1', 200], ['r4', undefined]])
  assert.deepEqual(state.ended.map(({ id, problem }) => [id, problem?.code]), [['r3', 'cancelled'], ['r2', undefined]])
  assert.equal(withRuns(state, { runs: [], ended: [ended] }, 2000).ended.filter(({ id }) => id === 'r2').length, 1)
})
