import assert from 'node:assert/strict'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { type AddressInfo, createServer } from 'node:net'
import { constants, getPriority } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { startGroup } from '../support/process-group.ts'

async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  server.close()
  await once(server, 'close')
  return port
}

test('everybody sees who is covered, by each machine\'s own signed word, also after it went off; agents serve their figures and run below normal priority', async () => {
  const metricsPort = await freePort()
  await using group = await startGroup(4, { founderConfig: { metrics: { port: metricsPort } } })
  const [owner, second, third] = group.agents
  assert.ok(owner !== undefined && second !== undefined && third !== undefined)
  const folder = join(group.directory, 'files')
  await mkdir(folder)
  await writeFile(join(folder, 'letter.txt'), 'dear all')
  await owner.run('protect', { paths: [join(folder, 'letter.txt')] })
  await owner.run('backup', {})
  if (process.platform === 'linux') {
    const threads = readdirSync(`/proc/${owner.pid}/task`)
    assert.deepEqual(new Set(threads.map((thread) => getPriority(Number(thread)))), new Set([constants.priority.PRIORITY_BELOW_NORMAL]), 'every thread gives way to the user')
  }
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
  const metrics = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text()
  assert.match(metrics, /^holdfast_protection_state 2$/m)
  const ages = metrics.split('\n').filter((line) => line.startsWith('holdfast_member_snapshot_age_seconds{'))
  assert.ok(ages.length === 1 && ages[0]?.includes(`machine="${owner.ready.id}"`), metrics)
  assert.equal(metrics.split('\n').filter((line) => line.startsWith('holdfast_member_online{')).length, 4)

  await owner.kill()
  let after = await seen()
  while (after?.reachable === 3 || after?.machineState === 'online') after = await seen() // as soon as the links break
  assert.deepEqual([after?.state, after?.placed, after?.reachable, after?.restorable], ['protected', 3, 2, true])
})
