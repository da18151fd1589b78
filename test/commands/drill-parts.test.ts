import assert from 'node:assert/strict'
import { readFileSync, statSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { hasCode } from '../../shared/errors.ts'
import { placesOf, tryParts } from '../../agent/commands/drill-parts.ts'
import { createArchive } from '../../agent/demo/outlook-archive/archive.ts'
import type { Snapshot } from '../../agent/repository/snapshot.ts'
import type { FileEntry } from '../../agent/repository/tree.ts'
import { OutlookParts } from '../../agent/source/outlook-parts.ts'
import { type BackupGroup, makeBackupGroup } from '../support/backup-group.ts'
import { seededLots } from '../support/lots.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { seededBytes } from '../support/trees.ts'

const { signal } = new AbortController()
const budget = 160_000
const firstMap = 0x4400

/** A whole second, which every file system keeps. */
function settle(path: string): void {
  utimesSync(path, 1_700_000_000, 1_700_000_000)
}

function change(path: string, at: number): void {
  const bytes = readFileSync(path)
  bytes[at]! ^= 1
  writeFileSync(path, bytes)
  settle(path)
}

async function backedUp(t: TestContext): Promise<{ directory: string; archive: string; group: BackupGroup; tryIt: (snapshot: Snapshot, path: string, mayBeDamaged?: boolean) => ReturnType<typeof tryParts> } & AsyncDisposable> {
  const directory = await scratchFolder(t)
  const archive = join(directory, 'Mail.pst')
  await createArchive(archive, { bytes: 1_200_000, seed: 1 })
  settle(archive)
  const group = await makeBackupGroup(directory, { machines: 2, redundancy: 'mirror-2' })
  return {
    directory, archive, group,
    tryIt: async (snapshot, path, mayBeDamaged = false) => {
      const { entry } = snapshot.roots.find((root) => root.path === path) as { entry: FileEntry }
      return await tryParts(group.repository, { path, entry, mayBeDamaged, budget, random: seededLots(7) }, signal)
    },
    async [Symbol.asyncDispose]() { await group[Symbol.asyncDispose]() },
  }
}

test('places are by lot, one in each stretch of the file, within the budget, with those that are asked for among them', () => {
  const random = seededLots(1)
  for (const [size, of] of [[10_000_000_000, 268_435_456], [1_200_000, 160_000], [1_048_577, 65_536], [20_000, 65_536]] as const) {
    const places = placesOf({ size, budget: of, given: [0, size - 1], random })
    const ranges = places.ranges()
    const bytes = ranges.reduce((sum, { start, end }) => sum + end - start, 0)
    assert.ok(bytes <= of && bytes > Math.min(size, of) * 0.7, `${bytes} of ${of}`)
    assert.ok(places.touch(0, 1) && places.touch(size - 1, 1))
    assert.ok(ranges.every(({ start, end }, at) => start < end && end <= size && start >= (ranges[at - 1]?.end ?? 0)))
    if (size > of) assert.notDeepEqual(ranges, placesOf({ size, budget: of, given: [0, size - 1], random }).ranges())
    const half = ranges.filter(({ start }) => start < size / 2).length
    assert.ok(Math.abs(half - ranges.length / 2) <= 2, 'they are spread')
  }
})

test('parts of an archive are compared with the original; a byte that is another one there, in a hole too, is found, and one between the places is not', async (t) => {
  await using set = await backedUp(t)
  const sparse = join(set.directory, 'sparse.bin')
  writeFileSync(sparse, Buffer.concat([seededBytes(20_000, 1), Buffer.alloc(1_000_000)]))
  settle(sparse)
  const snapshot = await set.group.backUp(set.archive, sparse)
  const { size } = statSync(set.archive)
  for (const path of [set.archive, sparse]) {
    const { bytes, ...tried } = await set.tryIt(snapshot, path, path === sparse)
    assert.deepEqual(tried, { compared: true, problem: null })
    assert.ok(bytes > 100_000 && bytes <= (path === sparse ? 500_000 : budget), `${bytes}`)
  }
  const [inside, between] = [0, 1].map((want) => {
    const places = placesOf({ size, budget, given: [0, ...(OutlookParts.of(readFileSync(set.archive).subarray(0, 568), size)?.firstPages ?? [])], random: seededLots(7) })
    return Array.from({ length: 70 }, (_, at) => 16_384 * (at + 1) + 5).find((at) => places.touch(at, 1) === (want === 0)) as number
  })
  change(set.archive, between!)
  assert.equal((await set.tryIt(snapshot, set.archive)).problem, null)
  change(set.archive, inside!)
  assert.match((await set.tryIt(snapshot, set.archive)).problem ?? '', /not what is on the disk/)
  const places = placesOf({ size: 1_020_000, budget, given: [], random: seededLots(7) })
  change(sparse, places.ranges().find(({ start }) => start > 500_000)!.start + 9) // far from all that is no hole
  assert.match((await set.tryIt(snapshot, sparse, true)).problem ?? '', /not what is on the disk/)
  unlinkSync(set.archive)
  const { compared, problem } = await set.tryIt(snapshot, set.archive)
  assert.deepEqual([compared, problem], [false, null])
})

test('a holder that gives other bytes is passed over; when all of them do, the trial fails', async (t) => {
  await using set = await backedUp(t)
  const snapshot = await set.group.backUp(set.archive)
  const [one, other] = set.group.machines
  one!.store.faults.flips = true
  assert.deepEqual((await set.tryIt(snapshot, set.archive)).problem, null)
  other!.store.faults.flips = true
  await assert.rejects(set.tryIt(snapshot, set.archive), (error) => hasCode(error, 'object-damaged', 'object-missing'))
})

test('a damaged allocation map or header is told when there is no original to say that it was so before, unless it was known', async (t) => {
  await using set = await backedUp(t)
  change(set.archive, firstMap)
  const map = await set.group.backUp(set.archive)
  change(set.archive, firstMap) // whole again
  change(set.archive, 30)
  const header = await set.group.backUp(set.archive)
  const sound = await set.tryIt(header, set.archive)
  assert.deepEqual([sound.compared, /checksum of its header/.test(sound.problem ?? '')], [true, true])
  assert.equal((await set.tryIt(header, set.archive, true)).problem, null)
  unlinkSync(set.archive)
  const alone = await set.tryIt(map, set.archive)
  assert.deepEqual([alone.compared, alone.problem], [false, `an allocation map at byte ${firstMap} is damaged`])
})
