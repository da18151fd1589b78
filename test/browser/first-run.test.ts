import assert from 'node:assert/strict'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { AgentProcess } from '../../agent/demo/agent-process.ts'
import { type Pane, PaneBrowser, paneSize, withoutBrowser } from '../support/pane-browser.ts'
import { startGroup } from '../support/process-group.ts'
import { ticketHash } from '../support/pane-scene.ts'
import { assertNamed, button, goTo, openView } from './steps.ts'

const narrow = { size: paneSize }

async function assertFine(pane: Pane): Promise<void> {
  assert.deepEqual(await pane.accessibilityFindings(), [])
  assert.equal(await pane.overflowPixels(), 0)
  await assertNamed(pane.page)
}

async function openFirstRun(browser: PaneBrowser, agent: AgentProcess): Promise<Pane> {
  const pane = await browser.open(agent, await ticketHash(agent), narrow)
  await pane.page.getByRole('heading', { name: 'Welcome to Holdfast' }).waitFor()
  return pane
}

async function step(page: Page, number: number): Promise<void> {
  await page.getByText(`Step ${number} of 3`).waitFor()
}

test('the first run: found a group, invite, join, protect, store the kit, and come back on an empty machine, by clicking', { skip: withoutBrowser }, async (t) => {
  await using group = await startGroup(2) // two colleagues who are there already: their group is another one
  const launch = async (name: string) => await AgentProcess.start({ home: join(group.directory, name), machine: name })
  await using founder = await launch('founder')
  await using second = await launch('second')
  await using third = await launch('third')
  await using fresh = await launch('fresh')
  await using browser = await PaneBrowser.start([founder, second, fresh])
  const roster = join(group.directory, 'team-roster')
  const folder = join(group.directory, 'letters')
  await mkdir(roster)
  await mkdir(folder)
  await writeFile(join(folder, 'contract.txt'), 'signed by both\n')
  let kit = { words: '', locator: '' }

  await t.test('somebody founds a work group in three steps', async () => {
    await using pane = await openFirstRun(browser, founder)
    const { page } = pane
    await step(page, 1)
    await assertFine(pane)
    await page.getByText('Start a work group').click()
    await page.getByLabel('Name of the work group').fill('Legal')
    assert.equal(await button(page, 'Start').getAttribute('aria-disabled'), 'true', 'where the list is to be is not said yet')
    await page.getByLabel('Folder that all computers').fill(join(folder, 'contract.txt', 'roster'))
    await button(page, 'Start').click()
    await page.getByRole('alert').waitFor()
    await page.getByLabel('Folder that all computers').fill(roster)
    await page.getByLabel('Name of this computer').fill('Ana')
    await button(page, 'Start').click()
    await step(page, 2)
    await assertFine(pane)
    await button(page, 'Choose later').click()
    await step(page, 3)
    await assertFine(pane)
    await button(page, 'Later').click()
    await page.getByText('No other computer is in the work group yet').first().waitFor()
    await goTo(page, 'team')
    await page.getByText('You are alone in the work group').waitFor()
    await assertFine(pane)
    await page.getByLabel('For how many computers').fill('2')
    await button(page, 'Make an invitation').click()
    const invitation = await page.locator('.invitation').innerText()
    await third.run('network join', { invitation, label: 'Chi' })
    await using other = await openFirstRun(browser, second)
    await other.page.getByText('I have an invitation').click()
    await other.page.getByLabel('Invitation').fill('holdfast-invitation:nonsense')
    await button(other.page, 'Join').click()
    await other.page.getByRole('alert').waitFor()
    await other.page.getByLabel('Invitation').fill(invitation)
    await other.page.getByLabel('Name of this computer').fill('Bo')
    await button(other.page, 'Join').click()
    await step(other.page, 2)
  })

  await t.test('somebody who joined protects a folder, sees the first backup, and confirms the kit', async () => {
    await second.run('protect', { paths: [folder] })
    await using pane = await openView(browser, second, 'protection', narrow)
    const { page } = pane
    await page.getByText('Not protected yet').waitFor()
    await button(page, 'Back up now').click()
    await page.locator('.thing', { hasText: 'letters' }).locator('.seal.good').waitFor()
    await button(page, 'Show the recovery kit').click()
    await page.locator('.words li').first().waitFor()
    kit = { words: (await page.locator('.words li').allInnerTexts()).join(' '), locator: await page.locator('.kit code').innerText() }
    assert.equal(kit.words.split(' ').length, 24)
    assert.equal(await button(page, 'I have stored it safely').getAttribute('aria-disabled'), 'true', 'nobody erases words that are kept nowhere')
    const [download] = await Promise.all([page.waitForEvent('download'), button(page, 'Save as a file').click()])
    assert.ok((await readFile(await download.path(), 'utf8')).includes(kit.words))
    await button(page, 'I have stored it safely').click()
    await page.getByText('The words are erased from this computer').waitFor()
    assert.equal((await second.run('status', { fresh: false })).keyConfirmed, true)
    await assert.rejects(second.run('key show', {}), { code: 'key-missing' })
  })

  await t.test('on an empty machine the recovery kit brings everything back; wrong words are told', async () => {
    await second.kill()
    await using pane = await openFirstRun(browser, fresh)
    const { page } = pane
    await page.getByText('My old computer is lost').click()
    await page.getByLabel('The 24 words').fill(kit.words.replace(/^\S+/u, 'zoo'))
    await page.getByLabel('Locator').fill(kit.locator)
    await button(page, 'Recover').click()
    await page.getByRole('alert').waitFor()
    await page.getByLabel('The 24 words').fill(kit.words)
    await button(page, 'Recover').click()
    await page.getByRole('heading', { name: 'Your backup is here again' }).waitFor()
    await assertFine(pane)
    await button(page, 'Restore now').click()
    await page.getByRole('heading', { name: /Newest backup/u }).waitFor()
    await button(page, 'Restore').first().click()
    await page.getByRole('heading', { name: 'It is back' }).waitFor()
    const [beside] = (await readdir(group.directory)).filter((name) => name.startsWith('letters (backup of '))
    assert.equal(await readFile(join(group.directory, beside as string, 'contract.txt'), 'utf8'), 'signed by both\n')
    assert.equal((await fresh.run('status', { fresh: false })).network?.name, 'Legal')
  })
})
