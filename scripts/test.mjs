// Runs the tests: all of them, or the files and folders given. `npm test -- test/repository` narrows.
// `--every-kill-point`: those that kill processes do so at all the steps that they know, not at a choice (npm run kill-points).
// Uses Node's own runner; the Node.js that npm installed beside us is first in PATH under npm.
// When all browser tests ran, it fails for a control of the pane that none of them used.
import { spawnSync } from 'node:child_process'
import { globSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { de } from '../addin/messages/de.ts'
import { en } from '../addin/messages/en.ts'
import { paneControls } from './pane-controls.ts'
import { installSystemPackages } from './system-packages.mjs'
import { readUses, unusedControls } from './unused-controls.ts'

const flag = '--every-kill-point'
const wanted = process.argv.slice(2).filter((word) => word !== flag)
const patterns = wanted.length > 0 ? wanted : ['test']
const files = patterns.flatMap((pattern) =>
  statSync(pattern).isDirectory() ? globSync(`${pattern}/**/*.test.ts`) : [pattern])
if (files.length === 0) {
  process.stderr.write(`No test file under ${patterns.join(', ')}\n`)
  process.exit(1)
}

installSystemPackages()
const atOnce = Math.max(2, availableParallelism())
const used = mkdtempSync(join(tmpdir(), 'holdfast-used-controls-'))
const run = spawnSync(process.execPath, [
  '--disable-warning=ExperimentalWarning', '--test', `--test-concurrency=${atOnce}`, '--test-reporter=spec', ...files.sort(),
], { stdio: 'inherit', env: { NODE_COMPILE_CACHE: resolve('node_modules/.cache/holdfast'), ...process.env, HOLDFAST_USED_CONTROLS: used, ...(process.argv.includes(flag) ? { HOLDFAST_EVERY_KILL_POINT: '1' } : {}) } })
const uses = readUses(used)
rmSync(used, { recursive: true, force: true })
process.exit(run.status === 0 ? checkControls() : run.status ?? 1)

/** The exit code. Of some browser tests alone nothing follows. */
function checkControls() {
  const ran = new Set(files.map((file) => resolve(file)))
  const browserTests = globSync('test/browser/*.test.ts')
  if (!browserTests.some((file) => ran.has(resolve(file)))) return 0
  if (uses.length === 0 || !browserTests.every((file) => ran.has(resolve(file)))) {
    process.stdout.write('Not all tests in test/browser ran: whether they use every control of the pane is not known.\n')
    return 0
  }
  const pane = paneControls('.')
  const unused = unusedControls(pane, uses, [en, de])
  process.stdout.write(unused.length === 0 ? `The browser tests use every control of the pane (${pane.controls.length} places in its source).\n` : `No browser test uses these controls of the pane (click them, and assert what that does):\n${unused.map((line) => `  ${line}\n`).join('')}`)
  return unused.length === 0 ? 0 : 1
}
