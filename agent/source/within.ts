/** Where a path lies, by the ids of folders: through links, by any spelling of a name and on any mount of the same folder. */
import { realpathSync, statSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { fileIdOf } from './file-identity.ts'

/** Whether the path, or what it links to, is one of these folders (ids as fileIdOf() gives them) or lies in one. What cannot be looked at is in none. */
export function isWithin(path: string, folderIds: ReadonlySet<string>): boolean {
  const starts = [resolve(path), realPath(path)].filter((start) => start !== undefined)
  return starts.some((start) => upwards(start).some((folder) => {
    const id = idOf(folder)
    return id !== undefined && folderIds.has(id)
  }))
}

/** The id of what is there, through links; undefined when it cannot be looked at, or its file system numbers nothing. */
export function idOf(path: string): string | undefined {
  try {
    const stats = statSync(path, { bigint: true })
    return stats.ino === 0n ? undefined : fileIdOf(stats)
  } catch {
    return undefined
  }
}

function realPath(path: string): string | undefined {
  try {
    return realpathSync.native(path)
  } catch {
    return undefined
  }
}

/** The path and all folders above it. */
function upwards(path: string): string[] {
  const parent = dirname(path)
  return parent === path ? [path] : [path, ...upwards(parent)]
}
