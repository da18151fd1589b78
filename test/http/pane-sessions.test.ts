import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PaneSessions } from '../../agent/http/pane-sessions.ts'

const hour = 3_600_000

function scene() {
  const kept: { text: string | undefined; writes: number } = { text: undefined, writes: 0 }
  const clock = { nowMs: 1_000_000 }
  const file = { read: () => kept.text, write: (text: string) => { kept.text = text; kept.writes++ } }
  return { kept, clock, agent: () => new PaneSessions(file, () => clock.nowMs) }
}

test('a pane that is open survives a restart of the agent; the home keeps no token, only a digest', () => {
  const { kept, agent } = scene()
  const before = agent()
  const token = before.pair({ ticket: before.newTicket() })
  assert.equal(agent().scopeOf(token), 'full')
  assert.equal(kept.text?.includes(token), false)
  const after = agent()
  after.close(token)
  assert.equal(agent().scopeOf(token), undefined)
})

test('a token ends 12 hours after its last use, or 30 days when the person asked to stay connected', () => {
  const { clock, agent } = scene()
  const sessions = agent()
  const short = sessions.pair({ code: sessions.newCode() })
  const long = sessions.pair({ code: sessions.newCode(), remember: true })
  clock.nowMs += 11 * hour
  assert.equal(agent().scopeOf(short), 'full')
  clock.nowMs += 11 * hour
  assert.deepEqual([agent().scopeOf(short), agent().scopeOf(long)], ['full', 'full'])
  clock.nowMs += 13 * hour
  assert.deepEqual([agent().scopeOf(short), agent().scopeOf(long)], [undefined, 'full'])
  clock.nowMs += 31 * 24 * hour
  assert.equal(agent().scopeOf(long), undefined)
})

test('using a pane does not write the file at each request', () => {
  const { kept, agent } = scene()
  const sessions = agent()
  const token = sessions.open()
  for (let request = 0; request < 100; request++) sessions.scopeOf(token)
  assert.equal(kept.writes, 1)
})

test('a damaged file lets nobody in and is begun anew', () => {
  const { kept, agent } = scene()
  const token = agent().open()
  kept.text = `${kept.text?.slice(0, 20)}`
  const sessions = agent()
  assert.equal(sessions.scopeOf(token), undefined)
  assert.equal(sessions.scopeOf(sessions.open()), 'full')
})

test('the sixty-fifth pane ends the one that would end first', () => {
  const sessions = scene().agent()
  const [first, ...others] = Array.from({ length: 65 }, () => sessions.open())
  assert.equal(sessions.scopeOf(first as string), undefined)
  assert.ok(others.every((token) => sessions.scopeOf(token) === 'full'))
})
