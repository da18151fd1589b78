/** What else is written at Microsoft: the coverage list of a site, and the announcement on a group. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../../../shared/errors.ts'
import { CoverageList, type CoverageRow, listName } from '../../../agent/network/roster/graph/coverage-list.ts'
import { GroupAnnouncements, entraLocator } from '../../../agent/network/roster/graph/group-announcement.ts'
import { parseEntraLocator, parseRosterLocator } from '../../../agent/network/roster/locator.ts'
import { microsoftAccess } from '../../../agent/network/roster/open-roster.ts'
import { FakeGraph } from '../../support/microsoft/fake-graph.ts'
import { accessWith } from '../../support/roster-access.ts'

const client = '11111111-2222-3333-4444-555555555555'
const locator = `sharepoint:https://contoso.sharepoint.com/sites/team?client=${client}`
const app = { client, tenant: 'contoso.onmicrosoft.com' }
const ann: CoverageRow = { key: 'm1/o1', member: 'Ann', state: 'protected', lastBackup: '2026-01-01T12:00Z', copies: '4 of 4', notYet: 'nothing', verified: '', machine: 'in use' }
const bo: CoverageRow = { ...ann, key: 'm2/o2', member: 'Bo', state: 'partial', copies: '3 of 4' }

function listOf(graph: FakeGraph): CoverageList {
  const place = parseRosterLocator(locator)
  assert.ok(place.kind === 'sharepoint')
  return new CoverageList(place.place, microsoftAccess(place, accessWith({ fetch: graph.fetch, microsoftToken: async () => 'token' })))
}

function announcementsOf(graph: FakeGraph): GroupAnnouncements {
  return new GroupAnnouncements(entraLocator(app), microsoftAccess({ locator: entraLocator(app), app }, accessWith({ fetch: graph.fetch, microsoftToken: async () => 'token' })))
}

function isUnavailable(words: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof HoldfastError && error.code === 'roster-unavailable' && words.test(error.message)
}

test('the coverage list is made when it is asked for and not before, and once', async () => {
  const graph = new FakeGraph()
  await assert.rejects(listOf(graph).update([ann]), isUnavailable(/no list "Holdfast coverage" any more/))
  assert.equal(graph.lists.rowsOf(listName), undefined)
  const address = await listOf(graph).create()
  assert.match(address, /^https:\/\/contoso\.sharepoint\.com\/sites\/team\/Lists\//)
  assert.equal(await listOf(graph).create(), address)
  assert.deepEqual(graph.lists.rowsOf(listName), [])
})

test('a member has one row, which is written when something in it changed and never otherwise, over a restart too', async () => {
  const graph = new FakeGraph()
  await listOf(graph).create()
  const list = listOf(graph)
  assert.equal(await list.update([ann, bo]), 2)
  const writes = () => graph.requests.filter(({ method }) => method !== 'GET').length
  const before = writes()
  for (let hour = 0; hour < 24; hour++) assert.equal(await list.update([ann, bo]), 0)
  assert.equal(await listOf(graph).update([bo, ann]), 0)
  assert.equal(writes(), before, 'nothing is a heartbeat')
  assert.equal(await list.update([ann, { ...bo, state: 'protected', copies: '4 of 4' }]), 1)
  assert.deepEqual(graph.lists.rowsOf(listName)?.map(({ Title, State, Copies }) => [Title, State, Copies]), [['Ann', 'protected', '4 of 4'], ['Bo', 'protected', '4 of 4']])
})

test('who left has no row any more; a row that a person added stays, and one that is there twice goes', async () => {
  const graph = new FakeGraph()
  await listOf(graph).create()
  await listOf(graph).update([ann, bo])
  const rows = `/sites/contoso.sharepoint.com,2C712604-1370-44E7-A1F5-426573FDA80A,2D2244C3-251A-49EA-93A8-39E1C3A060FE/lists/${encodeURIComponent(listName)}/items`
  for (const fields of [{ Title: 'a note of an admin' }, { Title: 'Ann', Key: ann.key }]) {
    await graph.fetch(`https://graph.microsoft.com/v1.0${rows}`, { method: 'POST', headers: { authorization: 'Bearer token' }, body: JSON.stringify({ fields }) })
  }
  assert.equal(await listOf(graph).update([ann]), 1)
  assert.deepEqual(graph.lists.rowsOf(listName)?.map(({ Title }) => Title), ['Ann', 'a note of an admin'])
})

test('a conflict while a row is written is passed; a list that went away or may not be made is told', async () => {
  const graph = new FakeGraph()
  graph.lists.mayCreate = false
  await assert.rejects(listOf(graph).create(), isUnavailable(/an admin must grant/))
  graph.lists.mayCreate = true
  await listOf(graph).create()
  const list = listOf(graph)
  await list.update([ann])
  for (const status of [409, 412]) {
    let conflicts = 2
    graph.fault = (method) => (method === 'PATCH' && conflicts-- > 0 ? { status, code: 'resourceModified' } : undefined)
    assert.equal(await list.update([{ ...ann, copies: `${status}` }]), 1)
  }
  assert.equal(graph.lists.rowsOf(listName)?.[0]?.['Copies'], '412')
})

test('what an admin announces on a group is found by who is in it, replaced as a whole, and withdrawn', async () => {
  const graph = new FakeGraph()
  for (let number = 0; number < 45; number++) graph.groups.add(`g${number}`, `Group ${number}`, `group${number}@contoso.com`)
  graph.pageSize = 10
  assert.deepEqual(await announcementsOf(graph).find(), [])
  const content = { net: 'net', name: 'Accounts', rosters: [locator] }
  assert.equal(await announcementsOf(graph).announce('group44@contoso.com', content), 'Group 44')
  assert.equal(await announcementsOf(graph).announce('g3', { ...content, net: 'other' }), 'Group 3')
  const moved = { ...content, rosters: ['exchange:holdfast@contoso.com?client=x'] }
  await announcementsOf(graph).announce('g44', moved)
  graph.requests.length = 0
  assert.deepEqual((await announcementsOf(graph).find()).sort((a, b) => a.net.localeCompare(b.net)), [{ group: 'Group 44', ...moved }, { group: 'Group 3', ...content, net: 'other' }])
  assert.equal(graph.requests.filter(({ path }) => path.startsWith('/$batch')).length, 3, 'twenty groups in one request')
  await announcementsOf(graph).withdraw('g44')
  await announcementsOf(graph).withdraw('g44')
  assert.deepEqual((await announcementsOf(graph).find()).map(({ net }) => net), ['other'])
})

test('a throttled part of a batch is asked for again; nonsense on a group is passed over; a group that is not there is told', async () => {
  const graph = new FakeGraph()
  for (const id of ['g1', 'g2']) graph.groups.add(id, id, `${id}@contoso.com`)
  await announcementsOf(graph).announce('g1', { net: 'net', name: 'Accounts', rosters: [locator] })
  await graph.fetch('https://graph.microsoft.com/v1.0/groups/g2/extensions', { method: 'POST', headers: { authorization: 'Bearer token' }, body: JSON.stringify({ extensionName: 'io.holdfast.workGroup', rosters: 'none' }) })
  let refusals = 1
  graph.fault = (_method, path) => (path.startsWith('/groups/g1/') && refusals-- > 0 ? { status: 429, headers: { 'retry-after': '0.01' } } : undefined)
  assert.deepEqual((await announcementsOf(graph).find()).map(({ group }) => group), ['g1'])
  await assert.rejects(announcementsOf(graph).announce('nobody@contoso.com', { net: 'n', name: 'x', rosters: [locator] }), isUnavailable(/no group nobody@contoso\.com/))
  await assert.rejects(announcementsOf(graph).announce('g9', { net: 'n', name: 'x', rosters: [locator] }), isUnavailable(/not there/))
  await assert.rejects(announcementsOf(graph).announce('g1', { net: 'n', name: 'x', rosters: ['x'.repeat(2000)] }), isUnavailable(/too long/))
})

test('an app without a roster is named strictly', () => {
  assert.deepEqual(parseEntraLocator(`entra:contoso.onmicrosoft.com?client=${client}`), app)
  assert.deepEqual(parseEntraLocator(entraLocator(app)), app)
  for (const bad of ['entra:', 'entra:contoso.com', `entra:con toso?client=${client}`, `entra:contoso.com?client=${client}&x=1`, `sharepoint:contoso.com?client=${client}`]) {
    assert.throws(() => parseEntraLocator(bad), (error) => error instanceof HoldfastError && error.code === 'invalid-input', bad)
  }
})
