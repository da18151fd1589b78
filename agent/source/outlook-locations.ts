/**
 * Where this machine's Outlook archives are: Outlook's own folders, folders that a person named, and on Windows the files
 * that its profiles and its list of opened files name in the registry. What is found is an archive by its first bytes.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { open, readdir, stat } from 'node:fs/promises'
import { homedir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { outlookKindOf } from './outlook-archive.ts'

export interface FoundArchive {
  readonly path: string
  readonly bytes: number
  readonly modifiedMs: number
  readonly kind: 'pst' | 'ost'
}

export interface LocationOptions {
  readonly watchFolders: readonly string[]
  readonly signal: AbortSignal
  readonly platform?: NodeJS.Platform
  readonly home?: string
  readonly localAppData?: string | undefined
  /** Text of `reg query KEY /s`; undefined where there is none. */
  readonly readRegistry?: (key: string, signal: AbortSignal) => Promise<string | undefined>
}

/** Office 16.0 is 2016 to 365; 15.0 is 2013. `Search\Catalog` lists the archives that were indexed. */
const registryKeys = ['16.0', '15.0'].flatMap((version) => [
  `HKCU\\Software\\Microsoft\\Office\\${version}\\Outlook\\Profiles`, `HKCU\\Software\\Microsoft\\Office\\${version}\\Outlook\\Search\\Catalog`,
])
const maxDepth = 3
const maxEntries = 20_000
const registryMs = 10_000

/** Newest first. Folders that cannot be read are passed over. */
export async function findArchives(options: LocationOptions): Promise<FoundArchive[]> {
  const { platform = process.platform, home = homedir(), localAppData, watchFolders, signal, readRegistry = queryRegistry } = options
  const folders = [...watchFolders, join(home, 'Documents', 'Outlook Files'), ...(platform === 'win32' ? [join(localAppData ?? join(home, 'AppData', 'Local'), 'Microsoft', 'Outlook')] : [])]
  const left = { entries: maxEntries }
  const candidates = new Set<string>()
  for (const folder of folders) await collect(folder, { depth: maxDepth, left, signal, candidates })
  await collect(join(home, 'Documents'), { depth: 1, left, signal, candidates })
  if (platform === 'win32') {
    for (const key of registryKeys) for (const path of archivesInRegistry(await readRegistry(key, signal) ?? '')) candidates.add(path)
  }
  const found: FoundArchive[] = []
  for (const path of candidates) {
    const archive = await archiveAt(path)
    if (archive !== undefined) found.push(archive)
  }
  return found.sort((a, b) => b.modifiedMs - a.modifiedMs)
}

interface Walk {
  readonly depth: number
  readonly left: { entries: number }
  readonly signal: AbortSignal
  readonly candidates: Set<string>
}

async function collect(folder: string, { depth, left, signal, candidates }: Walk): Promise<void> {
  signal.throwIfAborted()
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => [])
  for (const entry of entries) {
    if (left.entries-- <= 0) return
    const path = join(folder, entry.name)
    if (entry.isDirectory() && depth > 1 && !entry.name.startsWith('.')) await collect(path, { depth: depth - 1, left, signal, candidates })
    else if (entry.isFile() && /\.(?:pst|ost)$/i.test(entry.name)) candidates.add(path)
  }
}

async function archiveAt(path: string): Promise<FoundArchive | undefined> {
  try {
    await using file = await open(path, 'r')
    const { buffer } = await file.read(Buffer.alloc(16), 0, 16, 0)
    const kind = outlookKindOf(buffer)
    const { size, mtimeMs } = await stat(path)
    return kind === undefined ? undefined : { path, bytes: size, modifiedMs: mtimeMs, kind }
  } catch {
    return undefined // gone, or locked by Outlook as a whole: then its protection will say so
  }
}

/**
 * Paths in the answer of `reg query /s`: as names or text values (`Search\Catalog`, REG_SZ), and as UTF-16LE in binary
 * values (a profile's file names, REG_BINARY in hexadecimal).
 */
export function archivesInRegistry(text: string): string[] {
  const paths = new Set<string>()
  for (const line of text.split(/\r?\n/)) {
    const binary = /^\s+\S.*?\s{4}REG_BINARY\s{4}([0-9A-Fa-f]+)\s*$/.exec(line)?.[1]
    const readable = binary === undefined ? line : `${line}\0${Buffer.from(binary, 'hex').toString('utf16le')}`
    for (const [path] of readable.matchAll(/(?:[A-Za-z]:|\\\\[^\\/:*?"<>|\0]+)\\[^:*?"<>|\0]*?\.(?:pst|ost)(?=$|[\s\0])/gi)) if (isAbsolute(path) || /^(?:[A-Za-z]:\\|\\\\)/.test(path)) paths.add(path)
  }
  return [...paths]
}

async function queryRegistry(key: string, signal: AbortSignal): Promise<string | undefined> {
  try {
    const child = spawn('reg', ['query', key, '/s'], { stdio: ['ignore', 'pipe', 'ignore'], windowsHide: true, signal: AbortSignal.any([signal, AbortSignal.timeout(registryMs)]) })
    const parts: Buffer[] = []
    child.stdout.on('data', (part: Buffer) => { parts.push(part) })
    await once(child, 'close')
    return Buffer.concat(parts).toString('latin1')
  } catch {
    signal.throwIfAborted()
    return undefined // no such key, or no such program
  }
}
