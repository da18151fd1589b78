import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { groupChange, settingsChange } from '../../agent/cli/assignments.ts'
import { settingSchemas } from '../../agent/commands/setting-names.ts'
import { configSchema } from '../../agent/config.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { groupChangeSchema, settingsChangeSchema } from '../../shared/settings.ts'

const file = '/home/ann/holdfast/config.json'
const changed = (...words: string[]) => settingsChange(words, file)
const refused = (text: string) => (error: unknown) => error instanceof HoldfastError && error.code === 'invalid-input' && error.message === text

test('words become a change: groups are gathered, JSON is read, and what is a text stays one', () => {
  assert.deepEqual(changed('schedule.cron=0 9 * * 1', 'schedule.settleSeconds=60', 'label=2026', 'beacon=false', 'schedule.quietHours=null'), {
    change: { schedule: { cron: '0 9 * * 1', settleSeconds: 60, quietHours: null }, label: '2026', beacon: false }, unset: [],
  })
  assert.deepEqual(changed('watchFolders=mail').change, { watchFolders: [resolve('mail')] })
  assert.deepEqual(groupChange(['name=2026', 'schedule.cron=null', 'minFree=0.2']), { name: '2026', schedule: { cron: null }, minFree: 0.2 })
  assert.deepEqual(groupChange(['schedule=null']), { schedule: null })
})

test('where bytes are wanted a size may be written, also inside', () => {
  assert.deepEqual(changed('offer.quotaBytes=10GB', 'schedule.growthBytes=2MiB', 'limits.uploadBytesPerSecond=1.5 MB', 'limits.downloadBytesPerSecond=2000000').change, {
    offer: { quotaBytes: 10e9 }, schedule: { growthBytes: 2_097_152 }, limits: { uploadBytesPerSecond: 1_500_000, downloadBytesPerSecond: 2_000_000 },
  })
  assert.deepEqual(changed('limits.slowLinks=[{"network":"10.8.0.0/16","uploadBytesPerSecond":"500KB"}]').change, { limits: { slowLinks: [{ network: '10.8.0.0/16', uploadBytesPerSecond: 500_000 }] } })
  assert.deepEqual(changed('limits={"uploadBytesPerSecond":"1MB"}').change, { limits: { uploadBytesPerSecond: 1_000_000 } })
  assert.throws(() => changed('offer.quotaBytes=lots'), refused('Cannot read lots as a size: write 500MB, 20GiB or a number of bytes'))
})

test('default goes back to the group\'s value or the default, for every setting and every group of them', () => {
  const names = [...settingSchemas(settingsChangeSchema).keys()]
  assert.ok(names.length > 25 && names.includes('offer.minFree') && names.includes('schedule.quietHours') && names.includes('label'))
  assert.deepEqual(changed(...names.map((name) => `${name}=default`)), { change: {}, unset: names })
  assert.deepEqual(changed('retention=default', 'offer.minFree=0.2'), { change: { offer: { minFree: 0.2 } }, unset: ['retention'] })
  assert.throws(() => changed('offer.minFree=null'), refused('Cannot change offer.minFree: it cannot be null; offer.minFree=default goes back to the group\'s value or the default'))
})

test('default in the settings of the group is what one is founded with; a group may be called so', () => {
  assert.deepEqual(groupChange(['redundancy=default', 'minFree=default', 'admission=default', 'schedule=default', 'name=default']), { redundancy: 'auto', minFree: 0.3, admission: 'open', schedule: null, name: 'default' })
  assert.ok(groupChangeSchema.safeParse(groupChange(['redundancy=default', 'minFree=default', 'admission=default', 'schedule=default'])).success)
  assert.throws(() => groupChange(['schedule.cron=default']), refused('Cannot change schedule.cron: it has no default of its own; schedule=default leaves the schedule to each machine'))
})

test('what config.json alone has is told with the place, what to write and what to do then', () => {
  const inFile = (name: string, text: string) => refused(`Cannot change ${name}: it is set in ${file} alone; write ${text} there and start the agent anew`)
  assert.throws(() => changed('limits.workers=2'), inFile('limits.workers', '"limits": { "workers": 2 }'))
  assert.throws(() => changed('peerAddress.port=17471'), inFile('peerAddress.port', '"peerAddress": { "port": 17471 }'))
  assert.throws(() => changed('peerAddress.host=10.0.0.5'), inFile('peerAddress.host', '"peerAddress": { "host": "10.0.0.5" }'))
  assert.throws(() => changed('protect=/mail'), refused('Cannot change protect: `holdfast protect` changes it'))
  assert.throws(() => changed('schedule.pausedUntil=null'), refused('Cannot change schedule.pausedUntil: `holdfast pause` changes it'))
  const own = settingSchemas(settingsChangeSchema)
  for (const name of settingSchemas(configSchema).keys()) {
    if (!own.has(name)) assert.throws(() => changed(`${name}=1`), (error) => error instanceof HoldfastError && error.message.startsWith(`Cannot change ${name}: `) && !error.message.includes('no such'), name)
  }
})

test('a name that is none is refused with the one that may be meant', () => {
  assert.throws(() => changed('quotabytes=1'), refused('Cannot change quotabytes: there is no such setting; do you mean offer.quotaBytes?'))
  assert.throws(() => changed('constructor.name=1'), refused('Cannot change constructor.name: there is no such setting; `holdfast settings` shows those that there are'))
  assert.throws(() => groupChange(['offer.minFree=0.2']), refused('Cannot change offer.minFree: the work group has no such setting; do you mean minFree?'))
  assert.throws(() => changed('label'), refused('Cannot change label: write NAME=VALUE, such as label=Desk'))
  assert.throws(() => changed('beacon=true', 'beacon=false'), refused('Cannot change beacon: it is given twice'))
})

test('what takes more than a word is refused with an example, which is taken', () => {
  const example = (name: string, ...words: string[]) => {
    let text = ''
    assert.throws(() => changed(...words), (error) => { text = (error as Error).message; return true })
    const [, word = ''] = /'(.*)'$/.exec(text) ?? []
    assert.ok(word.startsWith(`${name}=`), text)
    assert.ok(settingsChangeSchema.safeParse(changed(word).change).success, word)
  }
  example('schedule.quietHours', 'schedule.quietHours=22:00-06:30')
  example('schedule.quietHours', 'schedule.quietHours.from=22:00')
  example('mail.to', 'mail.to=ann@example.com')
  for (const name of ['limits.slowLinks', 'mail.smtp', 'mail.microsoft', 'mail.admins']) example(name, `${name}=x`)
})
