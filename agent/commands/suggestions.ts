/** Archives on this machine that could be protected, those that are marked. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { findArchives } from '../source/outlook-locations.ts'
import type { AgentContext } from './context.ts'
import type { RunOptions } from './command.ts'

export async function suggestions(context: AgentContext, _request: CommandRequest<'suggestions'>, { signal }: RunOptions): Promise<CommandResult<'suggestions'>> {
  const { watchFolders, protect, includeOutlookCaches } = context.settings.config
  const found = await findArchives({ watchFolders, signal, localAppData: process.env['LOCALAPPDATA'] })
  const isProtected = (path: string) => protect.some((entry) => path === entry.path || path.startsWith(`${entry.path}/`) || path.startsWith(`${entry.path}\\`))
  return {
    archives: found.filter(({ kind }) => kind === 'pst' || includeOutlookCaches).map(({ path, bytes, modifiedMs, kind }) => (
      { path, bytes, modified: new Date(modifiedMs).toISOString(), kind, protected: isProtected(path) })),
  }
}
