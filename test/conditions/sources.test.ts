import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { LinuxConditions } from '../../agent/conditions/linux.ts'
import { MacosConditions } from '../../agent/conditions/macos.ts'
import { unknownConditions } from '../../agent/conditions/port.ts'
import { systemConditions } from '../../agent/conditions/system.ts'
import { WindowsConditions } from '../../agent/conditions/windows.ts'
import type { RunTool } from '../../agent/run-tool.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

const answered = (stdout: string) => ({ code: 0, stdout, stderr: '' })
const absent = { code: 127, stdout: '', stderr: '' }

function supplies(directory: string, all: Record<string, Record<string, string>>): string {
  for (const [name, files] of Object.entries(all)) {
    mkdirSync(join(directory, name), { recursive: true })
    for (const [file, text] of Object.entries(files)) writeFileSync(join(directory, name, file), `${text}\n`)
  }
  return directory
}

test('Linux: idle time of GNOME, a laptop without its charger, a telephone as modem', async (t) => {
  const run: RunTool = async (_command, args) => {
    const text = args.join(' ')
    if (text.includes('Mutter')) return answered('(uint64 61250,)\n')
    return text.includes('NetworkManager') ? answered('(<uint32 3>,)\n') : absent
  }
  const laptop = supplies(await scratchFolder(t), { AC: { type: 'Mains', online: '0' }, BAT0: { type: 'Battery', status: 'Discharging' } })
  await using conditions = new LinuxConditions({ run, supplies: laptop })
  assert.deepEqual(await conditions.look(), { idleSeconds: 61.25, onBattery: true, isMetered: true })
})

test('Linux: the battery of a mouse is not that of the machine, KDE tells idle seconds, and what is not there is not asked each second', async (t) => {
  const asked: string[] = []
  const run: RunTool = async (_command, args) => {
    asked.push(args[3] ?? '')
    return args.includes('org.freedesktop.ScreenSaver') ? answered('(uint32 5,)\n') : absent
  }
  const desk = supplies(await scratchFolder(t), { AC: { type: 'Mains', online: '1' }, hidpp: { type: 'Battery', scope: 'Device', status: 'Discharging' } })
  await using conditions = new LinuxConditions({ run, supplies: desk })
  for (let look = 0; look < 30; look++) assert.deepEqual(await conditions.look(), { idleSeconds: 5, onBattery: false, isMetered: null })
  assert.deepEqual([asked.filter((name) => name.includes('Mutter')).length, asked.filter((name) => name.includes('NetworkManager')).length], [1, 1])
})

test('a server without desktop, battery or NetworkManager says nothing, and the source of this system looks without a fault', async (t) => {
  await using server = new LinuxConditions({ run: async () => absent, supplies: join(await scratchFolder(t), 'none') })
  assert.deepEqual(await server.look(), unknownConditions)
  await using here = systemConditions()
  assert.deepEqual(Object.keys(await here.look()).sort(), ['idleSeconds', 'isMetered', 'onBattery'])
})

test('macOS: what ioreg and pmset print', async () => {
  const ioreg = '    | |   {\n    | |     "HIDIdleTime" = 3141592653\n    | |     "HIDParameters" = {"HIDScrollAcceleration"=20480}\n'
  const pmset = "Now drawing from 'Battery Power'\n -InternalBattery-0 (id=4653155)\t84%; discharging; 5:12 remaining present: true\n"
  await using conditions = new MacosConditions(async (command) => answered(command === 'ioreg' ? ioreg : pmset))
  assert.deepEqual(await conditions.look(), { idleSeconds: 3.141592653, onBattery: true, isMetered: null })
  await using none = new MacosConditions(async () => absent)
  assert.deepEqual(await none.look(), unknownConditions)
})

test('Windows: one child answers each look; one that ends or talks nonsense is left alone for a while', async (t) => {
  const directory = await scratchFolder(t)
  const child = (name: string, body: string) => {
    const path = join(directory, name)
    writeFileSync(path, `import { createInterface } from 'node:readline'\nlet looks = 0\nfor await (const _ of createInterface({ input: process.stdin })) { looks++; ${body} }\n`)
    return new WindowsConditions([process.execPath, path])
  }
  await using working = child('works.mjs', 'console.log(JSON.stringify({ idleSeconds: looks, onBattery: false, isMetered: null }))')
  assert.deepEqual([await working.look(), await working.look()].map(({ idleSeconds }) => idleSeconds), [1, 2])
  await using nonsense = child('nonsense.mjs', 'console.log("Add-Type : error")')
  assert.deepEqual([await nonsense.look(), await nonsense.look()], [unknownConditions, unknownConditions])
  await using ending = child('ends.mjs', 'process.exit(1)')
  assert.deepEqual(await ending.look(), unknownConditions)
  await using missing = new WindowsConditions([join(directory, 'no-such-program')])
  assert.deepEqual(await missing.look(), unknownConditions)
})
