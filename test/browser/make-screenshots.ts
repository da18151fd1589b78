/** Draws every view of the pane of a real work group into docs/images: `npm run screenshots [-- FOLDER [NAME…]]`. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { type PaneOptions, PaneBrowser, paneSize } from '../support/pane-browser.ts'
import { startScene, ticketHash } from '../support/pane-scene.ts'

const [, , given, ...only] = process.argv
const folder = given ?? join(import.meta.dirname, '..', '..', 'docs', 'images')
mkdirSync(folder, { recursive: true })

await using scene = await startScene(5, 3)
const { owner, group } = scene
await using browser = await PaneBrowser.start(group.agents)

async function shoot(name: string, hash: string, options: PaneOptions, steps: (page: Page) => Promise<void> = async () => {}): Promise<void> {
  if (only.length > 0 && !only.includes(name)) return
  await using pane = await browser.open(owner, await ticketHash(owner), options)
  const { page } = pane
  await page.getByRole('navigation').waitFor()
  if (hash !== '') await page.evaluate((to) => { (globalThis as unknown as { location: { hash: string } }).location.hash = to }, hash)
  await page.locator('.loading').waitFor({ state: 'detached' })
  await steps(page)
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: true, animations: 'disabled' })
  const findings = await pane.accessibilityFindings()
  const overflow = await pane.overflowPixels()
  process.stdout.write(`${name}: ${findings.length === 0 ? 'accessible' : findings.join('; ')}, overflow ${overflow} px\n`)
}

const narrow = { size: paneSize }
for (const dark of [false, true]) {
  const tone = dark ? '-dark' : ''
  await shoot(`protection${tone}`, '', { ...narrow, dark })
  await shoot(`restore${tone}`, '#/restore', { ...narrow, dark })
  await shoot(`team${tone}`, '#/team', { ...narrow, dark })
}
await shoot('team-wide', '#/team', {})
await shoot('settings', '#/settings', narrow)
await shoot('choose', '#/choose', narrow)
await shoot('kit', '#/kit', narrow)
await shoot('restore-inside', '#/restore', narrow, async (page) => {
  await page.getByText('Look inside').click()
  await page.getByRole('button', { name: 'plans' }).first().waitFor()
})
