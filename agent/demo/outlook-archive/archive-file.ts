import { open } from 'node:fs/promises'
import { HoldfastError } from '../../../shared/errors.ts'
import type { ErrorCode } from '../../../shared/errors.ts'

const codes: Record<string, ErrorCode> = { EEXIST: 'already-exists', ENOENT: 'not-found', ENOSPC: 'disk-full' }

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
 * @throws HoldfastError `already-exists`, `not-found`, `file-unreadable`; later also `disk-full`
 */
export async function openArchiveFile(path: string, mode: 'create' | 'change' | 'read'): Promise<OpenArchiveFile> {
  const flags = { create: 'wx+', change: 'r+', read: 'r' } as const
  const handle = await open(path, flags[mode]).catch(translate(`open ${path}`))
  return {
    size: async () => (await handle.stat()).size,
    async read(offset, length) {
      const bytes = Buffer.allocUnsafe(length)
      const { bytesRead } = await handle.read(bytes, 0, length, offset).catch(translate(`read ${path}`))
      return bytes.subarray(0, bytesRead)
    },
    async write(offset, bytes) {
      for (let done = 0; done < bytes.length;) {
        const written = handle.write(bytes, done, bytes.length - done, offset + done)
        done += (await written.catch(translate(`write ${path}`))).bytesWritten
      }
    },
    extend: (size) => handle.truncate(size).catch(translate(`extend ${path}`)),
    sync: () => handle.datasync().catch(translate(`write ${path}`)),
    [Symbol.asyncDispose]: () => handle.close(),
  }
}

function translate(what: string): (cause: NodeJS.ErrnoException) => never {
  return (cause) => {
    const code = codes[cause.code ?? ''] ?? 'file-unreadable'
    throw new HoldfastError(code, `Cannot ${what}: ${cause.code ?? 'unknown failure'}`, { cause })
  }
}
