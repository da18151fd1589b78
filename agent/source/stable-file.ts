/**
 * A file as byte ranges, with the means to prove that all ranges come from one state of it.
 *
 * The file is opened once; worker threads read from its descriptor. Before the list of its chunks counts,
 * the caller calls assertUnchanged(): size, modification time, change time and id must be what they were before the
 * first byte was read, the path must still lead to the same file, and an Outlook archive must still have the same
 * header. Whatever moved throws `file-changed`, the chunks read are not referenced by any snapshot, and the caller
 * reads the file again (up to a number of times of its own). So a torn file is never stored, as far as a write shows:
 *
 * - A write within the same tick of the file system's clock as one just before opening leaves no trace in the times
 *   (2 s on FAT, 1 to 10 ms elsewhere). A file that was modified within 2 s before it was opened, by this machine's
 *   clock, is therefore marked `racy`: its identity must not be trusted at the next run, which then reads it again.
 *   A file server whose clock lags by more than that hides such a write.
 * - Programs that write through a memory mapping, or on Windows through a handle that they keep open, may update the
 *   modification time late. For Outlook archives the header tells; for other files only the next run does.
 * - Outlook archives are copy on write, so what the header names is whole as long as the header did not move.
 *
 * On Windows an archive that Outlook has open is `file-unreadable` here; shadow-copies.ts has a path where it can be read.
 */
import { constants } from 'node:fs'
import { lstat, open } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { HoldfastError } from '../../shared/errors.ts'
import { isMissing, systemCode, unreadable } from './file-faults.ts'
import { identityOf, isRacy, sameIdentity } from './file-identity.ts'
import type { FileIdentity } from './file-identity.ts'
import { outlookHeaderLength, outlookKindOf, parseOutlookHeader } from './outlook-archive.ts'
import type { OutlookHeader } from './outlook-archive.ts'

export interface StableFileOptions {
  /** Milliseconds since 1970, now. */
  readonly now: () => number
  /** The `fileId` that a scan reported; another file at the path is `file-changed`. */
  readonly expectedFileId?: string
}

export class StableFile implements AsyncDisposable {
  readonly path: string
  readonly identity: FileIdentity
  /** True when the identity must not be trusted at a later run. */
  readonly racy: boolean
  /** By content: an Outlook archive (PST or OST) or anything else. */
  readonly kind: 'outlook' | 'other'
  /** The header that the archive had at opening; absent when it is of another kind or cannot be understood. */
  readonly outlookHeader: OutlookHeader | undefined
  readonly #handle: FileHandle
  readonly #start: Buffer

  constructor(handle: FileHandle, state: { path: string, identity: FileIdentity, racy: boolean, start: Buffer }) {
    this.#handle = handle
    this.#start = state.start
    this.path = state.path
    this.identity = state.identity
    this.racy = state.racy
    this.kind = outlookKindOf(state.start) === undefined ? 'other' : 'outlook'
    this.outlookHeader = parseOutlookHeader(state.start)
  }

  /** Valid in every thread of this process until the file is disposed of; keep a reference to this object. */
  get fd(): number {
    return this.#handle.fd
  }

  get size(): number {
    return this.identity.size
  }

  /** The first 568 bytes, or all of a shorter file: an archive's header, as it was at opening. */
  get start(): Uint8Array {
    return this.#start
  }

  /** Throws `file-changed` when the file is not the one that was opened any more, `file-unreadable` on a fault. */
  async assertUnchanged(): Promise<void> {
    const now = identityOf(await this.#handle.stat({ bigint: true }).catch((cause: unknown) => {
      throw unreadable(this.path, cause)
    }))
    if (now.size < this.size) throw changed(this.path, 'it was truncated')
    if (now.size > this.size) throw changed(this.path, 'it has grown')
    await this.#assertStillThere()
    if (!sameIdentity(now, this.identity)) throw changed(this.path, 'it was written to')
    if (this.kind === 'outlook' && !(await readStart(this.#handle, this.path)).equals(this.#start)) {
      throw changed(this.path, 'Outlook has written to it')
    }
  }

  async #assertStillThere(): Promise<void> {
    const there = await lstat(this.path, { bigint: true }).catch((cause: unknown) => {
      throw isMissing(cause) ? changed(this.path, 'it was removed or renamed', cause) : unreadable(this.path, cause)
    })
    if (identityOf(there).fileId !== this.identity.fileId) throw changed(this.path, 'another file took its place')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#handle.close()
  }
}

/**
 * Opens a file for reading without following a symbolic link. Throws `file-changed` when the path leads to something
 * else than was expected or to nothing any more, `file-unreadable` when it is locked or not permitted.
 */
export async function openStableFile(path: string, options: StableFileOptions): Promise<StableFile> {
  const handle = await openForReading(path)
  try {
    const stats = await handle.stat({ bigint: true })
    if (!stats.isFile()) throw changed(path, 'it is no ordinary file any more')
    const identity = identityOf(stats)
    if (options.expectedFileId !== undefined && options.expectedFileId !== identity.fileId) {
      throw changed(path, 'another file took its place')
    }
    const racy = isRacy(identity.mtimeNs, options.now())
    return new StableFile(handle, { path, identity, racy, start: await readStart(handle, path) })
  } catch (error) {
    await handle.close()
    throw unreadable(path, error)
  }
}

/** Non-blocking, so that a pipe that took the file's place cannot hold us; ordinary files do not care. */
async function openForReading(path: string): Promise<FileHandle> {
  const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0) | (constants.O_NONBLOCK ?? 0)
  try {
    return await open(path, flags)
  } catch (cause) {
    if (isMissing(cause)) throw changed(path, 'it was removed or renamed', cause)
    if (['ELOOP', 'ENXIO'].includes(systemCode(cause))) throw changed(path, 'it is no ordinary file any more', cause)
    throw unreadable(path, cause)
  }
}

async function readStart(handle: FileHandle, path: string): Promise<Buffer> {
  const start = Buffer.alloc(outlookHeaderLength)
  let filled = 0
  while (filled < start.length) {
    const { bytesRead } = await handle.read(start, filled, start.length - filled, filled).catch((cause: unknown) => {
      throw unreadable(path, cause)
    })
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return start.subarray(0, filled)
}

function changed(path: string, state: string, cause?: unknown): HoldfastError {
  return new HoldfastError('file-changed', `Cannot back up ${path}: ${state} while it was read`, {
    details: { path }, cause,
  })
}
