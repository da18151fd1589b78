/**
 * Cuts objects into shards, the parity in a worker thread so that links and the pane stay answered meanwhile; of a small object
 * here, where it takes a few milliseconds and a thread would take a hundred to start.
 *
 * Parity and padded shards lie in memory that is shared with the worker and used again and again: fresh buffers for each
 * object would cost as much in page faults and collections of the heap as the coding itself.
 */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { HoldfastError } from '../../shared/errors.ts'
import { hashLeaves } from '../merkle.ts'
import { moduleUrl } from '../module-url.ts'
import { ErasureCoder, shardLength } from './erasure/reed-solomon.ts'
import type { ParityAnswer, ParityRequest } from './parity-worker.ts'
import { type CutShard, countPadded, cutDataShards } from './shard-set.ts'

/** Milliseconds without work after which thread and memory are given back. */
const idleMs = 10_000
/** Up to so many bytes an object is small. */
const smallLength = 1_048_576
/** Areas of memory that are kept for the next objects. */
const areasKept = 2

export interface CutObject {
  /** All n in order. */
  readonly shards: readonly CutShard[]
  /** To be called once, when nobody needs the bytes any more: other shards take their memory. */
  readonly release: () => void
}

export class ParityEncoder implements AsyncDisposable {
  #worker: Worker | undefined
  #coder: ErasureCoder | undefined
  #calls = 0
  #areas: SharedArrayBuffer[] = []
  #cancelIdle: () => void = () => undefined
  readonly #waiting = new Map<number, PromiseWithResolvers<ParityAnswer>>()

  /** The shards are views of `bytes` and of memory of the encoder. */
  async cut(object: { bytes: Uint8Array; leaves: Uint8Array }, k: number, n: number): Promise<CutObject> {
    if (k === 1 || n === k) {
      const data = cutDataShards(object.bytes, object.leaves, k)
      const shards = k > 1 ? data : Array.from({ length: n }, (_, number) => ({ ...data[0] as CutShard, number }))
      return { shards, release: () => undefined }
    }
    if (object.bytes.length <= smallLength) return { shards: this.#cutSmall(object, k, n), release: () => undefined }
    const length = shardLength(object.bytes.length, k)
    const area = this.#takeArea((n - k + countPadded(object.bytes.length, k)) * length)
    let used = 0
    const take = (bytes: number): Uint8Array => new Uint8Array(area, (used += bytes) - bytes, bytes)
    const into = Array.from({ length: n - k }, () => take(length))
    const { leaves } = await this.#encode({ data: object.bytes, k, n, into })
    const parity = into.map((bytes, row) => ({ number: k + row, bytes, leaves: leaves[row] as Uint8Array }))
    const shards = [...cutDataShards(object.bytes, object.leaves, k, take), ...parity]
    return { shards, release: () => { if (this.#areas.length < areasKept) this.#areas.push(area) } }
  }

  #cutSmall({ bytes, leaves }: { bytes: Uint8Array; leaves: Uint8Array }, k: number, n: number): CutShard[] {
    this.#coder ??= new ErasureCoder()
    const parity = this.#coder.encodeParity({ data: bytes, k, n }).map((shard, row) => ({ number: k + row, bytes: shard, leaves: hashLeaves(shard) }))
    return [...cutDataShards(bytes, leaves, k), ...parity]
  }

  #takeArea(length: number): SharedArrayBuffer {
    const at = this.#areas.findIndex(({ byteLength }) => byteLength >= length)
    return at < 0 ? new SharedArrayBuffer(length) : this.#areas.splice(at, 1)[0] as SharedArrayBuffer
  }

  async #encode(request: Omit<ParityRequest, 'call'>): Promise<ParityAnswer> {
    const worker = this.#worker ?? this.#start()
    const call = ++this.#calls
    const waiting = Promise.withResolvers<ParityAnswer>()
    this.#waiting.set(call, waiting)
    this.#cancelIdle()
    worker.ref()
    worker.postMessage({ call, ...request }, [])
    return await waiting.promise
  }

  #start(): Worker {
    const worker = new Worker(moduleUrl('./parity-worker', import.meta.url))
    worker.on('message', (answer: ParityAnswer) => {
      this.#waiting.get(answer.call)?.resolve(answer)
      this.#waiting.delete(answer.call)
      if (this.#waiting.size > 0) return
      worker.unref()
      const timer = setTimeout(() => { void this[Symbol.asyncDispose]() }, idleMs).unref()
      this.#cancelIdle = () => { clearTimeout(timer) }
    })
    worker.on('error', (cause) => this.#fail(worker, cause))
    worker.on('exit', () => this.#fail(worker, stopped()))
    this.#worker = worker
    return worker
  }

  #fail(worker: Worker, cause: unknown): void {
    if (this.#worker !== worker) return
    this.#worker = undefined
    for (const { reject } of this.#waiting.values()) reject(cause)
    this.#waiting.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancelIdle()
    this.#areas = []
    const worker = this.#worker
    if (worker === undefined) return
    this.#fail(worker, stopped()) // from here on it is nobody's: what comes meanwhile gets a worker of its own
    const ended = once(worker, 'exit')
    await worker.terminate()
    await ended
  }
}

function stopped(): HoldfastError {
  return new HoldfastError('cancelled', 'Cannot cut an object: the agent stops')
}
