/** Runs in a worker thread: parity shards and their leaves. The object's buffer comes and goes back by transfer. */
import { parentPort } from 'node:worker_threads'
import { hashLeaves } from '../merkle.ts'
import { ErasureCoder } from './erasure/reed-solomon.ts'

export interface ParityRequest {
  readonly call: number
  readonly data: Uint8Array<ArrayBuffer>
  readonly k: number
  readonly n: number
}

export interface ParityAnswer {
  readonly call: number
  readonly data: Uint8Array<ArrayBuffer>
  readonly parity: readonly { readonly bytes: Uint8Array<ArrayBuffer>; readonly leaves: Uint8Array<ArrayBuffer> }[]
}

const coder = new ErasureCoder()

parentPort?.on('message', ({ call, data, k, n }: ParityRequest) => {
  const parity = coder.encodeParity({ data, k, n }).map((bytes) => ({ bytes, leaves: hashLeaves(bytes) }))
  const answer: ParityAnswer = { call, data, parity }
  parentPort?.postMessage(answer, [data.buffer, ...parity.map(({ bytes }) => bytes.buffer)])
})
