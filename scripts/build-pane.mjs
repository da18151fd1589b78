// Builds the pane (webpack.config.js) into dist/pane, unless it is newer than everything that it is made of.
import { spawnSync } from 'node:child_process'
import { globSync, statSync, utimesSync } from 'node:fs'

const pages = ['dist/pane/index.html', 'dist/pane/commands.html']
const changed = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
const sources = [...globSync('{addin,shared}/**/*.{ts,css,html}'), ...globSync('scripts/{pane-controls.ts,mark-controls.mjs}'), 'webpack.config.js', 'package-lock.json']
const built = Math.min(...pages.map(changed))
if (sources.every((path) => changed(path) < built)) process.exit(0)
const { status } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', 'node_modules/webpack/bin/webpack.js', '--mode', 'production', '--stats', 'errors-warnings'], { stdio: 'inherit' })
// webpack leaves a page alone that came out as it was.
if (status === 0) for (const page of pages) utimesSync(page, new Date(), new Date())
process.exit(status ?? 1)
