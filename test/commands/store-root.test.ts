import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { type FileHandle, copyFile, mkdir, open, stat, utimes, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { storeRoot } from '../../agent/commands/store-root.ts'
import type { Repository } from '../../agent/repository/repository.ts'
import { type Snapshot, lacking } from '../../agent/repository/snapshot.ts'
import type { ShadowCopies } from '../../agent/source/shadow-copies.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { buildOutlookFile } from '../support/outlook-file.ts'
import { createRepository, makeDevice } from '../support/test-repository.ts'

const old = new Date('2025-06-01T08:00:00Z')

/** A folder `mail` with an archive in it, and backups of it by a clock that the test moves. */
async function scene(t: TestContext): Promise<{ archive: string; backUp: (shadowCopies?: ShadowCopies) => Promise<Snapshot>; write: (bytes: Uint8Array) => Promise<void>; pass: (ms: number) => void; repository: Repository }> {
  const device = await makeDevice(t)
  const repository = await createRepository(device)
  t.after(async () => { await repository[Symbol.asyncDispose]() })
  const path = join(device.directory, 'mail')
  const archive = join(path, 'archive.pst')
  await mkdir(path)
  const write = async (bytes: Uint8Array) => {
    await writeFile(archive, bytes)
    await utimes(archive, old, old)
  }
  const backUp = async (shadowCopies?: ShadowCopies) => {
    await using session = await repository.beginBackup({ host: 'test' })
    const { entry, skipped, damaged } = await storeRoot(session, { path, previous: session.previousRoot(path), scan: {}, shadowCopies, signal: new AbortController().signal, now: () => device.now })
    return (await session.finish({ roots: entry === undefined ? [] : [{ path, entry }], skipped, damaged })).snapshot
  }
  return { archive, backUp, write, pass: (ms) => { device.now += ms }, repository }
}

test('an archive that was damaged is stored as it is, named in the snapshot, and named still while it is taken over unread', async (t) => {
  const { archive, backUp, write, repository } = await scene(t)
  const { bytes, blockPages } = buildOutlookFile()
  await write(bytes)
  assert.equal((await backUp()).damaged, undefined)
  const damaged = Buffer.from(bytes)
  damaged.fill(0, blockPages[1], (blockPages[1] ?? 0) + 512)
  damaged.writeUInt32LE(7, 540) // a part of the header that no checksum covers: so the archive is read again
  await write(damaged)
  const second = await backUp()
  assert.deepEqual(second.damaged?.map(({ path }) => path), [archive])
  const entry = await repository.entry(second, archive)
  assert.ok(entry.type === 'file')
  assert.deepEqual(await repository.readRange(entry.content, { offset: 0, length: entry.size }), damaged)
  assert.deepEqual((await backUp()).damaged, second.damaged)
  await write(bytes)
  assert.equal((await backUp()).damaged, undefined)
})

test('a fault that the header does not show is found when the archive is read in full, a week later at the latest', async (t) => {
  const { backUp, write, pass } = await scene(t)
  const { bytes, nodePages } = buildOutlookFile()
  await write(bytes)
  await backUp()
  const rotten = Buffer.from(bytes)
  rotten.writeUInt8(rotten.readUInt8((nodePages[0] ?? 0) + 3) ^ 1, (nodePages[0] ?? 0) + 3)
  await write(rotten)
  assert.equal((await backUp()).damaged, undefined)
  pass(8 * 86_400_000)
  assert.match((await backUp()).damaged?.[0]?.problem ?? '', /checksum of an index page/)
})

/** Reading the file fails as it does on Windows while Outlook has it open: it opens, and its bytes are locked. */
async function lock(t: TestContext, path: string): Promise<void> {
  await using handle = await open(path)
  const { ino } = await stat(path)
  const prototype = Object.getPrototypeOf(handle) as FileHandle
  const read = prototype.read
  t.mock.method(prototype, 'read', async function read_(this: FileHandle, ...args: never[]) {
    if ((await this.stat()).ino === ino) throw Object.assign(new Error('EBUSY: resource busy or locked, read'), { code: 'EBUSY' })
    return await (read as (...all: never[]) => Promise<unknown>).apply(this, args)
  })
}

test('an archive that Outlook has open is read from a shadow copy, under its own name', async (t) => {
  const { archive, backUp, write, repository } = await scene(t)
  const { bytes } = buildOutlookFile()
  await write(bytes)
  const shadow = `${archive}.shadow`
  await copyFile(archive, shadow)
  await lock(t, archive)
  const snapshot = await backUp({ pathOf: async () => shadow, [Symbol.asyncDispose]: async () => {} })
  assert.deepEqual(snapshot.skipped, [])
  const entry = await repository.entry(snapshot, archive)
  assert.ok(entry.type === 'file')
  assert.deepEqual(await repository.readRange(entry.content, { offset: 0, length: entry.size }), bytes)
})

test('what is left out by design makes no backup incomplete; what cannot be stored does', { skip: process.platform === 'linux' ? false : 'only Linux has such names' }, async (t) => {
  const { archive, backUp, write } = await scene(t)
  await write(buildOutlookFile().bytes)
  execFileSync('mkfifo', [join(archive, '..', 'pipe')])
  const first = await backUp()
  assert.deepEqual([first.skipped.map(({ path }) => basename(path)), lacking(first)], [['pipe'], []])
  await writeFile(Buffer.concat([Buffer.from(join(archive, '..', 'r')), Buffer.from([0xe9])]), 'nobody can write its name')
  assert.equal(lacking(await backUp()).length, 1)
})

test('a locked archive without a shadow copy is reported with the reason, and its older version stays', async (t) => {
  const { archive, backUp, write, repository } = await scene(t)
  const { bytes } = buildOutlookFile()
  await write(bytes)
  const first = await backUp()
  await lock(t, archive)
  const refusal = new HoldfastError('file-unreadable', 'Cannot read it: the agent may not make shadow copies')
  for (const [shadowCopies, words] of [[undefined, /Outlook/], [{ pathOf: async () => { throw refusal }, [Symbol.asyncDispose]: async () => {} }, /may not make/]] as const) {
    const next = await backUp(shadowCopies)
    assert.match(next.skipped[0]?.reason ?? '', words)
    assert.deepEqual(await repository.entry(next, archive), await repository.entry(first, archive))
  }
})
