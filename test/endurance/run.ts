/**
 * `npm run endurance [-- --seed N --days N --haste N --verbose]`: a year of a work group in one process. Prints the seed first, a
 * line of figures each week (stderr), and all of them at the end (stdout); so too when it fails or is interrupted.
 */
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import type { Summary } from './figures.ts'
import { Simulation } from './simulation.ts'

process.env['NODE_COMPILE_CACHE'] ??= resolve('node_modules/.cache/holdfast') // for the threads: they start by the thousand
const { values } = parseArgs({ options: { seed: { type: 'string' }, days: { type: 'string', default: '365' }, haste: { type: 'string', default: '1' }, verbose: { type: 'boolean', default: false } } })
const seed = Number(values.seed ?? Math.floor(Math.random() * 2 ** 31))
const say = (line: string): void => { process.stderr.write(`${line}\n`) }
const interrupted = new AbortController()
for (const name of ['SIGINT', 'SIGTERM'] as const) {
  process.on(name, () => {
    if (interrupted.signal.aborted) process.exit(130)
    say('ending with this day; once more: at once')
    interrupted.abort()
  })
}

function cost(): { cpuSeconds: number; memoryBytes: number } {
  const { user, system } = process.cpuUsage()
  return { cpuSeconds: Math.round((user + system) / 1e6), memoryBytes: process.memoryUsage.rss() }
}

function sayWeek({ days, actions, protectedShare, restores, lostObjects, waits, waitsInOfficeHours, repairPerUserYear, repairByCause, liveObjects, liveBytes }: Summary): void {
  const { lost = 0, left = 0, 'shards rotted': rotted = 0, 'rotten shards that scrubs saw': scrubbed = 0 } = actions
  say(`day ${days} ${JSON.stringify({ restores, lostObjects, lost, left, rotted, scrubbed, protectedShare, p99h: waits.p99h, p99InOfficeHours: waitsInOfficeHours.p99h, repairPerUserYear, repairByCause, liveObjects, liveBytes, ...cost() })}`)
}

say(`seed ${seed}`)
await using simulation = await Simulation.begin({
  seed, days: Number(values.days), haste: Number(values.haste), onWeek: sayWeek, log: values.verbose ? say : () => {},
})
let ended = 'failed'
try {
  await simulation.run({ signal: interrupted.signal })
  ended = interrupted.signal.aborted ? 'interrupted' : 'whole'
} catch (error) {
  say(`failed; again with: npm run endurance -- --seed ${seed} --days ${values.days} --haste ${values.haste}`)
  throw error
} finally {
  process.stdout.write(`${JSON.stringify({ seed, ended, ...simulation.figures.summary, ...cost() }, null, 2)}\n`)
}
