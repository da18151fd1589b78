import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { HoldfastError } from '../../../shared/errors.ts'
import { type Clock, systemClock } from '../../../agent/network/clock.ts'
import { answerDigest, digestOf, takePush } from '../../../agent/network/membership/digest.ts'
import type { Membership } from '../../../agent/network/membership/membership.ts'
import { Gossip, type Partner, drawPartners, exchange } from '../../../agent/network/peer/gossip.ts'
import type { Link } from '../../../agent/network/peer/link.ts'
import { Links, type LinksOptions } from '../../../agent/network/peer/links.ts'
import type { MachineId } from '../../../shared/ids.ts'
import { MemoryShardStore } from '../../support/memory-shard-store.ts'
import { type TestAgent, TestGroup } from '../../support/peer-group.ts'
import { makeHead, makeOwner, makeShard } from '../../support/test-owner.ts'

const withCode = (...codes: string[]) => (error: unknown) => error instanceof HoldfastError && codes.includes(error.code)

/** A clock that stands still until it is moved, and rings what falls due then. */
class HandClock implements Clock {
  #now = 1_000_000
  #alarms: { at: number; ring: () => void }[] = []
  now = () => this.#now
  after = (delayMs: number, ring: () => void) => {
    const alarm = { at: this.#now + delayMs, ring }
    this.#alarms.push(alarm)
    return () => { this.#alarms = this.#alarms.filter((one) => one !== alarm) }
  }
  move(ms: number): void {
    this.#now += ms
    const due = this.#alarms.filter(({ at }) => at <= this.#now)
    this.#alarms = this.#alarms.filter(({ at }) => at > this.#now)
    for (const { ring } of due) ring()
  }
}

/** A generator of numbers in [0, 1), the same for the same seed (mulberry32). */
function lots(seed: number): () => number {
  let state = seed
  return () => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

function linksOf(agent: TestAgent, options: Partial<LinksOptions> = {}): Links {
  return new Links({ membership: agent.membership, identity: agent.identity, clock: systemClock, random: lots(1), ...options })
}

async function introduce(...agents: readonly TestAgent[]): Promise<void> {
  for (const agent of agents) await agent.membership.ingest(agents.map((other) => other.record), { kind: 'roster', name: 'test' })
}

test('callers at the same time share one dial, and the store stays usable when the link breaks', async () => {
  await using group = await TestGroup.create()
  const owner = await makeOwner()
  const [holder, device] = [await group.open('holder'), await group.open('device', { owners: [owner] })]
  await introduce(holder, device)
  await using links = linksOf(device)
  assert.deepEqual(links.list().map((peer) => [peer.name, peer.offer, peer.subnet]), [['holder', 1_000_000_000, '127.0.0']])
  const [store, same] = await Promise.all([links.connect(holder.id), links.connect(holder.id)])
  assert.equal(store, same)
  assert.equal(holder.door.guests.size, 1)
  await store.space()
  for (const guest of holder.door.guests) await guest.leave()
  await store.space()
  assert.equal(holder.events.filter((event) => event.type === 'guest-came').length, 2)
})

test('a peer that cannot be reached is left alone for longer and longer, until it shows itself', async () => {
  await using group = await TestGroup.create()
  const [holder, device] = [await group.open('holder'), await group.open('device')]
  await introduce(holder, device)
  const clock = new HandClock()
  await using links = linksOf(device, { clock, random: () => 0.999_999 })
  const { port } = holder.door
  await holder.close()
  const failures = new Set<unknown>()
  const attempt = async () => await assert.rejects(links.connect(holder.id), (error) => { failures.add(error); return withCode('peer-unreachable')(error) })
  await attempt()
  await attempt()
  assert.equal(failures.size, 1, 'the second time nobody dialled')
  clock.move(5_001)
  await attempt()
  clock.move(5_001)
  await attempt()
  assert.equal(failures.size, 2, 'the pause has doubled')
  await holder.open(port)
  links.seen(holder.id, '127.0.0.1')
  await (await links.connect(holder.id)).space()
})

test('a pause ends when somebody heard of the peer after the failure, and is short for who wants shards', async () => {
  await using group = await TestGroup.create()
  const [holder, device] = [await group.open('holder'), await group.open('device')]
  await introduce(holder, device)
  const clock = new HandClock()
  await using links = linksOf(device, { clock, random: () => 0.999_999 })
  const { port } = holder.door
  await holder.close()
  const failing = async () => {
    for (let failure = 0; failure < 6; failure++) {
      clock.move(600_001)
      await assert.rejects(links.link(holder.id), withCode('peer-unreachable'))
    }
  }
  await failing()
  await holder.open(port) // on the same port, with the record that it had
  clock.move(29_000)
  await assert.rejects(links.connect(holder.id), withCode('peer-unreachable'))
  clock.move(1_001)
  await assert.rejects(links.link(holder.id), withCode('peer-unreachable'))
  await (await links.connect(holder.id)).space()

  await holder.close()
  const broken = links.link(holder.id) // finds out that the link has ended
  await assert.rejects(broken.then(async (link) => await link.greet()), withCode('peer-unreachable'))
  await failing()
  await holder.open(port)
  clock.move(5_001)
  device.membership.liveness.heard(holder.id, 3_600)
  await assert.rejects(links.link(holder.id), withCode('peer-unreachable'), 'an hour ago it was there')
  device.membership.liveness.heard(holder.id)
  assert.equal((await links.link(holder.id)).machine, holder.id)
})

test('who goes away without a word is away at once, is dialled once more, and is left alone for nothing', async () => {
  await using group = await TestGroup.create()
  const [holder, device] = [await group.open('holder'), await group.open('device')]
  await introduce(holder, device)
  const { membership } = device
  const told: string[] = []
  const changed = async (type: string) => {
    const { promise, resolve } = Promise.withResolvers<void>()
    const unsubscribe = membership.subscribe((event) => { if (event.type === type) resolve() })
    await promise
    unsubscribe()
  }
  membership.subscribe((event) => { told.push(event.type) })
  await using links = linksOf(device)
  const first = await links.link(holder.id)
  const { port } = holder.door
  const came = changed('machine-back')
  for (const guest of holder.door.guests) await guest.leave()
  await came // its door is there: the second dial finds it
  assert.deepEqual([first.isLost, membership.member(holder.id)?.state, told], [true, 'online', ['machine-away', 'machine-back']])

  const went = changed('machine-away')
  await holder.close()
  await went
  assert.equal(membership.member(holder.id)?.state, 'away')
  await assert.rejects(links.link(holder.id), withCode('peer-unreachable')) // shares the second dial, or dials itself
  await holder.open(port)
  links.seen(holder.id, '127.0.0.1')
  const again = await links.link(holder.id)
  again.end()
  assert.deepEqual([again.isLost, membership.member(holder.id)?.state], [false, 'online'], 'ended here')
})

test('who hangs up as soon as it was reached, a second time, is left alone like one that cannot be reached, for longer each time', async () => {
  await using group = await TestGroup.create()
  const [holder, device] = [await group.open('holder'), await group.open('device')]
  await introduce(holder, device)
  const clock = new HandClock()
  const hangsUp = { now: true }
  let ended = Promise.withResolvers<void>()
  const dialled: Link[] = []
  await using links = linksOf(device, {
    clock, random: () => 0.999_999,
    onLink: (link) => {
      dialled.push(link)
      link.ended.addEventListener('abort', () => { if (dialled.length !== 1) ended.resolve() })
      if (hangsUp.now) for (const guest of holder.door.guests) void guest.leave()
    },
  })
  await links.link(holder.id)
  await ended.promise
  await assert.rejects(links.link(holder.id), withCode('peer-unreachable'))
  assert.deepEqual([dialled.length, dialled.every(({ isLost }) => isLost), device.membership.member(holder.id)?.state], [2, true, 'away'])

  ended = Promise.withResolvers<void>()
  clock.move(5_001)
  await links.link(holder.id)
  await ended.promise
  clock.move(5_001)
  await assert.rejects(links.link(holder.id), withCode('peer-unreachable'), 'the pause has doubled')
  assert.equal(dialled.length, 3)

  hangsUp.now = false
  clock.move(5_001)
  await links.link(holder.id)
  clock.move(5_001) // this one lasts: when it goes, it is dialled at once
  ended = Promise.withResolvers<void>()
  for (const guest of holder.door.guests) await guest.leave()
  await ended.promise
  assert.equal((await links.link(holder.id)).isLost, false)
  assert.equal(dialled.length, 5)
})

test('a wall clock that is set back by a day does not keep a peer from being dialled for a day', async () => {
  await using group = await TestGroup.create()
  const [holder, device] = [await group.open('holder'), await group.open('device')]
  await introduce(holder, device)
  const clock = new HandClock()
  clock.move(86_400_000)
  await using links = linksOf(device, { clock })
  const { port } = holder.door
  await holder.close()
  await assert.rejects(links.connect(holder.id), withCode('peer-unreachable'))
  await holder.open(port)
  clock.move(-86_400_000)
  await (await links.connect(holder.id)).space()
})

test('a machine that was shut out, or is unknown, is not dialled', async () => {
  await using group = await TestGroup.create()
  const [holder, device] = [await group.open('holder'), await group.open('device')]
  await using links = linksOf(device)
  await assert.rejects(links.connect(holder.id), withCode('unauthorized'))
  await introduce(holder, device)
  await device.membership.ingest([await group.revoke(holder.id)], { kind: 'roster', name: 'test' })
  await assert.rejects(links.connect(holder.id), withCode('revoked'))
  assert.deepEqual(holder.events, [])
})

test('a caller that gives up does not spoil the dial for the others', async () => {
  await using group = await TestGroup.create()
  const [holder, device] = [await group.open('holder'), await group.open('device')]
  await introduce(holder, device)
  await using links = linksOf(device)
  const controller = new AbortController()
  const hasty = links.connect(holder.id, { signal: controller.signal })
  const patient = links.connect(holder.id)
  controller.abort(new HoldfastError('cancelled', 'Cannot wait: cancelled'))
  await assert.rejects(hasty, withCode('cancelled'))
  assert.ok((await (await patient).space()).free > 0)
})

test('a link that nobody uses is closed, one in use is not', async () => {
  await using group = await TestGroup.create()
  const [holder, device] = [await group.open('holder'), await group.open('device')]
  await introduce(holder, device)
  const clock = new HandClock()
  await using links = linksOf(device, { clock, idleCloseMs: 40_000 })
  const link = await links.link(holder.id)
  clock.move(30_000)
  await link.greet()
  clock.move(20_000)
  assert.equal(link.ended.aborted, false)
  const left = once(link.ended, 'abort')
  clock.move(40_000)
  await left
})

test('the address where a peer was seen is tried when those of its record fail', async () => {
  await using group = await TestGroup.create()
  const [holder, device] = [await group.open('holder'), await group.open('device')]
  await holder.renew([], [{ host: '192.0.2.1', port: holder.door.port }])
  await introduce(holder, device)
  await using links = linksOf(device, { dialMs: 100 })
  links.seen(holder.id, '127.0.0.1')
  assert.equal((await links.link(holder.id)).machine, holder.id)
})

test('partners are drawn by lot among those not known to be away, then among the others', () => {
  const member = (name: string, state: 'online' | 'away' | 'gone', heardSecondsAgo: number | undefined) => ({ id: name as MachineId, state, heardSecondsAgo })
  const members = [member('a', 'online', 1), member('b', 'away', 900), member('c', 'away', undefined), member('d', 'gone', 9e6), member('e', 'away', 500)]
  const drawn = new Set<string>()
  for (let seed = 0; seed < 40; seed++) {
    const [first, second, third, ...rest] = drawPartners(members, lots(seed))
    assert.deepEqual([[first, second].sort(), rest], [['a', 'c'], []])
    drawn.add(String(third))
  }
  assert.deepEqual([...drawn].sort(), ['b', 'e'])
  assert.deepEqual(drawPartners([], lots(1)), [])
})

/** Everything that gossip spreads, to compare. */
function knowledge(membership: Membership): string {
  const { network, peers, heads, certificates } = digestOf(membership)
  return JSON.stringify([network, peers.map(([id, seq]) => [id, seq]), heads, certificates].map((list) => list.map(String).sort()))
}

test('twenty machines that each know one other come to know the same in a few rounds', async () => {
  await using group = await TestGroup.create()
  const owners = await Promise.all(Array.from({ length: 20 }, () => makeOwner()))
  const agents = await Promise.all(owners.map((owner, at) => group.agent(`agent-${at}`, { owners: [owner] })))
  const byId = new Map(agents.map((agent) => [agent.id, agent]))
  for (const [at, agent] of agents.entries()) await agent.membership.ingest([agents[(at + (at === 10 ? 2 : 1)) % 20]?.record ?? ''], { kind: 'roster', name: 'test' })
  for (const [at, owner] of owners.entries()) {
    const { certificate, head } = await makeHead(owner, at + 1)
    await agents[at]?.membership.takeHeads([{ certificate, head }], { kind: 'self', name: 'test' })
  }
  const recovered = await makeOwner({ root: owners[3]?.root ?? assert.fail(), epoch: 2 })
  await agents[3]?.membership.ingest([recovered.certificate], { kind: 'self', name: 'test' })
  await agents[7]?.membership.ingest([await group.revoke(agents[11]?.id ?? assert.fail())], { kind: 'roster', name: 'test' })
  const partnerOf = (from: TestAgent, { id, membership }: TestAgent): Partner => ({
    machine: id,
    gossip: async (digest) => answerDigest(membership, digest),
    push: async (push) => { await takePush(membership, push, from.id) },
  })
  const random = lots(7)
  let rounds = 0
  const members = agents.filter((agent) => agent !== agents[11])
  const agree = () => new Set(members.map((agent) => knowledge(agent.membership))).size === 1
  for (; rounds < 12 && !agree(); rounds++) {
    for (const agent of members) {
      for (const id of drawPartners(agent.membership.members(), random)) await exchange(agent.membership, partnerOf(agent, byId.get(id) ?? assert.fail()))
    }
  }
  assert.ok(agree(), `after ${rounds} rounds`)
  assert.ok(rounds <= 6, `${rounds} rounds`)
  for (const agent of members) {
    assert.equal(agent.membership.members().length, 18)
    assert.equal(agent.membership.ownerEpoch(recovered.root.id), 2)
  }
})

test('a revoked machine is refused by all nineteen others within five minutes, by rounds of gossip alone', async () => {
  await using group = await TestGroup.create()
  const agents = await Promise.all(Array.from({ length: 20 }, async (_, at) => await group.agent(`agent-${at}`)))
  const byId = new Map(agents.map((agent) => [agent.id, agent]))
  const records = agents.map(({ record }) => record)
  for (const agent of agents) await agent.membership.ingest(records, { kind: 'roster', name: 'test' })
  const [admin, revoked] = agents as [TestAgent, TestAgent]
  const random = lots(11)
  await admin.membership.ingest([await group.revoke(revoked.id)], { kind: 'self', name: 'test' })
  // Each machine's next round comes at a time of its own; the revoked one goes on to gossip.
  const turns = agents.map((agent) => ({ agent, atSeconds: random() * 72 }))
  for (;;) {
    const turn = turns.reduce((first, other) => (other.atSeconds < first.atSeconds ? other : first))
    if (turn.atSeconds > 300) break
    for (const id of drawPartners(turn.agent.membership.members(), random)) {
      const partner = byId.get(id) ?? assert.fail()
      const refuses = await partner.membership.admits(turn.agent.record).then(() => false, () => true)
      if (refuses) continue
      await exchange(turn.agent.membership, {
        machine: id, gossip: async (digest) => answerDigest(partner.membership, digest), push: async (push) => { await takePush(partner.membership, push, turn.agent.id) },
      })
    }
    turn.atSeconds += 60 * (0.8 + random() * 0.4)
  }
  for (const agent of agents.filter((other) => other !== revoked)) await assert.rejects(agent.membership.admits(revoked.record), (error: unknown) => error instanceof HoldfastError && error.code === 'revoked', agent.name)
})

test('four agents with real links know all records, heads and epochs after a round, and each other as online', async () => {
  await using group = await TestGroup.create()
  const owner = await makeOwner()
  const agents = [await group.open('a', { owners: [owner] }), await group.open('b'), await group.open('c'), await group.open('d')]
  const [a, b, c, d] = agents as [TestAgent, TestAgent, TestAgent, TestAgent]
  const { certificate, head } = await makeHead(owner, 5)
  await a.membership.takeHeads([{ certificate, head }], { kind: 'self', name: 'test' })
  for (const one of [a, c, d]) await one.membership.ingest([b.record], { kind: 'roster', name: 'test' })
  await using stack = new AsyncDisposableStack()
  const gossips = agents.map((agent) => {
    const links = stack.use(linksOf(agent, { onLink: (link) => { void gossip.meet(link) } }))
    const gossip: Gossip = stack.use(new Gossip({ membership: agent.membership, links, clock: systemClock, random: lots(3) }))
    return gossip
  })
  for (let round = 0; round < 2; round++) for (const gossip of gossips) await gossip.round()
  assert.equal(new Set(agents.map((agent) => knowledge(agent.membership))).size, 1)
  for (const agent of agents) {
    assert.deepEqual(agent.membership.members().map((member) => member.state), ['online', 'online', 'online'])
    assert.equal(agent.membership.heads.get(owner.root.id, owner.machine.id)?.head.seq, 5)
  }
})

test('every dialled link begins with gossip, and a partner that is down is reported', async () => {
  await using group = await TestGroup.create()
  const [near, far, third] = [await group.open('near'), await group.open('far'), await group.open('third')]
  await introduce(near, far)
  await far.membership.ingest([third.record], { kind: 'roster', name: 'test' })
  const met = Promise.withResolvers<boolean>()
  await using stack = new AsyncDisposableStack()
  const links = stack.use(linksOf(near, { onLink: (link) => { met.resolve(gossip.meet(link)) } }))
  const outcomes: unknown[] = []
  const gossip: Gossip = stack.use(new Gossip({ membership: near.membership, links, clock: systemClock, random: lots(2), onExchange: (_id, outcome) => { outcomes.push(outcome) } }))
  await links.connect(far.id)
  await met.promise
  assert.equal(near.membership.member(third.id)?.name, 'third')
  await third.close()
  outcomes.length = 0
  await gossip.round()
  assert.equal(outcomes.filter(withCode('peer-unreachable')).length, 1)
})

test('rounds follow each other by the clock, 48 to 72 seconds apart, until the end', async () => {
  await using group = await TestGroup.create()
  const [one, other] = [await group.open('one'), await group.open('other')]
  await introduce(one, other)
  const clock = new HandClock()
  let waiting = Promise.withResolvers<number>()
  const after = clock.after
  clock.after = (ms, then) => { if (ms >= 48_000 && ms <= 72_000) waiting.resolve(ms); return after(ms, then) }
  await using links = linksOf(one, { clock: systemClock })
  let exchanges = 0
  const gossip = new Gossip({ membership: one.membership, links, clock, random: lots(9), onExchange: () => { exchanges++ } })
  void gossip.start()
  const first = await waiting.promise
  assert.equal(exchanges, 1)
  waiting = Promise.withResolvers<number>()
  clock.move(first)
  await waiting.promise
  assert.equal(exchanges, 2)
  await gossip[Symbol.asyncDispose]()
  clock.move(1_000_000)
  assert.equal(exchanges, 2)
})

test('a shard put through links is on the holder', async () => {
  await using group = await TestGroup.create()
  const owner = await makeOwner()
  const memory = new MemoryShardStore([owner.certificate])
  const [holder, device] = [await group.open('holder', { store: memory }), await group.open('device', { owners: [owner] })]
  await introduce(holder, device)
  await using links = linksOf(device)
  const shard = makeShard(owner)
  assert.equal(await (await links.connect(holder.id)).put(shard), shard.bytes.length)
  assert.equal(memory.shards.size, 1)
})
