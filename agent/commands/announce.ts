/** Where the rosters are, told to a company: an admin announces it on an Entra group, and whoever is in that group finds it. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { type FoundAnnouncement, GroupAnnouncements, entraLocator } from '../network/roster/graph/group-announcement.ts'
import type { MicrosoftApp } from '../network/roster/graph/microsoft-sign-in.ts'
import { parseEntraLocator, parseRosterLocator } from '../network/roster/locator.ts'
import { microsoftAccess } from '../network/roster/open-roster.ts'
import type { RunOptions } from './command.ts'
import type { AgentContext } from './context.ts'
import { openMicrosoft } from './sign-in.ts'

export async function networkAnnounce(context: AgentContext, request: CommandRequest<'network announce'>, options: RunOptions): Promise<CommandResult<'network announce'>> {
  const { membership } = context.group()
  await context.adminKey() // only an admin speaks for the group
  const app = request.app === undefined ? appOfRosters(membership.network.rosters) : parseEntraLocator(request.app)
  if (app === undefined) throw new HoldfastError('invalid-input', 'Cannot announce the work group: none of its rosters is at Microsoft, so name the app: --app entra:TENANT?client=ID')
  await ensureSignedIn(context, app, { deviceCode: request.deviceCode, options })
  const announcements = announcementsOf(context, app)
  const { signal } = options
  if (request.withdraw) return { group: await announcements.withdraw(request.group, { signal }), announced: false, rosters: [] }
  const { name, rosters } = membership.network
  const told = rosters.filter((locator) => parseRosterLocator(locator).kind !== 'folder' || rosters.length === 1)
  return { group: await announcements.announce(request.group, { net: membership.net, name, rosters: told }, { signal }), announced: true, rosters: told }
}

/** Signs in first, when nobody is: it is what a new machine begins with. */
export async function networkFind(context: AgentContext, { app: text, deviceCode }: CommandRequest<'network find'>, options: RunOptions): Promise<CommandResult<'network find'>> {
  const app = parseEntraLocator(text)
  const account = await ensureSignedIn(context, app, { deviceCode, options })
  return { account, groups: await announcementsOf(context, app).find({ signal: options.signal }) }
}

/** Rosters of a work group that is announced to this machine's account; none when nobody is signed in or nothing is told. */
export async function announcedRosters(context: AgentContext, net: string, { known, signal }: { known: readonly string[]; signal: AbortSignal }): Promise<string[]> {
  const app = appOfRosters(known)
  if (app === undefined) return []
  const found: FoundAnnouncement[] = []
  try {
    found.push(...await announcementsOf(context, app).find({ signal }))
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof HoldfastError)) throw error
  }
  return [...new Set(found.filter((announcement) => announcement.net === net).flatMap(({ rosters }) => rosters))].filter((locator) => !known.includes(locator))
}

function announcementsOf(context: AgentContext, app: MicrosoftApp): GroupAnnouncements {
  const locator = entraLocator(app)
  return new GroupAnnouncements(locator, microsoftAccess({ locator, app }, context.signIns.access))
}

async function ensureSignedIn(context: AgentContext, app: MicrosoftApp, { deviceCode, options }: { deviceCode: boolean; options: RunOptions }): Promise<string> {
  const known = await context.signIns.microsoftSignIn(app).account()
  return known ?? await openMicrosoft(context, app, { deviceCode, options })
}

function appOfRosters(locators: readonly string[]): MicrosoftApp | undefined {
  for (const locator of locators) {
    const place = parseRosterLocator(locator)
    if (place.kind === 'sharepoint' || place.kind === 'exchange') return place.app
  }
  return undefined
}
