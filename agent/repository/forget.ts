/** Decides what a device need not keep alive any more: snapshots by a rule, and what only they refer to. */
import type { ObjectId, ObjectRef } from '../object-store.ts'
import { type Kept, type KeepRule, chooseSnapshots } from './keep-rule.ts'
import { type UseContext, packUseOf } from './pack-use.ts'
import type { TabledPack } from './pack-index.ts'
import type { Snapshot } from './snapshot.ts'

export interface ForgetRequest {
  readonly keep: KeepRule
  /** Only snapshots with all of these are judged; the others stay. */
  readonly tagged?: readonly string[] | undefined
  readonly dryRun?: boolean | undefined
}

export interface ForgetReport {
  /** Forgotten. */
  readonly snapshots: readonly Snapshot[]
  readonly kept: readonly Snapshot[]
  /** Of each that is kept. */
  readonly why: ReadonlyMap<ObjectId, Kept>
  readonly objects: number
  /** Of those objects. Holders free them when no head names them for a month. */
  readonly bytes: number
}

export interface ForgetContext extends UseContext {
  readonly live: readonly ObjectRef[]
  readonly readSnapshot: (ref: ObjectRef) => Promise<Snapshot>
  readonly readIndex: (ref: ObjectRef) => Promise<TabledPack[]>
}

/** What stays alive. Throws when anything that a kept snapshot needs cannot be read: then nothing may go. */
export async function planForget(context: ForgetContext, { keep, tagged = [] }: ForgetRequest): Promise<{ keep: ObjectRef[], report: ForgetReport }> {
  const all: { ref: ObjectRef, snapshot: Snapshot }[] = []
  for (const ref of context.live) if (ref.kind === 'snapshot') all.push({ ref, snapshot: await context.readSnapshot(ref) })
  const judged = all.map(({ snapshot }) => snapshot).filter(({ tags }) => tagged.every((tag) => tags.includes(tag)))
  const chosen = chooseSnapshots(judged, keep)
  const going = new Set(judged.map(({ id }) => id).filter((id) => !chosen.has(id)))
  const kept = all.filter(({ ref }) => !going.has(ref.id))
  const needed = (await packUseOf(context, kept.map(({ snapshot }) => snapshot))).ids(context.index)
  const stays: ObjectRef[] = []
  for (const ref of context.live) {
    if (ref.kind === 'key' || (ref.kind === 'snapshot' && !going.has(ref.id)) || (ref.kind === 'pack' && needed.has(ref.id))) stays.push(ref)
    else if (ref.kind === 'index' && (await context.readIndex(ref)).some(({ id }) => needed.has(id))) stays.push(ref)
  }
  const staying = new Set(stays.map(({ id }) => id))
  const gone = context.live.filter(({ id }) => !staying.has(id))
  return {
    keep: stays,
    report: {
      snapshots: all.filter(({ ref }) => going.has(ref.id)).map(({ snapshot }) => snapshot), kept: kept.map(({ snapshot }) => snapshot),
      why: new Map(kept.map(({ ref: { id } }) => [id, chosen.get(id) ?? { reasons: ['unjudged'], wholeOf: [] }])), objects: gone.length, bytes: gone.reduce((sum, { length }) => sum + length, 0),
    },
  }
}
