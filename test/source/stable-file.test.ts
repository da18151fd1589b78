import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { appendFileSync, chmodSync, readSync, renameSync, rmSync, statSync, symlinkSync, truncateSync, utimesSync, writeFileSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import { identityOf, isRacy, sameIdentity } from '../../agent/source/file-identity.ts'
import { outlookHeaderLength } from '../../agent/source/outlook-archive.ts'
import { openStableFile, StableFile } from '../../agent/source/stable-file.ts'
import type { StableFileOptions } from '../../agent/source/stable-file.ts'
import { hasCode } from '../../shared/errors.ts'
import type { ErrorCode } from '../../shared/errors.ts'
import { buildOutlookFile } from '../support/outlook-file.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { runUnprivileged } from '../support/unprivileged.ts'

const posixOnly = { skip: process.platform === 'win32' ? 'not on Windows' : false }
const options: StableFileOptions = { now: () => Date.now() + 60_000 }

function code(wanted: ErrorCode, text?: RegExp): (error: unknown) => boolean {
  return (error) => hasCode(error, wanted) && (text === undefined || text.test(error.message))
}

test('a file that does not move is read by ranges and found unchanged', async (t) => {
  const path = join(await scratchFolder(t), 'a.txt')
  writeFileSync(path, 'byte ranges')
  const stats = statSync(path, { bigint: true })
  await using file = await openStableFile(path, options)
  assert.deepEqual([file.size, file.kind, file.racy, file.outlookHeader], [11, 'other', false, undefined])
  assert.deepEqual(file.identity, {
    size: 11, mtimeNs: stats.mtimeNs, ctimeNs: stats.ctimeNs, fileId: `${stats.dev}:${stats.ino}`,
  })
  const target = new Uint8Array(6)
  readSync(file.fd, target, 0, 6, 5)
  assert.equal(Buffer.from(target).toString(), 'ranges')
  await file.assertUnchanged()
})

test('another thread reads from the descriptor', async (t) => {
  const path = join(await scratchFolder(t), 'a.txt')
  writeFileSync(path, 'for a worker')
  await using file = await openStableFile(path, options)
  const worker = new Worker(`const { parentPort } = require('node:worker_threads')
    const target = Buffer.alloc(5)
    require('node:fs').readSync(${file.fd}, target, 0, 5, 4)
    parentPort.postMessage(target.toString())`, { eval: true })
  const { promise, resolve, reject } = Promise.withResolvers<unknown>()
  worker.once('message', resolve)
  worker.once('error', reject)
  assert.equal(await promise, 'a wor')
})

const moves: Record<string, readonly [RegExp, (path: string) => void]> = {
  'grows': [/grown/, (path) => appendFileSync(path, 'more')],
  'is truncated': [/truncated/, (path) => truncateSync(path, 3)],
  'is removed': [/removed/, (path) => rmSync(path)],
  'is renamed': [/removed or renamed/, (path) => renameSync(path, `${path}.old`)],
  'is replaced by rename': [/another file took its place/, (path) => {
    writeFileSync(`${path}.new`, 'twelve bytes')
    renameSync(`${path}.new`, path)
  }],
  'is written in place': [/written to/, (path) => writeFileSync(path, 'TWELVE BYTES', { flag: 'r+' })],
  'is written in place and given its old time back': [/written to/, (path) => {
    const { atime, mtime } = statSync(path)
    const { ctimeNs } = statSync(path, { bigint: true })
    do {
      writeFileSync(path, 'TWELVE BYTES', { flag: 'r+' })
      utimesSync(path, atime, mtime)
    } while (statSync(path, { bigint: true }).ctimeNs === ctimeNs)
  }],
}
for (const [what, [message, move]] of Object.entries(moves)) {
  test(`a file that ${what} while it is read is noticed`, async (t) => {
    const path = join(await scratchFolder(t), 'a.txt')
    writeFileSync(path, 'twelve bytes')
    utimesSync(path, 1_000_000, 1_000_000)
    await using file = await openStableFile(path, options)
    move(path)
    await assert.rejects(file.assertUnchanged(), code('file-changed', message))
  })
}

test('an Outlook archive is known by its content, and its header is parsed', async (t) => {
  const path = join(await scratchFolder(t), 'no-ending')
  const { bytes } = buildOutlookFile()
  writeFileSync(path, bytes)
  await using file = await openStableFile(path, options)
  assert.equal(file.kind, 'outlook')
  assert.equal(file.outlookHeader?.fileEnd, BigInt(bytes.length))
  await file.assertUnchanged()
})

test('an archive cut short within its header is still an archive that can be backed up', async (t) => {
  const path = join(await scratchFolder(t), 'cut.pst')
  writeFileSync(path, buildOutlookFile().bytes.subarray(0, 100))
  await using file = await openStableFile(path, options)
  assert.deepEqual([file.kind, file.outlookHeader], ['outlook', undefined])
  await file.assertUnchanged()
})

test('a changed header is noticed in an archive whose size and times tell nothing', async (t) => {
  const path = join(await scratchFolder(t), 'a.pst')
  const { bytes } = buildOutlookFile()
  writeFileSync(path, bytes)
  const handle = await open(path)
  const identity = identityOf(await handle.stat({ bigint: true }))
  const before = Buffer.from(bytes.subarray(0, outlookHeaderLength))
  before.writeUInt32LE(4711, 40)
  await using file = new StableFile(handle, { path, identity, racy: false, start: before })
  await assert.rejects(file.assertUnchanged(), code('file-changed', /Outlook has written to it/))
})

test('a file modified within two seconds before it is opened, or in the future, is racy', async (t) => {
  const path = join(await scratchFolder(t), 'a.txt')
  writeFileSync(path, 'x')
  utimesSync(path, 1000, 1000)
  for (const [nowMs, racy] of [[1_000_000, true], [1_002_000, true], [1_002_001, false], [999_000, true]] as const) {
    await using file = await openStableFile(path, { now: () => nowMs })
    assert.equal(file.racy, racy, `at ${nowMs}`)
  }
  assert.equal(isRacy(1_000_000_000_000n, 1_002_000.9), true)
})

test('identities differ as soon as one of their parts does', () => {
  const identity = { size: 1, mtimeNs: 2n, ctimeNs: 3n, fileId: '4:5' }
  assert.equal(sameIdentity(identity, { ...identity }), true)
  for (const other of [{ size: 2 }, { mtimeNs: 3n }, { ctimeNs: 4n }, { fileId: '4:6' }]) {
    assert.equal(sameIdentity(identity, { ...identity, ...other }), false)
  }
})

test('what took the place of the scanned file is not read: nothing, another file, a link, a folder, a pipe', posixOnly, async (t) => {
  const folder = await scratchFolder(t)
  const path = join(folder, 'a')
  await assert.rejects(openStableFile(path, options), code('file-changed', /removed/))
  writeFileSync(path, 'x')
  await assert.rejects(openStableFile(path, { ...options, expectedFileId: '1:1' }), code('file-changed', /another file/))
  symlinkSync(path, join(folder, 'link'))
  await assert.rejects(openStableFile(join(folder, 'link'), options), code('file-changed', /no ordinary file/))
  await assert.rejects(openStableFile(folder, options), code('file-changed', /no ordinary file/))
  assert.equal(spawnSync('mkfifo', [join(folder, 'pipe')]).status, 0)
  await assert.rejects(openStableFile(join(folder, 'pipe'), options), code('file-changed', /no ordinary file/))
})

test('a file that may not be read is unreadable, with the reason', posixOnly, async (t) => {
  const folder = await scratchFolder(t)
  const path = join(folder, 'secret')
  writeFileSync(path, 'x')
  chmodSync(path, 0)
  chmodSync(folder, 0o755)
  const body = 'return await api.openStableFile(argument, { now: Date.now }).catch((error) => [error.code, error.message])'
  assert.deepEqual(await runUnprivileged('agent/source/stable-file.ts', body, path), [
    'file-unreadable', `Cannot read ${path}: permission denied`,
  ])
})
