/**
 * What Microsoft's documentation says of the answers in words, and what the fake does besides. Its examples are replayed in
 * documented-examples.test.ts. Where two versions of a page differ, the newer one counts.
 */
import assert from 'node:assert/strict'
import { after, before, test } from 'node:test'
import { quickXorHash } from '../../../agent/network/roster/graph/quick-xor-hash.ts'
import { makeLabCertificate } from '../lab-certificate.ts'
import { type FakeGraph, expectedFaults } from './fake-graph.ts'
import { fetchThrough } from './fetch-through.ts'
import { type Microsoft, startMicrosoft } from './start-microsoft.ts'

const v1 = 'https://graph.microsoft.com/v1.0'
const site = 'contoso.sharepoint.com,2C712604-1370-44E7-A1F5-426573FDA80A,2D2244C3-251A-49EA-93A8-39E1C3A060FE'
const drive = '/drives/b!drive'
const box = '/users/holdfast@contoso.com'

let microsoft: Microsoft
let graph: FakeGraph

before(async () => {
  microsoft = await startMicrosoft()
  graph = microsoft.graph
  graph.groups.add('g1', 'Accounting', 'accounting@contoso.com')
})
after(async () => { await microsoft[Symbol.asyncDispose]() })

interface Answer {
  readonly status: number
  readonly headers: Headers
  readonly body: Record<string, unknown>
}

async function ask(method: string, path: string, { body, headers = {} }: { body?: string | object; headers?: Record<string, string> } = {}): Promise<Answer> {
  const response = await microsoft.fetch(path.startsWith('https:') ? path : `${v1}${path}`, {
    method, headers: { 'authorization': 'Bearer token', 'content-type': typeof body === 'string' ? 'text/plain' : 'application/json', ...headers },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
  })
  const text = await response.text()
  const isJson = response.headers.get('content-type')?.startsWith('application/json') === true
  return { status: response.status, headers: response.headers, body: isJson ? JSON.parse(text) as Record<string, unknown> : { text } }
}

/** Whatever the documented body has is there, and of the same kind; there may be more. */
function assertShape(actual: unknown, documented: unknown, at = 'body'): void {
  if (Array.isArray(documented)) {
    assert.ok(Array.isArray(actual), `${at} is a list`)
    if (documented.length > 0) for (const [index, item] of actual.entries()) assertShape(item, documented[0], `${at}[${index}]`)
  } else if (typeof documented === 'object' && documented !== null) {
    assert.ok(typeof actual === 'object' && actual !== null, `${at} is an object`)
    for (const [key, value] of Object.entries(documented)) assertShape((actual as Record<string, unknown>)[key], value, `${at}.${key}`)
  } else {
    assert.equal(typeof actual, typeof documented, `${at} is ${JSON.stringify(actual)}`)
  }
}

async function put(path: string, text: string, query = '', headers: Record<string, string> = {}): Promise<Answer> {
  return await ask('PUT', `${drive}/root:/${path}:/content${query}`, { body: text, headers })
}

const errorBody = { error: { code: 'resourceModified', message: 'ETag does not match current item\'s value', innerError: { 'request-id': 'x', 'date': '2018-05-29T16:26:07' } } }

test('an update of an open extension replaces all of it: what is not named is gone', async () => {
  await ask('POST', '/groups/g1/extensions', { body: { extensionName: 'com.contoso.socialSettings', xbox: 'A', skype: 'B' } })
  await ask('PATCH', '/groups/g1/extensions/com.contoso.socialSettings', { body: { xbox: 'C' } })
  const { body } = await ask('GET', '/groups/g1/extensions/com.contoso.socialSettings')
  assert.deepEqual([body['xbox'], body['skype']], ['C', undefined])
  assert.equal((await ask('POST', '/groups/g1/extensions', { body: { extensionName: 'com.contoso.big', text: 'x'.repeat(2048) } })).status, 400)
})

test('content is told by a redirect to an address of another host that is good without a token', async () => {
  const { body: { id } } = await put('Download/a.txt', 'the content')
  const redirect = await ask('GET', `${drive}/items/${String(id)}/content`)
  assert.equal(redirect.status, 302)
  const location = redirect.headers.get('location') ?? ''
  assert.match(location, /^https:\/\/contoso\.sharepoint\.com\//)
  assert.equal(await (await microsoft.fetch(location)).text(), 'the content')
})

test('conflictBehavior fail creates a file once: then 409 nameAlreadyExists; without it a file is replaced', async () => {
  const query = '?@microsoft.graph.conflictBehavior=fail'
  assert.equal((await put('Once/a.txt', 'one', query)).status, 201)
  const second = await put('Once/a.txt', 'two', query)
  assert.deepEqual([second.status, (second.body['error'] as { code: string }).code], [409, 'nameAlreadyExists'])
  assert.equal((await put('Once/A.TXT', 'three')).status, 200, 'names are the same in upper and lower case')
  assert.deepEqual([...graph.drive.filesIn('Once')], [['a.txt', 'three']])
})

test('an ETag changes with the content, and If-Match with another one is 412 resourceModified and changes nothing', async () => {
  const { body: first } = await put('Tags/a.txt', 'one')
  const { body: second } = await put('Tags/a.txt', 'two')
  assert.notEqual(first['eTag'], second['eTag'])
  for (const [method, path] of [['PUT', `${drive}/root:/Tags/a.txt:/content`], ['DELETE', `${drive}/items/${String(first['id'])}`]] as const) {
    const refused = await ask(method, path, { headers: { 'if-match': String(first['eTag']) }, ...(method === 'PUT' ? { body: 'three' } : {}) })
    assert.equal(refused.status, 412)
    assertShape(refused.body, errorBody)
    assert.equal((refused.body['error'] as { code: string }).code, 'resourceModified')
  }
  assert.equal((await put('Tags/a.txt', 'three', '', { 'if-match': String(second['eTag']) })).status, 200)
  assert.deepEqual([...graph.drive.filesIn('Tags')], [['a.txt', 'three']])
})

test('a driveItem tells QuickXorHash of its content (vectors of another implementation)', async () => {
  const vectors = [
    ['', 'AAAAAAAAAAAAAAAAAAAAAAAAAAA='], ['Sg==', 'SgAAAAAAAAAAAAAAAQAAAAAAAAA='], ['/aNzzCFPS/A=', '/RjFHJgRgicsAR4ACAAAAAAAAAA='], ['2fuxhBJXtpWFe8dOfdGeHw==', 'O9tHLAghgSvYohKFyMMxnNCHaHg='],
    ['Mb7EGva2rEE5fENDL85P+BsapHEEjv2/siVhKjvAQe02feExVOQSkfmuYzU/kTF1MaKjPmKF/w+cbvwfdWL8aQ==', 'n1anP5NfvD4XDYWIeRPW3ZkPv1Y='],
    ['jyibxJSzO6ZiZ0O1qe3tG/bvIAYssvukh9suIT5wEy1JBINVgPiqdsTW0cOpP0aUfP7mgqLfADkzI/m/GgCuVhr8oFLrOCoTx1/psBOWwhltCbhUx51Icm9aH8tY4Z3ccU+6BKpYQkLCy0B/A9Zc', 'hZfLIilSITC6N3e3tQ/iSgEzkto='],
  ]
  for (const [input = '', digest] of vectors) assert.equal(quickXorHash(Buffer.from(input, 'base64')), digest)
  const { body } = await put('Digest/a.txt', 'J')
  assert.deepEqual((body['file'] as { hashes: object }).hashes, { quickXorHash: 'SgAAAAAAAAAAAAAAAQAAAAAAAAA=' })
})

test('a drive\'s delta: everything in pages, then what changed since the link, deletions by their facet, latest, and 410 with a Location', async () => {
  graph.pageSize = 2
  for (const name of ['a', 'b', 'c']) await put(`Delta/${name}.txt`, name)
  const names: unknown[] = []
  let next: string | undefined = `${drive}/root/delta`
  let link = ''
  let pages = 0
  while (next !== undefined) {
    const { status, body }: Answer = await ask('GET', next)
    assert.equal(status, 200)
    names.push(...(body['value'] as { name: string }[]).map(({ name }) => name))
    next = body['@odata.nextLink'] as string | undefined
    if (next !== undefined) assert.match(next, /^https:\/\/graph\.microsoft\.com\/v1\.0\/drives\//)
    link = body['@odata.deltaLink'] as string
    pages++
  }
  assert.ok(pages > 1 && ['a.txt', 'b.txt', 'c.txt'].every((name) => names.includes(name)))
  graph.pageSize = 50
  assert.match(link, /^https:\/\/graph\.microsoft\.com\/v1\.0\/.*token=/)
  const latest = await ask('GET', `${drive}/root/delta?token=latest`)
  assertShape(latest.body, { 'value': [], '@odata.deltaLink': 'https' })
  assert.deepEqual(latest.body['value'], [])
  const { body: { id } } = await put('Delta/a.txt', 'again')
  await ask('DELETE', `${drive}/root:/Delta/b.txt`)
  const { body } = await ask('GET', link)
  const changed = body['value'] as { id: string; name?: string; deleted?: { state: string } }[]
  assert.deepEqual([changed.length, changed.some((item) => item.id === id), changed.find(({ deleted }) => deleted !== undefined)?.deleted], [2, true, { state: 'deleted' }])
  graph.forgetDeltaTokens()
  const gone = await ask('GET', link)
  assert.equal(gone.status, 410)
  assert.match(gone.headers.get('location') ?? '', /^https:\/\/graph\.microsoft\.com\//)
  assert.equal((gone.body['error'] as { code: string }).code, 'resyncChangesApplyDifferences')
})

test('a folder\'s message delta: the page size that is preferred, removals with a reason, and a token that is gone', async () => {
  const { body: { id: folder } } = await ask('POST', `${box}/mailFolders/msgfolderroot/childFolders`, { body: { displayName: 'Delta', isHidden: true } })
  const ids: unknown[] = []
  for (const subject of ['one', 'two', 'three']) ids.push((await ask('POST', `${box}/mailFolders/${String(folder)}/messages`, { body: { subject, body: { contentType: 'text', content: subject } } })).body['id'])
  const headers = { prefer: 'odata.maxpagesize=2, outlook.body-content-type="text"' }
  const first = await ask('GET', `${box}/mailFolders/${String(folder)}/messages/delta`, { headers })
  assert.deepEqual([(first.body['value'] as object[]).length, first.headers.get('preference-applied')], [2, 'outlook.body-content-type="text"'])
  const last = await ask('GET', first.body['@odata.nextLink'] as string, { headers })
  const link = last.body['@odata.deltaLink'] as string
  assert.match(link, /\$deltatoken=/)
  await ask('DELETE', `${box}/messages/${String(ids[0])}`)
  const { body } = await ask('GET', link)
  assert.deepEqual(body['value'], [{ 'id': ids[0], '@odata.type': '#microsoft.graph.message', '@removed': { reason: 'deleted' } }])
  graph.forgetDeltaTokens()
  assert.equal((await ask('GET', link)).status, 410)
})

test('hidden folders show when they are asked for alone', async () => {
  const shown = async (query: string) => ((await ask('GET', `${box}/mailFolders/msgfolderroot/childFolders${query}`)).body['value'] as { isHidden: boolean }[]).filter(({ isHidden }) => isHidden).length
  assert.equal(await shown(''), 0)
  assert.ok(await shown('?includeHiddenFolders=true') > 0)
})

test('a batch: parts with statuses and headers of their own, a failed dependency, a throttled part, and no more than twenty', async () => {
  graph.fault = (_method, path) => (path === '/groups/g1/extensions/throttled' ? { status: 429, code: 'TooManyRequests', headers: { 'retry-after': '7' } } : undefined)
  const { body: { id } } = await put('Batch/a.txt', 'x')
  const requests = [
    { id: '1', method: 'GET', url: `${drive}/items/${String(id)}/content` }, { id: '2', method: 'GET', url: '/groups/g1' }, { id: '3', method: 'GET', url: '/groups/nobody' },
    { id: '4', method: 'GET', url: '/groups/g1', dependsOn: ['3'] }, { id: '5', method: 'GET', url: '/groups/g1/extensions/throttled' },
    { id: '6', method: 'DELETE', url: `${drive}/items/${String(id)}` },
  ]
  const { status, body } = await ask('POST', '/$batch', { body: { requests } })
  graph.fault = () => undefined
  const responses = body['responses'] as { id: string; status: number; headers: Record<string, string>; body: unknown }[]
  assert.equal(status, 200)
  assert.deepEqual(Object.fromEntries(responses.map((part) => [part.id, part.status])), { 1: 302, 2: 200, 3: 404, 4: 424, 5: 429, 6: 204 })
  assert.match(responses[0]?.headers['location'] ?? '', /^https:/)
  assert.equal(responses[4]?.headers['retry-after'], '7')
  assert.equal(responses[5]?.body, null)
  const many = Array.from({ length: 21 }, (_, index) => ({ id: String(index), method: 'GET', url: '/me' }))
  assert.equal((await ask('POST', '/$batch', { body: { requests: many } })).status, 400)
})

test('near the limit answers say how much is left; beyond it 429 says how long to wait, and the next minute begins anew', async () => {
  let nowMs = 0
  graph.now = () => nowMs
  graph.minuteLimit = 10
  nowMs = 60_000
  const read = async () => await ask('GET', `/sites/${site}`)
  for (let count = 0; count < 7; count++) assert.equal((await read()).headers.get('ratelimit-remaining'), null)
  nowMs += 20_000
  const near = await read()
  assert.deepEqual(['ratelimit-limit', 'ratelimit-remaining', 'ratelimit-reset'].map((name) => near.headers.get(name)), ['10', '2', '40'])
  await read()
  await read()
  const refused = await read()
  assert.deepEqual([refused.status, refused.headers.get('retry-after'), refused.headers.get('ratelimit-remaining')], [429, '40', '0'])
  assertShape(refused.body, errorBody)
  nowMs += 40_000
  assert.equal((await read()).status, 200)
  graph.minuteLimit = Number.POSITIVE_INFINITY
})

test('a planned refusal has the documented shape: 429 and 503 with Retry-After, and whatever else is to be expected of a method', async () => {
  for (const status of expectedFaults['GET'] ?? []) {
    graph.fault = () => ({ status, code: 'TooManyRequests', headers: { 'retry-after': '2.128' } })
    const answer = await ask('GET', '/me')
    assert.deepEqual([answer.status, answer.headers.get('retry-after')], [status, '2.128'])
    assertShape(answer.body, { error: { code: 'TooManyRequests', innerError: { 'date': 'x', 'request-id': 'x' }, message: 'x' } })
  }
  graph.fault = () => 'no network'
  await assert.rejects(ask('GET', '/me'), TypeError)
  graph.fault = () => undefined
})

test('without a token, or with one that nobody gave out, the answer is 401; what is not there is 404', async () => {
  for (const authorization of ['', 'Bearer other']) {
    const { status, body } = await ask('GET', '/me', { headers: { authorization } })
    assert.deepEqual([status, (body['error'] as { code: string }).code], [401, 'InvalidAuthenticationToken'])
  }
  assert.deepEqual([(await ask('GET', `${drive}/root:/nothing`)).status, (await ask('GET', '/nonsense')).status, (await ask('GET', '/users/nobody@contoso.com/messages/1')).status], [404, 404, 404])
})

test('resource units are those that SharePoint documents', async () => {
  const cost = async (method: string, path: string, body?: string) => {
    const before = graph.resourceUnits
    await ask(method, path, body === undefined ? {} : { body })
    return graph.resourceUnits - before
  }
  const link = (await ask('GET', `${drive}/root/delta?token=latest`)).body['@odata.deltaLink'] as string
  assert.deepEqual([
    await cost('GET', link), await cost('GET', `/sites/${site}`), await cost('GET', `${drive}/root:/Tags/a.txt:/content`), await cost('GET', `${drive}/root/children`), await cost('PUT', `${drive}/root:/Units/a.txt:/content`, 'x'), await cost('GET', `${box}/messages/x`),
  ], [1, 1, 1, 2, 2, 0])
})

test('names are the real ones and the certificate fits them: a client that does not know the CA refuses', async () => {
  const { port, ca } = microsoft
  const { ca: another } = await makeLabCertificate({ dns: ['graph.microsoft.com'] })
  await assert.rejects(fetchThrough({ port, ca: another })(`${v1}/me`), TypeError)
  await assert.rejects(fetchThrough({ port, ca })('https://graph.microsoft.com.evil.test/v1.0/me'), TypeError)
  assert.equal((await fetchThrough({ port, ca })(`${v1}/me`, { headers: { authorization: 'Bearer token' } })).status, 200)
})
