/**
 * A file system of a few hundred kilobytes, to be filled up: a tmpfs, which needs root on Linux, as continuous
 * integration has. Elsewhere the test is skipped with that reason; as root it fails when mounting does.
 */
import { execFileSync } from 'node:child_process'
import { mkdtemp, rmdir } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'

export async function smallDisk(t: TestContext, bytes: number): Promise<string | undefined> {
  if (process.platform !== 'linux' || process.getuid?.() !== 0) {
    t.skip('a small disk needs root on Linux; run `sudo npm test` there')
    return undefined
  }
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-disk-'))
  execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', folder])
  t.after(async () => {
    execFileSync('umount', ['--lazy', folder])
    await rmdir(folder)
  })
  return folder
}
