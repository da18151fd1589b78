import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../../shared/errors.ts'
import { sparingLog } from '../../agent/composition/sparing-log.ts'

const minuteMs = 60_000
const error = new HoldfastError('peer-unreachable', 'Cannot reach bob')

function scene() {
  const lines: { event: string; fields: Readonly<Record<string, unknown>> }[] = []
  const clock = { ms: 0 }
  const log = sparingLog((event, fields = {}) => { lines.push({ event, fields }) }, () => clock.ms)
  const tryEvery = (minutes: number, until: number, fields: Readonly<Record<string, unknown>> = { machine: 'bob', error }) => {
    for (; clock.ms < until * minuteMs; clock.ms += minutes * minuteMs) log('peer-not-met', fields)
    return lines.length
  }
  return { log, lines, clock, tryEvery }
}

test('a machine that is away for three days is three lines of the log, which count what they stand for', () => {
  const { lines, tryEvery } = scene()
  assert.equal(tryEvery(6, 3 * 24 * 60 - 1), 3)
  assert.deepEqual(lines.map(({ fields }) => [fields['timesBefore'], fields['since']]), [[undefined, undefined], [239, '1970-01-01T00:00:00.000Z'], [239, '1970-01-02T00:00:00.000Z']])
})

test('who comes back and goes away again is written at once, and so is another machine, another reason, or the clock set back', () => {
  const { log, lines, clock, tryEvery } = scene()
  tryEvery(15, 120)
  clock.ms += 120 * minuteMs
  assert.equal(tryEvery(15, 300), 2)
  log('peer-not-met', { machine: 'carol', error })
  log('peer-not-met', { machine: 'bob', error: new HoldfastError('timeout', 'Cannot wait for bob any longer') })
  assert.equal(lines.length, 4)
  clock.ms -= 60 * minuteMs
  log('peer-not-met', { machine: 'bob', error })
  assert.equal(lines.length, 5)
})

test('damage, forged records and what has no subject are written each time', () => {
  const { log, lines } = scene()
  const damage = new HoldfastError('object-damaged', 'Cannot read the shard: it is damaged')
  for (let time = 0; time < 3; time++) {
    log('holder-fault', { holder: 'bob', fault: 'damaged', error: damage })
    log('background-fault', { error })
    log('shard-stored', { machine: 'bob' })
  }
  assert.equal(lines.length, 9)
})
