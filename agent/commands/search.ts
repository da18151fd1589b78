/** Finds files and folders of a snapshot by a part of their names. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import type { AgentContext } from './context.ts'
import type { RunOptions } from './command.ts'
import { listedEntry } from './browse.ts'

/** Folders are read one at a time, so a large snapshot takes time and no memory; it stops at `limit`. */
export async function search(context: AgentContext, { snapshot: name, text, limit }: CommandRequest<'search'>, { signal, onProgress }: RunOptions): Promise<CommandResult<'search'>> {
  const { repository } = await context.backup()
  const snapshot = await repository.snapshot(name, { signal })
  const wanted = text.toLocaleLowerCase()
  const entries: CommandResult<'search'>['entries'] = []
  let looked = 0
  for await (const { path, entry } of repository.walk(snapshot, undefined, { signal })) {
    signal.throwIfAborted()
    if (++looked % 1000 === 0) onProgress({ stage: 'searching', filesDone: looked })
    if (!entry.name.toLocaleLowerCase().includes(wanted)) continue
    if (entries.length === limit) return { snapshot: snapshot.id, entries, more: true }
    entries.push(listedEntry(path, entry))
  }
  return { snapshot: snapshot.id, entries, more: false }
}
