// Builds the pane (webpack.config.js) into dist/pane, unless it is newer than everything that it is made of.
import { spawnSync } from 'node:child_process'
import { globSync, statSync } from 'node:fs'

const changed = (path) => statSync(path, { throwIfNoEntry: false })?.mtimeMs ?? 0
const sources = [...globSync('{addin,shared}/**/*.{ts,css,html}'), 'webpack.config.js', 'package-lock.json']
const built = Math.min(changed('dist/pane/index.html'), changed('dist/pane/commands.html'))
if (sources.every((path) => changed(path) < built)) process.exit(0)
const { status } = spawnSync(process.execPath, ['--disable-warning=ExperimentalWarning', 'node_modules/webpack/bin/webpack.js', '--mode', 'production', '--stats', 'errors-warnings'], { stdio: 'inherit' })
process.exit(status ?? 1)
