// Runs the tests: all of them, or the files and folders given. `npm test -- test/repository` narrows.
// `--every-kill-point`: those that kill processes do so at all the steps that they know, not at a choice (npm run kill-points).
// Uses Node's own runner; the Node.js that npm installed beside us is first in PATH under npm.
import { spawnSync } from 'node:child_process'
import { globSync, statSync } from 'node:fs'
import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { installSystemPackages } from './system-packages.mjs'

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
// Files wait, for agents that talk to each other and for slow lines: with as many as there are processors a quarter of these was idle.
const atOnce = Math.max(2, availableParallelism()) + 1
const run = spawnSync(process.execPath, [
  '--disable-warning=ExperimentalWarning', '--test', `--test-concurrency=${atOnce}`, '--test-reporter=spec', ...files.sort(),
], { stdio: 'inherit', env: { NODE_COMPILE_CACHE: resolve('node_modules/.cache/holdfast'), ...process.env, ...(process.argv.includes(flag) ? { HOLDFAST_EVERY_KILL_POINT: '1' } : {}) } })
process.exit(run.status ?? 1)
