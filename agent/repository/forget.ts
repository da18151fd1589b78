/** Decides what a device need not keep alive any more: snapshots by a rule, packs that no kept snapshot reaches. */
import type { ObjectId, ObjectRef } from '../object-store.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { isHole } from './chunk-id.ts'
import { missingChunk } from './chunk-reader.ts'
import { type FileContent, listChunkIds } from './content.ts'
import type { MetadataReader } from './metadata.ts'
import type { PackIndex, TabledPack } from './pack-index.ts'
import type { Snapshot } from './snapshot.ts'
import type { Entry } from './tree.ts'

/** The newest `last`, and the newest of each of so many days, weeks (from Monday) and months, UTC, that have any. */
export interface KeepRule {
  readonly last?: number | undefined
  readonly daily?: number | undefined
  readonly weekly?: number | undefined
  readonly monthly?: number | undefined
}

export interface ForgetRequest {
  readonly keep: KeepRule
  readonly dryRun?: boolean | undefined
}

export interface ForgetReport {
  /** Forgotten. */
  readonly snapshots: readonly Snapshot[]
  readonly kept: readonly Snapshot[]
  readonly objects: number
  /** Of those objects. Holders free them when no head names them for a month. */
  readonly bytes: number
}

export interface ForgetContext {
  readonly index: PackIndex
  readonly metadata: MetadataReader
  readonly live: readonly ObjectRef[]
  readonly readSnapshot: (ref: ObjectRef) => Promise<Snapshot>
  readonly readIndex: (ref: ObjectRef) => Promise<TabledPack[]>
  readonly signal?: AbortSignal | undefined
}

const dayMs = 86_400_000

/** What stays alive. Throws when anything that a kept snapshot needs cannot be read: then nothing may go. */
export async function planForget(context: ForgetContext, { keep }: ForgetRequest): Promise<{ keep: ObjectRef[], report: ForgetReport }> {
  const all: { ref: ObjectRef, snapshot: Snapshot }[] = []
  for (const ref of context.live) if (ref.kind === 'snapshot') all.push({ ref, snapshot: await context.readSnapshot(ref) })
  const keptIds = chooseSnapshots(all.map(({ snapshot }) => snapshot), keep)
  const kept = all.filter(({ ref }) => keptIds.has(ref.id))
  const needed = await packsOf(context, kept.map(({ snapshot }) => snapshot))
  const stays: ObjectRef[] = []
  for (const ref of context.live) {
    if (ref.kind === 'key' || (ref.kind === 'snapshot' && keptIds.has(ref.id)) || (ref.kind === 'pack' && needed.has(ref.id))) stays.push(ref)
    else if (ref.kind === 'index' && (await context.readIndex(ref)).some(({ id }) => needed.has(id))) stays.push(ref)
  }
  const staying = new Set(stays.map(({ id }) => id))
  const gone = context.live.filter(({ id }) => !staying.has(id))
  return {
    keep: stays,
    report: {
      snapshots: all.filter(({ ref }) => !keptIds.has(ref.id)).map(({ snapshot }) => snapshot), kept: kept.map(({ snapshot }) => snapshot),
      objects: gone.length, bytes: gone.reduce((sum, { length }) => sum + length, 0),
    },
  }
}

/** Ids of the snapshots that a rule keeps. Throws `invalid-input` for a rule that keeps nothing. */
export function chooseSnapshots(snapshots: readonly Snapshot[], rule: KeepRule): Set<ObjectId> {
  const { last = 0, daily = 0, weekly = 0, monthly = 0 } = rule
  if (last + daily + weekly + monthly <= 0) throw new HoldfastError('invalid-input', 'Cannot forget: the rule keeps no snapshot')
  const kept = new Set<ObjectId>()
  const newestFirst = [...snapshots].sort((a, b) => Date.parse(b.time) - Date.parse(a.time))
  for (const { id } of newestFirst.slice(0, last)) kept.add(id)
  keepPeriods(newestFirst, kept, daily, (timeMs) => String(Math.floor(timeMs / dayMs)))
  keepPeriods(newestFirst, kept, weekly, (timeMs) => String(Math.floor((timeMs / dayMs + 3) / 7)))
  keepPeriods(newestFirst, kept, monthly, (timeMs) => new Date(timeMs).toISOString().slice(0, 7))
  return kept
}

function keepPeriods(newestFirst: readonly Snapshot[], kept: Set<ObjectId>, count: number, periodOf: (timeMs: number) => string): void {
  const seen = new Set<string>()
  for (const { id, time } of newestFirst) {
    const period = periodOf(Date.parse(time))
    if (seen.has(period)) continue
    if (seen.size === count) return
    seen.add(period)
    kept.add(id)
  }
}

async function packsOf({ index, metadata, signal }: ForgetContext, snapshots: readonly Snapshot[]): Promise<Set<ObjectId>> {
  const numbers = new Set<number>()
  const seen = new Set<string>()
  const mark = (id: Uint8Array): void => {
    const place = index.place(id)
    if (place === undefined) throw missingChunk()
    numbers.add(place.pack)
  }
  const markContent = async (content: FileContent): Promise<boolean> => {
    const key = JSON.stringify(content)
    if (seen.has(key)) return false
    seen.add(key)
    for (const id of listChunkIds(content)) mark(id)
    for await (const chunks of metadata.list(content, signal).chunks()) for (const { id } of chunks) if (!isHole(id)) mark(id)
    return true
  }
  const entries: Entry[] = snapshots.flatMap(({ roots }) => roots.map(({ entry }) => entry))
  for (let entry = entries.pop(); entry !== undefined; entry = entries.pop()) {
    if (entry.type !== 'symlink' && await markContent(entry.content) && entry.type === 'directory') entries.push(...await metadata.folder(entry, signal))
  }
  return new Set([...numbers].flatMap((number) => index.pack(number)?.ref.id ?? []))
}
