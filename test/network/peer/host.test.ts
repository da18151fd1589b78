import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { io } from 'socket.io-client'
import { HoldfastError } from '../../../shared/errors.ts'
import { generateMachine } from '../../../agent/identity/machine.ts'
import { systemClock } from '../../../agent/network/clock.ts'
import { maxAsked } from '../../../agent/network/handover.ts'
import { signRecoveryProof } from '../../../agent/network/membership/records.ts'
import { faultOf, isSparing } from '../../../agent/network/holders.ts'
import { makeCertificate } from '../../../agent/network/peer/certificate.ts'
import { authorizationOf } from '../../../agent/network/peer/credential.ts'
import { dialTls } from '../../../agent/network/peer/dial.ts'
import type { Guest } from '../../../agent/network/peer/guest.ts'
import { type Link, dial } from '../../../agent/network/peer/link.ts'
import { applyLive, diffLive } from '../../../agent/network/peer/live-delta.ts'
import { RemoteShardStore } from '../../../agent/network/peer/remote-shard-store.ts'
import { transportOver } from '../../../agent/network/peer/transport.ts'
import { doorPath, maxFrame, maxUnanswered } from '../../../agent/network/peer/wire.ts'
import type { NewShard, ShardRef, ShardTransfer } from '../../../agent/network/shard-store/port.ts'
import type { ObjectId } from '../../../agent/object-store.ts'
import { MemoryShardStore } from '../../support/memory-shard-store.ts'
import { type TestAgent, TestGroup } from '../../support/peer-group.ts'
import { makeHead, makeLive, makeOwner, makeShard, makeShards } from '../../support/test-owner.ts'

const withCode = (...codes: string[]) => (error: unknown) => error instanceof HoldfastError && codes.includes(error.code)
const over = (link: Link) => new RemoteShardStore(async () => link)

/** A holder, and a device of an owner with a link to it. */
async function pair(group: TestGroup, options: { store?: MemoryShardStore; idleMs?: number; onGuest?: (guest: Guest) => void } = {}) {
  const owner = await makeOwner()
  const memory = options.store ?? new MemoryShardStore([owner.certificate])
  const holder = await group.open('holder', { store: memory, ...(options.onGuest && { onGuest: options.onGuest }) })
  const device = await group.agent('device', { owners: [owner] })
  const link = await device.dial(holder, options.idleMs === undefined ? {} : { idleMs: options.idleMs })
  return { owner, memory, holder, device, link }
}

const refusals = (agent: TestAgent) => agent.events.flatMap((event) => (event.type === 'request-refused' ? [event.error.code] : []))

test('a member that is no device of the owner and keeps nothing of it gets nothing of the owner', async () => {
  await using group = await TestGroup.create()
  const { owner, holder, link } = await pair(group)
  const shard = makeShard(owner)
  await over(link).put(shard)
  await over(link).putHead(await makeHead(owner, 1))
  const other = await makeOwner()
  const nosy = over(await (await group.agent('nosy', { owners: [other] })).dial(holder))
  await assert.rejects(nosy.open(shard), withCode('unauthorized'))
  await assert.rejects(nosy.read(shard, 0, 1), withCode('unauthorized'))
  await assert.rejects(Array.fromAsync(nosy.list(owner.root.id)), withCode('unauthorized'))
  await assert.rejects(nosy.heads(owner.root.id), withCode('unauthorized'))
  assert.deepEqual(refusals(holder), Array.from({ length: 4 }, () => 'unauthorized'))
})

test('a holder that leaves asks for as many objects in one question as a link carries', async () => {
  await using group = await TestGroup.create()
  const { owner, holder, link } = await pair(group)
  const shards = Array.from({ length: maxAsked }, () => makeShard(owner))
  for (const shard of shards) await over(link).put(shard)
  const leaver = await (await group.agent('leaver')).dial(holder)
  const ask = async (headers: Uint8Array[]) => (await leaver.call('shard.holds', { owner: owner.root.id, holding: headers })).numbers
  assert.deepEqual(await ask(shards.map(({ header }) => new Uint8Array(header))), shards.map(({ number }) => [number]))
  await assert.rejects(ask([...shards, shards[0]!].map(({ header }) => new Uint8Array(header))), HoldfastError)
})

test('a machine that was off speaks with members at once, and serves nobody before it has heard who was shut out meanwhile', async () => {
  await using group = await TestGroup.create()
  const news = Promise.withResolvers<void>()
  const owner = await makeOwner()
  const holder = await group.open('holder', { store: new MemoryShardStore([owner.certificate]), caughtUp: async () => { await news.promise } })
  const thief = await group.agent('thief', { owners: [owner] })
  const good = await group.agent('good', { owners: [await makeOwner()] })
  await using stolen = await thief.dial(holder)
  await using link = await good.dial(holder)
  assert.equal((await link.call('members', { after: 0 })).more, false)
  const asked: string[] = []
  const served = [Array.fromAsync(over(stolen).list(owner.root.id)), Array.fromAsync(over(link).list(owner.root.id))]
  for (const one of served) one.then(() => asked.push('served'), () => asked.push('refused'))
  await link.call('members', { after: 0 })
  assert.deepEqual(asked, [], 'they wait')
  await holder.membership.ingest([await group.revoke(thief.id)], { kind: 'roster', name: 'roster' })
  news.resolve()
  await assert.rejects(served[0] as Promise<unknown>, withCode('revoked', 'peer-unreachable'))
})

test('a device of a lower epoch is shut out of reading and writing as soon as the higher one is seen', async () => {
  await using group = await TestGroup.create()
  const { owner, holder, link, memory } = await pair(group)
  const shard = makeShard(owner)
  await over(link).put(shard)
  const recovered = await makeOwner({ root: owner.root, epoch: 2 })
  await using fresh = await (await group.agent('recovered', { owners: [recovered] })).dial(holder)
  assert.equal((await Array.fromAsync(over(fresh).list(owner.root.id))).length, 1)
  const [store, head] = [over(link), await makeHead(owner, 9)]
  const requests = [
    () => store.open(shard), () => store.read(shard, 0, 1), () => Array.fromAsync(store.list(owner.root.id)),
    () => store.heads(owner.root.id), () => store.putHead(head),
  ]
  for (const ask of requests) await assert.rejects(ask(), withCode('revoked'))
  assert.deepEqual(await memory.heads(owner.root.id), [])
})

test('a recovery reads what belongs to its owner, nothing else, and writes nothing', async () => {
  await using group = await TestGroup.create()
  const { owner, holder, link } = await pair(group)
  const [mine, head] = [makeShard(owner, { length: 3_000_000 }), await makeHead(owner, 4, makeLive(60_000))]
  await over(link).put(mine)
  await over(link).putHead(head)
  const machine = generateMachine()
  const proof = await signRecoveryProof(owner.root, machine.id, Date.now())
  await using rescue = await dial({ name: 'holder', host: '127.0.0.1', port: holder.door.port }, {
    identity: { machine, certificate: await makeCertificate(machine) }, credential: { v: 1, as: 'recovery', proof }, clock: systemClock,
  })
  const store = over(rescue)
  assert.ok(Buffer.from(mine.bytes).equals(await store.read(mine, 0, mine.bytes.length)))
  const [found] = await store.heads(owner.root.id)
  assert.ok(Buffer.from(head.live).equals(found?.live ?? new Uint8Array(0)), 'a live list of more than one frame')
  await assert.rejects(store.put(makeShard(owner)), withCode('unauthorized'))
  await assert.rejects(store.putHead(head), withCode('unauthorized'))
  await assert.rejects(Array.fromAsync(store.list((await makeOwner()).root.id)), withCode('unauthorized'))
})

test('a holder of the same object reads a shard to repair it, by the header that only holders have', async () => {
  await using group = await TestGroup.create()
  const { owner, holder, link } = await pair(group)
  const [kept, held] = makeShards(owner, { n: 3 }) as [NewShard, NewShard]
  const foreign = makeShard(owner)
  await over(link).put(kept)
  const repairer = over(await (await group.agent('repairer')).dial(holder))
  assert.ok(Buffer.from(kept.bytes).equals(await repairer.read(kept, 0, kept.bytes.length, { holding: held.header })))
  await assert.rejects(repairer.open(kept, { holding: foreign.header }), withCode('unauthorized'))
  await assert.rejects(repairer.open(kept, { holding: Buffer.alloc(300) }), withCode('unauthorized'))
  assert.equal(await repairer.put(held), held.bytes.length, 'and stores one that the owner signed')
})

test('a holder that repairs lists what others have of the owner by the header of any of its shards, and hands the head on', async () => {
  await using group = await TestGroup.create()
  const { owner, holder, link } = await pair(group)
  const [kept, held, head] = [makeShard(owner), makeShard(owner), await makeHead(owner, 3)]
  await over(link).put(kept)
  const repairer = over(await (await group.agent('repairer')).dial(holder))
  assert.deepEqual((await Array.fromAsync(repairer.list(owner.root.id, { holding: held.header }))).map(({ id }) => id), [kept.id])
  const forged = Buffer.from(held.header)
  forged[forged.length - 1]! ^= 1
  await assert.rejects(Array.fromAsync(repairer.list(owner.root.id, { holding: forged })), withCode('object-damaged'))
  const other = await makeOwner()
  await assert.rejects(Array.fromAsync(repairer.list(owner.root.id, { holding: makeShard(other).header })), withCode('unauthorized'))
  await repairer.putHead(head)
  assert.deepEqual((await over(link).heads(owner.root.id)).map(({ head }) => head), [head.head])
  await assert.rejects(repairer.putHead({ ...head, live: makeLive(1) }), withCode('record-invalid'))
  await assert.rejects(repairer.putHead(await makeHead(other, 1)), withCode('unauthorized'))
})

test('shards of an owner that nobody of the group is a device of are not taken', async () => {
  await using group = await TestGroup.create()
  const stranger = await makeOwner()
  const { link } = await pair(group, { store: new MemoryShardStore([stranger.certificate]) })
  await assert.rejects(over(link).put(makeShard(stranger)), withCode('unauthorized'))
})

/** Lets a put write its first frames, then breaks the link, once. */
class BreakingStore extends MemoryShardStore {
  guest: Guest | undefined
  breakAfter = Number.POSITIVE_INFINITY

  override async begin(shard: Omit<NewShard, 'bytes'>): Promise<ShardTransfer | 'stored'> {
    const transfer = await super.begin(shard)
    if (transfer === 'stored') return transfer
    return { ...transfer, write: async (bytes) => {
      await transfer.write(bytes)
      if (--this.breakAfter === 0) this.guest?.end()
    } }
  }
}

test('a holder whose connection costs money takes no shard, says so as one that is full does, and serves what it has', async () => {
  const state = { metered: false }
  await using group = await TestGroup.create()
  const owner = await makeOwner()
  const holder = await group.open('holder', { store: new MemoryShardStore([owner.certificate]), sparesLink: async () => await Promise.resolve(state.metered) })
  const store = over(await (await group.agent('device', { owners: [owner] })).dial(holder))
  const [before, after] = makeShards(owner) as [NewShard, NewShard]
  await store.put(before)
  state.metered = true
  await assert.rejects(store.put(after), (error) => faultOf(error) === 'full' && isSparing(error))
  assert.ok(Buffer.from(await store.read(before, 0, before.bytes.length)).equals(before.bytes))
  await store.putHead(await makeHead(owner, 1))
  state.metered = false
  await store.put(after)
})

test('a put whose link breaks goes on over a new one, and at most one window travels twice', async () => {
  await using group = await TestGroup.create()
  const owner = await makeOwner()
  const memory = new BreakingStore([owner.certificate])
  const holder = await group.open('holder', { store: memory, onGuest: (guest) => { memory.guest = guest } })
  const device = await group.agent('device', { owners: [owner] })
  let link = await device.dial(holder)
  let dials = 0
  const store = new RemoteShardStore(async () => {
    if (link.ended.aborted) {
      dials++
      link = await device.dial(holder)
    }
    return link
  })
  const shard = makeShard(owner, { length: 12 * 1_048_576 })
  memory.breakAfter = 7
  const travelled = await store.put(shard)
  assert.equal(dials, 1)
  assert.ok(travelled >= shard.bytes.length && travelled <= shard.bytes.length + 4 * maxFrame, `${travelled} of ${shard.bytes.length}`)
  assert.ok(Buffer.from(shard.bytes).equals(await store.read(shard, 0, shard.bytes.length)))
  assert.equal(memory.incoming.size, 0)
})

test('a holder that stops answering is given up, and the error names it', async () => {
  await using group = await TestGroup.create()
  class SilentStore extends MemoryShardStore {
    override async open(): Promise<never> { return await new Promise(() => { /* never */ }) }
  }
  const owner = await makeOwner()
  const { link } = await pair(group, { store: new SilentStore([owner.certificate]), idleMs: 300 })
  const own = await makeOwner()
  const asked = link.call('shard.open', { owner: own.root.id, id: 'ab'.repeat(32) as ObjectId, number: 0 })
  await assert.rejects(asked, withCode('unauthorized'), 'what is answered is answered')
  const device = await group.agent('second', { owners: [owner] })
  const holder = await group.open('silent', { store: new SilentStore([owner.certificate]) })
  const second = await device.dial(holder, { idleMs: 100 })
  await assert.rejects(over(second).open(makeShard(owner)), (error) => withCode('timeout')(error) && /silent/.test(String(error)))
  assert.ok(second.ended.aborted)
})

test('a caller that goes away rejects with its reason at once, and the link stays', async () => {
  await using group = await TestGroup.create()
  const asked = Promise.withResolvers<void>()
  const answer = Promise.withResolvers<void>()
  class SlowStore extends MemoryShardStore {
    override async read(ref: ShardRef, offset: number, length: number): Promise<Uint8Array> {
      asked.resolve()
      await answer.promise
      return await super.read(ref, offset, length)
    }
  }
  const owner = await makeOwner()
  const holder = await group.open('holder', { store: new SlowStore([owner.certificate]) })
  const link = await (await group.agent('device', { owners: [owner] })).dial(holder)
  const shard = makeShard(owner)
  await over(link).put(shard)
  const controller = new AbortController()
  const reading = over(link).read(shard, 0, 10, { signal: controller.signal })
  await asked.promise
  controller.abort(new HoldfastError('cancelled', 'Cannot restore: cancelled'))
  await assert.rejects(reading, withCode('cancelled'))
  answer.resolve()
  assert.equal((await over(link).read(shard, 0, 10)).length, 10)
})

test('a holder whose answers have the wrong shape or length misbehaves', async () => {
  await using group = await TestGroup.create()
  const owner = await makeOwner()
  class LyingStore extends MemoryShardStore {
    override async read(_ref: ShardRef, _offset: number, length: number): Promise<Uint8Array> { return new Uint8Array(length + 1) }
    override async open(): Promise<never> { return { header: 'text', leaves: 7 } as never }
    override async space(): Promise<never> { return { free: -1, quota: 'much', used: Number.NaN } as never }
  }
  const holder = await group.open('liar', { store: new LyingStore([owner.certificate]) })
  const device = await group.agent('device', { owners: [owner] })
  await assert.rejects(device.dial(holder), (error) => withCode('peer-misbehaves')(error) && /liar/.test(String(error)))
  const honest = await group.open('half-liar', { store: Object.assign(new LyingStore([owner.certificate]), { space: async () => ({ free: 1e6, quota: 1e6, used: 0 }) }) })
  await using link = await device.dial(honest)
  await assert.rejects(over(link).open(makeShard(owner)), withCode('peer-misbehaves'))
  await assert.rejects(over(link).read(makeShard(owner), 0, 10), withCode('peer-misbehaves'))
})

test('frames that are replayed, out of order or of no transfer are refused, and end the transfer', async () => {
  await using group = await TestGroup.create()
  const { owner, link, memory } = await pair(group)
  const shard = makeShard(owner, { length: 3 * maxFrame })
  const begin = async () => {
    const begun = await link.call('shard.begin', { header: shard.header, leaves: shard.leaves })
    assert.ok('transfer' in begun)
    return begun
  }
  const frame = (offset: number, length = maxFrame) => shard.bytes.subarray(offset, offset + length)
  const first = await begin()
  await link.call('shard.data', { transfer: first.transfer, offset: 0, bytes: frame(0) })
  await assert.rejects(link.call('shard.data', { transfer: first.transfer, offset: 0, bytes: frame(0) }), withCode('invalid-input'))
  await assert.rejects(link.call('shard.data', { transfer: first.transfer, offset: maxFrame, bytes: frame(maxFrame) }), withCode('invalid-input'), 'it is over')
  const second = await begin()
  assert.equal(second.offset, maxFrame, 'what was good is still there')
  await assert.rejects(link.call('shard.commit', { transfer: second.transfer }), withCode('invalid-input'))
  await assert.rejects(link.call('shard.data', { transfer: second.transfer, offset: 2 * maxFrame, bytes: frame(2 * maxFrame) }), withCode('invalid-input'))
  const third = await begin()
  const beyond = Buffer.alloc(maxFrame)
  for (const offset of [maxFrame, 2 * maxFrame]) await link.call('shard.data', { transfer: third.transfer, offset, bytes: frame(offset) })
  await assert.rejects(link.call('shard.data', { transfer: third.transfer, offset: 3 * maxFrame, bytes: beyond }), withCode('invalid-input'))
  assert.equal(await over(link).put(shard), 0 * maxFrame, 'all bytes had come')
  assert.equal(memory.shards.size, 1)
})

test('the third request that cannot be parsed ends the link, and the process lives on', async () => {
  await using group = await TestGroup.create()
  const { holder, device, link } = await pair(group)
  const nonsense = { protocols: 'all' } as never
  await assert.rejects(link.call('hello', nonsense), withCode('invalid-input'))
  await assert.rejects(link.call('shard.read', nonsense), withCode('invalid-input'))
  await assert.rejects(link.call('constructor' as 'hello', nonsense), withCode('peer-unreachable', 'invalid-input'))
  assert.ok(link.ended.aborted)
  await using again = await device.dial(holder)
  assert.equal((await again.greet()).name, 'holder')
})

class StuckStore extends MemoryShardStore {
  override async open(): Promise<never> { return await new Promise(() => { /* never */ }) }
}

test('our own dialler waits for a free slot before it asks for more than the holder allows', async () => {
  await using group = await TestGroup.create()
  const owner = await makeOwner()
  const { link } = await pair(group, { store: new StuckStore([owner.certificate]) })
  const holder = await group.open('stuck', { store: new StuckStore([owner.certificate]) })
  const stuck = await (await group.agent('asker', { owners: [owner] })).dial(holder)
  for (let times = 0; times < maxUnanswered; times++) await stuck.start('shard.open', { owner: owner.root.id, id: 'ab'.repeat(32) as ObjectId, number: 0 })
  const controller = new AbortController()
  const waiting = stuck.start('hello', { protocols: [1], time: 0 }, { signal: controller.signal })
  controller.abort(new HoldfastError('cancelled', 'Cannot wait: cancelled'))
  await assert.rejects(waiting, withCode('cancelled'))
  assert.equal(stuck.ended.aborted, false)
  assert.equal((await link.greet()).name, 'holder')
})

test('a flood of requests ends the link, and nobody else is hurt', async () => {
  await using group = await TestGroup.create()
  const owner = await makeOwner()
  const holder = await group.open('holder', { store: new StuckStore([owner.certificate]) })
  const device = await group.agent('device', { owners: [owner] })
  await using calm = await device.dial(holder)
  const { socket: tls } = await dialTls(holder.target, device.identity, AbortSignal.timeout(5000))
  const flood = io(`https://127.0.0.1:${holder.door.port}`, {
    path: doorPath, transports: [transportOver(tls)], reconnection: false, forceNew: true,
    extraHeaders: { authorization: authorizationOf({ v: 1, as: 'member', peer: device.record }) },
  })
  const ended = new Promise((resolve) => { flood.once('disconnect', resolve) })
  for (let times = 0; times <= maxUnanswered; times++) flood.emit('shard.open', { owner: owner.root.id, id: 'ab'.repeat(32), number: 0 }, () => undefined)
  assert.equal(await ended, 'io server disconnect')
  assert.equal((await calm.greet()).name, 'holder')
})

test('a long live list travels in parts, a later head as a difference, and a holder that lost it asks for all', async () => {
  await using group = await TestGroup.create()
  const { owner, link, memory } = await pair(group)
  const sent: number[] = []
  const call = link.call.bind(link)
  link.call = (async (event: never, request: { live?: { add: Uint8Array; drop: Uint8Array } }, options: never) => {
    if (request.live !== undefined) sent.push(request.live.add.length + request.live.drop.length)
    return await call(event, request as never, options)
  }) as never
  const store = over(link)
  const long = makeLive(40_000)
  await store.putHead(await makeHead(owner, 1, long))
  assert.ok(sent.length > 1 && sent.reduce((sum, bytes) => sum + bytes, 0) === long.length)
  sent.length = 0
  const next = Buffer.concat([long.subarray(41), Buffer.alloc(41, 255)])
  await store.putHead(await makeHead(owner, 2, next))
  assert.deepEqual(sent, [82])
  const [kept] = await memory.heads(owner.root.id)
  assert.ok(next.equals(Buffer.from(kept?.live ?? [])))
  memory.forgetHeads()
  await store.putHead(await makeHead(owner, 3, next))
  assert.ok(Buffer.from((await store.heads(owner.root.id))[0]?.live ?? []).equals(next))
})

test('applyLive() undoes diffLive() for any two live lists', () => {
  const entry = fc.uint8Array({ minLength: 41, maxLength: 41 }).map((bytes) => Buffer.from(bytes))
  const live = fc.uniqueArray(entry, { maxLength: 20, selector: (bytes) => bytes.toString('hex') }).map((entries) => Buffer.concat(entries.sort(Buffer.compare)))
  fc.assert(fc.property(live, live, (from, to) => {
    assert.ok(Buffer.from(applyLive(from, diffLive(from, to))).equals(to))
  }))
})
