import assert from 'node:assert/strict'
import { open, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { AgentProcess } from '../../agent/demo/agent-process.ts'
import { person, prepareCompanyHome, tenant } from '../support/company-tokens.ts'
import { callsToOutlook, outlookCalls, savedRoamingSettings } from '../support/fake-outlook-host.ts'
import { PaneBrowser, withoutBrowser } from '../support/pane-browser.ts'
import { startScene } from '../support/pane-scene.ts'
import { assertNamed, button, clickPlace, openView, untilTrue } from './steps.ts'

/** office.js itself refuses what is longer than 27,892,122 characters of base64. */
const mostBytes = 20_919_090

test('inside Outlook, Word and Excel, with the real office.js', { skip: withoutBrowser }, async (t) => {
  await using scene = await startScene(3, 0)
  const { owner, documents, group } = scene
  for (const [name, bytes] of [['talk.mov', mostBytes], ['film.mov', mostBytes + 1]] as const) {
    const large = await open(join(documents, 'plans', name), 'w')
    await large.truncate(bytes)
    await large.close()
  }
  await owner.run('backup', {})
  const companyHome = join(group.directory, 'company')
  const company = await prepareCompanyHome(companyHome)
  await using ofCompany = await AgentProcess.start({ home: companyHome, machine: 'company' })
  await using browser = await PaneBrowser.start([...group.agents, ofCompany])
  let tokens: Record<string, unknown> = {}

  await t.test('a file of a backup is attached to the message that is being written; one that is too large is said to be', async () => {
    await using pane = await openView(browser, owner, 'protection', { outlook: { item: 'compose' } })
    const { page } = pane
    await clickPlace(page, 'Attach', 'Attach from backup')
    await button(page, '▸ plans').click()
    const item = page.locator('.item', { hasText: 'guests.txt' })
    await button(item, 'Attach: guests.txt').click()
    await page.getByText('guests.txt is attached.').waitFor()
    const [call] = await callsToOutlook(page, outlookCalls.attachBase64)
    assert.ok(JSON.stringify(call?.parameters).includes(Buffer.from('Ana, Bo, Chi\n').toString('base64')))
    assert.ok(JSON.stringify(call?.parameters).includes('guests.txt'))
    await button(page, 'Attach: talk.mov').click()
    await page.getByText('talk.mov is attached.').waitFor()
    await page.locator('.item', { hasText: 'film.mov' }).getByText('Too large: Outlook takes at most 20.9 MB').waitFor()
    assert.equal(await button(page, 'Attach: film.mov').count(), 0)
  })

  await t.test('reading a message there is nothing to attach to, and the pane says so', async () => {
    await using pane = await openView(browser, owner, 'attach', { outlook: { item: 'read' } })
    await pane.page.getByText('Open this while you are writing a message').waitFor()
    assert.equal(await pane.page.getByRole('navigation').getByText('Attach').count(), 0)
    await untilTrue(pane.page, `globalThis.__outlookCalls.some(({ dispatch }) => dispatch === ${outlookCalls.writeSettings})`)
    tokens = await savedRoamingSettings(pane.page)
    assert.deepEqual(Object.keys(tokens), ['holdfast.backupTokens'])
  })

  await t.test('"Back up now" in the ribbon starts a backup without a pane and says so in Outlook', async () => {
    const before = (await owner.run('snapshots', {})).snapshots.length
    await using pane = await browser.open(owner, '/commands.html', { outlook: { item: 'read', roamingSettings: tokens } })
    const { page } = pane
    await untilTrue(page, 'typeof globalThis.backUpNow === "function" && globalThis.Office?.context?.mailbox?.item != null')
    await page.evaluate('new Promise((done) => { globalThis.backUpNow({ completed: done }) })')
    const [notified] = await callsToOutlook(page, outlookCalls.replaceNotification)
    assert.match(JSON.stringify(notified?.parameters), /Holdfast has started a backup/u)
    while ((await owner.run('snapshots', {})).snapshots.length === before) await owner.run('status', {})
  })

  await t.test('an Outlook that no pane was ever connected in is told what to do', async () => {
    await using pane = await browser.open(owner, '/commands.html', { outlook: { item: 'read' } })
    const { page } = pane
    await untilTrue(page, 'typeof globalThis.backUpNow === "function" && globalThis.Office?.context?.mailbox?.item != null')
    await page.evaluate('new Promise((done) => { globalThis.backUpNow({ completed: done }) })')
    const [notified] = await callsToOutlook(page, outlookCalls.replaceNotification)
    assert.match(JSON.stringify(notified?.parameters), /Open Protection once and connect it/u)
  })

  for (const [document, file, dark] of [['Word', 'word-win32-16.01.js', false], ['Excel', 'excel-win32-16.01.js', true]] as const) {
    await t.test(`inside ${document}, by its own library: a document is brought back, and nothing is there that only Outlook has`, async () => {
      await using pane = await openView(browser, owner, 'restore', { document, dark })
      const { page } = pane
      assert.ok(pane.requests.some((address) => address.endsWith(`/office/${file}`)))
      assert.deepEqual(await page.evaluate('Office.onReady().then(({ host, platform }) => [host, platform, Office.context.mailbox])'), [document, 'PC', undefined])
      assert.deepEqual(await page.getByRole('navigation').getByRole('link').allInnerTexts(), ['Protection', 'Restore', 'Team', 'Settings'])
      if (document === 'Word') {
        await button(page, 'Restore: archive.pst').click()
        await page.getByRole('heading', { name: 'It is back' }).waitFor()
        await page.getByText('To read it, in Outlook: File').waitFor()
        await button(page, 'Restore something else').click()
      }
      await page.getByText('Look inside').click()
      await button(page, '▸ plans').click()
      const [download] = await Promise.all([page.waitForEvent('download'), button(page, 'Download: guests.txt').click()])
      assert.equal(await readFile(await download.path(), 'utf8'), 'Ana, Bo, Chi\n')
      assert.deepEqual(await pane.accessibilityFindings(), [])
      assert.equal(await pane.overflowPixels(), 0)
      await assertNamed(page)
      assert.equal(await page.evaluate('document.documentElement.dataset.theme'), dark ? 'dark' : 'light')
      assert.equal(await page.evaluate('Object.keys(localStorage).length'), 0, 'a token for a button that only Outlook has')
    })
  }

  await t.test('the company account that Outlook is signed in with connects the pane, at once or when the person may be asked', async () => {
    const accessToken = await company.token()
    await using pane = await browser.open(ofCompany, '', { outlook: { item: 'read', company: { tenant, user: person, accessToken } } })
    await pane.page.getByRole('heading', { name: 'Welcome to Holdfast' }).waitFor()
    await using asked = await browser.open(ofCompany, '', { outlook: { item: 'read', company: { tenant, user: person, accessToken, asks: true } } })
    await button(asked.page, 'Connect with my company account').click()
    await asked.page.getByRole('heading', { name: 'Welcome to Holdfast' }).waitFor()
  })

  await t.test('the token of another person, another tenant, or of yesterday connects nobody', async () => {
    for (const change of [{ user: tenant }, { tenant: person }, { expires: '-1d' }]) {
      await using pane = await browser.open(ofCompany, '', { outlook: { item: 'read', company: { tenant, user: person, accessToken: await company.token(change) } }, expect: /401/u })
      await button(pane.page, 'Connect with my company account').click()
      await pane.page.getByRole('alert').filter({ hasText: 'Cannot connect by the company account' }).waitFor()
    }
  })
})
