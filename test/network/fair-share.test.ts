import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import type { MachineId, OwnerId } from '../../shared/ids.ts'
import { FairShares, type Giver, isBeyondShare } from '../../agent/network/fair-share.ts'
import { OnlineShares } from '../../agent/network/membership/online-share.ts'
import { FakeTime, dayMs } from '../support/fake-time.ts'

const giver = (name: string, offer: number, onlineShare = 1): Giver => ({ machine: name as MachineId, owners: [`${name}-owner` as OwnerId], offer, onlineShare })
const owner = (name: string) => `${name}-owner` as OwnerId

test('who gives twice as much, or is online twice as long, may use twice as much', () => {
  const shares = new FairShares([giver('a', 200), giver('b', 200, 0.5), giver('c', 1000)])
  assert.equal(shares.givenBy(owner('a')), 2 * shares.givenBy(owner('b')))
  assert.equal(Math.round(shares.at('c' as MachineId, owner('a'))), 667)
  assert.equal(Math.round(shares.at('c' as MachineId, owner('b'))), 333)
  assert.equal(shares.at('c' as MachineId, 'stranger' as OwnerId), 0)
})

test('the shares of a machine\'s offer add up to it, and the owner of the machine has none there', () => {
  const some = fc.record({ offer: fc.integer({ min: 1, max: 1e9 }), share: fc.double({ min: 0.01, max: 1, noNaN: true }) })
  fc.assert(fc.property(fc.array(some, { minLength: 2, maxLength: 8 }), (machines) => {
    const givers = machines.map(({ offer, share }, at) => giver(`m${at}`, offer, share))
    const shares = new FairShares(givers)
    for (const { machine, offer, owners } of givers) {
      const sum = givers.filter((other) => other.machine !== machine).reduce((total, other) => total + shares.at(machine, other.owners[0]!), 0)
      assert.ok(Math.abs(sum - offer) < 1e-6 * offer + 1e-6)
      assert.ok(!Number.isNaN(shares.of(owners[0]!)))
    }
  }))
})

test('a group in which nobody offers anything divides what a holder has equally', () => {
  const shares = new FairShares([giver('a', 0), giver('b', 0), giver('c', 0)])
  assert.equal(shares.at('c' as MachineId, owner('a'), 100), 50)
})

test('far beyond the share is refused only where space is short', () => {
  assert.ok(!isBeyondShare({ used: 900, size: 10, fair: 10, free: 9_000, offer: 10_000 }), 'plenty of space')
  assert.ok(isBeyondShare({ used: 900, size: 10, fair: 10, free: 4_000, offer: 10_000 }))
  assert.ok(!isBeyondShare({ used: 900, size: 10, fair: 500, free: 100, offer: 10_000 }), 'within twice the share')
})

test('an online share follows what was seen while this machine was on, and forgets', () => {
  const time = new FakeTime()
  const shares = new OnlineShares(time.monotonic)
  const [desk, laptop] = ['d'.repeat(43) as MachineId, 'l'.repeat(43) as MachineId]
  const look = (hours: number, laptopOn: (hour: number) => boolean) => {
    for (let minute = 0; minute < hours * 60; minute += 5) {
      time.run(5 * 60_000)
      shares.look([{ id: desk, isOnline: true }, { id: laptop, isOnline: laptopOn(Math.floor(minute / 60)) }])
    }
  }
  assert.equal(shares.shareOf(desk), 0.5)
  look(100, (hour) => hour % 4 === 0)
  assert.ok(shares.shareOf(desk) > 0.95 && Math.abs(shares.shareOf(laptop) - 0.25) < 0.03)
  const before = shares.shareOf(laptop)
  time.run(3 * dayMs)
  shares.look([{ id: laptop, isOnline: true }])
  assert.equal(shares.shareOf(laptop), before, 'asleep, nobody looked')
  const kept = new OnlineShares(time.monotonic)
  kept.load(shares.toJson())
  assert.ok(Math.abs(kept.shareOf(laptop) - before) < 1e-6)
  kept.load('{')
  assert.equal(kept.shareOf(laptop), 0.5)
  look(24 * 60, () => true)
  assert.ok(shares.shareOf(laptop) > 0.9)
})
