import assert from 'node:assert/strict'
import { existsSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createArchive } from '../../agent/demo/outlook-archive/archive.ts'
import { choose } from '../../agent/commands/drill.ts'
import type { FileEntry } from '../../agent/repository/tree.ts'
import { startGroup } from '../support/process-group.ts'
import { seededBytes } from '../support/trees.ts'

const candidate = (path: string, size: number, mtime = 0) => ({ path, entry: { name: path, type: 'file', size, mtime: String(mtime) } as FileEntry })

test('a drill takes the archive that changed last and others by lot, as long as they fit', () => {
  const files = [candidate('/old.pst', 10, 1), candidate('/new.PST', 50, 2), ...Array.from({ length: 40 }, (_, at) => candidate(`/file-${at}`, 5))]
  const { chosen, tooLarge } = choose(files, 90)
  assert.equal(chosen[0]?.path, '/new.PST')
  assert.ok(chosen.length >= 7 && chosen.length <= 12 && chosen.reduce((sum, { entry }) => sum + entry.size, 0) <= 90)
  assert.equal(tooLarge, null)
  assert.deepEqual([choose(files, 40).tooLarge, choose(files, 40).chosen.some(({ path }) => path === '/new.PST')], ['/new.PST', false])
  const orders = [0.1, 0.9].map((lot) => choose(files.slice(2), 15, () => (lot = (lot * 7919) % 1)).chosen.map(({ path }) => path).join())
  assert.notEqual(orders[0], orders[1])
})

test('a drill restores to a scratch folder, compares, removes it, and status and coverage tell of it; a file that is not what was backed up fails it', async () => {
  await using group = await startGroup(3, { redundancy: '1-of-2' })
  const [owner] = group.agents
  const folder = group.directory
  const archive = join(folder, 'Mail.pst')
  await createArchive(archive, { bytes: 1_200_000, seed: 1 })
  writeFileSync(join(folder, 'a.bin'), seededBytes(300_000, 1))
  await owner!.run('protect', { paths: [archive, join(folder, 'a.bin')] })
  await owner!.run('backup', {})
  writeFileSync(join(folder, 'a.bin'), seededBytes(300_000, 2))
  const result = await owner!.run('drill', {})
  assert.deepEqual(result.files.map(({ path, compared, problem }) => [path, compared, problem]), [[archive, true, null], [join(folder, 'a.bin'), false, null]])
  assert.equal(result.ok, true)
  assert.equal(existsSync(join(folder, 'machine-1', 'drill')), false)
  const { drill, alarms } = await owner!.run('status', {})
  assert.deepEqual([drill?.ok, drill?.files, drill?.time, alarms.filter(({ kind }) => kind === 'drill')], [true, 2, result.time, []])
  assert.equal(Date.parse((await owner!.run('coverage', {})).members.find(({ self }) => self)?.lastVerifiedRestore ?? ''), Math.floor(Date.parse(result.time) / 1000) * 1000)
  const { atime, mtime } = { atime: new Date(), mtime: new Date(Math.floor(Date.now() / 1000) * 1000) }
  utimesSync(join(folder, 'a.bin'), atime, mtime)
  await owner!.run('backup', {})
  writeFileSync(join(folder, 'a.bin'), readFileSync(join(folder, 'a.bin')).fill(7, 100, 101))
  utimesSync(join(folder, 'a.bin'), atime, mtime)
  const wrong = await owner!.run('drill', {})
  assert.equal(wrong.ok, false)
  assert.match(wrong.files.find(({ path }) => path.endsWith('a.bin'))?.problem ?? '', /not what is on the disk/)
  assert.match((await owner!.run('status', {})).alarms.find(({ kind }) => kind === 'drill')?.text ?? '', /drill failed/)
})
