import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { once } from 'node:events'
import { chmodSync, linkSync, mkdirSync, renameSync, rmSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { createServer } from 'node:net'
import { basename, join } from 'node:path'
import { test } from 'node:test'
import { scanTree } from '../../agent/source/tree-scan.ts'
import type { ScanEvent, ScanOptions } from '../../agent/source/tree-scan.ts'
import { hasCode } from '../../shared/errors.ts'
import { buildOutlookFile } from '../support/outlook-file.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { runUnprivileged } from '../support/unprivileged.ts'

const posixOnly = { skip: process.platform === 'win32' ? 'these entries do not exist on Windows' : false }

async function scan(root: string, options?: ScanOptions): Promise<ScanEvent[]> {
  return await Array.fromAsync(scanTree(root, options))
}

/** `+` entry, `-` folder left, `!reason` skipped, with the relative path. */
function story(events: readonly ScanEvent[]): string[] {
  return events.map((event) => {
    const path = event.relativeParts.join('/') || '.'
    if (event.event === 'skipped') return `!${event.reason} ${path}`
    return `${event.event === 'leave' ? '-' : '+'} ${path}`
  })
}

function write(root: string, ...paths: string[]): void {
  for (const path of paths) {
    mkdirSync(join(root, path, '..'), { recursive: true })
    writeFileSync(join(root, path), path)
  }
}

test('scanTree() goes depth first, in the order of UTF-8 bytes, and tells when a folder is left', async (t) => {
  const root = await scratchFolder(t)
  write(root, 'b/2', 'b/1', 'b/sub/x', 'a', 'ä', 'Z', '\u{ffee}', '\u{1f600}')
  mkdirSync(join(root, 'c'))
  assert.deepEqual(story(await scan(root)), [
    '+ .', '+ Z', '+ a', '+ b', '+ b/1', '+ b/2', '+ b/sub', '+ b/sub/x', '- b/sub', '- b', '+ c', '- c', '+ ä',
    '+ \u{ffee}', '+ \u{1f600}', '- .',
  ])
})

test('an entry carries its type, mode, size, exact times and file id', async (t) => {
  const root = await scratchFolder(t)
  const path = join(root, 'file.txt')
  writeFileSync(path, 'twelve bytes')
  chmodSync(path, 0o640)
  utimesSync(path, 1, 1_700_000_000.25)
  const stats = await stat(path, { bigint: true })
  const entry = (await scan(root))[1]
  assert.deepEqual(entry, {
    event: 'entry', path, relativeParts: ['file.txt'], name: 'file.txt', type: 'file',
    mode: Number(stats.mode & 0o7777n), size: 12, mtimeNs: 1_700_000_000_250_000_000n, ctimeNs: stats.ctimeNs,
    fileId: `${stats.dev}:${stats.ino}`,
  })
})

test('a protected file is a root with one entry, and one that is gone is reported', async (t) => {
  const root = await scratchFolder(t)
  write(root, 'mail.pst')
  const events = await scan(join(root, 'mail.pst'))
  assert.deepEqual(story(events), ['+ .'])
  assert.equal(events[0]?.event === 'entry' && events[0].name, 'mail.pst')
  const gone = await scan(join(root, 'gone.pst'))
  assert.deepEqual(story(gone), ['!unreadable .'])
  assert.match(gone[0]?.event === 'skipped' ? gone[0].detail : '', /does not exist/)
})

test('more entries than one batch come back, each once', async (t) => {
  const root = await scratchFolder(t)
  const names = Array.from({ length: 150 }, (_, i) => `f${String(i).padStart(3, '0')}`)
  write(root, ...names)
  assert.deepEqual(story(await scan(root)), ['+ .', ...names.map((name) => `+ ${name}`), '- .'])
})

test('symbolic links are reported with their text and never followed, loops and the root included', posixOnly, async (t) => {
  const root = await scratchFolder(t)
  write(root, 'real/file')
  symlinkSync('..', join(root, 'real', 'loop'))
  symlinkSync('/nowhere/at all', join(root, 'dangling'))
  symlinkSync('real', join(root, 'root-link'))
  const events = await scan(root)
  assert.deepEqual(story(events), ['+ .', '+ dangling', '+ real', '+ real/file', '+ real/loop', '- real', '+ root-link', '- .'])
  const links = events.filter((event) => event.event === 'entry' && event.type === 'symlink')
  assert.deepEqual(links.map((link) => link.event === 'entry' && link.target), ['/nowhere/at all', '..', 'real'])
  assert.deepEqual(story(await scan(join(root, 'root-link'))), ['+ .'])
})

test('hard links are ordinary files that share a file id', async (t) => {
  const root = await scratchFolder(t)
  write(root, 'a')
  linkSync(join(root, 'a'), join(root, 'b'))
  const ids = (await scan(root)).flatMap((event) => event.event === 'entry' && event.type === 'file' ? [event.fileId] : [])
  assert.equal(ids.length, 2)
  assert.equal(ids[0], ids[1])
})

test('sockets and pipes are reported as skipped', posixOnly, async (t) => {
  const root = await scratchFolder(t)
  execFileSync('mkfifo', [join(root, 'a-pipe')])
  const server = createServer().listen(join(root, 'a-socket'))
  await once(server, 'listening')
  t.after(() => server.close())
  const events = await scan(root)
  assert.deepEqual(story(events), ['+ .', '!special a-pipe', '!special a-socket', '- .'])
  assert.deepEqual(events.slice(1, 3).map((event) => event.event === 'skipped' && event.detail), ['a pipe', 'a socket'])
})

test('names that are not valid Unicode are reported as skipped', { skip: process.platform === 'linux' ? false : 'only Linux allows them' }, async (t) => {
  const root = await scratchFolder(t)
  writeFileSync(Buffer.concat([Buffer.from(`${root}/bad-`), Buffer.from([0xff])]), '')
  symlinkSync(Buffer.from([0xfe]), join(root, 'link'))
  assert.deepEqual(story(await scan(root)), ['+ .', '!name bad-\ufffd', '!name link', '- .'])
})

test('a folder that cannot be listed is reported, and left as incomplete', posixOnly, async (t) => {
  const root = await scratchFolder(t)
  write(root, 'closed/secret', 'open')
  chmodSync(join(root, 'closed'), 0)
  chmodSync(root, 0o755)
  const body = 'return await Array.fromAsync(api.scanTree(argument))'
  const events = await runUnprivileged('agent/source/tree-scan.ts', body, root) as ScanEvent[]
  assert.deepEqual(story(events), ['+ .', '+ closed', '!unreadable closed', '- closed', '+ open', '- .'])
  assert.deepEqual(events.flatMap((event) => event.event === 'leave' ? [event.complete] : []), [false, true])
})

test('an entry that goes away during the scan is reported as vanished', async (t) => {
  const root = await scratchFolder(t)
  write(root, ...Array.from({ length: 100 }, (_, i) => String(1000 + i)))
  const events: ScanEvent[] = []
  for await (const event of scanTree(root)) {
    events.push(event)
    if (event.relativeParts[0] === '1000') rmSync(join(root, '1099'))
  }
  assert.deepEqual(story(events).at(-2), '!vanished 1099')
})

test('excluded folders are not entered, and the pattern is named', async (t) => {
  const root = await scratchFolder(t)
  write(root, 'a/node_modules/x', 'a/keep', 'b.tmp')
  const events = await scan(root, { exclude: ['node_modules/', '*.tmp'] })
  assert.deepEqual(story(events), ['+ .', '+ a', '+ a/keep', '!excluded a/node_modules', '- a', '!excluded b.tmp', '- .'])
  assert.equal(events[3]?.event === 'skipped' && events[3].detail, 'pattern node_modules/')
})

test('patterns never match the root itself', async (t) => {
  const root = await scratchFolder(t)
  write(root, 'a')
  assert.deepEqual(story(await scan(root, { exclude: [basename(root)] })), ['+ .', '+ a', '- .'])
})

test('an excluded path is left out under any name that leads to it; one that does not exist is no error', async (t) => {
  const root = await scratchFolder(t)
  write(root, 'home/state', 'work/file')
  symlinkSync(join(root, 'home'), join(root, 'work', 'other-name'), 'junction')
  const events = await scan(root, { excludePaths: [join(root, 'work', 'other-name'), join(root, 'absent')] })
  assert.deepEqual(story(events).filter((line) => line.includes('home')), ['!excluded home'])
})

test('a root in an excluded folder is left out, also when a link leads there', async (t) => {
  const root = await scratchFolder(t)
  write(root, 'home/holder/state', 'work/file')
  symlinkSync(join(root, 'home', 'holder'), join(root, 'link'), 'junction')
  const skippedAt = async (at: string) => story(await scan(join(root, at), { excludePaths: [join(root, 'home')] }))
  for (const at of ['home', 'home/holder', 'home/holder/state', 'link']) assert.deepEqual(await skippedAt(at), ['!excluded .'], at)
  assert.deepEqual(await skippedAt('work'), ['+ .', '+ work/file', '- .'].map((line) => line.replace('work/', '')))
})

test('an OST is skipped as a cache of the server unless asked for; a file that only bears the name is not', async (t) => {
  const root = await scratchFolder(t)
  writeFileSync(join(root, 'cache.OST'), buildOutlookFile({ client: 'SO' }).bytes)
  writeFileSync(join(root, 'renamed.ost'), buildOutlookFile({ client: 'SM' }).bytes)
  writeFileSync(join(root, 'short.ost'), 'hi')
  const events = await scan(root)
  assert.deepEqual(story(events), ['+ .', '!server-cache cache.OST', '+ renamed.ost', '+ short.ost', '- .'])
  assert.equal(events[1]?.event === 'skipped' && events[1].detail, 'cache of the server, Outlook makes it anew')
  assert.deepEqual(story(await scan(root, { includeServerCaches: true }))[1], '+ cache.OST')
})

test('partial files of an unfinished restore are skipped', async (t) => {
  const root = await scratchFolder(t)
  write(root, '.a.pst.holdfast-partial', '.a.pst.holdfast-partial.json', 'a.holdfast-partial')
  assert.deepEqual(story(await scan(root)).slice(1, -1), [
    '!unfinished-restore .a.pst.holdfast-partial', '!unfinished-restore .a.pst.holdfast-partial.json', '+ a.holdfast-partial',
  ])
})

test('a folder that is renamed while it is walked ends incomplete, and the walk goes on', async (t) => {
  const root = await scratchFolder(t)
  write(root, 'a/x', 'b')
  const events: ScanEvent[] = []
  for await (const event of scanTree(root)) {
    events.push(event)
    if (event.event === 'entry' && event.name === 'a') renameSync(join(root, 'a'), join(root, '..', `${basename(root)}-moved`))
  }
  rmSync(`${root}-moved`, { recursive: true })
  assert.deepEqual(story(events), ['+ .', '+ a', '!vanished a', '- a', '+ b', '- .'])
})

test('an aborted scan ends with the reason of the signal, and a bad pattern is refused', async (t) => {
  const root = await scratchFolder(t)
  await assert.rejects(scan(root, { signal: AbortSignal.abort(new Error('enough')) }), /enough/)
  await assert.rejects(scan(root, { exclude: ['!a'] }), (error) => hasCode(error, 'invalid-input'))
})
