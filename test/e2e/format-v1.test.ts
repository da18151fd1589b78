/** What format 1 recorded (test/fixtures/make-work-group.ts) must be restored by every later version. */
import assert from 'node:assert/strict'
import { cpSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { AgentProcess } from '../../agent/demo/agent-process.ts'
import { restoreFromFolders } from '../../agent/commands/restore-collected.ts'
import { idToBytes } from '../../agent/identity/machine.ts'
import { ownerFromWords } from '../../agent/identity/owner.ts'
import { FolderShardStore } from '../../agent/network/shard-store/folder.ts'
import { TestGroup } from '../support/peer-group.ts'
import { commandLine } from '../support/process-group.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { runPython, skipPython } from '../support/second-implementation.ts'
import { describeTree } from '../support/trees.ts'

const recording = fileURLToPath(new URL('../fixtures/format-v1/work-group', import.meta.url))
const expected = JSON.parse(readFileSync(join(recording, 'expected.json'), 'utf8')) as {
  words: string; locator: string; folder: string; snapshots: { id: string; tree: string[] }[]
}
const holders = readdirSync(join(recording, 'holders')).map((name) => join(recording, 'holders', name))
const latest = expected.snapshots.at(-1)!

test('any two of the four holders that format 1 recorded give everything back', async (t) => {
  const root = await scratchFolder(t)
  const options = { signal: new AbortController().signal, onProgress: () => {} }
  const pairs = holders.flatMap((one, first) => holders.slice(first + 1).map((other) => [one, other]))
  for (const [at, folders] of pairs.entries()) {
    const { id, tree } = expected.snapshots[at % expected.snapshots.length]!
    const target = join(root, String(at))
    const restored = await restoreFromFolders({ snapshot: id, path: '', target, overwrite: false, folders, words: expected.words }, options)
    assert.deepEqual(restored.skipped, [])
    assert.deepEqual(describeTree(join(target, expected.folder)), tree)
  }
})

test('the command line restores what format 1 recorded', async (t) => {
  const target = join(await scratchFolder(t), 'restored')
  const { code, stderr } = await commandLine(['restore', 'latest', '--target', target, ...holders.slice(0, 2).flatMap((holder) => ['--from', holder])], { stdin: expected.words })
  assert.equal(code, 0, stderr)
  assert.deepEqual(describeTree(join(target, expected.folder)), latest.tree)
})

test('the second implementation restores what format 1 recorded', { skip: skipPython }, async (t) => {
  const root = await scratchFolder(t)
  writeFileSync(join(root, 'words'), expected.words)
  for (const { id, tree } of expected.snapshots) {
    const { code, stderr } = await runPython(['--words', join(root, 'words'), '--snapshot', id, '--target', join(root, id), ...holders.slice(2)])
    assert.deepEqual([code, stderr], [0, ''])
    assert.deepEqual(describeTree(join(root, id, expected.folder)), tree)
  }
})

test('an empty machine recovers from holders whose disks format 1 wrote, and goes on backing up', async (t) => {
  const root = await scratchFolder(t)
  const words = ownerFromWords(expected.words)
  const ownerName = idToBytes(words.id).toString('hex')
  const record = (name: string) => readFileSync(join(recording, 'roster', name), 'utf8').trim()
  await using group = await TestGroup.create(words, record('network/000001.jws'))
  const stores: AsyncDisposable[] = []
  const agents = []
  for (const [at, holder] of holders.entries()) {
    const path = join(root, `holder-${at}`)
    cpSync(join(holder, ownerName), join(path, ownerName), { recursive: true })
    const known: { membership?: Awaited<ReturnType<TestGroup['open']>>['membership'] } = {}
    const store = await FolderShardStore.open({ path, minFree: 0, certificateOf: (owner, machine) => known.membership?.deviceOf(owner, machine) })
    stores.push(store)
    const agent = await group.open(`holder-${at}`, { store })
    known.membership = agent.membership
    agents.push(agent)
  }
  const records = [...readdirSync(join(recording, 'roster', 'peers')).map((name) => record(join('peers', name))), ...agents.map((agent) => agent.record)]
  for (const { membership } of agents) await membership.ingest(records, { kind: 'member', name: 'test' })

  {
    await using fresh = await AgentProcess.start({ home: join(root, 'fresh'), machine: 'fresh' })
    const recovered = await fresh.run('recover', { words: expected.words, peer: `127.0.0.1:${agents[1]!.door.port}` })
    assert.deepEqual([recovered.epoch, recovered.snapshots, recovered.member], [3, expected.snapshots.length, true])
    await fresh.run('restore', { snapshot: 'latest', target: join(root, 'restored') })
    assert.deepEqual(describeTree(join(root, 'restored', expected.folder)), latest.tree)
    mkdirSync(join(root, 'more'))
    writeFileSync(join(root, 'more', 'file'), 'what came later')
    await fresh.run('protect', { paths: [join(root, 'more')] })
    assert.equal((await fresh.run('backup', {})).protection.placed, 4)
    const { snapshots } = await fresh.run('snapshots', {})
    assert.deepEqual(snapshots.slice(0, -1).map(({ id }) => id).sort(), expected.snapshots.map(({ id }) => id).sort())
  }
  await group[Symbol.asyncDispose]()
  for (const store of stores) await store[Symbol.asyncDispose]()
})
