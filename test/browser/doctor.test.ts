import assert from 'node:assert/strict'
import { cp, mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { AgentProcess } from '../../agent/demo/agent-process.ts'
import { type Pane, PaneBrowser, withoutBrowser } from '../support/pane-browser.ts'
import { commandLine } from '../support/process-group.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

test('doctor --fix makes the browser open the pane without a warning, --unfix makes it refuse again', { skip: withoutBrowser }, async (t) => {
  const scratch = await scratchFolder(t)
  const person = join(scratch, 'person')
  await using agent = await AgentProcess.start({ home: join(scratch, 'home'), machine: 'desk', environment: { HOME: person } })
  const doctor = async (...options: string[]) => (await commandLine(['doctor', '--home', agent.home, ...options])).stdout
  const browse = async (use: (pane: Pane) => Promise<void>) => {
    const copy = await mkdtemp(join(tmpdir(), 'holdfast-person-'))
    await cp(person, copy, { recursive: true })
    await using browser = await PaneBrowser.inHome(copy)
    await using pane = await browser.open(agent, '')
    await use(pane)
  }
  assert.match(await doctor(), /warning certificate in Chromium.*not trusted: the pane opens with a warning\n.*holdfast doctor --fix/u)
  assert.match(await doctor('--fix'), /ok +certificate in Chromium.*trusted/u)
  assert.match(await doctor(), /ok +pane: answers at https:\/\/localhost/u)
  await browse(async ({ page }) => { await page.getByRole('heading', { name: 'Connect to Holdfast' }).waitFor() })
  assert.match(await doctor('--unfix'), /warning certificate in Chromium.*not trusted/u)
  await assert.rejects(browse(async () => {}), /ERR_CERT_AUTHORITY_INVALID/u)
})
