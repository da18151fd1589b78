/** A folder of its own for each test, removed with everything in it, whatever its modes, when the test ends. */
import { chmod, lstat, mkdtemp, readdir, realpath, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

export async function scratchFolder(t: TestContext): Promise<string> {
  const folder = await realpath(await mkdtemp(join(tmpdir(), 'holdfast-test-')))
  t.after(async () => {
    await makeRemovable(folder)
    await rm(folder, { recursive: true, force: true })
  })
  return folder
}

async function makeRemovable(folder: string): Promise<void> {
  if (!(await lstat(folder)).isDirectory()) return
  await chmod(folder, 0o700)
  for (const name of await readdir(folder, { encoding: 'buffer' })) {
    if (name.toString('latin1') === name.toString('utf8')) await makeRemovable(join(folder, name.toString('utf8')))
  }
}
