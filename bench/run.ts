/**
 * `npm run bench [-- --size 2GiB --runs 3]`: Holdfast beside restic and borg on one archive in one run.
 *
 * Each run: a fresh archive and fresh repositories; then, each contestant in turn (the order rotates with the run): first
 * backup, a day's growth (copy-on-write changes), no change, restore (compared byte for byte). Medians over the runs,
 * as a table to paste into docs/benchmarks.md. Capture alone (no dispersal) is measured in the same run.
 */
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { closeSync, mkdirSync, openSync, readFileSync, readSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { parseBytes } from '../agent/cli/numbers.ts'
import { createArchive, growArchive } from '../agent/demo/outlook-archive/archive.ts'
import { launcherArguments, launcherEnvironment } from '../agent/launching.ts'
import { type Contestant, type Step, benchDirectory, borg, holdfast, requireTools, restic } from './contestants.ts'
import { median } from './measure.ts'

const dayBytes = 20_000_000
const steps = ['first backup', 'a day\'s growth', 'no change', 'restore'] as const
type StepName = (typeof steps)[number]
type Results = Map<string, Step[]>

const { values } = parseArgs({ options: { size: { type: 'string', default: '2GiB' }, runs: { type: 'string', default: '3' } } })
requireTools()
const directory = benchDirectory()
rmSync(directory, { recursive: true, force: true })
mkdirSync(directory, { recursive: true })
const results: Results = new Map()
let grownBytes = 0
try {
  for (let run = 0; run < Number(values.runs); run++) grownBytes = await measureRun(run, parseBytes(values.size))
  print()
} finally {
  rmSync(directory, { recursive: true, force: true })
}

async function measureRun(run: number, bytes: number): Promise<number> {
  const file = join(directory, 'archive.pst')
  rmSync(file, { force: true })
  await createArchive(file, { bytes, seed: run + 1 })
  const contestants = rotate([restic(directory), borg(directory), await holdfast(directory)], run)
  try {
    digest(file) // the page cache is warm for everybody
    record('capture', 'first backup', captureAlone(file))
    for (const contestant of contestants) record(contestant.name, 'first backup', await contestant.backup(file))
    const grown = await growArchive(file, { bytes: dayBytes, deleteMessages: 20, seed: run + 100 })
    for (const contestant of contestants) record(contestant.name, 'a day\'s growth', await contestant.backup(file))
    for (const contestant of contestants) record(contestant.name, 'no change', await contestant.backup(file))
    for (const contestant of contestants) record(contestant.name, 'restore', await restoreAndCompare(contestant, file))
    return grown.bytesWritten
  } finally {
    for (const contestant of contestants) await contestant[Symbol.asyncDispose]()
  }
}

function captureAlone(file: string): Step {
  const output = execFileSync(process.execPath, [...launcherArguments, join(import.meta.dirname, 'capture.ts'), file], {
    encoding: 'utf8', maxBuffer: 1 << 24, env: { ...process.env, ...launcherEnvironment },
  })
  const measured = JSON.parse(output) as { seconds: number; cpuSeconds: number; storedBytes: number; peakRssMiB: number }
  return { seconds: measured.seconds, cpuSeconds: measured.cpuSeconds, peakMiB: measured.peakRssMiB, storedBytes: measured.storedBytes, sentBytes: measured.storedBytes }
}

async function restoreAndCompare(contestant: Contestant, file: string): Promise<Step> {
  const target = join(directory, `restored-${contestant.name}`)
  const step = await contestant.restore(target)
  const copy = readdirSync(target, { recursive: true, encoding: 'utf8' }).find((name) => name.endsWith('archive.pst'))
  if (copy === undefined || digest(join(target, copy)) !== digest(file)) throw new Error(`${contestant.name} restored other bytes`)
  rmSync(target, { recursive: true, force: true })
  return step
}

function digest(file: string): string {
  const hash = createHash('sha256')
  const buffer = Buffer.alloc(1 << 22)
  const descriptor = openSync(file, 'r')
  for (let read = readSync(descriptor, buffer); read > 0; read = readSync(descriptor, buffer)) hash.update(buffer.subarray(0, read))
  closeSync(descriptor)
  return hash.digest('hex')
}

function record(name: string, step: StepName, measured: Step): void {
  process.stderr.write(`${name.padEnd(9)} ${step.padEnd(15)} ${measured.seconds.toFixed(2)} s, cpu ${measured.cpuSeconds.toFixed(2)} s${measured.holdersCpuSeconds === undefined ? '' : ` + holders ${measured.holdersCpuSeconds.toFixed(2)} s`}, peak ${measured.peakMiB.toFixed(0)} MiB, stored ${(measured.storedBytes / 1e6).toFixed(1)} MB, sent ${(measured.sentBytes / 1e6).toFixed(1)} MB\n`)
  results.set(`${name} ${step}`, [...(results.get(`${name} ${step}`) ?? []), measured])
}

function rotate<T>(items: readonly T[], by: number): T[] {
  return [...items.slice(by % items.length), ...items.slice(0, by % items.length)]
}

function print(): void {
  const of = (name: string, step: StepName, pick: (measured: Step) => number) => median((results.get(`${name} ${step}`) ?? []).map(pick))
  const lines = ['| step | | wall s | wall, restic = 1 | CPU s | holders\' CPU s | peak MiB | stored MB | sent MB before redundancy |', '|---|---|---|---|---|---|---|---|---|']
  for (const step of steps) {
    for (const name of ['capture', 'holdfast', 'restic', 'borg']) {
      if (!results.has(`${name} ${step}`)) continue
      const seconds = of(name, step, (m) => m.seconds)
      lines.push(`| ${[
        step, name === 'capture' ? 'holdfast, capture alone' : name, seconds.toFixed(2), (seconds / of('restic', step, (m) => m.seconds)).toFixed(2),
        of(name, step, (m) => m.cpuSeconds).toFixed(2), name === 'holdfast' ? of(name, step, (m) => m.holdersCpuSeconds ?? 0).toFixed(2) : '',
        of(name, step, (m) => m.peakMiB).toFixed(0), (of(name, step, (m) => m.storedBytes) / 1e6).toFixed(1), (of(name, step, (m) => m.sentBytes) / 1e6).toFixed(1),
      ].join(' | ')} |`)
    }
  }
  const cpu = /model name\s+: (.*)/.exec(readFileSync('/proc/cpuinfo', 'utf8'))?.[1]
  lines.push('', `${values.size} archive, medians of ${values.runs} runs; the day wrote ${(grownBytes / 1e6).toFixed(1)} MB; ${cpu}, ${process.version}.`)
  process.stdout.write(`${lines.join('\n')}\n`)
}
