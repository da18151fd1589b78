/**
 * Can everything still be restored? Every object that a head names must be there; every list and folder of every
 * snapshot must be readable, and every chunk in them must lie in a pack that is there. With `readData` every segment of
 * every pack is fetched, opened, and each chunk is checked against its id. Nothing is repaired here; packs found missing
 * or damaged are marked, and the next backup stores anew what it meets of them. What cannot be read because machines are off
 * is told apart, and not marked.
 */
import { type ErrorCode, HoldfastError } from '../../shared/errors.ts'
import { type ObjectId, type ObjectRef, type ObjectStore, offOf } from '../object-store.ts'
import { hashLeaves, rootOf } from '../merkle.ts'
import { isHole } from './chunk-id.ts'
import type { MetadataReader } from './metadata.ts'
import { readTable } from './pack.ts'
import type { PackIndex } from './pack-index.ts'
import { Pool } from './restore.ts'
import type { RestoreSetup } from './restore-worker.ts'
import { type KeyOptions, damaged } from './seal.ts'
import { joinPath, separatorOf } from './paths.ts'
import type { Snapshot } from './snapshot.ts'
import type { Entry } from './tree.ts'

/** `off`: machines that did not answer, and with which it could be read; empty when it is missing or damaged. */
export interface Fault {
  readonly code: ErrorCode
  readonly message: string
  readonly off: readonly string[]
}

export interface VerifyReport {
  readonly ok: boolean
  readonly objects: number
  readonly files: number
  /** Bytes of objects that were read. */
  readonly bytesRead: number
  readonly badObjects: readonly (Fault & { readonly ref: ObjectRef })[]
  /** Files and folders that cannot be restored whole, in every snapshot that has them. */
  readonly badFiles: readonly (Fault & { readonly snapshot: ObjectId, readonly path: string })[]
}

export interface VerifyContext {
  readonly store: ObjectStore
  readonly index: PackIndex
  readonly metadata: MetadataReader
  readonly threads: number
  readonly secrets: RestoreSetup
  readonly keyFor: (epoch: number) => KeyOptions
  /** What the heads keep alive, each object once. */
  readonly named: readonly ObjectRef[]
  readonly readSnapshot: (ref: ObjectRef) => Promise<Snapshot>
  readonly signal?: AbortSignal | undefined
}

type BadObject = VerifyReport['badObjects'][number]
type BadFile = VerifyReport['badFiles'][number]

export interface VerifyRequest {
  readonly readData: boolean
  /** Objects that are known to be unreadable, and why: they are not tried again. */
  readonly unreadable?: ReadonlyMap<ObjectId, Fault> | undefined
  readonly onBytes?: ((bytes: number) => void) | undefined
}

export async function verifyRepository(context: VerifyContext, request: VerifyRequest): Promise<VerifyReport> {
  const refs = context.named
  const bad = new Map<ObjectId, BadObject>()
  const there = new Set<ObjectId>()
  for await (const { id } of context.store.list({ signal: context.signal })) there.add(id)
  for (const ref of refs) {
    const fault = request.unreadable?.get(ref.id) ?? (there.has(ref.id) ? undefined : { code: 'object-missing' as const, message: 'no holder that answers has it', off: [] })
    if (fault !== undefined) bad.set(ref.id, { ref, ...fault })
  }
  let bytesRead = 0
  if (request.readData) {
    await readObjects(context, refs.filter(({ id }) => !bad.has(id)), (ref, failure) => {
      if (failure !== undefined) bad.set(ref.id, { ref, ...failure })
      bytesRead += ref.length
      request.onBytes?.(ref.length)
    })
  }
  for (const ref of refs) {
    const fault = bad.get(ref.id)
    if (ref.kind === 'pack' && (fault === undefined ? request.readData : fault.off.length === 0)) context.index.markLost(ref.id, fault !== undefined)
  }
  const { files, badFiles } = await checkSnapshots(context, refs, bad)
  return { ok: bad.size === 0 && badFiles.length === 0, objects: refs.length, files, bytesRead, badObjects: [...bad.values()], badFiles }
}

type Failure = Fault | undefined

async function readObjects(context: VerifyContext, refs: readonly ObjectRef[], report: (ref: ObjectRef, failure: Failure) => void): Promise<void> {
  await using pool = new Pool(context)
  const queue = [...refs]
  const work = async (): Promise<void> => {
    for (let ref = queue.pop(); ref !== undefined; ref = queue.pop()) report(ref, await failureOf(async () => await readObject(context, pool, ref)))
  }
  await Promise.all(Array.from({ length: context.threads + 1 }, work))
}

async function readObject({ store, keyFor, signal }: VerifyContext, pool: Pool, ref: ObjectRef): Promise<void> {
  const bytes = await store.get(ref, undefined, { signal })
  if (bytes.length !== ref.length || rootOf(hashLeaves(bytes)).toString('hex') !== ref.id) throw damaged('its bytes are not those that its id names')
  if (ref.kind !== 'pack') return
  const { key, segments } = await readTable(ref.length, async (offset, length) => bytes.subarray(offset, offset + length), keyFor)
  const { failures } = await pool.run({
    epoch: key.epoch, salt: key.salt, dataKey: keyFor(key.epoch).dataKey, bytes, checkOnly: true,
    segments: segments.map(({ chunks, ...segment }, number) => ({
      ...segment, number, wanted: chunks.map(({ id, offset, length }) => ({ id: Uint8Array.from(id), offset, length, position: 0, fd: undefined, file: 0 })),
    })),
  })
  const failure = failures[0]
  if (failure !== undefined) throw new HoldfastError(failure.code, failure.message)
}

async function failureOf(work: () => Promise<void>): Promise<Failure> {
  try {
    await work()
    return undefined
  } catch (error) {
    if (!(error instanceof HoldfastError) || error.code === 'cancelled') throw error
    return { code: error.code, message: error.message, off: offOf(error) }
  }
}

async function checkSnapshots(context: VerifyContext, refs: readonly ObjectRef[], bad: ReadonlyMap<ObjectId, Fault>): Promise<{ files: number, badFiles: BadFile[] }> {
  const badFiles: BadFile[] = []
  const checked = new Map<string, Failure>()
  const badPacks = new Map([...bad].flatMap(([id, fault]) => [context.index.packNumber(id)].flatMap((number) => (number === undefined ? [] : [[number, fault] as const]))))
  let files = 0
  for (const ref of refs) {
    if (ref.kind !== 'snapshot') continue
    let snapshot: Snapshot | undefined
    if (bad.has(ref.id)) continue // told as an object
    const failure = await failureOf(async () => { snapshot = await context.readSnapshot(ref) })
    if (failure !== undefined) badFiles.push({ snapshot: ref.id, path: '', ...failure })
    for (const root of snapshot?.roots ?? []) {
      files += await checkTree(context, root, { checked, badPacks, report: (path, failure) => badFiles.push({ snapshot: ref.id, path, ...failure }) })
    }
  }
  return { files, badFiles }
}

interface TreeCheck {
  readonly checked: Map<string, Failure>
  readonly badPacks: ReadonlyMap<number, Fault>
  readonly report: (path: string, failure: NonNullable<Failure>) => void
}

async function checkTree(context: VerifyContext, root: { path: string, entry: Entry }, { checked, badPacks, report }: TreeCheck): Promise<number> {
  const separator = separatorOf(root.path)
  const stack = [root]
  let files = 0
  for (let at = stack.pop(); at !== undefined; at = stack.pop()) {
    const { path, entry } = at
    if (entry.type === 'symlink') continue
    if (entry.type === 'file') files++
    const key = JSON.stringify(entry.content)
    if (!checked.has(key)) checked.set(key, await failureOf(async () => await checkContent(context, entry, badPacks)))
    const failure = checked.get(key)
    if (failure !== undefined) report(path, failure)
    if (entry.type !== 'directory' || (failure !== undefined && failure.off.length > 0)) continue
    const unreadable = await failureOf(async () => {
      for (const child of await context.metadata.folder(entry, context.signal)) stack.push({ path: joinPath(path, separator, child.name), entry: child })
    })
    if (unreadable !== undefined && failure === undefined) report(path, unreadable)
  }
  return files
}

async function checkContent({ index, metadata, signal }: VerifyContext, entry: Exclude<Entry, { type: 'symlink' }>, badPacks: ReadonlyMap<number, Fault>): Promise<void> {
  const list = metadata.list(entry.content, signal)
  for (const id of list.listIds) assertPlace(index.place(id), badPacks)
  for await (const chunks of list.chunks()) {
    for (const { id, length } of chunks) {
      if (isHole(id)) continue
      const place = assertPlace(index.place(id), badPacks)
      if (place.length !== length) throw damaged('a chunk has another length than its list says')
    }
  }
}

function assertPlace<T extends { readonly pack: number }>(place: T | undefined, badPacks: ReadonlyMap<number, Fault>): T {
  if (place === undefined) throw new HoldfastError('object-missing', 'Cannot restore it whole: no known pack holds one of its chunks')
  const fault = badPacks.get(place.pack)
  if (fault !== undefined) throw new HoldfastError('object-missing', `Cannot restore it whole: a pack that holds a part of it ${fault.off.length === 0 ? 'is missing or damaged' : 'lies on machines that are off'}`, { details: { off: fault.off } })
  return place
}
