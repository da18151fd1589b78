/**
 * What a group asks of SharePoint in a day, in resource units: the real roster code (RosterSync, SharePointRoster, gossip's
 * exchange, signed records) against the fake of Microsoft Graph, driven by a clock of its own.
 *
 * `node bench/roster-load.ts [--peers 20,200,2000] [--sample 8]`: of a large group only a sample is simulated in full, and
 * what the sample asks for is multiplied; everybody's records and heads change in the library all the same, so that each
 * sampled machine meets the changes of all. A day, on purpose a bad one: every machine is on for 24 hours, its agent is
 * started anew once, it backs up four times, and its own record changes twice. Gossip takes seven rounds to reach everybody.
 */
import { parseArgs } from 'node:util'
import { exchange } from '../agent/network/peer/gossip.ts'
import { answerDigest, takePush } from '../agent/network/membership/digest.ts'
import type { Membership } from '../agent/network/membership/membership.ts'
import type { OwnerRoot } from '../agent/identity/owner.ts'
import { issueDeviceCertificate } from '../agent/identity/device.ts'
import { headName, networkName, peerName } from '../agent/network/roster/names.ts'
import { openRoster } from '../agent/network/roster/open-roster.ts'
import { RosterSync } from '../agent/network/roster/roster-sync.ts'
import { FakeGraph } from '../test/support/microsoft/fake-graph.ts'
import { type TestGroup, type TestMachine, admitted, headOf, newGroup, newMachine, newMembership, newOwner, startMs } from '../test/support/records-kit.ts'
import { accessWith } from '../test/support/roster-access.ts'

/** Of one app in a tenant of up to 1,000 licences; larger ones have more. */
export const dailyQuota = 1_200_000
export const minuteQuota = 1_250

const locator = 'sharepoint:https://contoso.sharepoint.com/sites/team?client=11111111-2222-3333-4444-555555555555'
const minuteMs = 60_000
const hourMs = 60 * minuteMs
const dayMs = 24 * hourMs
const gossipRounds = 7
const backupsADay = 4
const recordChangesADay = 2

export interface RosterLoad {
  readonly peers: number
  readonly sampled: number
  /** Resource units that all machines ask for in a day. */
  readonly perDay: number
  /** Of the sampled machines together in their busiest minute. */
  readonly busiestMinute: number
  /** Of one machine in a day. */
  readonly perMachine: { readonly units: number; readonly requests: number; readonly writes: number; readonly downloads: number }
  /** Resource units of one machine that knows nobody yet. */
  readonly coldStart: number
}

interface Peer {
  readonly machine: TestMachine
  readonly owner: OwnerRoot
  readonly certificate: string
  seq: number
  headSeq: number
}

/** A machine that is simulated in full. */
interface Agent {
  readonly peer: Peer
  readonly membership: Membership
  readonly memory: { text: string | undefined }
  sync: RosterSync
}

/** Time that passes only when nothing is left to do. */
class Timetable {
  nowMs = startMs
  #queue: { atMs: number; run: () => Promise<void> }[] = []

  at(atMs: number, run: () => Promise<void>): void {
    this.#queue.push({ atMs, run })
  }

  async runUntil(endMs: number): Promise<void> {
    for (;;) {
      const next = this.#queue.reduce<number>((best, { atMs }, index) => (atMs < (this.#queue[best]?.atMs ?? Infinity) ? index : best), -1)
      const entry = this.#queue[next]
      if (entry === undefined || entry.atMs > endMs) break
      this.#queue.splice(next, 1)
      this.nowMs = Math.max(this.nowMs, entry.atMs)
      await entry.run()
    }
    this.nowMs = endMs
  }
}

export async function simulateRosterLoad({ peers, sample, seed = 1 }: { peers: number; sample: number; seed?: number }): Promise<RosterLoad> {
  const simulation = await Simulation.begin(peers, Math.min(sample, peers), seed)
  return await simulation.run()
}

class Simulation {
  readonly #graph = Object.assign(new FakeGraph(), { pageSize: 200 }) // SharePoint's own
  readonly #time = new Timetable()
  readonly #random: () => number
  readonly #group: TestGroup
  readonly #peers: readonly Peer[]
  /** Knows everything at once: what gossip spreads. */
  readonly #world: Membership
  #agents: Agent[] = []
  readonly #minutes: number[] = []

  private constructor(group: TestGroup, peers: readonly Peer[], { world, seed }: { world: TestMachine; seed: number }) {
    this.#group = group
    this.#peers = peers
    this.#random = lottery(seed)
    this.#world = this.#membershipOf(world)
  }

  static async begin(count: number, sample: number, seed: number): Promise<Simulation> {
    const group = await newGroup()
    const peers = await Promise.all(Array.from({ length: count }, async (): Promise<Peer> => {
      const [machine, owner] = [await newMachine(), newOwner()]
      return { machine, owner, certificate: await issueDeviceCertificate(owner, machine, 1, startMs), seq: 0, headSeq: 0 }
    }))
    const simulation = new Simulation(group, peers, { world: await newMachine(), seed })
    await simulation.#fill(sample)
    return simulation
  }

  #membershipOf(machine: TestMachine): Membership {
    const clock = { now: () => this.#time.nowMs, monotonic: () => this.#time.nowMs }
    return newMembership(this.#group, machine, clock as never)
  }

  /** The library as it is on any morning, and the machines of the sample, which have read it. */
  async #fill(sample: number): Promise<void> {
    await this.#world.ingest([this.#group.epoch1], { kind: 'self', name: 'world' })
    this.#graph.drive.write(`Holdfast/${networkName(1)}`, this.#group.epoch1)
    this.#graph.drive.write('Holdfast/claims/readme.txt', 'so that the folder is there')
    for (const peer of this.#peers.slice(0, sample)) this.#agents.push(await this.#agentOf(peer))
    for (const [index, peer] of this.#peers.entries()) {
      await this.#changeRecord(peer, this.#agents[index])
      await this.#changeHead(peer)
    }
    for (const agent of this.#agents) {
      this.#graph.drive.write(`Holdfast/${peerName(agent.peer.machine.id)}`, agent.membership.own.peer?.jws ?? '')
      await this.#meet(agent)
    }
  }

  async #agentOf(peer: Peer): Promise<Agent> {
    const membership = this.#membershipOf(peer.machine)
    await membership.ingest([this.#group.epoch1], { kind: 'self', name: 'agent' })
    const agent = { peer, membership, memory: { text: undefined } } as unknown as Agent
    agent.sync = this.#syncOf(agent)
    return agent
  }

  #syncOf({ membership, memory }: Agent): RosterSync {
    const roster = openRoster(locator, accessWith({
      fetch: this.#graph.fetch, microsoftToken: async () => 'token', random: this.#random,
      memory: () => ({ load: async () => memory.text, save: async (text) => { memory.text = text } }),
    }))
    return new RosterSync({ membership, rosters: [roster], now: () => this.#time.nowMs, random: this.#random, delay: (ms, signal) => this.#sleep(ms, signal), timeoutMs: 10 * minuteMs })
  }

  /** What wakes up is over with when it sleeps again. */
  #asleep: (() => void) | undefined
  async #sleep(ms: number, signal: AbortSignal): Promise<void> {
    this.#asleep?.()
    await new Promise<void>((resolve, reject) => {
      signal.addEventListener('abort', () => { reject(signal.reason as Error) }, { once: true })
      this.#time.at(this.#time.nowMs + ms, async () => {
        if (signal.aborted) return
        const { promise, resolve: asleep } = Promise.withResolvers<void>()
        this.#asleep = asleep
        resolve()
        await promise
        this.#asleep = undefined
      })
    })
  }

  async run(): Promise<RosterLoad> {
    const coldStart = await this.#measureColdStart()
    for (const { sync } of this.#agents) await sync.syncOnce() // warmed up
    const [graph, began] = [this.#graph, this.#time.nowMs]
    graph.resourceUnits = 0
    graph.requests.length = 0
    this.#plan(began)
    for (let minute = 0; minute < dayMs / minuteMs; minute++) {
      const before = graph.resourceUnits
      await this.#time.runUntil(began + (minute + 1) * minuteMs)
      this.#minutes.push(graph.resourceUnits - before)
    }
    for (const { sync } of this.#agents) await sync[Symbol.asyncDispose]()
    const [peers, sampled] = [this.#peers.length, this.#agents.length]
    const share = (count: number) => Math.round(count / sampled * 10) / 10
    return {
      peers, sampled, coldStart, perDay: Math.round(graph.resourceUnits / sampled * peers), busiestMinute: Math.max(...this.#minutes),
      perMachine: {
        units: share(graph.resourceUnits), requests: share(graph.requests.length), writes: share(graph.requests.filter(({ method }) => method === 'PUT').length),
        downloads: share(graph.requests.filter(({ method, path }) => method === 'GET' && path.endsWith('/content')).length),
      },
    }
  }

  /** One that joins: it lists everything, and knows nothing of it. */
  async #measureColdStart(): Promise<number> {
    const before = this.#graph.resourceUnits
    const roster = openRoster(locator, accessWith({ fetch: this.#graph.fetch, microsoftToken: async () => 'token' }))
    await roster.list()
    return this.#graph.resourceUnits - before
  }

  #plan(beganMs: number): void {
    const sometime = () => beganMs + this.#random() * dayMs
    for (const [index, peer] of this.#peers.entries()) {
      const agent = this.#agents[index]
      for (let number = 0; number < recordChangesADay; number++) this.#time.at(sometime(), async () => { await this.#changeRecord(peer, agent) })
      for (let number = 0; number < backupsADay; number++) this.#time.at(sometime(), async () => { await this.#changeHead(peer, agent) })
    }
    for (const agent of this.#agents) {
      this.#time.at(beganMs, async () => { await this.#started(agent) })
      this.#time.at(sometime(), async () => {
        await agent.sync[Symbol.asyncDispose]()
        agent.sync = this.#syncOf(agent)
        await this.#meet(agent) // the first round of gossip comes at once
        await this.#started(agent)
      })
      const offset = this.#random() * gossipRounds * minuteMs
      for (let atMs = beganMs + offset; atMs < beganMs + dayMs; atMs += gossipRounds * minuteMs) this.#time.at(atMs, async () => { await this.#meet(agent) })
    }
  }

  async #started({ sync }: Agent): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#asleep = resolve
    sync.start()
    await promise
    this.#asleep = undefined
  }

  async #meet({ membership }: Agent): Promise<void> {
    const world = this.#world
    for (const { machine } of this.#peers) world.heard(machine.id) // all are on, and what the agent knows of it ages until it meets the world again
    await exchange(membership, {
      machine: world.self,
      gossip: async (digest) => answerDigest(world, digest),
      push: async (push) => { await takePush(world, push, membership.self) },
    })
  }

  /** A sampled machine tells the roster by itself at its next turn; for another one it is done here, uncounted. */
  async #changeRecord(peer: Peer, agent?: Agent): Promise<void> {
    peer.seq++
    const inst = agent === undefined ? {} : { inst: agent.membership.own.inst }
    const jws = await admitted(this.#group, peer.machine, { ...inst, seq: peer.seq, owners: [peer.certificate], addrs: [{ host: '10.0.0.1', port: 4000 + peer.seq }] })
    await this.#world.ingest([jws], { kind: 'self', name: 'world' })
    if (agent === undefined) this.#graph.drive.write(`Holdfast/${peerName(peer.machine.id)}`, jws)
    else await agent.membership.adoptOwn(jws)
  }

  /** A backup ends: its head is spread at once, as an agent does. */
  async #changeHead(peer: Peer, agent?: Agent): Promise<void> {
    const document = await headOf(peer.owner, peer.machine, { seq: ++peer.headSeq })
    await this.#world.takeHeads([document], { kind: 'self', name: 'world' })
    if (agent === undefined) {
      this.#graph.drive.write(`Holdfast/${headName(peer.owner.id, peer.machine.id)}`, JSON.stringify({ v: 1, ...document }))
    } else {
      await agent.membership.takeHeads([document], { kind: 'self', name: peer.machine.id })
      await agent.sync.publish()
    }
  }
}

/** Numbers by lot that are the same for the same seed (mulberry32). */
function lottery(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { peers: { type: 'string', default: '20,200,2000' }, sample: { type: 'string', default: '8' } } })
  process.stdout.write('| peers | in full | units a day | of the daily quota | units a minute | requests a machine | writes | downloads | units to join |\n|---|---|---|---|---|---|---|---|---|\n')
  for (const peers of values.peers.split(',').map(Number)) {
    const load = await simulateRosterLoad({ peers, sample: Number(values.sample) })
    const { requests, writes, downloads } = load.perMachine
    process.stdout.write(`| ${peers} | ${load.sampled} | ${load.perDay} | ${(load.perDay / dailyQuota * 100).toFixed(2)} % | ${(load.perDay / 1440).toFixed(1)} of ${minuteQuota} | ${requests} | ${writes} | ${downloads} | ${load.coldStart} |\n`)
  }
}

if (import.meta.main) await main()
