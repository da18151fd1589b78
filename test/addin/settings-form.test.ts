import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { de } from '../../addin/messages/de.ts'
import { en } from '../../addin/messages/en.ts'
import { changeOf, formOf, savedText } from '../../addin/settings-form.ts'
import type { Settings } from '../../addin/state.ts'
import { commands } from '../../shared/api.ts'

const settings: Settings = {
  label: 'Desk', schedule: { cron: '30 22 * * *', quietHours: null, settleSeconds: 300, growthBytes: 64 * 2 ** 20 },
  limits: { uploadBytesPerSecond: null, downloadBytesPerSecond: 2_500_000, slowLinks: [{ network: '10.8.0.0/16', uploadBytesPerSecond: 500_000, downloadBytesPerSecond: null }] }, offer: { quotaBytes: 50_000_000_000, minFree: 0.3, scrubDays: 30 }, politeness: { whenActive: 'slow', onBattery: 'slow', onMetered: 'wait', lowPriority: true },
  retention: { auto: true, last: 0, hourly: 24, daily: 30, weekly: 12, monthly: 24, yearly: 10, within: '2d' }, alerts: { staleDays: 7, silentDays: 7 }, mail: { smtp: null, microsoft: null, to: [], admins: [] }, includeOutlookCaches: false, beacon: true, watchFolders: ['/mail'], groupMinFree: null, afterRestart: [],
}

test('a daily schedule is a time of day, any other one stays as it is written', () => {
  assert.deepEqual([formOf(settings).daily, formOf(settings).cron], ['22:30', ''])
  const weekly = { ...settings, schedule: { ...settings.schedule, cron: '0 9 * * 1' } }
  assert.deepEqual([formOf(weekly).daily, formOf(weekly).cron], ['', '0 9 * * 1'])
  assert.equal(changeOf({ ...formOf(weekly), cron: '', daily: '07:05' }, weekly).change.schedule?.cron, '5 7 * * *')
  assert.equal(changeOf({ ...formOf(settings), daily: '' }, settings).change.schedule?.cron, null)
})

test('what is not touched is not sent, whatever the settings are', () => {
  assert.deepEqual(changeOf(formOf(settings), settings), { change: {}, wrong: [] })
  fc.assert(fc.property(fc.record({
    upload: fc.option(fc.integer({ min: 1, max: 10 ** 10 })), quota: fc.option(fc.integer({ min: 0, max: 10 ** 14 })), minFree: fc.integer({ min: 0, max: 95 }), settle: fc.integer({ min: 1, max: 90_000 }),
  }), ({ upload, quota, minFree, settle }) => {
    const other = { ...settings, limits: { ...settings.limits, uploadBytesPerSecond: upload }, offer: { quotaBytes: quota, minFree: minFree / 100, scrubDays: 30 }, schedule: { ...settings.schedule, settleSeconds: settle } }
    assert.deepEqual(changeOf(formOf(other), other), { change: {}, wrong: [] })
  }))
})

test('numbers are sent in bytes and seconds, and fit what the agent takes', () => {
  const { change, wrong } = changeOf({ ...formOf(settings), uploadMB: '1,5', quotaGB: '', reservePercent: '10', folders: '/mail\n\n /more ', quietFrom: '08:00', quietTo: '17:00' }, settings)
  assert.deepEqual(wrong, [])
  assert.deepEqual(change.limits, { uploadBytesPerSecond: 1_500_000, downloadBytesPerSecond: 2_500_000 })
  assert.deepEqual(change.offer, { quotaBytes: null, minFree: 0.1 })
  assert.deepEqual(change.watchFolders, ['/mail', '/more'])
  assert.deepEqual(change.schedule?.quietHours, { from: '08:00', to: '17:00' })
  commands.settings.request.parse({ change })
})

test('a size that is no whole number of bytes is rounded to one, as the agent wants it', () => {
  const { change } = changeOf({ ...formOf(settings), quotaGB: '1.0000000005', growthMB: '0.3', uploadMB: '1.0000005' }, settings)
  assert.deepEqual([change.offer?.quotaBytes, change.schedule?.growthBytes, change.limits?.uploadBytesPerSecond], [1_000_000_001, 314_573, 1_000_001])
  commands.settings.request.parse({ change })
})

test('slow links are a line each, of a network or an interface', () => {
  assert.equal(formOf(settings).slowLinks, '10.8.0.0/16 0.5 -')
  const { change, wrong } = changeOf({ ...formOf(settings), slowLinks: '10.8.0.0/16 1,5 2\n\nEthernet 3  - 1 ' }, settings)
  assert.deepEqual([change.limits?.slowLinks, wrong], [[
    { network: '10.8.0.0/16', uploadBytesPerSecond: 1_500_000, downloadBytesPerSecond: 2_000_000 }, { interface: 'Ethernet 3', uploadBytesPerSecond: null, downloadBytesPerSecond: 1_000_000 },
  ], []])
  commands.settings.request.parse({ change })
  for (const line of ['10.8.0.0/33 1 1', '10.8.0.0/16', 'tun0 - -', 'tun0 fast 1', 'tun0 0 1']) {
    assert.deepEqual(changeOf({ ...formOf(settings), slowLinks: line }, settings).wrong, ['slowLinks'], line)
  }
})

test('what is no number, and half of the quiet hours, is named', () => {
  assert.deepEqual(changeOf({ ...formOf(settings), uploadMB: 'fast' }, settings).wrong, ['uploadMB'])
  for (const slow of ['0', '0.019']) assert.deepEqual(changeOf({ ...formOf(settings), downloadMB: slow }, settings).wrong, ['downloadMB'], 'nothing would ever come back')
  const least = changeOf({ ...formOf(settings), downloadMB: '0.02' }, settings)
  assert.deepEqual(least.wrong, [])
  commands.settings.request.parse({ change: least.change })
  assert.deepEqual(changeOf({ ...formOf(settings), quietFrom: '08:00', quietTo: '08:00' }, settings).wrong, ['quietTo'])
  assert.deepEqual(changeOf({ ...formOf(settings), quietFrom: '08:00' }, settings).wrong, ['quietTo'])
  assert.deepEqual(changeOf({ ...formOf(settings), reservePercent: '-3' }, settings).wrong, ['reservePercent'])
})

test('a reserve below the minimum of the group is not told as saved alone, in either language', () => {
  const after = { ...settings, offer: { ...settings.offer, minFree: 0.45 }, groupMinFree: 0.45 }
  const { change } = changeOf({ ...formOf(settings), reservePercent: '20' }, settings)
  assert.match(savedText(en.settings, change, after), /minimum holds.*45 %/)
  assert.match(savedText(de.settings, change, after), /Minimum der Gruppe.*45 %/)
  assert.equal(savedText(en.settings, change, settings), 'Saved')
  assert.equal(savedText(en.settings, { label: 'Front desk' }, after), 'Saved', 'the reserve was not what was changed')
})
