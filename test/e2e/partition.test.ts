/** A network that falls into two halves and heals: whole agents in network namespaces, with a cable that is pulled. */
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { isDeepStrictEqual } from 'node:util'
import { homeAt } from '../../agent/home.ts'
import { readStateFile } from '../../agent/network/membership/state-file.ts'
import { type NamespaceAgent, NetworkHalves, missingForNamespaces } from '../support/network-halves.ts'
import { untilAnswer } from '../support/until-answer.ts'
import { seededBytes } from '../support/trees.ts'

const skip = missingForNamespaces() ?? false
if (skip !== false && process.env['CI'] === 'true') throw new Error(skip)

test('halves that do not see each other back up and restore by themselves, and are one group again when they do', { skip }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-halves-'))
  t.after(() => { rmSync(directory, { recursive: true, force: true }) })
  await using halves = new NetworkHalves()
  const at = async (side: 0 | 1, number: 1 | 2) => await halves.start(side, number, join(directory, `${side}-${number}`))
  const agents = [await at(0, 1), await at(0, 2), await at(1, 1), await at(1, 2)] as const
  const [founder, one, two, three] = agents
  const roster = join(directory, 'roster')
  await founder.run('network create', { name: 'Test', roster: `folder:${roster}`, redundancy: 'mirror-2', label: founder.name })
  const { invitation } = await founder.run('network invite', { count: 3 })
  for (const agent of [one, two, three]) await agent.run('network join', { invitation, label: agent.name })
  await Promise.all(agents.map(async (agent) => { await sees(agent, agents) }))
  await founder.run('network admin add', { machine: two.name })
  await two.until('network settings', {}, ({ admins }) => admins.length === 2)
  await Promise.all([founder, two].map(async (agent) => { await store(directory, agent, 'before') }))

  renameSync(roster, join(directory, 'out-of-reach'))
  await halves.part()
  await Promise.all([founder, two].map(async (agent) => {
    await store(directory, agent, 'apart')
    await restored(directory, agent, 'apart')
  }))
  // Each half has an admin, and both change the group: a fork.
  await Promise.all([founder.run('network settings', { change: { minFree: 0.1 } }), two.run('network settings', { change: { minFree: 0.2 } })])
  await Promise.all([one.until('network settings', {}, ({ settings }) => settings.minFree === 0.1), three.until('network settings', {}, ({ settings }) => settings.minFree === 0.2)])

  halves.heal()
  await Promise.all(agents.map(async (agent) => { await sees(agent, agents) }))
  await founder.run('network settings', { change: { name: 'Healed' } })
  const epochs = await Promise.all(agents.map(async (agent) => {
    for (let known = ''; known !== 'Healed'; known = (await agent.run('network settings', {})).settings.name) {
      await agent.run('network requests', {}) // meets everybody now, and not only with the next round of gossip
    }
    const { epoch, settings } = await agent.run('network settings', {})
    return JSON.stringify([epoch, settings])
  }))
  assert.equal(new Set(epochs).size, 1, epochs.join('\n'))
  await sameRecords(agents)

  // Once more, and nobody's agent ends: what was open hangs until it is given up.
  halves.pull()
  await Promise.all([founder, two].map(async (agent) => {
    await store(directory, agent, 'apart again')
    await restored(directory, agent, 'apart again')
  }))
  halves.heal()
  await Promise.all(agents.map(async (agent) => { await sees(agent, agents) }))
  await sameRecords(agents)
  for (const agent of [founder, two]) {
    await agent.until('repair', {}, ({ protection }) => protection.state === 'protected')
    await restored(directory, agent, 'apart again')
  }
})

test('machines that stand in another network one morning, with the roster gone, find each other over the cable by the beacon', { skip }, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'holdfast-moved-'))
  t.after(() => { rmSync(directory, { recursive: true, force: true }) })
  await using halves = new NetworkHalves()
  const agents = [await halves.start(0, 1, join(directory, 'one')), await halves.start(1, 1, join(directory, 'other'))] as const
  const [founder, other] = agents
  const roster = join(directory, 'roster')
  await founder.run('network create', { name: 'Test', roster: `folder:${roster}`, redundancy: 'mirror-2', label: founder.name })
  const { invitation } = await founder.run('network invite', {})
  await other.run('network join', { invitation, label: other.name })
  await Promise.all(agents.map(async (agent) => { await sees(agent, agents) }))
  await store(directory, other, 'before')

  rmSync(roster, { recursive: true })
  await halves.move()
  await Promise.all(agents.map(async (agent) => { await sees(agent, agents) }))
  await founder.until('peers', {}, ({ peers }) => peers.some(({ id, addresses }) => id === other.id && addresses.some((address) => address.startsWith('10.98.2.1:'))))
  await restored(directory, other, 'before')
})

/** The network's records, everybody's peer record and everybody's heads are the same in the state of all agents. */
async function sameRecords(agents: readonly NamespaceAgent[]): Promise<void> {
  await untilAnswer(async () => {
    await Promise.all(agents.map(async (agent) => await agent.run('network requests', {}))) // meets everybody now
    return await Promise.all(agents.map(async ({ home }) => await recordsIn(home)))
  }, ([first, ...others]) => first !== undefined && first.peers.length === agents.length && first.heads.length === 2 && others.every((other) => isDeepStrictEqual(other, first)),
  { what: 'all agents have the same records', patienceMs: 120_000, everyMs: 500 })
}

async function recordsIn(home: string): Promise<{ network: string[]; peers: string[]; heads: string[] }> {
  const reading = await readStateFile(homeAt(home).group)
  assert.ok('state' in reading)
  const { own, network, peers, heads } = reading.state
  return { network: network.toSorted(), peers: [...peers, own.jws ?? ''].sort(), heads: heads.map(({ head }) => head).sort() }
}

async function sees(agent: NamespaceAgent, all: readonly NamespaceAgent[]): Promise<void> {
  await agent.until('peers', {}, ({ peers }) => all.every(({ id }) => peers.some((peer) => peer.id === id && (peer.self || peer.state === 'online'))))
}

const bytesOf = (agent: NamespaceAgent, when: string) => seededBytes(200_000, Buffer.from(agent.name + when).reduce((sum, byte) => sum * 31 + byte, 7) % 1_000_003)

async function store(directory: string, agent: NamespaceAgent, when: string): Promise<void> {
  const file = join(directory, 'documents', agent.name, 'letters.bin')
  mkdirSync(join(file, '..'), { recursive: true })
  writeFileSync(file, bytesOf(agent, when))
  await agent.run('protect', { paths: [file] })
  await agent.run('backup', { offlineOk: true })
}

async function restored(directory: string, agent: NamespaceAgent, when: string): Promise<void> {
  const target = mkdtempSync(join(directory, 'back-'))
  await agent.run('restore', { snapshot: 'latest', target })
  assert.deepEqual(readFileSync(join(target, 'letters.bin')), bytesOf(agent, when))
}
