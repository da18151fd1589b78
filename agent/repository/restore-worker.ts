/** A thread of the restore: opens segments, checks every chunk against its id, and writes it where it belongs. */
import { parentPort, workerData } from 'node:worker_threads'
import { releaseBytes } from '../release-bytes.ts'
import { UncachedWriter } from '../uncached-file.ts'
import { HoldfastError, type ErrorCode } from '../../shared/errors.ts'
import { type ChunkIdKey, chunkId, chunkIdKeyOf } from './chunk-id.ts'
import { damaged, deriveObjectKey, openPart } from './seal.ts'

/** One place that wants a chunk. With an `fd` the thread writes it there; without it goes back to the caller. */
export interface WantedChunk {
  readonly id: Uint8Array
  /** In the segment. */
  readonly offset: number
  readonly length: number
  /** In the file. */
  readonly position: number
  readonly fd: number | undefined
  /** The caller's number for the file. */
  readonly file: number
}

export interface SegmentJob {
  readonly number: number
  /** In `bytes` of the job. */
  readonly offset: number
  readonly length: number
  readonly plainLength: number
  readonly codec: number
  readonly wanted: readonly WantedChunk[]
}

export interface RestoreJob {
  readonly job: number
  readonly epoch: number
  readonly salt: Uint8Array
  readonly dataKey: Uint8Array
  readonly bytes: Uint8Array
  readonly segments: readonly SegmentJob[]
  /** Nothing is written or handed back. */
  readonly checkOnly?: boolean
}

export interface FileFailure {
  readonly file: number
  readonly code: ErrorCode
  readonly message: string
  /** Of a write that the system refused, what it said, as ENOSPC. */
  readonly refused?: string
}

export interface RestoreResult {
  readonly job: number
  readonly failures: readonly FileFailure[]
  /** What was written through an `fd`. */
  readonly written: readonly { readonly file: number, readonly position: number, readonly length: number }[]
  /** For chunks without an `fd`. */
  readonly chunks: readonly { readonly file: number, readonly position: number, readonly bytes: Uint8Array }[]
}

export interface RestoreSetup {
  readonly owner: Uint8Array
  readonly chunkIdKey: Uint8Array
}

const writer = new UncachedWriter()

export function runJob(job: RestoreJob, { owner, chunkIdKey }: RestoreSetup): RestoreResult {
  const key = deriveObjectKey({ kind: 'pack', epoch: job.epoch, salt: job.salt }, { dataKey: job.dataKey, owner })
  const idKey = chunkIdKeyOf(chunkIdKey)
  const failures = new Map<number, FileFailure>()
  const chunks: { file: number, position: number, bytes: Uint8Array }[] = []
  const written: { file: number, position: number, length: number }[] = []
  for (const segment of job.segments) {
    try {
      const plain = openPart(key, segment, job.bytes.subarray(segment.offset, segment.offset + segment.length))
      checkChunks(plain, segment.wanted, idKey)
      for (const run of job.checkOnly === true ? [] : runsOf(segment.wanted)) {
        const bytes = plain.subarray(run.offset, run.offset + run.length)
        if (run.fd === undefined) chunks.push({ file: run.file, position: run.position, bytes: Uint8Array.from(bytes) })
        else if (!failures.has(run.file) && write(run, run.fd, bytes, failures)) written.push({ file: run.file, position: run.position, length: run.length })
      }
      releaseBytes(plain)
    } catch (error) {
      for (const { file } of segment.wanted) failures.set(file, failureOf(file, error))
    }
  }
  releaseBytes(job.bytes)
  return { job: job.job, failures: [...failures.values()], written, chunks }
}

function checkChunks(plain: Buffer, wanted: readonly WantedChunk[], chunkIdKey: ChunkIdKey): void {
  let checked: Uint8Array | undefined
  for (const { id, offset, length } of wanted) {
    if (id === checked) continue
    if (!chunkId(chunkIdKey, plain.subarray(offset, offset + length)).equals(id)) throw damaged('a chunk is not the one that its id names')
    checked = id
  }
}

interface Run { readonly file: number, readonly fd: number | undefined, readonly position: number, readonly offset: number, length: number }

/** Joins chunks that follow each other in the segment and in the file. */
function runsOf(wanted: readonly WantedChunk[]): Run[] {
  const runs: Run[] = []
  for (const { file, fd, position, offset, length } of wanted) {
    const last = runs.at(-1)
    if (last?.file === file && last.position + last.length === position && last.offset + last.length === offset) last.length += length
    else runs.push({ file, fd, position, offset, length })
  }
  return runs
}

function write({ file, position }: Run, fd: number, bytes: Buffer, failures: Map<number, FileFailure>): boolean {
  try {
    writer.write(fd, bytes, position)
    return true
  } catch (error) {
    const { code: refused = 'unknown', message } = error as NodeJS.ErrnoException
    failures.set(file, { file, code: 'target-unwritable', message, refused })
    return false
  }
}

function failureOf(file: number, error: unknown): FileFailure {
  if (!(error instanceof HoldfastError)) throw error
  return { file, code: error.code, message: error.message }
}

if (parentPort !== null) {
  const port = parentPort
  const setup = workerData as RestoreSetup
  port.on('message', (job: RestoreJob | 'end') => {
    if (job === 'end') {
      port.close()
      return
    }
    const result = runJob(job, setup)
    port.postMessage(result, result.chunks.map(({ bytes }) => bytes.buffer as ArrayBuffer))
  })
}
