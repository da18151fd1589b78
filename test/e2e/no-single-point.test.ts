/** No place and no machine is a single point of failure: whole agents in this process, one part after the other taken away. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { type AgentGroup, type GroupAgent, startAgents } from '../support/agent-group.ts'
import { seededBytes } from '../support/trees.ts'

let round = 0

/** Something new is backed up and restored by this machine's owner. */
async function backUpAndRestore(group: AgentGroup, agent: GroupAgent): Promise<void> {
  const file = join(group.directory, `${agent.name}.doc`, 'letters.bin')
  mkdirSync(join(file, '..'), { recursive: true })
  const bytes = seededBytes(120_000, ++round)
  writeFileSync(file, bytes)
  await agent.run('protect', { paths: [file] })
  await agent.run('backup', { offlineOk: true })
  const target = join(group.directory, `back-${round}`)
  await agent.run('restore', { snapshot: 'latest', target })
  assert.deepEqual(readFileSync(join(target, 'letters.bin')), bytes)
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

test('whichever machine is off, the founder\'s included, the others back up and restore', async (t) => {
  const group = await startAgents(t, 4)
  for (const off of group.agents) {
    await off.stop()
    await backUpAndRestore(group, group.agents.find((agent) => agent !== off) as GroupAgent)
    await off.start()
  }
})
