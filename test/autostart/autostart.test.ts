import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { XMLParser } from 'fast-xml-parser'
import { type AutostartOptions, autostartOf } from '../../agent/autostart/autostart.ts'
import type { Autostart } from '../../agent/autostart/port.ts'
import type { Ran, RunTool } from '../../agent/run-tool.ts'
import { hasCode } from '../../shared/errors.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

/** Plays the system's tools: what they were called with is kept, what they answer is the test's. */
function system(answer: (command: string, args: readonly string[]) => Partial<Ran> = () => ({})): { run: RunTool; calls: string[] } {
  const calls: string[] = []
  return { calls, run: async (command, args) => {
    calls.push([command, ...args].join(' '))
    return { code: 0, stdout: '', stderr: '', ...answer(command, args) }
  } }
}

function on(platform: NodeJS.Platform, folder: string, options: Partial<AutostartOptions> = {}): Autostart {
  return autostartOf({
    platform, environment: platform === 'win32' ? { USERDOMAIN: 'EXAMPLE' } : {}, installation: '/opt/hold "fast" 100%', home: '/home/ann/my $state', isDefaultHome: true,
    person: { folder, name: 'ann', id: 501 }, ...options,
  })
}

test('on Linux a systemd user unit is written, enabled and started, and taken away again', async (t) => {
  const folder = await scratchFolder(t)
  const { run, calls } = system()
  const autostart = on('linux', folder, { run })
  const unit = join(folder, '.config', 'systemd', 'user', 'holdfast.service')
  assert.equal(await autostart.isOn(), false)
  await autostart.on()
  assert.equal(await autostart.isOn(), true)
  assert.ok(readFileSync(unit, 'utf8').includes('ExecStart="/opt/hold \\"fast\\" 100%%/holdfast" "agent" "--home" "/home/ann/my $$state"\n'))
  assert.deepEqual(calls.slice(0, 2), ['systemctl --user daemon-reload', 'systemctl --user enable --now holdfast.service'])
  await autostart.off()
  assert.ok(calls.includes('systemctl --user disable --now holdfast.service'))
  assert.deepEqual([existsSync(unit), await autostart.isOn()], [false, false])
})

test('on Linux without systemd the desktop starts it', async (t) => {
  const folder = await scratchFolder(t)
  const autostart = on('linux', folder, { run: system(() => ({ code: 127 })).run })
  await autostart.on()
  const entry = readFileSync(join(folder, '.config', 'autostart', 'holdfast.desktop'), 'utf8')
  assert.ok(entry.includes('Exec="/opt/hold \\\\"fast\\\\" 100%%/holdfast" "agent" "--home" "/home/ann/my \\\\$state"\n'))
  assert.deepEqual([await autostart.isOn(), existsSync(join(folder, '.config', 'systemd', 'user', 'holdfast.service'))], [true, false])
  await autostart.off()
  assert.equal(await autostart.isOn(), false)
})

test('a unit that systemd does not start is an error with its words', async (t) => {
  const { run } = system((_, args) => (args.includes('enable') ? { code: 1, stderr: 'Failed to enable unit: access denied\n' } : {}))
  await assert.rejects(on('linux', await scratchFolder(t), { run }).on(), (error) => hasCode(error, 'target-unwritable') && /access denied/.test(error.message))
})

test('agents of several homes have units of their own', async (t) => {
  const folder = await scratchFolder(t)
  const names = ['/a', '/b'].map((home) => on('linux', folder, { home, isDefaultHome: false, run: system().run }).name)
  assert.equal(new Set(names).size, 2)
})

test('on macOS a launch agent is written and loaded', async (t) => {
  const folder = await scratchFolder(t)
  const { run, calls } = system()
  const autostart = on('darwin', folder, { run, installation: '/Applications/A&B' })
  await autostart.on()
  const file = join(folder, 'Library', 'LaunchAgents', 'org.holdfast.agent.plist')
  const plist = new XMLParser({ ignoreDeclaration: true }).parse(readFileSync(file, 'utf8')) as { plist: { dict: { array: { string: string[] } } } }
  assert.deepEqual(plist.plist.dict.array.string, ['/Applications/A&B/holdfast', 'agent', '--home', '/home/ann/my $state'])
  assert.deepEqual(calls, ['launchctl bootout gui/501/org.holdfast.agent', `launchctl bootstrap gui/501 ${file}`])
  await autostart.off()
  assert.equal(await autostart.isOn(), false)
})

for (const elevated of [true, false]) {
  test(`on Windows a task is made at log-on, ${elevated ? 'with the highest privileges for an administrator' : 'with the user\'s own rights otherwise'}`, async (t) => {
    const made: { xml?: string } = {}
    const { run, calls } = system((command, args) => {
      if (command === 'fltmc.exe') return { code: elevated ? 0 : 1 }
      if (args[0] === '/Create') made.xml = readFileSync(args[4] ?? '', 'utf16le')
      return {}
    })
    const home = 'C:\\Users\\Ann O\'Hara\\Holdfast & more'
    await on('win32', await scratchFolder(t), { run, installation: 'C:\\Holdfast', home }).on()
    assert.equal(made.xml?.charCodeAt(0), 0xFEFF)
    const { Task: task } = new XMLParser({ ignoreDeclaration: true }).parse(made.xml ?? '') as { Task: { Principals: { Principal: { UserId: string; RunLevel: string } }; Actions: { Exec: { Command: string; Arguments: string } }; Settings: { ExecutionTimeLimit: string } } }
    assert.deepEqual([task.Principals.Principal.UserId, task.Principals.Principal.RunLevel], ['EXAMPLE\\ann', elevated ? 'HighestAvailable' : 'LeastPrivilege'])
    assert.match(task.Actions.Exec.Arguments, /-Command "& 'C:.Holdfast.{1,2}holdfast\.cmd' agent --home 'C:\\Users\\Ann O''Hara\\Holdfast & more'; exit \$LASTEXITCODE"$/)
    assert.equal(task.Settings.ExecutionTimeLimit, 'PT0S')
    assert.equal(calls.at(-1), 'schtasks.exe /Run /TN Holdfast')
  })
}
