import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { levelText } from '../../agent/commands/leave.ts'
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
  const left = await leaving.run('network leave', { days: 60 })
  assert.ok(left.shards > 0)
  assert.deepEqual([left.kept, left.handedOver + left.safe, left.keepDays], [0, left.shards, 60])
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
  await old.until('status', {}, ({ notices }) => notices.some(({ code }) => code === 'recovered-elsewhere'))
  await assert.rejects(old.run('backup', {}), withCode('revoked', /was recovered on another machine/))
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

test('a machine that left enters another group on the running agent, and nothing of the former one is in its way', async (t) => {
  const group = await startAgents(t, 3, { redundancy: 'mirror-2' })
  const [founder, leaver, third] = group.agents as [GroupAgent, GroupAgent, GroupAgent]
  const folder = makeDocuments(group.directory)
  for (const agent of [founder, leaver]) {
    await agent.run('protect', { paths: [folder] })
    await agent.run('backup', {})
  }
  assert.ok((await leaver.run('status', {})).holder.used > 0)
  assert.ok((await leaver.run('network leave', { force: true })).kept > 0)
  assert.deepEqual((await leaver.run('status', {})).notices.map(({ code }) => code), ['has-left'])

  const other = await group.add('other')
  await other.run('network create', { name: 'Other', roster: `folder:${join(group.directory, 'other-roster')}`, label: 'other' })
  await assert.rejects(leaver.run('network join', { invitation: 'hf1.nonsense' }), withCode('invitation-invalid'))
  const { invitation } = await other.run('network invite', {})
  const { former } = await leaver.run('network join', { invitation })
  assert.ok(former !== null)
  for (const kept of ['owner.json', 'repository', 'group.json', 'holder']) assert.ok(existsSync(join(former, kept)), kept)
  const entered = await leaver.run('status', {})
  assert.deepEqual([entered.network?.name, entered.network?.members, entered.holder.used, entered.keyConfirmed], ['Other', 2, 0, false])
  assert.deepEqual(entered.paths.map(({ path, lastSnapshot }) => [path, lastSnapshot]), [[folder, null]], 'what is protected stays protected, and is not backed up yet')
  await other.run('protect', { paths: [folder] })
  await other.run('backup', { offlineOk: true })
  await leaver.run('backup', { offlineOk: true })
  await leaver.run('restore', { snapshot: 'latest', target: join(group.directory, 'from-other') })
  assert.equal(readdirSync(join(group.directory, 'from-other', 'documents')).length, 4)
  await third.until('peers', {}, ({ peers }) => peers.some(({ name, membership }) => name === 'machine-2' && membership === 'left'))

  await leaver.stop()
  await leaver.start()
  assert.equal((await leaver.run('status', {})).network?.name, 'Other')
  const { shards } = await leaver.run('network leave', { force: true, backups: 'erase' })
  const own = (await other.run('status', {})).holders.find(({ machine }) => machine === leaver.id)
  assert.ok(shards > 0 && own !== undefined)
  const third2 = await leaver.run('network create', { name: 'Third', roster: `folder:${join(group.directory, 'third-roster')}` })
  assert.ok(third2.former !== null && !existsSync(join(third2.former, 'owner.json')), 'its keys are gone, as it was told to')
  assert.equal((await leaver.run('status', {})).network?.name, 'Third')
})

test('a machine that was shut out enters another group, but not the same one with the same key', async (t) => {
  const group = await startAgents(t, 2)
  const [founder, out] = group.agents as [GroupAgent, GroupAgent]
  const { invitation } = await founder.run('network invite', {})
  await assert.rejects(out.run('network join', { invitation }), withCode('already-exists', /is in Test/))
  await founder.run('network revoke', { machine: 'machine-2' })
  await out.until('status', {}, ({ notices }) => notices.some(({ code }) => code === 'shut-out'))
  await out.run('protect', { paths: [makeDocuments(group.directory)] })
  await assert.rejects(out.run('backup', {}), withCode('revoked', /an admin shut this machine out/))
  await assert.rejects(out.run('network join', { invitation }), withCode('revoked', /another --home/))
  const { former } = await out.run('network create', { name: 'Own', roster: `folder:${join(group.directory, 'own-roster')}` })
  assert.ok(former !== null && existsSync(join(former, 'owner.json')))
  const { network, notices } = await out.run('status', {})
  assert.deepEqual([network?.name, notices.map(({ code }) => code).includes('shut-out')], ['Own', false])
})

test('what was handed over goes on with its keeper: to his next machine, to a colleague when he leaves, and not into nothing', async (t) => {
  const group = await startAgents(t, 4, { redundancy: 'mirror-2' })
  const [founder, leaver, keeper, third] = group.agents as [GroupAgent, GroupAgent, GroupAgent, GroupAgent]
  const folder = makeDocuments(group.directory)
  await leaver.run('protect', { paths: [folder] })
  await leaver.run('backup', {})
  await leaver.run('network leave', { handTo: 'machine-3', force: true })
  const { backups: [handed] } = await keeper.until('handed-over list', {}, ({ backups }) => backups.length === 1)
  assert.deepEqual([handed?.name, handed?.opensOn], ['machine-2', ['machine-3']])
  await leaver.stop()

  await assert.rejects(keeper.run('network leave', {}), withCode('invalid-input', /machine-2 handed over opens on this machine alone/))
  await assert.rejects(third.run('handed-over pass-on', { owner: 'machine-2', to: 'machine-1' }), withCode('not-found'))
  const { words, locator } = await keeper.run('key show', {})
  const next = await group.add('machine-5')
  await keeper.run('protect', { paths: [folder] })
  await keeper.run('backup', {})
  await next.run('recover', { words, locator, label: 'machine-5' })
  assert.deepEqual((await next.run('handed-over list', {})).backups, [], 'the words open the own backup alone')
  await keeper.until('peers', {}, ({ peers }) => peers.some(({ name, state }) => name === 'machine-5' && state === 'online'))
  assert.deepEqual((await keeper.run('network leave', { force: true })).passedOn, ['machine-2'], 'to the owner\'s other machine')
  await keeper.stop()

  await next.until('handed-over list', {}, ({ backups }) => backups.length === 1)
  assert.deepEqual((await next.run('handed-over pass-on', { owner: 'machine-2', to: 'machine-4' })).opensOn.toSorted(), ['machine-4', 'machine-5'])
  await assert.rejects(next.run('handed-over pass-on', { owner: 'machine-2', to: 'machine-4' }), withCode('already-exists'))
  await next.stop()
  await third.until('handed-over list', {}, ({ backups }) => backups.length === 1)
  const target = join(group.directory, 'passed-on')
  await third.run('handed-over restore', { owner: 'machine-2', target })
  for (const name of readdirSync(folder)) assert.deepEqual(readFileSync(join(target, 'documents', name)), readFileSync(join(folder, name)))
  assert.deepEqual((await third.run('network leave', { handTo: 'machine-1', force: true })).passedOn, ['machine-2'])
  await founder.until('handed-over list', {}, ({ backups }) => backups.some(({ name }) => name === 'machine-2'))
})

test('who cannot hand everything over is told why, what helps, and what becomes of it without this machine, whatever the level', async (t) => {
  const cases = [
    { machines: 3, redundancy: 'auto', left: '1 of 2 parts at the least, 1 is needed', level: 'Without this machine there is 1 other for each: new backups would have a single copy.' },
    { machines: 4, redundancy: '2-of-3', left: '2 of 3 parts at the least, 2 are needed', level: 'Without this machine there are 2 others for each, and the level 2-of-3 wants 3: new backups would be partly protected until more join or an admin chooses a lower level.' },
    { machines: 7, redundancy: 'auto', left: '5 of 6 parts at the least, 3 are needed', level: '' },
  ]
  for (const { machines, redundancy, left, level } of cases) {
    const { agents: [owner, leaver, other], directory } = await startAgents(t, machines, { redundancy })
    await owner!.run('protect', { paths: [makeDocuments(directory)] })
    await owner!.run('backup', {})
    const failure = async () => await leaver!.run('network leave', {}).then(() => assert.fail('it left'), (error: unknown) => error as HoldfastError)
    const error = await failure()
    assert.match(error.message, /nowhere to go: every other machine that is on has a part of the same backups already/)
    assert.equal(error.guidance, `All machines are on: a further one would have to join. With --force it leaves all the same, and they have ${left} to restore; what is missing is made anew once a machine is there that has none of it.${level === '' ? '' : ` ${level}`}`)
    if (machines > 4) continue
    await other!.stop()
    assert.match((await failure()).guidance, /^machine-3 may take them: switch it on and try again/)
  }
})

test('what is said of the level without the machine that leaves is so for each level', () => {
  assert.match(levelText('3-of-4', 2), /needs 3: every backup would fail/)
  assert.match(levelText('4-of-6', 5), /are 5 others for each, and the level 4-of-6 wants 6: new backups would be partly protected/)
  for (const [name, others] of [['auto', 5], ['auto', -1], ['raid6', -1], ['auto', 2], ['mirror-2', 2], ['raid5', 3], ['4-of-6', 6]] as const) assert.equal(levelText(name, others), '', `${name} of ${others}`)
})
