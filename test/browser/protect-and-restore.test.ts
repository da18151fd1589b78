import assert from 'node:assert/strict'
import { mkdir, readFile, readdir, rename, rm, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import type { Route } from 'playwright-core'
import { growArchive } from '../../agent/demo/outlook-archive/archive.ts'
import { HoldfastError, toProblem } from '../../shared/errors.ts'
import { PaneBrowser, paneSize, withoutBrowser } from '../support/pane-browser.ts'
import { startScene } from '../support/pane-scene.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { button, clickPlace, clipboardOf, goTo, oneFolderUp, openView, untilTrue } from './steps.ts'

const narrow = { size: paneSize }

test('a backup and a restore by clicking', { skip: withoutBrowser }, async (t) => {
  const home = process.env['HOME'] = await scratchFolder(t) // where the agents begin to show folders
  const [returned, taken, letters] = [join(home, 'returned'), join(home, 'taken'), join(home, 'letters')]
  for (const folder of [returned, taken, letters]) await mkdir(folder)
  await writeFile(join(taken, 'plans'), 'a file where a folder is to be\n')
  await writeFile(join(letters, 'to Bo.txt'), 'dear Bo\n')
  await using scene = await startScene(4, 1)
  const { owner, archive, documents, group } = scene
  await using browser = await PaneBrowser.start(group.agents)

  await t.test('the first screen says what is safe, what grew since, and backs it up on request', async () => {
    await growArchive(archive, { bytes: 300_000, deleteMessages: 1, seed: 7 })
    await using pane = await openView(browser, owner, 'protection', narrow)
    const { page } = pane
    await page.getByRole('heading', { name: 'Everything is protected' }).waitFor()
    const item = page.locator('.thing', { hasText: 'archive.pst' })
    assert.match(await item.innerText(), /new since/u)
    const copies = page.locator('summary', { hasText: 'Where the copies are' })
    assert.match(await copies.innerText(), /3 computers hold/u)
    await copies.click()
    assert.deepEqual((await copies.locator('xpath=..').locator('li .grow').allInnerTexts()).sort(), ['machine-2', 'machine-3', 'machine-4'])
    await button(page, 'Back up now').click()
    await item.filter({ hasNotText: 'new since' }).waitFor()
    assert.equal((await owner.run('snapshots', {})).snapshots.length, 2)
  })

  await t.test('an archive is back in two clicks from the first screen, beside the original', async () => {
    const backedUp = await readFile(archive)
    await using pane = await openView(browser, owner, 'protection', narrow)
    const { page } = pane
    await button(page, 'Restore my archive').click()
    await page.getByRole('heading', { name: /Newest backup/u }).waitFor()
    await button(page, 'Restore my archive').click()
    await page.getByRole('heading', { name: 'It is back' }).waitFor()
    const beside = (await readdir(documents)).filter((name) => name.startsWith('archive (backup of '))
    assert.equal(beside.length, 1)
    assert.ok(backedUp.equals(await readFile(join(documents, beside[0] as string))))
    assert.ok(backedUp.equals(await readFile(archive)))
    assert.match(await page.locator('.done').innerText(), /Open Outlook Data File/u)
    assert.ok((await page.locator('.done').innerText()).includes(beside[0] as string))
    assert.equal(await page.getByText('Open in Outlook').count(), 0, 'no Outlook can be asked here')
    const { available, reason, archives } = await owner.run('outlook', {})
    assert.deepEqual([available, reason, archives], [false, 'not-windows', [join(documents, beside[0] as string)]])
    await assert.rejects(owner.run('outlook open', { path: archives[0] as string }), /only Outlook on Windows/u)
    await assert.rejects(owner.run('outlook open', { path: archive }), /no archive that was restored here/u)
    await page.context().grantPermissions(['clipboard-write'])
    await button(page.locator('.done'), 'Copy').click()
    await page.getByText('Copied').waitFor()
    assert.equal(await clipboardOf(page), join(documents, beside[0] as string))

    await rm(join(documents, beside[0] as string))
    await page.getByRole('navigation').getByText('Protection').click()
    await button(page, 'Restore my archive').click()
    await page.getByRole('heading', { name: /Newest backup/u }).waitFor()
    await button(page, 'Restore my archive').click()
    await page.getByRole('heading', { name: 'It is back' }).waitFor()
    assert.ok(backedUp.equals(await readFile(join(documents, beside[0] as string))), 'in the same two clicks once more')
  })

  await t.test('where Outlook can be asked, a button opens the restored archive in it, and says what Outlook answered', async () => {
    await using pane = await openView(browser, owner, 'protection', narrow)
    const { page } = pane
    const restored = join(returned, 'archive.pst')
    const asked: unknown[] = []
    let answer: object = { problem: toProblem(new HoldfastError('outlook-unavailable', 'Cannot open it in Outlook: Outlook waits for an answer')) }
    const answering = async (route: Route, line: object) => { await route.fulfill({ contentType: 'application/x-ndjson', body: `${JSON.stringify(line)}\n` }) }
    await page.route('**/api/commands/outlook', async (route) => { await answering(route, { result: { available: true, reason: null, detail: null, archives: [] } }) })
    await page.route('**/api/commands/outlook-open', async (route) => {
      asked.push(route.request().postDataJSON())
      await answering(route, answer)
    })
    await goTo(page, 'restore')
    await button(page, 'Another folder').click()
    await button(page, '▸ returned').click()
    await button(page, 'Restore to this folder').click()
    await button(page, 'Restore: archive.pst').click()
    await page.getByRole('heading', { name: 'It is back' }).waitFor()
    await button(page, 'Open in Outlook: archive.pst').click()
    await page.getByRole('alert').filter({ hasText: 'Outlook waits for an answer' }).getByText('Open it by hand').waitFor()
    answer = { result: { path: restored, name: 'Old mail', wasOpen: false } }
    await button(page, 'Open in Outlook: archive.pst').click()
    await page.getByText('It is open in Outlook: “Old mail”').waitFor()
    assert.deepEqual(asked, [{ path: restored }, { path: restored }])
    await page.getByText('Open Outlook Data File').waitFor()
  })

  await t.test('of an older backup one file by its name into a folder of choice, and a folder beside the original', async () => {
    await writeFile(join(documents, 'plans', 'guests.txt'), 'nobody\n')
    await owner.run('backup', {})
    await using pane = await openView(browser, owner, 'restore', narrow)
    const { page } = pane
    await page.getByText('An older backup').click()
    await page.locator('.snapshot').nth(2).click()
    await button(page, 'Back to the newest').waitFor()
    const pickFolder = async () => {
      await button(page, 'Another folder').click()
      await button(page, '▸ returned').click()
      await page.locator('.browser .path', { hasText: returned }).waitFor()
      await button(page, 'Restore to this folder').click()
      await page.locator('p', { hasText: 'Folder to restore to' }).getByText(returned).waitFor()
    }
    await pickFolder()
    await button(page, 'Beside the original again').click()
    await page.getByText('It is put beside the original').waitFor()
    await pickFolder()
    await page.getByText('Look inside').click()
    await button(page, '▸ plans').click()
    await page.locator('.item', { hasText: 'budget 2026.txt' }).waitFor()
    await button(page, oneFolderUp).click()
    await button(page, '▸ plans').waitFor()
    assert.equal(await page.locator('.item', { hasText: 'budget 2026.txt' }).count(), 0)
    await page.getByRole('searchbox').fill('GUESTS')
    await button(page, 'Search').click()
    const found = page.locator('.item', { hasText: 'guests.txt' })
    await found.waitFor()
    const [download] = await Promise.all([page.waitForEvent('download'), button(found, 'Download: guests.txt').click()])
    assert.equal(await readFile(await download.path(), 'utf8'), 'Ana, Bo, Chi\n')
    assert.equal(download.suggestedFilename(), 'guests.txt')
    await button(found, 'Restore: guests.txt').click()
    await page.getByRole('heading', { name: 'It is back' }).waitFor()
    assert.equal(await readFile(join(returned, 'guests.txt'), 'utf8'), 'Ana, Bo, Chi\n')
    assert.deepEqual((await readdir(join(documents, 'plans'))).sort(), ['budget 2026.txt', 'guests.txt'])
    await button(page, 'Restore something else').click()
    await button(page, 'Beside the original again').click()
    await page.getByRole('searchbox').fill('')
    await page.keyboard.press('Enter')
    await button(page.locator('.browser'), 'Restore: plans').click()
    await page.getByRole('heading', { name: 'It is back' }).waitFor()
    const [folder, ...others] = (await readdir(documents)).filter((name) => name.startsWith('plans (backup of '))
    assert.deepEqual(others, [])
    assert.equal(await readFile(join(documents, folder as string, 'guests.txt'), 'utf8'), 'Ana, Bo, Chi\n')
    assert.equal(await readFile(join(documents, 'plans', 'guests.txt'), 'utf8'), 'nobody\n')
    await button(page, 'Restore something else').click()
    await button(page, 'Back to the newest').click()
    await page.getByRole('heading', { name: /Newest backup/u }).waitFor()
    await page.getByRole('searchbox').fill('no such thing')
    await page.keyboard.press('Enter')
    await page.getByText('Nothing of that name in this backup.').waitFor()
  })

  await t.test('everything at once into a folder where not all of it can be, and that is said file by file', async () => {
    await using pane = await openView(browser, owner, 'protection', narrow)
    const { page } = pane
    await page.locator('.thing', { hasText: 'plans' }).click()
    await button(page, 'Restore: plans').click()
    await page.getByRole('heading', { name: /Newest backup/u }).waitFor()
    await button(page, 'Another folder').click()
    await button(page, '▸ taken').click()
    await button(page, 'Restore to this folder').click()
    await button(page, 'Restore everything').click()
    await page.getByRole('heading', { name: 'It is back' }).waitFor()
    await page.locator('.done summary', { hasText: 'could not be restored' }).click()
    await page.locator('.done li', { hasText: join(documents, 'plans') }).first().waitFor()
    assert.deepEqual(await pane.accessibilityFindings(), [])
    assert.ok((await readFile(join(taken, 'archive.pst'))).equals(await readFile(archive)))
    assert.equal(await readFile(join(taken, 'plans'), 'utf8'), 'a file where a folder is to be\n')
  })

  await t.test('what is protected is chosen, taken back, and put back again', async () => {
    await using pane = await openView(browser, owner, 'protection', narrow)
    const { page } = pane
    await page.locator('.thing', { hasText: 'plans' }).click()
    await button(page, 'Stop protecting: plans').click()
    await page.getByText('plans is no longer backed up').waitFor()
    assert.deepEqual((await owner.run('status', { fresh: false })).paths.map(({ path }) => basename(path)), ['archive.pst'])
    await button(page, 'Undo').click()
    await page.locator('.thing', { hasText: 'plans' }).waitFor()
    await button(page, 'Choose what to protect').click()
    await button(page, '▸ letters').click()
    await button(page, 'Protect: to Bo.txt').click()
    await page.getByText('to Bo.txt is protected from now on').waitFor()
    await button(page, oneFolderUp).click()
    await page.locator('.browser .path', { hasText: new RegExp(`${RegExp.escape(home)}$`, 'u') }).waitFor()
    await button(page, '▸ returned').click()
    await button(page, 'Protect this folder: returned').click()
    await page.getByText('returned is protected from now on').waitFor()
    assert.deepEqual((await owner.run('status', { fresh: false })).paths.map(({ path }) => basename(path)).sort(), ['archive.pst', 'plans', 'returned', 'to Bo.txt'])
    await button(page, 'Back').click()
    await page.locator('.thing', { hasText: 'to Bo.txt' }).waitFor()
  })

  await t.test('a folder that was moved away says that the backups have it', async () => {
    const plans = join(documents, 'plans')
    await rename(plans, `${plans} away`)
    await using pane = await openView(browser, owner, 'protection', narrow)
    await pane.page.locator('.thing', { hasText: 'It is not there any more; the backups have it.' }).getByText('plans').first().waitFor()
    await rename(`${plans} away`, plans)
  })

  await t.test('pausing, resuming and settings are what the agent then does', async () => {
    await using pane = await openView(browser, owner, 'protection', narrow)
    const { page } = pane
    await button(page, 'Pause for a day').click()
    await page.getByText(/Paused until/u).waitFor()
    assert.notEqual((await owner.run('status', { fresh: false })).pausedUntil, null)
    await button(page, 'Resume').click()
    await button(page, 'Pause for a day').waitFor()
    for (const [place, heading] of [['Restore', 'Get it back'], ['Team', 'Is everybody protected?'], ['Settings', 'Settings']] as const) await clickPlace(page, place, heading)
    await page.getByLabel('Every day at').fill('22:45')
    await page.getByLabel('At most, upload').fill('2,5')
    await page.getByLabel('Name of this computer').fill('Front desk')
    await button(page, 'Save').click()
    await page.getByText('Saved').waitFor()
    const { settings } = await owner.run('settings', {})
    assert.deepEqual([settings.schedule.cron, settings.limits.uploadBytesPerSecond, settings.label], ['45 22 * * *', 2_500_000, 'Front desk'])
    await page.getByLabel('Keep free on this disk').fill('lots')
    await button(page, 'Save').click()
    await page.getByText('Check this value').waitFor()
    assert.equal((await owner.run('settings', {})).settings.offer.minFree, settings.offer.minFree)
  })

  await t.test('every other setting too; what the agent does not take is told, and nothing is changed', async () => {
    await using pane = await openView(browser, owner, 'settings', narrow)
    const { page } = pane
    for (const more of await page.locator('summary', { hasText: 'More' }).all()) await more.click()
    const typed = {
      'Never between': '08:00', 'and': '17:30', 'Back up a changed archive after so many minutes of rest': '5', 'or as soon as so many MB are new': '40', 'At most, download': '4',
      'Slow links such as a VPN': '10.8.0.0/16 0.5 -', 'Offer at most (GB)': '12', 'Keep free on this disk': '40', 'Folders in which archives are looked for': `${letters}\n${returned}`,
    }
    for (const [label, text] of Object.entries(typed)) await page.getByLabel(label, { exact: label === 'and' }).fill(text)
    await page.getByLabel('Instead of once a day').fill('15 3 * * 1')
    await page.getByLabel('Protect Outlook caches (OST) too').check()
    await button(page, 'Save').click()
    await page.getByText('Saved').waitFor()
    const { settings } = await owner.run('settings', {})
    assert.deepEqual([settings.schedule, settings.limits.downloadBytesPerSecond, settings.limits.slowLinks, settings.offer.quotaBytes, settings.offer.minFree, settings.watchFolders, settings.includeOutlookCaches], [
      { cron: '15 3 * * 1', quietHours: { from: '08:00', to: '17:30' }, settleSeconds: 300, growthBytes: 40 * 2 ** 20 }, 4_000_000,
      [{ network: '10.8.0.0/16', uploadBytesPerSecond: 500_000, downloadBytesPerSecond: null }], 12e9, 0.4, [letters, returned], true,
    ])
    await page.getByLabel('Instead of once a day').fill('when it rains')
    await button(page, 'Save').click()
    const problem = page.getByRole('alert')
    await problem.getByText('when it rains').waitFor()
    await button(problem, 'Close').click()
    await problem.waitFor({ state: 'detached' })
    assert.deepEqual((await owner.run('settings', {})).settings.schedule, settings.schedule)
  })

  await t.test('the recovery kit is found from the settings, printed, confirmed and gone', async () => {
    await using pane = await openView(browser, owner, 'settings', narrow)
    const { page } = pane
    await button(page, 'Show the recovery kit').click()
    await page.locator('.words li').first().waitFor()
    await button(page, 'Later').click()
    await button(page, 'Show the recovery kit').click()
    await page.locator('.words li').first().waitFor()
    await page.evaluate("addEventListener('beforeprint', () => { globalThis.printed = document.querySelectorAll('.words li').length })")
    await button(page, 'Print').click()
    await untilTrue(page, 'globalThis.printed === 24')
    await button(page, 'I have stored it safely').click()
    await page.getByText('The words are erased from this computer').waitFor()
    assert.equal((await owner.run('status', { fresh: false })).keyConfirmed, true)
    await button(page, 'Close').click()
    await button(page, 'Restore my archive').waitFor()
    assert.equal(await button(page, 'Show the recovery kit').count(), 0)
  })

  await t.test('a long history is shown a page at a time', async () => {
    const wanted = 21
    const paths = [join(letters, 'to Bo.txt')]
    let { snapshots } = await owner.run('snapshots', {})
    for (let count = snapshots.length; count < wanted; count++) await owner.run('backup', { paths })
    snapshots = (await owner.run('snapshots', {})).snapshots
    await using pane = await openView(browser, owner, 'restore', narrow)
    const { page } = pane
    await page.getByText('An older backup').click()
    const shown = page.locator('.snapshot')
    assert.equal(await shown.count(), 20)
    await button(page, 'Show more').click()
    await button(page, 'Show more').waitFor({ state: 'detached' })
    assert.equal(await shown.count(), snapshots.length)
  })
})
