import { open } from 'node:fs/promises'
import { HoldfastError } from '../../../shared/errors.ts'

/** The bytes of an archive, read and written at positions. What is written is durable after `sync`. */
export interface ArchiveFile {
  size(): Promise<number>
  /** Reads up to `length` bytes; fewer only at the end of the file. */
  read(offset: number, length: number): Promise<Buffer>
  write(offset: number, bytes: Uint8Array): Promise<void>
  /** Extends the file with zeros. */
  extend(size: number): Promise<void>
  sync(): Promise<void>
}

export interface OpenArchiveFile extends ArchiveFile, AsyncDisposable {}

/**
 * @param mode `create` refuses an existing file
 * @throws HoldfastError `already-exists`, `not-found`, `file-unreadable`
 */
export async function openArchiveFile(path: string, mode: 'create' | 'change' | 'read'): Promise<OpenArchiveFile> {
  const flags = { create: 'wx+', change: 'r+', read: 'r' } as const
  const handle = await open(path, flags[mode]).catch((cause: NodeJS.ErrnoException) => {
    const code = cause.code === 'EEXIST' ? 'already-exists' : cause.code === 'ENOENT' ? 'not-found' : 'file-unreadable'
    throw new HoldfastError(code, `Cannot open ${path}: ${cause.code ?? 'unknown failure'}`, { cause })
  })
  return {
    size: async () => (await handle.stat()).size,
    async read(offset, length) {
      const bytes = Buffer.allocUnsafe(length)
      const { bytesRead } = await handle.read(bytes, 0, length, offset)
      return bytes.subarray(0, bytesRead)
    },
    async write(offset, bytes) {
      for (let done = 0; done < bytes.length;) {
        done += (await handle.write(bytes, done, bytes.length - done, offset + done)).bytesWritten
      }
    },
    extend: (size) => handle.truncate(size),
    sync: () => handle.datasync(),
    [Symbol.asyncDispose]: () => handle.close(),
  }
}
