/**
 * Writes what a snapshot holds into a target folder.
 *
 * Folders and links are made on the walk, files are opened as partial files, filled by the repository in whatever order it
 * reads packs, and get their names when they are whole. A file of the same size and time that stands there already is left
 * alone unless everything is to be overwritten. A file that cannot be restored is reported and does not stop the others,
 * unless none can be: then the first error is the command's.
 */
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import type { CommandResult, Progress } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import type { Repository } from '../repository/repository.ts'
import type { RestoreItem } from '../repository/restore.ts'
import type { Snapshot } from '../repository/snapshot.ts'
import type { Entry, FileEntry } from '../repository/tree.ts'
import { restoredTimeToleranceNs } from '../source/file-identity.ts'
import { type RestoreTarget, type TargetFile, openRestoreTarget } from '../source/target.ts'

export interface RestoreRequest {
  readonly snapshot: string
  /** As the machine that made the snapshot writes it; empty for everything. */
  readonly path: string
  readonly target: string
  /** Name for what stands at `path`, instead of its own. */
  readonly as?: string
  readonly overwrite: boolean
  readonly restoredAt: Date
}

export interface RestoreRunOptions {
  readonly signal: AbortSignal
  readonly onProgress: (progress: Progress) => void
}

export type RestoredSnapshot = Omit<CommandResult<'restore'>, 'freshness' | 'seconds'>

/** Throws `not-found`, `object-missing`, `object-damaged`, `target-newer`, `disk-full`, `target-unwritable`, `path-unsafe`, `cancelled`. */
export async function restoreSnapshot(repository: Repository, request: RestoreRequest, options: RestoreRunOptions): Promise<RestoredSnapshot> {
  const snapshot = await repository.snapshot(request.snapshot, { signal: options.signal })
  const target = await openRestoreTarget(request.target, { policy: request.overwrite ? 'overwrite' : 'beside', restoredAt: request.restoredAt })
  return await new RestoreRun(repository, { snapshot, target, request, options }).run()
}

interface RunParts {
  readonly snapshot: Snapshot
  readonly target: RestoreTarget
  readonly request: RestoreRequest
  readonly options: RestoreRunOptions
}

class RestoreRun {
  readonly #repository: Repository
  readonly #parts: RunParts
  readonly #counts = { bytes: 0, files: 0, directories: 0, symlinks: 0, unchangedFiles: 0, resumedBytes: 0 }
  readonly #written: string[] = []
  readonly #skipped: { path: string; reason: string }[] = []
  #firstError: HoldfastError | undefined
  #bytesDone = 0
  #bytesTotal = 0

  constructor(repository: Repository, parts: RunParts) {
    this.#repository = repository
    this.#parts = parts
  }

  async run(): Promise<RestoredSnapshot> {
    const { snapshot, target, options, request } = this.#parts
    if (request.path === '') this.#bytesTotal = snapshot.stats.bytes
    await this.#repository.restore(this.#items(), { signal: options.signal, onBytes: (bytes) => this.#progress(bytes) })
    options.signal.throwIfAborted()
    for (const { path, error } of await target.finishDirectories()) this.#skipped.push({ path, reason: error.message })
    const { files, unchangedFiles } = this.#counts
    if (files + unchangedFiles === 0 && this.#firstError !== undefined) throw this.#firstError
    return { snapshot: snapshot.id, target: target.root, ...this.#counts, written: this.#written, skipped: this.#skipped }
  }

  #progress(bytes: number): void {
    this.#bytesDone += bytes
    const bytesDone = this.#bytesDone
    const bytesTotal = this.#bytesTotal === 0 ? 0 : Math.max(this.#bytesTotal, bytesDone)
    this.#parts.options.onProgress({ stage: 'restoring', bytesDone, filesDone: this.#counts.files, ...(bytesTotal === 0 ? {} : { bytesTotal }) })
  }

  async *#items(): AsyncGenerator<RestoreItem> {
    const { snapshot, request, options, target } = this.#parts
    const starts = rootNames(snapshot)
    const walk = this.#repository.walk(snapshot, request.path === '' ? undefined : request.path, { signal: options.signal })
    for await (const { path, parts, entry } of walk) {
      const placed = request.path === '' ? [...starts.get(rootOf(snapshot, path)) ?? [], ...parts.slice(1)] : request.as === undefined ? parts : [request.as, ...parts.slice(1)]
      try {
        if (entry.type === 'directory') {
          await target.createDirectory(placed, { mode: entry.mode, mtimeNs: BigInt(entry.mtime) })
          this.#counts.directories++
        } else if (entry.type === 'symlink') await this.#placeSymlink(placed, entry)
        else {
          if (path === request.path) this.#bytesTotal = entry.size
          const item = await this.#openItem(path, placed, entry)
          if (item !== undefined) yield item
        }
      } catch (error) {
        this.#failed(path, error)
      }
    }
  }

  async #placeSymlink(parts: readonly string[], entry: Entry & { type: 'symlink' }): Promise<void> {
    const { outcome, path } = await this.#parts.target.createSymlink(parts, entry.target, BigInt(entry.mtime))
    if (outcome === 'skipped') this.#skipped.push({ path, reason: 'this system lets not everybody make symbolic links' })
    else this.#counts.symlinks++
  }

  async #openItem(path: string, parts: readonly string[], entry: FileEntry): Promise<RestoreItem | undefined> {
    const { target, request } = this.#parts
    if (!request.overwrite && await this.#isThere(parts, entry)) {
      await target.removePartial(parts)
      this.#counts.unchangedFiles++
      this.#bytesDone += entry.size
      return undefined
    }
    const file = await target.openFile(parts, {
      size: entry.size, mtimeNs: BigInt(entry.mtime), mode: entry.mode,
      contentKey: createHash('sha256').update(JSON.stringify(entry.content)).digest('hex'),
    })
    const resumed = file.written().reduce((sum, [start, end]) => sum + end - start, 0)
    this.#counts.resumedBytes += resumed
    this.#progress(resumed)
    return {
      content: entry.content,
      target: { fd: file.fd, written: async (offset, length) => { await file.recordWritten(offset, length) }, fault: (cause) => file.writeFault(cause) },
      isWritten: (offset, length) => file.isWritten(offset, length),
      done: async (error) => { await this.#done(path, entry, file, error) },
    }
  }

  async #isThere(parts: readonly string[], entry: FileEntry): Promise<boolean> {
    const existing = await this.#parts.target.existing(parts)
    if (existing?.type !== 'file' || existing.size !== entry.size) return false
    const apart = existing.mtimeNs - BigInt(entry.mtime)
    return apart <= restoredTimeToleranceNs && apart >= -restoredTimeToleranceNs
  }

  /** What the repository did not write is a hole. The partial file of a failed one stays, to go on from. */
  async #done(path: string, entry: FileEntry, file: TargetFile, error: HoldfastError | undefined): Promise<void> {
    await using open = file
    try {
      if (error !== undefined) throw error
      for (const { start, end } of gapsOf(open.written(), entry.size)) await open.hole(start, end - start)
      const finished = await open.finish()
      if (finished.outcome === 'unchanged') this.#counts.unchangedFiles++
      else {
        this.#counts.files++
        this.#counts.bytes += entry.size
        this.#written.push(finished.path)
      }
    } catch (cause) {
      if (error !== undefined && error.code !== 'cancelled') await open.checkpoint().catch(() => {}) // the error that matters is `error`
      this.#failed(path, cause)
    }
  }

  #failed(path: string, error: unknown): void {
    if (!(error instanceof HoldfastError)) throw error
    if (error.code === 'cancelled' || error.code === 'disk-full' || error.code === 'target-unwritable') throw error
    this.#firstError ??= error
    this.#skipped.push({ path, reason: error.message })
  }
}

function gapsOf(ranges: readonly (readonly [number, number])[], size: number): { start: number; end: number }[] {
  const gaps: { start: number; end: number }[] = []
  let at = 0
  for (const [start, end] of ranges) {
    if (start > at) gaps.push({ start: at, end: start })
    at = Math.max(at, end)
  }
  if (at < size) gaps.push({ start: at, end: size })
  return gaps
}

/** Names under which the roots come back: their last component, or, where two are the same, their whole path as folders. */
function rootNames(snapshot: Snapshot): Map<string, readonly string[]> {
  const names = snapshot.roots.map(({ entry }) => entry.name.toLowerCase())
  return new Map(snapshot.roots.map(({ path, entry }) => {
    const alone = names.filter((name) => name === entry.name.toLowerCase()).length === 1
    return [path, alone ? [entry.name === '' ? basename(path) || 'root' : entry.name] : path.split(/[\\/]+/u).map((part) => part.replace(':', '')).filter((part) => part !== '')]
  }))
}

function rootOf(snapshot: Snapshot, path: string): string {
  return snapshot.roots.map((root) => root.path).filter((root) => path === root || path.startsWith(root)).sort((a, b) => b.length - a.length)[0] ?? path
}
