/** Leaves out what no snapshot needs and rewrites packs that are mostly dead, or small and many (repository/prune.ts). */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import type { AgentContext } from './context.ts'
import type { RunOptions } from './command.ts'
import { liveBytesOf, mayFreeze } from './sudden-change.ts'
import { meetHolders, refreshHeads } from './freshness.ts'

export async function prune(context: AgentContext, { maxRewriteBytes, dryRun }: CommandRequest<'prune'>, { signal, onProgress }: RunOptions): Promise<CommandResult<'prune'>> {
  const services = await context.backup()
  await meetHolders(context, services, signal)
  await refreshHeads(services, signal)
  onProgress({ stage: 'finding what nothing needs any more' })
  const before = liveBytesOf(services)
  const report = await services.repository.prune({ dryRun, maxRewriteBytes: maxRewriteBytes ?? undefined }, { signal })
  return { ...report, mayFreeze: mayFreeze(report.droppedBytes, before), dryRun }
}
