import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { linkSync, readdirSync, readFileSync, renameSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import type { TestContext } from 'node:test'
import * as fc from 'fast-check'
import { openRestoreTarget } from '../../agent/source/target.ts'
import type { RestoreTarget, TargetFile, TargetFileOptions } from '../../agent/source/target.ts'
import { hasCode } from '../../shared/errors.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { smallDisk } from '../support/small-disk.ts'

const restoredAt = new Date(2026, 10, 22, 15, 30, 0)
const wanted: TargetFileOptions = { size: 1000, mode: 0o600, mtimeNs: 5_000_000_000n, contentKey: 'content-1' }
const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => 1 + i % 251))

async function targetIn(folder: string, checkpointBytes = 2 ** 26): Promise<RestoreTarget> {
  return await openRestoreTarget(folder, { restoredAt, checkpointBytes })
}

async function write(file: TargetFile, start: number, end: number): Promise<void> {
  await file.write(start, bytes.subarray(start, end))
}

/** Leaves a partial file as a restore does that is interrupted after its checkpoint of the first 400 bytes. */
async function interrupted(t: TestContext): Promise<{ folder: string, target: RestoreTarget }> {
  const folder = await scratchFolder(t)
  const target = await targetIn(folder)
  await using file = await target.openFile(['a'], wanted)
  await write(file, 0, 400)
  return { folder, target }
}

test('bytes may come in any order and several at once; nothing stands under the final name before finish()', async (t) => {
  const folder = await scratchFolder(t)
  const target = await targetIn(folder)
  await using file = await target.openFile(['a'], wanted)
  await Promise.all([write(file, 500, 1000), write(file, 0, 300), write(file, 300, 500)])
  assert.deepEqual(readdirSync(folder), ['.a.holdfast-partial'])
  assert.equal(statSync(join(folder, '.a.holdfast-partial')).mode & 0o077, 0)
  await file.finish()
  assert.deepEqual(readdirSync(folder), ['a'])
  assert.deepEqual(readFileSync(join(folder, 'a')), bytes)
})

test('finish() refuses a file with bytes missing', async (t) => {
  const folder = await scratchFolder(t)
  const target = await targetIn(folder)
  await using file = await target.openFile(['a'], wanted)
  await write(file, 0, 499)
  await write(file, 500, 1000)
  await assert.rejects(file.finish(), RangeError)
  assert.deepEqual(readdirSync(folder), ['.a.holdfast-partial'])
})

test('a range outside the file is refused', async (t) => {
  const target = await targetIn(await scratchFolder(t))
  await using file = await target.openFile(['a'], wanted)
  for (const offset of [-1, 1, 0.5, Number.NaN]) await assert.rejects(file.write(offset, bytes), RangeError)
  await assert.rejects(file.hole(0, 1001), RangeError)
})

test('an empty file and a file of one hole come back', async (t) => {
  const folder = await scratchFolder(t)
  const target = await targetIn(folder)
  await using empty = await target.openFile(['empty'], { ...wanted, size: 0 })
  await empty.finish()
  await using hole = await target.openFile(['hole'], { ...wanted, size: 2 ** 32 })
  await hole.hole(0, 2 ** 32)
  await hole.finish()
  assert.equal(statSync(join(folder, 'empty')).size, 0)
  const stats = statSync(join(folder, 'hole'))
  assert.equal(stats.size, 2 ** 32)
  if (process.platform === 'linux') assert.equal(stats.blocks, 0)
})

test('an interrupted restore of the same content goes on where its checkpoint was', async (t) => {
  const { folder, target } = await interrupted(t)
  assert.deepEqual(readdirSync(folder).sort(), ['.a.holdfast-partial', '.a.holdfast-partial.json'])
  await using file = await target.openFile(['a'], wanted)
  assert.deepEqual(file.written(), [[0, 400]])
  assert.deepEqual([file.isWritten(0, 400), file.isWritten(399, 2)], [true, false])
  await write(file, 400, 1000)
  await file.finish()
  assert.deepEqual(readFileSync(join(folder, 'a')), bytes)
  assert.deepEqual(readdirSync(folder), ['a'])
})

test('what was written after the last checkpoint does not count after SIGKILL, and holes over it are zeros', async (t) => {
  const folder = await scratchFolder(t)
  const module = new URL('../../agent/source/target.ts', import.meta.url).href
  const script = `const { openRestoreTarget } = await import(${JSON.stringify(module)})
    const target = await openRestoreTarget(process.argv[1], { restoredAt: new Date() })
    const file = await target.openFile(['a'], { size: 1000, mode: 0o600, mtimeNs: 5_000_000_000n, contentKey: 'content-1' })
    const bytes = Buffer.from(Array.from({ length: 1000 }, (_, i) => 1 + i % 251))
    await file.write(0, bytes.subarray(0, 300))
    await file.checkpoint()
    await file.write(300, bytes.subarray(300, 900))
    process.kill(process.pid, 'SIGKILL')`
  const child = spawn(process.execPath, ['--input-type=module', '-e', script, folder], { stdio: 'inherit' })
  await new Promise((resolve) => {
    child.once('exit', resolve)
  })
  assert.equal(child.signalCode, 'SIGKILL')
  const target = await targetIn(folder)
  await using file = await target.openFile(['a'], wanted)
  assert.deepEqual(file.written(), [[0, 300]])
  await file.hole(300, 700)
  await file.finish()
  assert.deepEqual(readFileSync(join(folder, 'a')), Buffer.concat([bytes.subarray(0, 300), Buffer.alloc(700)]))
})

test('a checkpoint is made by itself after so many bytes', async (t) => {
  const folder = await scratchFolder(t)
  await using file = await (await targetIn(folder, 256)).openFile(['a'], wanted)
  await write(file, 0, 255)
  assert.deepEqual(readdirSync(folder), ['.a.holdfast-partial'])
  await write(file, 255, 600)
  const journal = JSON.parse(await readFile(join(folder, '.a.holdfast-partial.json'), 'utf8')) as { ranges: unknown }
  assert.deepEqual(journal.ranges, [[0, 600]])
})

const distrusts: Record<string, (folder: string) => void> = {
  'its journal is damaged': (folder) => truncateSync(join(folder, '.a.holdfast-partial.json'), 20),
  'its journal is of a later version': (folder) => edit(folder, (journal) => ({ ...journal, holdfastPartial: 2 })),
  'its journal names ranges outside the file': (folder) => edit(folder, (journal) => ({ ...journal, ranges: [[0, 2000]] })),
  'another file took its place': (folder) => {
    writeFileSync(join(folder, 'other'), Buffer.alloc(1000))
    renameSync(join(folder, 'other'), join(folder, '.a.holdfast-partial'))
  },
  'it was truncated': (folder) => truncateSync(join(folder, '.a.holdfast-partial'), 100),
  'it has a second name': (folder) => linkSync(join(folder, '.a.holdfast-partial'), join(folder, 'second')),
}
for (const [why, disturb] of Object.entries(distrusts)) {
  test(`a partial file is not gone on with when ${why}`, async (t) => {
    const { folder, target } = await interrupted(t)
    disturb(folder)
    await using file = await target.openFile(['a'], wanted)
    assert.deepEqual(file.written(), [])
    await write(file, 0, 1000)
    await file.finish()
    assert.deepEqual(readFileSync(join(folder, 'a')), bytes)
  })
}

function edit(folder: string, change: (journal: object) => object): void {
  const path = join(folder, '.a.holdfast-partial.json')
  writeFileSync(path, JSON.stringify(change(JSON.parse(readFileSync(path, 'utf8')) as object)))
}

test('other content or another size starts anew, with no byte of the former', async (t) => {
  for (const other of [{ contentKey: 'content-2' }, { size: 999 }]) {
    const { folder, target } = await interrupted(t)
    const options = { ...wanted, ...other }
    await using file = await target.openFile(['a'], options)
    assert.deepEqual(file.written(), [])
    await file.hole(0, options.size)
    await file.finish()
    assert.deepEqual(readFileSync(join(folder, 'a')), Buffer.alloc(options.size))
  }
})

test('discard() removes every trace, and a file that was opened and left without a write leaves none', async (t) => {
  const { folder, target } = await interrupted(t)
  await using file = await target.openFile(['a'], wanted)
  await file.discard()
  assert.deepEqual(readdirSync(folder), [])
  const untouched = await target.openFile(['b'], wanted)
  await untouched[Symbol.asyncDispose]()
  assert.deepEqual(readdirSync(folder), [])
})

test('a full disk is disk-full, leaves nothing under the final name, and the restore goes on when there is space', async (t) => {
  const folder = await smallDisk(t, 2 ** 20)
  if (folder === undefined) return
  const size = 800 * 1024
  const content = Buffer.alloc(size, 'holdfast')
  const target = await targetIn(folder, 64 * 1024)
  writeFileSync(join(folder, 'ballast'), Buffer.alloc(512 * 1024))
  const run = async (): Promise<void> => {
    await using file = await target.openFile(['a'], { ...wanted, size })
    for (let at = 0; at < size; at += 32 * 1024) {
      if (!file.isWritten(at, 32 * 1024)) await file.write(at, content.subarray(at, at + 32 * 1024))
    }
    await file.finish()
  }
  await assert.rejects(run(), (error) => hasCode(error, 'disk-full'))
  assert.deepEqual(readdirSync(folder).sort(), ['.a.holdfast-partial', '.a.holdfast-partial.json', 'ballast'])
  truncateSync(join(folder, 'ballast'), 0)
  {
    await using file = await target.openFile(['a'], { ...wanted, size })
    assert.ok(file.isWritten(0, 320 * 1024), JSON.stringify(file.written()))
  }
  await run()
  assert.deepEqual(readFileSync(join(folder, 'a')), content)
})

test('a disk that fills before the first checkpoint keeps nothing of the file', async (t) => {
  const folder = await smallDisk(t, 256 * 1024)
  if (folder === undefined) return
  const target = await targetIn(folder)
  await assert.rejects(async () => {
    await using file = await target.openFile(['a'], { ...wanted, size: 2 ** 20 })
    await file.write(0, Buffer.alloc(2 ** 20, 1))
  }, (error) => hasCode(error, 'disk-full'))
  assert.deepEqual(readdirSync(folder), [])
})

test('writes, holes, checkpoints and interruptions in any order give the bytes that were asked for', async (t) => {
  const folder = await scratchFolder(t)
  const content = Buffer.concat([bytes.subarray(0, 400), Buffer.alloc(200), bytes.subarray(600)])
  const step = fc.oneof(
    fc.record({ kind: fc.constant('write' as const), start: fc.nat(999), length: fc.nat(300) }),
    fc.record({ kind: fc.constantFrom('checkpoint' as const, 'reopen' as const, 'hole' as const) }),
  )
  let run = 0
  await fc.assert(fc.asyncProperty(fc.array(step, { maxLength: 20 }), async (steps) => {
    const name = String(run++)
    const target = await targetIn(folder, 128)
    let file = await target.openFile([name], wanted)
    for (const each of steps) {
      if (each.kind === 'write') await file.write(each.start, content.subarray(each.start, each.start + each.length))
      if (each.kind === 'hole') await file.hole(400, 200)
      if (each.kind === 'checkpoint') await file.checkpoint()
      if (each.kind === 'reopen') {
        await file[Symbol.asyncDispose]()
        file = await target.openFile([name], wanted)
      }
    }
    for (let at = 0; at < 1000; at += 100) {
      if (!file.isWritten(at, 100)) await file.write(at, content.subarray(at, at + 100))
    }
    await file.finish()
    assert.deepEqual(readFileSync(join(folder, name)), content)
  }), { numRuns: 40 })
})
