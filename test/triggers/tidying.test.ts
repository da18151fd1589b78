import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultConfig } from '../../agent/config.ts'
import type { RunCommand } from '../../agent/commands/command.ts'
import { Tidying } from '../../agent/triggers/tidying.ts'
import { FakeTime, hourMs } from '../support/fake-time.ts'

/** What was run, and a run that can be made to fail. */
function recorder() {
  const ran: [string, object][] = []
  const fault = { next: undefined as Error | undefined }
  const run = (async (name: string, request: object) => {
    if (fault.next !== undefined) throw fault.next
    ran.push([name, request])
    return name === 'forget' ? { forgotten: [{ id: 'a', time: '' }] } : { rewritten: 2 }
  }) as unknown as RunCommand
  return { ran, run, fault }
}

const options = { signal: AbortSignal.timeout(60_000), onProgress: () => {} }

test('after a backup the rule of the settings is applied, once a day, and a twentieth of the backup is rewritten at most', async () => {
  const { ran, run, fault } = recorder()
  const time = new FakeTime()
  const tidying = new Tidying({ rule: () => defaultConfig.retention, run, liveBytes: async () => 1_000_000, now: time.now })
  fault.next = new Error('nobody answers')
  await assert.rejects(tidying.afterBackup(options), fault.next)
  fault.next = undefined
  assert.deepEqual(await tidying.afterBackup(options), { forgotten: 1, rewritten: 2 })
  assert.deepEqual(ran, [
    ['forget', { last: 0, hourly: 24, daily: 30, weekly: 12, monthly: 24, yearly: 10, within: '2d', keepTags: [], tagged: [], dryRun: false }],
    ['prune', { maxRewriteBytes: 50_000, dryRun: false }],
  ])
  time.run(hourMs)
  assert.equal(await tidying.afterBackup(options), undefined)
  time.run(20 * hourMs)
  assert.ok(await tidying.afterBackup(options) !== undefined)
})

test('nothing is tidied when it is switched off, or when the rule would keep nothing', async () => {
  const { ran, run } = recorder()
  const nothing = { last: 0, hourly: 0, daily: 0, weekly: 0, monthly: 0, yearly: 0, within: null }
  for (const rule of [{ ...defaultConfig.retention, auto: false }, { auto: true, ...nothing }]) {
    const tidying = new Tidying({ rule: () => rule, run, liveBytes: async () => 1, now: () => 1e12 })
    assert.equal(await tidying.afterBackup(options), undefined)
  }
  assert.deepEqual(ran, [])
})
