/** Looks into this machine's own folders, to choose what is protected and where to restore to. */
import { existsSync } from 'node:fs'
import { readdir, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'

type Entry = CommandResult<'folders'>['entries'][number]

const maxEntries = 2000
const statsAtOnce = 32

/** Throws `not-found` or `file-unreadable`. Entries that cannot be looked at are left out. */
export async function folders(_context: unknown, { path, files }: CommandRequest<'folders'>): Promise<CommandResult<'folders'>> {
  if (path === '/' && process.platform === 'win32') return drives()
  const folder = path ?? homedir()
  if (!isAbsolute(folder)) throw new HoldfastError('invalid-input', `Cannot look into ${folder}: the path must be absolute`)
  const names = await readNames(folder)
  const entries: Entry[] = []
  for (let at = 0; at < names.length; at += statsAtOnce) {
    const found = await Promise.all(names.slice(at, at + statsAtOnce).map(async (name) => await entryOf(folder, name)))
    entries.push(...found.filter((entry) => entry !== undefined && (files || entry.type === 'directory')) as Entry[])
  }
  entries.sort((a, b) => (a.type === b.type ? a.name.localeCompare(b.name) : a.type === 'directory' ? -1 : 1))
  const parent = dirname(resolve(folder))
  return { path: resolve(folder), parent: parent === resolve(folder) ? (process.platform === 'win32' ? '/' : null) : parent, entries: entries.slice(0, maxEntries), more: entries.length > maxEntries }
}

async function readNames(folder: string): Promise<string[]> {
  try {
    return (await readdir(folder)).filter((name) => !name.startsWith('.') && !name.startsWith('$'))
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') throw new HoldfastError('not-found', `Cannot look into ${folder}: there is no such folder`, { cause })
    throw new HoldfastError('file-unreadable', `Cannot look into ${folder}: ${code ?? 'it cannot be read'}`, { cause })
  }
}

async function entryOf(folder: string, name: string): Promise<Entry | undefined> {
  const path = join(folder, name)
  try {
    const found = await stat(path)
    return found.isDirectory() ? { name, path, type: 'directory', bytes: 0 } : found.isFile() ? { name, path, type: 'file', bytes: found.size } : undefined
  } catch {
    return undefined
  }
}

function drives(): CommandResult<'folders'> {
  const roots = [...'CDEFGHIJKLMNOPQRSTUVWXYZAB'].map((letter) => `${letter}:\\`).filter((root) => existsSync(root))
  return { path: '/', parent: null, more: false, entries: roots.map((root) => ({ name: root, path: root, type: 'directory' as const, bytes: 0 })) }
}
