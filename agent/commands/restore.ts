/** Restores a snapshot, a folder or a file into a folder: verified, resumable, never over a newer file unasked. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import type { AgentContext } from './context.ts'
import type { RunOptions } from './command.ts'
import { refreshHeads } from './freshness.ts'
import { restoreSnapshot } from './restore-snapshot.ts'

export async function restore(context: AgentContext, request: CommandRequest<'restore'>, options: RunOptions): Promise<CommandResult<'restore'>> {
  const startedMs = context.clock.monotonic()
  const services = await context.backup()
  options.onProgress({ stage: 'looking for the newest snapshot' })
  await context.group().meetPeers(options.signal)
  const { freshness } = await refreshHeads(services, options.signal)
  const restored = await restoreSnapshot(services.repository, { ...request, restoredAt: new Date(context.clock.now()) }, options)
  return { ...restored, freshness, seconds: (context.clock.monotonic() - startedMs) / 1000 }
}
