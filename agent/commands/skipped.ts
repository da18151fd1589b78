/** What is not in a snapshot, and why: all of it, where `status` and `backup` show the first. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import type { AgentContext } from './context.ts'
import type { RunOptions } from './command.ts'

export async function listSkipped(context: AgentContext, request: CommandRequest<'skipped'>, { signal }: RunOptions): Promise<CommandResult<'skipped'>> {
  const { repository } = await context.backup()
  const { id, skipped } = await repository.snapshot(request.snapshot, { signal })
  return { snapshot: id, skipped: skipped.map(({ path, reason, intended }) => ({ path, reason, byDesign: intended === true })) }
}
