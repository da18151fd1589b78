/**
 * Gives back space within what is kept: packs and indexes that no snapshot refers to are named no more, packs that are mostly
 * dead are rewritten, many small packs and indexes become few. Each backup leaves a small pack or two behind: without that their
 * number, and with it all that is done for each object, would grow for as long as there are backups.
 *
 * A rewritten pack is a new object under a fresh key and salt; chunk ids stay, so lists, folders and snapshots stay. The new
 * packs and an index of them are stored before the head that names them and leaves the old ones out; holders keep the old
 * ones for their delay, so older heads stay restorable and nothing is ever outrun. A run can be limited, because what it
 * replaces is kept twice for that long, and because holders freeze when most of a backup is replaced at once.
 */
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { releaseBytes } from '../release-bytes.ts'
import type { NewObject, ObjectId, ObjectRef, ObjectStore, PutReceipt } from '../object-store.ts'
import { type ChunkIdKey, chunkId } from './chunk-id.ts'
import { encodeIndex, splitForIndexes } from './index-object.ts'
import { type FinishedPack, PackBuilder, type PackBuilderOptions, sealDocument } from './pack.ts'
import type { PackIndex, TabledPack } from './pack-index.ts'
import { type PackUse, type UseContext, packUseOf } from './pack-use.ts'
import { type KeyOptions, damaged, deriveObjectKey, openPart, saltLength } from './seal.ts'
import { estimateWritten } from './prune-estimate.ts'
import type { Snapshot } from './snapshot.ts'

export interface PruneRequest {
  readonly dryRun?: boolean | undefined
  /** Bytes of packs that are rewritten at most; the emptiest first. */
  readonly maxRewriteBytes?: number | undefined
  /** Packs that are rewritten whatever is used of them, beyond the limit, and only if all new ones are placed in full. */
  readonly anew?: ReadonlySet<ObjectId> | undefined
}

export interface PruneReport {
  readonly packs: number
  /** Packs that nothing refers to, and those that are rewritten: less than half of them is used, or they are small and many. */
  readonly unused: number
  readonly rewritten: number
  /** Bytes of these two that the head names no more, and of what is written in their place (of a dry run: see prune-estimate.ts). */
  readonly droppedBytes: number
  readonly writtenBytes: number
  /** Packs worth rewriting that the limit left for another run, or that cannot be read now. */
  readonly left: number
  /** Index objects before and after. */
  readonly indexes: number
  readonly indexesAfter: number
}

export interface PruneContext extends UseContext {
  readonly live: readonly ObjectRef[]
  readonly store: ObjectStore
  readonly readSnapshot: (ref: ObjectRef) => Promise<Snapshot>
  readonly readIndex: (ref: ObjectRef) => Promise<TabledPack[]>
  readonly keyFor: (epoch: number) => KeyOptions
  readonly chunkIdKey: ChunkIdKey
  readonly sealing: Omit<PackBuilderOptions, 'emit'>
  readonly nowMs: () => number
  readonly put: (object: NewObject) => Promise<PutReceipt>
}

/** A pack of which less is used is rewritten. */
const worthKeeping = 0.5
/** More index objects than this become few. */
const manyIndexes = 16
/**
 * Packs below this are small, 4 MiB. So many of one size become few; a size is eight times the one before, so that until a pack
 * is no longer small what is in it is rewritten once for each size at most, and not each time that another small one comes.
 */
const smallPack = 4 * 1_048_576
const manySmall = 16
const sizeFactor = 8

interface Sorted {
  readonly unused: readonly ObjectRef[]
  /** Mostly dead, or small and many, and those of them that this run rewrites. */
  readonly worth: readonly ObjectRef[]
  readonly rewrite: readonly ObjectRef[]
}

/** What stays alive of what was; what was written is `stored` in the index. Throws when anything needed cannot be read. */
export async function prune(context: PruneContext, { dryRun = false, maxRewriteBytes = Infinity, anew = new Set() }: PruneRequest): Promise<{ keep: ObjectRef[], report: PruneReport }> {
  const { live } = context
  const snapshots: Snapshot[] = []
  for (const ref of live) if (ref.kind === 'snapshot') snapshots.push(await context.readSnapshot(ref))
  const use = await packUseOf(context, snapshots)
  const { unused, worth, rewrite } = sortPacks(context, use, { maxRewriteBytes, anew })
  const { done, bytes } = dryRun
    ? { done: rewrite, bytes: estimateWritten({ index: context.index, use }, rewrite) }
    : await rewritePacks(anew.size > 0 ? placedInFull(context) : context, use, rewrite)
  const gone = new Set([...unused, ...done].map(({ id }) => id))
  const indexes = await sortIndexes(context, gone)
  const isWritten = done.length + indexes.merge.length > 0
  const newIndexes = !isWritten ? 0 : dryRun ? Math.max(1, splitForIndexes(indexes.merge).length) : await storeIndexes(context, indexes.merge)
  const keptIndexes = new Set(indexes.keep.map(({ id }) => id))
  const keep = live.filter(({ id, kind }) => kind !== 'index' ? !gone.has(id) : keptIndexes.has(id))
  return {
    keep,
    report: {
      packs: live.filter(({ kind }) => kind === 'pack').length, unused: unused.length, rewritten: done.length, left: worth.length - done.length,
      droppedBytes: [...unused, ...done].reduce((sum, { length }) => sum + length, 0), writtenBytes: bytes,
      indexes: live.filter(({ kind }) => kind === 'index').length, indexesAfter: indexes.keep.length + newIndexes,
    },
  }
}

function sortPacks({ index, live }: PruneContext, use: PackUse, { maxRewriteBytes, anew }: { maxRewriteBytes: number; anew: ReadonlySet<ObjectId> }): Sorted {
  const packs = live.filter(({ kind }) => kind === 'pack').map((ref) => ({ ref, share: usedShare(index, use, ref) }))
  const sparse = packs.filter(({ ref, share }) => share > 0 && (share < worthKeeping || anew.has(ref.id))).sort((a, b) => a.share - b.share).map(({ ref }) => ref)
  let bytes = 0
  const rewrite = sparse.filter(({ id, length }) => anew.has(id) || (bytes += length) <= maxRewriteBytes)
  const small = smallOnes(packs.filter(({ ref, share }) => share >= worthKeeping && !anew.has(ref.id)).map(({ ref }) => ref))
  const merged = small.map((refs) => refs.filter(({ length }) => (bytes += length) <= maxRewriteBytes)).filter(({ length }) => length > 1)
  return { unused: packs.filter(({ share }) => share === 0).map(({ ref }) => ref), worth: [...sparse, ...small.flat()], rewrite: [...rewrite, ...merged.flat()] }
}

/** By size, the smallest first: where there are many of one. */
function smallOnes(packs: readonly ObjectRef[]): ObjectRef[][] {
  const bySize = Map.groupBy(packs.filter(({ length }) => length < smallPack), ({ length }) => Math.floor(Math.log(length) / Math.log(sizeFactor)))
  return [...bySize].filter(([, refs]) => refs.length >= manySmall).sort(([a], [b]) => a - b).map(([, refs]) => refs)
}

/** A store that rejects `too-few-holders` when it could not place every shard: what is there stays, and is better. */
function placedInFull(context: PruneContext): PruneContext {
  return {
    ...context,
    put: async (object) => {
      const receipt = await context.put(object)
      const { placed, wanted } = receipt
      if (placed < wanted) throw new HoldfastError('too-few-holders', `Cannot write packs anew: ${placed} of ${wanted} machines took a shard`, { details: { placed, wanted } })
      return receipt
    },
  }
}

/** 0 to 1, of the bytes of its chunks. A pack whose table is not known counts as used. */
function usedShare(index: PackIndex, use: PackUse, { id }: ObjectRef): number {
  const number = index.packNumber(id)
  const plain = number === undefined ? 0 : index.plainBytesOf(number)
  return number === undefined || plain === 0 ? 1 : use.bytesOf(number) / plain
}

/** Those that were rewritten, and bytes written. The index finds their chunks in the new packs once a head left the old ones out. */
async function rewritePacks(context: PruneContext, use: PackUse, refs: readonly ObjectRef[]): Promise<{ done: ObjectRef[], bytes: number }> {
  const finished: FinishedPack[] = []
  const builders = { data: makeBuilder(context, finished), metadata: makeBuilder(context, finished) }
  const done: ObjectRef[] = []
  let bytes = 0
  const storeFinished = async (): Promise<void> => {
    for (const pack of finished.splice(0)) {
      const { id, epoch, salt, table } = pack
      const { length } = pack.bytes // put may take the memory away
      bytes += length
      await context.put({ kind: 'pack', id, length, bytes: pack.bytes, leaves: pack.leaves })
      context.index.addPack({ id, length, epoch, salt, table }, { state: 'stored', indexed: false, nowMs: context.nowMs() })
    }
  }
  for (const ref of refs) {
    context.signal?.throwIfAborted()
    try {
      await takeUsed(context, use, ref, (number) => (use.isMetadata(number) ? builders.metadata : builders.data))
      done.push(ref)
    } catch (error) {
      if (!hasCode(error, 'object-missing', 'object-damaged', 'too-few-holders')) throw error
    }
    await storeFinished()
  }
  for (const builder of Object.values(builders)) builder.flush()
  await storeFinished()
  return { done, bytes }
}

function makeBuilder({ sealing }: PruneContext, finished: FinishedPack[]): PackBuilder {
  return new PackBuilder({ ...sealing, emit: (pack) => finished.push(pack) })
}

/** Every chunk is checked against its id before it goes into another pack. */
async function takeUsed(context: PruneContext, use: PackUse, ref: ObjectRef, builderOf: (number: number) => PackBuilder): Promise<void> {
  const { index, store, keyFor, chunkIdKey, signal } = context
  const number = index.packNumber(ref.id)
  const row = number === undefined ? undefined : index.pack(number)
  if (number === undefined || row === undefined) throw new HoldfastError('object-missing', 'Cannot rewrite a pack: its table is not known')
  const bytes = await store.get(ref, undefined, { signal })
  const key = deriveObjectKey({ kind: 'pack', epoch: row.epoch, salt: row.salt }, keyFor(row.epoch))
  for (const { segment, shape, chunks } of index.segmentsOf(number)) {
    const wanted = chunks.filter((_, chunk) => use.has(number, segment, chunk))
    if (wanted.length === 0) continue
    const plain = openPart(key, { number: segment, codec: shape.codec, plainLength: shape.plainLength }, bytes.subarray(shape.offset, shape.offset + shape.length))
    for (const { offset, length } of wanted) {
      const chunk = plain.subarray(offset, offset + length)
      const id = chunkId(chunkIdKey, chunk)
      if (index.place(id)?.pack !== number) throw damaged('a chunk is not the one that its id names')
      builderOf(number).add(id, chunk)
    }
    releaseBytes(plain)
  }
}

/** Index objects that stay, and the tables that go into new ones. */
async function sortIndexes({ live, readIndex }: PruneContext, gone: ReadonlySet<ObjectId>): Promise<{ keep: ObjectRef[], merge: TabledPack[] }> {
  const alive = new Set(live.filter(({ id, kind }) => kind === 'pack' && !gone.has(id)).map(({ id }) => id))
  const refs = live.filter(({ kind }) => kind === 'index')
  const keep: ObjectRef[] = []
  const tables = new Map<ObjectId, TabledPack>()
  for (const ref of refs) {
    const packs = (await readIndex(ref)).filter(({ id }) => alive.has(id))
    if (packs.length > 0) keep.push(ref)
    for (const pack of packs) tables.set(pack.id, pack)
  }
  return keep.length > manyIndexes ? { keep: [], merge: [...tables.values()] } : { keep, merge: [] }
}

/** Of packs that no index names yet, and of `merged`. Returns how many. */
async function storeIndexes({ index, put, sealing, nowMs }: PruneContext, merged: readonly TabledPack[]): Promise<number> {
  const unindexed = index.unindexed()
  const parts = splitForIndexes([...merged, ...unindexed])
  for (const packs of parts) {
    const object = sealDocument('index', encodeIndex(packs), { ...sealing, salt: sealing.random(saltLength) })
    const ref = { kind: 'index', id: object.id, length: object.bytes.length } as const
    await put({ ...ref, bytes: object.bytes, leaves: object.leaves })
    index.addObject(ref, { state: 'stored', nowMs: nowMs() })
    index.addDocument(ref.id, 'loaded')
  }
  index.markIndexed(unindexed.map(({ id }) => id))
  return parts.length
}

