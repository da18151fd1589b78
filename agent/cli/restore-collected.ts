/** `holdfast restore … --from DIR…`: looks through the folders, says what is there, and only then asks for the words. */
import { resolve } from 'node:path'
import type { CommandResult } from '../../shared/api.ts'
import { counted } from '../../shared/counted.ts'
import { shortId } from '../../shared/ids.ts'
import { restoreFromFolders } from '../commands/restore-collected.ts'
import { type CollectedOwner, type CollectedSurvey, surveyFolders } from '../network/collected-folders.ts'
import { type Invocation, splitSnapshotPath, usageError } from './arguments.ts'
import { printable } from './format.ts'
import { ProgressLine } from './progress-line.ts'
import { readWords } from './secrets.ts'

/** Throws what surveyFolders() and restoreFromFolders() do, `invalid-input` without a snapshot or a target. */
export async function restoreCollected({ name, values, positionals }: Invocation, signal: AbortSignal): Promise<CommandResult<'restore'>> {
  const target = values['target']
  if (typeof target !== 'string' || target === '' || positionals[0] === undefined) throw usageError(name, 'with --from it takes a snapshot (`latest`) and --target DIR; further words are shard folders too')
  const folders = [...(values['from'] as string[]), ...positionals.slice(1)].map((folder) => resolve(folder))
  const closed: string[] = []
  const survey = await surveyFolders(folders, (_path, error) => { closed.push(error instanceof Error ? error.message : 'unusable') })
  process.stderr.write(`${[...surveyLines(survey), ...closed.map(printable)].join('\n')}\n`)
  const words = await readWords(signal)
  using line = new ProgressLine(process.stderr)
  return await restoreFromFolders({
    ...splitSnapshotPath(positionals[0]), target: resolve(target), overwrite: values['overwrite'] === true, folders, words,
  }, { signal, onProgress: line.update })
}

export function surveyLines({ owners, empty }: CollectedSurvey): string[] {
  return [
    `Found shards of ${counted(owners.length, 'owner')}:`, ...owners.map((owner) => `  ${ownerLine(owner)}`),
    ...empty.map((folder) => `  nothing in ${printable(folder)}`),
  ]
}

function ownerLine({ owner, folders, objects, lookedAt, readable, have, need }: CollectedOwner): string {
  const sample = lookedAt < objects ? `${lookedAt} that were looked at` : 'them'
  const state = readable === lookedAt ? `enough shards for all of ${sample}`
    : `enough shards for ${readable === 0 ? 'none' : readable} of ${sample}, of others only ${have} of ${need} needed: copy the folder \`holder\` of more machines`
  return `owner ${shortId(owner)}: ${counted(objects, 'object')} in ${counted(folders, 'folder')}, ${state}`
}
