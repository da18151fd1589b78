/** The path of a restore from the holders' folders to files, while machines go away in the middle of it. */
import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { type RestoredSnapshot, restoreSnapshot } from '../../agent/commands/restore-snapshot.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { makeBackupGroup } from '../support/backup-group.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { levels, subsets } from '../support/shard-group.ts'
import { describeTree, seededBytes } from '../support/trees.ts'

for (const [redundancy, k, n] of levels) {
  test(`${redundancy}: any ${n - k} of ${n} machines may go away while a restore reads from them; one more, and it says whom it lacks`, async (t) => {
    const directory = await scratchFolder(t)
    await using group = await makeBackupGroup(directory, { machines: n, redundancy })
    const { machines, dispersal: { holders }, repository } = group
    const folder = join(directory, 'documents')
    mkdirSync(folder)
    // A pack for each run: the restore has to read all of them.
    for (const number of [1, 2, 3]) {
      writeFileSync(join(folder, `${number}.bin`), seededBytes(70_000 * number, number))
      await group.backUp(folder)
    }
    const wanted = describeTree(folder)

    /** `gone` are switched off together when one of `asked` is asked for the n-th time; to that it gives no answer. */
    const restore = async (target: string, gone: readonly number[], { asked, nth }: { asked: readonly number[]; nth: number }): Promise<{ went: boolean; result: RestoredSnapshot }> => {
      let reads = 0
      for (const [at, { id, store }] of machines.entries()) {
        holders.forgive(id)
        store.faults.gone = false
        store.faults.onRead = () => {
          if (asked.includes(at) && ++reads === nth) for (const other of gone) machines[other]!.store.faults.gone = true
        }
      }
      const result = await restoreSnapshot(repository, { snapshot: 'latest', path: '', target, overwrite: false, restoredAt: new Date() }, { signal: new AbortController().signal, onProgress: () => {} })
      return { went: reads >= nth, result }
    }
    const target = join(directory, 'back')
    const all = machines.map((_, at) => at)
    let went = 0
    for (const [index, gone] of [...subsets(all, n - k)].entries()) {
      const { went: inTheMiddle, result } = await restore(target, gone, { asked: gone, nth: 1 + index % 2 })
      if (inTheMiddle) went++
      assert.deepEqual(result.skipped, [], `without ${gone.join(', ')}`)
      assert.deepEqual(describeTree(join(target, 'documents')), wanted, `without ${gone.join(', ')}`)
      rmSync(target, { recursive: true })
    }
    assert.ok(went > 0, 'nobody was asked')

    for (const gone of subsets(all, n - k + 1)) {
      await assert.rejects(restore(target, gone, { asked: all, nth: 1 }), (error) => error instanceof HoldfastError && error.code === 'object-missing'
        && assert.deepEqual([error.details['have'], error.details['need'], error.details['missing']], [k - 1, k, gone.map((at) => `machine-${at}`)]) === undefined, `without ${gone.join(', ')}`)
      assert.deepEqual(readdirSync(target, { recursive: true, encoding: 'utf8' }).filter((name) => name.endsWith('.bin')), [])
      rmSync(target, { recursive: true })
    }
  })
}
