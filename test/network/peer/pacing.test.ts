import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type Clock, systemClock } from '../../../agent/network/clock.ts'
import { type Ends, type Pace, Pacing, type PacingOptions } from '../../../agent/network/peer/pacing.ts'
import { Links } from '../../../agent/network/peer/links.ts'
import { MemoryShardStore } from '../../support/memory-shard-store.ts'
import { TestGroup } from '../../support/peer-group.ts'
import { makeOwner, makeShard } from '../../support/test-owner.ts'

const settle = async () => await new Promise((resolve) => { setImmediate(resolve) })

/** Time passes as alarms are rung, one after the other. */
class AlarmClock implements Clock {
  time = 0
  #alarms: { at: number; ring: () => void }[] = []
  now = () => this.time
  after = (delayMs: number, ring: () => void) => {
    const alarm = { at: this.time + delayMs, ring }
    this.#alarms.push(alarm)
    return () => { this.#alarms = this.#alarms.filter((one) => one !== alarm) }
  }
  passTo(time: number): void {
    while (this.#alarms.some(({ at }) => at <= time)) this.ring()
    this.time = time
  }
  /** False when nobody waits. */
  ring(): boolean {
    const [first] = this.#alarms.sort((a, b) => a.at - b.at)
    if (first === undefined) return false
    this.#alarms = this.#alarms.filter((one) => one !== first)
    this.time = Math.max(this.time, first.at)
    first.ring()
    return true
  }
}

const pacingOf = (options: Partial<PacingOptions>) => new Pacing({ uploadBytesPerSecond: null, downloadBytesPerSecond: null, slowLinks: [], clock: new AlarmClock(), ...options })

/** Seconds that `frames` of 100 kB take. */
async function secondsOf(pace: Pace | undefined, clock: AlarmClock, frames = 21): Promise<number> {
  const begin = clock.time
  const all = Promise.all(Array.from({ length: frames }, async () => await pace?.(100_000)))
  do await settle()
  while (clock.ring())
  await all
  return Math.round((clock.time - begin) / 1000)
}

test('a link is over a slow line by either end of it, in IPv4, IPv6 and IPv4 within IPv6, or by its interface', () => {
  const pacing = pacingOf({
    slowLinks: [
      { network: '10.8.0.0/16', uploadBytesPerSecond: 1, downloadBytesPerSecond: null }, { network: 'fd00:8::/32', uploadBytesPerSecond: 1, downloadBytesPerSecond: null },
      { interface: 'tun3', uploadBytesPerSecond: 1, downloadBytesPerSecond: null },
    ],
    addressesOf: (name) => (name === 'tun3' ? ['172.16.5.1', 'fe80::5'] : []),
  })
  const isSlow = (ends: Ends | undefined) => pacing.of(ends).upload !== undefined
  const slow: readonly Ends[] = [
    { local: '10.8.3.4', remote: '192.168.1.20' }, { local: '192.168.1.20', remote: '10.8.3.4' }, { local: '::ffff:192.168.1.20', remote: '::ffff:10.8.3.4' },
    { local: 'fd00:8::2', remote: '2001:db8::1' }, { local: '172.16.5.1', remote: '10.1.1.1' }, { local: 'fe80::5%tun3', remote: 'fe80::6%tun3' },
  ]
  const fast: readonly (Ends | undefined)[] = [{ local: '192.168.1.20', remote: '10.9.0.1' }, { local: '10.1.1.1', remote: '172.16.5.1' }, { local: 'fd00:9::1', remote: '::1' }, { local: '', remote: '' }, undefined]
  assert.deepEqual([slow.map(isSlow), fast.map(isSlow)], [slow.map(() => true), fast.map(() => false)])
})

test('links over a slow line share its limit, others are as fast as before, and the limit of all holds for both', async () => {
  const clock = new AlarmClock()
  const pacing = pacingOf({ clock, uploadBytesPerSecond: 1_000_000, slowLinks: [{ network: '10.8.0.0/16', uploadBytesPerSecond: 100_000, downloadBytesPerSecond: 50_000 }] })
  const [vpn, other, office] = ['10.8.0.2', '10.8.0.3', '192.168.1.2'].map((remote) => pacing.of({ local: '192.168.1.1', remote }))
  assert.equal(await secondsOf(office?.upload, clock), 2)
  assert.equal(await secondsOf(vpn?.upload, clock), 20)
  assert.equal(await secondsOf(vpn?.download, clock, 11), 20)
  assert.equal(office?.download, undefined)
  const begin = clock.time
  await Promise.all([secondsOf(vpn?.upload, clock, 11), secondsOf(other?.upload, clock, 11)])
  assert.ok(Math.round((clock.time - begin) / 1000) >= 20, 'two links have what one has')
})

for (const at of ['dialler', 'holder'] as const) {
  test(`a ${at} keeps the limit of a slow line in both directions`, async () => {
    await using group = await TestGroup.create()
    const clock = new AlarmClock()
    const pacing = pacingOf({ clock, slowLinks: [{ network: '127.0.0.0/8', uploadBytesPerSecond: 1_000_000, downloadBytesPerSecond: 500_000 }] })
    const { links, holder, owner } = await pairOf(group, at === 'dialler' ? { linksPacing: pacing } : { hostPacing: pacing })
    await using _ = links
    const store = await links.connect(holder.id)
    const shard = makeShard(owner, { length: 3_000_000 })
    const secondsFor = async (work: Promise<unknown>) => {
      const begin = clock.time
      await rungThrough(clock, work)
      return (clock.time - begin) / 1000
    }
    const put = await secondsFor(store.put(shard))
    const read = await secondsFor((async () => {
      for (let times = 0; times < 2; times++) assert.equal((await store.read(shard, 0, 3_000_000)).length, 3_000_000)
    })())
    const [up, down] = at === 'dialler' ? [put, read] : [read / 2, put * 2] // what the holder takes in is what the dialler sends
    assert.ok(up > 2 && up < 4, `3 MB at 1 MB a second in ${up} s`)
    assert.ok(down > 4 && down < 16, `3 to 6 MB at 0.5 MB a second in ${down} s`)
  })
}

test('a holder that is slow but sends is waited for, for longer than one that says nothing', async () => {
  await using group = await TestGroup.create()
  const [paced, clock] = [new AlarmClock(), new AlarmClock()]
  const hostPacing = pacingOf({ clock: paced, slowLinks: [{ network: '127.0.0.0/8', uploadBytesPerSecond: 100_000, downloadBytesPerSecond: null }] })
  const { links, holder, owner } = await pairOf(group, { hostPacing, clock })
  await using _ = links
  const shard = makeShard(owner, { length: 9_000_000 })
  await (holder.store as MemoryShardStore).put(shard)
  const bytes = await rungThrough(paced, (await links.connect(holder.id)).read(shard, 0, 9_000_000), () => { clock.passTo(paced.time) })
  assert.ok(Buffer.compare(bytes, shard.bytes.subarray(0, 9_000_000)) === 0)
  assert.ok(clock.time > 60_000, `${clock.time} ms`)
})

/** A holder that keeps what an owner's device sends it, and the device's links, which know it. */
async function pairOf(group: TestGroup, { linksPacing, hostPacing, clock = systemClock }: { linksPacing?: Pacing; hostPacing?: Pacing; clock?: Clock }) {
  const owner = await makeOwner()
  const holder = await group.open('holder', { store: new MemoryShardStore([owner.certificate]), ...(hostPacing && { pacing: hostPacing }) })
  const device = await group.agent('device', { owners: [owner] })
  await device.membership.ingest([holder.record], { kind: 'roster', name: 'test' })
  return { owner, holder, links: new Links({ membership: device.membership, identity: device.identity, clock, random: Math.random, pacing: linksPacing }) }
}

/** Lets the paced time pass while `work` goes on. */
async function rungThrough<T>(clock: AlarmClock, work: Promise<T>, onRing?: () => void): Promise<T> {
  const under = { way: true }
  const ended = work.finally(() => { under.way = false })
  ended.catch(() => { /* thrown below */ })
  while (under.way) {
    if (clock.ring()) onRing?.()
    await settle()
  }
  return await ended
}
