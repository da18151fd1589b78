/**
 * The coordinator of the capture threads: hands out pieces of files, decides which chunks are new (one thread decides,
 * so none is stored twice), and passes finished packs on.
 *
 * At most `threads + packsInFlight` packs of 16 MiB exist at a time, those being filled included. They are built in
 * memory that the threads share and that is used again when the store has taken a pack: fresh memory for each would cost
 * page faults and collections of the heap. It knows neither paths nor snapshots.
 */
import { Worker } from 'node:worker_threads'
import { HoldfastError } from '../../shared/errors.ts'
import { moduleUrl } from '../module-url.ts'
import { endOf } from './thread-end.ts'
import { chunkIdLength, chunkKey } from './chunk-id.ts'
import { type FromWorker, type Piece, type PieceResult, type ReadFailure, type ToWorker, type WorkerSetup, maxAsked, verdictBytes } from './capture-worker.ts'
import type { FinishedPack } from './pack.ts'
import { readTableEntries } from './table.ts'
import { packLength } from './seal.ts'

export interface CaptureOptions {
  readonly secrets: Pick<WorkerSetup, 'owner' | 'epoch' | 'dataKey' | 'chunkIdKey' | 'chunkerKey'>
  readonly threads: number
  /** Packs handed to storePack and not yet taken. */
  readonly packsInFlight: number
  /** Which of many chunks (16 bytes an id) are stored already: 1 or 0 for each. */
  readonly hasChunks: (ids: Uint8Array) => Uint8Array
  /** Must leave the chunks of the pack known to hasChunks when it resolves. */
  readonly storePack: (pack: FinishedPack) => Promise<void>
  /** Called with the bytes of chunks that turned out new. */
  readonly onNew: (bytes: number) => void
  /** Before each batch of some MiB; undefined: it may begin at once. Never rejects. */
  readonly turn?: (() => Promise<void> | undefined) | undefined
}

interface QueuedPiece {
  readonly piece: Piece
  readonly resolve: (entries: Uint8Array) => void
  readonly reject: (error: unknown) => void
}

interface Thread {
  readonly worker: Worker
  readonly states: Int32Array
  readonly verdicts: SharedArrayBuffer
  readonly batches: QueuedPiece[][]
  readonly ended: Promise<void>
  flushed: (() => void) | undefined
}

/** Places of packs are bits of one number. */
const maxPacks = 31
const stopSign = -0x8000_0000
const batchBytes = 4_194_304
const batchPieces = 256
/** Small, so that the buffers of compressed and sealed segments are freed soon after they are garbage. */
const youngMiB = 2
/** Far more than a thread needs. V8 collects a heap that may become large only when it has grown fourfold. */
const oldMiB = 128
/** Batches that a thread has before it, the one in work included. */
const batchesAhead = 2

export class Capture implements AsyncDisposable {
  readonly #options: CaptureOptions
  /** See WorkerSetup. */
  readonly #control: Int32Array
  readonly #packs: readonly SharedArrayBuffer[]
  readonly #threads: Thread[] = []
  readonly #queue: QueuedPiece[] = []
  readonly #pending = new Set<string>()
  readonly #storing = new Set<Promise<void>>()
  readonly #stopped = Promise.withResolvers<never>()
  #failure: Error | undefined
  #scheduled = false
  /** The next batch has its turn, or waits for it. */
  #turn: 'none' | 'asked' | 'taken' = 'none'

  constructor(options: CaptureOptions) {
    this.#options = options
    this.#control = new Int32Array(new SharedArrayBuffer(8))
    const count = Math.min(maxPacks, options.threads + options.packsInFlight)
    this.#packs = Array.from({ length: count }, () => new SharedArrayBuffer(packLength))
    this.#control[0] = 2 ** count - 1
    this.#stopped.promise.catch(() => {})
  }

  /** Page entries of the chunks of a piece. Rejects `file-changed`, `file-unreadable`, or what stopped the capture. */
  async read(piece: Piece): Promise<Uint8Array> {
    if (this.#failure !== undefined) throw this.#failure
    return await new Promise((resolve, reject) => {
      this.#queue.push({ piece, resolve, reject })
      this.#schedule()
    })
  }

  /** Resolves when every chunk read so far is stored. */
  async flush(): Promise<void> {
    const flushed = this.#threads.map(async (thread) => {
      await new Promise<void>((resolve) => {
        thread.flushed = resolve
        post(thread, { type: 'flush' })
      })
    })
    await Promise.race([Promise.all(flushed), this.#stopped.promise])
    while (this.#storing.size > 0) await Promise.race([Promise.all(this.#storing), this.#stopped.promise])
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Fails everything that waits, and everything asked for later, with `error`. */
  stop(error: Error): void {
    if (this.#failure !== undefined) return
    this.#failure = error
    this.#stopped.reject(error)
    for (const { reject } of [...this.#queue.splice(0), ...this.#threads.flatMap(({ batches }) => batches.splice(0).flat())]) reject(error)
  }

  /** Ends the threads; when it resolves none of them reads a file any more. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.stop(new HoldfastError('cancelled', 'Cannot go on capturing: it was ended'))
    Atomics.store(this.#control, 1, 1)
    Atomics.or(this.#control, 0, stopSign)
    await Promise.all(this.#threads.map(async (thread) => {
      post(thread, { type: 'end' })
      for (const slot of [0, 1]) releaseSlot(thread, slot)
      Atomics.notify(this.#control, 0)
      await thread.ended
    }))
    await Promise.allSettled(this.#storing)
  }

  /** Collects what is asked for in one go into batches. */
  #schedule(): void {
    if (this.#scheduled) return
    this.#scheduled = true
    setImmediate(() => {
      this.#scheduled = false
      this.#dispatch()
    })
  }

  #dispatch(): void {
    while (this.#queue.length > 0 && this.#failure === undefined) {
      let thread = this.#threads.toSorted((a, b) => a.batches.length - b.batches.length)[0]
      if ((thread === undefined || thread.batches.length > 0) && this.#threads.length < this.#options.threads) thread = this.#start()
      if (thread === undefined || thread.batches.length >= batchesAhead || !this.#hasTurn()) return
      const batch = this.#nextBatch()
      thread.batches.push(batch)
      post(thread, { type: 'pieces', pieces: batch.map(({ piece }) => piece) })
    }
  }

  /** When not, the batch is handed out as soon as it has its turn. */
  #hasTurn(): boolean {
    if (this.#turn === 'asked') return false
    const wait = this.#turn === 'taken' ? undefined : this.#options.turn?.()
    this.#turn = wait === undefined ? 'none' : 'asked'
    if (wait !== undefined) void this.#afterTurn(wait)
    return wait === undefined
  }

  async #afterTurn(wait: Promise<void>): Promise<void> {
    await wait
    this.#turn = 'taken'
    this.#dispatch()
  }

  #nextBatch(): QueuedPiece[] {
    let bytes = 0
    let count = 0
    for (const { piece } of this.#queue) {
      bytes += piece.length
      if (count === batchPieces || (count > 0 && bytes > batchBytes)) break
      count++
    }
    return this.#queue.splice(0, count)
  }

  #start(): Thread {
    const verdicts = new SharedArrayBuffer(verdictBytes)
    const workerData: WorkerSetup = { ...this.#options.secrets, control: this.#control.buffer as SharedArrayBuffer, packs: this.#packs, verdicts }
    const worker = new Worker(moduleUrl('./capture-worker', import.meta.url), { workerData, resourceLimits: { maxYoungGenerationSizeMb: youngMiB, maxOldGenerationSizeMb: oldMiB } })
    const thread: Thread = { worker, states: new Int32Array(verdicts, 0, 2), verdicts, batches: [], ended: endOf(worker), flushed: undefined }
    worker.on('message', (message: FromWorker) => this.#receive(thread, message))
    worker.on('error', (cause) => this.stop(new HoldfastError('internal', 'Cannot go on capturing: a thread failed', { cause })))
    this.#threads.push(thread)
    return thread
  }

  #receive(thread: Thread, message: FromWorker): void {
    if (message.type === 'ask') this.#answer(thread, message)
    else if (message.type === 'pack') this.#store(message)
    else if (message.type === 'flushed') thread.flushed?.()
    else {
      for (const [i, { resolve, reject }] of (thread.batches.shift() ?? []).entries()) {
        const result = message.results[i] as PieceResult
        if ('entries' in result) resolve(result.entries)
        else reject(failureOf(result.failure))
      }
      this.#dispatch()
    }
  }

  #answer({ states, verdicts }: Thread, { slot, ids, lengths }: FromWorker & { type: 'ask' }): void {
    const verdict = new Uint8Array(verdicts, 8 + slot * maxAsked, lengths.length)
    const stored = this.#options.hasChunks(ids)
    let bytes = 0
    for (let i = 0; i < lengths.length; i++) {
      verdict[i] = 0
      if (stored[i] === 1) continue
      const key = chunkKey(ids.subarray(i * chunkIdLength, (i + 1) * chunkIdLength))
      if (this.#pending.has(key)) continue
      this.#pending.add(key)
      verdict[i] = 1
      bytes += lengths[i] as number
    }
    if (bytes > 0) this.#options.onNew(bytes)
    releaseSlot({ states }, slot)
  }

  #store({ place, pack }: FromWorker & { type: 'pack' }): void {
    const storing = this.#storePack(pack).catch((error: unknown) => this.stop(error as Error)).finally(() => {
      this.#storing.delete(storing)
      Atomics.or(this.#control, 0, 1 << place)
      Atomics.notify(this.#control, 0)
    })
    this.#storing.add(storing)
  }

  async #storePack(pack: FinishedPack): Promise<void> {
    const { table } = pack
    const length = pack.bytes.length
    await this.#options.storePack(pack)
    for (const { chunks } of readTableEntries(table, length)) for (const key of chunks.keys()) this.#pending.delete(key)
  }
}

function releaseSlot({ states }: Pick<Thread, 'states'>, slot: number): void {
  Atomics.store(states, slot, 1)
  Atomics.notify(states, slot)
}

function post(thread: Thread, message: ToWorker): void {
  thread.worker.postMessage(message, [])
}

function failureOf({ changed, message, systemCode }: ReadFailure): HoldfastError {
  if (changed) return new HoldfastError('file-changed', `Cannot read the file: ${message}`)
  return new HoldfastError('file-unreadable', `Cannot read the file: ${message}`, { details: { reason: systemCode ?? 'unknown' } })
}
