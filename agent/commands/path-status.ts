/** How a protected path stands: whether it is backed up, what changed since, and what is wrong when it is not green. */
import { lstatSync } from 'node:fs'
import type { CommandResult, Protection } from '../../shared/api.ts'
import type { Snapshot } from '../repository/snapshot.ts'

export type PathStatus = CommandResult<'status'>['paths'][number]

/** `reason`: why nothing is known of it. */
export function unknownPath(path: string, reason: string): PathStatus {
  return { path, state: 'unprotected', lastSnapshot: null, lastSnapshotTime: null, changedSince: false, reason, growthBytes: null, ...stateNow(path) }
}

/** Of the newest snapshot that has the path. */
export function pathStatus(path: string, snapshots: readonly Snapshot[], protection: Protection): PathStatus {
  const last = snapshots.filter(({ roots }) => roots.some((root) => root.path === path)).at(-1)
  if (last === undefined) return unknownPath(path, 'never backed up')
  const entry = last.roots.find((root) => root.path === path)?.entry
  const skipped = last.skipped.find((one) => one.path === path) ?? last.skipped.find((one) => isBelow(one.path, path))
  const now = stateNow(path)
  return {
    path, state: protection.state, lastSnapshot: last.id, lastSnapshotTime: last.time, ...now,
    changedSince: entry !== undefined && changedSince(path, BigInt(entry.mtime)),
    growthBytes: now.bytes !== null && entry?.type === 'file' ? now.bytes - entry.size : null,
    reason: reasonOf(now.kind, skipped, protection) ?? damageReason(path, snapshots),
  }
}

function reasonOf(kind: PathStatus['kind'], skipped: { readonly path: string; readonly reason: string } | undefined, { state, placed, wanted }: Protection): string | null {
  if (kind === 'missing') return 'it is not there any more; the snapshots have it'
  if (skipped !== undefined) return `${skipped.path}: ${skipped.reason}`
  return state === 'protected' ? null : `${placed} of ${wanted} shards are on machines of their own`
}

/** The archive itself is damaged: which backup of it is sound still. */
function damageReason(path: string, snapshots: readonly Snapshot[]): string | null {
  const of = (snapshot: Snapshot) => snapshot.damaged?.find((archive) => archive.path === path || isBelow(archive.path, path))
  const having = snapshots.filter(({ roots }) => roots.some((root) => root.path === path))
  const damage = having.at(-1) === undefined ? undefined : of(having.at(-1) as Snapshot)
  if (damage === undefined) return null
  const sound = having.findLast((snapshot) => of(snapshot) === undefined)
  return `${damage.path} is damaged itself: ${damage.problem}; ${sound === undefined ? 'repair it with scanpst.exe' : `the backup of ${sound.time.slice(0, 16).replace('T', ' ')} UTC is sound`}`
}

function isBelow(path: string, folder: string): boolean {
  return path.startsWith(folder) && /^[\\/]/.test(path.slice(folder.length))
}

function stateNow(path: string): Pick<PathStatus, 'kind' | 'bytes'> {
  const now = lstatSync(path, { throwIfNoEntry: false })
  if (now === undefined) return { kind: 'missing', bytes: null }
  if (now.isDirectory()) return { kind: 'folder', bytes: null }
  return { kind: /\.(?:pst|ost)$/i.test(path) ? 'outlook' : 'file', bytes: now.size }
}

/** The path itself: what changed deeper in a folder is for the next run to find. */
function changedSince(path: string, mtimeNs: bigint): boolean {
  const now = lstatSync(path, { bigint: true, throwIfNoEntry: false })
  return now === undefined || now.mtimeNs !== mtimeNs
}
