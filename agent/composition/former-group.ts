/** What is left in the home of a work group that this machine left, or was taken out of, goes into a folder of its own, so that another can be entered. */
import { existsSync, mkdirSync, renameSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import type { Home } from '../home.ts'
import type { Membership } from '../network/membership/membership.ts'

/**
 * Must what is left of it be put aside at the start? It was left; or this machine was shut out, was entering another one and
 * was interrupted while it let go: setFormerAside() moves owner.json first.
 */
export function isFormer(membership: Membership, home: Home): boolean {
  return membership.own.peer?.record.state === 'left' || (membership.isRevoked(membership.self) && !existsSync(home.owner))
}

/**
 * `eraseKeys`: the owner's keys and certificates are not kept, so that nobody reads those backups with this home any more
 * (the words on paper still do, while holders have shards). What this machine kept for the others is kept, too: it may be the
 * last copy of somebody. Nothing of it may be open. Returns the folder. The owner's file goes first and the membership last:
 * when it is interrupted, the next start goes on.
 */
export function setFormerAside(home: Home, { eraseKeys, nowMs }: { eraseKeys: boolean; nowMs: number }): string {
  const folder = join(home.directory, `former-${new Date(nowMs).toISOString().replaceAll(/[:.]/g, '-')}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  if (eraseKeys) for (const path of [home.owner, home.repository]) rmSync(path, { recursive: true, force: true })
  rmSync(home.helping, { recursive: true, force: true })
  const databases = [home.placement, home.audits].flatMap((path) => [path, `${path}-wal`, `${path}-shm`])
  for (const path of [home.owner, home.repository, ...databases, home.holder, home.checks, home.alerts, home.online, home.agreements, home.handedShards, home.group]) {
    if (existsSync(path)) renameSync(path, join(folder, basename(path)))
  }
  return folder
}
