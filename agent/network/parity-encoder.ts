/** Cuts objects into shards, the parity in a worker thread so that links and the pane stay answered meanwhile. */
import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import { HoldfastError } from '../../shared/errors.ts'
import type { ParityAnswer, ParityRequest } from './parity-worker.ts'
import { type CutShard, cutDataShards } from './shard-set.ts'

interface Waiting {
  resolve(answer: ParityAnswer): void
  reject(error: unknown): void
}

export class ParityEncoder implements AsyncDisposable {
  #worker: Worker | undefined
  #calls = 0
  readonly #waiting = new Map<number, Waiting>()

  /** All n shards in order. Takes the buffer of `bytes` away; the shards' bytes are views of it and of new ones. */
  async cut(object: { bytes: Uint8Array<ArrayBuffer>; leaves: Uint8Array }, k: number, n: number): Promise<CutShard[]> {
    if (k === 1 || n === k) {
      const data = cutDataShards(object.bytes, object.leaves, k)
      return k > 1 ? data : Array.from({ length: n }, (_, number) => ({ ...data[0] as CutShard, number }))
    }
    const { data, parity } = await this.#encode(object.bytes, k, n)
    return [...cutDataShards(data, object.leaves, k), ...parity.map((shard, row) => ({ number: k + row, ...shard }))]
  }

  async #encode(bytes: Uint8Array<ArrayBuffer>, k: number, n: number): Promise<ParityAnswer> {
    const worker = this.#worker ?? this.#start()
    const call = ++this.#calls
    const data = bytes.byteLength === bytes.buffer.byteLength ? bytes : bytes.slice()
    const request: ParityRequest = { call, data, k, n }
    return await new Promise((resolve, reject) => {
      this.#waiting.set(call, { resolve, reject })
      worker.ref()
      worker.postMessage(request, [data.buffer])
    })
  }

  #start(): Worker {
    const worker = new Worker(new URL('./parity-worker.ts', import.meta.url))
    worker.on('message', (answer: ParityAnswer) => {
      this.#waiting.get(answer.call)?.resolve(answer)
      this.#waiting.delete(answer.call)
      if (this.#waiting.size === 0) worker.unref()
    })
    worker.on('error', (cause) => this.#fail(cause))
    worker.on('exit', () => this.#fail(new HoldfastError('cancelled', 'Cannot cut an object: the agent stops')))
    this.#worker = worker
    return worker
  }

  #fail(cause: unknown): void {
    this.#worker = undefined
    for (const { reject } of this.#waiting.values()) reject(cause)
    this.#waiting.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const worker = this.#worker
    if (worker === undefined) return
    const ended = once(worker, 'exit')
    await worker.terminate()
    await ended
  }
}
