import assert from 'node:assert/strict'
import { test } from 'node:test'
import { patience } from '../../agent/network/margin.ts'
import { patienceFigures, rules } from '../../bench/patience.ts'

const [before, window] = [rules['before: 10 days k+2, 21 days all']!, rules['45 days all (the published model\'s window)']!]
const request = { seed: 7, runs: 5, years: 1, deaths: 0.3 }

test('the model of patience: who waits for longer than any leave repairs nothing while nobody dies, and loses nothing', () => {
  assert.deepEqual(patienceFigures(window, { ...request, deaths: 0 }), { ownerYears: 60, repairPerUserYear: 0, lost: 0 })
  assert.ok(patienceFigures(before, { ...request, deaths: 0 }).repairPerUserYear > 0, 'leave costs something')
})

test('the model of patience: the rule in force repairs less than the one before it and loses less than waiting for 45 days', () => {
  const repaired = [before, patience].map((rule) => patienceFigures(rule, request).repairPerUserYear)
  assert.ok(repaired[1]! < repaired[0]!, `${repaired.join(' and ')}`)
  const lost = [patience, window].map((rule) => patienceFigures(rule, { ...request, deaths: 2.4 }).lost)
  assert.ok(lost[0]! < lost[1]!, `${lost.join(' and ')}`)
})
