import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Page } from 'playwright-core'
import { de } from '../../addin/messages/de.ts'
import { en } from '../../addin/messages/en.ts'
import { type PaneOptions, PaneBrowser, paneSize, withoutBrowser } from '../support/pane-browser.ts'
import { startScene } from '../support/pane-scene.ts'
import { assertNamed, button, goTo, openView, views } from './steps.ts'

/** What the pane says in English and not in German, as far as it is said in the same words each time. */
const english = new Set([...phrasesOf(en)].filter((phrase) => !phrasesOf(de).has(phrase)))

function phrasesOf(messages: object): Set<string> {
  return new Set(Object.values(messages).flatMap((value: unknown) => (typeof value === 'string' ? [value] : typeof value === 'object' && value !== null ? [...phrasesOf(value)] : [])))
}

/** Also what only a screen reader says, and placeholders. */
async function shownLines(page: Page): Promise<string[]> {
  return await page.evaluate(`[...document.querySelectorAll('body *')].filter((element) => element.closest('main [lang=en], script, style') === null).flatMap((element) =>
    [...[...element.childNodes].filter(({ nodeType }) => nodeType === Node.TEXT_NODE).map(({ data }) => data), ...['aria-label', 'title', 'placeholder'].map((name) => element.getAttribute(name) ?? '')]).map((text) => text.trim()).filter((text) => text !== '')`) as string[]
}

test('every view, as narrow as Outlook draws it, in every look', { skip: withoutBrowser }, async (t) => {
  await using scene = await startScene(4, 2)
  await using browser = await PaneBrowser.start(scene.group.agents)
  const looks: Record<string, PaneOptions> = {
    light: { size: paneSize }, dark: { size: paneSize, dark: true }, 'high contrast': { size: paneSize, forcedColors: true }, 'German on a wide screen': { locale: 'de-DE' },
    'composing in Outlook': { outlook: { item: 'compose' } }, 'nothing selected in a dark Outlook': { outlook: { item: 'none' }, dark: true },
  }
  for (const [look, options] of Object.entries(looks)) {
    await t.test(`${look}: nothing for axe to find, every name said, no scrolling sideways`, async () => {
      await using pane = await openView(browser, scene.owner, 'protection', options)
      for (const view of views) {
        await goTo(pane.page, view)
        if (view === 'team') assert.deepEqual([await pane.page.locator('table.team').count(), await pane.page.locator('#invite').count()], [1, 1], 'an admin sees the figures')
        assert.deepEqual(await pane.accessibilityFindings(), [], view)
        assert.equal(await pane.overflowPixels(), 0, view)
        await assertNamed(pane.page)
        if (options === looks['light']) assert.ok((await shownLines(pane.page)).some((line) => english.has(line)), 'what is looked for is not found where it is')
        if (options.locale === 'de-DE') assert.deepEqual((await shownLines(pane.page)).filter((line) => english.has(line)), [], view)
      }
      const isDark = await pane.page.evaluate('document.documentElement.dataset.theme')
      assert.equal(isDark, options.dark === true ? 'dark' : 'light')
      assert.equal(await pane.page.evaluate('document.documentElement.lang'), options.locale === 'de-DE' ? 'de' : 'en')
    })
  }

  await t.test('a keyboard alone reaches the whole first screen, in the order of reading', async () => {
    await using pane = await openView(browser, scene.owner, 'protection', { size: paneSize })
    for (const name of ['See the team', 'Choose what to protect']) await button(pane.page, name).first().waitFor()
    await pane.page.getByText('archive.pst').first().waitFor()
    const reached: string[] = []
    for (let step = 0; step < 30; step++) {
      await pane.page.keyboard.press('Tab')
      const name = await pane.page.evaluate('document.activeElement === document.body ? "" : (document.activeElement.getAttribute("aria-label") ?? document.activeElement.textContent).trim()') as string
      if (name === '' || reached.includes(name)) break
      reached.push(name)
    }
    assert.deepEqual(reached.slice(0, 7), ['Protection', 'Restore', 'Team', 'Settings', 'Restore my archive', 'Back up now', 'Pause for a day'])
    assert.ok(reached.includes('See the team') && reached.includes('Choose what to protect') && reached.some((name) => name.includes('archive.pst')))
    await pane.page.keyboard.press('Shift+Tab')
    await pane.page.locator('nav a', { hasText: 'Restore' }).focus()
    await pane.page.keyboard.press('Enter')
    await pane.page.locator('h1', { hasText: 'Get it back' }).waitFor()
    assert.equal(await pane.page.evaluate('document.activeElement.tagName'), 'H1')
    await button(pane.page, 'Restore my archive').waitFor()
  })
})
