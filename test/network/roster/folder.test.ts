import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { HoldfastError } from '../../../shared/errors.ts'
import { FolderRoster } from '../../../agent/network/roster/folder.ts'
import { normalizeLocator } from '../../../agent/network/roster/locator.ts'
import { rosterSuite } from '../../suites/roster.ts'

const withCode = (code: string) => (error: unknown) => error instanceof HoldfastError && error.code === code
const peer = `peers/${'ab'.repeat(32)}.jws`

async function folder(): Promise<{ path: string; roster: FolderRoster; again: () => FolderRoster; [Symbol.asyncDispose](): Promise<void> }> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-roster-'))
  return {
    path, roster: new FolderRoster(path), again: () => new FolderRoster(path),
    [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }),
  }
}

rosterSuite({ name: 'folder', open: folder })

test('a folder that is not there, or is a file, is roster-unavailable, and nothing is made in its place', async () => {
  await using place = await folder()
  await writeFile(join(place.path, 'file'), 'x')
  for (const name of ['missing', 'file']) {
    const roster = new FolderRoster(join(place.path, name))
    await assert.rejects(roster.list(), withCode('roster-unavailable'))
    await assert.rejects(roster.putOwn(peer, 'x'), withCode('roster-unavailable'))
    await assert.rejects(roster.createOnce(peer, 'x'), withCode('roster-unavailable'))
  }
  assert.deepEqual(await readdir(place.path), ['file'])
})

test('prepare() makes the folder for who founds a group, and none above it', async () => {
  await using place = await folder()
  const roster = new FolderRoster(join(place.path, 'new'))
  await roster.prepare()
  await roster.prepare()
  assert.deepEqual((await roster.list()).records, [])
  await assert.rejects(new FolderRoster(join(place.path, 'mistyped', 'new')).prepare(), (error) => withCode('roster-unavailable')(error) && /mistyped is not there/.test(String(error)))
})

test('prepare() makes no folder for a path of another system', async () => {
  for (const foreign of process.platform === 'win32' ? ['team'] : ['\\\\server\\share\\Holdfast', 'H:\\Holdfast']) {
    await assert.rejects(new FolderRoster(foreign).prepare(), (error) => withCode('roster-unavailable')(error) && /no path of this system/.test(String(error)))
    await assert.rejects(readdir(foreign), { code: 'ENOENT' })
  }
})

test('a record folder that is a file makes the roster unavailable rather than empty', async () => {
  await using place = await folder()
  await writeFile(join(place.path, 'peers'), 'x')
  await assert.rejects(place.roster.list(), withCode('roster-unavailable'))
})

test('conflict copies are read as records; foreign, long, binary and linked files are counted; temporary ones are not', async () => {
  await using place = await folder()
  await place.roster.putOwn(peer, 'mine')
  const peers = join(place.path, 'peers')
  await writeFile(join(peers, 'x-PC2.jws'), 'copy')
  await writeFile(join(peers, 'ab.jws.123.tmp'), 'half')
  await writeFile(join(place.path, 'Readme.docx'), 'x')
  await writeFile(join(peers, 'desktop.ini'), 'x')
  await writeFile(join(peers, 'long.jws'), 'x'.repeat(1_000_000))
  await writeFile(join(peers, 'binary.jws'), Buffer.from([0xff, 0xfe, 0x00]))
  await symlink('/etc/hostname', join(peers, 'link.jws'))
  await mkdir(join(peers, 'folder.jws'))
  const { records, ignored } = await place.roster.list()
  assert.deepEqual(records.map(({ name, text }) => [name, text]), [[peer, 'mine'], ['peers/x-PC2.jws', 'copy']])
  assert.equal(ignored, 6)
})

test('a pipe with the name of a record does not hang the reader', { skip: process.platform === 'win32' }, async () => {
  await using place = await folder()
  await mkdir(join(place.path, 'peers'))
  execFileSync('mkfifo', [join(place.path, 'peers', 'pipe.jws')])
  assert.equal((await place.roster.list()).ignored, 1)
})

test('a reader beside a writer finds whole records only', async () => {
  await using place = await folder()
  const texts = new Set(Array.from({ length: 40 }, (_, index) => String(index).repeat(20_000)))
  await place.roster.putOwn(peer, '0'.repeat(20_000))
  const writing = (async () => { for (const text of texts) await place.roster.putOwn(peer, text) })()
  for (let round = 0; round < 20; round++) {
    const read = await readFile(join(place.path, peer), 'utf8')
    assert.ok(texts.has(read))
  }
  await writing
  assert.deepEqual(await readdir(join(place.path, 'peers')), [peer.slice('peers/'.length)])
})

test('locators: paths become absolute, ~ and network paths are understood', () => {
  const place = { cwd: '/work', home: '/home/ann' }
  assert.equal(normalizeLocator('folder:share', place), 'folder:/work/share')
  assert.equal(normalizeLocator('folder:/srv/../srv/share', place), 'folder:/srv/share')
  assert.equal(normalizeLocator('folder:~/share', place), 'folder:/home/ann/share')
  assert.equal(normalizeLocator(String.raw`folder:\\server\team\holdfast`, place), String.raw`folder:\\server\team\holdfast`)
  assert.equal(normalizeLocator('folder://server/team', place), 'folder://server/team')
  assert.equal(normalizeLocator(String.raw`folder:D:\team`, place), String.raw`folder:D:\team`)
})

test('locators that are not supported are refused with what is', () => {
  for (const text of ['sharepoint:https://x', 'exchange:a@b', 'ftp://x', '/srv/share', 'folder:', 'folder:a\0b']) {
    assert.throws(() => normalizeLocator(text), (error) => withCode('invalid-input')(error) && /supported: folder:PATH/.test((error as Error).message), text)
  }
})
