import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Simulation } from './simulation.ts'

test('a busy day of twelve agents on a fake clock, with faults, partitions and rot: what is shown protected is and restores, reserves are kept', async () => {
  const seed = 20_260_105
  // A year of faults in a day, and of the rest as much as it takes for something to befall; lose and leave take longer and come in npm run endurance.
  const rates = { grow: 25, shrink: 5, restore: 14, forget: 6, lose: 0, leave: 0, partition: 5, skew: 6, fill: 6, rot: 5, restart: 8 }
  await using simulation = await Simulation.begin({ seed, days: 1, haste: 365, rates })
  try {
    await simulation.run()
  } catch (error) {
    throw new Error(`seed ${seed}`, { cause: error })
  }
  const { actions, restores, lostObjects } = simulation.figures.summary
  assert.equal(lostObjects, 0)
  assert.ok(restores > 2, `${restores} restores`)
  const befallen = ['grow', 'restart', 'shrink', 'forget', 'skew', 'shards rotted', 'refused by full disks', 'dials that partitions refused']
  for (const what of befallen) assert.ok((actions[what] ?? 0) > 0, `no ${what} in ${JSON.stringify(actions)}`)
})
