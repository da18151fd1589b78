import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { createArchive } from '../agent/demo/outlook-archive/archive.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

test('the package installs with npm alone, and what it installs backs up, restores and serves the pane', async () => {
  await using ending = new AsyncDisposableStack()
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-install-'))
  ending.defer(() => { rmSync(directory, { recursive: true, force: true }) })
  const run = (command: string, ...args: string[]): string => {
    const { status, stdout, stderr } = spawnSync(command, args, { encoding: 'utf8', cwd: directory })
    assert.equal(status, 0, `${command} ${args.join(' ')}: ${stderr}${stdout}`)
    return stdout
  }
  const version = (JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as { version: string }).version
  run(process.execPath, join(root, 'scripts/make-package.mjs'), '--out', directory)
  run('npm', 'install', '--global', '--prefix', directory, '--prefer-offline', '--no-audit', '--no-fund', join(directory, `holdfast-${version}.tgz`))
  const installed = join(directory, 'lib/node_modules/holdfast')
  for (const needless of ['typescript', 'webpack', 'lit-html', '@azure/msal-browser', 'node']) assert.ok(!existsSync(join(installed, 'node_modules', needless)), `${needless} is installed too`)
  const holdfast = (...args: string[]) => run(join(directory, 'bin/holdfast'), ...args)
  assert.equal(holdfast('--version').trim(), version)
  assert.equal(run(join(installed, 'holdfast'), '--version').trim(), version, 'the launcher that autostart uses')

  const homes = ['one', 'two'].map((name) => join(directory, name)) as [string, string]
  const panes: string[] = []
  for (const home of homes) {
    mkdirSync(home, { mode: 0o700 })
    writeFileSync(join(home, 'config.json'), JSON.stringify({ offer: { minFree: 0 } })) // however full the disk of who tests is
    const child = spawn(join(directory, 'bin/holdfast'), ['agent', '--home', home, '--json', '--pane-port', '0', '--peer-port', '0', '--peer-host', '127.0.0.1'], { stdio: ['ignore', 'pipe', 'inherit'] })
    ending.defer(async () => {
      const ended = once(child, 'exit')
      child.kill('SIGTERM')
      assert.deepEqual(await ended, [0, null], 'a signal to what npm put on the path stops the agent cleanly')
    })
    const [line] = await once(createInterface({ input: child.stdout }), 'line') as [string]
    panes.push((JSON.parse(line) as { pane: string }).pane)
  }
  const roster = join(directory, 'roster')
  mkdirSync(roster)
  holdfast('network', 'create', 'Two', '--roster', `folder:${roster}`, '--home', homes[0])
  const { invitation } = JSON.parse(holdfast('network', 'invite', '--json', '--home', homes[0])) as { invitation: string }
  holdfast('network', 'join', invitation, '--home', homes[1])
  const archive = join(directory, 'archive.pst')
  await createArchive(archive, { bytes: 8_388_608, seed: 1 })
  const documents = join(directory, 'documents')
  mkdirSync(documents)
  writeFileSync(join(documents, 'letter.txt'), 'Dear colleagues')
  holdfast('protect', archive, documents, '--home', homes[0])
  holdfast('backup', '--offline-ok', '--home', homes[0])
  const target = join(directory, 'back')
  holdfast('restore', 'latest', '--target', target, '--home', homes[0])
  const back = readdirSync(target, { recursive: true, encoding: 'utf8' })
  const restored = (name: string) => readFileSync(join(target, back.find((path) => path.endsWith(name)) ?? name))
  assert.ok(restored('archive.pst').equals(readFileSync(archive)))
  assert.equal(restored('letter.txt').toString(), 'Dear colleagues')

  const script = /src=(\/pane\.[0-9a-f]+\.js)/.exec(await get(`${panes[0]}/`))?.[1]
  for (const path of [String(script), '/office/office.js', '/manifest.xml', '/icons/holdfast-32.png']) assert.ok((await get(`${panes[0]}${path}`)).length > 100, path)
})

async function get(url: string): Promise<string> {
  const sent = request(url, { rejectUnauthorized: false }).end()
  const [response] = await once(sent, 'response') as [IncomingMessage]
  assert.equal(response.statusCode, 200, url)
  let text = ''
  for await (const piece of response) text += String(piece)
  return text
}
