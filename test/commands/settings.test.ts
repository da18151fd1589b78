import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Settings } from '../../agent/commands/settings.ts'
import { readConfig } from '../../agent/config.ts'
import { writePrivateFile } from '../../agent/home.ts'
import { parseCron } from '../../agent/triggers/schedule.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

async function settingsIn(folder: string, text?: string): Promise<{ file: string; settings: Settings }> {
  const file = join(folder, 'config.json')
  if (text !== undefined) await writeFile(file, text)
  const check = ({ schedule: { cron } }: { schedule: { cron: string | null } }) => { if (cron !== null) parseCron(cron) }
  return { file, settings: new Settings({ file, effective: readConfig(file), write: writePrivateFile, check }) }
}

test('a change is in force, written back, and told, and what it does not name stays', async (t) => {
  const folder = await scratchFolder(t)
  const { file, settings } = await settingsIn(folder, '{"schedule":{"cron":"0 3 * * *"},"protect":[{"path":"/a"}]}')
  const told: string[] = []
  settings.subscribe((changed) => told.push(changed))
  settings.change({ schedule: { quietHours: { from: '22:00', to: '06:00' } }, label: 'Desk' })
  assert.deepEqual([settings.config.schedule.cron, settings.config.schedule.quietHours, settings.config.label], ['0 3 * * *', { from: '22:00', to: '06:00' }, 'Desk'])
  const kept = readConfig(file)
  assert.deepEqual([kept.schedule, kept.label, kept.protect], [settings.config.schedule, 'Desk', [{ path: '/a', excludes: [] }]])
  assert.deepEqual(told, ['settings'])
})

test('what a person edited in the file meanwhile is kept', async (t) => {
  const folder = await scratchFolder(t)
  const { file, settings } = await settingsIn(folder)
  await writeFile(file, '{"watchFolders":["/srv"]}')
  settings.setLabel('Desk')
  assert.deepEqual(JSON.parse(await readFile(file, 'utf8')).watchFolders, ['/srv'])
})

test('a cron expression that cannot be read changes nothing', async (t) => {
  const folder = await scratchFolder(t)
  const { file, settings } = await settingsIn(folder, '{}')
  assert.throws(() => settings.change({ schedule: { cron: 'whenever' } }), (error) => error instanceof HoldfastError && error.code === 'invalid-config')
  assert.equal(await readFile(file, 'utf8'), '{}')
})

test('what only a restart brings into force is named', async (t) => {
  const folder = await scratchFolder(t)
  const { settings } = await settingsIn(folder)
  settings.change({ schedule: { settleSeconds: 10 }, offer: { scrubDays: 60 } })
  assert.deepEqual([settings.afterRestart, settings.config.offer.scrubDays], [[], 60])
  settings.change({ limits: { uploadBytesPerSecond: 1000 }, offer: { quotaBytes: null } })
  assert.deepEqual(settings.afterRestart, ['limits', 'offer'])
})

test('a schedule of the group that cannot be read here counts as none, and the reserve beside it holds', async (t) => {
  const { settings } = await settingsIn(await scratchFolder(t))
  const own = settings.config.schedule.cron
  assert.equal(settings.followGroup({ schedule: { cron: '0 4 * * *', quietHours: null }, minFree: 0.4 }), true)
  assert.deepEqual([settings.config.schedule.cron, settings.config.offer.minFree], ['0 4 * * *', 0.4])
  assert.equal(settings.followGroup({ schedule: { cron: 'whenever', quietHours: null }, minFree: 0.5 }), false)
  assert.deepEqual([settings.config.schedule.cron, settings.config.offer.minFree], [own, 0.5])
})

test('that the reserve of the group holds is named while a lower one was set here, and no longer than that', async (t) => {
  const { settings } = await settingsIn(await scratchFolder(t))
  settings.followGroup({ minFree: 0.4 })
  assert.equal(settings.groupMinFree, null, 'nothing else was asked for here')
  settings.change({ offer: { minFree: 0.2 } })
  assert.deepEqual([settings.config.offer.minFree, settings.groupMinFree], [0.4, 0.4])
  settings.followGroup({ minFree: 0.1 })
  assert.deepEqual([settings.config.offer.minFree, settings.groupMinFree], [0.2, null])
  settings.followGroup({ minFree: 0.4 })
  settings.change({ offer: { minFree: 0.5 } })
  assert.deepEqual([settings.config.offer.minFree, settings.groupMinFree], [0.5, null])
})
