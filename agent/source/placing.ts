/** Giving a finished entry its final name without ever taking one from the user's own. */
import { link, rename, symlink, unlink } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../shared/errors.ts'
import { systemCode, unwritable } from './file-faults.ts'
import { restoredTimeToleranceNs } from './file-identity.ts'
import { besideName } from './partial-name.ts'
import { entryAt } from './target-path.ts'
import type { SafePath } from './target-path.ts'

/**
 * When the final name is taken by something else than what is restored:
 * `beside` leaves it and restores under `name (restored 2026-11-22 153000).ext`;
 * `refuse-newer` replaces it, unless it is newer than the backup: `target-newer`;
 * `overwrite` replaces it. A folder is never replaced: `already-exists`.
 */
export type ExistingPolicy = 'beside' | 'refuse-newer' | 'overwrite'

const attempts = 1000

/** Moves the file `from` to the name, or to the first free name beside it. Returns the path. */
export async function placeFile(from: string, place: SafePath, restoredAt: Date): Promise<string> {
  return firstFree(place, restoredAt, (path) => moveToFree(from, path))
}

/** Makes a symbolic link under the name, or under the first free name beside it. Returns the path. */
export async function placeSymlink(target: string, place: SafePath, restoredAt: Date): Promise<string> {
  return firstFree(place, restoredAt, (path) => succeedsIfFree(path, () => symlink(target, path)))
}

/** `take` answers false when the name is taken, and never replaces anything. */
async function firstFree(
  place: SafePath, restoredAt: Date, take: (path: string) => Promise<boolean>,
): Promise<string> {
  for (let attempt = 0; attempt <= attempts; attempt++) {
    const name = attempt === 0 ? place.name : besideName(place.name, restoredAt, attempt)
    const path = join(place.parent, name)
    if (await take(path)) return path
  }
  throw new HoldfastError('already-exists', `Cannot restore ${place.path}: no free name beside it`, {
    details: { path: place.path },
  })
}

/** A hard link fails on a taken name in one step; where there are none, the name is looked up before the rename. */
async function moveToFree(from: string, to: string): Promise<boolean> {
  let linked: boolean
  try {
    linked = await succeedsIfFree(to, () => link(from, to))
  } catch (error) {
    if (!withoutHardLinks.includes(systemCode(error))) throw unwritable(to, error)
    if (await entryAt(to) !== undefined) return false
    await replace(from, to)
    return true
  }
  if (linked) await unlink(from)
  return linked
}

const withoutHardLinks: readonly string[] = ['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EMLINK', 'EINVAL', 'EISDIR']

async function succeedsIfFree(path: string, make: () => Promise<void>): Promise<boolean> {
  if (await entryAt(path) !== undefined) return false
  try {
    await make()
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw error
  }
}

/** Renames over a file or link. */
export async function replace(from: string, to: string): Promise<void> {
  await rename(from, to).catch((error: unknown) => {
    throw unwritable(to, error)
  })
}

/** Throws `target-newer` or `already-exists` when the policy does not let `path` be written. */
export async function assertReplaceable(path: string, mtimeNs: bigint, policy: ExistingPolicy): Promise<void> {
  const existing = policy === 'beside' ? undefined : await entryAt(path)
  if (existing?.isDirectory() === true) {
    throw new HoldfastError('already-exists', `Cannot restore ${path}: a folder has that name`, { details: { path } })
  }
  const newer = existing !== undefined && existing.mtimeNs > mtimeNs + restoredTimeToleranceNs
  if (newer && policy === 'refuse-newer') {
    throw new HoldfastError('target-newer', `Cannot restore ${path}: the file there is newer`, { details: { path } })
  }
}
