import assert from 'node:assert/strict'
import { test } from 'node:test'
import { renderers } from '../../agent/cli/render.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { type AgentGroup, type GroupAgent, startAgents } from '../support/agent-group.ts'

const withCode = (code: string, text = /./) => (error: unknown) => error instanceof HoldfastError && error.code === code && text.test(error.message)

type Three = [GroupAgent, GroupAgent, GroupAgent]
const three = (group: AgentGroup): Three => group.agents as unknown as Three

test('settings of the group change in one place, reach every agent, and leave what a machine says of itself', async (t) => {
  const [admin, one, two] = three(await startAgents(t, 3))
  await two.run('settings', { change: { schedule: { cron: '0 3 * * *' } } })
  const { settings, told } = await admin.run('network settings', { change: { name: 'Accounts', redundancy: 'mirror-3', minFree: 0.5, schedule: { cron: '15 11 * * *', quietHours: { from: '08:00', to: '10:00' } } } })
  assert.deepEqual([settings.name, settings.redundancy, told], ['Accounts', 'mirror-3', { peers: 2, of: 2, rosters: 1 }])
  const followed = await one.until('network settings', {}, (result) => result.settings.name === 'Accounts')
  assert.deepEqual([followed.settings.redundancy, followed.settings.minFree, followed.mayChange, followed.admins.map(({ name }) => name)], ['mirror-3', 0.5, false, ['machine-1']])
  const { settings: own } = await one.run('settings', {})
  assert.deepEqual([own.schedule.cron, own.schedule.quietHours, own.offer.minFree], ['15 11 * * *', { from: '08:00', to: '10:00' }, 0.5])
  const { settings: kept } = await two.until('settings', {}, (result) => result.settings.offer.minFree === 0.5)
  assert.deepEqual([kept.schedule.cron, kept.schedule.quietHours], ['0 3 * * *', { from: '08:00', to: '10:00' }], 'what a machine sets itself stays')
  const lower = await two.run('settings', { change: { offer: { minFree: 0.2 } } })
  assert.deepEqual([lower.settings.offer.minFree, lower.settings.groupMinFree], [0.5, 0.5])
  assert.match(renderers['settings'](lower), /group's minimum holds .*: 0\.5$/mu)
  assert.doesNotMatch(renderers['settings'](await one.run('settings', {})), /minimum/u)
  assert.equal((await one.run('status', {})).network?.redundancy, 'mirror-3')
  await admin.run('network settings', { change: { schedule: null } })
  await one.until('settings', {}, (result) => result.settings.schedule.cron === '0 12 * * *')
  await assert.rejects(admin.run('network settings', { change: { redundancy: '7-of-3' } }), withCode('invalid-input'))
  await assert.rejects(admin.run('network settings', { change: { redundancy: '5-of-9' } }), /5-of-9: a backup needs at least 5 other machines, and there are 2;/u)
  await assert.rejects(admin.run('network settings', { change: { schedule: { cron: 'at noon' } } }), withCode('invalid-input'))
  await assert.rejects(admin.run('network settings', { change: { schedule: { cron: '0 0 31 2 *' } } }), withCode('invalid-input', /never comes/))
})

test('who is no admin changes nothing and hears who the admins are; a second admin can do what the first can', async (t) => {
  const [admin, one, two] = three(await startAgents(t, 3))
  await assert.rejects(one.run('network settings', { change: { name: 'Mine' } }), withCode('unauthorized', /machine-1/))
  await assert.rejects(one.run('network invite', {}), withCode('unauthorized'))
  await assert.rejects(one.run('network revoke', { machine: 'machine-3' }), withCode('unauthorized'))
  const added = await admin.run('network admin add', { machine: 'MACHINE-2' })
  assert.deepEqual(added.admins.map(({ name, self }) => [name, self]), [['machine-1', true], ['machine-2', false]])
  await assert.rejects(admin.run('network admin add', { machine: 'machine-2' }), withCode('already-exists'))
  await one.run('network settings', { change: { name: 'Ours' } })
  await two.until('network settings', {}, ({ settings }) => settings.name === 'Ours')

  await one.run('network admin remove', { machine: 'machine-1' })
  await assert.rejects(admin.run('network settings', { change: { name: 'Mine again' } }), withCode('unauthorized', /machine-2/))
  await assert.rejects(one.run('network admin remove', { machine: 'machine-2' }), withCode('invalid-input', /no admin left/))
  await assert.rejects(one.run('network admin add', { machine: 'machine-1' }), withCode('invalid-input', /for good/))
  assert.equal((await two.run('peers', {})).peers.length, 3, 'whom a removed admin let in stays')
})

test('a machine that is shut out is refused by all, its invitation lets nobody in again, and itself it cannot shut out', async (t) => {
  const group = await startAgents(t, 3)
  const [admin, one, two] = three(group)
  await assert.rejects(admin.run('network revoke', { machine: 'machine-1' }), withCode('invalid-input', /itself/))
  await assert.rejects(admin.run('network revoke', { machine: 'nobody' }), withCode('not-found'))
  const { name } = await admin.run('network revoke', { machine: two.id.slice(0, 12), why: 'stolen' })
  assert.equal(name, 'machine-3')
  await one.until('peers', {}, ({ peers }) => peers.length === 2)
  assert.deepEqual((await two.run('status', {})).network?.online, 1, 'nobody answers it any more')
  await assert.rejects(admin.run('network revoke', { machine: 'machine-3' }), withCode('already-exists'))
})

test('a lost machine is gone at once, what it kept is made good elsewhere, and it may be found again', async (t) => {
  const group = await startAgents(t, 4, { redundancy: 'mirror-2' })
  const [admin] = group.agents as [GroupAgent]
  await admin.run('protect', { paths: [group.agents[2]?.home ?? ''] })
  const { protection } = await admin.run('backup', {})
  assert.equal(protection.state, 'protected')
  const { holders } = await admin.run('status', {})
  const lost = group.agents.find(({ id }) => id === holders[0]?.machine) as GroupAgent
  const other = group.agents.find((agent) => agent !== lost && agent !== admin) as GroupAgent
  await lost.stop()
  await admin.run('network lost', { machine: holders[0]?.machine ?? '' })
  const { peers } = await other.until('peers', {}, (result) => result.peers.some(({ membership }) => membership === 'lost'))
  assert.deepEqual(peers.filter(({ membership }) => membership === 'lost').map(({ id, state }) => [id, state]), [[holders[0]?.machine, 'gone']])
  await admin.until('status', { fresh: false }, (status) => status.protection.state === 'protected')
  await admin.run('network lost', { machine: lost.name, found: true })
  await lost.start()
  await other.until('peers', {}, (result) => result.peers.every(({ membership, state }) => membership === 'member' && state === 'online'))
})

test('invitations are seen by every admin, and a revoked one lets nobody in while who came in by it stays', async (t) => {
  const group = await startAgents(t, 2)
  const [admin, one] = group.agents as [GroupAgent, GroupAgent]
  await admin.run('network admin add', { machine: one.name })
  const { id, invitation } = await admin.run('network invite', { count: 3 })
  const late = await group.add('late')
  const seen = await one.until('network invitations', {}, ({ invitations }) => invitations.some((other) => other.id === id))
  assert.deepEqual(seen.invitations.map(({ state, used, count, by }) => [state, used, count, by]).sort(), [['open', 0, 3, 'machine-1'], ['used-up', 1, 1, 'machine-1']])
  const early = await group.add('early')
  await early.run('network join', { invitation, label: 'early' })
  await one.until('network invitations', {}, ({ invitations }) => invitations.some(({ machines }) => machines.includes('early')))
  assert.equal((await one.run('network uninvite', { id: id.slice(0, 10) })).kept, 1)
  await assert.rejects(late.run('network join', { invitation }), withCode('invitation-invalid', /revoked/))
  assert.equal((await admin.run('peers', {})).peers.length, 3)
})

test('with approved admission a machine waits until an admin lets it in, and then takes part', async (t) => {
  const group = await startAgents(t, 2)
  const [admin, one] = group.agents as [GroupAgent, GroupAgent]
  await admin.run('network settings', { change: { admission: 'approved' } })
  const { invitation } = await admin.run('network invite', {})
  const newcomer = await group.add('newcomer')
  assert.equal((await newcomer.run('network join', { invitation, label: 'newcomer' })).waiting, true)
  assert.equal((await one.run('peers', {})).peers.length, 2)
  const { requests } = await admin.run('network requests', {})
  assert.deepEqual(requests.map(({ machine, name }) => [machine, name]), [[newcomer.id, 'newcomer']])
  await assert.rejects(one.run('network approve', { machine: 'newcomer' }), withCode('unauthorized'))
  assert.match((await newcomer.run('status', {})).warnings.join(), /approve/)
  await admin.run('network approve', { machine: 'newcomer' })
  await newcomer.until('status', {}, ({ network }) => network?.online === 3)
  assert.deepEqual((await admin.run('network requests', {})).requests, [])
  assert.equal((await one.run('peers', {})).peers.length, 3)
})

test('a machine that waits can be turned away instead, and its invitation lets it in no more', async (t) => {
  const group = await startAgents(t, 2)
  const [admin, one] = group.agents as [GroupAgent, GroupAgent]
  await admin.run('network settings', { change: { admission: 'approved' } })
  const { invitation } = await admin.run('network invite', { count: 2 })
  const stranger = await group.add('stranger')
  await stranger.run('network join', { invitation, label: 'stranger' })
  assert.equal((await admin.run('network requests', {})).requests.length, 1)
  await admin.run('network revoke', { machine: stranger.id })
  assert.deepEqual((await admin.run('network requests', {})).requests, [])
  await assert.rejects(admin.run('network approve', { machine: stranger.id }), withCode('not-found'))
  assert.equal((await one.run('peers', {})).peers.length, 2)
})
