/**
 * The folder that a restore writes into.
 *
 * Folders are made when they are named and get their modes and times at the end, deepest first, because writing into
 * a folder moves its time and a read-only folder takes no files. Files: see target-file.ts. Links are made as they
 * were, wherever they lead, and never written through. Modification times come back within 120 ns of what was
 * recorded (see file-identity.ts); owners and access lists do not.
 *
 * One restore at a time may write into a folder: nothing here locks it.
 */
import type { BigIntStats } from 'node:fs'
import { chmod, lstat, lutimes, open, readlink, realpath, rm, stat, symlink, utimes } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { HoldfastError } from '../../shared/errors.ts'
import { systemCode, unwritable } from './file-faults.ts'
import { fileIdOf, identityOf, utimesSeconds } from './file-identity.ts'
import type { FileIdentity } from './file-identity.ts'
import { removePartialJournal } from './partial-journal.ts'
import { partialNames } from './partial-name.ts'
import { assertReplaceable, placeSymlink, replace } from './placing.ts'
import type { ExistingPolicy } from './placing.ts'
import { openTargetFile } from './target-file.ts'
import type { TargetFile, TargetFileOptions } from './target-file.ts'
import { assertRealFolder, assertTargetFolder, entryAt, makeFolder, makeFolders, safePath } from './target-path.ts'
import type { SafePath } from './target-path.ts'

export type { ExistingPolicy } from './placing.ts'
export type { FinishedFile, TargetFile, TargetFileOptions } from './target-file.ts'

export interface RestoreTargetOptions {
  /** Default `beside`. */
  readonly policy?: ExistingPolicy
  /** Stands in the names of files restored beside others; a resumed restore gives the same again. */
  readonly restoredAt: Date
  /** Bytes written to one file between two of its checkpoints; default 64 MiB. */
  readonly checkpointBytes?: number
}

export interface DirectoryAttributes {
  readonly mode: number
  readonly mtimeNs: bigint
}

export interface ExistingEntry extends FileIdentity {
  readonly path: string
  readonly type: 'file' | 'directory' | 'symlink' | 'special'
}

/** `skipped`: Windows lets only some users make symbolic links. */
export interface PlacedSymlink {
  readonly outcome: 'created' | 'replaced' | 'beside' | 'unchanged' | 'skipped'
  readonly path: string
}

export interface FailedDirectory {
  readonly path: string
  readonly error: HoldfastError
}

/** Makes the folder if need be. Throws `path-unsafe` (not absolute, or with `..`), `target-unwritable`, `already-exists` (it is no folder) or `disk-full`. */
export async function openRestoreTarget(folder: string, options: RestoreTargetOptions): Promise<RestoreTarget> {
  assertTargetFolder(folder)
  const wanted = resolve(folder)
  try {
    await makeFolders(wanted)
    const root = await realpath(wanted)
    if ((await stat(root)).isDirectory()) return new RestoreTarget(root, options)
  } catch (error) {
    throw unwritable(wanted, error)
  }
  throw new HoldfastError('already-exists', `Cannot restore into ${wanted}: it is not a folder`)
}

export class RestoreTarget {
  /** Absolute, links resolved. */
  readonly root: string
  readonly #policy: ExistingPolicy
  readonly #restoredAt: Date
  readonly #checkpointBytes: number
  readonly #directories = new Map<string, { depth: number, attributes: DirectoryAttributes | undefined }>()
  readonly #own = new Set<string>()

  constructor(root: string, options: RestoreTargetOptions) {
    this.root = root
    this.#policy = options.policy ?? 'beside'
    this.#restoredAt = options.restoredAt
    this.#checkpointBytes = options.checkpointBytes ?? 64 * 2 ** 20
  }

  /** What stands at a place now, so that a resumed restore can verify a finished file instead of fetching it again. */
  async existing(parts: readonly string[]): Promise<ExistingEntry | undefined> {
    const { path } = await safePath(this.root, parts, false)
    const entry = await entryAt(path)
    if (entry === undefined) return undefined
    const type = entry.isFile() ? 'file' : entry.isDirectory() ? 'directory' : entry.isSymbolicLink() ? 'symlink' : 'special'
    return { path, type, ...identityOf(entry) }
  }

  /** Removes what an earlier restore that was cut off left beside a file that is whole under its name. */
  async removePartial(parts: readonly string[]): Promise<void> {
    const { parent, name } = await safePath(this.root, parts, false)
    const names = partialNames(name)
    await rm(join(parent, names.data), { force: true })
    await removePartialJournal(parent, names)
  }

  /**
   * Makes a folder, or takes the one that is there; an empty path is the root. Its attributes are applied by
   * finishDirectories(), also to a folder that was there before; leave them out where that is not wanted.
   */
  async createDirectory(parts: readonly string[], attributes?: DirectoryAttributes): Promise<void> {
    const path = parts.length === 0 ? this.root : (await safePath(this.root, parts, true)).path
    if (parts.length > 0) {
      await makeFolder(path, attributes === undefined ? undefined : 0o700)
      await assertRealFolder(path)
      if (attributes !== undefined) await makeWritable(path)
    }
    this.#directories.set(path, { depth: parts.length, attributes })
  }

  /**
   * Makes a symbolic link with that text. Throws `path-unsafe` for a text with a NUL, and what the policy says for a
   * name that is taken by something else.
   */
  async createSymlink(parts: readonly string[], target: string, mtimeNs: bigint): Promise<PlacedSymlink> {
    if (target === '' || target.includes('\0')) {
      throw new HoldfastError('path-unsafe', `Cannot restore link ${parts.join('/')}: its target is not valid`)
    }
    const place = await safePath(this.root, parts, true)
    this.#note(place, parts.length)
    const existing = await entryAt(place.path)
    if (existing?.isSymbolicLink() === true && await readlink(place.path) === target) {
      return { outcome: 'unchanged', path: place.path }
    }
    await assertReplaceable(place.path, mtimeNs, this.#policy)
    try {
      const placed = await this.#placeSymlink(place, target, existing)
      await lutimes(placed.path, utimesSeconds(mtimeNs), utimesSeconds(mtimeNs))
      this.#own.add(fileIdOf(await lstat(placed.path, { bigint: true })))
      return placed
    } catch (error) {
      if (process.platform === 'win32' && systemCode(error) === 'EPERM') return { outcome: 'skipped', path: place.path }
      throw unwritable(place.path, error)
    }
  }

  async #placeSymlink(place: SafePath, target: string, existing: BigIntStats | undefined): Promise<PlacedSymlink> {
    if (this.#policy === 'beside' || existing === undefined || this.#own.has(fileIdOf(existing))) {
      const path = await placeSymlink(target, place, this.#restoredAt)
      return { outcome: path === place.path ? 'created' : 'beside', path }
    }
    const draft = join(place.parent, partialNames(place.name).data)
    await rm(draft, { force: true })
    await symlink(target, draft)
    await replace(draft, place.path)
    return { outcome: 'replaced', path: place.path }
  }

  /**
   * Opens a file for writing, making missing folders on the way. Goes on with the partial file of an interrupted
   * restore of the same content. Throws `path-unsafe`, `already-exists`, `target-newer`, `target-unwritable`.
   */
  async openFile(parts: readonly string[], options: TargetFileOptions): Promise<TargetFile> {
    const place = await safePath(this.root, parts, true)
    this.#note(place, parts.length)
    return openTargetFile(place, options, {
      policy: this.#policy,
      restoredAt: this.#restoredAt,
      checkpointBytes: this.#checkpointBytes,
      own: this.#own,
    })
  }

  /**
   * Syncs every folder that was written to and gives the named ones their modes and times, deepest first. Failures
   * are returned: the files in these folders are whole. Call it once, after the last file.
   */
  async finishDirectories(): Promise<readonly FailedDirectory[]> {
    const deepestFirst = [...this.#directories].sort(([, a], [, b]) => b.depth - a.depth)
    this.#directories.clear()
    const failed: FailedDirectory[] = []
    for (const [path, { attributes }] of deepestFirst) {
      try {
        await assertRealFolder(path)
        await syncFolder(path)
        if (attributes !== undefined) await applyAttributes(path, attributes)
      } catch (error) {
        failed.push({ path, error: unwritable(path, error) })
      }
    }
    return failed
  }

  #note(place: SafePath, depth: number): void {
    if (!this.#directories.has(place.parent)) {
      this.#directories.set(place.parent, { depth: depth - 1, attributes: undefined })
    }
  }
}

/** A folder that an earlier restore finished may be read-only; its mode comes back at the end. */
async function makeWritable(path: string): Promise<void> {
  const entry = await entryAt(path)
  if (process.platform === 'win32' || entry === undefined || (entry.mode & 0o700n) === 0o700n) return
  await chmod(path, Number(entry.mode & 0o7777n) | 0o700).catch((error: unknown) => {
    throw unwritable(path, error)
  })
}

/** Windows has no such call for folders, and some network file systems none either: they keep names by themselves. */
async function syncFolder(path: string): Promise<void> {
  if (process.platform === 'win32') return
  await using folder = await open(path, 'r')
  await folder.sync().catch((error: unknown) => {
    if (!['EINVAL', 'ENOTSUP', 'ENOSYS'].includes(systemCode(error))) throw error
  })
}

/** Set-user-id means nothing on folders; set-group-id and sticky do. */
async function applyAttributes(path: string, attributes: DirectoryAttributes): Promise<void> {
  const modified = utimesSeconds(attributes.mtimeNs)
  await utimes(path, modified, modified)
  if (process.platform !== 'win32') await chmod(path, attributes.mode & 0o3777)
}
