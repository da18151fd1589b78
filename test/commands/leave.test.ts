import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { HoldfastError } from '../../shared/errors.ts'
import { type GroupAgent, startAgents } from '../support/agent-group.ts'
import { seededBytes } from '../support/trees.ts'

const withCode = (code: string, text = /./) => (error: unknown) => error instanceof HoldfastError && error.code === code && text.test(error.message)

function makeDocuments(directory: string): string {
  const folder = join(directory, 'documents')
  mkdirSync(folder, { recursive: true })
  for (let number = 0; number < 4; number++) writeFileSync(join(folder, `${number}.bin`), seededBytes(300_000, number))
  return folder
}

test('a machine that leaves hands over what it keeps first, also for an owner who is off, and everything restores without it', async (t) => {
  const group = await startAgents(t, 4, { redundancy: 'mirror-2' })
  const [owner] = group.agents as [GroupAgent]
  const folder = makeDocuments(group.directory)
  await owner.run('protect', { paths: [folder] })
  assert.equal((await owner.run('backup', {})).protection.state, 'protected')
  const holders = (await owner.run('status', {})).holders.map(({ machine }) => machine)
  const leaving = group.agents.find(({ id }) => holders.includes(id)) as GroupAgent
  const second = group.agents.find((agent) => agent !== owner && agent !== leaving) as GroupAgent
  const leavingId = leaving.id
  await owner.run('network admin add', { machine: second.name })
  await owner.stop()
  const left = await leaving.run('network leave', { days: 10 })
  assert.ok(left.shards > 0)
  assert.deepEqual([left.kept, left.handedOver + left.safe, left.keepDays], [0, left.shards, 10])
  await leaving.stop()
  await owner.start()
  const { peers } = await owner.until('peers', {}, (result) => result.peers.some(({ membership }) => membership === 'left'))
  assert.deepEqual(peers.filter(({ membership }) => membership === 'left').map(({ id, state }) => [id, state]), [[leavingId, 'gone']])
  const repaired = await owner.run('repair', {})
  assert.deepEqual([repaired.protection.state, repaired.bytesSent, repaired.problems], ['protected', 0, []], 'nothing had to be made anew')
  const target = join(group.directory, 'back')
  await owner.run('restore', { snapshot: 'latest', target })
  for (const name of readdirSync(folder)) assert.deepEqual(readFileSync(join(target, 'documents', name)), readFileSync(join(folder, name)))

  await leaving.start()
  assert.equal((await leaving.run('status', {})).network, null, 'it is in no group after its next start')
  const { invitation } = await second.run('network invite', {})
  await leaving.run('network join', { invitation, label: 'back again' })
  await owner.until('peers', {}, (result) => result.peers.some(({ name, membership }) => name === 'back again' && membership === 'member'))
})

test('who cannot hand everything over stays a member, unless it is forced; the last admin stays in any case', async (t) => {
  const group = await startAgents(t, 3, { redundancy: 'mirror-2' })
  const [owner, second] = group.agents as [GroupAgent, GroupAgent]
  await owner.run('protect', { paths: [makeDocuments(group.directory)] })
  await owner.run('backup', {})
  await assert.rejects(owner.run('network leave', {}), withCode('invalid-input', /only admin/))
  await assert.rejects(second.run('network leave', {}), withCode('too-few-holders', /nowhere to go/))
  const { peers } = await owner.run('peers', {})
  assert.deepEqual(peers.map(({ membership }) => membership), ['member', 'member', 'member'])
  const { kept, keepDays } = await second.run('network leave', { force: true, backups: 'erase' })
  assert.ok(kept > 0)
  assert.equal(keepDays, 0)
  assert.equal(existsSync(join(second.home, 'owner.json')), true)
  await second.stop()
  await second.start()
  assert.equal((await second.run('status', {})).machine.owner, null, 'its keys are gone')
  assert.ok(readdirSync(second.home).filter((name) => name.startsWith('former-')).every((name) => !existsSync(join(second.home, name, 'owner.json'))))
})

test('a person moves to a new machine by plan: the kit there, leaving here, and nothing is lost', async (t) => {
  const group = await startAgents(t, 4, { redundancy: 'mirror-2' })
  const [owner, old] = group.agents as [GroupAgent, GroupAgent]
  const folder = makeDocuments(group.directory)
  await old.run('protect', { paths: [folder] })
  await old.run('backup', {})
  const { words, locator } = await old.run('key show', {})
  const fresh = await group.add('new machine')
  const recovered = await fresh.run('recover', { words, locator, label: 'new machine' })
  assert.deepEqual([recovered.snapshots, recovered.member], [1, true])
  const { keepDays, kept } = await old.run('network leave', {})
  assert.deepEqual([keepDays, kept], [null, 0], 'the owner stays with the new machine')
  await fresh.run('restore', { snapshot: 'latest', target: join(group.directory, 'moved') })
  assert.equal(readdirSync(join(group.directory, 'moved', 'documents')).length, 4)
  await owner.until('peers', {}, ({ peers }) => peers.some(({ name, state }) => name === 'machine-2' && state === 'gone'))
})

test('who hands the backups over while nobody is on stays a member, and the colleague gets nothing', async (t) => {
  const group = await startAgents(t, 3, { redundancy: 'mirror-2' })
  const [founder, leaving, colleague] = group.agents as [GroupAgent, GroupAgent, GroupAgent]
  await leaving.run('protect', { paths: [makeDocuments(group.directory)] })
  await leaving.run('backup', {})
  await Promise.all([founder.stop(), colleague.stop()])
  await assert.rejects(leaving.run('network leave', { handTo: 'machine-3' }), withCode('too-few-holders'))
  await colleague.start()
  await colleague.until('peers', {}, ({ peers }) => peers.some(({ name, state, membership }) => name === 'machine-2' && state === 'online' && membership === 'member'))
  assert.deepEqual((await colleague.run('handed-over list', {})).backups, [])
})
