/** How often a group asks a place that counts requests: by lot, and not at all while it asks to be left alone. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { admitMachine } from '../../../agent/network/founding.ts'
import type { Membership } from '../../../agent/network/membership/membership.ts'
import { renewOwnRecord } from '../../../agent/network/membership/own-record.ts'
import { networkName, peerName } from '../../../agent/network/roster/names.ts'
import { openRoster } from '../../../agent/network/roster/open-roster.ts'
import { RosterSync, meteredPollMs } from '../../../agent/network/roster/roster-sync.ts'
import type { MachineId } from '../../../shared/ids.ts'
import { seededLots } from '../../support/lots.ts'
import { FakeGraph } from '../../support/microsoft/fake-graph.ts'
import { type TestGroup, TestClock, type TestMachine, admitted, newGroup, newMachine, newMembership, startMs } from '../../support/records-kit.ts'
import { accessWith } from '../../support/roster-access.ts'

const locator = 'sharepoint:https://contoso.sharepoint.com/sites/team?client=11111111-2222-3333-4444-555555555555'
const minuteMs = 60_000
/** What SharePoint allows one app in a tenant of up to 1,000 licences. */
const unitsAMinute = 1_250

interface Asked {
  readonly atMs: number
  readonly isRefused: boolean
  /** Until then the answer asked for no more. */
  readonly restUntilMs: number
}

interface Agent {
  readonly machine: TestMachine
  readonly membership: Membership
  readonly sync: RosterSync
  readonly asked: Asked[]
  posted: boolean
}

/** Agents that know nobody yet, at one library; time passes only while all of their loops wait. */
class Crowd implements AsyncDisposable {
  readonly graph = Object.assign(new FakeGraph(), { pageSize: 200 })
  readonly agents: Agent[] = []
  /** Resource units, by minute. */
  readonly units: number[] = []
  nowMs = startMs
  readonly #waiting = new Set<{ readonly atMs: number; readonly go: () => void }>()
  #allWait = Promise.withResolvers<void>()

  static async begin(count: number, fault: FakeGraph['fault'] = () => undefined): Promise<Crowd> {
    const crowd = new Crowd()
    crowd.graph.fault = fault
    const group = await newGroup()
    crowd.graph.now = () => crowd.nowMs
    crowd.graph.drive.write(`Holdfast/${networkName(1)}`, group.epoch1)
    for (let at = 0; at < count; at++) crowd.agents.push(await crowd.#agent(group, seededLots(at + 1)))
    for (const { sync } of crowd.agents) sync.start()
    await crowd.#allWait.promise
    return crowd
  }

  async #agent(group: TestGroup, random: () => number): Promise<Agent> {
    const machine = await newMachine()
    const asked: Asked[] = []
    const membership = newMembership(group, machine, { now: () => this.nowMs, monotonic: () => this.nowMs } as never)
    await membership.ingest([group.epoch1], { kind: 'self', name: machine.id })
    membership.setAdmission(await admitMachine(machine.id, { net: group.net, admin: group.admin, nowMs: startMs }))
    await renewed(membership, machine, 1)
    const fetch = async (input: string | URL | Request, init?: RequestInit): Promise<Response> => {
      const before = this.graph.resourceUnits
      const response = await this.graph.fetch(input, init)
      const minute = Math.floor((this.nowMs - startMs) / minuteMs)
      this.units[minute] = (this.units[minute] ?? 0) + Math.max(1, this.graph.resourceUnits - before)
      asked.push({ atMs: this.nowMs, isRefused: response.status === 429, restUntilMs: this.nowMs + 1000 * restOf(response) })
      return response
    }
    const roster = openRoster(locator, accessWith({ fetch, microsoftToken: async () => 'token', random }))
    const delay = async (ms: number, signal: AbortSignal) => { await this.#wait(ms, signal) }
    return { machine, membership, asked, posted: false, sync: new RosterSync({ membership, rosters: [roster], now: () => this.nowMs, random, delay, timeoutMs: 10 * minuteMs }) }
  }

  async #wait(ms: number, signal: AbortSignal): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#waiting.add({ atMs: this.nowMs + ms, go: resolve })
      signal.addEventListener('abort', () => { reject(signal.reason as Error) }, { once: true })
      if (this.#waiting.size === this.agents.length) this.#allWait.resolve()
    })
  }

  /** `eachMinute` is what users and backups do meanwhile. */
  async pass(minutes: number, eachMinute: () => Promise<void> = async () => {}): Promise<void> {
    for (let minute = 0; minute < minutes; minute++) {
      const endMs = this.nowMs + minuteMs
      for (;;) {
        const [next] = [...this.#waiting].sort((a, b) => a.atMs - b.atMs)
        if (next === undefined || next.atMs > endMs) break
        this.nowMs = Math.max(this.nowMs, next.atMs)
        this.#allWait = Promise.withResolvers<void>()
        this.#waiting.delete(next)
        next.go()
        await this.#allWait.promise
      }
      this.nowMs = endMs
      await eachMinute()
    }
  }

  /** All that users and backups make an agent tell the roster; what is told once is told until it is taken. */
  async bother(): Promise<void> {
    for (const agent of this.agents) {
      await agent.sync.publish()
      await agent.sync.syncOnce()
      agent.posted ||= await agent.sync.post(`claims/${'ef'.repeat(32)}-${this.agents.indexOf(agent) + 1}.jws`, 'a claim') > 0
    }
  }

  /** Requests of a later moment than an answer that asked for rest, and within it. What one moment asks for is one turn. */
  get impatient(): number {
    return this.agents.reduce((sum, { asked }) => sum + asked.filter(({ atMs }, index) => {
      const last = asked.slice(0, index).findLast((earlier) => earlier.atMs < atMs)
      return last !== undefined && atMs < last.restUntilMs
    }).length, 0)
  }

  get refusals(): number {
    return this.agents.reduce((sum, { asked }) => sum + asked.filter(({ isRefused }) => isRefused).length, 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.agents.map(async ({ sync }) => { await sync[Symbol.asyncDispose]() }))
  }
}

/** Seconds, as Microsoft documents it: the larger of Retry-After and, when less than a fifth of the limit is left, RateLimit-Reset. */
function restOf({ headers }: Response): number {
  const isScarce = headers.has('ratelimit-limit') && Number(headers.get('ratelimit-remaining')) < Number(headers.get('ratelimit-limit')) * 0.2
  return Math.max(Number(headers.get('retry-after') ?? 0), isScarce ? Number(headers.get('ratelimit-reset')) : 0)
}

async function renewed(membership: Membership, machine: TestMachine, port: number): Promise<void> {
  await renewOwnRecord({
    cert: machine.cert, name: 'PC', host: `test:${machine.id.slice(0, 8)}`, addrs: [{ host: '10.0.0.1', port }], offer: { bytes: 1, minFree: 0 }, owners: [], state: 'on', agent: '0.1.0',
  }, { membership, machine, nowMs: startMs, save: async () => {} })
}

function assertRecovered({ agents, graph }: Crowd): void {
  assert.deepEqual(agents.map(({ sync }) => sync.status[0]?.state), agents.map(() => 'ok'))
  assert.deepEqual(agents.map(({ membership }) => membership.members().length), agents.map(() => agents.length - 1), 'each has read of all the others')
  const there = graph.drive.filesIn('Holdfast')
  assert.ok(agents.every(({ machine, membership }) => there.get(peerName(machine.id)) === membership.own.peer?.jws), 'what changed meanwhile is there')
}

test('a library that refuses twenty agents and asks for 300 seconds gets none of them within these, whatever they have to tell, and all recover', async () => {
  await using crowd = await Crowd.begin(20, () => ({ status: 429, code: 'activityLimitReached', headers: { 'retry-after': '300' } }))
  const minutes = 20
  await crowd.pass(minutes, async () => { await crowd.bother() })
  const { refusals } = crowd
  assert.ok(refusals >= 20, 'they did ask')
  assert.ok(refusals <= 20 * (1 + minutes / 5), `${refusals} requests were refused in ${minutes} minutes`)
  for (const { membership, machine } of crowd.agents) await renewed(membership, machine, 2)
  crowd.graph.fault = () => undefined
  await crowd.pass(60)
  assert.equal(crowd.refusals, refusals)
  assert.equal(crowd.impatient, 0)
  assert.ok(Math.max(...crowd.units.filter(Boolean)) < unitsAMinute, `${crowd.units.join(' ')} resource units in the minutes`)
  assertRecovered(crowd)
})

test('an answer that says that the limit is near is the last of its turn for as long as it says, and all agents recover', async () => {
  await using crowd = await Crowd.begin(20)
  crowd.graph.minuteLimit = 100
  await crowd.pass(20, async () => { await crowd.bother() })
  assert.ok(crowd.agents.some(({ asked }) => asked.some(({ isRefused, restUntilMs, atMs }) => !isRefused && restUntilMs > atMs)), 'some were told while they were answered')
  assert.equal(crowd.impatient, 0)
  await crowd.pass(40)
  assert.equal(crowd.impatient, 0)
  assertRecovered(crowd)
  const requests = crowd.agents.map(({ asked }) => asked.length)
  for (const { sync } of crowd.agents) await sync.syncOnce({ metered: false })
  assert.deepEqual(crowd.agents.map(({ asked }) => asked.length), requests, 'whoever asks how it stands makes no request')
})

test('a metered place is polled by lot: once a minute by all together however many they are, in a small group every five minutes, and every eight hours at least, or every day on the mean while others are online', async () => {
  const [group, self] = [await newGroup(), await newMachine()]
  const clock = new TestClock()
  const membership = newMembership(group, self, clock)
  await membership.ingest([group.epoch1], { kind: 'self', name: 'self' })
  for (const [members, meanMinutes, minutesInTouch = meanMinutes] of [[4, 5], [200, 200], [500, 480, 500]] as const) {
    const lacking = members - 1 - membership.members().length
    const records = await Promise.all(Array.from({ length: lacking }, async () => await admitted(group, await newMachine(), { addrs: [] })))
    await membership.ingest(records, { kind: 'self', name: 'self' })
    assert.equal(membership.members().length, members - 1)
    assert.deepEqual(await pausesOf(membership, [0, 0.5, 0.999]), [0.5, 1, 1.499].map((share) => Math.min(8 * 60 * minuteMs, Math.round(meanMinutes * minuteMs * share))), `${members} members`)
    membership.heard(membership.members()[0]?.id as MachineId)
    assert.deepEqual(await pausesOf(membership, [0.5]), [minutesInTouch * minuteMs], `${members} members, of whom one is online`)
    clock.advance(3_600)
  }
  membership.heard(membership.members()[0]?.id as MachineId)
  const alone = await pausesOf(membership, [0.999], (ms) => { clock.advance(ms / 1_000) })
  assert.deepEqual(alone, [8 * 60 * minuteMs], 'who heard the others when the pause began, and reaches nobody any more')
  assert.equal(meteredPollMs(2_000, true), 24 * 60 * minuteMs)
})

/** The pauses between polls that follow these lots, in milliseconds, in which `passing` is told of each step. */
async function pausesOf(membership: Membership, lots: readonly number[], passing: (ms: number) => void = () => {}): Promise<number[]> {
  const pauses: number[] = []
  const enough = Promise.withResolvers<void>()
  const graph = new FakeGraph()
  const roster = openRoster(locator, accessWith({ fetch: graph.fetch, microsoftToken: async () => 'token' }))
  let drawn = 0
  await using sync = new RosterSync({
    membership, rosters: [roster], now: () => startMs,
    random: () => lots[drawn++] ?? 0,
    delay: async (ms, signal) => {
      if (drawn > lots.length) {
        enough.resolve()
        await new Promise((_, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error) }) })
      }
      pauses[drawn - 1] = (pauses[drawn - 1] ?? 0) + Math.round(ms)
      passing(ms)
    },
  })
  sync.start()
  await enough.promise
  return pauses
}
