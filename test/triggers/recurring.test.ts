import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Recurring } from '../../agent/triggers/recurring.ts'

test('work in a hurry comes before its turn, and after the work that is under way', async () => {
  const timers: { ms: number; fire: () => void; off: boolean }[] = []
  const turns: PromiseWithResolvers<void>[] = []
  await using recurring = new Recurring({
    firstMs: 100, everyMs: 1000, onFault: assert.ifError,
    work: async () => {
      turns.push(Promise.withResolvers<void>())
      await turns.at(-1)?.promise
    },
    after: (ms, then) => {
      const timer = { ms, fire: then, off: false }
      timers.push(timer)
      return () => { timer.off = true }
    },
  })
  recurring.soon(5)
  assert.deepEqual(timers.map(({ ms, off }) => [ms, off]), [[100, true], [5, false]])
  timers[1]?.fire()
  recurring.soon(7)
  assert.equal(timers.length, 2, 'one at a time')
  turns[0]?.resolve()
  await new Promise(setImmediate)
  assert.equal(timers[2]?.ms, 7)
  timers[2]?.fire()
  turns[1]?.resolve()
  await new Promise(setImmediate)
  assert.equal(timers[3]?.ms, 1000)
})
