/** What reading a backup answers, whoever may. A part of the table of shared/api.ts. */
import { z } from 'zod'
import { bytes, count, time } from './fields.ts'
import { noticeSchema } from './notices.ts'

export const snapshotSchema = z.object({
  id: z.string(), time, machine: z.string(), host: z.string(), paths: z.array(z.string()),
  files: count, bytes, bytesNew: bytes, complete: z.boolean(), tags: z.array(z.string()),
  /** Outlook archives in it that were damaged already when they were backed up. */
  damaged: z.array(z.string()),
})
export type SnapshotSummary = z.infer<typeof snapshotSchema>

export const entrySchema = z.object({
  name: z.string(), path: z.string(), type: z.enum(['file', 'directory', 'symlink']), size: bytes, mode: z.int(), mtime: time,
  target: z.string().optional(),
})
export type ListedEntry = z.infer<typeof entrySchema>

export const entriesResult = z.object({ snapshot: z.string(), entries: z.array(entrySchema) })

export const skippedSchema = z.object({ path: z.string(), reason: z.string() })

/** How sure a snapshot list is the newest: every asked machine answered, or some did not. `notices`: that a newer one is known to exist, and the like. */
export const freshnessSchema = z.object({ answered: count, asked: count, newest: z.enum(['confirmed', 'found']), notices: z.array(noticeSchema) })
export type Freshness = z.infer<typeof freshnessSchema>

export const snapshotsResult = z.object({ snapshots: z.array(snapshotSchema), freshness: freshnessSchema })

export const restoreResult = z.object({
  snapshot: z.string(), target: z.string(), bytes, files: count, directories: count, symlinks: count, unchangedFiles: count,
  resumedBytes: bytes, seconds: z.number(), written: z.array(z.string()), skipped: z.array(skippedSchema), freshness: freshnessSchema,
})
