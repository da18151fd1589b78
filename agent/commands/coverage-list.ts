/** The list in SharePoint that shows admins who is covered: switched on and off here, kept up to date while the agent runs. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { CoverageList, type CoverageRow, listName } from '../network/roster/graph/coverage-list.ts'
import { type RosterPlace, parseRosterLocator } from '../network/roster/locator.ts'
import { microsoftAccess } from '../network/roster/open-roster.ts'
import type { RunOptions } from './command.ts'
import type { AgentContext } from './context.ts'
import { coverage } from './coverage.ts'

type Member = CommandResult<'coverage'>['members'][number]

export async function coverageList(context: AgentContext, { site, off }: CommandRequest<'coverage list'>, options: RunOptions): Promise<CommandResult<'coverage list'>> {
  const { membership } = context.group()
  if (off) {
    context.settings.setCoverageList(null)
    return { list: listName, address: null, rows: 0 }
  }
  const place = placeOf(site ?? membership.network.rosters.find((locator) => parseRosterLocator(locator).kind === 'sharepoint'))
  const list = openCoverageList(context, place)
  const address = await made(list, options)
  const rows = await list.update(await coverageRows(context, { fresh: true }, options), options)
  context.settings.setCoverageList(place.locator)
  return { list: listName, address, rows }
}

async function made(list: CoverageList, { signal }: RunOptions): Promise<string> {
  try {
    return await list.create({ signal })
  } catch (error) {
    if (!hasCode(error, 'roster-unavailable') || !/an admin must grant/.test(error.message)) throw error
    throw new HoldfastError(error.code, `${error.message}. Making a list needs the role "manage" on the site; somebody who owns it may as well make a list "${listName}" with text columns as docs/operations.md says`, { details: error.details, cause: error })
  }
}

type SharePoint = RosterPlace & { readonly kind: 'sharepoint' }

function placeOf(locator: string | undefined): SharePoint {
  if (locator === undefined) throw new HoldfastError('invalid-input', 'Cannot show the coverage: none of the rosters is in SharePoint, so name a site: sharepoint:https://…?client=ID')
  const place = parseRosterLocator(locator)
  if (place.kind !== 'sharepoint') throw new HoldfastError('invalid-input', 'Cannot show the coverage there: it is a list of a SharePoint site')
  return place
}

export function openCoverageList(context: AgentContext, place: SharePoint): CoverageList {
  return new CoverageList(place.place, microsoftAccess(place, context.signIns.access))
}

/** The list that this home keeps up to date; undefined: none. */
export function keptCoverageList(context: AgentContext): CoverageList | undefined {
  const { coverageList: locator } = context.settings.config
  return locator === null ? undefined : openCoverageList(context, placeOf(locator))
}

export async function coverageRows(context: AgentContext, { fresh }: { fresh: boolean }, options: RunOptions): Promise<CoverageRow[]> {
  const { members } = await coverage(context, { fresh }, options)
  const nowMs = context.clock.now()
  return members.map((member) => rowOf(member, nowMs))
}

/** Times, not ages, and to the minute, so that a row stays the same while nothing happens. */
function rowOf(member: Member, nowMs: number): CoverageRow {
  const said = member.reportAgeSeconds !== null
  return {
    key: `${member.machine}/${member.owner}`, member: member.name, state: member.state, copies: said ? `${member.placed} of ${member.wanted}` : '',
    lastBackup: member.lastSnapshotAgeSeconds === null ? '' : minuteOf(nowMs - member.lastSnapshotAgeSeconds * 1000), notYet: member.unprotectedBytes === null ? '' : sizeOf(member.unprotectedBytes),
    verified: [...(member.lastVerifiedRestore === null ? [] : [`${minuteOf(Date.parse(member.lastVerifiedRestore))}${member.verifiedInPart ? ' in part' : ''}`]), ...(member.lastFailedDrill === null ? [] : [`failed ${minuteOf(Date.parse(member.lastFailedDrill))}`])].join('; '),
    machine: member.machineState === 'gone' || member.machineState === 'doubtful' ? member.machineState : 'in use',
  }
}

function minuteOf(timeMs: number): string {
  return new Date(Math.round(timeMs / 60_000) * 60_000).toISOString().replace(':00.000Z', 'Z')
}

/** Two significant digits: what grows does not change the row with every byte. */
function sizeOf(bytes: number): string {
  const unit = bytes >= 1e9 ? 'GB' : 'MB'
  const size = bytes / (unit === 'GB' ? 1e9 : 1e6)
  return size === 0 ? 'nothing' : `${size < 1 ? '< 1' : Number(size.toPrecision(2))} ${unit}`
}
