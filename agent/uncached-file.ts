/**
 * Writing large files past the page cache (O_DIRECT, Linux). What a backup keeps for a colleague, or a restore puts back,
 * is not read again soon: cached, it pushes out what the user works with, and finding fresh pages and copying into them was
 * half of a restore's CPU. Such writes must begin and end at blocks, in the file and in memory, so bytes pass through an
 * aligned area, and what lies before the first and after the last whole block is written the ordinary way. Everything
 * is, where the system or the file system knows no such writes. Durability is the caller's affair as ever: fsync.
 */
import { closeSync, constants, openSync, writeSync } from 'node:fs'

/** Alignment that every disk takes. */
export const blockLength = 4_096
const areaLength = 1_048_576
/** Fewer bytes are not worth a file opened for them. */
const worthIt = 131_072

/** Page-aligned memory, which Node's buffers are not. */
export function alignedArea(length = areaLength): Buffer {
  const pages = Math.ceil(length / 65_536)
  return Buffer.from(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer, 0, length)
}

/** The open file once more, for uncached writing; undefined where that is not known. */
export function openUncached(fd: number): number | undefined {
  if (process.platform !== 'linux' || constants.O_DIRECT === undefined) return undefined
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_DIRECT)
  } catch {
    return undefined // a file system without it, or no /proc: the ordinary way does as well
  }
}

/** For one thread that writes ranges of files and waits for each. */
export class UncachedWriter {
  readonly #area = alignedArea()

  /** Throws what the system says, as ENOSPC. */
  write(fd: number, bytes: Uint8Array, position: number): void {
    const from = Math.ceil(position / blockLength) * blockLength
    const to = Math.floor((position + bytes.length) / blockLength) * blockLength
    if (to - from < worthIt || !this.#writeBlocks(fd, bytes.subarray(from - position, to - position), from)) return writeFully(fd, bytes, position)
    writeFully(fd, bytes.subarray(0, from - position), position)
    writeFully(fd, bytes.subarray(to - position), to)
  }

  /** False when the file takes no such writes. */
  #writeBlocks(fd: number, bytes: Uint8Array, position: number): boolean {
    const uncached = openUncached(fd)
    if (uncached === undefined) return false
    try {
      for (let at = 0; at < bytes.length; at += areaLength) {
        const part = bytes.subarray(at, at + areaLength)
        this.#area.set(part)
        writeFully(uncached, this.#area.subarray(0, part.length), position + at)
      }
      return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EINVAL') return false
      throw error
    } finally {
      closeSync(uncached)
    }
  }
}

function writeFully(fd: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, position + done)
}
