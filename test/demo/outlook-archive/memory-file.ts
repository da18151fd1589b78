import type { ArchiveFile } from '../../../agent/demo/outlook-archive/archive-file.ts'

export type FileEvent =
  | { readonly kind: 'write'; readonly offset: number; readonly bytes: Buffer }
  | { readonly kind: 'extend'; readonly size: number }
  | { readonly kind: 'sync' }

/** An archive file in memory that remembers what was done to it, so a test can stop at any point. */
export class MemoryFile implements ArchiveFile {
  readonly events: FileEvent[] = []
  bytes: Buffer

  constructor(bytes: Buffer = Buffer.alloc(0)) {
    this.bytes = Buffer.from(bytes)
  }

  async size(): Promise<number> {
    return this.bytes.length
  }

  async read(offset: number, length: number): Promise<Buffer> {
    return Buffer.from(this.bytes.subarray(offset, offset + length))
  }

  async write(offset: number, bytes: Uint8Array): Promise<void> {
    this.#record({ kind: 'write', offset, bytes: Buffer.from(bytes) })
  }

  async extend(size: number): Promise<void> {
    this.#record({ kind: 'extend', size })
  }

  async sync(): Promise<void> {
    this.#record({ kind: 'sync' })
  }

  #record(event: FileEvent): void {
    this.events.push(event)
    this.bytes = apply(this.bytes, event)
  }
}

export function apply(before: Buffer, event: FileEvent): Buffer {
  if (event.kind === 'sync') return before
  const end = event.kind === 'write' ? event.offset + event.bytes.length : event.size
  const after = end > before.length ? Buffer.concat([before, Buffer.alloc(end - before.length)]) : before
  if (event.kind === 'write') event.bytes.copy(after, event.offset)
  return after
}
