import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../../shared/errors.ts'
import { checkCron, nextRunMs, parseCron, quietEndMs } from '../../agent/triggers/schedule.ts'

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

test('a cron expression that somebody asks for is refused in a sentence with an example when it cannot be read or never comes', () => {
  const refused = (text: RegExp) => (error: unknown) => error instanceof HoldfastError && error.code === 'invalid-input' && text.test(error.message) && !/CronPattern/.test(error.message)
  const [, example = ''] = /such as "([^"]+)"/.exec(messageOf(() => { checkCron('at noon', local(9, 0)) })) ?? []
  checkCron(example, local(9, 0))
  for (const unreadable of ['at noon', '', '99 * * * *', '0 12 * *']) assert.throws(() => { checkCron(unreadable, local(9, 0)) }, refused(/it has to be a cron expression of minute, hour, .* such as "/), unreadable)
  for (const never of ['0 0 31 2 *', '0 0 12 1 1 * 2020']) assert.throws(() => { checkCron(never, local(9, 0)) }, refused(/that time never comes; .* such as "/), never)
  for (const good of ['0 0 29 2 *', '@daily', '0 12 L * *', '* * * * * *']) checkCron(good, local(9, 0))
})

function messageOf(act: () => void): string {
  try {
    act()
  } catch (error) {
    return (error as Error).message
  }
  return ''
}
