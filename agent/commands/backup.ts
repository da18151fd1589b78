/**
 * Backs up the protected paths, or some of them, as one snapshot.
 *
 * Each root is walked; unchanged files are taken over from the parent, the others read by the capture threads, some at a
 * time. A file that changes while it is read is read again, at most three times, then its older version is kept and it is
 * reported. Folders are stored when everything in them is. Roots that were not asked for stay as they were.
 */
import { basename, resolve, sep } from 'node:path'
import type { CommandRequest, CommandResult, Protection } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import type { DamagedArchive, SkippedPath, SnapshotRoot } from '../repository/snapshot.ts'
import { repairObjects } from '../network/repair.ts'
import { BackupSize } from './backup-size.ts'
import type { AgentContext, Backup } from './context.ts'
import type { RunOptions } from './command.ts'
import { meetHolders } from './freshness.ts'
import { refusalsOf } from './space.ts'
import { protectionOf } from './protection.ts'
import { isRecoveredElsewhere } from './status-notices.ts'
import { damageBelow, skippedBelow, storeRoot } from './store-root.ts'

/** Throws `invalid-input` when nothing is protected, `not-found` for a path that is not, `revoked` when nobody takes it from this machine any more, `too-few-holders`, `cancelled`. */
export async function backup(context: AgentContext, request: CommandRequest<'backup'>, { signal, onProgress }: RunOptions): Promise<CommandResult<'backup'>> {
  const { protect, includeOutlookCaches, label } = context.settings.config
  if (protect.length === 0) throw new HoldfastError('invalid-input', 'Cannot back up: nothing is protected yet; run holdfast protect PATH')
  const wanted = request.paths.map((path) => resolve(path))
  const unknown = wanted.find((path) => !protect.some((entry) => entry.path === path))
  if (unknown !== undefined) throw notProtected(unknown, protect.map(({ path }) => path))
  const startedMs = context.clock.monotonic()
  const services = await context.backup()
  const { repository } = services
  const host = label ?? context.group().membership.own.peer?.record.name ?? 'this machine'
  onProgress({ stage: 'meeting the others' })
  await meetHolders(context, services, signal)
  requireStanding(context)
  const totals = { unchanged: 0 }
  const scanOf = (excludes: readonly string[]) => ({ exclude: excludes, excludePaths: [context.homeDirectory], includeServerCaches: includeOutlookCaches })
  await using size = new BackupSize(protect.filter(({ path }) => wanted.length === 0 || wanted.includes(path)).map(({ path, excludes }) => ({ path, scan: scanOf(excludes) })))
  let stage = 'backing up'
  await using shadowCopies = context.shadowCopies()
  await using session = await repository.beginBackup({ host, tags: request.tags }, {
    signal,
    onProgress: ({ bytesDone, bytesNew, bytesStored, files }) => {
      const bytesTotal = bytesNew === 0 ? undefined : size.total
      onProgress({ stage, bytesDone, filesDone: files, bytesSent: bytesStored, ...(bytesTotal === undefined ? {} : { bytesTotal: Math.max(bytesTotal, bytesDone) }) })
    },
  })
  const roots: SnapshotRoot[] = []
  const skipped: SkippedPath[] = []
  // Of roots that were not asked for: the snapshot lacks it still, this run did not meet it.
  const lackedBefore: SkippedPath[] = []
  const damaged: DamagedArchive[] = []
  for (const { path, excludes } of protect) {
    const previous = session.previousRoot(path)
    if (wanted.length > 0 && !wanted.includes(path)) {
      if (previous !== undefined) roots.push({ path, entry: previous })
      lackedBefore.push(...skippedBelow(session.parent, path))
      damaged.push(...damageBelow(session.parent, path))
      continue
    }
    const stored = await storeRoot(session, {
      path, previous, signal, shadowCopies, now: context.clock.now,
      scan: scanOf(excludes),
    })
    totals.unchanged += stored.unchanged
    skipped.push(...stored.skipped)
    damaged.push(...stored.damaged)
    if (stored.entry !== undefined) roots.push({ path, entry: { ...stored.entry, name: basename(path) } })
  }
  if (roots.length === 0) throw new HoldfastError('file-unreadable', `Cannot back up: ${skipped[0]?.path ?? 'nothing'} ${skipped[0]?.reason ?? 'could be read'}`)
  stage = 'finishing'
  const result = await session.finish({ roots, excludes: protect.flatMap(({ excludes }) => excludes), skipped: [...lackedBefore, ...skipped], damaged })
  const protection = await placeMissing(services, { signal, onProgress })
  return {
    snapshot: result.snapshot.id, bytesRead: result.bytesRead, bytesNew: result.bytesNew, bytesStored: result.bytesStored,
    bytesSent: result.receipts.bytesSent, files: result.files, directories: result.directories, unchangedFiles: totals.unchanged,
    seconds: (context.clock.monotonic() - startedMs) / 1000, protection, skipped, damaged, refused: refusalsOf(services.dispersal),
  }
}

/** The others refuse what a machine that was shut out sends: that more of them are switched on would not help. */
function requireStanding(context: AgentContext): void {
  if (isRecoveredElsewhere(context)) {
    throw new HoldfastError('revoked', 'Cannot back up: this backup was recovered on another machine with its 24 words, and this machine is shut out', {
      guidance: 'It is backed up from there. If that was not you, the recovery kit is in other hands: tell an admin. This machine joins by a new invitation, with another --home.',
    })
  }
  if (context.group().membership.ownRefusal() === 'revoked') {
    throw new HoldfastError('revoked', 'Cannot back up: an admin shut this machine out of the work group', { guidance: 'Ask an admin. It can enter another group; into the same one it comes back by a new invitation, with another --home.' })
  }
}

function notProtected(path: string, roots: readonly string[]): HoldfastError {
  const around = roots.find((root) => path.startsWith(root.endsWith(sep) ? root : `${root}${sep}`))
  return new HoldfastError('not-found', around === undefined
    ? `Cannot back up ${path}: it is not protected; run holdfast protect`
    : `Cannot back up ${path} alone: it is in ${around}, which is backed up as a whole; run holdfast backup ${around}`)
}

/**
 * Shards that no machine had taken yet go to those that can take them now, and so do copies of what a group of two could keep
 * only once, when it has grown; the verdict afterwards.
 */
async function placeMissing(services: Backup, { signal, onProgress }: RunOptions): Promise<Protection> {
  const { dispersal, repository } = services
  const level = dispersal.redundancy()
  const missing = (repository.head?.live ?? []).filter(({ id }) => {
    const known = dispersal.index.find(id)
    if (known === undefined) return false
    const { placed, wanted, state } = dispersal.protectionOf(known, level)
    return placed < wanted || state !== 'protected'
  })
  if (missing.length > 0) {
    onProgress({ stage: 'placing missing shards' })
    await repairObjects(dispersal, { live: missing, patient: true }, { signal })
  }
  return protectionOf(services)
}

