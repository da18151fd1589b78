/**
 * SIGKILL at steps spread evenly over a backup, a restore and a recovery of the command line. A step is one write, fsync,
 * rename, database statement or write to a socket of the whole process (test/support/kill-at.mjs).
 */
import assert from 'node:assert/strict'
import { appendFileSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type ProcessGroup, commandLine, startGroup } from '../support/process-group.ts'
import { describeTree, makeTree, seededBytes } from '../support/trees.ts'

const preload = pathToFileURL(join(import.meta.dirname, '..', 'support', 'kill-at.mjs')).href
const points = { backup: 60, restore: 24, recover: 20 }

/** Steps of a whole run. */
async function countSteps(group: ProcessGroup, args: readonly string[], stdin = ''): Promise<number> {
  const file = join(group.directory, 'steps')
  const run = await commandLine(args, { preload, environment: { HOLDFAST_TEST_COUNT: file }, stdin })
  assert.equal(run.code, 0, run.stderr)
  return Number(readFileSync(file, 'utf8'))
}

function spread(total: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => Math.max(1, Math.round(((index + 0.5) / count) * total)))
}

async function killAt(step: number, args: readonly string[], stdin = ''): Promise<boolean> {
  const run = await commandLine(args, { preload, environment: { HOLDFAST_TEST_KILL_AT: String(step) }, stdin })
  assert.ok(run.code === null || run.code === 0, `step ${step}: ${run.code} ${run.stderr}`)
  return run.code === null
}

async function succeed(args: readonly string[], stdin = ''): Promise<string> {
  const run = await commandLine(args, { stdin })
  assert.equal(run.code, 0, run.stderr)
  return run.stdout
}

test(`a backup killed at any of ${points.backup} steps leaves the snapshots before it whole, and the next run completes`, async () => {
  await using group = await startGroup(4, { redundancy: '2-of-3' })
  const [owner] = group.agents
  const folder = join(group.directory, 'documents')
  makeTree(folder)
  await owner!.run('protect', { paths: [folder] })
  await owner!.stop()
  const home = ['--home', owner!.home, '--json']
  await succeed(['backup', ...home])
  let version = 0
  const change = () => {
    appendFileSync(join(folder, 'file-300000'), seededBytes(40_000, version))
    writeFileSync(join(folder, 'nested', `new-${version % 5}`), seededBytes(20_000, version++))
  }
  change()
  const total = await countSteps(group, ['backup', ...home])
  let kept = describeTree(folder)
  let killed = 0
  for (const [index, step] of spread(total, points.backup).entries()) {
    change()
    if (await killAt(step, ['backup', ...home])) killed++
    if (index % 10 !== 0) continue
    const before = join(group.directory, 'before')
    await succeed(['restore', 'latest', '--target', before, ...home])
    const found = describeTree(join(before, 'documents'))
    const now = describeTree(folder)
    // Killed before the head: the last whole snapshot; killed after it: this one. Never anything between.
    assert.ok([kept, now].some((tree) => JSON.stringify(tree) === JSON.stringify(found)), `step ${step}`)
    await succeed(['backup', ...home])
    kept = describeTree(folder)
    const after = join(group.directory, 'after')
    await succeed(['restore', 'latest', '--target', after, ...home])
    assert.deepEqual(describeTree(join(after, 'documents')), kept)
    rmSync(before, { recursive: true })
    rmSync(after, { recursive: true })
  }
  assert.ok(killed > points.backup * 0.8, `${killed} killed`)
  assert.equal(JSON.parse(await succeed(['verify', '--read-data', ...home])).ok, true)
})

test(`a restore killed at any of ${points.restore} steps shows nothing unfinished under a final name, and the next run completes`, async () => {
  await using group = await startGroup(3)
  const [owner] = group.agents
  const folder = join(group.directory, 'documents')
  makeTree(folder)
  await owner!.run('protect', { paths: [folder] })
  await owner!.run('backup', {})
  await owner!.stop()
  const wanted = describeTree(folder)
  const wholeFiles = new Map(wanted.map((line) => [line.split(' ')[0], line.split(' ').at(-1)]))
  const args = (target: string) => ['restore', 'latest', '--target', target, '--home', owner!.home, '--json']
  const total = await countSteps(group, args(join(group.directory, 'whole')))
  for (const step of spread(total, points.restore)) {
    const target = join(group.directory, `target-${step}`)
    await killAt(step, args(target))
    if (existsSync(join(target, 'documents'))) {
      for (const line of describeTree(join(target, 'documents'))) {
        const [name, , , digest] = line.split(' ')
        if (digest !== undefined && /^[0-9a-f]{64}$/.test(digest) && !line.includes('.holdfast-partial')) assert.equal(digest, wholeFiles.get(name), `step ${step}: ${name}`)
      }
    }
    await succeed(args(target))
    assert.deepEqual(describeTree(join(target, 'documents')), wanted, `step ${step}`)
    assert.ok(!readdirSync(target, { recursive: true, encoding: 'utf8' }).some((name) => name.includes('holdfast-partial')), `step ${step}`)
    rmSync(target, { recursive: true })
  }
})

test(`a recovery killed at any of ${points.recover} steps is completed by running it again on an empty home`, async () => {
  await using group = await startGroup(3)
  const [owner] = group.agents
  const file = join(group.directory, 'mail.bin')
  writeFileSync(file, seededBytes(200_000, 4))
  await owner!.run('protect', { paths: [file] })
  await owner!.run('backup', {})
  await owner!.kill()
  const { words, locator } = group.kit
  const args = (home: string) => ['recover', '--locator', locator, '--home', home, '--json']
  const total = await countSteps(group, args(join(group.directory, 'counted')), words)
  for (const [index, step] of spread(total, points.recover).entries()) {
    const home = join(group.directory, `home-${index}`)
    await killAt(step, args(home), words)
    // What was interrupted is begun anew on an empty home: the holders are what counts.
    rmSync(home, { recursive: true, force: true })
    await succeed(args(home), words)
    if (index % 5 !== 0) continue
    const target = join(group.directory, `back-${index}`)
    await succeed(['restore', 'latest', '--target', target, '--home', home, '--json'])
    assert.deepEqual(readFileSync(join(target, 'mail.bin')), readFileSync(file))
  }
})
