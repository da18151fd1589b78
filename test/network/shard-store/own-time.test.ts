import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { OwnTime, type OwnTimeState } from '../../../agent/network/shard-store/own-time.ts'
import { FakeTime, dayMs, hourMs } from '../../support/fake-time.ts'

test('own time never goes back, keeps up with a machine that is on in office hours, and gains three days at most by one jump', () => {
  const time = new FakeTime()
  let state: OwnTimeState | undefined
  const open = () => new OwnTime({ state, now: time.now, monotonic: time.monotonic, save: (next) => { state = next } })
  let own = open()
  const begin = own.now()
  for (let day = 0; day < 28; day++) {
    const isWeekend = day % 7 >= 5
    if (!isWeekend) for (let hour = 0; hour < 9; hour++) {
      time.run(hourMs)
      own.now()
    }
    time.jump((isWeekend ? 24 : 15) * hourMs)
    if (day % 3 === 0) own = open()
  }
  const passed = own.now() - begin
  assert.ok(passed > 27 * dayMs && passed <= 28 * dayMs, `${passed / dayMs} days`)
  const before = own.now()
  time.jump(1_000 * dayMs)
  assert.ok(own.now() - before <= 3 * dayMs)
  const ahead = own.now()
  time.jump(-5_000 * dayMs)
  assert.equal(own.now(), ahead)
})

test('own time of a process that was killed a moment ago is never before what it was written down with', () => {
  const time = new FakeTime()
  let state: OwnTimeState | undefined
  const open = () => new OwnTime({ state, now: time.now, monotonic: time.monotonic, save: (next) => { state = next } })
  const own = open()
  time.run(30_000)
  const written = own.stamp()
  time.run(5_000)
  own.now()
  const after = open().now()
  assert.ok(after >= written, `${written - after} ms before`)
})

test('own time never runs ahead of what the clocks together can have measured', () => {
  const step = fc.record({ run: fc.nat(10 * hourMs), jump: fc.integer({ min: -400 * dayMs, max: 400 * dayMs }), restart: fc.boolean() })
  fc.assert(fc.property(fc.array(step, { maxLength: 40 }), (steps) => {
    const time = new FakeTime()
    let state: OwnTimeState | undefined
    const open = () => new OwnTime({ state, now: time.now, monotonic: time.monotonic, save: (next) => { state = next } })
    let own = open()
    const begin = own.now()
    let last = begin
    for (const { run, jump, restart } of steps) {
      time.run(run)
      time.jump(jump)
      if (restart) own = open()
      const now = own.now()
      assert.ok(now >= last || restart)
      last = now
    }
    assert.ok(last - begin <= 9 * time.steadyMs)
  }))
})
