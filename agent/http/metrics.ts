/** What Prometheus reads (text format 0.0.4): the same figures as `status` and `coverage`. */
import type { CommandResult } from '../../shared/api.ts'

export interface Metric {
  readonly name: string
  readonly help: string
  readonly samples: readonly { readonly labels?: Readonly<Record<string, string>>; readonly value: number | null }[]
}

export function formatMetrics(metrics: readonly Metric[]): string {
  return metrics.flatMap(({ name, help, samples }) => {
    const known = samples.filter(({ value }) => value !== null)
    return known.length === 0 ? [] : [`# HELP ${name} ${help}`, `# TYPE ${name} gauge`, ...known.map(({ labels = {}, value }) => `${name}${labelText(labels)} ${value}`)]
  }).join('\n') + '\n'
}

function labelText(labels: Readonly<Record<string, string>>): string {
  const pairs = Object.entries(labels).map(([name, value]) => `${name}="${value.replaceAll('\\', '\\\\').replaceAll('"', '\\"').replaceAll(/[\r\n]+/g, '\\n')}"`)
  return pairs.length === 0 ? '' : `{${pairs.join(',')}}`
}

function ageSeconds(time: string | null): number | null {
  return time === null ? null : Math.max(0, Math.round((Date.now() - Date.parse(time)) / 1000))
}

const stateValues = { protected: 2, partial: 1, unprotected: 0, unknown: null } as const

export function metricsOf(status: CommandResult<'status'>, members: CommandResult<'coverage'>['members']): Metric[] {
  const ofMembers = (value: (member: (typeof members)[number]) => number | null) =>
    members.map((member) => ({ labels: { machine: member.machine, name: member.name }, value: value(member) }))
  return [
    { name: 'holdfast_protection_state', help: '2 protected, 1 partly, 0 not, of this machine.', samples: [{ value: stateValues[status.protection.state] }] },
    { name: 'holdfast_protection_placed', help: 'Copies on distinct machines of the worst placed object.', samples: [{ value: status.protection.placed }] },
    { name: 'holdfast_protection_wanted', help: 'Copies that the level wants.', samples: [{ value: status.protection.wanted }] },
    { name: 'holdfast_alerts', help: 'Alerts that stand.', samples: [{ value: status.alerts.length }] },
    { name: 'holdfast_holder_used_bytes', help: 'Bytes kept here for others.', samples: [{ value: status.holder.used }] },
    { name: 'holdfast_holder_free_bytes', help: 'Bytes still free to others.', samples: [{ value: status.holder.free }] },
    { name: 'holdfast_holder_owner_bytes', help: 'Bytes kept here of each owner.', samples: status.holder.owners.map(({ owner, name, used }) => ({ labels: { owner, name }, value: used })) },
    { name: 'holdfast_holder_damaged_shards', help: 'Shards kept here that were not as stored when they were read again.', samples: [{ value: status.holder.scrub.damaged + status.holder.scrub.unreadable }] },
    { name: 'holdfast_holder_read_age_seconds', help: 'Time since all that is kept here was read and checked.', samples: [{ value: ageSeconds(status.holder.scrub.lastRead) }] },
    { name: 'holdfast_stored_bytes', help: 'Bytes that this owner has on other machines.', samples: [{ value: status.share.stored }] },
    { name: 'holdfast_fair_share_bytes', help: 'Bytes that this owner may have on other machines.', samples: [{ value: Math.floor(status.share.fair) }] },
    { name: 'holdfast_member_online', help: '1 when the machine answers.', samples: ofMembers(({ machineState }) => (machineState === 'online' ? 1 : 0)) },
    { name: 'holdfast_member_state', help: '2 protected, 1 partly, 0 not, as each machine says of itself.', samples: ofMembers(({ state }) => stateValues[state]) },
    { name: 'holdfast_member_copies_reachable', help: 'Copies on machines that are on now, of the worst object.', samples: ofMembers(({ reachable }) => reachable) },
    { name: 'holdfast_member_copies_wanted', help: 'Copies that the level wants.', samples: ofMembers(({ wanted, reportAgeSeconds }) => (reportAgeSeconds === null ? null : wanted)) },
    { name: 'holdfast_member_snapshot_age_seconds', help: 'Age of the newest complete backup.', samples: ofMembers(({ lastSnapshotAgeSeconds }) => lastSnapshotAgeSeconds) },
    { name: 'holdfast_member_unprotected_bytes', help: 'Bytes that no backup has yet.', samples: ofMembers(({ unprotectedBytes }) => unprotectedBytes) },
    { name: 'holdfast_member_verified_age_seconds', help: 'Time since data was last read back and found right.', samples: ofMembers(({ lastVerifiedRestore }) => ageSeconds(lastVerifiedRestore)) },
    { name: 'holdfast_member_drill_failed', help: '1 when the last restore drill failed, as each machine says of itself.', samples: ofMembers(({ reportAgeSeconds, lastFailedDrill }) => (reportAgeSeconds === null ? null : lastFailedDrill === null ? 0 : 1)) },
  ]
}
