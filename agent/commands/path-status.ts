/** How a protected path stands: whether it is backed up, what changed since, and what is wrong when it is not green. */
import { lstatSync } from 'node:fs'
import type { CommandResult, Protection } from '../../shared/api.ts'
import { isAtOrBelow } from '../repository/paths.ts'
import { type Snapshot, lacking } from '../repository/snapshot.ts'

export type PathStatus = CommandResult<'status'>['paths'][number]

/** `reason`: why nothing is known of it. */
export function unknownPath(path: string, reason: string): PathStatus {
  return { path, state: 'unprotected', lastSnapshot: null, lastSnapshotTime: null, changedSince: false, reason, trouble: null, skipped: 0, growthBytes: null, ...stateNow(path) }
}

/** Of the newest snapshot that has the path. */
export function pathStatus(path: string, snapshots: readonly Snapshot[], protection: Protection): PathStatus {
  const last = snapshots.filter(({ roots }) => roots.some((root) => root.path === path)).at(-1)
  if (last === undefined) return unknownPath(path, snapshots.at(-1)?.skipped.find((one) => one.path === path)?.reason ?? 'never backed up')
  const entry = last.roots.find((root) => root.path === path)?.entry
  const missed = lacking(last).filter((one) => isAtOrBelow(one.path, path))
  const skipped = missed.find((one) => one.path === path) ?? missed[0]
  const now = stateNow(path)
  return {
    path, state: protection.state, skipped: missed.length, lastSnapshot: last.id, lastSnapshotTime: last.time, ...now,
    changedSince: entry !== undefined && changedSince(path, BigInt(entry.mtime)),
    growthBytes: now.bytes !== null && entry?.type === 'file' ? now.bytes - entry.size : null,
    ...explained(troubleOf(path, { kind: now.kind, skipped, others: missed.length - 1, protection, snapshots })),
  }
}

interface Found {
  readonly kind: PathStatus['kind']
  readonly skipped: { readonly path: string; readonly reason: string } | undefined
  /** How many more were skipped. */
  readonly others: number
  readonly protection: Protection
  readonly snapshots: readonly Snapshot[]
}

interface Explained { readonly reason: string; readonly trouble: NonNullable<PathStatus['trouble']> }

function troubleOf(path: string, { kind, skipped, others, protection: { state, placed, wanted }, snapshots }: Found): Explained | undefined {
  if (kind === 'missing') return { reason: 'it is not there any more; the snapshots have it', trouble: { kind: 'missing', path, soundTime: null } }
  if (skipped !== undefined) return { reason: `${skipped.path}: ${skipped.reason}${others > 0 ? `; ${others} more: holdfast skipped` : ''}`, trouble: { kind: 'skipped', path: skipped.path, soundTime: null } }
  if (state !== 'protected') return { reason: `${placed} of ${wanted} shards are on machines of their own`, trouble: { kind: 'placing', path, soundTime: null } }
  return damageOf(path, snapshots)
}

/** The archive itself is damaged: which backup of it is sound still. */
function damageOf(path: string, snapshots: readonly Snapshot[]): Explained | undefined {
  const of = (snapshot: Snapshot) => snapshot.damaged?.find((archive) => isAtOrBelow(archive.path, path))
  const having = snapshots.filter(({ roots }) => roots.some((root) => root.path === path))
  const damage = having.at(-1) === undefined ? undefined : of(having.at(-1) as Snapshot)
  if (damage === undefined) return undefined
  const sound = having.findLast((snapshot) => of(snapshot) === undefined)
  const advice = sound === undefined ? 'repair it with scanpst.exe' : `the backup of ${sound.time.slice(0, 16).replace('T', ' ')} UTC is sound`
  return { reason: `${damage.path} is damaged itself: ${damage.problem}; ${advice}`, trouble: { kind: 'damaged', path: damage.path, soundTime: sound?.time ?? null } }
}

function explained(found: Explained | undefined): Pick<PathStatus, 'reason' | 'trouble'> {
  return found ?? { reason: null, trouble: null }
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
