import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { HoldfastError } from '../../../shared/errors.ts'
import { parseRosterLocator } from '../../../agent/network/roster/locator.ts'
import { openRoster } from '../../../agent/network/roster/open-roster.ts'
import { rosterSuite } from '../../suites/roster.ts'
import { found, oneOfTwoFounds } from '../../support/founders.ts'
import { FakeGraph, expectedFaults } from '../../support/microsoft/fake-graph.ts'
import { type Microsoft, startMicrosoft } from '../../support/microsoft/start-microsoft.ts'
import { accessWith } from '../../support/roster-access.ts'

const client = '11111111-2222-3333-4444-555555555555'
const sharepoint = `sharepoint:https://contoso.sharepoint.com/sites/team?client=${client}`
const exchange = `exchange:holdfast@contoso.com?client=${client}`
const peer = `peers/${'ab'.repeat(32)}.jws`
const other = `peers/${'cd'.repeat(32)}.jws`

/** Carries out what is sent with `method`, and loses the first answer of each address. */
function losing(graph: FakeGraph, method: string): Pick<FakeGraph, 'fetch'> & { sent: number } {
  const lost = new Set<string>()
  const through = {
    sent: 0,
    fetch: async (input: string | URL | Request, init?: RequestInit) => {
      const answer = await graph.fetch(input, init)
      if (init?.method !== method) return answer
      through.sent++
      const address = String(input)
      if (lost.has(address)) return answer
      lost.add(address)
      throw new TypeError('fetch failed')
    },
  }
  return through
}

for (const [name, locator, method, sent] of [['SharePoint', sharepoint, 'PUT', 2], ['Exchange', exchange, 'POST', 2]] as const) {
  test(`${name}: a founder whose record was taken while the answer was lost has founded the group, and one who comes later has not`, async () => {
    const graph = new FakeGraph()
    const through = losing(graph, method)
    const roster = machine(through, locator)
    await roster.prepare()
    const { chain } = await found(roster)
    assert.equal(through.sent, sent, 'SharePoint\'s is sent again, Exchange\'s folder and message are found')
    await assert.rejects(found(machine(graph, locator)), (error) => error instanceof HoldfastError && error.code === 'already-exists')
    const { records } = await machine(graph, locator).list()
    assert.deepEqual(records.map(({ text }) => text.trim()), [chain.current?.jws])
  })
}

for (const [name, locator, method] of [['SharePoint', sharepoint, 'PUT'], ['Exchange', exchange, 'POST']] as const) {
  test(`${name}: a record that was created while the answer was lost is our own, also for who tries again later, and nobody else's`, async () => {
    const graph = new FakeGraph()
    await machine(graph, locator).prepare()
    const claim = `claims/${'ef'.repeat(32)}-1.jws`
    assert.equal(await machine(losing(graph, method), locator).createOnce(claim, 'mine'), 'created')
    assert.equal(await machine(graph, locator).createOnce(claim, 'mine'), 'created')
    assert.equal(await machine(graph, locator).createOnce(claim, 'theirs'), 'exists')
    assert.deepEqual((await machine(graph, locator).list()).records.map(({ text }) => text.trim()), ['mine'])
  })

  test(`${name}: where the network ended after the group was written, its founder founds again, and nobody else does until then`, async () => {
    const graph = new FakeGraph()
    await machine(graph, locator).prepare()
    const kept: string[] = []
    const attempts = { records: () => kept, add: (jws: string) => { kept.push(jws) }, clear: () => { kept.length = 0 } }
    let ended = false
    graph.fault = (asked, path) => {
      const fault = ended ? 'no network' : undefined
      if (asked === 'PUT' || (asked === 'POST' && path.endsWith('/messages'))) ended = true
      return fault
    }
    await assert.rejects(found(machine(graph, locator), { attempts }), isUnavailable(/cannot be reached/))
    graph.fault = () => undefined
    assert.equal((await machine(graph, locator).list()).records[0]?.text.trim(), kept[0], 'the group without members')
    await assert.rejects(found(machine(graph, locator)), (error) => error instanceof HoldfastError && error.code === 'already-exists')
    const { chain } = await found(machine(graph, locator), { attempts })
    assert.deepEqual((await machine(graph, locator).list()).records.map(({ text }) => text.trim()), [chain.current?.jws])
    await machine(graph, locator).putOwn(peer, 'a member')
    await assert.rejects(found(machine(graph, locator), { attempts }), (error) => error instanceof HoldfastError && error.code === 'already-exists')
  })
}

test('Exchange: a record that was not taken when the answer was a fault is sent again, and one that came twice counts once', async () => {
  const graph = new FakeGraph()
  await machine(graph, exchange).prepare()
  let posts = 0
  const late: (() => Promise<Response>)[] = []
  const roster = machine({
    fetch: async (input, init) => {
      if (init?.method !== 'POST') return await graph.fetch(input, init)
      if (posts++ > 0) {
        const answer = await graph.fetch(input, init)
        for (const carryOut of late.splice(0)) await carryOut()
        return answer
      }
      late.push(async () => await graph.fetch(input, init)) // carried out only after it was sent again
      return new Response('{}', { status: 504 })
    },
  }, exchange)
  const claim = `claims/${'ef'.repeat(32)}-1.jws`
  assert.equal(await roster.createOnce(claim, 'mine'), 'created')
  assert.equal(posts, 2)
  assert.equal(await machine(graph, exchange).createOnce(claim, 'theirs'), 'exists')
  const address = 'https://graph.microsoft.com/v1.0/users/holdfast@contoso.com/mailFolders'
  const { value: [folder] } = await (await graph.fetch(`${address}/msgfolderroot/childFolders?includeHiddenFolders=true`, { headers: { authorization: 'Bearer token' } })).json() as { value: { id: string; totalItemCount: number }[] }
  assert.equal(folder?.totalItemCount, 1)
})

/** The suites speak HTTPS; the other tests ask the same answers in this process. */
let microsoft: Microsoft
before(async () => { await clearMicrosoft() })
after(async () => { await microsoft[Symbol.asyncDispose]() })

async function clearMicrosoft(): Promise<void> {
  await microsoft?.[Symbol.asyncDispose]()
  microsoft = await startMicrosoft()
}

function machine(graph: Pick<FakeGraph, 'fetch'>, locator: string, memory?: { text?: string | undefined }) {
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
      await clearMicrosoft()
      const { graph, fetch } = microsoft
      graph.pageSize = 2
      const again = () => machine({ fetch }, locator)
      const roster = again()
      await roster.prepare()
      return { roster, again, [Symbol.asyncDispose]: async () => {} }
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

  test(`${name}: of two founders at once one founds a group there, and the other is told that it holds one`, async () => {
    const graph = new FakeGraph()
    await oneOfTwoFounds(() => machine(graph, locator))
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

  test(`${name}: every refusal that is to be expected is told, passes, and harms nothing`, async () => {
    const graph = new FakeGraph()
    const roster = machine(graph, locator)
    await roster.prepare()
    await roster.putOwn(peer, 'one')
    for (const status of new Set(Object.values(expectedFaults).flat())) {
      graph.fault = (method) => (expectedFaults[method]?.includes(status) === true ? { status, headers: { 'retry-after': '60' } } : undefined)
      await assert.rejects(async () => { await roster.putOwn(other, 'two'); await roster.list() }, (error) => error instanceof HoldfastError && error.code === 'roster-unavailable', String(status))
    }
    graph.fault = () => undefined
    await roster.putOwn(other, 'two')
    assert.deepEqual((await roster.list()).records.map(({ text }) => text).sort(), ['one', 'two'])
  })

  test(`${name}: 500 and 502 are tried again where that is safe, and a POST that may have been carried out is only when it is not found`, async () => {
    const graph = new FakeGraph()
    const roster = machine(graph, locator)
    await roster.prepare()
    await roster.putOwn(peer, 'one')
    for (const status of [500, 502]) {
      let failures = 2
      graph.fault = (method) => (method !== 'POST' && failures-- > 0 ? { status } : undefined)
      await roster.putOwn(peer, `after ${status}`)
    }
    const asked: string[] = []
    graph.fault = (method) => { asked.push(method); return method === 'POST' ? { status: 503 } : undefined }
    await roster.prepare().catch(() => undefined)
    await roster.putOwn(other, 'two').catch(() => undefined)
    assert.ok(asked.every((method, at) => method !== 'POST' || asked[at - 1] !== 'POST'), `${asked.join(' ')}: looked for before it is sent again`)
    assert.equal(asked.filter((method) => method === 'POST').length, locator === exchange ? 3 : 1)
    assert.deepEqual((await roster.list()).records.find((record) => record.name === peer)?.text, 'after 502')
  })

  test(`${name}: an answer that says that the limit is near asks for a rest, and the next that does not takes it back`, async () => {
    const graph = new FakeGraph()
    const roster = machine(graph, locator)
    await roster.prepare()
    const fetch: typeof globalThis.fetch = async (input, init) => {
      const response = await graph.fetch(input, init)
      response.headers.set('ratelimit-limit', '1200')
      response.headers.set('ratelimit-remaining', String(remaining))
      response.headers.set('ratelimit-reset', '31')
      return response
    }
    let remaining = 120
    const watched = machine({ fetch }, locator)
    await watched.list()
    assert.equal(watched.restSeconds, 31)
    remaining = 600
    await watched.list()
    assert.equal(watched.restSeconds, 0)
  })

  test(`${name}: says which place it found, for a person`, async () => {
    const graph = new FakeGraph()
    const roster = machine(graph, locator)
    if (locator === exchange) assert.match(await roster.about?.() ?? '', /has no folder “Holdfast roster” yet/)
    await roster.prepare()
    assert.match(await roster.about?.() ?? '', locator === exchange ? /the mailbox holdfast@contoso\.com, its hidden folder/ : /the site “Accounting” \(https:\/\/contoso\.sharepoint\.com\/sites\/team\)/)
  })

  test(`${name}: a network error is tried twice more, then told; a forbidden place and an ended sign-in say what to do`, async () => {
    const graph = new FakeGraph()
    const roster = machine(graph, locator)
    await roster.prepare()
    let failures = 2
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
  for (const status of [409, 412]) {
    let conflicts = 2
    graph.fault = (method) => (method === 'PUT' && conflicts-- > 0 ? { status, code: 'resourceModified' } : undefined)
    await roster.putOwn(peer, `past ${status}`)
    assert.deepEqual((await roster.list()).records.map(({ text }) => text), [`past ${status}`])
  }
  graph.fault = (method) => (method === 'PUT' ? { status: 409, code: 'resourceModified' } : undefined)
  await assert.rejects(roster.putOwn(peer, 'never'), isUnavailable(/409 resourceModified/))
})

test('what the machine knows already is told by its digest and not downloaded; without digests it is', async () => {
  for (const hasDigests of [true, false]) {
    const graph = new FakeGraph()
    graph.drive.hasDigests = hasDigests
    const roster = machine(graph, sharepoint)
    await roster.prepare()
    await machine(graph, sharepoint).putOwn(peer, 'known by gossip')
    await machine(graph, sharepoint).putOwn(other, 'newer than what is known')
    const { records } = await roster.list(undefined, { known: (name) => ({ [peer]: 'known by gossip', [other]: 'older' })[name] })
    assert.deepEqual(records.map(({ text }) => text).sort(), ['known by gossip', 'newer than what is known'])
    assert.equal(graph.requests.filter(({ path }) => path.endsWith('/content')).length - 2, hasDigests ? 1 : 2)
  }
})

test('what is not wanted now is not downloaded, and comes as soon as somebody wants it, over a restart too', async () => {
  const graph = new FakeGraph()
  const memory = {}
  const roster = machine(graph, sharepoint, memory)
  await roster.prepare()
  await machine(graph, sharepoint).putOwn(peer, 'one')
  await machine(graph, sharepoint).putOwn(other, 'two')
  const downloads = () => graph.requests.filter(({ method, path }) => method === 'GET' && path.endsWith('/content')).length
  const first = await roster.list(undefined, { wanted: (name) => name === peer })
  assert.deepEqual([first.records.map(({ text }) => text), first.ignored, downloads()], [['one'], 0, 1])
  assert.equal((await roster.list(first.cursor, { wanted: (name) => name === peer })).records.length, 0)
  const known = await machine(graph, sharepoint, structuredClone(memory)).list(undefined, { wanted: () => false, known: () => 'two' })
  assert.deepEqual(known.records.map(({ text }) => text), ['one'])
  assert.deepEqual((await roster.list(first.cursor)).records.map(({ text }) => text), ['two'])
  assert.equal(downloads(), 2)
  assert.equal((await machine(graph, sharepoint, memory).list()).records.length, 2)
  assert.equal(downloads(), 2)
})

test('a restart asks for what changed since and for nothing else; a library that was wiped is read anew', async () => {
  const graph = new FakeGraph()
  const memory = {}
  await machine(graph, sharepoint).prepare()
  await machine(graph, sharepoint).putOwn(peer, 'one')
  await machine(graph, sharepoint, memory).list()
  graph.requests.length = 0
  await machine(graph, sharepoint, memory).list()
  assert.deepEqual(graph.requests.map(({ path }) => path.replace(/\?.*/, '')), ['/drives/b!drive/root/delta'])
  graph.drive.remove('Holdfast')
  await machine(graph, sharepoint).putOwn(other, 'two')
  const { records } = await machine(graph, sharepoint, memory).list()
  assert.deepEqual(records.map(({ text }) => text), ['two'])
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
