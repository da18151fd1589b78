/** Can everything be restored that any head keeps alive, and making anew what is missing of what the own one does. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { hasCode } from '../../shared/errors.ts'
import { shortId } from '../../shared/ids.ts'
import type { ObjectId } from '../object-store.ts'
import { type CheckProgress, type HoldingsReport, type ObjectFinding, type ObjectState, repairObjects, verifyHoldings } from '../network/repair.ts'
import type { Fault, VerifyReport } from '../repository/verify.ts'
import type { AgentContext } from './context.ts'
import type { RunOptions } from './command.ts'
import { meetHolders, refreshHeads } from './freshness.ts'
import { protectionOf } from './protection.ts'
import { respread } from './respread.ts'

/** Of one kind. */
const mostShown = 100

type Verified = CommandResult<'verify'>

/** `ok` is false when something cannot be restored from the machines that answer; what lacks shards only is degraded. */
export async function verify(context: AgentContext, request: CommandRequest<'verify'>, { signal, onProgress }: RunOptions): Promise<Verified> {
  const services = await context.backup()
  await meetHolders(context, services, signal)
  const { warnings } = await refreshHeads(services, signal)
  const { live } = services.repository
  const holdings = await verifyHoldings(services.dispersal, { live, readData: request.readData }, { signal, onProgress: (progress) => onProgress(shown(progress)) })
  let bytesRead = 0
  onProgress({ stage: 'checking contents' })
  const contents = await services.repository.verify({
    readData: request.readData, unreadable: unreadableOf(holdings), onBytes: (bytes) => onProgress({ stage: 'checking contents', bytesDone: bytesRead += bytes }),
  }, { signal })
  const { snapshots } = await services.repository.snapshots({ signal })
  const objects = judge(holdings, contents)
  const { unreachable, damaged, lost } = objects
  const ok = unreachable.length + damaged.length + lost.length === 0 && contents.ok
  if (ok && request.readData) context.checks.noteVerified(context.clock.now(), snapshots.at(-1)?.id)
  return {
    ok, snapshots: snapshots.length, objects: holdings.objects, healthy: holdings.objects - Object.values(objects).flat().length,
    degraded: objects.degraded.length, unreachable: unreachable.length, damaged: damaged.length, lost: lost.length,
    off: [...new Set(contents.badObjects.flatMap(({ off }) => off))].sort(), bytesRead: holdings.bytesRead + contents.bytesRead,
    protection: protectionOf(services), findings: findingsOf({ warnings, objects, contents, holdings }),
  }
}

/** What needs not be tried again to be known. */
function unreadableOf({ details }: HoldingsReport): Map<ObjectId, Fault> {
  return new Map(details.filter(({ state }) => state !== 'degraded').map(({ object, state, silent }) => [object.id, {
    code: state === 'damaged' ? 'object-damaged' : 'object-missing', message: state, off: state === 'unreachable' ? silent : [],
  }]))
}

type Objects = Record<ObjectState, string[]>

/** A sentence for each object that is not whole. What reading it told counts over what the holders said. */
function judge({ details }: HoldingsReport, { badObjects }: VerifyReport): Objects {
  const objects: Objects = { degraded: [], unreachable: [], damaged: [], lost: [] }
  const known = new Set<ObjectId>()
  const bad = new Set(badObjects.map(({ ref }) => ref.id))
  for (const finding of details) {
    if (finding.state === 'degraded' && bad.has(finding.object.id)) continue
    known.add(finding.object.id)
    objects[finding.state].push(describe(finding))
  }
  for (const { ref, code, message, off } of badObjects) {
    if (known.has(ref.id)) continue
    objects[off.length > 0 ? 'unreachable' : code === 'object-missing' ? 'lost' : 'damaged'].push(`${ref.kind} ${shortId(ref.id)}: ${message}`)
  }
  return objects
}

function describe({ object, have, need, wanted, silent }: ObjectFinding): string {
  return `${object.kind} ${shortId(object.id)}: ${have} of ${wanted} shards found, ${need} needed${silent.length === 0 ? '' : `; no answer from ${silent.join(', ')}`}`
}

function findingsOf({ warnings, objects, contents: { badFiles }, holdings: { damagedShards } }: { warnings: readonly string[]; objects: Objects; contents: VerifyReport; holdings: HoldingsReport }): Verified['findings'] {
  const files = Map.groupBy(badFiles, ({ off }) => off.length > 0)
  const told = (list: VerifyReport['badFiles'] = []) => list.map(({ snapshot, path, message }) => `${path === '' ? 'all' : path} in snapshot ${shortId(snapshot)}: ${message}`)
  const found = [
    ['warning', warnings], ['lost', objects.lost], ['damaged', objects.damaged], ['file', told(files.get(false))],
    ['unreachable', objects.unreachable], ['file-off', told(files.get(true))],
    ['shard', damagedShards.map(({ object, number, machine, reason }) => `shard ${number} of ${object.kind} ${shortId(object.id)} on ${machine}: ${reason}`)], ['degraded', objects.degraded],
  ] as const
  return found.flatMap(([kind, all]) => (all.length === 0 ? [] : [{ kind, count: all.length, examples: all.slice(0, mostShown) }]))
}

export async function repair(context: AgentContext, { patient }: CommandRequest<'repair'>, { signal, onProgress }: RunOptions): Promise<CommandResult<'repair'>> {
  const services = await context.backup()
  await meetHolders(context, services, signal)
  const { warnings } = await refreshHeads(services, signal)
  const report = await repairObjects(services.dispersal, { live: [...services.repository.head?.live ?? []], patient }, { signal, onProgress: (progress) => onProgress(shown(progress)) })
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

function shown({ phase, done, total }: CheckProgress) {
  const stage = { asking: 'asking the machines', reading: 'reading shards', repairing: 'making shards anew' }[phase]
  return { stage, detail: `${done} of ${total}` }
}
