/** No place and no machine is a single point of failure: whole agents in this process, one part after the other taken away. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { hasCode } from '../../shared/errors.ts'
import { type AgentGroup, type GroupAgent, startAgents } from '../support/agent-group.ts'
import { seededBytes } from '../support/trees.ts'

let round = 0

/** Something new is backed up and restored by this machine's owner. */
async function backUpAndRestore(group: AgentGroup, agent: GroupAgent): Promise<void> {
  const file = documentOf(group, agent)
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, seededBytes(120_000, ++round))
  await agent.run('protect', { paths: [file] })
  await agent.run('backup', { offlineOk: true })
  await restoreLatest(group, agent)
}

function documentOf(group: AgentGroup, agent: GroupAgent): string {
  return join(group.directory, `${agent.name}.doc`, 'letters.bin')
}

/** What this machine's owner backed up last comes back. */
async function restoreLatest(group: AgentGroup, agent: GroupAgent): Promise<void> {
  const target = join(group.directory, `back-${++round}`)
  await agent.run('restore', { snapshot: 'latest', target })
  assert.ok(readFileSync(join(target, 'letters.bin')).equals(readFileSync(documentOf(group, agent))))
}

async function restartAll(group: AgentGroup): Promise<void> {
  await Promise.all(group.agents.map(async (agent) => { await agent.stop() }))
  for (const agent of group.agents) await agent.start()
}

async function rosterState(agent: GroupAgent, wanted: RegExp): Promise<void> {
  await agent.until('status', {}, ({ rosters }) => wanted.test(`${rosters[0]?.state} ${rosters[0]?.detail}`))
}

test('with the roster down, refusing, wiped or rolled back, all agents restarted, backup and restore go on, and it is filled again', async (t: TestContext) => {
  const group = await startAgents(t, 3)
  const [founder, one] = group.agents as [GroupAgent, GroupAgent]
  const copy = join(group.directory, 'copy')
  cpSync(group.roster, copy, { recursive: true })
  const aside = join(group.directory, 'aside')

  renameSync(group.roster, aside)
  await restartAll(group)
  await backUpAndRestore(group, one)
  await rosterState(one, /unreachable/)

  writeFileSync(group.roster, 'a file where the folder was')
  await restartAll(group)
  await backUpAndRestore(group, founder)
  await rosterState(founder, /unreachable/)

  rmSync(group.roster)
  mkdirSync(group.roster)
  await backUpAndRestore(group, one)
  for (let turn = 0; turn < 2; turn++) await one.run('network requests', {}) // reads the roster now: found empty, then filled
  await one.until('status', {}, ({ rosters }) => rosters[0]?.state === 'ok')

  await founder.run('network settings', { change: { name: 'Renamed' } })
  await one.until('network settings', {}, ({ settings }) => settings.name === 'Renamed')
  rmSync(group.roster, { recursive: true })
  cpSync(copy, group.roster, { recursive: true })
  await restartAll(group)
  await backUpAndRestore(group, one)
  assert.equal((await one.run('network settings', {})).settings.name, 'Renamed', 'an older roster is believed in nothing')
})

test('nobody joins while the roster is out of reach, and the same invitation is good when it is back', async (t) => {
  const group = await startAgents(t, 2)
  const [founder] = group.agents as [GroupAgent]
  const { invitation } = await founder.run('network invite', {})
  const newcomer = await group.add('newcomer')
  const aside = join(group.directory, 'aside')
  renameSync(group.roster, aside)
  await assert.rejects(newcomer.run('network join', { invitation, label: 'newcomer' }), (error) => hasCode(error, 'roster-unavailable'))
  assert.equal((await newcomer.run('status', {})).network, null)
  renameSync(aside, group.roster)
  await newcomer.run('network join', { invitation, label: 'newcomer' })
  await founder.until('peers', {}, ({ peers }) => peers.some(({ id, state }) => id === newcomer.id && state === 'online'))
})

test('an address that changes while the roster is down arrives by gossip', async (t) => {
  const group = await startAgents(t, 3)
  const [founder, one, two] = group.agents as [GroupAgent, GroupAgent, GroupAgent]
  await two.until('peers', {}, ({ peers }) => peers.length === 3)
  rmSync(group.roster, { recursive: true })
  await one.stop()
  await one.start({ elsewhere: true })
  const here = ({ peers }: { peers: readonly { id: string; addresses: readonly string[]; state: string }[] }) => peers.some(({ id, addresses, state }) => id === one.id && state === 'online' && addresses.includes(one.peerAddress))
  await founder.until('peers', {}, here)
  await two.until('peers', {}, here)
  await backUpAndRestore(group, two)
})

test('machines whose addresses all changed while the roster was gone find each other by the beacon, and so does a recovery', async (t) => {
  const group = await startAgents(t, 3)
  const [founder, one, two] = group.agents as [GroupAgent, GroupAgent, GroupAgent]
  await backUpAndRestore(group, two)
  const kit = await two.run('key show', {})
  rmSync(group.roster, { recursive: true })
  await Promise.all(group.agents.map(async (agent) => { await agent.stop() }))
  for (const agent of [founder, one]) await agent.start({ elsewhere: true })
  await one.until('peers', {}, ({ peers }) => peers.some(({ id, addresses, state }) => id === founder.id && state === 'online' && addresses.includes(founder.peerAddress)))

  const replacement = await group.add('replacement')
  const { snapshots } = await replacement.run('recover', kit)
  assert.equal(snapshots, 1)
})

test('with the beacon switched off nobody calls, and a recovery that finds nobody says what to try', async (t) => {
  const group = await startAgents(t, 2, { config: { beacon: false } })
  const [founder, one] = group.agents as [GroupAgent, GroupAgent]
  const kit = await founder.run('key show', {})
  rmSync(group.roster, { recursive: true })
  await founder.stop()
  await one.stop()
  await one.start({ elsewhere: true })
  const replacement = await group.add('replacement')
  await assert.rejects(replacement.run('recover', kit), /nor anybody on this network; try --peer HOST:PORT/)
})

test('whichever machine is off, the founder\'s included, all others restore what was stored before, and back up and restore', async (t) => {
  const group = await startAgents(t, 4)
  for (const agent of group.agents) await backUpAndRestore(group, agent)
  for (const off of group.agents) {
    await off.stop()
    const survivors = group.agents.filter((agent) => agent !== off)
    for (const agent of survivors) await restoreLatest(group, agent)
    await backUpAndRestore(group, survivors[0] as GroupAgent)
    await off.start()
  }
})
