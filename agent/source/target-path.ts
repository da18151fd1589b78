/**
 * Where an entry of a backup may be written. A backup is not trusted: its names may try to climb out of the target,
 * and its symbolic links may lead out of it, so each part must be one plain name and each folder on the way down a
 * real folder. Another program that swaps folders for links while a restore runs is not defended against.
 */
import type { BigIntStats } from 'node:fs'
import { lstat, mkdir } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { HoldfastError } from '../../shared/errors.ts'
import { isMissing, systemCode, unwritable } from './file-faults.ts'
import { isPartialName } from './partial-name.ts'

const windowsReserved = /^(?:con|prn|aux|nul|conin\$|conout\$|com[0-9¹²³]|lpt[0-9¹²³]) *(?:\.|$)/iu
// oxlint-disable-next-line no-control-regex -- these are the characters that Windows refuses in names
const windowsForbidden = /[\u0000-\u001f<>:"/\\|?*]/u

/** Throws `path-unsafe` for a name that is not one plain name on this platform, or is ours for partial files. */
export function assertSafeName(name: string, platform: NodeJS.Platform = process.platform): void {
  const state = unsafeState(name, platform)
  if (state !== undefined) {
    throw new HoldfastError('path-unsafe', `Cannot restore the name ${JSON.stringify(name)}: ${state}`, {
      details: { name },
    })
  }
}

/** A folder to restore into says itself where it is. Throws `path-unsafe` when that hangs on where the agent runs, or goes up. */
export function assertTargetFolder(folder: string): void {
  const state = !isAbsolute(folder) ? 'it is not a whole path' : folder.includes('\0') ? 'it has a NUL' : folder.split(/[\\/]/u).includes('..') ? 'it goes up by ..' : undefined
  if (state !== undefined) throw new HoldfastError('path-unsafe', `Cannot restore into ${JSON.stringify(folder)}: ${state}`, { details: { folder } })
}

function unsafeState(name: string, platform: NodeJS.Platform): string | undefined {
  if (name === '' || name === '.' || name === '..') return 'it names no entry of a folder'
  if (name.includes('/') || name.includes('\0')) return 'it is not one name'
  if (!name.isWellFormed()) return 'it is not valid Unicode'
  if (isPartialName(name)) return 'it is kept for unfinished restores'
  if (platform !== 'win32') return undefined
  if (windowsForbidden.test(name)) return 'Windows does not allow its characters'
  if (/[. ]$/u.test(name)) return 'Windows does not allow a dot or space at its end'
  return windowsReserved.test(name) ? 'Windows keeps it for a device' : undefined
}

/** The entry at the path itself, not what a link leads to; undefined when there is none. */
export async function entryAt(path: string): Promise<BigIntStats | undefined> {
  return lstat(path, { bigint: true }).catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw unwritable(path, error)
  })
}

export interface SafePath {
  readonly parent: string
  readonly name: string
  readonly path: string
}

/**
 * The path below `root` (absolute and real). With `create`, missing folders on the way are made; otherwise they may
 * be missing. Throws `path-unsafe` for unsafe names and for a link on the way, `already-exists` when a folder on the
 * way is something else.
 */
export async function safePath(root: string, parts: readonly string[], create: boolean): Promise<SafePath> {
  for (const part of parts) assertSafeName(part)
  const name = parts.at(-1)
  if (name === undefined) throw new RangeError('an entry below the target needs a name')
  let parent = root
  for (const part of parts.slice(0, -1)) {
    parent = join(parent, part)
    if (create) await makeFolder(parent)
    await assertRealFolder(parent)
  }
  return { parent, name, path: join(parent, name) }
}

/** True when the folder was made by this call. */
export async function makeFolder(path: string, mode?: number): Promise<boolean> {
  try {
    await mkdir(path, mode === undefined ? {} : { mode })
    return true
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return false
    throw unwritable(path, error)
  }
}

/** Makes the folder and those above it that are missing; Node's own recursion never ends where a file system takes none (nodejs/node). */
export async function makeFolders(path: string): Promise<void> {
  try {
    await mkdir(path)
  } catch (error) {
    if (systemCode(error) === 'EEXIST') return
    const above = dirname(path)
    if (systemCode(error) !== 'ENOENT') throw unwritable(path, error)
    if (above === path || await entryAt(above) !== undefined) throw new HoldfastError('target-unwritable', `Cannot write ${path}: the system lets nobody make a folder in ${above}`, { details: { path, reason: 'ENOENT' }, cause: error })
    await makeFolders(above)
    await makeFolder(path)
  }
}

/** Throws unless there is nothing at the path or a real folder. */
export async function assertRealFolder(path: string): Promise<void> {
  const entry = await entryAt(path)
  if (entry?.isSymbolicLink() === true) {
    throw new HoldfastError('path-unsafe', `Cannot restore below ${path}: it is a symbolic link`, { details: { path } })
  }
  if (entry !== undefined && !entry.isDirectory()) {
    throw new HoldfastError('already-exists', `Cannot restore below ${path}: it is not a folder`, { details: { path } })
  }
}
