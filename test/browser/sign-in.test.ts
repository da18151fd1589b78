import assert from 'node:assert/strict'
import { once } from 'node:events'
import { chmod, mkdir, mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { createServer } from 'node:tls'
import type { Page } from 'playwright-core'
import { AgentProcess } from '../../agent/demo/agent-process.ts'
import { makeLabCertificate } from '../support/lab-certificate.ts'
import { signInInBrowser } from '../support/microsoft/fake-entra.ts'
import { startMicrosoft } from '../support/microsoft/start-microsoft.ts'
import { PaneBrowser, paneSize, withoutBrowser } from '../support/pane-browser.ts'
import { ticketHash } from '../support/pane-scene.ts'
import { untilAnswer } from '../support/until-answer.ts'
import { assertNamed, button, goTo } from './steps.ts'

const narrow = { size: paneSize }
const client = '11111111-2222-3333-4444-555555555555'
const rosters = {
  sharepoint: `sharepoint:https://contoso.sharepoint.com/sites/team?client=${client}`,
  exchange: `exchange:holdfast@contoso.com?client=${client}&tenant=contoso.onmicrosoft.com`,
}

/** A home whose system has a browser that writes down what it is asked to open. */
async function systemBrowser(folder: string): Promise<{ path: string; opened: () => Promise<string> }> {
  const [command, note] = [join(folder, 'xdg-open'), join(folder, 'opened')]
  await writeFile(command, `#!/bin/sh\nprintf %s "$1" > '${note}'\n`)
  await chmod(command, 0o755)
  return { path: `${folder}:${process.env['PATH'] ?? ''}`, opened: async () => await readFile(note, 'utf8') }
}

/** A directory that nobody may sign in to; a real one is in test/network/roster/active-directory.test.ts. */
async function startRefusingDirectory(): Promise<AsyncDisposable & { port: number; ca: string; asked: () => string }> {
  const { ca, certificate, key } = await makeLabCertificate({ dns: ['dc1.lab.example.test'], ip: ['127.0.0.1'] })
  let asked = ''
  const invalidCredentials = (message: number) => Buffer.from([0x30, 0x0c, 0x02, 0x01, message, 0x61, 0x07, 0x0a, 0x01, 49, 0x04, 0x00, 0x04, 0x00]) // RFC 4511, section 4.2.2
  const server = createServer({ cert: certificate, key }, (socket) => {
    socket.on('error', () => {})
    socket.on('data', (data) => {
      asked += data.toString('latin1')
      socket.write(invalidCredentials(data[4] ?? 0))
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return { port: (server.address() as AddressInfo).port, ca, asked: () => asked, [Symbol.asyncDispose]: async () => { server.close() } }
}

async function found(page: Page, roster: string): Promise<void> {
  await page.getByText('Start a work group').click()
  await page.getByLabel('Name of the work group').fill('Team')
  await page.getByLabel('Folder that all computers').fill(roster)
  await button(page, 'Start').click()
}

test('a work group at Microsoft: signed in, founded and joined by clicking', { skip: withoutBrowser }, async (t) => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-sign-in-'))
  t.after(async () => { await rm(folder, { recursive: true, force: true }) })
  await using microsoft = await startMicrosoft()
  const { path, opened } = await systemBrowser(folder)
  const environment = { ...microsoft.environment(folder), PATH: path }
  const launch = async (machine: string) => await AgentProcess.start({ home: join(folder, machine), machine, environment })

  /** What the person does in the system's browser, at the address that the pane shows. */
  const signIn = async (page: Page) => {
    await page.getByRole('heading', { name: 'Sign in first' }).waitFor()
    await button(page, 'Sign in at Microsoft').click()
    const address = await page.getByRole('link', { name: 'open the sign-in page' }).getAttribute('href')
    assert.equal(await opened(), address)
    await signInInBrowser(microsoft, address as string)
  }

  await using founder = await launch('founder')
  await using joiner = await launch('joiner')
  await using other = await launch('other')
  await using synced = await launch('synced')
  await using browser = await PaneBrowser.start([founder, joiner, other, synced])

  await t.test('SharePoint: somebody founds, also after the company had to allow it first', async () => {
    await using pane = await browser.open(founder, await ticketHash(founder), narrow)
    const { page } = pane
    await found(page, rosters.sharepoint)
    await page.getByRole('heading', { name: 'Sign in first' }).waitFor()
    assert.ok(await page.evaluate("document.querySelector('#sign-in').getBoundingClientRect().top >= 0"), 'what asks for the sign-in is out of sight')
    assert.deepEqual(await pane.accessibilityFindings(), [])
    assert.equal(await pane.overflowPixels(), 0)
    await assertNamed(page)
    microsoft.entra.lacksConsent = true
    await signIn(page)
    await page.getByRole('alert').filter({ hasText: 'login.microsoftonline.com/contoso.onmicrosoft.com/adminconsent' }).waitFor()
    microsoft.entra.lacksConsent = false
    await signIn(page)
    await page.getByText('Signed in as ann@contoso.com').waitFor()
    await button(page, 'Start').click()
    await page.getByText('Step 2 of 3').waitFor()
  })

  await t.test('SharePoint: somebody joins, in German', async () => {
    const { invitation } = await founder.run('network invite', {})
    await using pane = await browser.open(joiner, await ticketHash(joiner), { ...narrow, locale: 'de-DE', elsewhere: /^https:\/\/login\.microsoftonline\.com\// })
    const { page } = pane
    await page.context().route('https://login.microsoftonline.com/**', async (route) => {
      await route.fulfill({ contentType: 'text/plain', body: await signInInBrowser(microsoft, route.request().url()) })
    })
    const goOnAtMicrosoft = async () => {
      await button(page, 'Bei Microsoft anmelden').click()
      await page.getByRole('link', { name: 'Anmeldeseite öffnen' }).click()
      await page.getByText('Angemeldet als ann@contoso.com').waitFor()
    }
    await page.getByText('Ich habe eine Einladung').click()
    await page.getByLabel('Einladung').fill(invitation)
    await button(page, 'Beitreten').click()
    await goOnAtMicrosoft()
    await button(page, 'Beitreten').click()
    await page.getByText('Schritt 2 von 3').waitFor()
    assert.equal((await joiner.run('status', { fresh: false })).network?.name, 'Team')

    const isSignedOut = async (isSo: boolean) => { await untilAnswer(() => joiner.run('status', {}), ({ notices }) => notices.some(({ code }) => code === 'sign-in-needed') === isSo, { what: isSo ? 'the sign-in ended' : 'it is signed in again', patienceMs: 60_000, everyMs: 100 }) }
    microsoft.entra.isRevoked = true
    await isSignedOut(true)
    await goTo(page, 'protection')
    const notice = page.getByRole('region', { name: 'Bitte beachten' }).getByText('Die Anmeldung')
    await notice.waitFor()
    await button(page, 'Anmelden').click()
    microsoft.entra.isRevoked = false
    await goOnAtMicrosoft()
    await isSignedOut(false)
    await notice.waitFor({ state: 'detached' })
  })

  await t.test('who lost the computer signs in on a new one and has everything back, although those who have it moved', async () => {
    const file = join(folder, 'letters.txt')
    await writeFile(file, 'dear all')
    await founder.run('protect', { paths: [file] })
    await founder.run('backup', { offlineOk: true })
    const { words, locator } = await founder.run('key show', {})
    await Promise.all([founder.kill(), joiner.kill()])
    await rm(file)
    await using pane = await browser.open(other, await ticketHash(other), narrow)
    const { page } = pane
    await page.getByText('My old computer is lost').click()
    await page.getByLabel('The 24 words').fill(words)
    await page.getByLabel('Locator').fill(locator)
    const recover = async () => {
      await button(page, 'Recover').click()
      await page.getByText('The list of the team is kept in contoso.sharepoint.com/sites/team').waitFor()
    }
    await recover()
    await button(page, 'Cancel').click()
    await page.getByRole('heading', { name: 'Sign in first' }).waitFor({ state: 'detached' })
    await recover()
    await signIn(page)
    await page.getByText('Signed in as ann@contoso.com').waitFor()
    await using moved = await launch('joiner') // at another address, which only the list tells
    assert.notEqual(moved.ready.peer, joiner.ready.peer)
    await untilAnswer(() => moved.run('status', {}), ({ rosters }) => rosters[0]?.state === 'ok', { what: 'the list knows of it', patienceMs: 30_000, everyMs: 100 })
    await button(page, 'Recover').click()
    await page.getByRole('heading', { name: 'Your backup is here again' }).waitFor()
    await page.getByText('Found 1 backup').waitFor()
    await button(page, 'Restore now').click()
    await button(page, 'Restore').first().click()
    await page.getByRole('heading', { name: 'It is back' }).waitFor()
    const [back] = (await readdir(folder)).filter((name) => name.startsWith('letters'))
    assert.equal(await readFile(join(folder, back as string), 'utf8'), 'dear all')
  })

  await t.test('Exchange: somebody founds; a library that OneDrive keeps in a folder needs no sign-in, when the folder is there', async () => {
    await using exchange = await launch('exchange')
    await using its = await PaneBrowser.start([exchange])
    await using atExchange = await its.open(exchange, await ticketHash(exchange), narrow)
    await found(atExchange.page, rosters.exchange)
    await signIn(atExchange.page)
    await atExchange.page.getByText('Signed in as ann@contoso.com').waitFor()
    await button(atExchange.page, 'Start').click()
    await atExchange.page.getByText('Step 2 of 3').waitFor()

    await using pane = await browser.open(synced, await ticketHash(synced), narrow)
    const { page } = pane
    const oneDrive = join(folder, 'OneDrive - Contoso')
    const library = join(oneDrive, 'Holdfast')
    await found(page, rosters.sharepoint)
    await page.getByText('OneDrive keeps this library in a folder here').click()
    await page.getByLabel('Folder of this computer').fill(library)
    await button(page, 'Use this folder').click()
    await page.getByRole('alert').filter({ hasText: 'The list of the team cannot be reached' }).waitFor()
    assert.equal(await page.getByLabel('Folder of this computer').inputValue(), library, 'what was typed is still there')
    await mkdir(oneDrive) // the founder's sign-in makes the folder in it
    await button(page, 'Use this folder').click()
    await page.getByText(`The list of the team is read in ${library}`).waitFor()
    await button(page, 'Start').click()
    await page.getByText('Step 2 of 3').waitFor()
    assert.notEqual((await readdir(library, { recursive: true })).length, 0)
  })

  await t.test('a directory: user, password and the company\'s own authority are what the directory is asked with, and its refusal is told', async () => {
    await using directory = await startRefusingDirectory()
    await using desk = await launch('desk')
    await using its = await PaneBrowser.start([desk])
    await using pane = await its.open(desk, await ticketHash(desk), narrow)
    const { page } = pane
    await found(page, `ldaps://127.0.0.1:${directory.port}`)
    await page.getByLabel('User name').fill('ann@contoso.test')
    await page.getByLabel('Password').fill('correct horse')
    await page.getByText('of the company\'s own authority').click()
    await page.getByLabel('Certificate of the authority').fill(directory.ca)
    assert.deepEqual(await pane.accessibilityFindings(), [])
    await assertNamed(page)
    await button(page, 'Sign in').click()
    await page.getByRole('alert').filter({ hasText: 'the user name or password is wrong' }).waitFor()
    assert.ok(directory.asked().includes('ann@contoso.test') && directory.asked().includes('correct horse'))
  })
})
