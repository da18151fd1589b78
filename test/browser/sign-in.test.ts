import assert from 'node:assert/strict'
import { chmod, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { AgentProcess } from '../../agent/demo/agent-process.ts'
import { signInInBrowser } from '../support/microsoft/fake-entra.ts'
import { startMicrosoft } from '../support/microsoft/start-microsoft.ts'
import { PaneBrowser, paneSize, withoutBrowser } from '../support/pane-browser.ts'
import { ticketHash } from '../support/pane-scene.ts'
import { assertNamed, button } from './steps.ts'

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
  await using browser = await PaneBrowser.start([founder, joiner, other])

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
    await using pane = await browser.open(joiner, await ticketHash(joiner), { ...narrow, locale: 'de-DE' })
    const { page } = pane
    await page.getByText('Ich habe eine Einladung').click()
    await page.getByLabel('Einladung').fill(invitation)
    await button(page, 'Beitreten').click()
    await button(page, 'Bei Microsoft anmelden').click()
    await signInInBrowser(microsoft, await page.getByRole('link', { name: 'Anmeldeseite öffnen' }).getAttribute('href') as string)
    await page.getByText('Angemeldet als ann@contoso.com').waitFor()
    await button(page, 'Beitreten').click()
    await page.getByText('Schritt 2 von 3').waitFor()
    assert.equal((await joiner.run('status', { fresh: false })).network?.name, 'Team')
  })

  await t.test('a recovery asks for the sign-in when nobody else answers, and it can be given up; Exchange: somebody else founds', async () => {
    const { words, locator } = await founder.run('key show', {})
    await Promise.all([founder.kill(), joiner.kill()])
    await using pane = await browser.open(other, await ticketHash(other), narrow)
    const { page } = pane
    await page.getByText('My old computer is lost').click()
    await page.getByLabel('The 24 words').fill(words)
    await page.getByLabel('Locator').fill(locator)
    await button(page, 'Recover').click()
    await page.getByText('The list of the team is kept in contoso.sharepoint.com/sites/team').waitFor()
    await button(page, 'Cancel').click()
    await page.getByRole('heading', { name: 'Sign in first' }).waitFor({ state: 'detached' })
    await found(page, rosters.exchange)
    await signIn(page)
    await page.getByText('Signed in as ann@contoso.com').waitFor()
    await button(page, 'Start').click()
    await page.getByText('Step 2 of 3').waitFor()
  })
})
