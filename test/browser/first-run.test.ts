import assert from 'node:assert/strict'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { createArchive } from '../../agent/demo/outlook-archive/archive.ts'
import { AgentProcess } from '../../agent/demo/agent-process.ts'
import { type Pane, PaneBrowser, paneSize, withoutBrowser } from '../support/pane-browser.ts'
import { startGroup } from '../support/process-group.ts'
import { ticketHash } from '../support/pane-scene.ts'
import { assertNamed, button, goTo, runCard, untilTrue } from './steps.ts'

const narrow = { size: paneSize }

async function assertFine(pane: Pane): Promise<void> {
  assert.deepEqual(await pane.accessibilityFindings(), [])
  assert.equal(await pane.overflowPixels(), 0)
  await assertNamed(pane.page)
}

async function assertFineInEveryLook(pane: Pane): Promise<void> {
  const { page } = pane
  await assertFine(pane)
  await page.emulateMedia({ colorScheme: 'dark' })
  await untilTrue(page, "document.documentElement.dataset.theme === 'dark'")
  assert.deepEqual(await pane.accessibilityFindings(), [], 'dark')
  await page.emulateMedia({ forcedColors: 'active' })
  await untilTrue(page, "matchMedia('(forced-colors: active)').matches")
  assert.deepEqual(await pane.accessibilityFindings(), [], 'high contrast')
  await page.emulateMedia({ colorScheme: 'light', forcedColors: 'none' })
  await untilTrue(page, "document.documentElement.dataset.theme === 'light'")
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
  const watched = join(group.directory, 'watched')
  await mkdir(watched)
  for (const [seed, name] of ['mail.pst', 'old.pst'].entries()) await createArchive(join(watched, name), { bytes: 1_100_000, seed: seed + 1 })
  await second.run('settings', { change: { watchFolders: [watched] } })
  let kit = { words: '', locator: '' }

  await t.test('somebody founds a work group in three steps; who joins protects what is found, stores the kit, and sees the first backups', async () => {
    await using pane = await openFirstRun(browser, founder)
    const { page } = pane
    await step(page, 1)
    await assertFine(pane)
    await page.getByText('My old computer is lost').click()
    await assertFineInEveryLook(pane)
    await page.getByText('Start a work group').click()
    await assertFineInEveryLook(pane)
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
    await button(page, 'Choose what to protect').click()
    await button(page, 'Back').click()
    await button(page, 'Invite colleagues').click()
    await page.getByText('You are alone in the work group').waitFor()
    await goTo(page, 'protection')
    await button(page, 'Show the recovery kit').click()
    await page.locator('.words li').first().waitFor()
    await button(page, 'Print').click()
    await page.locator('fluent-button:not([aria-disabled])', { hasText: 'I have stored it safely' }).waitFor()
    await goTo(page, 'restore')
    await page.getByRole('heading', { name: 'There is no backup yet' }).waitFor()
    await assertFine(pane)
    await button(page.locator('main'), 'Protection').click()
    await button(page, 'Invite colleagues').waitFor()
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
    await protectAndKeepTheKit(other)
  })

  /** From the second step to the end, and then what the first screen found. */
  async function protectAndKeepTheKit({ page }: Pane): Promise<void> {
    await page.getByRole('heading', { name: 'Outlook archives on this computer' }).waitFor()
    await button(page, 'Protect: mail.pst').first().click()
    await page.getByText('1 thing chosen').waitFor()
    await button(page, 'Next').click()
    await step(page, 3)
    await page.locator('.words li').first().waitFor()
    kit = { words: (await page.locator('.words li').allInnerTexts()).join(' '), locator: await page.locator('.kit code').innerText() }
    assert.equal(kit.words.split(' ').length, 24)
    const isHeldBack = async () => await button(page, 'I have stored it safely').getAttribute('aria-disabled') === 'true'
    assert.ok(await isHeldBack(), 'nobody erases words that are kept nowhere')
    await page.getByLabel('It is printed, saved elsewhere or written down').check()
    assert.ok(!await isHeldBack())
    await page.getByLabel('It is printed, saved elsewhere or written down').uncheck()
    assert.ok(await isHeldBack())
    const [download] = await Promise.all([page.waitForEvent('download'), button(page, 'Save as a file').click()])
    assert.ok((await readFile(await download.path(), 'utf8')).includes(kit.words))
    await button(page, 'I have stored it safely').click()
    await page.getByText('The words are erased from this computer').waitFor()
    assert.equal((await second.run('status', { fresh: false })).keyConfirmed, true)
    await assert.rejects(second.run('key show', {}), { code: 'key-missing' })
    await button(page, 'Done').click()
    await page.locator('.thing', { hasText: 'mail.pst' }).locator('.seal.good').waitFor()
    const found = page.getByRole('region', { name: 'Outlook archives on this computer' })
    assert.deepEqual(await found.locator('.name').allInnerTexts(), ['old.pst'])
    await button(found, 'Protect: old.pst').click()
    await found.waitFor({ state: 'detached' })
    await page.getByRole('heading', { name: 'Not protected yet' }).waitFor()
    await second.run('protect', { paths: [folder] })
    await runCard(page, 'Backing up').waitFor({ state: 'detached' })
    await button(page, 'Back up now').click()
    for (const name of ['old.pst', 'letters']) await page.locator('.thing', { hasText: name }).locator('.seal.good').waitFor()
  }

  await t.test('who is not connected yet is asked for the code, in every look', async () => {
    await using pane = await browser.open(founder, '', narrow)
    await pane.page.getByRole('heading', { name: 'Connect to Holdfast on this computer' }).waitFor()
    await assertFineInEveryLook(pane)
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
    await button(page, 'Restore: letters').click()
    await page.getByRole('heading', { name: 'It is back' }).waitFor()
    const [beside] = (await readdir(group.directory)).filter((name) => name.startsWith('letters (backup of '))
    assert.equal(await readFile(join(group.directory, beside as string, 'contract.txt'), 'utf8'), 'signed by both\n')
    assert.equal((await fresh.run('status', { fresh: false })).network?.name, 'Legal')
    await goTo(page, 'protection')
    await page.getByRole('heading', { name: 'Nothing is protected yet' }).waitFor()
    await button(page, 'Restore my archive').click()
    await page.getByRole('heading', { name: /Newest backup/u }).waitFor()
    await button(page, 'Restore everything').click()
    await page.getByRole('heading', { name: 'It is back' }).waitFor()
    for (const name of ['mail.pst', 'old.pst']) {
      const [copy] = (await readdir(watched)).filter((other) => other.startsWith(`${name.slice(0, -4)} (backup of `))
      assert.ok((await readFile(join(watched, copy as string))).equals(await readFile(join(watched, name))))
    }
  })
})
