import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../../shared/errors.ts'
import { nextRunMs, parseCron, quietEndMs } from '../../agent/triggers/schedule.ts'

const local = (hours: number, minutes: number, day = 10) => new Date(2026, 2, day, hours, minutes).getTime()

test('nextRunMs() gives the next time of the cron expression', () => {
  assert.equal(nextRunMs(parseCron('30 12 * * *'), null, local(9, 0)), local(12, 30))
  assert.equal(nextRunMs(parseCron('30 12 * * *'), null, local(13, 0)), local(12, 30, 11))
})

test('a run that falls into the quiet hours waits for their end', () => {
  const quiet = { from: '22:00', to: '06:30' }
  assert.equal(nextRunMs(parseCron('0 23 * * *'), quiet, local(9, 0)), local(6, 30, 11))
  assert.equal(nextRunMs(parseCron('0 2 * * *'), quiet, local(9, 0)), local(6, 30, 11))
  assert.equal(nextRunMs(parseCron('0 7 * * *'), quiet, local(6, 45)), local(7, 0))
})

test('quietEndMs() leaves times outside alone, also at the borders', () => {
  const quiet = { from: '09:00', to: '17:00' }
  assert.equal(quietEndMs(quiet, local(8, 59)), local(8, 59))
  assert.equal(quietEndMs(quiet, local(9, 0)), local(17, 0))
  assert.equal(quietEndMs(quiet, local(17, 0)), local(17, 0))
  assert.equal(quietEndMs({ from: '09:00', to: '09:00' }, local(9, 0)), local(9, 0))
})

test('a cron expression that cannot be read is an error of the configuration', () => {
  assert.throws(() => parseCron('at noon'), (error: unknown) => error instanceof HoldfastError && error.code === 'invalid-config')
})
