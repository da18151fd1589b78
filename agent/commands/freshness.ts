/** How sure what was found is the newest: a restore is never refused because few answered, it is graded. */
import type { CommandResult } from '../../shared/api.ts'
import { hasCode } from '../../shared/errors.ts'
import { shortId } from '../../shared/ids.ts'
import type { AgentContext, Backup } from './context.ts'

/** How long a command that tells what is so waits for the others, so that a short-lived one tells what is so now. */
export const meetMs = 5_000

/** Meets all peers that answer, so that a holder that was off a moment ago is used again. */
export async function meetHolders(context: AgentContext, { dispersal }: Backup, signal: AbortSignal): Promise<void> {
  for (const id of await context.group().meetPeers(signal)) dispersal.holders.answered(id)
}

type Freshness = CommandResult<'snapshots'>['freshness']

/** Asks for the newest heads. With nobody answering, what was known before counts, graded `found`. */
export async function refreshHeads({ repository, heads }: Backup, signal: AbortSignal): Promise<{ freshness: Freshness; warnings: string[] }> {
  try {
    const report = await repository.refresh({ signal })
    const cloned = new Set([...report.conflicts, ...heads.clones])
    const warnings = [
      ...report.rolledBack.map(({ machine, seen, found }) => `The holders show head ${found} of machine ${shortId(machine)} although head ${seen} existed: somebody went back in time`),
      ...heads.newer.map(({ machine, seq }) => `Head ${seq} of machine ${shortId(machine)} is known to exist, but nobody who answers has it`),
      ...[...cloned].map((machine) => `Two machines sign backups with the key of machine ${shortId(machine)}: stop the copy, or recover with the recovery kit on an empty machine, which shuts both out`),
    ]
    const confirmed = report.answered === report.asked && report.asked > 0 && warnings.length === 0
    return { freshness: { answered: report.answered, asked: report.asked, newest: confirmed ? 'confirmed' : 'found' }, warnings }
  } catch (error) {
    if (!hasCode(error, 'too-few-holders', 'peer-unreachable', 'object-missing')) throw error
    return { freshness: { answered: 0, asked: 0, newest: 'found' }, warnings: [error.message] }
  }
}
