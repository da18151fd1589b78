/** The way of Windows into a directory, up to the call of PowerShell: what is asked, and what is made of each answer. */
import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { HoldfastError } from '../../../shared/errors.ts'
import { ActiveDirectoryRoster } from '../../../agent/network/roster/active-directory.ts'
import { AdsiDirectory } from '../../../agent/network/roster/adsi-directory.ts'
import { parseRosterLocator } from '../../../agent/network/roster/locator.ts'
import { rosterSuite } from '../../suites/roster.ts'

const fake = fileURLToPath(new URL('../../support/fake-adsi.mjs', import.meta.url))
const peer = `peers/${'ab'.repeat(32)}.jws`
const other = `peers/${'cd'.repeat(32)}.jws`

/** A roster in a directory that is a file, through the program that stands in for PowerShell. */
function rosterAt(file: string, locator: string, environment: Record<string, string> = {}): ActiveDirectoryRoster {
  const place = parseRosterLocator(locator)
  assert.ok(place.kind === 'directory')
  const variables = Object.entries({ FAKE_ADSI: file, ...environment }).map(([name, value]) => `process.env[${JSON.stringify(name)}]=${JSON.stringify(value)}`)
  return new ActiveDirectoryRoster(place.place, new AdsiDirectory(place.place, [process.execPath, '--import', `data:text/javascript,${encodeURIComponent(variables.join(';'))}`, fake]))
}

async function open(t: TestContext, locator: string) {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-adsi-'))
  t.after(async () => { await rm(folder, { recursive: true, force: true }) })
  const file = join(folder, 'directory.json')
  const at = (text: string, environment: Record<string, string> = {}) => rosterAt(file, text, environment)
  return { roster: at(locator), at, requests: async () => (await readFile(`${file}.log`, 'utf8')).trim().split('\n').map((line) => JSON.parse(line) as Record<string, unknown>) }
}

function isUnavailable(words: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof HoldfastError && error.code === 'roster-unavailable' && words.test(error.message)
}

let places = 0
rosterSuite({
  name: 'PowerShell',
  open: async () => {
    const folder = await mkdtemp(join(tmpdir(), 'holdfast-adsi-'))
    const again = () => rosterAt(join(folder, 'directory.json'), `ldaps://dc1.example.com/CN=Holdfast,DC=example,DC=com?suite-${places}`)
    places++
    return { roster: again(), again, [Symbol.asyncDispose]: async () => { await rm(folder, { recursive: true, force: true }) } }
  },
})

test('records are added, replaced, created once, listed since the last change, and removed, under the roster\'s own label', async (t) => {
  const { roster, at } = await open(t, 'ldaps://dc1.example.com/CN=Holdfast,DC=example,DC=com?Sales')
  await roster.prepare()
  await roster.putOwn(peer, 'one')
  await at('ldaps://dc1.example.com/CN=Holdfast,DC=example,DC=com?Legal').putOwn(peer, 'of another group')
  const first = await roster.list()
  assert.deepEqual([first.records, first.whole], [[{ name: peer, text: 'one' }], true])
  assert.deepEqual([await roster.createOnce(other, 'two'), await roster.createOnce(other, 'three')], ['created', 'exists'])
  await roster.putOwn(peer, 'one again')
  const second = await roster.list(first.cursor)
  assert.deepEqual([second.records.map(({ text }) => text).sort(), second.whole], [['one again', 'two'], false])
  await roster.remove(peer)
  await roster.remove(peer)
  assert.deepEqual((await roster.list()).records, [{ name: other, text: 'two' }])
  assert.match(await roster.about(), /the container CN=Holdfast,DC=example,DC=com, as the controller DC1 has it/)
})

test('PowerShell is told the server, the container or none, the keyword, and where to go on', async (t) => {
  const { roster, requests } = await open(t, 'ldap://dc1.example.com:3389/')
  await roster.prepare()
  const { cursor } = await roster.list()
  await roster.list(cursor)
  const common = { server: 'dc1.example.com:3389', container: null, keyword: 'holdfast-roster-1:holdfast', label: 'holdfast' }
  assert.deepEqual(await requests(), [
    { verb: 'prepare', ...common }, { verb: 'state', ...common }, { verb: 'search', since: null, limit: 20_000, ...common },
    { verb: 'state', ...common }, { verb: 'search', since: '101', limit: 20_000, ...common },
  ])
})

test('a refusal says what the directory said, and an answer that is none is not believed', async (t) => {
  const { at } = await open(t, 'ldaps://dc1/')
  const answering = (answer: string) => at('ldaps://dc1/CN=x,DC=y', { FAKE_ADSI_ANSWER: answer })
  await assert.rejects(answering('{"outcome":"failed","problem":"Access is denied."}').list(), isUnavailable(/Access is denied/))
  for (const answer of ['', 'PS C:\\>', '{}', '{"outcome":"records","records":[]}', '{"outcome":"state","service":"","usn":"-1"}']) {
    await assert.rejects(answering(answer).list(), isUnavailable(/did not answer as it should|gave no state/), answer)
  }
  const missing = parseRosterLocator('ldaps://dc1/')
  assert.ok(missing.kind === 'directory')
  await assert.rejects(new AdsiDirectory(missing.place, ['/nonexistent/powershell']).state(), isUnavailable(/could not be started/))
  const signal = AbortSignal.abort(new Error('enough'))
  await assert.rejects(at('ldaps://dc1/').list(undefined, { signal }), /enough/)
})

test('the script answers the verbs that are asked, and no others', async () => {
  const script = await readFile(new URL('../../../agent/network/roster/adsi.ps1', import.meta.url), 'utf8')
  const adapter = await readFile(new URL('../../../agent/network/roster/adsi-directory.ts', import.meta.url), 'utf8')
  const asked = [...adapter.matchAll(/verb: '(\w+)'/g)].map(([, verb]) => verb).sort()
  assert.deepEqual([...script.matchAll(/^    '(\w+)' \{$/gm)].map(([, verb]) => verb).sort(), asked)
  const outcomes = new Set([...script.matchAll(/outcome = '(\w+)'/g)].map(([, outcome]) => outcome))
  for (const outcome of outcomes) assert.ok(adapter.includes(`'${outcome}'`), outcome)
})
