/** Snapshots (docs/format.md section 3): what was backed up when, as one JSON document. */
import { z } from 'zod'
import { machineIdSchema, ownerIdSchema } from '../../shared/ids.ts'
import type { ObjectId } from '../object-store.ts'
import { assertName, entrySchema, parseDocument } from './tree.ts'

const objectIdSchema = z.string().regex(/^[0-9a-f]{64}$/).transform((text) => text as ObjectId)
const snapshotSchema = z.object({
  v: z.literal(1), owner: ownerIdSchema, machine: machineIdSchema, host: z.string(), time: z.iso.datetime({ offset: true }),
  parent: objectIdSchema.optional(),
  roots: z.array(z.object({ path: z.string().min(1), entry: entrySchema })),
  excludes: z.array(z.string()), skipped: z.array(z.object({ path: z.string(), reason: z.string(), intended: z.literal(true).optional() })),
  stats: z.object({ files: z.int(), directories: z.int(), bytes: z.int(), bytesNew: z.int() }),
  tags: z.array(z.string()),
  /** Outlook archives that were stored as they are though their own structure is damaged. */
  damaged: z.array(z.object({ path: z.string(), problem: z.string() })).optional(),
})

export type SnapshotDocument = z.infer<typeof snapshotSchema>
export type SnapshotRoot = SnapshotDocument['roots'][number]
export type SkippedPath = SnapshotDocument['skipped'][number]
export type DamagedArchive = NonNullable<SnapshotDocument['damaged']>[number]

export interface Snapshot extends SnapshotDocument {
  readonly id: ObjectId
}

/** What should be in it and is not: others were left out by design. */
export function lacking({ skipped }: Pick<Snapshot, 'skipped'>): SkippedPath[] {
  return skipped.filter(({ intended }) => intended !== true)
}

/** Throws `path-unsafe` when the entry of a root has a name that a folder's entry may not have. */
export function encodeSnapshot(document: SnapshotDocument): Buffer {
  for (const { entry } of document.roots) assertName(entry.name)
  return Buffer.from(JSON.stringify(document))
}

/** Throws `object-damaged`, `format-unknown` or `path-unsafe`. */
export function decodeSnapshot(text: Uint8Array): SnapshotDocument {
  const document = parseDocument(snapshotSchema, text, 'snapshot')
  for (const { entry } of document.roots) assertName(entry.name)
  return document
}

/**
 * Oldest first. By their times, but none before its parent, whatever the clocks of the machines said: who recovers on a
 * machine whose clock is late, or once had one that was years ahead, finds his newest backup last.
 */
export function inOrder(snapshots: readonly Snapshot[]): Snapshot[] {
  const byId = new Map(snapshots.map((snapshot) => [snapshot.id, snapshot]))
  const times = new Map<ObjectId, number>()
  for (const snapshot of snapshots) {
    const line: Snapshot[] = []
    for (let one: Snapshot | undefined = snapshot; one !== undefined && !times.has(one.id) && !line.includes(one);) {
      line.push(one)
      one = one.parent === undefined ? undefined : byId.get(one.parent)
    }
    for (const { id, parent, time } of line.reverse()) {
      const before = parent === undefined ? undefined : times.get(parent)
      times.set(id, Math.max(Date.parse(time), before === undefined ? -Infinity : before + 1))
    }
  }
  return [...snapshots].sort((a, b) => (times.get(a.id) ?? 0) - (times.get(b.id) ?? 0))
}
