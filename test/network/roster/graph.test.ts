import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../../../shared/errors.ts'
import { parseRosterLocator } from '../../../agent/network/roster/locator.ts'
import { openRoster } from '../../../agent/network/roster/open-roster.ts'
import { rosterSuite } from '../../suites/roster.ts'
import { FakeGraph } from '../../support/fake-graph.ts'
import { accessWith } from '../../support/roster-access.ts'

const client = '11111111-2222-3333-4444-555555555555'
const sharepoint = `sharepoint:https://contoso.sharepoint.com/sites/team?client=${client}`
const exchange = `exchange:holdfast@contoso.com?client=${client}`
const peer = `peers/${'ab'.repeat(32)}.jws`
const other = `peers/${'cd'.repeat(32)}.jws`

function machine(graph: FakeGraph, locator: string, memory?: { text?: string | undefined }) {
  return openRoster(locator, accessWith({
    fetch: graph.fetch, microsoftToken: async () => 'token',
    memory: () => (memory === undefined ? undefined : { load: async () => memory.text, save: async (text) => { memory.text = text } }),
  }))
}

function isUnavailable(words: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof HoldfastError && error.code === 'roster-unavailable' && words.test(error.message)
}

for (const [name, locator] of [['a SharePoint library', sharepoint], ['an Exchange mailbox', exchange]] as const) {
  rosterSuite({
    name,
    open: async () => {
      const graph = new FakeGraph()
      graph.pageSize = 2
      const roster = machine(graph, locator)
      await roster.prepare()
      return { roster, again: () => machine(graph, locator), [Symbol.asyncDispose]: async () => {} }
    },
  })

  test(`${name}: what another machine changed and removed is seen by delta, a poll without changes asks once`, async () => {
    const graph = new FakeGraph()
    const [roster, another] = [machine(graph, locator), machine(graph, locator)]
    await roster.prepare()
    await roster.putOwn(peer, 'one')
    await roster.putOwn(other, 'two')
    const first = await roster.list()
    graph.requests.length = 0
    const second = await roster.list(first.cursor)
    assert.deepEqual([second.records.length, second.whole, graph.requests.length], [0, false, 1])
    await another.putOwn(peer, 'one again')
    await another.remove(other)
    const third = await roster.list(second.cursor)
    assert.deepEqual(third.records.map(({ name: record, text }) => [record, text]), [[peer, 'one again']])
    assert.equal(third.whole, true)
  })

  test(`${name}: a delta link that is gone leads to a whole listing, and nothing is lost`, async () => {
    const graph = new FakeGraph()
    const roster = machine(graph, locator)
    await roster.prepare()
    await roster.putOwn(peer, 'one')
    const first = await roster.list()
    await machine(graph, locator).putOwn(other, 'two')
    graph.forgetDeltaTokens()
    const { records } = await roster.list(first.cursor)
    assert.deepEqual(records.map(({ text }) => text).sort(), ['one', 'two'])
  })

  test(`${name}: after a restart only what changed is read`, async () => {
    const graph = new FakeGraph()
    const memory = {}
    await machine(graph, locator).prepare()
    for (let index = 0; index < 40; index++) await machine(graph, locator).putOwn(`peers/${index.toString(16).padStart(64, '0')}.jws`, `peer ${index}`)
    await machine(graph, locator, memory).list()
    await machine(graph, locator).putOwn(peer, 'a new one')
    graph.requests.length = 0
    const { records } = await machine(graph, locator, memory).list()
    assert.equal(records.length, 41)
    assert.ok(graph.requests.length < 16, `${graph.requests.length} requests for one change`)
  })

  test(`${name}: a copy on disk that is damaged is read anew`, async () => {
    const graph = new FakeGraph()
    await machine(graph, locator).prepare()
    await machine(graph, locator).putOwn(peer, 'one')
    for (const text of ['', '{', '{"v":2}', '{"v":1,"link":"x","items":[{"id":1}]}']) {
      const { records } = await machine(graph, locator, { text }).list()
      assert.deepEqual(records.map((record) => record.text), ['one'])
    }
  })

  test(`${name}: short throttling is waited for, a long one is told with its time`, async () => {
    const graph = new FakeGraph()
    const roster = machine(graph, locator)
    await roster.prepare()
    let refusals = 1
    graph.fault = () => (refusals-- > 0 ? { status: 429, code: 'TooManyRequests', headers: { 'retry-after': '0.01' } } : undefined)
    await roster.putOwn(peer, 'one')
    graph.fault = () => ({ status: 429, code: 'activityLimitReached', headers: { 'retry-after': '300', 'ratelimit-remaining': '0', 'ratelimit-reset': '400' } })
    await assert.rejects(roster.list(), (error) => isUnavailable(/wait 400 seconds/)(error) && (error as HoldfastError).details['retryAfterSeconds'] === 400)
  })

  test(`${name}: a network error is tried once more, then told; a forbidden place and an ended sign-in say what to do`, async () => {
    const graph = new FakeGraph()
    const roster = machine(graph, locator)
    await roster.prepare()
    let failures = 1
    graph.fault = () => (failures-- > 0 ? 'no network' : undefined)
    await roster.putOwn(peer, 'one')
    graph.fault = () => 'no network'
    await assert.rejects(roster.list(), isUnavailable(/cannot be reached/))
    graph.fault = () => ({ status: 403, code: 'accessDenied' })
    await assert.rejects(roster.list(), isUnavailable(/an admin must grant/))
    graph.fault = () => ({ status: 503, code: 'serviceNotAvailable', headers: { 'retry-after': '120' } })
    await assert.rejects(roster.list(), isUnavailable(/503/))
    graph.fault = () => undefined
    const signedOut = openRoster(locator, accessWith({ fetch: graph.fetch }))
    await assert.rejects(signedOut.list(), isUnavailable(/run holdfast sign-in/))
    const revoked = openRoster(locator, accessWith({ fetch: graph.fetch, microsoftToken: async () => 'old' }))
    await assert.rejects(revoked.list(), isUnavailable(/run holdfast sign-in/))
  })

  test(`${name}: records that are too long or have foreign names are counted and left alone`, async () => {
    const graph = new FakeGraph()
    const roster = machine(graph, locator)
    await roster.prepare()
    await roster.putOwn(peer, 'one')
    const before = await roster.list()
    graph.fault = () => undefined
    await plant(graph, locator, [['peers/x.txt', 'x'], [`peers/${'0'.repeat(64)}.jws`, 'x'.repeat(65_537)]])
    const { records, ignored } = await roster.list(before.cursor)
    assert.deepEqual([records.length, ignored], [0, 2])
  })
}

/** Puts things into the place past the roster's own checks. */
async function plant(graph: FakeGraph, locator: string, things: readonly (readonly [string, string])[]): Promise<void> {
  const headers = { authorization: 'Bearer token' }
  for (const [name, text] of things) {
    if (locator === sharepoint) await graph.fetch(`https://graph.microsoft.com/v1.0/drives/b!drive/root:/Holdfast/${name}:/content`, { method: 'PUT', headers, body: text })
    else {
      const folders = await (await graph.fetch('https://graph.microsoft.com/v1.0/users/holdfast@contoso.com/mailFolders/msgfolderroot/childFolders?includeHiddenFolders=true', { headers })).json() as { value: { id: string }[] }
      await graph.fetch(`https://graph.microsoft.com/v1.0/users/holdfast@contoso.com/mailFolders/${folders.value[0]?.id}/messages`, { method: 'POST', headers, body: JSON.stringify({ subject: name, body: { content: text } }) })
    }
  }
}

test('requests carry the token to Microsoft Graph alone, and a decorated user agent', async () => {
  const graph = new FakeGraph()
  const roster = machine(graph, sharepoint)
  await roster.prepare()
  await roster.putOwn(peer, 'one')
  await roster.list()
  for (const { path, authorization, userAgent } of graph.requests) {
    assert.equal(authorization, path.startsWith('/_layouts') ? null : 'Bearer token', path)
    assert.match(userAgent ?? '', /^NONISV\|Holdfast\|Holdfast\//)
  }
  assert.ok(graph.requests.some(({ path }) => path.startsWith('/_layouts')))
})

test('of two machines that write one SharePoint record at once, a conflict is written again', async () => {
  const graph = new FakeGraph()
  const roster = machine(graph, sharepoint)
  await roster.prepare()
  let conflicts = 1
  graph.fault = (method) => (method === 'PUT' && conflicts-- > 0 ? { status: 409, code: 'resourceModified' } : undefined)
  await roster.putOwn(peer, 'one')
  assert.deepEqual((await roster.list()).records.map(({ text }) => text), ['one'])
})

test('locators of Microsoft 365 are read strictly', () => {
  const place = parseRosterLocator(`sharepoint:https://Contoso.sharepoint.com/sites/team/Shared%20Documents/Backup/Holdfast?client=${client}`)
  assert.ok(place.kind === 'sharepoint')
  assert.deepEqual([place.place.host, place.place.site, place.place.library, place.place.folder], ['contoso.sharepoint.com', '/sites/team', 'Shared Documents', 'Backup/Holdfast'])
  assert.deepEqual(place.app, { client, tenant: 'contoso.onmicrosoft.com' })
  assert.equal(parseRosterLocator(place.locator).locator, place.locator)
  const mail = parseRosterLocator(`exchange:Holdfast@contoso.com?client=${client}&tenant=${client}`)
  assert.ok(mail.kind === 'exchange')
  assert.deepEqual([mail.place.mailbox, mail.app.tenant], ['holdfast@contoso.com', client])
  for (const bad of [
    'sharepoint:https://contoso.sharepoint.com/sites/team', `sharepoint:http://contoso.sharepoint.com/sites/team?client=${client}`, `sharepoint:https://evil.test/sites/team?client=${client}`,
    `sharepoint:https://contoso.sharepoint.com.evil.test/sites/team?client=${client}`, `sharepoint:https://contoso.sharepoint.com/sites?client=${client}`,
    `sharepoint:https://contoso.sharepoint.com/sites/team/a%2f..%2fb?client=${client}`, `${sharepoint}&tenant=a/b`, `${sharepoint}&scope=all`, 'exchange:nobody', `exchange:a@b?client=${client}`, 'exchange:a@contoso.com?client=x',
  ]) assert.throws(() => parseRosterLocator(bad), (error) => error instanceof HoldfastError && error.code === 'invalid-input', bad)
})
