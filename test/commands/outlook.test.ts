/** What may be opened in Outlook: archives that this agent restored, and nothing else. */
import assert from 'node:assert/strict'
import { mkdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { outlook, outlookOpen } from '../../agent/commands/outlook.ts'
import { RestoredArchives } from '../../agent/commands/restored-archives.ts'
import { keptText } from '../../agent/composition/home-text.ts'
import type { Outlook } from '../../agent/outlook/port.ts'
import { hasCode } from '../../shared/errors.ts'
import { buildOutlookFile } from '../support/outlook-file.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

const options = { signal: new AbortController().signal, onProgress: () => {} }
const archive = buildOutlookFile().bytes

async function scene(t: TestContext) {
  const folder = await scratchFolder(t)
  const opened: string[] = []
  const asked: Outlook = {
    obstacle: async () => await Promise.resolve(undefined),
    openArchive: async (path) => {
      opened.push(path)
      return await Promise.resolve({ name: 'Mail', wasOpen: false })
    },
  }
  const kept = join(folder, 'restored-archives.json')
  const context = () => ({ outlook: asked, restoredArchives: new RestoredArchives(keptText(kept), assert.ifError) })
  const restored = join(folder, 'back', 'Mail (backup).pst')
  await mkdir(join(folder, 'back'))
  await writeFile(restored, archive)
  await writeFile(join(folder, 'foreign.pst'), archive)
  const open = async (path: string) => await outlookOpen(context(), { path }, options)
  return { folder, kept, restored, opened, context, open }
}

test('an archive that was restored here is opened, also after a restart of the agent; the list names what is still there', async (t) => {
  const { folder, restored, opened, context, open } = await scene(t)
  const gone = join(folder, 'back', 'gone.PST')
  await writeFile(gone, archive)
  context().restoredArchives.add([join(folder, 'back', 'notes.txt'), gone, restored])
  await rm(gone)
  assert.deepEqual(await outlook(context(), {}, options), { available: true, reason: null, detail: null, archives: [restored] })
  assert.deepEqual(await open(restored), { path: restored, name: 'Mail', wasOpen: false })
  assert.deepEqual(await open(join(folder, 'back', '..', 'back', 'Mail (backup).pst')), { path: restored, name: 'Mail', wasOpen: false })
  assert.deepEqual(opened, [restored, restored])
})

test('a restore stays complete when the home has no room to note its archives, and the fault is reported', async (t) => {
  const { folder, restored } = await scene(t)
  const reported: unknown[] = []
  const archives = new RestoredArchives(keptText(join(folder, 'foreign.pst', 'restored-archives.json')), (error) => { reported.push(error) })
  archives.add([restored])
  assert.equal(reported.length, 1)
  assert.deepEqual(archives.paths(), [])
})

test('a foreign archive, a way around, a link in the place of the restored one, and what is no archive are refused without asking Outlook', async (t) => {
  const { folder, restored, opened, context, open } = await scene(t)
  context().restoredArchives.add([restored])
  const isRefused = (code: 'not-found' | 'file-unreadable') => (error: unknown) => hasCode(error, code)
  for (const path of [join(folder, 'foreign.pst'), join(folder, 'back', '..', 'foreign.pst'), join(folder, 'back'), '/etc/passwd', 'foreign.pst', `${restored}\0.pst`, join(folder, 'nothing.pst')]) {
    await assert.rejects(open(path), isRefused('not-found'), path)
  }
  await writeFile(restored, 'not an archive any more')
  await assert.rejects(open(restored), isRefused('file-unreadable'))
  await writeFile(restored, buildOutlookFile({ client: 'SO' }).bytes)
  await assert.rejects(open(restored), isRefused('file-unreadable'), 'a cache of the server')
  await rm(restored)
  await symlink(join(folder, 'foreign.pst'), restored)
  await assert.rejects(open(restored), isRefused('not-found'))
  await rm(restored)
  await writeFile(restored, archive)
  await rename(join(folder, 'back'), join(folder, 'moved'))
  await mkdir(join(folder, 'elsewhere'))
  await writeFile(join(folder, 'elsewhere', 'Mail (backup).pst'), archive)
  await symlink(join(folder, 'elsewhere'), join(folder, 'back'))
  await assert.rejects(open(restored), isRefused('not-found'))
  assert.deepEqual(opened, [])
})

test('a damaged list counts as none, and only the newest 200 are kept', async (t) => {
  const { folder, kept, restored, context, open } = await scene(t)
  for (const text of ['{', '{"v":2,"paths":[]}', JSON.stringify({ v: 1, paths: [7] })]) {
    await writeFile(kept, text)
    await assert.rejects(open(restored), (error) => hasCode(error, 'not-found'), text)
  }
  const many = Array.from({ length: 201 }, (_, at) => join(folder, `${at}.pst`))
  for (const path of many) await writeFile(path, '')
  context().restoredArchives.add(many)
  context().restoredArchives.add([restored])
  const { paths } = JSON.parse(await readFile(kept, 'utf8')) as { paths: string[] }
  assert.deepEqual([paths.length, paths[0], paths[1]], [200, restored, many[200]])
})
