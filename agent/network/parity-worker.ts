/** Runs in a worker thread: parity shards and their leaves, read from and written into memory that the threads share. */
import { parentPort } from 'node:worker_threads'
import { hashLeaves } from '../merkle.ts'
import { ErasureCoder } from './erasure/reed-solomon.ts'

export interface ParityRequest {
  readonly call: number
  readonly data: Uint8Array
  readonly k: number
  readonly n: number
  /** Where the n − k parity shards go. */
  readonly into: readonly Uint8Array[]
}

export interface ParityAnswer {
  readonly call: number
  readonly leaves: readonly Uint8Array[]
}

const coder = new ErasureCoder()

parentPort?.on('message', ({ call, data, k, n, into }: ParityRequest) => {
  const answer: ParityAnswer = { call, leaves: coder.encodeParity({ data, k, n }, 0, into).map(hashLeaves) }
  parentPort?.postMessage(answer, [])
})
