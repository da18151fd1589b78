/** What is left in the home of a work group that this machine left goes into a folder of its own, so that another can be entered. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Home } from '../home.ts'

/**
 * `eraseKeys`: the owner's keys and certificates are not kept, so that nobody reads those backups with this home any more
 * (the words on paper still do, while holders have shards). Returns the folder. The membership goes last: when it is
 * interrupted, the next start goes on.
 */
export function setFormerAside(home: Home, { eraseKeys, nowMs }: { eraseKeys: boolean; nowMs: number }): string {
  const folder = join(home.directory, `former-${new Date(nowMs).toISOString().replaceAll(/[:.]/g, '-')}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (eraseKeys) for (const path of [home.owner, home.repository]) rmSync(path, { recursive: true, force: true })
  for (const path of [home.owner, home.repository, home.placement, `${home.placement}-wal`, `${home.placement}-shm`, home.checks, home.agreements, home.group]) {
    if (existsSync(path)) renameSync(path, join(folder, basename(path)))
  }
  return folder
}
