import assert from 'node:assert/strict'
import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { startGroup } from '../support/process-group.ts'

test('everybody sees who is covered, by each machine\'s own signed word, also after it went off', async () => {
  await using group = await startGroup(4)
  const [owner, second, third] = group.agents
  assert.ok(owner !== undefined && second !== undefined && third !== undefined)
  const folder = join(group.directory, 'files')
  await mkdir(folder)
  await writeFile(join(folder, 'letter.txt'), 'dear all')
  await owner.run('protect', { paths: [join(folder, 'letter.txt')] })
  await owner.run('backup', {})
  const { holders, problems } = await owner.run('audit', {})
  assert.deepEqual([holders.map(({ state }) => state), problems], [['passed', 'passed', 'passed'], []])
  assert.ok((await owner.run('status', {})).holders.every(({ lastAudit, lastFailedAudit }) => lastAudit !== null && lastFailedAudit === null))
  assert.equal((await owner.run('verify', { readData: true })).ok, true)
  await writeFile(join(folder, 'letter.txt'), 'dear all, and more')

  const seen = async () => (await second.run('coverage', {})).members.find(({ machine }) => machine === owner.ready.id)
  while (typeof (await seen())?.lastVerifiedRestore !== 'string') await owner.run('coverage', {}) // its word travels by gossip
  const row = await seen()
  assert.deepEqual([row?.state, row?.placed, row?.wanted, row?.self, row?.admin, row?.machineState], ['protected', 3, 3, false, true, 'online'])
  assert.ok((row?.lastSnapshotAgeSeconds ?? Infinity) < 600)
  assert.equal(typeof row?.lastAudit, 'string')
  const own = (await owner.run('coverage', {})).members.find(({ self }) => self)
  assert.deepEqual([own?.machine, own?.unprotectedBytes, own?.offSinceSeconds], [owner.ready.id, 10, null])

  const idle = (await owner.run('coverage', {})).members.find(({ machine }) => machine === third.ready.id)
  assert.deepEqual([idle?.state, idle?.lastSnapshotAgeSeconds, idle?.admin, idle?.chosen], ['unprotected', null, false, 0])
  const known = (await owner.run('coverage', { fresh: false })).members.find(({ machine }) => machine === third.ready.id)
  assert.deepEqual([known?.state, known?.chosen], ['unprotected', 0])
  assert.ok((idle?.offerBytes ?? 0) > 0)

  assert.deepEqual([row?.reachable, row?.restorable, own?.reachable], [3, true, 3])

  await third.kill()
  await owner.kill()
  let after = await seen()
  while (after?.reachable === 3 || after?.machineState === 'online') after = await seen() // as soon as the links break
  assert.deepEqual([after?.state, after?.placed, after?.reachable, after?.restorable], ['protected', 3, 2, true])
})
