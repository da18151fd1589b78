import assert from 'node:assert/strict'
import { readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Settings } from '../../agent/commands/settings.ts'
import { readConfig } from '../../agent/config.ts'
import { writePrivateFile } from '../../agent/home.ts'
import { checkCron, parseCron } from '../../agent/triggers/schedule.ts'
import { commands } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { plainIssues } from '../../shared/plain-issues.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

async function settingsIn(folder: string, text?: string): Promise<{ file: string; settings: Settings }> {
  const file = join(folder, 'config.json')
  if (text !== undefined) await writeFile(file, text)
  const options = { readCron: parseCron, checkCron: (cron: string) => { checkCron(cron, Date.UTC(2026, 2, 10)) } }
  return { file, settings: new Settings({ file, effective: readConfig(file), write: writePrivateFile, ...options }) }
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

const coded = (code: string) => (error: unknown) => error instanceof HoldfastError && error.code === code

test('a cron expression that cannot be read or never comes changes nothing', async (t) => {
  const folder = await scratchFolder(t)
  const { file, settings } = await settingsIn(folder, '{}')
  for (const cron of ['whenever', '0 0 31 2 *']) assert.throws(() => { settings.change({ schedule: { cron } }) }, coded('invalid-input'), cron)
  assert.equal(await readFile(file, 'utf8'), '{}')
})

test('one that somebody wrote into the file meanwhile is an error of the file; one there that never comes hinders nothing', async (t) => {
  const folder = await scratchFolder(t)
  const { file, settings } = await settingsIn(folder, '{"schedule":{"cron":"0 0 31 2 *"}}')
  settings.change({ label: 'Desk' })
  settings.change({ schedule: { settleSeconds: 10 } })
  await writeFile(file, '{"schedule":{"cron":"whenever"}}')
  assert.throws(() => { settings.change({ label: 'Lamp' }) }, coded('invalid-config'))
  assert.equal(settings.config.label, 'Desk')
  settings.change({ label: 'Lamp' }, ['schedule.cron'])
  assert.deepEqual([settings.config.label, settings.config.schedule.cron], ['Lamp', '0 12 * * *'])
})

test('an agent starts with what a version before let somebody set, and nobody sets it any more', async (t) => {
  const senseless = { limits: { uploadBytesPerSecond: 100 }, offer: { quotaBytes: 1.5 }, schedule: { quietHours: { from: '00:00', to: '00:00' }, growthBytes: 0.5 } }
  const { settings } = await settingsIn(await scratchFolder(t), JSON.stringify(senseless))
  settings.change({ label: 'Desk' })
  assert.deepEqual([settings.config.limits.uploadBytesPerSecond, settings.config.offer.quotaBytes, settings.config.schedule.growthBytes], [100, 1.5, 0.5])
  const refusal = (change: object) => plainIssues(commands.settings.request.safeParse({ change }).error?.issues ?? [])
  assert.equal(refusal(senseless), 'schedule.quietHours has to end at another time than it begins; schedule.growthBytes has to be a whole number; limits.uploadBytesPerSecond has to be at least 20000; offer.quotaBytes has to be a whole number')
  assert.equal(refusal({ limits: { downloadBytesPerSecond: 19_999 } }), 'limits.downloadBytesPerSecond has to be at least 20000')
  assert.equal(refusal({ limits: { uploadBytesPerSecond: 20_000, downloadBytesPerSecond: null }, offer: { quotaBytes: 0 }, schedule: { quietHours: { from: '22:00', to: '06:00' } } }), '')
  const group = commands['network settings'].request.safeParse({ change: { schedule: { quietHours: { from: '08:00', to: '08:00' } } } })
  assert.equal(plainIssues(group.error?.issues ?? []), 'schedule.quietHours has to end at another time than it begins')
})

test('what only a restart brings into force is named', async (t) => {
  const folder = await scratchFolder(t)
  const { settings } = await settingsIn(folder)
  settings.change({ schedule: { settleSeconds: 10 }, offer: { scrubDays: 60 } })
  assert.deepEqual([settings.afterRestart, settings.config.offer.scrubDays], [[], 60])
  settings.change({ limits: { uploadBytesPerSecond: 50_000 }, offer: { quotaBytes: 5e9, minFree: 0.4 }, beacon: false })
  assert.deepEqual(settings.afterRestart, ['limits', 'offer', 'beacon'])
  settings.change({ limits: { uploadBytesPerSecond: null }, beacon: true }, ['offer'])
  assert.deepEqual(settings.afterRestart, [], 'it is again as the agent has it')
})

test('what is unset goes back to the group\'s value or the default, alone or as a group, and what nobody may set here stays', async (t) => {
  const { file, settings } = await settingsIn(await scratchFolder(t), JSON.stringify({
    label: 'Desk', limits: { workers: 2, uploadBytesPerSecond: 50_000, downloadBytesPerSecond: 60_000 }, retention: { daily: 5, yearly: 1 },
    offer: { minFree: 0.6 }, schedule: { cron: null, quietHours: null, pollSeconds: 7 },
  }))
  settings.followGroup({ schedule: { cron: '0 4 * * *', quietHours: { from: '08:00', to: '09:00' } }, minFree: 0.4 })
  settings.change({ retention: { weekly: 3 } }, ['offer.minFree', 'schedule.cron', 'label', 'retention.daily', 'limits'])
  const { offer, schedule, label, retention, limits } = settings.config
  assert.deepEqual([offer.minFree, schedule.cron, schedule.quietHours, label], [0.4, '0 4 * * *', null, undefined])
  assert.deepEqual([retention.daily, retention.yearly, retention.weekly], [30, 1, 3])
  assert.deepEqual([limits.workers, limits.uploadBytesPerSecond, limits.downloadBytesPerSecond], [2, null, null])
  const kept = JSON.parse(await readFile(file, 'utf8'))
  assert.deepEqual([kept.label, kept.offer.minFree, kept.schedule.cron, kept.schedule.quietHours, kept.schedule.pollSeconds], [undefined, undefined, undefined, null, 7])
  for (const name of ['limits.workers', 'protect', 'quota', '']) assert.throws(() => { settings.change({}, [name]) }, (error) => error instanceof HoldfastError && error.code === 'invalid-input', name)
})

test('a quota of this run stays until one is set, whatever else of the offer changes', async (t) => {
  const file = join(await scratchFolder(t), 'config.json')
  const config = readConfig(file)
  const settings = new Settings({ file, effective: { ...config, offer: { ...config.offer, quotaBytes: 5e9 } }, write: writePrivateFile })
  settings.change({ offer: { scrubDays: 60 } })
  assert.deepEqual([settings.config.offer.quotaBytes, settings.config.offer.scrubDays, settings.afterRestart], [5e9, 60, []])
  settings.change({}, ['offer.quotaBytes'])
  assert.deepEqual([settings.config.offer.quotaBytes, settings.afterRestart], [null, ['offer']])
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

test('quiet hours that end as they begin, which a version before took for the whole group, are shown, and not taken again', () => {
  const { request, result } = commands['network settings']
  const quietHours = { from: '08:00', to: '08:00' }
  const shown = { settings: { name: 'Test', redundancy: 'auto', minFree: 0.1, admission: 'open', schedule: { cron: null, quietHours } }, admins: [], mayChange: true, epoch: 1, told: null }
  assert.deepEqual(result.parse(shown).settings.schedule?.quietHours, quietHours)
  assert.equal(request.safeParse({ change: { schedule: { quietHours } } }).success, false)
})
