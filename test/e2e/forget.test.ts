import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { CommandResult } from '../../shared/api.ts'
import { hasCode } from '../../shared/errors.ts'
import { startGroup } from '../support/process-group.ts'
import { seededBytes } from '../support/trees.ts'

test('forget drops the snapshots that no rule keeps, tells before with a dry run, and the kept ones restore', async () => {
  await using group = await startGroup(3)
  const [owner] = group.agents
  const file = join(group.directory, 'a.bin')
  const ids: string[] = []
  for (let version = 0; version < 3; version++) {
    writeFileSync(file, seededBytes(100_000, version))
    if (version === 0) await owner!.run('protect', { paths: [file] })
    ids.push((await owner!.run('backup', { tags: version === 0 ? ['first'] : [] })).snapshot)
  }
  await assert.rejects(owner!.run('forget', {}), (error: unknown) => hasCode(error, 'invalid-input'))
  assert.deepEqual((await owner!.run('snapshots', {})).snapshots.map(({ tags }) => tags), [['first'], [], []])
  const tagged = await owner!.run('forget', { last: 1, keepTags: [['first']], dryRun: true })
  assert.deepEqual(tagged.forgotten.map(({ id }) => id), [ids[1]])
  const whyOf = ({ kept }: CommandResult<'forget'>) => Object.fromEntries(kept.map(({ id, reasons, wholeOf }) => [id, [reasons, wholeOf]]))
  assert.deepEqual(whyOf(tagged), { [ids[0]!]: [['tags'], []], [ids[2]!]: [['last', 'whole'], [file]] })
  const unjudged = await owner!.run('forget', { last: 1, tagged: ['first'], dryRun: true })
  assert.deepEqual(whyOf(unjudged), { [ids[0]!]: [['last', 'whole'], [file]], [ids[1]!]: [['unjudged'], []], [ids[2]!]: [['unjudged'], []] })
  const plan = await owner!.run('forget', { last: 1, dryRun: true })
  assert.deepEqual(plan.forgotten.map(({ id }) => id).toSorted(), ids.slice(0, 2).toSorted())
  assert.equal((await owner!.run('snapshots', {})).snapshots.length, 3)
  await owner!.run('forget', { last: 1 })
  assert.deepEqual((await owner!.run('snapshots', {})).snapshots.map(({ id }) => id), [ids[2]])
  assert.equal((await owner!.run('prune', { dryRun: true })).unused, 0)
  const kept = await owner!.run('snapshots', { kept: true })
  assert.deepEqual(kept.snapshots.map(({ id }) => id), ids.slice(0, 2))
  await owner!.run('restore', { snapshot: ids[1]!.slice(0, 12), target: join(group.directory, 'before') })
  assert.deepEqual(readFileSync(join(group.directory, 'before', 'a.bin')), seededBytes(100_000, 1))
  await owner!.run('restore', { snapshot: 'latest', target: join(group.directory, 'back') })
  assert.deepEqual(readFileSync(join(group.directory, 'back', 'a.bin')), seededBytes(100_000, 2))
  assert.equal((await owner!.run('verify', {})).ok, true)

  // What was found right stays until a newer one was, whatever the rule.
  assert.equal((await owner!.run('drill', {})).ok, true)
  const proved = ids[2]
  for (const version of [3, 4]) {
    writeFileSync(file, seededBytes(100_000, version))
    ids.push((await owner!.run('backup', {})).snapshot)
  }
  const left = async () => (await owner!.run('snapshots', {})).snapshots.map(({ id }) => id)
  assert.deepEqual(whyOf(await owner!.run('forget', { last: 1 })), { [proved!]: [['proved'], []], [ids[4]!]: [['last', 'whole'], [file]] })
  assert.deepEqual(await left(), [proved, ids[4]])
  await owner!.stop()
  const again = await group.start('machine-1')
  await again.run('forget', { last: 1 })
  assert.deepEqual((await again.run('snapshots', {})).snapshots.map(({ id }) => id), [proved, ids[4]], 'also after a restart')
  assert.equal((await again.run('verify', { readData: true })).ok, true)
  await again.run('forget', { last: 1 })
  assert.deepEqual((await again.run('snapshots', {})).snapshots.map(({ id }) => id), [ids[4]])
})
