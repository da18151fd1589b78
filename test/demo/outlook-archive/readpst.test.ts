import assert from 'node:assert/strict'
import { execFile, spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { promisify } from 'node:util'
import { createArchive, growArchive } from '../../../agent/demo/outlook-archive/archive.ts'

const isInstalled = spawnSync('readpst', ['-V']).error === undefined
const skip = isInstalled ? false : 'readpst is not installed: apt-get install pst-utils'

test('readpst finds every mail, before and after the archive grew', { skip }, async () => {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-archive-'))
  try {
    const path = join(folder, 'archive.pst')
    const { messages } = await createArchive(path, { bytes: 10_000_000, seed: 31 })
    assert.equal(await countWithReadpst(path, join(folder, 'first')), messages)
    const grown = await growArchive(path, { addMessages: 25, deleteMessages: 15, seed: 32 })
    assert.equal(grown.messagesDeleted, 15)
    assert.equal(await countWithReadpst(path, join(folder, 'second')), messages + 25 - 15)
  } finally {
    await rm(folder, { recursive: true })
  }
})

async function countWithReadpst(path: string, target: string): Promise<number> {
  await mkdir(target)
  await promisify(execFile)('readpst', ['-r', '-q', '-j', '0', '-o', target, path])
  const files = (await readdir(target, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile())
  const texts = await Promise.all(files.map((file) => readFile(join(file.parentPath, file.name), 'latin1')))
  return texts.reduce((sum, text) => sum + (text.match(/^From "/gm)?.length ?? 0), 0)
}
