/** Restores a snapshot, a folder or a file: verified, resumable, never over a newer file unasked. */
import { lstatSync } from 'node:fs'
import { homedir } from 'node:os'
import { basename, dirname, extname, join } from 'node:path'
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import type { Repository } from '../repository/repository.ts'
import type { AgentContext } from './context.ts'
import type { RunOptions } from './command.ts'
import { refreshHeads } from './freshness.ts'
import { type RestoreRequest, type RestoredSnapshot, restoreSnapshot } from './restore-snapshot.ts'

type Request = CommandRequest<'restore'>

export async function restore(context: AgentContext, request: Request, options: RunOptions): Promise<CommandResult<'restore'>> {
  const startedMs = context.clock.monotonic()
  const services = await context.backup()
  options.onProgress({ stage: 'looking for the newest snapshot' })
  await context.group().meetPeers(options.signal)
  const { freshness } = await refreshHeads(services, options.signal)
  const { snapshot, path, target, overwrite } = request
  const restoredAt = new Date(context.clock.now())
  const restored = target === null
    ? await restoreBeside(services.repository, { snapshot, path, restoredAt }, options)
    : await restoreSnapshot(services.repository, { snapshot, path, target, overwrite, restoredAt }, options)
  context.restoredArchives.add(restored.written)
  return { ...restored, freshness, seconds: (context.clock.monotonic() - startedMs) / 1000 }
}

/** Folder for what has no place beside its original, because that folder is not on this machine. */
const homelessFolder = join(homedir(), 'Holdfast restored')

/** Each thing goes beside its original, under a name that tells of which backup it is: the same again goes on or changes nothing. */
async function restoreBeside(repository: Repository, { snapshot: name, path, restoredAt }: Pick<RestoreRequest, 'snapshot' | 'path' | 'restoredAt'>, options: RunOptions): Promise<RestoredSnapshot> {
  const snapshot = await repository.snapshot(name, { signal: options.signal })
  const starts = path === '' ? snapshot.roots.map((root) => root.path) : [path]
  const done: RestoredSnapshot[] = []
  let bytesDone = 0
  for (const start of starts) {
    const { folder, as } = placeBeside(start, new Date(snapshot.time))
    const before = bytesDone
    done.push(await restoreSnapshot(repository, { snapshot: snapshot.id, path: start, target: folder, as, overwrite: false, restoredAt }, {
      ...options,
      onProgress: (progress) => {
        bytesDone = before + (progress.bytesDone ?? 0)
        options.onProgress({ ...progress, bytesDone, ...(path === '' ? { bytesTotal: Math.max(snapshot.stats.bytes, bytesDone) } : {}) })
      },
    }))
  }
  return joined(done, { snapshot: snapshot.id, target: starts.length === 1 && starts[0] !== undefined ? placeBeside(starts[0], new Date(snapshot.time)).folder : '' })
}

/** `Mail.pst` → `Mail (backup of 2026-11-22 14.03).pst`, in the folder of the original when this machine has it. */
export function placeBeside(path: string, backedUp: Date): { folder: string; as: string } {
  const two = (value: number) => String(value).padStart(2, '0')
  const when = `${backedUp.getFullYear()}-${two(backedUp.getMonth() + 1)}-${two(backedUp.getDate())} ${two(backedUp.getHours())}.${two(backedUp.getMinutes())}`
  const name = basename(path) || 'root'
  const ending = extname(name)
  const folder = dirname(path)
  const isHere = lstatSync(folder, { throwIfNoEntry: false })?.isDirectory() === true
  return { folder: isHere ? folder : homelessFolder, as: `${name.slice(0, name.length - ending.length)} (backup of ${when})${ending}` }
}

function joined(parts: readonly RestoredSnapshot[], { snapshot, target }: Pick<RestoredSnapshot, 'snapshot' | 'target'>): RestoredSnapshot {
  const sum = (name: 'bytes' | 'files' | 'directories' | 'symlinks' | 'unchangedFiles' | 'resumedBytes') => parts.reduce((total, part) => total + part[name], 0)
  return {
    snapshot, target: target === '' ? [...new Set(parts.map((part) => part.target))].join(', ') : target,
    bytes: sum('bytes'), files: sum('files'), directories: sum('directories'), symlinks: sum('symlinks'), unchangedFiles: sum('unchangedFiles'), resumedBytes: sum('resumedBytes'),
    written: parts.flatMap(({ written }) => written), skipped: parts.flatMap(({ skipped }) => skipped),
  }
}
