/** Stores one protected file or folder in a backup session, from the bottom up. */
import { type HoldfastError, hasCode } from '../../shared/errors.ts'
import type { BackupSession } from '../repository/backup-session.ts'
import { isAtOrBelow } from '../repository/paths.ts'
import type { DamagedArchive, SkippedPath, Snapshot } from '../repository/snapshot.ts'
import type { Entry, FileEntry } from '../repository/tree.ts'
import type { ShadowCopies } from '../source/shadow-copies.ts'
import { checkOutlookArchive, damageOf } from '../source/outlook-health.ts'
import { type StableFile, openStableFile } from '../source/stable-file.ts'
import { type ScanEntry, type ScanOptions, type SkippedEntry, isByDesign, scanTree } from '../source/tree-scan.ts'
import { archiveIdentityText, fileIdentityText, isArchiveIdentity, isUnchangedArchive } from './file-identity-text.ts'

const filesAtOnce = 64
const bytesAtOnce = 256 * 1024 * 1024
const tries = 3

export interface RootRequest {
  readonly path: string
  /** The root's entry in the parent. */
  readonly previous: Entry | undefined
  readonly scan: ScanOptions
  /** Where files that another program has locked can be read; absent where the system has no such thing. */
  readonly shadowCopies?: ShadowCopies | undefined
  readonly signal: AbortSignal
  /** Milliseconds since 1970. */
  readonly now: () => number
}

export interface StoredRoot {
  /** Undefined when the root could not be read at all and there is no older version. */
  readonly entry: Entry | undefined
  readonly unchanged: number
  readonly skipped: readonly SkippedPath[]
  /** Archives in it that are damaged themselves, as far as known. */
  readonly damaged: readonly DamagedArchive[]
}

interface Folder {
  readonly scanned: ScanEntry
  readonly previousEntry: Entry | undefined
  readonly previous: ReadonlyMap<string, Entry>
  readonly entries: Entry[]
  readonly files: Promise<void>[]
}

export async function storeRoot(session: BackupSession, request: RootRequest): Promise<StoredRoot> {
  return await new RootWalk(session, request).run()
}

class RootWalk {
  readonly #session: BackupSession
  readonly #request: RootRequest
  readonly #skipped: SkippedPath[] = []
  readonly #damaged: DamagedArchive[] = []
  readonly #folders: Folder[] = []
  readonly #active = new Set<Promise<void>>()
  readonly #failure = Promise.withResolvers<never>()
  #activeBytes = 0
  #unchanged = 0
  #root: Entry | undefined
  #rootFile: Promise<void> | undefined

  constructor(session: BackupSession, request: RootRequest) {
    this.#session = session
    this.#request = request
    this.#failure.promise.catch(() => {})
  }

  async run(): Promise<StoredRoot> {
    const { path, scan, signal, previous } = this.#request
    try {
      for await (const event of scanTree(path, { ...scan, signal })) {
        if (event.event === 'skipped') this.#skip(event)
        else if (event.event === 'leave') await this.#leave(event.complete)
        else await this.#enter(event)
      }
      await this.#rootFile
    } finally {
      await Promise.allSettled(this.#active)
    }
    return { entry: this.#root ?? previous, unchanged: this.#unchanged, skipped: this.#skipped, damaged: this.#damaged }
  }

  /** What cannot be read now stays as it was: an older version is better than none. */
  #skip(event: SkippedEntry): void {
    const { path, detail, reason, relativeParts } = event
    this.#skipped.push({ path, reason: detail, ...(isByDesign(event) ? { intended: true as const } : {}) })
    const kept = reason === 'unreadable' ? this.#previousOf(relativeParts.at(-1)) : undefined
    if (kept === undefined) return
    this.#carryDamage(path)
    this.#place(this.#folders.at(-1), kept)
  }

  #previousOf(name: string | undefined): Entry | undefined {
    return name === undefined ? this.#request.previous : this.#folders.at(-1)?.previous.get(name)
  }

  #place(folder: Folder | undefined, entry: Entry): void {
    if (folder === undefined) this.#root = entry
    else folder.entries.push(entry)
  }

  async #enter(scanned: ScanEntry): Promise<void> {
    const parent = this.#folders.at(-1)
    const previous = parent === undefined ? this.#request.previous : parent.previous.get(scanned.name)
    const { name, mode, mtimeNs, type } = scanned
    if (type === 'symlink') return this.#place(parent, { name, type, mode, mtime: String(mtimeNs), target: scanned.target ?? '' })
    if (type === 'directory') {
      this.#folders.push({ scanned, previousEntry: previous, previous: await this.#session.previousFolder(previous), entries: [], files: [] })
      return
    }
    await this.#roomFor(scanned.size)
    const storing = this.#storeAndPlace(scanned, previous?.type === 'file' ? previous : undefined, parent)
    this.#track(storing, scanned.size)
    if (parent === undefined) this.#rootFile = storing
    else parent.files.push(storing)
  }

  async #storeAndPlace(scanned: ScanEntry, previous: FileEntry | undefined, folder: Folder | undefined): Promise<void> {
    const entry = await this.#storeFile(scanned, previous)
    if (entry !== undefined) this.#place(folder, entry)
  }

  /** Few large files or many small ones at a time. */
  async #roomFor(bytes: number): Promise<void> {
    while (this.#active.size >= filesAtOnce || (this.#active.size > 0 && this.#activeBytes + bytes > bytesAtOnce)) {
      await Promise.race([...this.#active, this.#failure.promise])
    }
  }

  #track(storing: Promise<void>, bytes: number): void {
    this.#activeBytes += bytes
    const tracked = storing.catch((error: unknown) => { this.#failure.reject(error) }).finally(() => {
      this.#active.delete(tracked)
      this.#activeBytes -= bytes
    })
    this.#active.add(tracked)
  }

  async #leave(complete: boolean): Promise<void> {
    const folder = this.#folders.pop()
    if (folder === undefined) return
    await Promise.all(folder.files)
    const { name, mode, mtimeNs } = folder.scanned
    const keep = !complete && folder.previousEntry?.type === 'directory'
    if (keep) this.#carryDamage(folder.scanned.path)
    const content = keep ? folder.previousEntry.content : await this.#session.addDirectory(folder.entries)
    this.#place(this.#folders.at(-1), { name, type: 'directory', mode, mtime: String(mtimeNs), content })
  }

  async #storeFile(scanned: ScanEntry, previous: FileEntry | undefined): Promise<Entry | undefined> {
    const { shadowCopies, signal } = this.#request
    let readFrom = scanned.path
    for (let attempt = 1; ; attempt++) {
      try {
        return await this.#storeOnce(scanned, previous, readFrom)
      } catch (error) {
        if (!hasCode(error, 'file-changed', 'file-unreadable')) throw error
        if (error.code === 'file-changed' && attempt < tries) continue
        const shadow = shadowCopies !== undefined && isLocked(error) && readFrom === scanned.path ? await shadowOf(shadowCopies, scanned.path, signal) : error
        if (typeof shadow === 'string') {
          readFrom = shadow
          continue
        }
        this.#skipped.push({ path: scanned.path, reason: reasonOf(shadow) })
        if (previous !== undefined) this.#carryDamage(scanned.path)
        return previous
      }
    }
  }

  async #storeOnce(scanned: ScanEntry, previous: FileEntry | undefined, readFrom: string): Promise<Entry> {
    const { name, mode } = scanned
    const archive = previous?.identity !== undefined && isArchiveIdentity(previous.identity)
    if (previous !== undefined && !archive && previous.identity === fileIdentityText(scanned)) {
      const content = await this.#session.keepFile(previous)
      if (content !== undefined) return this.#kept(scanned.path, { ...previous, name, mode, mtime: String(scanned.mtimeNs), content })
    }
    await using file = await openStableFile(readFrom, { now: this.#request.now })
    const mtime = String(file.identity.mtimeNs)
    const state = { header: file.start, size: file.size }
    if (previous?.identity !== undefined && file.kind === 'outlook' && isUnchangedArchive(previous.identity, state, this.#request.now())) {
      const content = await this.#session.keepFile(previous)
      if (content !== undefined) return this.#kept(scanned.path, { ...previous, name, mode, mtime, content })
    }
    let damage: string | undefined
    const content = await this.#session.addFile({
      fd: file.fd, size: file.size, chunker: file.kind === 'outlook' ? 'fixed-16k' : 'cdc-64k', previous,
      assertUnchanged: async () => {
        damage = await damageIn(file, this.#request.signal)
        await file.assertUnchanged()
      },
    })
    if (damage !== undefined) this.#damaged.push({ path: scanned.path, problem: damage })
    const identity = file.kind === 'outlook' ? archiveIdentityText(state, this.#request.now()) : file.racy ? undefined : fileIdentityText(file.identity)
    return { name, type: 'file', mode, mtime, size: file.size, content, ...(identity === undefined ? {} : { identity }) }
  }

  /** What is taken over from the parent is as damaged as it was there. */
  #carryDamage(path: string): void {
    this.#damaged.push(...damageBelow(this.#session.parent, path))
  }

  #kept(path: string, entry: FileEntry): FileEntry {
    this.#carryDamage(path)
    this.#unchanged++
    return entry
  }
}

/** Another program has it open and lets nobody else read it, as Outlook does with archives on Windows. */
function isLocked(error: HoldfastError): boolean {
  return error.code === 'file-unreadable' && ['EBUSY', 'ETXTBSY'].includes(String(error.details['reason']))
}

/** The path of a locked file in a shadow copy, or why there is none. */
async function shadowOf(shadowCopies: ShadowCopies, path: string, signal: AbortSignal): Promise<string | HoldfastError> {
  try {
    return await shadowCopies.pathOf(path, signal)
  } catch (error) {
    if (!hasCode(error, 'file-unreadable')) throw error
    return error
  }
}

function reasonOf(error: HoldfastError): string {
  return error.code === 'file-changed' ? 'it kept changing while it was read' : error.message
}

/** Archives of a snapshot, at or below a path, that were found damaged. */
export function damageBelow(snapshot: Snapshot | undefined, path: string): DamagedArchive[] {
  return snapshot?.damaged?.filter((archive) => isAtOrBelow(archive.path, path)) ?? []
}

/** What a snapshot lacks at or below a path, by design or not. */
export function skippedBelow(snapshot: Snapshot | undefined, path: string): SkippedPath[] {
  return snapshot?.skipped.filter((skipped) => isAtOrBelow(skipped.path, path)) ?? []
}

/** Reads about a hundredth of an archive: the pages that lead to its data. Undefined for what is sound or no archive. */
async function damageIn(file: StableFile, signal: AbortSignal): Promise<string | undefined> {
  if (file.kind !== 'outlook' || file.outlookHeader === undefined) return undefined // of a version that we cannot judge
  return damageOf(await checkOutlookArchive(file.fd, file, { level: 1, signal }))
}
