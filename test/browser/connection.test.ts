import assert from 'node:assert/strict'
import { rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { AgentProcess } from '../../agent/demo/agent-process.ts'
import { PaneBrowser, paneSize, withoutBrowser } from '../support/pane-browser.ts'
import { pairingCode, startScene } from '../support/pane-scene.ts'
import { assertNamed, button, goTo, openView } from './steps.ts'

const narrow = { size: paneSize }

test('a pane that is not connected, and an agent that goes and comes', { skip: withoutBrowser }, async (t) => {
  await using scene = await startScene(3, 1)
  const { owner, group, documents } = scene
  await using browser = await PaneBrowser.start(group.agents)

  await t.test('without a token it asks for the code, and says when it is wrong', async () => {
    await using pane = await browser.open(owner, '', { ...narrow, expect: /401/u })
    const { page } = pane
    await page.getByRole('heading', { name: 'Connect to Holdfast on this computer' }).waitFor()
    assert.deepEqual(await pane.accessibilityFindings(), [])
    assert.equal(await pane.overflowPixels(), 0)
    await assertNamed(page)
    const code = await pairingCode(owner)
    await page.getByLabel('Code of six characters').fill('AAAAAA')
    await page.keyboard.press('Enter')
    await page.getByRole('alert').filter({ hasText: 'attempts are left' }).waitFor()
    await page.getByLabel('Code of six characters').fill(` ${code.toLowerCase()} `)
    await button(page, 'Connect').click()
    await page.getByRole('heading', { name: 'Everything is protected' }).waitFor()
    assert.equal(await page.evaluate('Object.keys(localStorage).length'), 0, 'a token outlives the tab though nobody asked for that')
    await page.reload()
    await page.getByRole('heading', { name: 'Everything is protected' }).waitFor()
  })

  await t.test('who stays connected is so in the next tab, too', async () => {
    await using pane = await browser.open(owner, '', { ...narrow, expect: /401/u })
    const { page } = pane
    await page.getByLabel('Code of six characters').fill(await pairingCode(owner))
    await page.getByLabel('Stay connected on this computer').check()
    await button(page, 'Connect').click()
    await page.getByRole('heading', { name: 'Everything is protected' }).waitFor()
    const other = await page.context().newPage()
    await other.goto(owner.ready.pane)
    await other.getByRole('heading', { name: 'Everything is protected' }).waitFor()
  })

  await t.test('an old link asks for the code instead of an error that nobody understands', async () => {
    await using pane = await browser.open(owner, '#ticket=aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa', { ...narrow, expect: /401/u })
    await pane.page.getByRole('heading', { name: 'Connect to Holdfast on this computer' }).waitFor()
    assert.equal(await pane.page.evaluate('location.hash'), '#/protection')
  })

  await t.test('when the agent is killed the pane says so, and goes on by itself when it is back', async () => {
    const [, other] = group.agents
    assert.ok(other !== undefined)
    const { home, machine } = other
    const panePort = Number(new URL(other.ready.pane).port)
    await using pane = await openView(browser, other, 'protection', { ...narrow, expect: /net::ERR_|WebSocket|Failed to fetch/u })
    const { page } = pane
    await other.kill()
    await page.getByText('The Holdfast agent is not running on this computer').waitFor()
    await page.getByRole('heading', { name: 'Nothing is backed up now' }).waitFor()
    assert.deepEqual(await pane.accessibilityFindings(), [])
    await using again = await AgentProcess.start({ home, machine, panePort })
    await page.getByText('The Holdfast agent is not running on this computer').waitFor({ state: 'detached' })
    await button(page, 'Choose what to protect').first().waitFor({ timeout: 60_000 })
    await button(page, 'Choose what to protect').first().click()
    await button(page, 'Back').waitFor()
    assert.equal(again.ready.id, other.ready.id)
  })

  await t.test('it says how many computers hold a backup, that the roster is gone, and at once when too few are on to restore', async () => {
    const holder = group.agents[2] as AgentProcess // the only one that is still on
    await writeFile(join(documents, 'plans', 'guests.txt'), 'nobody\n')
    await owner.run('backup', { offlineOk: true })
    await rename(group.roster, `${group.roster} away`)
    while ((await owner.run('status', {})).rosters.every(({ state }) => state === 'ok'));
    await using pane = await openView(browser, owner, 'protection', narrow)
    const { page } = pane
    await page.getByRole('heading', { name: 'Only partly protected' }).waitFor()
    await page.getByText('1 of 2 computers hold it. Switch on the others or add computers').waitFor()
    await page.getByRole('region', { name: 'Needs your attention' }).getByText(/The roster in .* cannot be reached; backups go on without it/u).waitFor()
    assert.deepEqual(await pane.accessibilityFindings(), [])
    await holder.kill()
    await page.getByRole('heading', { name: 'It cannot be restored right now' }).waitFor()
    await page.getByText(/(?:0 of the 2 computers that hold it are on; 1 is needed|The only computer that holds it is off)\. Nothing is lost/u).waitFor()
    await goTo(page, 'team')
    await page.getByRole('row', { name: /cannot be|reachable now/u }).filter({ hasText: 'you' }).getByText('0 of 2 reachable now').first().waitFor()
    assert.deepEqual([await pane.accessibilityFindings(), await pane.overflowPixels()], [[], 0])
  })
})
