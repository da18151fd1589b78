import assert from 'node:assert/strict'
import { test } from 'node:test'
import { dailyQuota, minuteQuota, simulateRosterLoad } from '../../../bench/roster-load.ts'

test('a day of a group asks for far less than a tenth of what SharePoint allows; nothing is a heartbeat, and what gossip brought is not downloaded', async () => {
  const peers = 24
  const load = await simulateRosterLoad({ peers, sample: 2 })
  assert.ok(load.perDay <= dailyQuota / 10, `${load.perDay} resource units a day`)
  assert.ok(load.busiestMinute / load.sampled * peers <= minuteQuota / 2, `${load.busiestMinute} in a minute`)
  assert.equal(load.perMachine.writes, 6, 'four heads and two changes of the own record are written, nothing else')
  assert.ok(load.perMachine.requests > 40, 'the machines did poll')
  assert.ok(load.perMachine.downloads < peers * 6 / 4, `${load.perMachine.downloads} downloads of ${peers * 6} changes`)
})
