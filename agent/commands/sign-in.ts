/** Signs this machine in at a roster, and proves it: a record is written, found again and removed. */
import { randomBytes } from 'node:crypto'
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { openRoster } from '../network/roster/open-roster.ts'
import { parseRosterLocator } from '../network/roster/locator.ts'
import type { Roster } from '../network/roster/port.ts'
import type { RunOptions } from './command.ts'
import type { AgentContext } from './context.ts'

/** The sign-in is kept only once it was seen to work. */
export async function signIn(context: AgentContext, request: CommandRequest<'sign-in'>, { signal, onProgress }: RunOptions): Promise<CommandResult<'sign-in'>> {
  const place = parseRosterLocator(request.locator)
  if (place.kind === 'folder') throw new HoldfastError('invalid-input', 'Cannot sign in to a folder: the system does that; check that you can open it')
  const { user, password, ca } = request
  if (user === undefined || password === undefined) throw new HoldfastError('invalid-input', 'Cannot sign in: a directory needs --user NAME and the password on stdin')
  const given = { user, password, ...(ca === undefined ? {} : { ca }) }
  const roster = openRoster(place.locator, { directorySignIn: async () => given })
  onProgress({ stage: 'looking at the roster' })
  if (request.prepare) await roster.prepare({ signal })
  const { records } = await roster.list(undefined, { signal })
  onProgress({ stage: 'writing a test record' })
  await proveWritable(roster, signal)
  await context.signIns.keepDirectorySignIn(place.place.url, given)
  return { locator: place.locator, account: user, records: records.length, writable: true }
}

async function proveWritable(roster: Roster, signal: AbortSignal): Promise<void> {
  const name = `claims/${randomBytes(16).toString('hex')}-0.jws`
  const text = `Holdfast wrote this to try the roster; it may be removed. ${randomBytes(8).toString('hex')}`
  await roster.putOwn(name, text, { signal })
  try {
    const { records } = await roster.list(undefined, { signal })
    if (!records.some((record) => record.name === name && record.text === text)) throw new HoldfastError('roster-unavailable', `Cannot use the roster ${roster.locator}: what was written there is not found again`, { details: { locator: roster.locator, state: 'writes are lost' } })
  } finally {
    await roster.remove(name)
  }
}
