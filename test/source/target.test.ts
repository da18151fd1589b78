import assert from 'node:assert/strict'
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmdirSync, statSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { lstat } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { openRestoreTarget } from '../../agent/source/target.ts'
import type { FinishedFile, RestoreTarget, RestoreTargetOptions, TargetFileOptions } from '../../agent/source/target.ts'
import { hasCode } from '../../shared/errors.ts'
import type { ErrorCode } from '../../shared/errors.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { runUnprivileged } from '../support/unprivileged.ts'

const posixOnly = { skip: process.platform === 'win32' ? 'not on Windows' : false }
const restoredAt = new Date(2026, 10, 22, 15, 30, 0)
const oldNs = 1_700_000_000_123_456_789n

function code(wanted: ErrorCode): (error: unknown) => boolean {
  return (error) => hasCode(error, wanted)
}

async function open(folder: string, options: Partial<RestoreTargetOptions> = {}): Promise<RestoreTarget> {
  return await openRestoreTarget(folder, { restoredAt, ...options })
}

async function restore(
  target: RestoreTarget, parts: readonly string[], text: string, options: Partial<TargetFileOptions> = {},
): Promise<FinishedFile> {
  const bytes = Buffer.from(text)
  await using file = await target.openFile(parts, {
    size: bytes.length, mode: 0o640, mtimeNs: oldNs, contentKey: text, ...options,
  })
  await file.write(0, bytes)
  return await file.finish()
}

test('a restored file has its bytes, mode and time, to within 120 ns', async (t) => {
  const root = join(await scratchFolder(t), 'made', 'on the way')
  const target = await open(root)
  const finished = await restore(target, ['sub', 'mail.pst'], 'content')
  assert.deepEqual(finished, { outcome: 'created', path: join(root, 'sub', 'mail.pst') })
  assert.equal(readFileSync(finished.path, 'utf8'), 'content')
  const stats = statSync(finished.path, { bigint: true })
  const off = stats.mtimeNs - oldNs
  assert.ok(off >= -120n && off <= 120n, `${off} ns off`)
  if (process.platform !== 'win32') assert.equal(stats.mode & 0o7777n, 0o640n)
  assert.deepEqual(readdirSync(join(root, 'sub')), ['mail.pst'])
})

test('times before 1970 come back', async (t) => {
  const target = await open(await scratchFolder(t))
  const { path } = await restore(target, ['old'], 'x', { mtimeNs: -86_400_500_000_000n })
  assert.equal(statSync(path, { bigint: true }).mtimeNs, -86_400_500_000_000n)
})

test('set-user-id is not restored', posixOnly, async (t) => {
  const target = await open(await scratchFolder(t))
  const { path } = await restore(target, ['tool'], 'x', { mode: 0o4755 })
  assert.equal(statSync(path).mode & 0o7777, 0o755)
})

for (const parts of [['..', 'x'], ['.'], [''], ['a/b'], ['/etc'], ['a', '..', '..', 'x'], ['x\0'], ['a', ''], ['\ud800'], ['.x.holdfast-partial'], ['.X.HOLDFAST-PARTIAL.json']]) {
  test(`the path ${JSON.stringify(parts)} is refused for files, folders and links`, async (t) => {
    const folder = await scratchFolder(t)
    const target = await open(join(folder, 'target'))
    await assert.rejects(restore(target, parts, 'x'), code('path-unsafe'))
    await assert.rejects(target.createDirectory(parts), code('path-unsafe'))
    await assert.rejects(target.createSymlink(parts, 'x', 0n), code('path-unsafe'))
    await assert.rejects(target.existing(parts), code('path-unsafe'))
    assert.deepEqual(readdirSync(folder, { recursive: true }), ['target'])
  })
}

test('a link from the backup is never written through, at any depth', posixOnly, async (t) => {
  const folder = await scratchFolder(t)
  mkdirSync(join(folder, 'outside', 'deep'), { recursive: true })
  const target = await open(join(folder, 'target'))
  await target.createSymlink(['a'], join(folder, 'outside'), 0n)
  for (const parts of [['a', 'passwd'], ['a', 'deep', 'passwd'], ['a', 'new', 'passwd']]) {
    await assert.rejects(restore(target, parts, 'x'), code('path-unsafe'))
    await assert.rejects(target.createDirectory(parts, { mode: 0o777, mtimeNs: 0n }), code('path-unsafe'))
    await assert.rejects(target.createSymlink(parts, 'x', 0n), code('path-unsafe'))
    await assert.rejects(target.existing(parts), code('path-unsafe'))
  }
  await assert.rejects(target.createDirectory(['a'], { mode: 0o777, mtimeNs: 0n }), code('path-unsafe'))
  assert.deepEqual(await target.finishDirectories(), [])
  assert.deepEqual(readdirSync(join(folder, 'outside'), { recursive: true }), ['deep'])
})

test('a link under the final name is not written through but kept, or replaced when asked', posixOnly, async (t) => {
  const folder = await scratchFolder(t)
  writeFileSync(join(folder, 'victim'), 'precious')
  const root = join(folder, 'target')
  await (await open(root)).createSymlink(['name'], join(folder, 'victim'), oldNs)
  assert.equal((await restore(await open(root), ['name'], 'new')).outcome, 'beside')
  assert.equal((await restore(await open(root, { policy: 'overwrite' }), ['name'], 'new')).outcome, 'replaced')
  assert.equal(readFileSync(join(folder, 'victim'), 'utf8'), 'precious')
  assert.equal(readFileSync(join(root, 'name'), 'utf8'), 'new')
})

test('a folder swapped for a link before the end gets no mode or time, and that is reported', posixOnly, async (t) => {
  const folder = await scratchFolder(t)
  const target = await open(join(folder, 'target'))
  await target.createDirectory(['d'], { mode: 0o777, mtimeNs: 0n })
  mkdirSync(join(folder, 'outside'), { mode: 0o700 })
  rmdirSync(join(folder, 'target', 'd'))
  symlinkSync(join(folder, 'outside'), join(folder, 'target', 'd'))
  const failed = await target.finishDirectories()
  assert.deepEqual(failed.map(({ path, error }) => [path, error.code]), [[join(folder, 'target', 'd'), 'path-unsafe']])
  assert.equal(statSync(join(folder, 'outside')).mode & 0o777, 0o700)
})

test('by default a file that differs stays, and the restored one stands beside it, then beside that', async (t) => {
  const root = await scratchFolder(t)
  writeFileSync(join(root, 'report.docx'), 'mine')
  const target = await open(root)
  const first = await restore(target, ['report.docx'], 'backup')
  assert.deepEqual(first, { outcome: 'beside', path: join(root, 'report (restored 2026-11-22 153000).docx') })
  const second = await restore(await open(root), ['report.docx'], 'other')
  assert.equal(second.path, join(root, 'report (restored 2026-11-22 153000) 2.docx'))
  assert.equal(readFileSync(join(root, 'report.docx'), 'utf8'), 'mine')
})

test('a file with the same bytes is left alone, its time too', async (t) => {
  const root = await scratchFolder(t)
  writeFileSync(join(root, 'a'), 'same')
  utimesSync(join(root, 'a'), 5, 5)
  for (const policy of ['beside', 'refuse-newer'] as const) {
    assert.equal((await restore(await open(root, { policy }), ['a'], 'same')).outcome, 'unchanged')
  }
  assert.equal(statSync(join(root, 'a')).mtimeMs, 5000)
  assert.deepEqual(readdirSync(root), ['a'])
  assert.equal((await restore(await open(root), ['a'], 'sama')).outcome, 'beside')
})

test('refuse-newer replaces an older file, takes its own restored time for equal, and refuses a newer one', async (t) => {
  const root = await scratchFolder(t)
  writeFileSync(join(root, 'a'), 'older')
  utimesSync(join(root, 'a'), 1000, 1000)
  const target = (): Promise<RestoreTarget> => open(root, { policy: 'refuse-newer' })
  assert.equal((await restore(await target(), ['a'], 'backup')).outcome, 'replaced')
  for (let i = 0; i < 8; i++) {
    const mtimeNs = oldNs + BigInt(i) * 31n
    assert.equal((await restore(await target(), ['a'], `again ${i}`, { mtimeNs })).outcome, 'replaced')
    assert.equal((await restore(await target(), ['a'], `more ${i}`, { mtimeNs })).outcome, 'replaced')
  }
  writeFileSync(join(root, 'a'), 'edited since')
  await assert.rejects(restore(await target(), ['a'], 'backup'), code('target-newer'))
  assert.equal(readFileSync(join(root, 'a'), 'utf8'), 'edited since')
  assert.equal((await restore(await open(root, { policy: 'overwrite' }), ['a'], 'backup')).outcome, 'replaced')
  assert.equal(readFileSync(join(root, 'a'), 'utf8'), 'backup')
})

test('a file that becomes newer while it is restored is not replaced', async (t) => {
  const root = await scratchFolder(t)
  const target = await open(root, { policy: 'refuse-newer' })
  await using file = await target.openFile(['a'], { size: 1, mode: 0o600, mtimeNs: oldNs, contentKey: 'k' })
  await file.write(0, Buffer.from('x'))
  writeFileSync(join(root, 'a'), 'edited meanwhile')
  await assert.rejects(file.finish(), code('target-newer'))
  assert.equal(readFileSync(join(root, 'a'), 'utf8'), 'edited meanwhile')
})

test('a folder under the name of a file is never replaced', async (t) => {
  const root = await scratchFolder(t)
  mkdirSync(join(root, 'a'))
  assert.equal((await restore(await open(root), ['a'], 'x')).outcome, 'beside')
  await assert.rejects(restore(await open(root, { policy: 'overwrite' }), ['a'], 'x'), code('already-exists'))
  writeFileSync(join(root, 'file'), '')
  await assert.rejects((await open(root)).createDirectory(['file']), code('already-exists'))
  await assert.rejects(restore(await open(root), ['file', 'x'], 'x'), code('already-exists'))
})

test('overwrite never replaces what the same restore wrote', async (t) => {
  const root = await scratchFolder(t)
  const target = await open(root, { policy: 'overwrite' })
  await restore(target, ['a'], 'first')
  const second = await restore(target, ['a'], 'second')
  assert.equal(second.outcome, 'beside')
  assert.equal(readFileSync(join(root, 'a'), 'utf8'), 'first')
})

test('symbolic links come back with their text and time, beside what differs', posixOnly, async (t) => {
  const root = await scratchFolder(t)
  const target = await open(root)
  assert.equal((await target.createSymlink(['l'], '../any/where', oldNs)).outcome, 'created')
  assert.equal(readlinkSync(join(root, 'l')), '../any/where')
  const off = (await lstat(join(root, 'l'), { bigint: true })).mtimeNs - oldNs
  assert.ok(off >= -120n && off <= 120n, `${off} ns off`)
  assert.equal((await target.createSymlink(['l'], '../any/where', oldNs)).outcome, 'unchanged')
  const other = await target.createSymlink(['l'], 'else', oldNs)
  assert.deepEqual(other, { outcome: 'beside', path: join(root, 'l (restored 2026-11-22 153000)') })
  const replaced = await (await open(root, { policy: 'overwrite' })).createSymlink(['l'], 'else', oldNs)
  assert.deepEqual([replaced.outcome, readlinkSync(join(root, 'l'))], ['replaced', 'else'])
  await assert.rejects(target.createSymlink(['n'], 'a\0b', oldNs), code('path-unsafe'))
})

test('folders get their modes and times at the end, read-only ones and their parents too', async (t) => {
  const root = join(await scratchFolder(t), 't')
  for (let run = 0; run < 2; run++) {
    const target = await open(root, { policy: 'overwrite' })
    await target.createDirectory([], { mode: 0o750, mtimeNs: 1_000_000_000n })
    await target.createDirectory(['a'], { mode: 0o555, mtimeNs: 2_000_000_000n })
    await target.createDirectory(['a', 'b'], { mode: 0o500, mtimeNs: 3_000_000_000n })
    await restore(target, ['a', 'b', 'f'], 'x')
    assert.deepEqual(await target.finishDirectories(), [])
    const state = ['', 'a', 'a/b'].map((path) => statSync(join(root, path)))
    assert.deepEqual(state.map(({ mtimeMs }) => mtimeMs), [1000, 2000, 3000])
    if (process.platform !== 'win32') assert.deepEqual(state.map(({ mode }) => mode & 0o7777), [0o750, 0o555, 0o500])
  }
})

test('a user without privileges restores twice into folders that are closed in the end, and cannot write elsewhere', posixOnly, async (t) => {
  const root = await scratchFolder(t)
  chmodSync(root, 0o777)
  const body = `
    const codes = []
    for (const run of ['first', 'second']) {
      const target = await api.openRestoreTarget(argument, { restoredAt: new Date(), policy: 'overwrite' })
      await target.createDirectory(['a'], { mode: 0o400, mtimeNs: 1_000_000_000n })
      await target.createDirectory(['a', 'b'], { mode: 0o500, mtimeNs: 2_000_000_000n })
      await using file = await target.openFile(['a', 'b', 'f'], { size: 0, mode: 0o400, mtimeNs: 0n, contentKey: run })
      await file.finish()
      codes.push(...(await target.finishDirectories()).map(({ error }) => error.code))
    }
    await api.openRestoreTarget(argument + '/closed/sub', { restoredAt: new Date() }).catch((error) => codes.push(error.code))
    const closed = await api.openRestoreTarget(argument + '/closed', { restoredAt: new Date() })
    await closed.createDirectory(['x']).catch((error) => codes.push(error.code))
    return codes`
  mkdirSync(join(root, 'closed'), { mode: 0o555 })
  const codes = await runUnprivileged('agent/source/target.ts', body, root)
  assert.deepEqual(codes, ['target-unwritable', 'target-unwritable'])
  assert.deepEqual([statSync(join(root, 'a')).mode & 0o777, statSync(join(root, 'a', 'b')).mtimeMs], [0o400, 2000])
})

test('a folder made only on the way keeps the mode that the system gives', posixOnly, async (t) => {
  const root = await scratchFolder(t)
  chmodSync(root, 0o710)
  const target = await open(root)
  await restore(target, ['x', 'f'], 'x')
  assert.deepEqual(await target.finishDirectories(), [])
  assert.equal(statSync(root).mode & 0o777, 0o710)
  assert.equal(statSync(join(root, 'x')).mode & 0o777, 0o777 & ~process.umask())
})

test('existing() tells what stands at a place, links as links', posixOnly, async (t) => {
  const root = await scratchFolder(t)
  const target = await open(root)
  assert.equal(await target.existing(['none', 'below']), undefined)
  const { path } = await restore(target, ['f'], 'four')
  await target.createSymlink(['l'], 'f', 0n)
  await target.createDirectory(['d'])
  const found = await target.existing(['f'])
  assert.deepEqual([found?.type, found?.size, found?.path], ['file', 4, path])
  assert.deepEqual([(await target.existing(['l']))?.type, (await target.existing(['d']))?.type], ['symlink', 'directory'])
})

test('a target that is a file is refused', async (t) => {
  const root = await scratchFolder(t)
  writeFileSync(join(root, 'f'), '')
  await assert.rejects(open(join(root, 'f')), code('already-exists'))
  assert.equal(existsSync(join(root, 'f')), true)
})

test('folders above the target are made, and one that cannot be made is said so at once', { skip: process.platform !== 'linux' && '/proc takes no folders on Linux' }, async (t) => {
  const root = await scratchFolder(t)
  await open(join(root, 'a', 'b'))
  assert.ok(existsSync(join(root, 'a', 'b')))
  await assert.rejects(open('/proc/none/below'), code('target-unwritable'))
})

test('names at the length limit are restored, and shortened beside an existing file', posixOnly, async (t) => {
  const root = await scratchFolder(t)
  const name = `${'ä'.repeat(125)}x.pst`.slice(0, 255)
  assert.equal(Buffer.byteLength(name), 255)
  assert.equal((await restore(await open(root), [name], 'one')).outcome, 'created')
  const beside = await restore(await open(root), [name], 'two')
  assert.match(beside.path, /ä \(restored 2026-11-22 153000\)\.pst$/u)
  assert.deepEqual(readdirSync(root).length, 2)
})

test('removePartial() clears what a restore that was cut off after naming its file left beside it', async (t) => {
  const folder = await scratchFolder(t)
  const target = await open(folder)
  writeFileSync(join(folder, 'a.txt'), 'whole')
  writeFileSync(join(folder, '.a.txt.holdfast-partial'), 'whole')
  writeFileSync(join(folder, '.a.txt.holdfast-partial.json'), '{}')
  await target.removePartial(['a.txt'])
  assert.deepEqual(readdirSync(folder), ['a.txt'])
})
