/** What this machine says of its own backup, for the group to see. */
import { hasCode } from '../../shared/errors.ts'
import type { CoverageContent } from '../network/membership/coverage-report.ts'
import { packHolderSets } from '../network/membership/holder-sets.ts'
import { lacking } from '../repository/snapshot.ts'
import type { AgentContext, Backup } from './context.ts'
import { type PathStatus, pathStatus } from './path-status.ts'
import { storedBytes } from './space.ts'
import { type LivePlaces, holderSetsOf, livePlacesOf, protectionOf } from './protection.ts'

export async function coverageContent(context: AgentContext, signal: AbortSignal): Promise<CoverageContent> {
  const services = await context.backup()
  const { snapshots } = await services.repository.snapshots({ signal })
  const places = livePlacesOf(services)
  const protection = protectionOf(services, places)
  const { state, placed, wanted } = protection
  const { used, quota } = await context.holder.space()
  const { drill } = context.checks
  const complete = snapshots.filter((snapshot) => lacking(snapshot).length === 0).at(-1)
  return {
    snapshot: complete === undefined ? null : secondsOf(complete.time), state, placed, wanted,
    unprotected: unprotectedBytes(context.settings.config.protect.map(({ path }) => pathStatus(path, snapshots, protection))),
    verified: context.checks.lastVerified === null ? null : secondsOf(context.checks.lastVerified), ...(context.checks.lastVerifiedInPart ? { part: true as const } : {}),
    ...(drill?.ok === false ? { failed: secondsOf(drill.time) } : {}), audited: auditedSeconds(services, places), used, offer: quota,
    stored: storedBytes(services.dispersal), frozen: context.holder.accounts().filter(({ freezes }) => freezes.length > 0).map(({ owner: of }) => of).slice(0, 4),
    admin: await isAdmin(context), chosen: context.settings.config.protect.length,
    holders: packHolderSets(holderSetsOf(services, places)),
  }
}

/** Of the holder whose last right answer is the oldest; null when one of them never gave one. */
function auditedSeconds({ audits }: Backup, places: LivePlaces): number | null {
  const holders = new Set(places.flatMap((known) => known?.shards ?? []).map(({ machine }) => machine))
  const passed = [...holders].map((machine) => audits.of(machine).passedMs)
  return passed.length === 0 || passed.includes(undefined) ? null : Math.floor(Math.min(...passed as number[]) / 1000)
}

async function isAdmin(context: AgentContext): Promise<boolean> {
  const key = await context.ownAdminKey()
  return key !== undefined && context.group().membership.chain.isAdmin(key)
}

/** Tells the group; a machine whose backup cannot be opened tells nothing, and that shows as age. */
export async function reportCoverage(context: AgentContext, signal: AbortSignal): Promise<void> {
  try {
    await context.group().report(await coverageContent(context, signal))
  } catch (error) {
    if (!hasCode(error, 'not-a-member', 'key-missing')) throw error
  }
}

/** As far as sizes tell; null when a folder was never backed up, which would have to be walked. */
export function unprotectedBytes(paths: readonly PathStatus[]): number | null {
  let sum = 0
  for (const { kind, bytes, growthBytes, lastSnapshot } of paths) {
    if (kind === 'missing') continue
    if (lastSnapshot === null && bytes === null) return null
    sum += lastSnapshot === null ? bytes ?? 0 : Math.max(0, growthBytes ?? 0)
  }
  return sum
}

function secondsOf(time: string): number {
  return Math.floor(Date.parse(time) / 1000)
}
