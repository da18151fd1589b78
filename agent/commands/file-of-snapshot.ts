/** One file out of a snapshot as bytes, for attaching it to a message or opening it elsewhere. */
import { basename } from 'node:path'
import { HoldfastError } from '../../shared/errors.ts'
import type { AgentContext } from './context.ts'

export interface SnapshotFile {
  readonly name: string
  readonly size: number
  bytes(): AsyncIterable<Uint8Array>
}

/** `path` as the machine that made the snapshot writes it. Throws `not-found`; reading throws `object-missing`. */
export async function fileOfSnapshot(context: AgentContext, { snapshot: name, path }: { snapshot: string; path: string }, signal: AbortSignal): Promise<SnapshotFile> {
  const { repository } = await context.backup()
  const snapshot = await repository.snapshot(name, { signal })
  const entry = await repository.entry(snapshot, path, { signal })
  if (entry.type !== 'file') throw new HoldfastError('not-found', `Cannot read ${path}: it is no file`)
  return {
    name: entry.name === '' ? basename(path) : entry.name, size: entry.size,
    async *bytes() {
      for await (const { bytes } of repository.readContent(entry.content, { signal })) yield bytes
    },
  }
}
