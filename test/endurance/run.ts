/** `npm run endurance [-- --seed N --days N --haste N]`: a year of a work group in one process; prints its figures, and the seed first. */
import { parseArgs } from 'node:util'
import { Simulation } from './simulation.ts'

const { values } = parseArgs({ options: { seed: { type: 'string' }, days: { type: 'string', default: '365' }, haste: { type: 'string', default: '1' }, verbose: { type: 'boolean', default: false } } })
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
process.stderr.write(`seed ${seed}\n`)
await using simulation = await Simulation.begin({ seed, days: Number(values.days), haste: Number(values.haste), log: values.verbose ? (line) => process.stderr.write(`${line}\n`) : () => {} })
try {
  await simulation.run()
} catch (error) {
  process.stderr.write(`failed; again with: npm run endurance -- --seed ${seed} --days ${values.days} --haste ${values.haste}\n`)
  throw error
}
process.stdout.write(`${JSON.stringify({ seed, ...simulation.figures.summary }, null, 2)}\n`)
