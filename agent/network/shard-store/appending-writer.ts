/**
 * Appends to a file in pieces of a MiB, past the page cache where the system can (uncached-file.ts): the shards of others
 * shall not push out of memory what this machine's user works with.
 */
import { close, write } from 'node:fs'
import type { FileHandle } from 'node:fs/promises'
import { promisify } from 'node:util'
import { alignedArea, blockLength, openUncached } from '../../uncached-file.ts'

const writeTo = promisify(write)
const closeFd = promisify(close)

/** Areas that are used again: fresh memory for each shard would cost as much as copying into it. */
export class WriteAreas {
  readonly #free: Buffer[] = []

  take(): Buffer {
    return this.#free.pop() ?? alignedArea()
  }

  give(area: Buffer): void {
    this.#free.push(area)
  }
}

/** One call at a time. What append() took is in the file once flush() has resolved. */
export class AppendingWriter {
  readonly #file: FileHandle
  readonly #areas: WriteAreas
  readonly #area: Buffer
  /** Where in the file the area begins. */
  #begin: number
  #length = 0
  /** The file opened once more; undefined until the first whole area, and for good where that is not known. */
  #uncached: number | undefined
  #tried = false
  #ended = false

  constructor(file: FileHandle, begin: number, areas: WriteAreas) {
    this.#file = file
    this.#areas = areas
    this.#area = areas.take()
    this.#begin = begin
  }

  /** `bytes` are copied. Rejects with what the system says. */
  async append(bytes: Uint8Array): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const capacity = this.#area.length - this.#begin % blockLength // so that the next area begins at a block
      const part = bytes.subarray(at, at + capacity - this.#length)
      this.#area.set(part, this.#length)
      this.#length += part.length
      at += part.length
      if (this.#length === capacity) await this.#empty()
    }
  }

  async flush(): Promise<void> {
    if (this.#length > 0) await this.#empty()
  }

  /** To be called when no other call is under way; what was not flushed is lost. */
  async end(): Promise<void> {
    if (this.#ended) return
    this.#ended = true
    this.#areas.give(this.#area)
    if (this.#uncached !== undefined) await closeFd(this.#uncached)
  }

  async #empty(): Promise<void> {
    const bytes = this.#area.subarray(0, this.#length)
    if (!this.#tried && bytes.length === this.#area.length) {
      this.#tried = true
      this.#uncached = openUncached(this.#file.fd)
    }
    const whole = this.#begin % blockLength === 0 ? bytes.length - bytes.length % blockLength : 0
    const done = await this.#writeBlocks(bytes.subarray(0, whole)) ? whole : 0
    await writeAll(bytes.subarray(done), this.#begin + done, async (...range) => await this.#file.write(...range))
    this.#begin += bytes.length
    this.#length = 0
  }

  /** False when they have to be written the ordinary way. */
  async #writeBlocks(bytes: Uint8Array): Promise<boolean> {
    const fd = this.#uncached
    if (fd === undefined) return false
    try {
      await writeAll(bytes, this.#begin, async (...range) => await writeTo(fd, ...range))
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EINVAL') return false
      throw error
    }
  }
}

type Write = (bytes: Uint8Array, offset: number, length: number, position: number) => Promise<{ bytesWritten: number }>

async function writeAll(bytes: Uint8Array, position: number, write: Write): Promise<void> {
  for (let written = 0; written < bytes.length;) {
    written += (await write(bytes, written, bytes.length - written, position + written)).bytesWritten
  }
}
