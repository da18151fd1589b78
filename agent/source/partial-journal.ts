/**
 * The journal beside a partial file: which ranges of which content are on the disk for certain. It is written after
 * the data was synced, by temporary name, sync and rename, so at any moment it names nothing that a crash can take
 * away. It is a local file of this machine: an unknown version, a damaged journal, or one of another content or
 * another partial file counts as none, and the file is restored from its start.
 */
import { constants } from 'node:fs'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { ByteRanges } from './byte-ranges.ts'
import { isMissing, unwritable } from './file-faults.ts'
import type { PartialNames } from './partial-name.ts'

export interface PartialContent {
  /** Names the content, for instance the id of its chunk list: ranges of one key always hold the same bytes. */
  readonly contentKey: string
  readonly size: number
  /** Of the partial file. */
  readonly fileId: string
}

const offset = z.number().int().nonnegative()
const journalSchema = z.object({
  holdfastPartial: z.literal(1),
  contentKey: z.string(),
  size: offset,
  fileId: z.string(),
  ranges: z.array(z.tuple([offset, offset])),
})

export async function readPartialJournal(
  folder: string, names: PartialNames, content: PartialContent,
): Promise<ByteRanges | undefined> {
  const text = await readFile(join(folder, names.journal), 'utf8').catch((error: unknown) => {
    if (isMissing(error)) return undefined
    throw unwritable(join(folder, names.journal), error)
  })
  const journal = text === undefined ? undefined : journalSchema.safeParse(parseJson(text)).data
  if (journal === undefined || journal.contentKey !== content.contentKey) return undefined
  if (journal.size !== content.size || journal.fileId !== content.fileId) return undefined
  if (journal.ranges.some(([start, end]) => start >= end || end > content.size)) return undefined
  return new ByteRanges(journal.ranges)
}

const draftFlags = constants.O_WRONLY | constants.O_CREAT | constants.O_TRUNC | (constants.O_NOFOLLOW ?? 0)

/** Call it only with ranges whose bytes were synced before. */
export async function writePartialJournal(
  folder: string, names: PartialNames, state: { content: PartialContent, ranges: ByteRanges },
): Promise<void> {
  const draft = join(folder, names.journalDraft)
  const journal: z.infer<typeof journalSchema> = {
    holdfastPartial: 1, ...state.content, ranges: state.ranges.list().map(([start, end]) => [start, end]),
  }
  try {
    await using file = await open(draft, draftFlags, 0o600)
    await file.writeFile(JSON.stringify(journal))
    await file.sync()
  } catch (error) {
    await rm(draft, { force: true })
    throw unwritable(draft, error)
  }
  await rename(draft, join(folder, names.journal))
}

export async function removePartialJournal(folder: string, names: PartialNames): Promise<void> {
  await rm(join(folder, names.journalDraft), { force: true })
  await rm(join(folder, names.journal), { force: true })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
