import assert from 'node:assert/strict'
import { test } from 'node:test'
import { backUpNow } from '../../../addin/commands/back-up-now.ts'
import { type RoamingSettings, hasBackupToken, keepBackupToken, readBackupTokens } from '../../../addin/commands/backup-token.ts'
import { messagesFor, notificationLimit } from '../../../addin/commands/messages.ts'

const messages = messagesFor('en-US')
const { signal } = new AbortController()
/** An agent that knows some tokens; what it was asked is kept. */
function agent(known: readonly string[], answer = () => new Response('{"run":"r1"}', { status: 202 })) {
  const asked: { address: string; init: RequestInit }[] = []
  const fetch = async (address: string, init: RequestInit) => {
    asked.push({ address, init })
    const { authorization } = init.headers as Record<string, string>
    return known.some((token) => authorization === `Bearer ${token}`) ? answer() : new Response('{}', { status: 401 })
  }
  return { asked, fetch }
}

test('back up now starts a backup that goes on without the page, with the first token that the agent knows', async () => {
  const { asked, fetch } = agent(['here'])
  const outcome = await backUpNow({ fetch, tokens: ['elsewhere', 'here', 'never'], messages, signal })
  assert.deepEqual(outcome, { ok: true, text: messages.started })
  assert.deepEqual(asked.map(({ address, init }) => [address, init.method, (init.headers as Record<string, string>)['prefer']]),
    [['/api/commands/backup', 'POST', 'respond-async'], ['/api/commands/backup', 'POST', 'respond-async']])
})

test('back up now says what to do when it is not connected, when no agent runs, and when the agent refuses', async () => {
  assert.equal((await backUpNow({ fetch: agent([]).fetch, tokens: ['old'], messages, signal })).text, messages.notConnected)
  assert.equal((await backUpNow({ fetch: agent([]).fetch, tokens: [], messages, signal })).text, messages.notConnected)
  const stopped = async () => { throw new TypeError('Failed to fetch') }
  assert.deepEqual(await backUpNow({ fetch: stopped, tokens: ['t'], messages, signal }), { ok: false, text: messages.agentNotRunning })
  const refused = agent(['t'], () => new Response(JSON.stringify({ detail: 'Cannot back up: nothing is protected' }), { status: 409 }))
  assert.match((await backUpNow({ fetch: refused.fetch, tokens: ['t'], messages, signal })).text, /nothing is protected/u)
})

test('no sentence is longer than Outlook takes, in either language', async () => {
  for (const locale of ['en-US', 'de-AT']) {
    const { started, notConnected, agentNotRunning } = messagesFor(locale)
    for (const text of [started, notConnected, agentNotRunning]) assert.ok(text.length <= notificationLimit, text)
    const long = agent(['t'], () => new Response(JSON.stringify({ detail: 'x'.repeat(1000) }), { status: 500 }))
    const { text } = await backUpNow({ fetch: long.fetch, tokens: ['t'], messages: messagesFor(locale), signal })
    assert.equal(text.length, notificationLimit)
  }
})

function places() {
  const kept = new Map<string, string>()
  const storage = { getItem: (name: string) => kept.get(name) ?? null, setItem: (name: string, value: string) => void kept.set(name, value), removeItem: (name: string) => void kept.delete(name) }
  const settings = new Map<string, unknown>()
  const roaming: RoamingSettings = { get: (name) => settings.get(name), set: (name, value) => void settings.set(name, value), saveAsync: () => {} }
  return { storage, roaming }
}

test('a person with two machines keeps a token for each in the mailbox, and this machine\'s comes first', () => {
  const { roaming, storage: office } = places()
  const { storage: laptop } = places()
  keepBackupToken({ storage: office, roaming }, 'office', 'token-1')
  keepBackupToken({ storage: laptop, roaming }, 'laptop', 'token-2')
  keepBackupToken({ storage: office, roaming }, 'office', 'token-3')
  assert.deepEqual(readBackupTokens({ storage: laptop, roaming }), ['token-2', 'token-3'])
  assert.deepEqual(readBackupTokens({ storage: undefined, roaming }).sort(), ['token-2', 'token-3'])
  assert.ok(hasBackupToken({ storage: office, roaming }, 'office'))
  assert.ok(!hasBackupToken({ storage: places().storage, roaming }, 'office'))
})

test('storage that a host forbids is passed over', () => {
  const forbidden = { getItem() { throw new Error('SecurityError') }, setItem() { throw new Error('SecurityError') }, removeItem() {} }
  const { roaming } = places()
  keepBackupToken({ storage: forbidden, roaming }, 'm', 't')
  assert.deepEqual(readBackupTokens({ storage: forbidden, roaming }), ['t'])
})
