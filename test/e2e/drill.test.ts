import assert from 'node:assert/strict'
import { existsSync, mkdirSync, readFileSync, utimesSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { createArchive } from '../../agent/demo/outlook-archive/archive.ts'
import { choose } from '../../agent/commands/drill.ts'
import type { FileEntry } from '../../agent/repository/tree.ts'
import { startGroup } from '../support/process-group.ts'
import { seededBytes } from '../support/trees.ts'
import { untilAnswer } from '../support/until-answer.ts'

const candidate = (path: string, size: number, mtime = 0) => ({ path, entry: { name: path, type: 'file', size, mtime: String(mtime) } as FileEntry })

test('a drill takes the archive that changed last and others by lot, as long as they fit; what is larger than the bound is tried in parts', () => {
  const files = [candidate('/old.pst', 10, 1), candidate('/new.PST', 50, 2), ...Array.from({ length: 40 }, (_, at) => candidate(`/file-${at}`, 5))]
  const chosen = choose(files, { maxBytes: 90, diskBytes: 1000 })
  assert.deepEqual([chosen[0]?.path, chosen[0]?.partBytes], ['/new.PST', null])
  assert.ok(chosen.length >= 7 && chosen.length <= 12 && chosen.reduce((sum, { entry }) => sum + entry.size, 0) <= 90)
  for (const bounds of [{ maxBytes: 40, diskBytes: 1000 }, { maxBytes: 1000, diskBytes: 40 }]) assert.deepEqual(choose(files, bounds)[0], { ...files[1], partBytes: 65_536 })
  const gigabyte = 1_000_000_000
  const [archive, ...others] = choose([candidate('/new.pst', 10 * gigabyte), candidate('/disk.img', 90 * gigabyte), candidate('/small', 5), candidate('/more.img', 8 * gigabyte)], { maxBytes: 4 * gigabyte, diskBytes: 4 * gigabyte })
  assert.deepEqual([archive?.path, archive?.partBytes, others.length], ['/new.pst', 268_435_456, 2])
  assert.deepEqual(others.map(({ partBytes }) => partBytes).sort(), [268_435_456, null].sort())
  const orders = [0.1, 0.9].map((lot) => choose(files.slice(2), { maxBytes: 15, diskBytes: 15 }, () => (lot = (lot * 7919) % 1)).map(({ path }) => path).join())
  assert.notEqual(orders[0], orders[1])
})

test('a drill restores to a scratch folder, compares, removes it, and status and coverage tell of it; a file that is not what was backed up fails it', async () => {
  await using group = await startGroup(3, { redundancy: '1-of-2' })
  const [owner, colleague] = group.agents
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
  assert.deepEqual([drill?.ok, drill?.files, drill?.parts, drill?.time, alarms.filter(({ kind }) => kind === 'drill')], [true, 2, [], result.time, []])
  const self = (await owner!.run('coverage', {})).members.find((member) => member.self)
  assert.equal(self?.verifiedInPart, false)
  assert.equal(Date.parse(self.lastVerifiedRestore ?? ''), Math.floor(Date.parse(result.time) / 1000) * 1000)
  const inPart = await owner!.run('drill', { maxBytes: 400_000 })
  const [part] = inPart.files
  assert.deepEqual([inPart.ok, part?.path, part?.compared, part?.problem, part?.sha256], [true, archive, true, null, null])
  assert.ok(part !== undefined && part.bytes > 100_000 && part.bytes <= 200_000 && part.size > 1_000_000)
  assert.deepEqual((await owner!.run('status', {})).drill?.parts, [{ path: archive, bytes: part.bytes, size: part.size }])
  assert.equal((await owner!.run('coverage', {})).members.find(({ self }) => self)?.verifiedInPart, true)
  const { atime, mtime } = { atime: new Date(), mtime: new Date(Math.floor(Date.now() / 1000) * 1000) }
  utimesSync(join(folder, 'a.bin'), atime, mtime)
  await owner!.run('backup', {})
  writeFileSync(join(folder, 'a.bin'), readFileSync(join(folder, 'a.bin')).fill(7, 100, 101))
  utimesSync(join(folder, 'a.bin'), atime, mtime)
  const wrong = await owner!.run('drill', {})
  assert.equal(wrong.ok, false)
  assert.match(wrong.files.find(({ path }) => path.endsWith('a.bin'))?.problem ?? '', /not what is on the disk/)
  assert.match((await owner!.run('status', {})).alarms.find(({ kind }) => kind === 'drill')?.text ?? '', /drill failed/)
  const failedAt = new Date(Math.floor(Date.parse(wrong.time) / 1000) * 1000).toISOString()
  await untilAnswer(async () => (await colleague!.run('coverage', {})).members.find(({ machine }) => machine === owner!.ready.id)?.lastFailedDrill, (time) => time === failedAt, { what: 'a colleague hears of the failed drill', patienceMs: 60_000, everyMs: 200 })

  const empty = join(folder, 'empty')
  mkdirSync(join(empty, 'more'), { recursive: true })
  await colleague!.run('protect', { paths: [empty] })
  await colleague!.run('backup', {})
  const { ok, files } = await colleague!.run('drill', {})
  assert.deepEqual([ok, files], [true, []], 'empty folders are a backup too')
})
