/** Who in the group is covered and who is not: as each machine says of itself, and as its heads show. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import type { CoverageReport } from '../network/membership/coverage-report.ts'
import { namesOn, reachableOf } from '../network/membership/holder-sets.ts'
import type { Member } from '../network/membership/membership.ts'
import type { OwnerId } from '../../shared/ids.ts'
import type { AgentContext } from './context.ts'
import type { RunOptions } from './command.ts'
import { coverageContent } from './coverage-content.ts'
import { meetMs } from './freshness.ts'
import { freezersOf } from './holder-warnings.ts'

type Row = CommandResult<'coverage'>['members'][number]
type Said = Omit<CoverageReport, 'v' | 'net' | 'id' | 'seq' | 'frozen'>

export async function coverage(context: AgentContext, { fresh }: CommandRequest<'coverage'>, { signal }: RunOptions): Promise<CommandResult<'coverage'>> {
  const { membership } = context.group()
  if (fresh) await context.group().meetPeers(signal, { patienceMs: meetMs })
  const now = context.clock.now()
  const shares = context.group().shares()
  const frozenAt = (owner: OwnerId) => {
    const { names, here } = freezersOf(context, owner)
    return names.length + (here ? 1 : 0)
  }
  const on = namesOn([{ id: context.machine.id, isOn: true }, ...membership.members().map(({ id, state }) => ({ id, isOn: state === 'online' }))])
  const members = membership.members().flatMap((member) => ownersOf(member).map((owner): Row => {
    const said = membership.coverage.get(member.id)?.report
    const identity = {
      name: member.name, owner, machine: member.id, machineState: member.state, self: false, lost: membership.chain.isLost(member.id), frozenAt: frozenAt(owner), fairBytes: Math.floor(shares.of(owner)),
      offSinceSeconds: member.state === 'online' ? null : member.heardSecondsAgo ?? null,
    }
    if (said !== undefined) return { ...identity, ...figuresOf(said, { on, now }) }
    const head = membership.heads.get(owner, member.id)?.head
    return { ...identity, ...unsaid, state: head === undefined ? 'unprotected' : 'unknown', lastSnapshotAgeSeconds: head?.time === undefined ? null : age(Date.parse(head.time), now), offerBytes: member.record.offer.bytes }
  }))
  const own = membership.own.peer?.record
  const owner = context.ownerFile()
  const self: Row[] = own === undefined || owner === undefined ? [] : [{
    name: membership.nameOf(own.id), owner: owner.owner, machine: own.id, machineState: 'online', self: true, lost: false, frozenAt: frozenAt(owner.owner), fairBytes: Math.floor(shares.of(owner.owner)), offSinceSeconds: null,
    ...figuresOf({ ...await coverageContent(context, signal), iat: Math.floor(now / 1000) }, { on, now }),
  }]
  return { members: [...self, ...members].sort((a, b) => (b.lastSnapshotAgeSeconds ?? Infinity) - (a.lastSnapshotAgeSeconds ?? Infinity)) }
}

const unsaid = { placed: 0, wanted: 0, reachable: null, restorable: null, unprotectedBytes: null, lastVerifiedRestore: null, verifiedInPart: false, lastFailedDrill: null, lastAudit: null, usedBytes: null, storedBytes: null, reportAgeSeconds: null, admin: false, chosen: null }

function figuresOf({ snapshot, state, placed, wanted, unprotected, verified, part, failed, audited, used, offer, iat, admin, chosen, stored, holders }: Said, { on, now }: { on: ReadonlySet<string>; now: number }) {
  const reach = holders === undefined ? undefined : reachableOf(holders, on, wanted)
  return {
    state, placed, wanted, reachable: reach?.reachable ?? null, restorable: reach?.restorable ?? null, unprotectedBytes: unprotected, lastVerifiedRestore: timeOf(verified), verifiedInPart: part === true, lastFailedDrill: timeOf(failed ?? null), lastAudit: timeOf(audited),
    lastSnapshotAgeSeconds: snapshot === null ? null : age(snapshot * 1000, now), usedBytes: used, storedBytes: stored, offerBytes: offer, reportAgeSeconds: age(iat * 1000, now), admin, chosen,
  }
}

function ownersOf({ devices }: Member): OwnerId[] {
  return [...new Set(devices.map(({ owner }) => owner))]
}

function timeOf(seconds: number | null): string | null {
  return seconds === null ? null : new Date(seconds * 1000).toISOString()
}

/** Seconds; a clock ahead of ours makes nothing younger than now. */
function age(timeMs: number, nowMs: number): number {
  return Math.max(0, (nowMs - timeMs) / 1000)
}
