import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as turn } from 'node:timers/promises'
import { hasCode } from '../../../shared/errors.ts'
import { LifeWatch, idleLookMs, lookMs } from '../../../agent/network/peer/life-watch.ts'
import { type Link, dial } from '../../../agent/network/peer/link.ts'
import { RemoteShardStore } from '../../../agent/network/peer/remote-shard-store.ts'
import type { ObjectId } from '../../../agent/object-store.ts'
import { Cable } from '../../support/cable.ts'
import { FakeTime } from '../../support/fake-time.ts'
import { MemoryShardStore } from '../../support/memory-shard-store.ts'
import { TestGroup } from '../../support/peer-group.ts'
import { makeOwner, makeShard } from '../../support/test-owner.ts'

test('who is silent while somebody waits is pinged three times and then given up; who says anything begins anew', () => {
  const time = new FakeTime()
  const told: string[] = []
  const peer = { received: 0 }
  const watch = new LifeWatch({ clock: time, received: () => peer.received, ping: () => { told.push('ping') }, onDead: () => { told.push('dead') } })
  time.run(10 * lookMs)
  assert.deepEqual(told, [], 'nobody waits')
  const enough = watch.wait()
  const enoughToo = watch.wait()
  for (let look = 0; look < 3; look++) time.run(lookMs)
  peer.received++
  time.run(lookMs)
  enough()
  enough()
  assert.deepEqual(told.splice(0), ['ping', 'ping', 'ping'])
  for (let look = 0; look < 4; look++) time.run(lookMs)
  assert.deepEqual(told.splice(0), ['ping', 'ping', 'ping', 'dead'])
  enoughToo()
  time.run(10 * lookMs)
  assert.deepEqual(told, [])
})

test('once it is started it looks, more slowly, while nobody waits; each time that somebody comes or goes it begins anew', () => {
  const time = new FakeTime()
  const told: string[] = []
  const peer = { received: 0 }
  const watch = new LifeWatch({ clock: time, received: () => peer.received, ping: () => { told.push('ping') }, onDead: () => { told.push('dead') } })
  watch.start()
  for (let look = 0; look < 2; look++) time.run(idleLookMs)
  peer.received++
  time.run(idleLookMs)
  assert.deepEqual(told.splice(0), ['ping', 'ping'])
  time.run(idleLookMs)
  const enough = watch.wait()
  for (let look = 0; look < 3; look++) time.run(lookMs)
  enough()
  assert.deepEqual(told.splice(0), ['ping', 'ping', 'ping', 'ping'])
  for (let look = 0; look < 3; look++) time.run(idleLookMs)
  assert.deepEqual(told.splice(0), ['ping', 'ping', 'dead'])
  watch.end()
  time.run(10 * idleLookMs)
  assert.deepEqual(told, [])
})

/** A link over a cable from a device of an owner to a holder. */
async function linked(stack: AsyncDisposableStack, store?: (certificate: string) => MemoryShardStore) {
  const group = stack.use(await TestGroup.create())
  const owner = await makeOwner()
  const holder = await group.open('holder', { store: store?.(owner.certificate) ?? new MemoryShardStore([owner.certificate]) })
  const device = await group.agent('device', { owners: [owner] })
  const cable = stack.use(await Cable.to(holder.door.port))
  const time = new FakeTime()
  const link: Link = stack.use(await dial({ ...holder.target, port: cable.port }, { identity: device.identity, credential: { v: 1, as: 'member', peer: device.record }, clock: time }))
  return { owner, cable, time, link }
}

test('a request to a machine whose cable was pulled is given up after four looks, not before', async () => {
  await using stack = new AsyncDisposableStack()
  const { cable, time, link } = await linked(stack)
  await link.greet()
  cable.pull()
  const { answer } = await link.start('hello', { protocols: [1], time: 0 })
  for (let look = 0; look < 3; look++) time.run(lookMs)
  assert.equal(link.ended.aborted, false)
  time.run(lookMs)
  await assert.rejects(answer, (error) => hasCode(error, 'peer-unreachable') && /no sign of life/.test(String(error)))
  assert.ok(link.ended.aborted)
})

test('a link that nobody uses is given up after three looks when the cable was pulled, and not while pings are answered', async () => {
  await using stack = new AsyncDisposableStack()
  const { cable, time, link } = await linked(stack)
  for (let look = 0; look < 6; look++) {
    const { returned } = cable
    time.run(idleLookMs)
    if (look % 2 === 0) await cable.hasReturned(returned + 1) // the pong; at every other look it has just come
    for (let turns = 0; turns < 20; turns++) await turn()
  }
  assert.equal(link.ended.aborted, false)
  cable.pull()
  for (let look = 0; look < 4; look++) time.run(idleLookMs)
  assert.deepEqual([link.ended.aborted, link.isLost], [true, true])
})

test('a transfer that stands still because the cable was pulled is given up too, though no request waits', async () => {
  await using stack = new AsyncDisposableStack()
  const { owner, cable, time, link } = await linked(stack)
  const shard = makeShard(owner, { length: 24_000_000 })
  const putting = new RemoteShardStore(async () => link).put(shard)
  putting.catch(() => { /* looked at below */ })
  await cable.hasSent(1_000_000)
  cable.pull()
  while (link.activity.busy) await turn()
  for (let look = 0; look < 5; look++) time.run(lookMs)
  await assert.rejects(putting, (error) => hasCode(error, 'peer-unreachable'))
})

test('a machine that takes long for its answer, and answers pings, is waited for', async () => {
  await using stack = new AsyncDisposableStack()
  const asked = Promise.withResolvers<void>()
  class BusyStore extends MemoryShardStore {
    override async open(): Promise<never> {
      asked.resolve()
      return await new Promise(() => { /* never */ })
    }
  }
  const { owner, cable, time, link } = await linked(stack, (certificate) => new BusyStore([certificate]))
  const { answer } = await link.start('shard.open', { owner: owner.root.id, id: 'ab'.repeat(32) as ObjectId, number: 0 })
  answer.catch(() => { /* never answered */ })
  await asked.promise
  for (let look = 0; look < 11; look++) {
    const { returned } = cable
    time.run(lookMs)
    if (look % 2 === 0) await cable.hasReturned(returned + 1) // the pong; at every other look it has just come
    for (let turns = 0; turns < 20; turns++) await turn()
  }
  assert.equal(link.ended.aborted, false, '55 s later')
  time.run(lookMs)
  await assert.rejects(answer, (error) => hasCode(error, 'timeout'), 'after 60 s without an answer')
})
