import assert from 'node:assert/strict'
import { test } from 'node:test'
import { setImmediate as tick } from 'node:timers/promises'
import { type Conditions, unknownConditions } from '../../agent/conditions/port.ts'
import { type PolitenessRules, Politeness, paceOf } from '../../agent/triggers/politeness.ts'
import { FakeTime } from '../support/fake-time.ts'

const rules: PolitenessRules = { whenActive: 'slow', onBattery: 'slow', onMetered: 'wait' }
const idle: Conditions = { idleSeconds: 600, onBattery: false, isMetered: false }

function scene() {
  const time = new FakeTime()
  const state = { conditions: idle, isHurried: false, looks: 0 }
  const politeness = new Politeness({
    source: { look: async () => { state.looks++; return await Promise.resolve(state.conditions) }, [Symbol.asyncDispose]: async () => { await Promise.resolve() } },
    rules: () => rules, isHurried: () => state.isHurried, after: (ms, then) => time.after(ms, then), monotonic: time.monotonic,
  })
  const second = async () => {
    time.run(1000)
    await tick()
  }
  /** Pieces of work done by a worker that asks before each, over so many seconds. */
  const work = async (seconds: number) => {
    let pieces = 0
    const stop = { yes: false }
    const worker = (async () => {
      while (!stop.yes && pieces < 100_000) {
        await politeness.turn()
        if (stop.yes) return
        pieces++
        await tick()
      }
    })()
    for (let passed = 0; passed < seconds; passed++) for (let step = 0; step < 10; step++) {
      time.run(100)
      await tick()
    }
    stop.yes = true
    for (const again of [1, 2]) if (again > 0) await second()
    return { pieces, worker }
  }
  return { time, state, politeness, second, work }
}

test('the strictest of what holds counts, and what the system does not tell is no reason', () => {
  assert.deepEqual(paceOf(unknownConditions, rules), { state: 'go', reason: null })
  assert.deepEqual(paceOf({ idleSeconds: 0, onBattery: true, isMetered: true }, rules), { state: 'wait', reason: 'metered' })
  assert.deepEqual(paceOf({ ...idle, onBattery: true }, rules), { state: 'slow', reason: 'battery' })
  assert.deepEqual(paceOf({ ...idle, idleSeconds: 59 }, rules), { state: 'slow', reason: 'active' })
  assert.deepEqual(paceOf({ idleSeconds: 0, onBattery: true, isMetered: true }, { whenActive: 'go', onBattery: 'go', onMetered: 'go' }), { state: 'go', reason: null })
})

test('while a person waits for work, nothing is said to wait', async () => {
  const { state, politeness, second } = scene()
  state.conditions = { ...idle, isMetered: true }
  void politeness.turn()
  await second()
  assert.deepEqual(politeness.pace, { state: 'wait', reason: 'metered' })
  state.isHurried = true
  assert.deepEqual(politeness.pace, { state: 'go', reason: null })
  await politeness[Symbol.asyncDispose]()
})

test('whether the link is to be spared is looked at every ten seconds at most, and not at all where the rule is not to wait', async () => {
  const { time, state, politeness, second } = scene()
  assert.equal(await politeness.sparesLink(), false)
  state.conditions = { ...idle, isMetered: true }
  assert.deepEqual([await politeness.sparesLink(), state.looks], [false, 1])
  for (let seconds = 0; seconds < 11; seconds++) await second()
  assert.deepEqual([await politeness.sparesLink(), await politeness.sparesLink(), state.looks], [true, true, 2])
  const careless = new Politeness({
    source: { look: async () => await Promise.reject(new Error('looked')), [Symbol.asyncDispose]: async () => { await Promise.resolve() } },
    rules: () => ({ ...rules, onMetered: 'slow' }), isHurried: () => false, after: (ms, then) => time.after(ms, then), monotonic: time.monotonic,
  })
  assert.equal(await careless.sparesLink(), false)
})

test('work gives way within two seconds of somebody touching the keyboard, and goes on when he has left', async () => {
  const { state, politeness, second, work } = scene()
  const free = await work(3)
  assert.ok(free.pieces > 20, String(free.pieces))
  state.conditions = { ...idle, idleSeconds: 0 }
  await second()
  await second()
  const busy = await work(10)
  assert.ok(busy.pieces >= 8 && busy.pieces <= 12, String(busy.pieces))
  assert.deepEqual(politeness.pace, { state: 'slow', reason: 'active' })
  state.conditions = idle
  await second()
  assert.ok((await work(3)).pieces > 20)
  await politeness[Symbol.asyncDispose]()
})

test('on a connection that costs money nothing goes, until a person asks for it or the connection changes', async () => {
  const { state, politeness, second } = scene()
  state.conditions = { ...idle, isMetered: true }
  const gone: string[] = []
  const worker = (async () => {
    for (const piece of ['first', 'second', 'third']) {
      await politeness.turn()
      gone.push(piece)
    }
  })()
  for (let passed = 0; passed < 100; passed++) await second()
  assert.deepEqual([gone, politeness.pace], [[], { state: 'wait', reason: 'metered' }])
  state.isHurried = true
  await second()
  assert.equal(politeness.turn(), undefined)
  await worker
  assert.deepEqual(gone, ['first', 'second', 'third'])
  await politeness[Symbol.asyncDispose]()
})

test('while nothing is under way nobody looks, and who still waits at the end is let go', async () => {
  const { state, politeness, second } = scene()
  await politeness.turn()
  for (let passed = 0; passed < 15; passed++) await second()
  const { looks } = state
  for (let passed = 0; passed < 60; passed++) await second()
  assert.equal(state.looks, looks)
  assert.deepEqual(politeness.pace, { state: 'go', reason: null })
  state.conditions = { ...idle, isMetered: true }
  const waiting = politeness.turn()
  await second()
  await politeness[Symbol.asyncDispose]()
  await waiting
})
