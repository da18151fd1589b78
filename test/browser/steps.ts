/** What a person does in the pane: finds a button by its words, goes to a view, waits for what is said. */
import assert from 'node:assert/strict'
import type { Locator, Page } from 'playwright-core'
import { de } from '../../addin/messages/de.ts'
import { en } from '../../addin/messages/en.ts'
import { type RouteName, routes } from '../../addin/routes.ts'
import type { AgentProcess } from '../../agent/demo/agent-process.ts'
import type { Pane, PaneBrowser, PaneOptions } from '../support/pane-browser.ts'
import { ticketHash } from '../support/pane-scene.ts'

/** All but the first run, which only a machine in no group shows. */
export type ViewName = Exclude<RouteName, 'start'>
export const views = routes.filter((route) => route !== 'start')

/** Fluent's buttons tell their role to the browser by ElementInternals, which Playwright's own roles do not read. */
export function button(page: Page | Locator, name: string): Locator {
  const quoted = JSON.stringify(name)
  return page.locator(`fluent-button[aria-label=${quoted}], button[aria-label=${quoted}]`).or(page.locator('fluent-button:not([aria-label]), button:not([aria-label])').filter({ hasText: new RegExp(`^\\s*${RegExp.escape(name)}\\s*$`, 'u') }))
}

/** The card of a run that is under way, by what it does: after a backup the agent tidies up by itself, and shows that in a card of its own. */
export function runCard(page: Page, name: string): Locator {
  return page.getByRole('region', { name, exact: true })
}

/** A pane of a connected person, at a view. */
export async function openView(browser: PaneBrowser, agent: AgentProcess, view: ViewName, options: PaneOptions = {}): Promise<Pane> {
  const pane = await browser.open(agent, await ticketHash(agent), options)
  await pane.page.getByRole('navigation').waitFor()
  await goTo(pane.page, view)
  return pane
}

/** Waits until the view shows all that it asked for. */
export async function goTo(page: Page, view: ViewName): Promise<void> {
  await page.evaluate(`location.hash = '#/${view}'`)
  await page.locator('h1').filter({ hasText: new RegExp(`^(?:${RegExp.escape(en[view].heading)}|${RegExp.escape(de[view].heading)})$`, 'u') }).waitFor({ state: 'attached' })
  await page.locator('main[aria-busy]').waitFor({ state: 'detached' })
  await page.locator('.loading').waitFor({ state: 'detached' })
}

/** Every element that takes the focus has a role and a name in the browser's own accessibility tree, which screen readers read. */
export async function assertNamed(page: Page): Promise<void> {
  const session = await page.context().newCDPSession(page)
  const { nodes } = await session.send('Accessibility.getFullAXTree')
  const focusable = nodes.filter(({ ignored, properties, role }) => !ignored && role?.value !== 'RootWebArea' && properties?.some(({ name, value }) => name === 'focusable' && value.value === true) === true)
  assert.ok(focusable.length > 0, 'nothing takes the focus')
  assert.deepEqual(focusable.filter(({ role, name }) => ['generic', 'none', undefined].includes(role?.value as string | undefined) || String(name?.value ?? '').trim() === '').map(({ role, name }) => `${role?.value} "${name?.value}"`), [])
  await session.detach()
}

/** A button in a row that goes a folder up. */
export const oneFolderUp = '↑ One folder up'

/** What the page put there; it may be asked only of a page that is in front. */
export async function clipboardOf(page: Page): Promise<string> {
  await page.context().grantPermissions(['clipboard-read', 'clipboard-write'])
  return await page.evaluate('navigator.clipboard.readText()') as string
}

/** Clicks a place in the navigation. */
export async function clickPlace(page: Page, name: string, heading: string): Promise<void> {
  await page.getByRole('navigation').getByText(name, { exact: true }).click()
  await page.locator('h1').filter({ hasText: heading }).waitFor({ state: 'attached' })
  await page.locator('.loading').waitFor({ state: 'detached' })
}

/**
 * Waits until an expression is true in the page. It is asked from outside: Playwright's waitForFunction evaluates it within the
 * page from the second time on, which the pane's Content Security Policy forbids.
 */
export async function untilTrue(page: Page, expression: string, signal = AbortSignal.timeout(30_000)): Promise<void> {
  while (!await page.evaluate(`new Promise((then) => { requestAnimationFrame(() => { then(Boolean(${expression})) }) })`)) signal.throwIfAborted()
}
