/** Drops snapshots by rules of which to keep. Holders keep what they named for a month more, so a mistake can be undone. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import type { AgentContext } from './context.ts'
import type { RunOptions } from './command.ts'
import { liveBytesOf, mayFreeze } from './sudden-change.ts'
import { refreshHeads } from './freshness.ts'

/** Throws `invalid-input` when no rule is given. */
export async function forget(context: AgentContext, request: CommandRequest<'forget'>, { signal, onProgress }: RunOptions): Promise<CommandResult<'forget'>> {
  const { last, hourly, daily, weekly, monthly, yearly, within, keepTags, tagged, dryRun } = request
  if (last + hourly + daily + weekly + monthly + yearly === 0 && within === null && keepTags.length === 0) {
    throw new HoldfastError('invalid-input', 'Cannot forget: say what to keep, for example --keep-last 10 --keep-daily 14 --keep-weekly 8 --keep-monthly 12')
  }
  const services = await context.backup()
  await context.group().meetPeers(signal)
  await refreshHeads(services, signal)
  onProgress({ stage: 'finding what nothing needs any more' })
  const keep = { last, hourly, daily, weekly, monthly, yearly, within: within ?? undefined, tags: keepTags, proved: context.checks.proved }
  const before = liveBytesOf(services)
  const report = await services.repository.forget({ keep, tagged, dryRun }, { signal })
  return {
    mayFreeze: mayFreeze(report.bytes, before), dryRun, forgotten: report.snapshots.map(({ id, time }) => ({ id, time })), kept: report.kept.map(({ id, time }) => ({ id, time, reasons: [...report.why.get(id)?.reasons ?? []], wholeOf: [...report.why.get(id)?.wholeOf ?? []] })),
    objects: report.objects, bytes: report.bytes,
  }
}
