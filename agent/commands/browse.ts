/** Looking into snapshots: which there are, and what is in one. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import type { ListedEntry } from '../../shared/restore-results.ts'
import { type Snapshot, lacking } from '../repository/snapshot.ts'
import type { Entry } from '../repository/tree.ts'
import type { AgentContext } from './context.ts'
import type { RunOptions } from './command.ts'
import { refreshHeads } from './freshness.ts'

export async function listSnapshots(context: AgentContext, { kept }: CommandRequest<'snapshots'>, { signal }: RunOptions): Promise<CommandResult<'snapshots'>> {
  const services = await context.backup()
  const { freshness } = await refreshHeads(services, signal)
  if (kept) {
    await context.group().meetPeers(signal)
    await services.dispersal.refresh({ signal })
  }
  const { snapshots } = kept ? await services.repository.keptSnapshots({ signal }) : await services.repository.snapshots({ signal })
  return {
    freshness,
    snapshots: snapshots.map(toSummary),
  }
}

export function toSummary({ id, time, machine, host, roots, skipped, stats, tags, damaged = [] }: Snapshot): CommandResult<'snapshots'>['snapshots'][number] {
  return {
    id, time, machine, host, paths: roots.map(({ path }) => path), files: stats.files, bytes: stats.bytes, bytesNew: stats.bytesNew,
    complete: lacking({ skipped }).length === 0, tags, damaged: damaged.map(({ path }) => path),
  }
}

export async function listEntries(context: AgentContext, request: CommandRequest<'ls'>, { signal }: RunOptions): Promise<CommandResult<'ls'>> {
  const services = await context.backup()
  await refreshHeads(services, signal)
  const snapshot = await services.repository.snapshot(request.snapshot, { signal })
  const entries = await services.repository.list(snapshot, request.path === '' ? undefined : request.path, { signal })
  return { snapshot: snapshot.id, entries: entries.map(({ path, entry }) => listedEntry(path, entry)) }
}

export function listedEntry(path: string, entry: Entry): ListedEntry {
  const { name, type, mode, mtime } = entry
  return {
    name, path, type, mode, mtime: new Date(Number(BigInt(mtime) / 1_000_000n)).toISOString(),
    size: type === 'file' ? entry.size : 0, ...(type === 'symlink' ? { target: entry.target } : {}),
  }
}
