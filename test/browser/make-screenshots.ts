/** Draws every view of the pane of a real work group into docs/images: `npm run screenshots [-- FOLDER [NAME…]]`. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Page } from 'playwright-core'
import { AgentProcess } from '../../agent/demo/agent-process.ts'
import { createArchive, growArchive } from '../../agent/demo/outlook-archive/archive.ts'
import { answerMetered } from '../support/metered.ts'
import { type PaneOptions, PaneBrowser, paneSize } from '../support/pane-browser.ts'
import { backUpBefore, startScene, ticketHash } from '../support/pane-scene.ts'
import { button } from './steps.ts'

const [, , given, ...only] = process.argv
const folder = given ?? join(import.meta.dirname, '..', '..', 'docs', 'images')
mkdirSync(folder, { recursive: true })

/** What a person finds when they choose what to protect. */
const person = mkdtempSync(join(tmpdir(), 'ana-'))
for (const name of ['Contracts', 'Mail/Outlook Files', 'Photos', 'Taxes 2026']) mkdirSync(join(person, name), { recursive: true })
process.env['HOME'] = person
process.once('exit', () => { rmSync(person, { recursive: true, force: true }) })

/** A group as it is in life: most are protected and have tried a restore, one was not backed up for days, one for long, one has chosen nothing. */
const names = ['Ana', 'Bo', 'Chiara', 'Dimitri', 'Eve', 'Farid', 'Greta']
const longestAgo = 9
const daysAgo = [[1, 0], [2, 0.1], [3, 4.5], [4, longestAgo], [5, 0.2]] as const
await using scene = await startScene(names, 3)
const { group, archive } = scene
let { owner } = scene
await owner.run('drill', {})
for (const [index, days] of daysAgo) await backUpBefore(scene, index, days, { drill: days !== longestAgo })
await using fresh = await group.start('fresh')
while ((await owner.run('coverage', {})).members.filter(({ lastVerifiedRestore }) => lastVerifiedRestore === null).length > 2) await owner.run('coverage', {})
await owner.run('recovery-contact add', { machine: 'Bo' })
await (group.agents[2] as AgentProcess).run('recovery-contact add', { machine: 'Ana', waitDays: 7 })
while ((await owner.run('recovery-contact list', {})).others.length === 0) await owner.run('status', {})
await using browser = await PaneBrowser.start([...group.agents, fresh])

interface Picture extends PaneOptions {
  readonly agent?: AgentProcess
  /** Not connected: no ticket is taken. */
  readonly isStranger?: boolean
  readonly steps?: (page: Page) => Promise<void>
  /** Only what is on the screen: something stands over the page. */
  readonly screenOnly?: boolean
}

async function shoot(name: string, view: string, { agent = owner, isStranger = false, screenOnly = false, steps, ...options }: Picture = {}): Promise<void> {
  if (only.length > 0 && !only.includes(name)) return
  await using pane = await browser.open(agent, isStranger ? '' : await ticketHash(agent), { size: paneSize, expect: /./u, ...options })
  const { page } = pane
  await page.locator('h1').waitFor({ state: 'attached' })
  if (!isStranger && agent === owner) await page.getByRole('navigation').waitFor()
  if (view !== '') await page.evaluate(`location.hash = '#/${view}'`)
  await page.locator('.loading').waitFor({ state: 'detached' })
  if (view === 'protection') await page.getByText(names.at(-1) as string).first().waitFor()
  if (view === 'team') await page.locator('.contacts').waitFor()
  await page.waitForLoadState('networkidle')
  await steps?.(page)
  await page.mouse.move(0, 0)
  if (!screenOnly) await page.evaluate('scrollTo(0, 0)')
  await page.screenshot({ path: join(folder, `${name}.png`), fullPage: !screenOnly, animations: 'disabled' })
  const findings = await pane.accessibilityFindings()
  const overflow = await pane.overflowPixels()
  process.stdout.write(`${name}: ${findings.length === 0 ? 'accessible' : findings.join('; ')}, overflow ${overflow} px\n`)
  if (findings.length > 0 || overflow > 0) process.exitCode = 1
}

const wide = { size: { width: 1000, height: 700 } }
const inside = async (page: Page) => {
  await page.getByText('Look inside').click()
  await page.getByRole('button', { name: 'plans' }).first().waitFor()
}
for (const dark of [false, true]) {
  const tone = dark ? '-dark' : ''
  for (const view of ['protection', 'restore', 'team', 'settings', 'choose', 'kit']) await shoot(`${view}${tone}`, view, { dark })
  await shoot(`attach${tone}`, 'attach', { dark, outlook: { item: 'compose' } })
  await shoot(`start${tone}`, '', { dark, agent: fresh })
  await shoot(`pairing${tone}`, '', { dark, isStranger: true })
}
await shoot('protection-wide', 'protection', wide)
await shoot('team-wide', 'team', wide)
await shoot('team-wide-dark', 'team', { ...wide, dark: true })
await shoot('team-high-contrast', 'team', { forcedColors: true })
await shoot('protection-german', 'protection', { locale: 'de-DE', steps: async (page) => { await page.getByText('Was dieser Rechner für die anderen aufbewahrt').click() } })
await shoot('team-german', 'team', { locale: 'de-DE' })
await shoot('restore-inside', 'restore', { steps: inside })
await shoot('restore-older', 'restore', { steps: async (page) => { await page.getByText('An older backup').click() } })
await shoot('recover', '', { agent: fresh, steps: async (page) => { await page.getByText('My old computer is lost').click() } })
await shoot('sign-in', '', { agent: fresh, steps: async (page) => {
  await page.getByText('Start a work group').click()
  await page.getByLabel('Name of the work group').fill('Legal')
  await page.getByLabel('Folder that all computers').fill('sharepoint:https://contoso.sharepoint.com/sites/legal?client=11111111-2222-3333-4444-555555555555')
  await button(page, 'Start').click()
  await page.getByRole('heading', { name: 'Sign in first' }).waitFor()
} })
await shoot('remove', 'team', { screenOnly: true, steps: async (page) => { await button(page, 'Remove: Eve').click() } })
await shoot('leave', 'team', { agent: group.agents[1] as AgentProcess, steps: async (page) => {
  await page.getByText('Leave the work group').click()
  await page.getByText('A colleague gets them').click()
} })
await shoot('attach-nothing', 'attach')
await shoot('restored', 'restore', { steps: async (page) => {
  await button(page, 'Restore my archive').click()
  await page.getByRole('heading', { name: 'It is back' }).waitFor()
} })
if (only.length === 0 || only.includes('protection-found')) {
  await createArchive(join(person, 'Mail', 'Outlook Files', 'Old projects.pst'), { bytes: 4_000_000, seed: 3 })
  await owner.run('settings', { change: { watchFolders: [join(person, 'Mail')] } })
  await shoot('protection-found', 'protection', { steps: async (page) => { await button(page, 'Protect: Old projects.pst').waitFor() } })
  await owner.run('settings', { change: { watchFolders: [] } })
}
if (only.length === 0 || only.some((name) => name.endsWith('-partly'))) {
  const off = [4, 5].map((index) => ({ index, agent: group.agents[index] as AgentProcess }))
  for (const { agent } of off) await agent.kill()
  await growArchive(archive, { bytes: 400_000, seed: 8 })
  await owner.run('backup', { offlineOk: true })
  await shoot('protection-partly', 'protection', { steps: async (page) => { await page.getByText('Only partly protected').waitFor() } })
  await shoot('team-partly', 'team', wide)
  for (const { index, agent: { home, machine } } of off) group.agents[index] = await AgentProcess.start({ home, machine })
  while ((await owner.run('repair', {})).protection.state !== 'protected');
}
if (only.length === 0 || only.some((name) => /^protection-(?:waits|slowly)/u.test(name))) {
  const metered = join(group.directory, 'metered')
  const { home, machine } = owner
  await owner.stop()
  owner = group.agents[0] = await AgentProcess.start({ home, machine, environment: answerMetered(join(group.directory, 'bin'), metered) })
  await owner.run('settings', { change: { schedule: { settleSeconds: 0.5 }, limits: { uploadBytesPerSecond: 200_000 } } })
  writeFileSync(metered, '(<uint32 1>,)') // it costs money
  await growArchive(archive, { bytes: 20_000_000, seed: 9 })
  const untilPace = async (state: 'wait' | 'slow') => { while ((await owner.run('status', {})).pace.state !== state); }
  await untilPace('wait')
  for (const [tone, dark] of [['', false], ['-dark', true]] as const) await shoot(`protection-waits${tone}`, 'protection', { dark })
  await shoot('protection-waits-german', 'protection', { locale: 'de-DE' })
  await owner.run('settings', { change: { politeness: { onMetered: 'slow' } } })
  await untilPace('slow')
  await shoot('protection-slowly', 'protection', { steps: async (page) => { await page.getByText('slowly, while').waitFor() } })
}
if (only.length === 0 || only.includes('agent-stopped')) {
  await shoot('agent-stopped', 'protection', { steps: async (page) => {
    await owner.kill()
    await page.getByText('The Holdfast agent is not running on this computer').waitFor()
  } })
}
