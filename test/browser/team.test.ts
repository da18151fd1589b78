import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { PaneBrowser, paneSize, withoutBrowser } from '../support/pane-browser.ts'
import { backUpBefore, startScene } from '../support/pane-scene.ts'
import { assertNamed, button, clipboardOf, openView } from './steps.ts'

const narrow = { size: paneSize }

/** The row of a member, by its accessible name. */
const rowOf = (page: Page, name: string) => page.getByRole('row').filter({ has: page.getByRole('rowheader', { name }) })

test('the team: who is protected, and what an admin does about it', { skip: withoutBrowser }, async (t) => {
  await using scene = await startScene(['Ana', 'Bo', 'Chi', 'Dee'], 1)
  const { owner, group } = scene
  await backUpBefore(scene, 2, 9)
  const [, bo, chi] = group.agents
  assert.ok(bo !== undefined && chi !== undefined)
  while ((await owner.run('coverage', {})).members.some(({ name, lastSnapshotAgeSeconds }) => name === 'Chi' && lastSnapshotAgeSeconds === null)) await owner.run('coverage', {})
  await using browser = await PaneBrowser.start(group.agents)

  await t.test('the first screen and the team tell in one look who is not, the worst first, and why', async () => {
    await using pane = await openView(browser, owner, 'protection', narrow)
    const { page } = pane
    const card = page.getByRole('region', { name: /Your team: 1 of 4 are protected/u })
    assert.match(await card.getByText('no backup for 9 days').locator('xpath=..').innerText(), /Chi/u)
    await button(page, 'See the team').click()
    await page.getByRole('heading', { name: '1 of 4 are protected' }).waitFor()
    const tiles = await page.locator('.tile').allInnerTexts()
    assert.deepEqual(tiles.map((text) => /Ana|Bo|Chi|Dee/u.exec(text)?.[0]), ['Chi', 'Bo', 'Dee', 'Ana'])
    assert.match(await rowOf(page, 'Bo').innerText(), /has chosen nothing yet/u)
    const [download] = await Promise.all([page.waitForEvent('download'), button(page, 'Save as CSV').click()])
    assert.match(await readFile(await download.path(), 'utf8'), /^\uFEFFstanding,name,.*\r\noverdue,Chi,protected,/u)
  })

  await t.test('who is no admin sees the same picture, and changes nothing', async () => {
    await using pane = await openView(browser, bo, 'team', narrow)
    await pane.page.getByText('1 of 4 are protected').waitFor()
    assert.equal(await pane.page.getByRole('table').count(), 0)
    assert.equal(await button(pane.page, 'Make an invitation').count(), 0)
  })

  await t.test('a machine is given up, after a question, and taken back', async () => {
    await using pane = await openView(browser, owner, 'team', narrow)
    const { page } = pane
    await button(page, 'Remove: Bo').click()
    const dialog = page.getByRole('dialog', { name: 'Remove Bo?' })
    await dialog.waitFor()
    assert.deepEqual(await pane.accessibilityFindings(), [])
    await assertNamed(page)
    await page.keyboard.press('Escape')
    await dialog.waitFor({ state: 'detached' })
    await button(page, 'Remove: Bo').click()
    await button(page, 'It will not come back').click()
    await page.getByText('Bo is given up').waitFor()
    await rowOf(page, 'Bo').getByText('Take back').waitFor()
    await button(page, 'Undo').click()
    await page.getByText('Bo counts as a member again').waitFor()
    await button(page, 'Remove: Bo').click()
    await button(page, 'It will not come back').click()
    await button(page, 'Take back: Bo').click()
    await page.getByText('Bo counts as a member again').waitFor()
    await button(page, 'Remove: Bo').waitFor()
    assert.equal((await owner.run('coverage', { fresh: false })).members.find(({ name }) => name === 'Bo')?.lost, false)
  })

  await t.test('the number of copies is changed, after a question, and changed back', async () => {
    await using pane = await openView(browser, owner, 'team', narrow)
    const { page } = pane
    const select = page.getByLabel('For the whole group')
    await select.selectOption('mirror-2')
    await button(page, 'Cancel').click()
    assert.equal(await select.inputValue(), 'auto')
    await select.selectOption('mirror-2')
    await button(page, 'Change').click()
    await page.getByText('New backups are made by “2 whole copies” from now on').waitFor()
    assert.equal((await owner.run('network settings', {})).settings.redundancy, 'mirror-2')
    await button(page, 'Undo').click()
    await page.getByText('New backups are made by “Automatic').waitFor()
    assert.equal((await owner.run('network settings', {})).settings.redundancy, 'auto')
  })

  await t.test('who asks to come in is let in or turned away, after a look at the number of the machine', async () => {
    await owner.run('network settings', { change: { admission: 'approved' } })
    const { invitation, id } = await owner.run('network invite', { count: 2 })
    const [guest, stranger] = [await group.start('guest'), await group.start('stranger')]
    for (const joiner of [guest, stranger]) assert.equal((await joiner.run('network join', { invitation, label: joiner.machine })).waiting, true)
    await using pane = await openView(browser, owner, 'team', narrow)
    const { page } = pane
    await page.getByRole('heading', { name: 'Want to join' }).waitFor()
    assert.deepEqual(await pane.accessibilityFindings(), [])
    await button(page, 'Decide: stranger').click()
    const dialog = page.getByRole('dialog', { name: 'Let stranger in?' })
    await dialog.getByText(stranger.ready.id.slice(0, 8)).waitFor()
    await button(dialog, 'Turn away').click()
    await page.getByText('stranger is turned away').waitFor()
    await button(page, 'Decide: guest').click()
    await button(page.getByRole('dialog'), 'Let in').click()
    await page.getByText('guest is a member now').waitFor()
    await page.getByRole('heading', { name: 'Want to join' }).waitFor({ state: 'detached' })
    while ((await guest.run('status', {})).network?.members !== 5) await owner.run('status', {})
    assert.ok(!(await owner.run('coverage', {})).members.some(({ name }) => name === 'stranger'))
    await owner.run('network revoke', { machine: 'guest' })
    await owner.run('network uninvite', { id })
    await owner.run('network settings', { change: { admission: 'open' } })
  })

  await t.test('an invitation is made and withdrawn, and a machine in wrong hands is shut out', async () => {
    await using pane = await openView(browser, owner, 'team', narrow)
    const { page } = pane
    await button(page, 'Make an invitation').click()
    const invitation = await page.locator('.invitation').innerText()
    await page.context().grantPermissions(['clipboard-write'])
    await button(page, 'Copy').click()
    await page.getByText('Copied').waitFor()
    assert.equal(await clipboardOf(page), invitation)
    await button(page, 'Close').click()
    await page.locator('.invitation').waitFor({ state: 'detached' })
    await button(page, 'Make an invitation').waitFor()
    await page.getByText('open invitation').click()
    await page.locator('[aria-label^="Withdraw"]').first().click()
    await button(page.getByRole('dialog'), 'Withdraw').click()
    await page.getByText('The invitation is withdrawn').waitFor()
    assert.ok((await owner.run('network invitations', {})).invitations.some(({ state }) => state === 'revoked'))
    await assert.rejects((await group.start('late')).run('network join', { invitation, label: 'late' }))
    await button(page, 'Remove: Dee').click()
    await button(page, 'Shut it out for good').click()
    await page.getByText('Dee is shut out').waitFor()
    await page.getByRole('heading', { name: 'of 3 are protected' }).waitFor()
    assert.equal(await rowOf(page, 'Dee').count(), 0)
  })
})
