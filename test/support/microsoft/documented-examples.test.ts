/** Replays Microsoft's documented examples against the fake, by HTTPS under the real host names. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type DocumentedExample, documentedExamples, notAsked } from './documented-examples.ts'
import { type Microsoft, startMicrosoft } from './start-microsoft.ts'

const v1 = 'https://graph.microsoft.com/v1.0'
type Places = Map<string, string>

/** With what stands for the placeholders. */
function filled<T>(template: T, places: Places): T {
  if (typeof template === 'string') return template.replaceAll(/\{([\w-]+)\}/g, (whole, name: string) => places.get(name) ?? whole) as T
  if (Array.isArray(template)) return template.map((item) => filled(item as unknown, places)) as T
  if (typeof template !== 'object' || template === null) return template
  return Object.fromEntries(Object.entries(template).map(([key, value]) => [key, filled(value as unknown, places)])) as T
}

/** Whatever the documented body has is there, and of the same kind; there may be more. */
function assertShape(actual: unknown, documented: unknown, at: string): void {
  if (Array.isArray(documented)) {
    assert.ok(Array.isArray(actual) && actual.length > 0, `${at} is a list with something in it`)
    for (const [index, item] of actual.entries()) assertShape(item, documented[0], `${at}[${index}]`)
  } else if (typeof documented === 'object' && documented !== null) {
    assert.ok(typeof actual === 'object' && actual !== null, `${at} is an object`)
    for (const [key, value] of Object.entries(documented)) assertShape((actual as Record<string, unknown>)[key], value, `${at}.${key}`)
  } else {
    assert.equal(typeof actual, typeof documented, `${at} is ${JSON.stringify(actual)}`)
    if (documented === 'https://') assert.match(actual as string, /^https:\/\/graph\.microsoft\.com\/v1\.0\//, at)
  }
}

/** The members that are named have these values; lists have this many items. */
function assertExact(actual: unknown, wanted: unknown, at: string): void {
  if (Array.isArray(wanted)) {
    assert.ok(Array.isArray(actual), `${at} is a list`)
    assert.equal(actual.length, wanted.length, `${at}: ${JSON.stringify(actual)}`)
    for (const [index, item] of wanted.entries()) assertExact(actual[index], item, `${at}[${index}]`)
  } else if (typeof wanted === 'object' && wanted !== null) {
    assert.ok(typeof actual === 'object' && actual !== null, `${at} is an object`)
    for (const [key, value] of Object.entries(wanted)) assertExact((actual as Record<string, unknown>)[key], value, `${at}.${key}`)
  } else {
    assert.equal(actual, wanted, at)
  }
}

function prepare({ graph }: Microsoft, { given, pageSize = 50 }: DocumentedExample): void {
  graph.pageSize = pageSize
  graph.minuteLimit = given === 'the minute is used up' || given === 'the minute is nearly used up' ? 1_200 : Number.POSITIVE_INFINITY
  if (given === 'the minute is nearly used up') graph.useMinute(1_079)
  if (given === 'the minute is used up') graph.useMinute(1_200)
  if (given === 'delta tokens are gone') graph.forgetDeltaTokens()
  graph.fault = () => (given === 'the service is down' ? { status: 503, code: 'serviceNotAvailable', headers: { 'retry-after': '2.128' } } : undefined)
}

async function replay(microsoft: Microsoft, example: DocumentedExample, places: Places): Promise<void> {
  const { page, ask, headers = {}, send, status, answerHeaders = {}, shape, exact, keep = {} } = example
  const at = `${page}: ${ask}`
  prepare(microsoft, example)
  const [method = '', path = ''] = filled(ask, places).split(/ (.*)/s)
  assert.ok(!/\{[\w-]+\}/.test(path), `${at}: ${path}`)
  const isDownload = path.startsWith('https://contoso.sharepoint.com/')
  const response = await microsoft.fetch(path.startsWith('https:') ? path : `${v1}${path}`, {
    method, ...(send === undefined ? {} : { body: typeof send === 'string' ? send : JSON.stringify(filled(send, places)) }),
    headers: { ...(isDownload ? {} : { authorization: 'Bearer token' }), ...(send === undefined ? {} : { 'content-type': typeof send === 'string' ? 'text/plain' : 'application/json' }), ...filled(headers, places) },
  })
  const text = await response.text()
  assert.equal(response.status, status, `${at}: ${text}`)
  for (const [name, pattern] of Object.entries(answerHeaders)) assert.match(response.headers.get(name) ?? '', pattern, `${at}: ${name}`)
  if (!isDownload) assert.ok(response.headers.has('request-id'), at)
  if (status === 204 || status === 302) assert.equal(text, '', at)
  else if (!isDownload) assert.match(response.headers.get('content-type') ?? '', /^application\/json/, at)
  const body = response.headers.get('content-type')?.startsWith('application/json') === true ? JSON.parse(text) as Record<string, unknown> : { text }
  if (shape !== undefined) assertShape(body, shape, at)
  if (exact !== undefined) assertExact(body, filled(exact, places), at)
  for (const [name, from] of Object.entries(keep)) places.set(name, keptOf(from, body, response.headers))
}

/** `member`, `member?parameter` of an address, or `header:name`. */
function keptOf(from: string, body: Record<string, unknown>, headers: Headers): string {
  if (from.startsWith('header:')) return headers.get(from.slice('header:'.length)) ?? ''
  const [member = '', parameter] = from.split('?')
  const value = String(body[member])
  return parameter === undefined ? value : new URL(value).searchParams.get(parameter) ?? ''
}

test('every documented example of a request that Holdfast makes is answered as the documentation shows', async () => {
  await using microsoft = await startMicrosoft()
  microsoft.graph.groups.add('g1', 'Accounting', 'accounting@contoso.com')
  microsoft.graph.drive.write('FolderA/Batch.txt', 'x')
  const places: Places = new Map([
    ['hostname', 'contoso.sharepoint.com'], ['relative-path', 'sites/team'], ['group', 'g1'], ['site-id', 'contoso.sharepoint.com,2C712604-1370-44E7-A1F5-426573FDA80A,2D2244C3-251A-49EA-93A8-39E1C3A060FE'],
  ])
  for (const example of documentedExamples) await replay(microsoft, example, places)
})

test('each request of Holdfast\'s rosters is of a kind that an example shows, and what no example needs is not answered', async () => {
  assert.deepEqual(documentedExamples.filter(({ page }) => page in notAsked), [])
  await using microsoft = await startMicrosoft()
  for (const path of ['/me/drive/root:/large.bin:/createUploadSession', '/schemaExtensions', '/me/drive/items/x/permissions']) {
    const response = await microsoft.fetch(`${v1}${path}`, { method: 'POST', headers: { 'authorization': 'Bearer token', 'content-type': 'application/json' }, body: '{}' })
    assert.equal(response.status, 404, path)
  }
})
