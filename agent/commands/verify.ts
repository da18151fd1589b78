/** Can everything be restored, and making anew what is missing. Both judge what the heads keep alive. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { hasCode } from '../../shared/errors.ts'
import { shortId } from '../../shared/ids.ts'
import type { ObjectRef } from '../object-store.ts'
import { type CheckProgress, type HoldingsReport, repairObjects, verifyHoldings } from '../network/repair.ts'
import type { AgentContext, Backup } from './context.ts'
import type { RunOptions } from './command.ts'
import { meetHolders, refreshHeads } from './freshness.ts'
import { protectionOf } from './protection.ts'
import { respread } from './respread.ts'

const mostShown = 100

/** `ok` is false when something cannot be restored from the machines that answer; what lacks shards only is degraded. */
export async function verify(context: AgentContext, request: CommandRequest<'verify'>, { signal, onProgress }: RunOptions): Promise<CommandResult<'verify'>> {
  const services = await context.backup()
  await meetHolders(context, services, signal)
  const { warnings } = await refreshHeads(services, signal)
  const live = liveObjects(services)
  const holdings = await verifyHoldings(services.dispersal, { live, readData: request.readData }, { signal, onProgress: (progress) => onProgress(shown(progress)) })
  let bytesRead = 0
  onProgress({ stage: 'checking contents' })
  const contents = await services.repository.verify({ readData: request.readData, onBytes: (bytes) => onProgress({ stage: 'checking contents', bytesDone: bytesRead += bytes }) }, { signal })
  const { snapshots } = await services.repository.snapshots({ signal })
  const ok = holdings.lost === 0 && contents.ok
  if (ok && request.readData) context.checks.noteVerified(context.clock.now(), snapshots.at(-1)?.id)
  const problems = [
    ...warnings, ...describeHoldings(holdings),
    ...contents.badObjects.map(({ ref, message }) => `${ref.kind} ${shortId(ref.id)}: ${message}`),
    ...contents.badFiles.map(({ snapshot, path, message }) => `${path} in snapshot ${shortId(snapshot)}: ${message}`),
  ]
  return {
    ok, snapshots: snapshots.length, objects: holdings.objects, healthy: holdings.healthy,
    degraded: holdings.degraded, lost: holdings.lost, bytesRead: holdings.bytesRead + contents.bytesRead,
    protection: protectionOf(services), problems: problems.slice(0, mostShown),
  }
}

export async function repair(context: AgentContext, { patient }: CommandRequest<'repair'>, { signal, onProgress }: RunOptions): Promise<CommandResult<'repair'>> {
  const services = await context.backup()
  await meetHolders(context, services, signal)
  const { warnings } = await refreshHeads(services, signal)
  const report = await repairObjects(services.dispersal, { live: liveObjects(services), patient }, { signal, onProgress: (progress) => onProgress(shown(progress)) })
  onProgress({ stage: 'bringing packs to the present level' })
  const moved = await respread(services, { signal }).catch((error: unknown) => {
    if (!hasCode(error, 'too-few-holders', 'quota-exceeded', 'object-missing', 'object-damaged')) throw error
    return error
  })
  const problems = [...warnings, ...(typeof moved === 'number' ? [] : [moved.message]), ...report.failed.map(({ object, error }) => `${object.kind} ${shortId(object.id)}: ${error instanceof Error ? error.message : 'unknown failure'}`)]
  return {
    objects: report.before.objects, rebuilt: report.shardsMade, respread: typeof moved === 'number' ? moved : 0, failed: report.failed.length, bytesSent: report.bytesSent, bytesByCause: report.bytesByCause,
    protection: protectionOf(services), problems: problems.slice(0, mostShown),
  }
}

function liveObjects({ repository }: Backup): ObjectRef[] {
  return [...repository.head?.live ?? []]
}

function shown({ phase, done, total }: CheckProgress) {
  const stage = { asking: 'asking the machines', reading: 'reading shards', repairing: 'making shards anew' }[phase]
  return { stage, detail: `${done} of ${total}` }
}

function describeHoldings(report: HoldingsReport): string[] {
  return [
    ...report.details.map(({ object, state, have, need, wanted, silent }) =>
      `${object.kind} ${shortId(object.id)} is ${state}: ${have} of ${wanted} shards found, ${need} needed${silent.length === 0 ? '' : `; no answer from ${silent.join(', ')}`}`),
    ...report.damaged.map(({ object, number, machine, reason }) => `shard ${number} of ${object.kind} ${shortId(object.id)} on ${machine}: ${reason}`),
  ]
}
