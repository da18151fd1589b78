import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../../../shared/errors.ts'
import type { Clock } from '../../../agent/network/clock.ts'
import { Bandwidth } from '../../../agent/network/peer/bandwidth.ts'

/** Time passes only as alarms ring. */
class AlarmClock implements Clock {
  time = 0
  #alarm: { at: number; ring: () => void } | undefined
  now = () => this.time
  after = (delayMs: number, ring: () => void) => {
    this.#alarm = { at: this.time + delayMs, ring }
    return () => { this.#alarm = undefined }
  }
  ring(): boolean {
    const alarm = this.#alarm
    this.#alarm = undefined
    if (alarm === undefined) return false
    this.time = alarm.at
    alarm.ring()
    return true
  }
}

const settle = async () => await new Promise((resolve) => { setImmediate(resolve) })

async function runDown(clock: AlarmClock): Promise<void> {
  do await settle()
  while (clock.ring())
}

test('frames pass at the rate, even those larger than the bucket', async () => {
  const clock = new AlarmClock()
  const pace = new Bandwidth(1_000_000, clock).lane()
  const frames = Array.from({ length: 20 }, () => pace(1_048_576, undefined))
  await runDown(clock)
  await Promise.all(frames)
  const bytes = 19 * 1_048_576 - 250_000
  assert.ok(Math.abs(clock.time - bytes / 1000) < 100, `${clock.time} ms for ${bytes} bytes`)
})

test('links are served in turn, however many frames one of them has waiting', async () => {
  const clock = new AlarmClock()
  const bandwidth = new Bandwidth(1_000_000, clock)
  const order: string[] = []
  const [greedy, modest] = [bandwidth.lane(), bandwidth.lane()]
  const sends = [
    ...Array.from({ length: 10 }, () => greedy(1_000_000, undefined).then(() => order.push('greedy'))),
    ...Array.from({ length: 3 }, () => modest(1_000_000, undefined).then(() => order.push('modest'))),
  ]
  await runDown(clock)
  await Promise.all(sends)
  assert.deepEqual(order.slice(1, 7).toSorted(), ['greedy', 'greedy', 'greedy', 'modest', 'modest', 'modest'])
})

test('a frame whose caller gave up takes nothing from the others', async () => {
  const clock = new AlarmClock()
  const pace = new Bandwidth(1000, clock).lane()
  await pace(1000, undefined)
  const controller = new AbortController()
  const given = assert.rejects(pace(1_000_000, controller.signal), (error) => error instanceof HoldfastError && error.code === 'cancelled')
  const kept = pace(10, undefined)
  controller.abort(new HoldfastError('cancelled', 'Cannot send: cancelled'))
  await given
  await runDown(clock)
  await kept
  assert.ok(clock.time < 2000, `${clock.time} ms`)
})

test('a rate of nothing is a fault of the program', () => {
  for (const rate of [0, -1, Number.NaN]) assert.throws(() => new Bandwidth(rate, new AlarmClock()), RangeError)
})
