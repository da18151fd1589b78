import assert from 'node:assert/strict'
import { test } from 'node:test'
import { defaultConfig } from '../../agent/config.ts'
import { AutomaticBackups } from '../../agent/triggers/automatic-backups.ts'

const noon = new Date(2026, 2, 10, 12, 0).getTime()
const minute = 60_000

/** A clock that runs timers when it is moved, and backups that record what they were asked for. */
function harness(schedule: Partial<(typeof defaultConfig)['schedule']>) {
  const state = { nowMs: noon, fail: false }
  const timers = new Set<{ atMs: number; run: () => void }>()
  const runs: { atMs: number; paths: readonly string[] }[] = []
  const faults: unknown[] = []
  const backups = new AutomaticBackups({
    schedule: () => ({ ...defaultConfig.schedule, cron: null, ...schedule }),
    backup: async (paths) => {
      runs.push({ atMs: state.nowMs, paths })
      if (state.fail) throw new Error('no peers')
    },
    now: () => state.nowMs,
    after: (delayMs, run) => {
      const timer = { atMs: state.nowMs + delayMs, run }
      timers.add(timer)
      return () => timers.delete(timer)
    },
    onFault: (error) => faults.push(error),
  })
  const advance = async (ms: number) => {
    const end = state.nowMs + ms
    for (;;) {
      await new Promise((resolve) => { setImmediate(resolve) })
      const [next] = [...timers].filter(({ atMs }) => atMs <= end).sort((a, b) => a.atMs - b.atMs)
      if (next === undefined) break
      timers.delete(next)
      state.nowMs = Math.max(state.nowMs, next.atMs)
      next.run()
    }
    state.nowMs = end
  }
  const change = (path: string, bytesGrown: number) => backups.changed({ path, bytesGrown, changedAt: state.nowMs })
  return { backups, advance, change, runs, faults, state }
}

test('a changed path is backed up once it has been quiet for five minutes', async () => {
  const { advance, change, runs } = harness({})
  change('/a', 100)
  await advance(4 * minute)
  change('/a', 100)
  await advance(4 * minute)
  assert.deepEqual(runs, [])
  await advance(minute)
  assert.deepEqual(runs, [{ atMs: noon + 9 * minute, paths: ['/a'] }])
  await advance(60 * minute)
  assert.equal(runs.length, 1)
})

test('much growth does not wait for quiet', async () => {
  const { advance, change, runs } = harness({})
  for (let i = 0; i < 4; i++) {
    change('/busy', 20 * 2 ** 20)
    await advance(minute)
  }
  assert.deepEqual(runs.map(({ paths }) => paths), [['/busy']])
  assert.ok((runs[0]?.atMs ?? 0) - noon < 5 * minute)
})

test('the clock backs up everything, and what became due in quiet hours waits for their end', async () => {
  const { advance, change, runs, backups } = harness({ cron: '0 13 * * *', quietHours: { from: '14:00', to: '16:00' } })
  assert.equal(backups.nextRunMs, noon + 60 * minute)
  await advance(61 * minute)
  assert.deepEqual(runs, [{ atMs: noon + 60 * minute, paths: [] }])
  await advance(64 * minute)
  change('/late', 1)
  await advance(100 * minute)
  assert.equal(runs.length, 1)
  await advance(20 * minute)
  assert.deepEqual(runs[1], { atMs: noon + 240 * minute, paths: ['/late'] })
})

test('a failed run is reported and tried again later with the same paths', async () => {
  const { advance, change, runs, faults, state } = harness({})
  state.fail = true
  change('/a', 1)
  await advance(6 * minute)
  assert.equal(faults.length, 1)
  state.fail = false
  await advance(12 * minute)
  assert.deepEqual(runs.map(({ paths }) => paths), [['/a'], ['/a']])
  assert.equal(runs[1]?.atMs, noon + 15 * minute)
})
