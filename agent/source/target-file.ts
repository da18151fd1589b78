/**
 * One file on its way to the target.
 *
 * Bytes go to `.<name>.holdfast-partial`, which has its full length from the start; checkpoint() syncs them and then
 * names their ranges in a journal, so that a later restore of the same content goes on from there. finish() wants
 * every byte to be written or declared a hole, sets mode and times, syncs, and gives the file its final name.
 * Nothing partial ever stands under the final name. The caller verifies the bytes before it writes them.
 */
import { constants } from 'node:fs'
import { open, rm } from 'node:fs/promises'
import type { FileHandle } from 'node:fs/promises'
import { join } from 'node:path'
import type { HoldfastError } from '../../shared/errors.ts'
import { ByteRanges } from './byte-ranges.ts'
import type { ByteRange } from './byte-ranges.ts'
import { systemCode, unreadable, unwritable } from './file-faults.ts'
import { fileIdOf, utimesSeconds } from './file-identity.ts'
import { partialNames } from './partial-name.ts'
import type { PartialNames } from './partial-name.ts'
import { readPartialJournal, removePartialJournal, writePartialJournal } from './partial-journal.ts'
import type { PartialContent } from './partial-journal.ts'
import { assertReplaceable, placeFile, replace } from './placing.ts'
import type { ExistingPolicy } from './placing.ts'
import { entryAt } from './target-path.ts'
import type { SafePath } from './target-path.ts'

export interface TargetFileOptions {
  readonly size: number
  readonly mtimeNs: bigint
  /** Permission bits, of which 0o777 are restored. Set-user-id and set-group-id are dropped: the restored file may have another owner. */
  readonly mode: number
  /** Names the content: an interrupted restore is gone on with only under the same key and size. */
  readonly contentKey: string
}

export interface PlacingOptions {
  readonly policy: ExistingPolicy
  readonly restoredAt: Date
  readonly checkpointBytes: number
  /**
   * Ids of what this restore wrote itself, added to by finish(). Such an entry is never replaced: its name is one that
   * this file system cannot tell from the new one, by letter case for instance.
   */
  readonly own: Set<string>
}

export interface FinishedFile {
  /** `unchanged`: the file there has these bytes already and was left as it is, its mode and times too. */
  readonly outcome: 'created' | 'replaced' | 'beside' | 'unchanged'
  readonly path: string
}

/** Opens the partial file of an earlier restore of this content, or a new one. */
export async function openTargetFile(
  place: SafePath, options: TargetFileOptions, placing: PlacingOptions,
): Promise<TargetFile> {
  await assertReplaceable(place.path, options.mtimeNs, placing.policy)
  const names = partialNames(place.name)
  const path = join(place.parent, names.data)
  const resumed = await reopenPartial(path, place.parent, names, options)
  if (resumed !== undefined) return new TargetFile(place, options, placing, resumed)
  await rm(path, { force: true }).catch((error: unknown) => {
    throw unwritable(path, error)
  })
  await removePartialJournal(place.parent, names)
  const handle = await createPartial(path, options.size)
  const fileId = fileIdOf(await handle.stat({ bigint: true }))
  return new TargetFile(place, options, placing, { handle, fileId, written: new ByteRanges(), resumed: false })
}

interface OpenPartial {
  readonly handle: FileHandle
  readonly fileId: string
  readonly written: ByteRanges
  readonly resumed: boolean
}

/** A second name would mean that the final file exists already; a link or special file was never ours. */
async function reopenPartial(
  path: string, folder: string, names: PartialNames, options: TargetFileOptions,
): Promise<OpenPartial | undefined> {
  const entry = await entryAt(path)
  if (entry === undefined || !entry.isFile() || entry.nlink !== 1n || entry.size !== BigInt(options.size)) {
    return undefined
  }
  const fileId = fileIdOf(entry)
  const written = await readPartialJournal(folder, names, { contentKey: options.contentKey, size: options.size, fileId })
  if (written === undefined) return undefined
  const handle = await open(path, constants.O_RDWR | (constants.O_NOFOLLOW ?? 0)).catch((error: unknown) => {
    throw unwritable(path, error)
  })
  return { handle, fileId, written, resumed: true }
}

async function createPartial(path: string, size: number): Promise<FileHandle> {
  const flags = constants.O_RDWR | constants.O_CREAT | constants.O_EXCL | (constants.O_NOFOLLOW ?? 0)
  const handle = await open(path, flags, 0o600).catch((error: unknown) => {
    throw unwritable(path, error)
  })
  try {
    await handle.truncate(size)
    return handle
  } catch (error) {
    await handle.close()
    await rm(path, { force: true })
    throw unwritable(path, error)
  }
}

export class TargetFile implements AsyncDisposable {
  readonly #place: SafePath
  readonly #options: TargetFileOptions
  readonly #placing: PlacingOptions
  readonly #names: PartialNames
  readonly #partialPath: string
  readonly #partial: OpenPartial
  readonly #content: PartialContent
  #unsynced = 0
  #checkpoints: Promise<void> = Promise.resolve()
  #failed = false
  #journalled: boolean
  #open = true

  constructor(place: SafePath, options: TargetFileOptions, placing: PlacingOptions, partial: OpenPartial) {
    this.#place = place
    this.#options = options
    this.#placing = placing
    this.#partial = partial
    this.#journalled = partial.resumed
    this.#names = partialNames(place.name)
    this.#partialPath = join(place.parent, this.#names.data)
    this.#content = { contentKey: options.contentKey, size: options.size, fileId: partial.fileId }
  }

  /** Ranges that need not be written again, sorted; after an interrupted restore those that were checkpointed. */
  written(): readonly ByteRange[] {
    return this.#partial.written.list()
  }

  isWritten(offset: number, length: number): boolean {
    return this.#partial.written.has(offset, offset + length)
  }

  /** Any order, several at once. Throws `disk-full` or `target-unwritable`; what was checkpointed stays for later. */
  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#assertInside(offset, bytes.byteLength)
    await this.#writeAll(offset, bytes)
    await this.recordWritten(offset, bytes.byteLength)
  }

  /** For other threads to write through, which then tell recordWritten(). */
  get fd(): number {
    return this.#partial.handle.fd
  }

  /** What a write through `fd` that the system refused means to the user. */
  writeFault(cause: NodeJS.ErrnoException): HoldfastError {
    return unwritable(this.#partialPath, cause)
  }

  /** Notes a range that was written through `fd`. */
  async recordWritten(offset: number, length: number): Promise<void> {
    this.#assertInside(offset, length)
    this.#partial.written.add(offset, offset + length)
    this.#unsynced += length
    if (this.#unsynced >= this.#placing.checkpointBytes) await this.checkpoint()
  }

  /** Declares a range of zeros, which takes no space in a new file. */
  async hole(offset: number, length: number): Promise<void> {
    this.#assertInside(offset, length)
    if (this.#partial.resumed) await this.#clear(offset, length)
    this.#partial.written.add(offset, offset + length)
  }

  /** Syncs what is written and names it in the journal. */
  async checkpoint(): Promise<void> {
    const next = this.#checkpoints.then(() => this.#checkpointNow())
    this.#checkpoints = next.catch(() => undefined)
    await next
  }

  async #checkpointNow(): Promise<void> {
    const ranges = new ByteRanges(this.#partial.written.list())
    this.#unsynced = 0
    try {
      await this.#partial.handle.datasync()
      await writePartialJournal(this.#place.parent, this.#names, { content: this.#content, ranges })
      this.#journalled = true
    } catch (error) {
      this.#failed = true
      throw unwritable(this.#partialPath, error)
    }
  }

  /**
   * Gives the whole file its final name. Throws RangeError when bytes are missing, `target-newer` or `already-exists`
   * when the name was taken meanwhile (the partial file stays), `target-unwritable` and `disk-full`.
   */
  async finish(): Promise<FinishedFile> {
    if (!this.isWritten(0, this.#options.size)) throw new RangeError('bytes of the file are missing')
    await this.#checkpoints
    const path = this.#partialPath
    const { handle } = this.#partial
    try {
      const modified = utimesSeconds(this.#options.mtimeNs)
      if (process.platform !== 'win32') await handle.chmod(this.#options.mode & 0o777)
      await handle.utimes(modified, modified)
      await handle.sync()
    } catch (error) {
      this.#failed = true
      throw unwritable(path, error)
    }
    const same = await this.#isThereAlready()
    await this.#close()
    if (same) {
      await this.#remove()
      return { outcome: 'unchanged', path: this.#place.path }
    }
    const placed = await this.#putInPlace()
    this.#placing.own.add(this.#partial.fileId)
    await removePartialJournal(this.#place.parent, this.#names)
    return placed
  }

  async #putInPlace(): Promise<FinishedFile> {
    const { policy, restoredAt, own } = this.#placing
    const existing = await entryAt(this.#place.path)
    if (policy === 'beside' || existing === undefined || own.has(fileIdOf(existing))) {
      const path = await placeFile(this.#partialPath, this.#place, restoredAt)
      return { outcome: path === this.#place.path ? 'created' : 'beside', path }
    }
    await assertReplaceable(this.#place.path, this.#options.mtimeNs, policy)
    await replace(this.#partialPath, this.#place.path)
    return { outcome: 'replaced', path: this.#place.path }
  }

  /** Byte by byte; with `overwrite` the file is replaced in any case, so that mode and times come back too. */
  async #isThereAlready(): Promise<boolean> {
    if (this.#placing.policy === 'overwrite') return false
    const existing = await entryAt(this.#place.path)
    if (existing?.isFile() !== true || existing.size !== BigInt(this.#options.size)) return false
    const flags = constants.O_RDONLY | (constants.O_NOFOLLOW ?? 0)
    const other = await open(this.#place.path, flags).catch((error: unknown) => {
      if (['EACCES', 'EPERM', 'EBUSY', 'ELOOP', 'ENOENT'].includes(systemCode(error))) return undefined
      throw unreadable(this.#place.path, error)
    })
    if (other === undefined) return false
    try {
      return await sameBytes(this.#partial.handle, other, this.#options.size)
    } catch (error) {
      throw unreadable(this.#place.path, error)
    } finally {
      await other.close()
    }
  }

  /** Removes every trace of the partial file. */
  async discard(): Promise<void> {
    await this.#checkpoints
    await this.#close()
    await this.#remove()
  }

  async #remove(): Promise<void> {
    await rm(this.#partialPath, { force: true })
    await removePartialJournal(this.#place.parent, this.#names)
  }

  /**
   * Without finish() or discard() the partial file stays, with a last checkpoint unless writing failed. One that
   * never reached a checkpoint is of no use and is removed.
   */
  async [Symbol.asyncDispose](): Promise<void> {
    if (!this.#open) return
    try {
      if (!this.#failed && this.#unsynced > 0) await this.checkpoint()
    } finally {
      await this.#close()
      if (!this.#journalled) await this.#remove()
    }
  }

  async #close(): Promise<void> {
    if (!this.#open) return
    this.#open = false
    await this.#partial.handle.close()
  }

  async #writeAll(offset: number, bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.byteLength;) {
        const { bytesWritten } = await this.#partial.handle.write(bytes, done, bytes.byteLength - done, offset + done)
        done += bytesWritten
      }
    } catch (error) {
      this.#failed = true
      throw unwritable(this.#partialPath, error)
    }
  }

  /** A resumed file may hold bytes that were written after its last checkpoint. */
  async #clear(offset: number, length: number): Promise<void> {
    const step = Math.min(length, 1 << 20)
    const [zeros, there] = [Buffer.alloc(step), Buffer.alloc(step)]
    for (let done = 0; done < length; done += step) {
      const want = Math.min(step, length - done)
      const got = await readFull(this.#partial.handle, there, want, offset + done)
      if (got === want && there.compare(zeros, 0, want, 0, want) === 0) continue
      await this.#writeAll(offset + done, zeros.subarray(0, want))
      this.#unsynced += want
    }
  }

  #assertInside(offset: number, length: number): void {
    const inside = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0
    if (!inside || offset + length > this.#options.size) throw new RangeError('the range lies outside the file')
  }
}

async function sameBytes(a: FileHandle, b: FileHandle, size: number): Promise<boolean> {
  const step = Math.min(size, 1 << 20)
  const [left, right] = [Buffer.alloc(step), Buffer.alloc(step)]
  for (let at = 0; at < size; at += step) {
    const want = Math.min(step, size - at)
    const counts = await Promise.all([readFull(a, left, want, at), readFull(b, right, want, at)])
    if (counts.some((count) => count !== want) || left.compare(right, 0, want, 0, want) !== 0) return false
  }
  return true
}

async function readFull(handle: FileHandle, buffer: Buffer, length: number, position: number): Promise<number> {
  let filled = 0
  while (filled < length) {
    const { bytesRead } = await handle.read(buffer, filled, length - filled, position + filled)
    if (bytesRead === 0) break
    filled += bytesRead
  }
  return filled
}
