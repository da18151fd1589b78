/** Signs this machine in where a roster is, and proves it: a record is written, found again and removed. */
import { randomBytes } from 'node:crypto'
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { type MicrosoftApp, consentLink } from '../network/roster/graph/microsoft-sign-in.ts'
import { type RosterPlace, parseRosterLocator } from '../network/roster/locator.ts'
import { openRoster } from '../network/roster/open-roster.ts'
import type { Roster } from '../network/roster/port.ts'
import type { RunOptions } from './command.ts'
import type { AgentContext } from './context.ts'

type Request = CommandRequest<'sign-in'>

/** A password is kept only once it was seen to work. A roster of the group that this machine is in is read at once. */
export async function signIn(context: AgentContext, request: Request, options: RunOptions): Promise<CommandResult<'sign-in'>> {
  const result = await signInThere(context, request, options)
  if (context.isMember() && context.group().rosterStatus.some(({ locator }) => locator === result.locator)) await context.group().catchUp(options.signal)
  return result
}

async function signInThere(context: AgentContext, request: Request, options: RunOptions): Promise<CommandResult<'sign-in'>> {
  const place = parseRosterLocator(request.locator)
  if (request.folder !== undefined) return await useSyncedFolder(context, { place, request, options })
  if (place.kind !== 'folder') context.signIns.keepSyncedFolder(place.locator, undefined)
  switch (place.kind) {
    case 'folder': throw new HoldfastError('invalid-input', 'Cannot sign in to a folder: the system does that; check that you can open it')
    case 'directory': return await signInToDirectory(context, { place, request, options })
    case 'sharepoint': case 'exchange': return await signInAtMicrosoft(context, { place, request, options })
  }
}

/** For a library that a synchronisation client keeps in step with a folder of this machine: no sign-in, no consent. */
async function useSyncedFolder(context: AgentContext, { place: { locator, kind }, request, options }: Asked<RosterPlace['kind']>): Promise<CommandResult<'sign-in'>> {
  if (kind !== 'sharepoint' && kind !== 'folder') throw new HoldfastError('invalid-input', 'Cannot use a folder for that roster: only a library of SharePoint, or another folder, can be synchronised with one')
  const folder = request.folder as string
  const roster = openRoster(locator, { ...context.signIns.access, syncedFolder: () => folder })
  const proof = await prove(roster, request, options)
  context.signIns.keepSyncedFolder(locator, folder)
  return { locator, account: 'the account of the system', ...proof, writable: true }
}

interface Asked<K extends RosterPlace['kind']> {
  readonly place: RosterPlace & { kind: K }
  readonly request: Request
  readonly options: RunOptions
}

async function signInToDirectory(context: AgentContext, { place, request, options }: Asked<'directory'>): Promise<CommandResult<'sign-in'>> {
  const { user, password, ca } = request
  if (user === undefined || password === undefined) throw new HoldfastError('invalid-input', 'Cannot sign in: a directory needs --user NAME and the password on stdin')
  const given = { user, password, ...(ca === undefined ? {} : { ca }) }
  const roster = openRoster(place.locator, { ...context.signIns.access, directorySignIn: async () => given })
  const proof = await prove(roster, request, options)
  await context.signIns.keepDirectorySignIn(place.place.url, given)
  return { locator: place.locator, account: user, ...proof, writable: true }
}

async function signInAtMicrosoft(context: AgentContext, { place, request, options }: Asked<'sharepoint' | 'exchange'>): Promise<CommandResult<'sign-in'>> {
  const account = await openMicrosoft(context, place.app, { deviceCode: request.deviceCode, options })
  try {
    return { locator: place.locator, account, ...await prove(context.openRoster(place.locator), request, options), writable: true }
  } catch (error) {
    if (!hasCode(error, 'roster-unavailable')) throw error
    throw new HoldfastError(error.code, `${error.message}. Signed in as ${account}; when a permission is missing, an admin opens ${consentLink(place.app)}`, { details: { ...error.details, consent: consentLink(place.app) }, cause: error })
  }
}

/** Signs in, in the browser of this machine or with a code. Returns the account. Rejects `sign-in-failed`. */
export async function openMicrosoft(context: AgentContext, app: MicrosoftApp, { deviceCode, options: { signal, onProgress } }: { deviceCode: boolean; options: RunOptions }): Promise<string> {
  const stage = 'signing in at Microsoft'
  onProgress({ stage })
  const account = await context.signIns.microsoftSignIn(app).signIn({
    openBrowser: async (url) => {
      const isOpen = await context.openBrowser(url)
      onProgress({ stage, detail: isOpen ? `go on in the browser, or open ${url}` : `open ${url}` })
    },
    showCode: (message) => { onProgress({ stage, detail: message }) },
  }, { deviceCode, signal })
  onProgress({ stage: `signed in as ${account}` })
  return account
}

/** What is there, and how many records. */
async function prove(roster: Roster, { prepare }: Request, { signal, onProgress }: RunOptions): Promise<{ place: string; records: number }> {
  onProgress({ stage: 'looking at the roster' })
  if (prepare) await roster.prepare({ signal })
  const { records } = await roster.list(undefined, { signal })
  onProgress({ stage: 'writing a test record' })
  const name = `claims/${randomBytes(16).toString('hex')}-0.jws`
  const text = `Holdfast wrote this to try the roster; it may be removed. ${randomBytes(8).toString('hex')}`
  await roster.putOwn(name, text, { signal })
  try {
    const after = await roster.list(undefined, { signal })
    if (!after.records.some((record) => record.name === name && record.text === text)) throw new HoldfastError('roster-unavailable', `Cannot use the roster ${roster.locator}: what was written there is not found again`, { details: { locator: roster.locator, state: 'writes are lost' } })
  } finally {
    await roster.remove(name)
  }
  return { place: await roster.about?.({ signal }) ?? roster.locator, records: records.length }
}
