/**
 * Reads the contents of many files in bulk. Chunks that some 64 MiB of files want are grouped by pack and segment,
 * ranges of a pack that lie close together are fetched in one, and threads open them, check them and write them straight
 * into the files. So each segment is fetched and opened about once, whatever the order of the chunks in the files.
 * A pack that cannot be read fails the files that want it, and no others. Nothing is renamed or synced here.
 */
import { Worker } from 'node:worker_threads'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { moduleUrl } from '../module-url.ts'
import { releaseBytes } from '../release-bytes.ts'
import type { ObjectStore } from '../object-store.ts'
import { isHole } from './chunk-id.ts'
import { missingChunk } from './chunk-reader.ts'
import type { FileContent, ListedChunk } from './content.ts'
import type { MetadataReader } from './metadata.ts'
import type { PackIndex, PackRow, Place } from './pack-index.ts'
import type { FileFailure, RestoreJob, RestoreResult, RestoreSetup, SegmentJob, WantedChunk } from './restore-worker.ts'
import { type KeyOptions, damaged } from './seal.ts'
import { endOf } from './thread-end.ts'

/** An open file that threads write to. */
export interface FileTarget {
  readonly fd: number
  /** Told of each range that they wrote. */
  readonly written?: (offset: number, length: number) => Promise<void> | void
  /** What the user is told when the system refuses a write; `cause.code` is as ENOSPC. */
  readonly fault: (cause: NodeJS.ErrnoException) => HoldfastError
}

/** One file to be restored. Holes are not written: the target reads as zeros before. */
export interface RestoreItem {
  readonly content: FileContent
  /** Callbacks are awaited. */
  readonly target: FileTarget | { readonly write: (offset: number, bytes: Uint8Array) => Promise<void> | void }
  /** Ranges that stand in the target already, from an interrupted run; they are not fetched. */
  readonly isWritten?: ((offset: number, length: number) => boolean) | undefined
  /** Called once: with nothing when every byte is written, else with what went wrong. */
  readonly done: (error?: HoldfastError) => Promise<void> | void
}

export interface RestoreOptions {
  readonly store: ObjectStore
  readonly index: PackIndex
  readonly metadata: MetadataReader
  readonly secrets: RestoreSetup
  readonly keyFor: (epoch: number) => KeyOptions
  readonly threads: number
  readonly signal?: AbortSignal | undefined
  /** Bytes written since the call before. */
  readonly onBytes?: ((bytes: number) => void) | undefined
}

interface OpenFile {
  readonly item: RestoreItem
  /** Chunks that are wanted and neither written nor given up yet, whether or not their job has begun. */
  pending: number
  /** All its chunks were looked up. Without it, or with chunks pending, the file is not whole. */
  planned: boolean
  error: HoldfastError | undefined
}

interface Want extends WantedChunk { readonly place: Place }

const batchBytes = 67_108_864
const batchChunks = 8192
const batchFiles = 256
/** That one look-up in the index takes. */
const idsAtOnce = 4096
/** Bytes fetched for nothing rather than in two calls. */
const closeBytes = 131_072
/** Below the size from which glibc gives each buffer pages of its own (the launcher's MALLOC_MMAP_THRESHOLD_). */
const rangeBytes = 4_128_768
const jobsPerThread = 2
/** See capture.ts. */
const youngMiB = 2

export async function restoreItems(items: Iterable<RestoreItem> | AsyncIterable<RestoreItem>, options: RestoreOptions): Promise<void> {
  await using run = new RestoreRun(options)
  await run.restore(items)
}

class RestoreRun implements AsyncDisposable {
  readonly #options: RestoreOptions
  readonly #pool: Pool
  readonly #files = new Map<number, OpenFile>()
  readonly #active = new Set<Promise<void>>()
  #wants: Want[] = []
  #wantedBytes = 0
  /** Of the index, when the first place of the batch was looked up. */
  #removals = 0
  #nextFile = 0

  constructor(options: RestoreOptions) {
    this.#options = options
    this.#pool = new Pool(options)
  }

  async restore(items: Iterable<RestoreItem> | AsyncIterable<RestoreItem>): Promise<void> {
    try {
      for await (const item of items) {
        await this.#plan(item)
        if (this.#files.size >= batchFiles) await this.#runBatch()
      }
      await this.#runBatch()
      while (this.#active.size > 0) await Promise.race(this.#active)
      this.#options.signal?.throwIfAborted()
    } catch (cause) {
      const error = cause instanceof HoldfastError ? cause : cancelledOr(cause, this.#options.signal)
      await this[Symbol.asyncDispose]()
      for (const [number, file] of this.#files) await this.#end(number, file, error)
      throw error
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#pool[Symbol.asyncDispose]()
    await Promise.allSettled(this.#active)
  }

  async #plan(item: RestoreItem): Promise<void> {
    const number = this.#nextFile++
    const file: OpenFile = { item, pending: 0, planned: false, error: undefined }
    this.#files.set(number, file)
    this.#options.signal?.throwIfAborted()
    try {
      for await (const chunks of this.#options.metadata.list(item.content, this.#options.signal).chunks()) {
        this.#want(number, file, chunks.filter(({ id, offset, length }) => !isHole(id) && item.isWritten?.(offset, length) !== true))
        if (this.#wantedBytes >= batchBytes || this.#wants.length >= batchChunks) await this.#runBatch()
      }
    } catch (error) {
      if (!(error instanceof HoldfastError) || error.code === 'cancelled') throw error
      file.error ??= error
    }
    file.planned = true
    await this.#endIfSettled(number, file)
  }

  #want(number: number, file: OpenFile, chunks: readonly ListedChunk[]): void {
    const { target } = file.item
    const fd = 'fd' in target ? target.fd : undefined
    if (this.#wants.length === 0) this.#removals = this.#options.index.removals
    const places = this.#options.index.placeEach(Buffer.concat(chunks.map(({ id }) => id)))
    for (const [i, { id, offset, length }] of chunks.entries()) {
      const place = places[i]
      if (place === undefined) throw missingChunk()
      if (place.length !== length) throw damaged('a chunk has another length than its list says')
      this.#wants.push({ id, offset: place.offset, length, position: offset, fd, file: number, place })
      file.pending++
      this.#wantedBytes += length
    }
  }

  /** Starts the jobs of what is wanted so far; waits only while too many are under way. */
  async #runBatch(): Promise<void> {
    const wants = this.#wants
    this.#wants = []
    this.#wantedBytes = 0
    const { current, gone } = this.#current(wants)
    const jobs = this.#jobsOf(current)
    await this.#settle(gone)
    for (const job of jobs) {
      while (this.#active.size >= this.#options.threads * jobsPerThread) await Promise.race(this.#active)
      this.#options.signal?.throwIfAborted()
      const active = this.#run(job).finally(() => this.#active.delete(active))
      active.catch(() => {})
      this.#active.add(active)
    }
    if (this.#files.size >= batchFiles) while (this.#active.size > 0) await Promise.race(this.#active)
  }

  /** A prune may have rewritten packs since the places were looked up: then they are looked up again. */
  #current(wants: readonly Want[]): { current: readonly Want[]; gone: ChunkCounts } {
    const { index } = this.#options
    const gone = new Map<number, number>()
    if (index.removals === this.#removals) return { current: wants, gone }
    const current: Want[] = []
    for (let first = 0; first < wants.length; first += idsAtOnce) {
      const part = wants.slice(first, first + idsAtOnce)
      for (const [i, place] of index.placeEach(Buffer.concat(part.map(({ id }) => id))).entries()) {
        const want = part[i] as Want
        if (place !== undefined) current.push({ ...want, offset: place.offset, place })
        else {
          (this.#files.get(want.file) as OpenFile).error ??= missingChunk()
          gone.set(want.file, (gone.get(want.file) ?? 0) + 1)
        }
      }
    }
    return { current, gone }
  }

  #jobsOf(wants: readonly Want[]): Fetch[] {
    const packs = Map.groupBy(wants, ({ place }) => place.pack)
    const jobs: Fetch[] = []
    for (const [pack, wanted] of [...packs].sort(([a], [b]) => a - b)) {
      const row = this.#options.index.pack(pack)
      if (row === undefined) throw missingChunk()
      const segments = [...Map.groupBy(wanted, ({ place }) => place.segment)].sort(([a], [b]) => a - b)
      let end = -1
      for (const [number, chunks] of segments) {
        const shape = this.#options.index.segment(pack, number)
        if (shape === undefined) throw missingChunk()
        const last = jobs.at(-1)
        const entry = { number, ...shape, wanted: chunks.sort((a, b) => a.offset - b.offset || a.position - b.position) }
        const near = last !== undefined && last.pack === pack && shape.offset - end <= closeBytes && shape.offset + shape.length - last.offset <= rangeBytes
        if (near) last.segments.push(entry)
        else jobs.push({ pack, row, offset: shape.offset, segments: [entry], chunksOf: new Map() })
        end = shape.offset + shape.length
        const { chunksOf } = jobs.at(-1) as Fetch
        for (const { file } of chunks) chunksOf.set(file, (chunksOf.get(file) ?? 0) + 1)
      }
    }
    return jobs
  }

  async #run(fetch: Fetch): Promise<void> {
    const { segments, chunksOf } = fetch
    try {
      await this.#take(await this.#open(fetch))
      this.#options.onBytes?.(segments.reduce((sum, { wanted }) => sum + wanted.reduce((all, { length }) => all + length, 0), 0))
    } catch (error) {
      if (!(error instanceof HoldfastError) || hasCode(error, 'cancelled')) throw error
      for (const file of chunksOf.keys()) (this.#files.get(file) as OpenFile).error ??= error
    }
    await this.#settle(chunksOf)
  }

  /**
   * The thread checks every segment and every chunk, so the store need not. When one is wrong, it is fetched once more: the
   * store then finds out whose bytes they are, says so, and takes others.
   */
  async #open(fetch: Fetch): Promise<RestoreResult> {
    const result = await this.#tryOpen(fetch, true)
    if (!result.failures.some(({ code }) => code === 'object-damaged')) return result
    for (const { bytes } of result.chunks) releaseBytes(bytes)
    return await this.#tryOpen(fetch, false)
  }

  async #tryOpen({ row, offset, segments }: Fetch, unchecked: boolean): Promise<RestoreResult> {
    const { store, keyFor, signal } = this.#options
    const last = segments.at(-1) as SegmentJob
    const bytes = await store.get(row.ref, { offset, length: last.offset + last.length - offset }, { signal, unchecked })
    const shifted = segments.map((segment) => ({ ...segment, offset: segment.offset - offset, wanted: segment.wanted.map(plainWant) }))
    return await this.#pool.run({ epoch: row.epoch, salt: row.salt, dataKey: keyFor(row.epoch).dataKey, bytes, segments: shifted })
  }

  /** These chunks are written or given up; ends the files that wait for no others, side by side. */
  async #settle(chunksOf: ChunkCounts): Promise<void> {
    const ends = await Promise.allSettled([...chunksOf].map(async ([number, chunks]) => {
      const file = this.#files.get(number) as OpenFile
      file.pending -= chunks
      await this.#endIfSettled(number, file)
    }))
    for (const end of ends) if (end.status === 'rejected') throw end.reason
  }

  async #take({ failures, written, chunks }: RestoreResult): Promise<void> {
    for (const failure of failures) {
      const file = this.#files.get(failure.file) as OpenFile
      file.error ??= errorOf(failure, file.item)
    }
    for (const { file, position, length } of written) {
      const { target } = (this.#files.get(file) as OpenFile).item
      if ('fd' in target) await target.written?.(position, length)
    }
    for (const { file, position, bytes } of chunks) {
      const { item } = this.#files.get(file) as OpenFile
      if ('write' in item.target) await item.target.write(position, bytes)
      releaseBytes(bytes)
    }
  }

  async #endIfSettled(number: number, file: OpenFile): Promise<void> {
    if (file.planned && file.pending === 0) await this.#end(number, file)
  }

  async #end(number: number, file: OpenFile, error = file.error): Promise<void> {
    if (!this.#files.delete(number)) return
    await file.item.done(error)
  }
}

function errorOf({ code, message, refused }: FileFailure, { target }: RestoreItem): HoldfastError {
  if (refused === undefined || !('fd' in target)) return new HoldfastError(code, message)
  return target.fault(Object.assign(new Error(message), { code: refused }))
}

interface Fetch {
  readonly pack: number
  readonly row: PackRow
  readonly offset: number
  readonly segments: (Omit<SegmentJob, 'wanted'> & { readonly wanted: Want[] })[]
  readonly chunksOf: Map<number, number>
}

/** How many chunks of which files. */
type ChunkCounts = ReadonlyMap<number, number>

function plainWant({ id, offset, length, position, fd, file }: Want): WantedChunk {
  return { id, offset, length, position, fd, file }
}

export interface PoolOptions {
  readonly secrets: RestoreSetup
  readonly threads: number
}

interface PoolThread {
  readonly worker: Worker
  readonly ended: Promise<void>
  load: number
}

/** Threads that run jobs. */
export class Pool implements AsyncDisposable {
  readonly #options: PoolOptions
  readonly #workers: PoolThread[] = []
  readonly #waiting = new Map<number, PromiseWithResolvers<RestoreResult> & { readonly thread: PoolThread }>()
  #next = 0
  #ended = false

  constructor(options: PoolOptions) {
    this.#options = options
  }

  async run(job: Omit<RestoreJob, 'job'>): Promise<RestoreResult> {
    if (this.#ended) throw cancelled()
    const thread = this.#pick()
    const waiting = { ...Promise.withResolvers<RestoreResult>(), thread }
    const number = this.#next++
    this.#waiting.set(number, waiting)
    thread.load++
    thread.worker.postMessage({ job: number, ...job }, ownBuffer(job.bytes))
    try {
      return await waiting.promise
    } finally {
      thread.load--
    }
  }

  #pick(): PoolThread {
    const idle = this.#workers.toSorted((a, b) => a.load - b.load)[0]
    if (idle !== undefined && (idle.load === 0 || this.#workers.length >= this.#options.threads)) return idle
    const worker = new Worker(moduleUrl('./restore-worker', import.meta.url), { workerData: this.#options.secrets, resourceLimits: { maxYoungGenerationSizeMb: youngMiB } })
    worker.on('message', (result: RestoreResult) => {
      this.#waiting.get(result.job)?.resolve(result)
      this.#waiting.delete(result.job)
    })
    const thread = { worker, ended: endOf(worker), load: 0 }
    worker.on('error', (cause) => {
      this.#workers.splice(this.#workers.indexOf(thread), 1)
      this.#fail(new HoldfastError('internal', 'Cannot go on restoring: a thread failed', { cause }), thread)
    })
    this.#workers.push(thread)
    return thread
  }

  /** What waits, or only what waits for one thread. */
  #fail(error: HoldfastError, of?: PoolThread): void {
    for (const [number, { reject, thread }] of this.#waiting) {
      if (of !== undefined && thread !== of) continue
      this.#waiting.delete(number)
      reject(error)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#ended = true
    await Promise.all(this.#workers.map(async ({ worker, ended }) => {
      worker.postMessage('end', [])
      await ended
    }))
    this.#fail(cancelled())
  }
}

/** A buffer of its own is given away, another one is copied. */
function ownBuffer(bytes: Uint8Array): ArrayBuffer[] {
  return bytes.buffer instanceof ArrayBuffer && bytes.byteLength === bytes.buffer.byteLength ? [bytes.buffer] : []
}

function cancelled(): HoldfastError {
  return new HoldfastError('cancelled', 'Cannot go on restoring: it was cancelled')
}

function cancelledOr(cause: unknown, signal: AbortSignal | undefined): HoldfastError {
  return signal?.aborted === true ? cancelled() : new HoldfastError('internal', 'Cannot go on restoring: unexpected failure', { cause })
}

