import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Simulation } from './simulation.ts'

test('a busy day of twelve agents on a fake clock, with faults, partitions and rot: what is shown protected is and restores, reserves are kept', async () => {
  const seed = 20_260_105
  await using simulation = await Simulation.begin({ seed, days: 1, haste: 24, without: ['lose', 'leave'] }) // those take longer; they come in npm run endurance
  try {
    await simulation.run()
  } catch (error) {
    throw new Error(`again with: npm run endurance -- --seed ${seed} --days 1 --haste 24 --verbose`, { cause: error })
  }
  const { actions, restores, lostObjects } = simulation.figures.summary
  assert.equal(lostObjects, 0)
  assert.ok(restores > 5, `${restores} restores`)
  for (const action of ['grow', 'restart', 'shrink', 'forget']) assert.ok((actions[action] ?? 0) > 0, `no ${action} in ${JSON.stringify(actions)}`)
})
