/**
 * Walks a protected path and says what there is to back up.
 *
 * Depth first, the entries of a folder in the order of their names' UTF-8 bytes; a folder is reported before what is
 * in it and again when it is left, so that the caller can build folder lists from the bottom up. Nothing is opened
 * but `.ost` files (12 bytes) and nothing is followed: a symbolic link is reported with its target, the root's too.
 * Memory holds the names of the folders between the root and the current entry, and 64 entries of each.
 *
 * What cannot be taken is reported as skipped, with a reason, never passed over in silence. Hard links are reported
 * as ordinary files, each name by itself; their shared `fileId` is what is left of the link. Owners, access lists,
 * extended attributes and alternate data streams are not reported. A folder that another program swaps for a link
 * between two calls is not noticed here; openStableFile refuses a file whose id is not the one reported.
 */
import type { BigIntStats } from 'node:fs'
import { lstat, open, readdir, readlink, stat } from 'node:fs/promises'
import { isUtf8 } from 'node:buffer'
import { basename, join, resolve } from 'node:path'
import { compileExclusions } from './exclusions.ts'
import { isMissing, readState, systemCode, unreadable } from './file-faults.ts'
import { fileIdOf, identityOf } from './file-identity.ts'
import { outlookKindOf } from './outlook-archive.ts'
import { isPartialName } from './partial-name.ts'
import { isWithin } from './within.ts'

export interface ScanEntry {
  readonly event: 'entry'
  readonly path: string
  /** Names from the root down; empty for the root itself. */
  readonly relativeParts: readonly string[]
  readonly name: string
  readonly type: 'file' | 'directory' | 'symlink'
  /** Permission bits, 0 to 0o7777. */
  readonly mode: number
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  readonly size: number
  readonly fileId: string
  /** The text of a symbolic link. */
  readonly target?: string
}

/** Every directory entry is followed by one of these, after everything below it. */
export interface DirectoryLeft {
  readonly event: 'leave'
  readonly path: string
  readonly relativeParts: readonly string[]
  /** False when the folder could not be listed. */
  readonly complete: boolean
}

/**
 * `unreadable` and `name` (not valid Unicode: no way to store it) are failures that a user must see; `vanished` went away during
 * the walk; the others are by design: `excluded` by a pattern or path, `special` (socket, pipe, device), `server-cache` (OST),
 * `unfinished-restore` (ours).
 */
export type SkipReason =
  'unreadable' | 'vanished' | 'excluded' | 'special' | 'name' | 'server-cache' | 'unfinished-restore'

export interface SkippedEntry {
  readonly event: 'skipped'
  readonly path: string
  readonly relativeParts: readonly string[]
  readonly reason: SkipReason
  /** A sentence part for the user. */
  readonly detail: string
}

/** Whether nothing is missing without it. What was chosen itself and is left out always is. */
export function isByDesign({ reason, relativeParts }: SkippedEntry): boolean {
  return relativeParts.length > 0 && reason !== 'unreadable' && reason !== 'name'
}

export type ScanEvent = ScanEntry | DirectoryLeft | SkippedEntry

export interface ScanOptions {
  /** See exclusions.ts for their meaning. */
  readonly exclude?: readonly string[]
  /** Files and folders of our own, such as the agent's home: left out wherever they appear, and what lies in them; known by their id, not their name. */
  readonly excludePaths?: readonly string[]
  /** Take OST files too. Default false: Outlook makes them anew from the server. */
  readonly includeServerCaches?: boolean
  readonly signal?: AbortSignal
}

const batchSize = 64
/** Of what lies in `excludePaths`. */
export const ownDetail = 'it is of Holdfast itself and is never backed up'

interface Place {
  readonly path: string
  readonly parts: readonly string[]
}

interface Folder extends Place {
  readonly names: readonly string[]
  readonly complete: boolean
  next: number
  pending: ScanEvent[]
}

/**
 * Walks one protected file or folder. A root that cannot be read is a skipped entry with empty `relativeParts`.
 * Throws `invalid-input` for a bad pattern, `file-unreadable` when an excluded path cannot be looked at, and the
 * signal's reason when it is aborted.
 */
export async function* scanTree(root: string, options: ScanOptions = {}): AsyncGenerator<ScanEvent, void, void> {
  const inspect = await makeInspector(options)
  const top: Place = { path: resolve(root), parts: [] }
  const first = await inspect(top)
  yield first
  const folders: Folder[] = []
  if (isFolder(first)) folders.push(yield* enter(top))
  for (let folder = folders.at(-1); folder !== undefined; folder = folders.at(-1)) {
    options.signal?.throwIfAborted()
    const event = await nextOf(folder, inspect)
    if (event === undefined) {
      folders.pop()
      yield { event: 'leave', path: folder.path, relativeParts: folder.parts, complete: folder.complete }
      continue
    }
    yield event
    if (isFolder(event)) folders.push(yield* enter({ path: event.path, parts: event.relativeParts }))
  }
}

function isFolder(event: ScanEvent): event is ScanEntry {
  return event.event === 'entry' && event.type === 'directory'
}

/** Names are read as Latin-1, one character a byte, so that they sort by bytes and invalid ones survive. */
async function* enter(place: Place): AsyncGenerator<ScanEvent, Folder, void> {
  try {
    const names = await readdir(place.path, { encoding: 'latin1' })
    return { ...place, names: names.sort(), complete: true, next: 0, pending: [] }
  } catch (error) {
    yield failed(place, error)
    return { ...place, names: [], complete: false, next: 0, pending: [] }
  }
}

type Inspect = (place: Place) => Promise<ScanEvent>

async function nextOf(folder: Folder, inspect: Inspect): Promise<ScanEvent | undefined> {
  if (folder.pending.length === 0 && folder.next < folder.names.length) {
    const names = folder.names.slice(folder.next, folder.next + batchSize)
    folder.next += names.length
    const events = await Promise.all(names.map((bytes) => inspectName(folder, Buffer.from(bytes, 'latin1'), inspect)))
    folder.pending = events.reverse()
  }
  return folder.pending.pop()
}

async function inspectName(folder: Folder, bytes: Buffer, inspect: Inspect): Promise<ScanEvent> {
  const name = bytes.toString('utf8')
  const place = { path: join(folder.path, name), parts: [...folder.parts, name] }
  if (!isUtf8(bytes)) return skipped(place, 'name', 'its name is not valid Unicode')
  return inspect(place)
}

async function makeInspector(options: ScanOptions): Promise<Inspect> {
  const excludedBy = compileExclusions(options.exclude ?? [])
  const excludedIds = await idsOf(options.excludePaths ?? [])
  const excludedPaths = new Set(options.excludePaths?.map((path) => resolve(path)))
  return async (place) => {
    try {
      const stats = await lstat(place.path, { bigint: true })
      if (excludedPaths.has(place.path) || excludedIds.has(fileIdOf(stats)) || (place.parts.length === 0 && isWithin(place.path, excludedIds))) return skipped(place, 'excluded', ownDetail)
      if (place.parts.length > 0) {
        const pattern = excludedBy(place.parts, stats.isDirectory())
        if (pattern !== undefined) return skipped(place, 'excluded', `pattern ${pattern}`)
        if (isPartialName(place.parts.at(-1) ?? '')) {
          return skipped(place, 'unfinished-restore', 'a restore has not finished it')
        }
      }
      return await describe(place, stats, options.includeServerCaches ?? false)
    } catch (error) {
      return failed(place, error)
    }
  }
}

/** Ids of the paths that exist; one that does not cannot be met on the walk. Where a file system numbers nothing, all files have number 0. */
async function idsOf(paths: readonly string[]): Promise<ReadonlySet<string>> {
  const ids = new Set<string>()
  for (const path of paths) {
    const stats = await stat(path, { bigint: true }).catch((error: unknown) => {
      if (isMissing(error)) return undefined
      throw unreadable(path, error)
    })
    if (stats !== undefined && stats.ino !== 0n) ids.add(fileIdOf(stats))
  }
  return ids
}

async function describe(place: Place, stats: BigIntStats, includeServerCaches: boolean): Promise<ScanEvent> {
  const common = {
    event: 'entry',
    path: place.path,
    relativeParts: place.parts,
    name: place.parts.at(-1) ?? basename(place.path),
    mode: Number(stats.mode & 0o7777n),
    ...identityOf(stats),
  } as const
  if (stats.isDirectory()) return { ...common, type: 'directory' }
  if (stats.isSymbolicLink()) {
    const target = await readlink(place.path, { encoding: 'buffer' })
    if (!isUtf8(target)) return skipped(place, 'name', 'its target is not valid Unicode')
    return { ...common, type: 'symlink', target: target.toString('utf8') }
  }
  if (!stats.isFile()) return skipped(place, 'special', specialKind(stats))
  if (!includeServerCaches && common.name.toLowerCase().endsWith('.ost') && await isServerCache(place.path)) {
    return skipped(place, 'server-cache', 'cache of the server, Outlook makes it anew')
  }
  return { ...common, type: 'file' }
}

/** An `.ost` that Outlook keeps locked counts as one too: its lock is why its first bytes cannot be read. */
async function isServerCache(path: string): Promise<boolean> {
  try {
    await using file = await open(path, 'r')
    const start = Buffer.alloc(12)
    const { bytesRead } = await file.read(start, 0, start.length, 0)
    return outlookKindOf(start.subarray(0, bytesRead)) === 'ost'
  } catch (error) {
    if (systemCode(error) === 'EBUSY') return true
    throw error
  }
}

function specialKind(stats: BigIntStats): string {
  if (stats.isSocket()) return 'a socket'
  if (stats.isFIFO()) return 'a pipe'
  if (stats.isBlockDevice() || stats.isCharacterDevice()) return 'a device'
  return 'neither file, folder nor symbolic link'
}

function failed(place: Place, error: unknown): SkippedEntry {
  if (isMissing(error) && place.parts.length > 0) return skipped(place, 'vanished', 'it went away during the scan')
  return skipped(place, 'unreadable', readState(error))
}

function skipped(place: Place, reason: SkipReason, detail: string): SkippedEntry {
  return { event: 'skipped', path: place.path, relativeParts: place.parts, reason, detail }
}
