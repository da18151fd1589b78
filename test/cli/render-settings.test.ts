import assert from 'node:assert/strict'
import { mkdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { changeLines, settingsLines } from '../../agent/cli/render-settings.ts'
import { Settings, settings as run } from '../../agent/commands/settings.ts'
import type { AgentContext } from '../../agent/commands/context.ts'
import { readConfig } from '../../agent/config.ts'
import { writePrivateFile } from '../../agent/home.ts'
import { commands } from '../../shared/api.ts'
import { settingsChange } from '../../agent/cli/assignments.ts'
import { commandLine } from '../support/process-group.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

test('of a change each setting that was named is told with what it was and is, and nothing of the others', async (t) => {
  const file = join(await scratchFolder(t), 'config.json')
  const settings = new Settings({ file, effective: readConfig(file), write: writePrivateFile })
  settings.followGroup({ minFree: 0.4 })
  const context = { settings } as unknown as AgentContext
  const request = (...words: string[]) => commands.settings.request.parse(settingsChange(words, file))
  const told = (...words: string[]) => {
    const before = run(context, request()).settings
    return changeLines(before, run(context, request(...words)).settings, words.map((word) => word.slice(0, word.indexOf('=')))).split('\n')
  }
  assert.deepEqual(told('label=Desk\u0007', 'offer.quotaBytes=10GB', 'limits.uploadBytesPerSecond=1MB'), [
    'label: null -> Desk\\x07', 'limits.uploadBytesPerSecond: null -> 1000000 (1.0 MB a second)', 'offer.quotaBytes: null -> 10000000000 (10.0 GB)', 'Taken up when the agent starts next: limits, offer',
  ])
  assert.deepEqual(told('offer.quotaBytes=default', 'limits=default'), ['limits.uploadBytesPerSecond: 1000000 -> null', 'offer.quotaBytes: 10000000000 -> null'])
  assert.deepEqual(told('retention.daily=5', 'retention.weekly=12'), ['retention.daily: 30 -> 5', 'retention.weekly: 12, as it was'])
  assert.deepEqual(told('retention=default'), ['retention.daily: 5 -> 30'])
  assert.deepEqual(told('retention=default'), ['Nothing changed'])
  const minimum = 'The group\'s minimum holds instead of a lower offer.minFree of this machine: 0.4'
  assert.deepEqual(told('offer.minFree=0.2'), ['offer.minFree: 0.4, as it was', minimum])
  assert.deepEqual(told('beacon=true'), ['beacon: true, as it was'])
  assert.deepEqual(told('mail.smtp={"host":"mail.example.com","from":"holdfast@example.com"}'), ['mail.smtp: null -> {"host":"mail.example.com","port":587,"security":"starttls","from":"holdfast@example.com"}'])
  const all = settingsLines(run(context, request()).settings).split('\n')
  assert.ok(all.length > 28 && all.includes('retention.daily=30') && all.includes('schedule.cron=0 12 * * *') && all.at(-1) === minimum)
  // What is shown is what the command takes.
  const again = settingsChange(all.slice(1, -1).filter((line) => line !== 'offer.minFree=0.4'), file)
  const before = readConfig(file)
  settings.change(commands.settings.request.parse(again).change)
  assert.deepEqual(readConfig(file), before)
})

test('the program tells what changed, refuses with 2 what nobody may set, and keeps its JSON', async (t) => {
  const folder = await scratchFolder(t)
  const home = join(folder, 'home')
  await mkdir(join(folder, 'roster'))
  assert.equal((await commandLine(['network', 'create', 'Team', '--roster', `folder:${join(folder, 'roster')}`, '--home', home])).code, 0)
  const settings = async (...words: string[]) => await commandLine(['settings', ...words, '--home', home])
  const changed = await settings('schedule.growthBytes=2MiB')
  assert.deepEqual([changed.code, changed.stdout], [0, 'schedule.growthBytes: 67108864 -> 2097152 (2.1 MB)\n'])
  const json = JSON.parse((await settings('schedule.growthBytes=default', '--json')).stdout)
  assert.equal(commands.settings.result.parse(json).settings.schedule.growthBytes, 67_108_864)
  const never = await settings('schedule.cron=0 0 31 2 *')
  assert.deepEqual([never.code, never.stdout], [2, ''])
  assert.match(never.stderr, /^holdfast: Cannot use the schedule "0 0 31 2 \*": that time never comes; /)
  const workers = await settings('limits.workers=2')
  assert.equal(workers.code, 2)
  assert.ok(workers.stderr.startsWith(`holdfast: Cannot change limits.workers: it is set in ${join(home, 'config.json')} alone; `), workers.stderr)
  assert.equal(JSON.parse(await readFile(join(home, 'config.json'), 'utf8')).limits.workers, null)
})
