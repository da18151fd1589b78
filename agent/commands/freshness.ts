/** How sure what was found is the newest: a restore is never refused because few answered, it is graded. */
import { hasCode } from '../../shared/errors.ts'
import { shortId } from '../../shared/ids.ts'
import { noticeText } from '../../shared/notice-texts.ts'
import type { Notice } from '../../shared/notices.ts'
import type { Freshness } from '../../shared/restore-results.ts'
import type { HeadReport } from '../repository/repository.ts'
import type { AgentContext, Backup } from './context.ts'

/** How long a command that tells what is so waits for the others, so that a short-lived one tells what is so now. */
export const meetMs = 5_000
const mostNamed = 20

/** Meets all peers that answer, so that a holder that was off a moment ago is used again. */
export async function meetHolders(context: AgentContext, { dispersal }: Backup, signal: AbortSignal): Promise<void> {
  for (const id of await context.group().meetPeers(signal)) dispersal.holders.answered(id)
}

/** What is wrong with the heads that were found; `heads`: what the one who collected them knows besides. */
export function headNotices({ rolledBack, conflicts }: Pick<HeadReport, 'rolledBack' | 'conflicts'>, heads?: Pick<Backup['heads'], 'newer' | 'silent' | 'clones'>): Notice[] {
  return [
    ...rolledBack.map(({ machine, seen, found }) => ({ code: 'head-rolled-back' as const, machine: shortId(machine), seen, found })),
    ...(heads?.newer ?? []).map(({ machine, seq }) => ({ code: 'head-missing' as const, machine: shortId(machine), seq, silent: heads?.silent.slice(0, mostNamed) ?? [] })),
    ...[...new Set([...conflicts, ...heads?.clones ?? []])].map((machine) => ({ code: 'head-conflict' as const, machine: shortId(machine) })),
  ]
}

/** Asks for the newest heads. With nobody answering, what was known before counts, graded `found`. `warnings`: the notices in English. */
export async function refreshHeads({ repository, heads }: Backup, signal: AbortSignal): Promise<{ freshness: Freshness; notices: Notice[]; warnings: string[] }> {
  const told = (freshness: Omit<Freshness, 'notices'>, notices: Notice[]) => ({ freshness: { ...freshness, notices }, notices, warnings: notices.map(noticeText) })
  try {
    const report = await repository.refresh({ signal })
    const notices = headNotices(report, heads)
    const confirmed = report.answered === report.asked && report.asked > 0 && notices.length === 0
    return told({ answered: report.answered, asked: report.asked, newest: confirmed ? 'confirmed' : 'found' }, notices)
  } catch (error) {
    if (!hasCode(error, 'too-few-holders', 'peer-unreachable', 'object-missing')) throw error
    return told({ answered: 0, asked: 0, newest: 'found' }, [{ code: 'heads-unreachable', detail: error.message }])
  }
}
