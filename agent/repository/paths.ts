/** Finds entries of a snapshot by the paths that its machine wrote. */
import { HoldfastError } from '../../shared/errors.ts'
import type { Snapshot } from './snapshot.ts'
import type { DirectoryEntry, Entry } from './tree.ts'

/** What separates names in the paths below a root: a backslash where the machine ran Windows. */
export function separatorOf(rootPath: string): string {
  return /^(?:[A-Za-z]:|\\\\)/u.test(rootPath) ? '\\' : '/'
}

export function joinPath(path: string, separator: string, name: string): string {
  return path.endsWith(separator) ? path + name : path + separator + name
}

/** Whether `path` is `folder` or lies below it, by whichever separator; a folder may be a whole drive or `/`. */
export function isAtOrBelow(path: string, folder: string): boolean {
  return path === folder || (path.startsWith(folder) && (/[\\/]$/.test(folder) || /^[\\/]/.test(path.slice(folder.length))))
}

/** The entry at `path`: a root's path, or one below it; the longest root wins. Throws `not-found`. */
export async function findEntry(
  snapshot: Snapshot, path: string, readFolder: (entry: DirectoryEntry) => Promise<Entry[]>,
): Promise<{ entry: Entry, separator: string }> {
  const candidates = snapshot.roots.flatMap((root) => {
    const separator = separatorOf(root.path)
    const parts = partsBelow(root.path, path, separator)
    return parts === undefined ? [] : [{ root, separator, parts }]
  }).sort((a, b) => a.parts.length - b.parts.length)
  for (const { root, separator, parts } of candidates) {
    let entry: Entry | undefined = root.entry
    for (const name of parts) {
      if (entry?.type !== 'directory') entry = undefined
      else entry = (await readFolder(entry)).find((child) => child.name === name)
    }
    if (entry !== undefined) return { entry, separator }
  }
  throw new HoldfastError('not-found', `Cannot find ${path}: the snapshot does not have it`, { details: { path }, guidance: '`holdfast ls SNAPSHOT` and `holdfast search TEXT` show what it holds; a path is written whole, as there.' })
}

/** Names from `root` down to `path`; undefined when it does not lie there. */
function partsBelow(root: string, path: string, separator: string): string[] | undefined {
  const [start, wanted] = [root, path].map((text) => (separator === '\\' ? text.replaceAll('/', '\\') : text)) as [string, string]
  const base = start.endsWith(separator) ? start : start + separator
  if (wanted === start || wanted + separator === base) return []
  if (!wanted.startsWith(base)) return undefined
  return wanted.slice(base.length).split(separator).filter((name) => name !== '')
}
