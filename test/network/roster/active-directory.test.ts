import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, test } from 'node:test'
import { Client } from 'ldapts'
import { HoldfastError } from '../../../shared/errors.ts'
import type { MachineId } from '../../../shared/ids.ts'
import { joinNetwork } from '../../../agent/network/founding.ts'
import { makeInvitation } from '../../../agent/network/membership/invitation.ts'
import { verifyClaim } from '../../../agent/network/membership/records.ts'
import { ActiveDirectoryRoster } from '../../../agent/network/roster/active-directory.ts'
import { LdapDirectory } from '../../../agent/network/roster/ldap-directory.ts'
import { parseRosterLocator } from '../../../agent/network/roster/locator.ts'
import { claimName } from '../../../agent/network/roster/names.ts'
import { openRoster } from '../../../agent/network/roster/open-roster.ts'
import type { Roster } from '../../../agent/network/roster/port.ts'
import { AgentProcess } from '../../../agent/demo/agent-process.ts'
import { button } from '../../browser/steps.ts'
import { rosterSuite } from '../../suites/roster.ts'
import { type DomainController, delegatedContainer, missingForDomainController, password, startDomainController } from '../../support/domain-controller.ts'
import { PaneBrowser, paneSize, withoutBrowser } from '../../support/pane-browser.ts'
import { ticketHash } from '../../support/pane-scene.ts'
import { TestClock, day, newMachine, newOwner, startMs } from '../../support/records-kit.ts'
import { accessWith } from '../../support/roster-access.ts'
import { type GroupAgent, startAgents } from '../../support/agent-group.ts'
import { found, oneOfTwoFounds } from '../../support/founders.ts'
import { commandLine } from '../../support/process-group.ts'
import { untilAnswer } from '../../support/until-answer.ts'

const peer = `peers/${'ab'.repeat(32)}.jws`
const other = `peers/${'cd'.repeat(32)}.jws`
const skip = missingForDomainController()
if (skip !== undefined && process.env['CI'] === 'true') throw new Error(skip)

function isUnavailable(words: RegExp): (error: unknown) => boolean {
  return (error) => error instanceof HoldfastError && error.code === 'roster-unavailable' && words.test(error.message)
}

describe('Active Directory', { skip }, () => {
  let folder: string
  let dc: DomainController
  let labels = 0

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), 'holdfast-dc-'))
    dc = await startDomainController(folder)
  })
  after(async () => {
    await dc.stop()
    await rm(folder, { recursive: true, force: true })
  })

  const rosterOf = (locator: string, user: string, secret = password): Roster =>
    openRoster(locator, accessWith({ directorySignIn: async () => ({ user: `${user}@LAB.EXAMPLE.TEST`, password: secret, ca: dc.ca }) }))
  const container = (label: string, url = dc.ldaps) => `${url}/${encodeURI(delegatedContainer)}?${label}`

  rosterSuite({
    name: 'a delegated container',
    open: async () => {
      const locator = container(`suite-${++labels}`)
      return { roster: rosterOf(locator, 'ann'), again: () => rosterOf(locator, 'ann'), [Symbol.asyncDispose]: async () => {} }
    },
  })

  rosterSuite({
    name: 'below the computer object',
    open: async () => {
      const locator = `${dc.ldaps}/?computer-${++labels}`
      return { roster: rosterOf(locator, 'PC01$'), again: () => rosterOf(locator, 'PC01$'), [Symbol.asyncDispose]: async () => {} }
    },
  })

  test('machines publish below their own computer objects, and each sees all of them', async () => {
    const locator = `${dc.ldaps}/?everybody`
    await rosterOf(locator, 'PC01$').putOwn(peer, 'one')
    await rosterOf(locator, 'PC02$').putOwn(other, 'two')
    const { records } = await rosterOf(locator, 'ann').list()
    assert.deepEqual(records.map(({ name, text }) => [name, text]).sort(), [[peer, 'one'], [other, 'two']])
  })

  test('members of the group add records, and nobody changes or removes those of another', async () => {
    const [ann, bob] = [rosterOf(container('owners'), 'ann'), rosterOf(container('owners'), 'bob')]
    await ann.putOwn(peer, 'of ann')
    await bob.putOwn(other, 'of bob')
    await assert.rejects(bob.putOwn(peer, 'forged'), isUnavailable(/may not write/))
    await assert.rejects(bob.remove(peer), isUnavailable(/may not write/))
    const { records } = await bob.list()
    assert.deepEqual(records.map(({ text }) => text).sort(), ['of ann', 'of bob'])
  })

  test('more records than one page holds are all listed, page by page', async () => {
    const locator = parseRosterLocator(container('pages'))
    assert.ok(locator.kind === 'directory')
    const { place } = locator
    const roster = new ActiveDirectoryRoster(place, new LdapDirectory(place, async () => ({ user: 'ann@LAB.EXAMPLE.TEST', password, ca: dc.ca }), { pageSize: 2 }))
    const names = Array.from({ length: 5 }, (_, index) => `peers/${`${index}f`.repeat(32)}.jws`)
    for (const name of names) await roster.putOwn(name, `text of ${name}`)
    assert.deepEqual((await roster.list()).records.map(({ name }) => name).sort(), names)
  })

  test('ldap is upgraded by StartTLS before the password is sent', async () => {
    const roster = rosterOf(container('starttls', dc.ldap), 'ann')
    await roster.putOwn(peer, 'x')
    assert.deepEqual((await roster.list()).records.map(({ text }) => text), ['x'])
  })

  test('a wrong password, a CA that is not trusted, a container that is not there: each says so', async () => {
    await assert.rejects(rosterOf(container('wrong'), 'ann', 'nonsense').list(), isUnavailable(/password is wrong/))
    const untrusting = openRoster(container('wrong'), accessWith({ directorySignIn: async () => ({ user: 'ann', password }) }))
    await assert.rejects(untrusting.list(), isUnavailable(/certificate is not trusted/))
    await assert.rejects(rosterOf(`${dc.ldaps}/CN=Nowhere,DC=lab,DC=example,DC=test`, 'ann').putOwn(peer, 'x'), isUnavailable(/not there|may not write/))
    await assert.rejects(openRoster(container('wrong'), accessWith({})).list(), isUnavailable(/holdfast sign-in/))
    await assert.rejects(rosterOf('ldaps://127.0.0.1:1/CN=x,DC=y', 'ann').list(), isUnavailable(/ECONNREFUSED/))
  })

  test('a container whose parent is there is made by who founds a group', async () => {
    const locator = `${dc.ldaps}/CN=Second,DC=lab,DC=example,DC=test`
    const roster = rosterOf(locator, 'Administrator')
    await roster.prepare()
    await roster.prepare()
    assert.equal(await roster.createOnce(peer, 'x'), 'created')
  })

  test('of two founders at once one founds a group, in a container that both make, and the other is told that it holds one', async () => {
    await oneOfTwoFounds(() => rosterOf(`${dc.ldaps}/CN=Third,DC=lab,DC=example,DC=test`, 'Administrator'))
  })

  test('of two founders at once below their own computer objects one founds a group, and the other is told that there is one', async () => {
    const locator = `${dc.ldaps}/?founders`
    await oneOfTwoFounds(() => rosterOf(locator, 'PC01$'), () => rosterOf(locator, 'PC02$'))
  })

  test('two who join at once below their own computer objects get slots of their own', async () => {
    const locator = `${dc.ldaps}/?joiners`
    const [ann, bob] = [rosterOf(locator, 'PC01$'), rosterOf(locator, 'PC02$')]
    const admin = newOwner().admin
    const { net } = await found(ann, { admin })
    const { text, id } = await makeInvitation({ net, name: 'Accounts', count: 2, validMs: day * 1000, nowMs: startMs, approval: false, rosters: [locator], peers: [] }, admin)
    const { now, monotonic } = new TestClock()
    const machines = await Promise.all([newMachine(), newMachine()])
    await Promise.all([ann, bob].map(async (roster, at) => await joinNetwork(text, { machine: machines[at]?.id as MachineId, rosters: [roster], now, monotonic })))
    const claims = (await ann.list()).records.filter(({ name }) => name.startsWith('claims/'))
    assert.deepEqual(claims.map(({ name }) => name).sort(), [claimName(id, 1), claimName(id, 2)])
    const claimants = await Promise.all(claims.map(async ({ text: jws }) => (await verifyClaim(jws)).machine))
    assert.deepEqual(claimants.sort(), machines.map((machine) => machine.id).sort())
  })

  test('a roster moves from a folder into the directory and on to another folder, and every agent follows', async (t) => {
    const group = await startAgents(t, 3)
    const [admin, one, late] = group.agents as [GroupAgent, GroupAgent, GroupAgent]
    const [directory, second] = [container('moving'), `folder:${join(group.directory, 'second')}`]
    const signIn = async (agent: GroupAgent, user: string) => await agent.run('sign-in', { locator: directory, user: `${user}@LAB.EXAMPLE.TEST`, password, ca: dc.ca })
    const standsAt = async (agent: GroupAgent, locator: string, state = 'ok') => await untilAnswer(async () => {
      await agent.run('network requests', {}) // reads the rosters now, and not only with the next poll
      return await agent.run('status', {})
    }, ({ rosters }) => rosters.length === 1 && rosters[0]?.locator === locator && rosters[0].state === state, { what: `${agent.name} is at ${locator}`, patienceMs: 60_000, everyMs: 200 })

    await assert.rejects(admin.run('network move-roster', { locator: directory }), isUnavailable(/run holdfast sign-in/))
    await signIn(admin, 'ann')
    await signIn(one, 'bob')
    const { rosters, told } = await admin.run('network move-roster', { locator: directory })
    assert.deepEqual([rosters, told.peers], [[directory], 2])
    await standsAt(one, directory)
    const { warnings } = await standsAt(late, directory, 'signed-out')
    assert.match(warnings.join(), /holdfast sign-in/)
    await signIn(late, 'bob')
    assert.equal((await late.run('status', {})).rosters[0]?.state, 'ok', 'read at once')
    const peersThere = async () => (await rosterOf(directory, 'ann').list()).records.filter(({ name }) => name.startsWith('peers/')).length
    assert.equal(await peersThere(), 3)

    await late.stop()
    assert.deepEqual((await admin.run('network move-roster', { locator: second })).former, [directory])
    await standsAt(one, second)
    await Promise.all([admin.stop(), one.stop()])
    await late.start()
    await standsAt(late, second) // with nobody there but the directory
    await Promise.all([admin.start(), one.start()])
    const { invitation } = await admin.run('network invite', {})
    const newcomer = await group.add('newcomer')
    await newcomer.run('network join', { invitation, label: 'newcomer' })
    await one.until('peers', {}, ({ peers }) => peers.length === 4)
  })

  test('a record of the greatest length and more than the thousand entries that one answer may have come back', async () => {
    const roster = rosterOf(container('many'), 'ann')
    await roster.putOwn(peer, 'x'.repeat(65_536))
    const client = new Client({ url: dc.ldaps, tlsOptions: { ca: [dc.ca] } })
    await client.bind('ann@LAB.EXAMPLE.TEST', password)
    for (let first = 0; first < 1_050; first += 50) {
      await Promise.all(Array.from({ length: 50 }, async (_, at) => {
        const index = first + at
        await client.add(`CN=made-${index},${delegatedContainer}`, {
          objectClass: ['top', 'leaf', 'connectionPoint', 'serviceConnectionPoint'],
          keywords: ['holdfast-roster-1:many', `holdfast-record:peers/${index.toString(16).padStart(64, '0')}.jws`], serviceBindingInformation: `peer ${index}`,
        })
      }))
    }
    await client.unbind()
    const { records, whole } = await roster.list()
    assert.equal(records.length, 1_051)
    assert.equal(whole, true)
    assert.equal(records.find(({ name }) => name === peer)?.text.length, 65_536)
  })

  test('a work group lives in the directory: signed in, founded and joined from the command line, backed up and restored', async () => {
    const locator = `${dc.ldaps}/${encodeURI(delegatedContainer)}?team`
    await writeFile(join(folder, 'ca.pem'), dc.ca)
    const at = (name: string) => ['--home', join(folder, name), '--json']
    const signIn = async (name: string, user: string, secret = password) =>
      await commandLine(['sign-in', locator, '--user', `${user}@LAB.EXAMPLE.TEST`, '--ca', join(folder, 'ca.pem'), ...at(name)], { stdin: `${secret}\n` })
    const early = await commandLine(['network', 'create', 'Team', '--roster', locator, ...at('one')])
    assert.match(early.stderr, /nobody signed in on this machine; run holdfast sign-in/)
    assert.match((await signIn('one', 'ann', 'wrong')).stderr, /user name or password is wrong/)
    assert.deepEqual(JSON.parse((await signIn('one', 'ann')).stdout), {
      locator, account: 'ann@LAB.EXAMPLE.TEST', place: `the container ${delegatedContainer}, as the controller DC1 has it`, records: 0, writable: true,
    })
    assert.equal((await commandLine(['network', 'create', 'Team', '--roster', locator, ...at('one')])).code, 0)
    const { invitation } = JSON.parse((await commandLine(['network', 'invite', ...at('one')])).stdout) as { invitation: string }
    assert.equal((await signIn('two', 'bob')).code, 0)
    assert.equal((await commandLine(['network', 'join', invitation, ...at('two')])).code, 0)
    const kept = await readFile(join(folder, 'two', 'sign-ins.json'), 'utf8')
    assert.ok(!kept.includes(password), 'the password is sealed to the machine')
    await using one = await AgentProcess.start({ home: join(folder, 'one'), machine: 'one' })
    await using _two = await AgentProcess.start({ home: join(folder, 'two'), machine: 'two' })
    await writeFile(join(folder, 'mail.txt'), 'ten years of mail')
    await one.run('protect', { paths: [join(folder, 'mail.txt')] })
    await untilAnswer(async () => await one.run('status', {}), ({ network }) => network?.online === 2, { what: 'they see each other', patienceMs: 60_000, everyMs: 200 })
    await one.run('backup', { offlineOk: true })
    assert.deepEqual((await one.run('status', {})).rosters, [{ locator, state: 'ok', detail: '', notice: null }])
    assert.equal((await one.run('restore', { snapshot: 'latest', target: join(folder, 'back') })).files, 1)
  })

  test('in the pane: a work group is founded with a user name and a password by clicking; a wrong one is told', { skip: withoutBrowser }, async () => {
    await using agent = await AgentProcess.start({ home: join(folder, 'clicked'), machine: 'clicked' })
    await using browser = await PaneBrowser.start([agent])
    await using pane = await browser.open(agent, await ticketHash(agent), { size: paneSize })
    const { page } = pane
    await page.getByText('Start a work group').click()
    await page.getByLabel('Name of the work group').fill('Directory')
    await page.getByLabel('Folder that all computers').fill(container('clicked'))
    await button(page, 'Start').click()
    await page.getByLabel('User name').fill('ann@LAB.EXAMPLE.TEST')
    await page.getByText("The certificate is of the company's own authority").click()
    await page.getByLabel('Certificate of the authority').fill(dc.ca)
    await page.getByLabel('Password', { exact: true }).fill('wrong')
    assert.deepEqual(await pane.accessibilityFindings(), [])
    await button(page, 'Sign in').click()
    await page.getByRole('alert').filter({ hasText: 'Cannot use the roster' }).waitFor()
    await page.getByLabel('Password', { exact: true }).fill(password)
    await button(page, 'Sign in').click()
    await page.getByText('Signed in as ann@LAB.EXAMPLE.TEST').waitFor()
    await button(page, 'Start').click()
    await page.getByText('Step 2 of 3').waitFor()
  })

  test('foreign entries, nonsense names and empty records are counted and left alone', async () => {
    const client = new Client({ url: dc.ldaps, tlsOptions: { ca: [dc.ca] } })
    await client.bind('ann@LAB.EXAMPLE.TEST', password)
    const keywords = [['holdfast-record:../../x.jws'], ['holdfast-record:peers/none.jws'], []]
    for (const [index, extra] of keywords.entries()) {
      await client.add(`CN=odd-${index},${delegatedContainer}`, {
        objectClass: ['top', 'leaf', 'connectionPoint', 'serviceConnectionPoint'], keywords: ['holdfast-roster-1:odd', ...extra], ...(index === 1 ? {} : { serviceBindingInformation: 'text' }),
      })
    }
    await client.unbind()
    const { records, ignored } = await rosterOf(container('odd'), 'ann').list()
    assert.deepEqual([records.length, ignored], [0, 3])
  })
})

test('directory locators are read strictly and never carry a password', () => {
  const place = parseRosterLocator('ldaps://dc1.example.com/CN=Holdfast,DC=example,DC=com')
  assert.deepEqual(place, {
    kind: 'directory', locator: 'ldaps://dc1.example.com/CN=Holdfast,DC=example,DC=com',
    place: { locator: 'ldaps://dc1.example.com/CN=Holdfast,DC=example,DC=com', url: 'ldaps://dc1.example.com', container: 'CN=Holdfast,DC=example,DC=com', label: 'holdfast' },
  })
  const below = parseRosterLocator('ldap://dc1:3389/?Sales')
  assert.deepEqual(below.kind === 'directory' && [below.place.url, below.place.container, below.place.label], ['ldap://dc1:3389', undefined, 'Sales'])
  for (const bad of ['ldaps://', 'ldaps:///CN=x', 'ldaps://ann:secret@dc/CN=x', 'ldaps://dc/nonsense', 'ldaps://dc/CN=x?a*b', 'ldaps://dc/CN=%zz', 'ldaps://dc/CN=x#y']) {
    assert.throws(() => parseRosterLocator(bad), (error) => error instanceof HoldfastError && error.code === 'invalid-input', bad)
  }
})
