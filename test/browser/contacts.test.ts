import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { AgentProcess } from '../../agent/demo/agent-process.ts'
import { heardEarlier } from '../support/contact-time.ts'
import { PaneBrowser, paneSize, withoutBrowser } from '../support/pane-browser.ts'
import { startGroup } from '../support/process-group.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { seededBytes } from '../support/trees.ts'
import { assertNamed, button, goTo, openView } from './steps.ts'

const narrow = { size: paneSize }

test('a recovery contact is chosen, asks, is seen, opens the backup, and is ended, all by clicking', { skip: withoutBrowser }, async (t) => {
  const home = await scratchFolder(t)
  process.env['HOME'] = home // where the agents begin to show folders
  await using group = await startGroup(['Ana', 'Bo', 'Chiara'])
  const [owner, contact, keeper] = group.agents as [AgentProcess, AgentProcess, AgentProcess]
  const file = join(group.directory, 'mail.bin')
  writeFileSync(file, seededBytes(300_000, 3))
  await owner.run('protect', { paths: [file] })
  await owner.run('backup', {})
  await using browser = await PaneBrowser.start(group.agents)
  await using mine = await openView(browser, owner, 'team', narrow)
  await using theirs = await openView(browser, contact, 'team', { ...narrow, locale: 'de-DE' })

  await mine.page.locator('.contacts select').first().selectOption({ label: 'Bo' })
  await mine.page.getByLabel('Time to refuse').selectOption('7')
  await button(mine.page, 'Choose').click()
  await mine.page.getByRole('heading', { name: 'May Bo open your backup?' }).waitFor()
  await button(mine.page.locator('dialog'), 'Choose').click()
  await mine.page.getByText('Bo is a recovery contact now').waitFor()
  await mine.page.locator('.contacts .item', { hasText: 'nobody asked; 7 days to refuse' }).waitFor()
  assert.deepEqual(await mine.accessibilityFindings(), [])
  assert.equal(await mine.overflowPixels(), 0)
  await assertNamed(mine.page)

  while ((await contact.run('recovery-contact list', {})).others.length === 0) await contact.run('status', {})
  await goTo(theirs.page, 'protection')
  await theirs.page.getByText('Was dieser Rechner für die anderen aufbewahrt').click()
  assert.match(await theirs.page.locator('.holders li', { hasText: 'höchstens' }).innerText(), /Ana[^]*\d\skB von höchstens \d/u)
  await goTo(theirs.page, 'team')
  await button(theirs.page, 'Darum bitten: Ana').click()
  await theirs.page.getByLabel('Warum').waitFor()
  await button(theirs.page, 'Abbrechen').click()
  await theirs.page.getByLabel('Warum').waitFor({ state: 'detached' })
  await button(theirs.page, 'Darum bitten: Ana').click()
  await theirs.page.getByLabel('Warum').fill('Laptop gestohlen')
  await button(theirs.page, 'Jetzt bitten').click()
  await theirs.page.getByText('Die Anfrage für die Sicherung von Ana ist gestellt').waitFor()

  while ((await owner.run('recovery-contact list', {})).mine[0]?.state !== 'asked') await owner.run('status', {})
  await goTo(mine.page, 'protection')
  const alarm = mine.page.getByRole('alert')
  assert.match(await alarm.innerText(), /Bo wants to open your backup[^]*opens in [67] days “Laptop gestohlen”/u)

  // Asked and opened days later: who keeps the other half gives it.
  while ((await keeper.run('status', {})).notices.every(({ code }) => code !== 'contact-asked-other'));
  group.agents[2] = await laterBy(keeper, 8)
  await button(theirs.page, 'In einen Ordner zurückholen: Ana').click()
  assert.equal(await theirs.page.locator('.contacts .crumbs .path').innerText(), home)
  await button(theirs.page, 'In diesen Ordner zurückholen').click()
  await theirs.page.locator('.contacts .message.good').waitFor()
  assert.ok(readFileSync(join(home, 'mail.bin')).equals(readFileSync(file)))

  await button(alarm, 'End it').click()
  await mine.page.getByRole('heading', { name: 'End what Bo may do?' }).waitFor()
  await button(mine.page.locator('dialog'), 'End it').click()
  await mine.page.getByText('Bo is no recovery contact any more').waitFor()
  await alarm.waitFor({ state: 'detached' })
  const notEnded = async () => (await owner.run('recovery-contact list', {})).mine.filter(({ state }) => state !== 'ended').map(({ name }) => name)
  assert.deepEqual(await notEnded(), [])

  // One that nobody asked by is ended in the list.
  await owner.run('recovery-contact add', { machine: 'Chiara' })
  await goTo(mine.page, 'team')
  await button(mine.page, 'End it: Chiara').click()
  await button(mine.page.locator('dialog'), 'End it').click()
  await mine.page.getByText('Chiara is no recovery contact any more').waitFor()
  assert.deepEqual(await notEnded(), [])
})

/** The agent again, as if it had heard of every request `days` earlier. */
async function laterBy(agent: AgentProcess, days: number): Promise<AgentProcess> {
  await agent.stop()
  heardEarlier(agent.home, days)
  return await AgentProcess.start({ home: agent.home, machine: agent.machine })
}
