import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { en } from '../../addin/messages/en.ts'
import type { AgentProcess } from '../../agent/demo/agent-process.ts'
import { PaneBrowser, paneSize, withoutBrowser } from '../support/pane-browser.ts'
import { startGroup } from '../support/process-group.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { seededBytes } from '../support/trees.ts'
import { untilAnswer } from '../support/until-answer.ts'
import { assertNamed, button, goTo, openView, runCard } from './steps.ts'

const narrow = { size: paneSize }

test('who leaves says what becomes of the backups; a colleague restores them and lets them go; all by clicking', { skip: withoutBrowser }, async (t) => {
  const home = await scratchFolder(t)
  process.env['HOME'] = home // where the agents begin to show folders
  await using group = await startGroup(['Ana', 'Bo', 'Chiara'], { redundancy: 'mirror-2' })
  const [founder, leaver, colleague] = group.agents as [AgentProcess, AgentProcess, AgentProcess]
  const file = join(group.directory, 'work.bin')
  for (const agent of [founder, leaver]) {
    writeFileSync(file, seededBytes(300_000, 5))
    await agent.run('protect', { paths: [file] })
    await agent.run('backup', {})
  }
  writeFileSync(file, 'a little of what came later')
  await leaver.run('backup', {})
  writeFileSync(file, seededBytes(300_000, 5))
  await using browser = await PaneBrowser.start(group.agents)

  // The last admin makes another one first; backups are erased only by who types the name.
  {
    await using pane = await openView(browser, founder, 'team', narrow)
    const { page } = pane
    await page.getByText('Leave the work group').click()
    await page.getByText('This computer has the only admin of the work group').waitFor()
    await page.locator('.leave select').selectOption({ label: 'Chiara' })
    await button(page, 'Make admin').click()
    await page.getByText('Chiara is an admin now').waitFor()
    await page.getByText('They are erased').click()
    const leave = button(page.locator('.leave'), 'Leave…')
    assert.equal(await leave.getAttribute('aria-disabled'), 'true')
    await page.getByLabel('To erase them, type the name of this computer: Ana').fill('Anna')
    assert.equal(await leave.getAttribute('aria-disabled'), 'true')
    await page.getByLabel('To erase them, type the name of this computer: Ana').fill('Ana')
    await leave.click()
    await page.getByRole('heading', { name: 'Leave “Test”?' }).waitFor()
    await button(page.locator('dialog'), 'Cancel').click()
    await page.getByText('Your recovery kit is not stored yet').waitFor()
    assert.deepEqual(await pane.accessibilityFindings(), [])
    assert.equal(await pane.overflowPixels(), 0)
    await assertNamed(page)
    assert.equal((await founder.run('status', { fresh: false })).network?.members, 3)
    await page.getByText('They are kept for some time').click()
    assert.equal(await page.getByLabel('For so many days').inputValue(), '90')
    await button(page.locator('.leave'), 'Show the recovery kit').click()
    await page.locator('.words li').nth(23).waitFor()
  }

  // Backups are handed over, although what is kept for the others has nowhere to go.
  {
    await using pane = await openView(browser, leaver, 'team', narrow)
    const { page } = pane
    await page.getByText('Leave the work group').click()
    await page.getByText('A colleague gets them').click()
    await page.locator('.leave select').selectOption({ label: 'Chiara' })
    assert.equal(await page.getByLabel('For so many days').inputValue(), '365')
    await page.getByLabel('For so many days').fill('400')
    await button(page.locator('.leave'), 'Leave…').click()
    await page.getByText('Chiara can restore your backups for 400 days').waitFor()
    await button(page.locator('dialog'), 'Leave…').click()
    await page.getByText(/\d of \d parts that are kept here for the others have nowhere to go/u).waitFor()
    assert.equal((await leaver.run('status', { fresh: false })).network?.members, 3, 'it is a member still')
    assert.deepEqual((await colleague.run('handed-over list', {})).backups, [])
    await button(page, 'Leave all the same').click()
    await button(page.locator('dialog'), 'Leave all the same').click()
    await page.getByRole('heading', { name: 'This computer is no longer in “Test”' }).waitFor()
    await page.getByText('Chiara can restore your backups for 400 days').waitFor()
    assert.deepEqual(await pane.accessibilityFindings(), [])
    assert.equal((await leaver.run('status', { fresh: false })).network, null)
    await page.reload()
    await page.getByText('This computer has left its work group').waitFor()
    await page.getByText('I have an invitation').waitFor()
  }

  const { invitation } = await founder.run('network invite', { count: 2 })
  const dora = await group.start('Dora')
  await dora.run('network join', { invitation, label: dora.machine })

  // The colleague restores them to a folder, passes them on and lets them go, in German.
  {
    await untilAnswer(async () => await colleague.run('handed-over list', {}), ({ backups }) => backups[0]?.keepDays === 400, { what: 'the colleague hears of it', patienceMs: 60_000, everyMs: 200 })
    await using pane = await openView(browser, colleague, 'team', { ...narrow, locale: 'de-DE' })
    const { page } = pane
    await page.getByRole('heading', { name: 'Ihnen übergeben' }).waitFor()
    await page.getByText('bleibt 400 Tage').waitFor()
    await button(page, 'In einen Ordner zurückholen: Bo').click()
    await page.getByLabel('Welche Sicherung').waitFor()
    assert.equal(await page.getByLabel('Welche Sicherung').locator('option').count(), 2)
    await page.getByLabel('Welche Sicherung').selectOption({ index: 1 }) // the older one
    assert.deepEqual(await pane.accessibilityFindings(), [])
    assert.equal(await pane.overflowPixels(), 0)
    await button(page, 'In diesen Ordner zurückholen').click()
    await page.locator('.contacts .message.good').waitFor()
    assert.ok(readFileSync(join(home, 'work.bin')).equals(readFileSync(file)))
    await button(page, 'Weitergeben: Bo').click()
    await page.getByLabel('Rechner, der sie auch öffnet').selectOption({ label: 'Dora' })
    assert.deepEqual(await pane.accessibilityFindings(), [])
    assert.equal(await pane.overflowPixels(), 0)
    await button(page.locator('.contacts form'), 'Weitergeben').click()
    await page.getByText('Die Sicherung von Bo öffnet sich auf Chiara und Dora').waitFor()
    await button(page, 'Weitergeben: Bo').click()
    await page.getByLabel('Rechner, der sie auch öffnet').selectOption({ label: 'Ana' })
    await button(page.locator('.contacts form'), 'Weitergeben').click()
    await page.getByText(/Die Sicherung von Bo öffnet sich auf .*Ana/u).waitFor()
    await button(page, 'Weitergeben: Bo').waitFor({ state: 'detached' })
    await button(page, 'Aufgeben: Bo').click()
    await page.getByRole('heading', { name: 'Die Sicherung von Bo aufgeben?' }).waitFor()
    await button(page.locator('dialog'), 'Aufgeben').click()
    await page.getByText('Die Sicherung von Bo ist aufgegeben').waitFor()
    assert.deepEqual((await colleague.run('handed-over list', {})).backups, [])
    await goTo(page, 'team')
    await button(page, 'Aufgeben: Bo').waitFor({ state: 'detached' })
  }

  const emil = await group.start('Emil')
  await emil.run('network join', { invitation, label: emil.machine })
  await colleague.run('protect', { paths: [file] })
  await colleague.run('backup', {})
  await colleague.run('settings', { change: { limits: { uploadBytesPerSecond: 120_000 } } })
  await colleague.stop()
  const slow = await group.start('Chiara', colleague.home) // a limit is taken up at the start
  await using later = await PaneBrowser.start([founder, slow, emil])

  // What goes to others over a slow line can be stopped; then it goes, and the backups are kept.
  {
    await using pane = await openView(later, slow, 'team', narrow)
    const { page } = pane
    const leaving = en.progress.names['network leave'] as string
    await page.getByText('Leave the work group').click()
    await page.getByLabel('For so many days').fill('60')
    const leave = async () => {
      await button(page.locator('.leave'), 'Leave…').click()
      await page.getByText('Your backups are kept for 60 days').waitFor()
      await button(page.locator('dialog'), 'Leave…').click()
    }
    await leave()
    await runCard(page, leaving).getByText(/ of [\d.]+\s[kM]B/u).waitFor()
    await button(runCard(page, leaving), 'Cancel').click()
    await page.getByText('Stopped. This computer is still a member').waitFor()
    assert.equal((await slow.run('status', { fresh: false })).network?.members, 4)
    await leave()
    await page.getByRole('heading', { name: 'This computer is no longer in “Test”' }).waitFor({ timeout: 60_000 })
    await page.getByText('Your backups are kept for 60 days. Keep the recovery kit').waitFor()
    await page.getByText(/\b(\d+) of \1 parts that were kept here for the others are on other computers/u).waitFor()
    assert.equal((await slow.run('status', { fresh: false })).network, null)
  }

  // Backups are erased by who typed the name: no holder keeps them longer than it must.
  {
    await founder.run('network admin add', { machine: 'Dora' })
    await using pane = await openView(later, founder, 'team', narrow)
    const { page } = pane
    await page.getByText('Leave the work group').click()
    await page.getByText('They are erased').click()
    await page.getByLabel('To erase them, type the name of this computer: Ana').fill('Ana')
    await button(page.locator('.leave'), 'Leave…').click()
    await page.getByText('Your backups are erased. After that nobody can bring them back').waitFor()
    await button(page.locator('dialog'), 'Erase and leave').click()
    await page.getByRole('heading', { name: 'This computer is no longer in “Test”' }).waitFor()
    await page.getByText('The others let your backups go after 8 weeks').waitFor()
    assert.equal((await founder.run('status', { fresh: false })).network, null)
  }

  // Nobody is left to hear that a colleague gets the backups.
  {
    await dora.kill()
    await using pane = await openView(later, emil, 'team', narrow)
    const { page } = pane
    await page.getByText('Leave the work group').click()
    await page.getByText('A colleague gets them').click()
    await button(page.locator('.leave'), 'Leave…').click()
    await button(page.locator('dialog'), 'Leave…').click()
    await button(page, 'Leave all the same').click()
    await button(page.locator('dialog'), 'Leave all the same').click()
    await page.getByText('No other computer is on').waitFor()
    assert.equal((await emil.run('status', { fresh: false })).network?.members, 2)
  }
})
