/** A short state of a protected path that moves when anything in it is written, added, renamed or removed. */
import { createHash } from 'node:crypto'
import { scanTree } from './tree-scan.ts'
import type { ScanEvent, ScanOptions } from './tree-scan.ts'

export interface PathState {
  /** Bytes of all files, links not followed. */
  readonly bytes: number
  /** Hash over name, size, times and id of every entry. Times of reading do not count. */
  readonly digest: string
  /** Entries looked at. */
  readonly entries: number
}

/** Looks at every entry of a path, by the rules of the backup's own scan. */
export async function readPathState(path: string, options: ScanOptions): Promise<PathState> {
  const hash = createHash('sha256')
  let [bytes, entries] = [0, 0]
  for await (const event of scanTree(path, options)) {
    if (event.event === 'leave') continue
    entries += 1
    if (event.event === 'entry' && event.type === 'file') bytes += event.size
    hash.update(lineOf(event))
  }
  return { bytes, entries, digest: hash.digest('base64') }
}

/** JSON, so that no name can be taken for the end of another. A folder's own times follow its entries. */
function lineOf(event: Exclude<ScanEvent, { event: 'leave' }>): string {
  const stamp = event.event === 'skipped'
    ? [event.reason]
    : [event.type, event.mode, event.type === 'directory' ? '' : `${event.size} ${event.mtimeNs} ${event.ctimeNs} ${event.fileId}`]
  return `${JSON.stringify([event.relativeParts, ...stamp])}\n`
}
