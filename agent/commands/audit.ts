/** Asks the holders for random parts of what they acknowledged; forgets where dead objects lay. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { shortId } from '../../shared/ids.ts'
import { auditHolders } from '../network/audit.ts'
import type { AgentContext } from './context.ts'
import { meetMs } from './freshness.ts'
import type { RunOptions } from './command.ts'

const mostShown = 100

export async function audit(context: AgentContext, { due }: CommandRequest<'audit'>, { signal, onProgress }: RunOptions): Promise<CommandResult<'audit'>> {
  const { audits, dispersal, repository } = await context.backup()
  if (!due) await context.group().meetPeers(signal, { patienceMs: meetMs })
  const { head } = repository
  if (head !== undefined) dispersal.forgetDead(head.live)
  const report = await auditHolders(dispersal, { book: audits, live: head?.live ?? [], evenIfNotDue: !due }, {
    signal, onProgress: ({ done, total }) => onProgress({ stage: 'auditing the holders', detail: `${done} of ${total}` }),
  })
  const problems = report.damaged.map(({ object, number, machine, reason }) => `shard ${number} of ${object.kind} ${shortId(object.id)} on ${machine}: ${reason}`)
  return { holders: report.holders.map((holder) => ({ ...holder })), bytesRead: report.bytesRead, problems: problems.slice(0, mostShown) }
}
