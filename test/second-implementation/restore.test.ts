import assert from 'node:assert/strict'
import { randomInt } from 'node:crypto'
import { mkdirSync, openSync, closeSync, ftruncateSync, readFileSync, readdirSync, rmSync, symlinkSync, utimesSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { createArchive, growArchive } from '../../agent/demo/outlook-archive/archive.ts'
import { makeBackupGroup } from '../support/backup-group.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { runPython, skipPython } from '../support/second-implementation.ts'
import { describeTree, makeTree, seededBytes } from '../support/trees.ts'

/** What a backup must bring back, with an archive of more than one list page, most of it hole. */
function makeDocuments(root: string): void {
  makeTree(root)
  mkdirSync(join(root, 'many'))
  for (let at = 0; at < 250; at++) writeFileSync(join(root, 'many', `note ${at}.txt`), seededBytes(at * 37, at))
  writeFileSync(join(root, 'naïve 名前 🗂.txt'), 'one')
  symlinkSync('naïve 名前 🗂.txt', join(root, 'ссылка'))
  const fd = openSync(join(root, 'wide.pst'), 'w')
  writeSync(fd, Buffer.concat([Buffer.from('!BDN'), seededBytes(40_000, 1)]), 0)
  ftruncateSync(fd, 70_000_001)
  writeSync(fd, seededBytes(20_000, 2), 0, 20_000, 69_000_000)
  closeSync(fd)
}

/** Few enough chunks for a delta: one that was there, one that was a hole, and some behind the end. */
function growALittle(path: string): void {
  const fd = openSync(path, 'r+')
  for (const [at, offset] of [8, 35_000_000, 70_020_000].entries()) writeSync(fd, seededBytes(100, 50 + at), 0, 100, offset)
  closeSync(fd)
}

interface Kept {
  readonly root: string
  readonly folders: readonly string[]
  /** File with the recovery words. */
  readonly words: string
  readonly snapshots: readonly string[]
  /** Lines of describeTree() for what each snapshot holds. */
  readonly trees: readonly (readonly string[])[]
}

/** Two snapshots of a folder with an archive that grew in between, on the disks of six holders, 3-of-6. */
async function keepBackups(t: TestContext): Promise<Kept> {
  const root = await scratchFolder(t)
  const documents = join(root, 'documents')
  const words = join(root, 'words')
  await using group = await makeBackupGroup(root, { machines: 6, redundancy: '3-of-6' })
  makeDocuments(documents)
  await createArchive(join(documents, 'mail.pst'), { bytes: 4_000_000, seed: 41 })
  writeFileSync(words, group.words)
  const snapshots: string[] = []
  const trees: string[][] = []
  for (let round = 0; round < 2; round++) {
    if (round > 0) {
      await growArchive(join(documents, 'mail.pst'), { addMessages: 20, deleteMessages: 10, seed: 42 })
      growALittle(join(documents, 'wide.pst'))
      rmSync(join(documents, 'many', 'note 7.txt'))
      writeFileSync(join(documents, 'later'), '')
    }
    utimesSync(documents, 1_300_000_000, 1_300_000_000)
    snapshots.push((await group.backUp(documents)).id)
    trees.push(describeTree(documents))
  }
  return { root, words, folders: group.folders, snapshots, trees }
}

test('a restorer written from the documents alone brings back every byte from any k holders', { skip: skipPython }, async (t) => {
  const { root, folders, words, snapshots, trees } = await keepBackups(t)
  const left = [...folders]
  while (left.length > 3) left.splice(randomInt(left.length), 1)
  t.diagnostic(`holders left: ${left.map((folder) => folders.indexOf(folder)).join(' ')}`)

  const listed = await runPython(['--words', words, '--list', ...left])
  assert.deepEqual(listed.stdout.trim().split('\n').map((line) => line.slice(0, 64)), snapshots, listed.stderr)
  for (const [at, snapshot] of snapshots.entries()) {
    const target = join(root, `restored-${at}`)
    const restored = await runPython(['--words', words, '--snapshot', snapshot, '--target', target, ...left])
    assert.deepEqual([restored.code, restored.stderr], [0, ''])
    assert.deepEqual(describeTree(join(target, 'documents')), trees[at])
  }

  // One machine more has a shard of everything with a flipped bit: it is told apart, and one holder fewer is not enough.
  for (const name of readdirSync(left[0]!).filter((name) => name.endsWith('.shard'))) {
    const bytes = readFileSync(join(left[0]!, name))
    bytes[bytes.length - 1]! ^= 1
    writeFileSync(join(left[0]!, name), bytes)
  }
  const spare = folders.find((folder) => !left.includes(folder))!
  const healed = await runPython(['--words', words, '--target', join(root, 'healed'), ...left, spare])
  assert.equal(healed.code, 0)
  assert.match(healed.stderr, /damaged/)
  assert.deepEqual(describeTree(join(root, 'healed', 'documents')), trees[1])
  const tooFew = await runPython(['--words', words, '--target', join(root, 'none'), ...left])
  assert.deepEqual([tooFew.code, readdirSync(root).includes('none')], [1, false])
  assert.match(tooFew.stderr, /Cannot restore/)
})

test('a restorer written from the documents alone makes nothing of other words', { skip: skipPython }, async (t) => {
  const root = await scratchFolder(t)
  await using group = await makeBackupGroup(root, { machines: 2, redundancy: 'mirror-2' })
  mkdirSync(join(root, 'documents'))
  await group.backUp(join(root, 'documents'))
  for (const [words, problem] of [
    [`${'abandon '.repeat(23)}art`, /no head of this owner/], [group.words.split(' ').toSpliced(3, 1, 'nonsense').join(' '), /not 24 words/],
    [`${'abandon '.repeat(23)}zoo`, /mistyped/],
  ] as const) {
    writeFileSync(join(root, 'words'), words)
    const { code, stderr } = await runPython(['--words', join(root, 'words'), '--list', root])
    assert.equal(code, 1)
    assert.match(stderr, problem)
  }
})
