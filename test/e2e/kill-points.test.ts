/**
 * SIGKILL of the command line in the middle of a backup, a restore and a recovery: at each place in the agent that writes,
 * syncs, renames, changes a database or sends (test/support/kill-at.mjs), at a choice of them when it runs with the suite.
 * `npm run kill-points` goes through all. What is to come to its end runs in this process, as the command line runs it.
 */
import assert from 'node:assert/strict'
import { appendFileSync, existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { pathToFileURL } from 'node:url'
import { type CommandInput, type CommandName, type CommandResult, commands } from '../../shared/api.ts'
import { readConfig } from '../../agent/config.ts'
import { homeAt } from '../../agent/home.ts'
import { openAgent } from '../../agent/main.ts'
import { maxReplacements } from '../../agent/network/membership/admission.ts'
import type { AgentProcess } from '../../agent/demo/agent-process.ts'
import { type KillPoint, evenly, everyKillPoint, killPoints } from '../support/kill-points.ts'
import { commandLine, startGroup } from '../support/process-group.ts'
import { describeTree, makeTree, seededBytes } from '../support/trees.ts'

const preload = pathToFileURL(join(import.meta.dirname, '..', 'support', 'kill-at.mjs')).href
/** With the suite; each is a third or so of the places that there are. */
const counts = { backup: 15, restore: 12, recover: 12 }
/** So many deaths one after the other, each in what the one before left; then a run to the end, and a look at all. */
const inRow = 3
/** Each death and each end of a row may be a machine that came in by the kit, and a group takes 64 of one owner. */
const rowsOfAGroup = Math.floor((maxReplacements - 1) / (inRow + 1))

/** Where a whole run is killed, in an order such that of `inRow` in turn each comes later in the run than the one before. */
async function pointsOf(work: keyof typeof counts, scratch: string, args: readonly string[], stdin = ''): Promise<KillPoint[][]> {
  const file = join(scratch, `steps-of-${work}`)
  const run = await commandLine(args, { preload, environment: { HOLDFAST_TEST_STEPS: file }, stdin })
  assert.equal(run.code, 0, run.stderr)
  const all = killPoints(readFileSync(file, 'utf8').trimEnd().split('\n'))
  const points = everyKillPoint ? all : evenly(all, counts[work])
  const rows = Math.ceil(points.length / inRow)
  return Array.from({ length: rows }, (_, row) => points.filter((_point, index) => index % rows === row))
}

/** Whether it was killed: the run may have ended before it came there. */
async function killAt({ place, occurrence }: KillPoint, args: readonly string[], stdin = ''): Promise<boolean> {
  const run = await commandLine(args, { preload, environment: { HOLDFAST_TEST_KILL_AT: `${occurrence} ${place}` }, stdin })
  assert.ok(run.code === null || run.code === 0, `${place}, ${occurrence}: ${run.code} ${run.stderr}`)
  return run.code === null
}

/** Without a process of its own, whose start takes most of the time. */
async function run<C extends CommandName>(directory: string, name: C, input: CommandInput<C>): Promise<CommandResult<C>> {
  const home = homeAt(directory)
  const { signal } = new AbortController()
  await using agent = await openAgent(home, { config: readConfig(home.config), serve: false, signal })
  return await agent.run(name, commands[name].request.parse(input) as never, { signal, onProgress: () => {} })
}

async function backUp(home: string, when: string): Promise<void> {
  assert.equal((await run(home, 'backup', {})).protection.state, 'protected', when)
}

async function restoreAll(home: string, target: string, when: string): Promise<void> {
  assert.deepEqual((await run(home, 'restore', { snapshot: 'latest', target })).skipped, [], when)
}

function assertMostWereHit(hit: number, rows: readonly KillPoint[][]): void {
  const all = rows.flat()
  // What an interrupted run has done already the next one does not do again, and how often something is sent varies.
  assert.ok(hit >= all.length * 0.6, `${hit} of ${all.length} killed`)
}

/** A group whose first machine has a folder of documents backed up, and is off. */
async function startBackedUp() {
  const group = await startGroup(4, { redundancy: '2-of-3' })
  const [owner] = group.agents as [AgentProcess]
  const folder = join(group.directory, 'documents')
  makeTree(folder)
  await owner.run('protect', { paths: [folder] })
  await owner.stop()
  await backUp(owner.home, 'the first')
  return { group, owner, folder, [Symbol.asyncDispose]: async () => { await group[Symbol.asyncDispose]() } }
}

test('the command line is killed at numbered steps', async (t) => {
  await using backedUp = await startBackedUp()
  const { group, owner, folder } = backedUp
  const home = ['--home', owner.home, '--json']

  await t.test('a backup that is killed leaves the snapshots before it whole, and the next run completes', async () => {
    let version = 0
    const change = () => {
      appendFileSync(join(folder, 'file-300000'), seededBytes(40_000, version))
      writeFileSync(join(folder, 'nested', `new-${version % 5}`), seededBytes(20_000, version++))
    }
    const restored = async (name: string, when: string): Promise<string[]> => {
      const target = join(group.directory, name)
      await restoreAll(owner.home, target, when)
      const tree = describeTree(join(target, 'documents'))
      rmSync(target, { recursive: true })
      return tree
    }
    change()
    const rows = await pointsOf('backup', group.directory, ['backup', ...home])
    let kept = describeTree(folder)
    let hit = 0
    for (const row of rows) {
      const possible = [kept]
      for (const point of row) {
        change()
        if (await killAt(point, ['backup', ...home])) hit++
        possible.push(describeTree(folder))
      }
      const when = JSON.stringify(row)
      // Killed before the head: the last whole snapshot; killed after it: that one. Never anything between.
      const found = await restored('before', when)
      assert.ok(possible.some((tree) => JSON.stringify(tree) === JSON.stringify(found)), when)
      await backUp(owner.home, when)
      kept = describeTree(folder)
      assert.deepEqual(await restored('after', when), kept, when)
    }
    assertMostWereHit(hit, rows)
    assert.equal((await run(owner.home, 'verify', { readData: true })).ok, true)
  })

  // Whatever became of the backups above.
  await backUp(owner.home, 'before the restores')
  const wanted = describeTree(folder)
  await t.test('a restore that is killed shows nothing unfinished under a final name, and the next run completes', async () => {
    const digests = new Map(wanted.map((line) => [line.split(' ')[0], line.split(' ').at(-1)]))
    const args = (target: string) => ['restore', 'latest', '--target', target, ...home]
    const rows = await pointsOf('restore', group.directory, args(join(group.directory, 'whole')))
    let hit = 0
    for (const [index, row] of rows.entries()) {
      const target = join(group.directory, `target-${index}`)
      for (const point of row) {
        if (await killAt(point, args(target))) hit++
        if (!existsSync(join(target, 'documents'))) continue
        for (const line of describeTree(join(target, 'documents'))) {
          const [name, , , digest] = line.split(' ')
          if (digest !== undefined && /^[0-9a-f]{64}$/.test(digest) && !line.includes('.holdfast-partial')) assert.equal(digest, digests.get(name), `${point.place}: ${name}`)
        }
      }
      await restoreAll(owner.home, target, JSON.stringify(row))
      assert.deepEqual(describeTree(join(target, 'documents')), wanted, JSON.stringify(row))
      assert.ok(!readdirSync(target, { recursive: true, encoding: 'utf8' }).some((name) => name.includes('holdfast-partial')), JSON.stringify(row))
      rmSync(target, { recursive: true })
    }
    assertMostWereHit(hit, rows)
  })

  await t.test('a recovery that is killed is completed by running it again on an empty home', async () => {
    const args = (to: string, locator: string) => ['recover', '--locator', locator, '--home', to, '--json']
    const rows = await pointsOf('recover', group.directory, args(join(group.directory, 'counted'), group.kit.locator), group.kit.words)
    let hit = 0
    const recoverRow = async (row: readonly KillPoint[], { group: { directory, kit: { words, locator } }, folder: original }: Pick<typeof backedUp, 'group' | 'folder'>): Promise<void> => {
      const to = join(directory, 'anew')
      for (const point of row) {
        if (await killAt(point, args(to, locator), words)) hit++
        // What was interrupted is begun anew on an empty home: the holders are what counts.
        rmSync(to, { recursive: true, force: true })
      }
      await run(to, 'recover', { words, locator })
      const target = join(directory, 'back')
      await restoreAll(to, target, JSON.stringify(row))
      assert.deepEqual(describeTree(join(target, 'documents')), describeTree(original), JSON.stringify(row))
      for (const path of [target, to]) rmSync(path, { recursive: true })
    }
    for (const row of rows.slice(0, rowsOfAGroup)) await recoverRow(row, backedUp)
    for (let at = rowsOfAGroup; at < rows.length; at += rowsOfAGroup) {
      await using other = await startBackedUp()
      for (const row of rows.slice(at, at + rowsOfAGroup)) await recoverRow(row, other)
    }
    assertMostWereHit(hit, rows)
  })
})
