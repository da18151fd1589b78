/** Opens an archive that this agent restored in the Outlook of the person at this machine, where that can be done. */
import { lstatSync } from 'node:fs'
import { open } from 'node:fs/promises'
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { outlookHeaderLength, parseOutlookHeader } from '../source/outlook-archive.ts'
import type { RunOptions } from './command.ts'
import type { AgentContext } from './context.ts'

type Context = Pick<AgentContext, 'outlook' | 'restoredArchives'>

export async function outlook(context: Context, _request: CommandRequest<'outlook'>, { signal }: RunOptions): Promise<CommandResult<'outlook'>> {
  const obstacle = await context.outlook.obstacle(signal)
  const archives = context.restoredArchives.paths().filter((path) => lstatSync(path, { throwIfNoEntry: false })?.isFile() === true)
  return { available: obstacle === undefined, reason: obstacle?.reason ?? null, detail: obstacle?.detail ?? null, archives }
}

/** Throws `not-found` for what this agent did not restore, `outlook-unavailable`, `file-unreadable`. */
export async function outlookOpen(context: Context, { path }: CommandRequest<'outlook open'>, { signal }: RunOptions): Promise<CommandResult<'outlook open'>> {
  const archive = context.restoredArchives.find(path)
  if (archive === undefined) throw new HoldfastError('not-found', `Cannot open ${path} in Outlook: it is no archive that was restored here; open it by hand, or restore it again`)
  if (!await isArchive(archive)) throw new HoldfastError('file-unreadable', `Cannot open ${archive} in Outlook: what is there now is no Outlook archive; restore it again`)
  return { path: archive, ...await context.outlook.openArchive(archive, signal) }
}

async function isArchive(path: string): Promise<boolean> {
  if (lstatSync(path, { throwIfNoEntry: false })?.isFile() !== true) return false
  const start = Buffer.alloc(outlookHeaderLength)
  try {
    await using file = await open(path, 'r')
    const { bytesRead } = await file.read(start, 0, start.length, 0)
    return parseOutlookHeader(start.subarray(0, bytesRead))?.client === 'pst'
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'EBUSY') return true // Outlook has it open already, and locked it
    throw new HoldfastError('file-unreadable', `Cannot open ${path} in Outlook: it cannot be read (${(cause as NodeJS.ErrnoException).code ?? 'unknown'})`, { cause })
  }
}
