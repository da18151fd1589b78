/**
 * A thread of the capture pipeline: reads regions of open files, cuts and names chunks, asks which are new, and
 * compresses and seals those into packs.
 *
 * Chunks gather in a window of some MiB, across files. A full window's ids are sent to the coordinator, and while its
 * answer is on the way the next window is read and named; then the new chunks of the first go into the open pack. So
 * a thread never idles for an answer, and the list of a file is known before its chunks are packed. The coordinator
 * answers through shared memory, lends the memory of packs there, and says there that all is to stop: a
 * thread ends by itself, because Node.js aborts the process when a thread is terminated while it sets up a compression.
 */
import { randomBytes } from 'node:crypto'
import { readSync } from 'node:fs'
import { type MessagePort, parentPort, workerData } from 'node:worker_threads'
import { type ChunkIdKey, chunkId, chunkIdKeyOf, chunkIdLength } from './chunk-id.ts'
import type { ChunkerName } from './chunker/chunker.ts'
import { ContentDefinedChunker, maxChunkLength } from './chunker/content-defined.ts'
import { fixedChunkLength } from './chunker/fixed.ts'
import { type FinishedPack, PackBuilder } from './pack.ts'

/** Bytes of a file to be captured as one: all of it, or one region. */
export interface Piece {
  readonly fd: number
  readonly offset: number
  readonly length: number
  readonly chunker: ChunkerName
  /** Page entries that the same range had before; chunks that are the same need no question. */
  readonly base?: Uint8Array | undefined
}

export interface ReadFailure {
  /** The file was shorter than it should be. */
  readonly changed: boolean
  readonly message: string
  readonly systemCode?: string | undefined
}

export type PieceResult =
  | { readonly entries: Uint8Array<ArrayBuffer> }
  | { readonly failure: ReadFailure }

export type ToWorker = { readonly type: 'pieces', readonly pieces: readonly Piece[] } | { readonly type: 'flush' } | { readonly type: 'end' }
export type FromWorker =
  | { readonly type: 'results', readonly results: readonly PieceResult[] }
  /** `ids`: 16 bytes each. The answer goes to `slot`. */
  | { readonly type: 'ask', readonly slot: number, readonly ids: Uint8Array, readonly lengths: Uint32Array }
  /** `place`: which of the shared packs it fills. */
  | { readonly type: 'pack', readonly place: number, readonly pack: FinishedPack }
  | { readonly type: 'flushed' }

export interface WorkerSetup {
  readonly owner: Uint8Array
  readonly epoch: number
  readonly dataKey: Uint8Array
  readonly chunkIdKey: Uint8Array
  readonly chunkerKey: Uint8Array
  /** Int32Array of two: a bit for each of `packs` that is free, for all threads together, and the sign when all are to stop; 1 then. */
  readonly control: SharedArrayBuffer
  /** Memory of 16 MiB each, where packs are built; it is free again when the store has taken the pack. */
  readonly packs: readonly SharedArrayBuffer[]
  /** Int32Array of two states (0 asked, 1 answered or stopped), then `maxAsked` bytes for each of the two slots. */
  readonly verdicts: SharedArrayBuffer
}

/** Of a window: small enough to stay in the processor's cache until its chunks are packed. */
const windowLength = 2_097_152
export const maxAsked = 4096
export const verdictBytes = 8 + 2 * maxAsked
const variableEntryLength = chunkIdLength + 4
/** No read of one piece adds more questions to a window. */
const askedByRead = windowLength / fixedChunkLength + 1

interface Window {
  readonly slot: number
  readonly chunker: ContentDefinedChunker
  /** The chunker's window. */
  readonly buffer: Buffer
  /** Bytes of whole chunks in it. */
  length: number
  /** Chunks to ask about: offset and length in the buffer, and their ids. */
  readonly offsets: number[]
  readonly lengths: number[]
  readonly ids: Buffer[]
}

class CaptureThread {
  readonly #port: MessagePort
  readonly #setup: WorkerSetup
  readonly #chunkIdKey: ChunkIdKey
  readonly #builder: PackBuilder
  readonly #control: Int32Array
  readonly #states: Int32Array
  /** Of the pack that is being built. */
  #place = 0
  #window: Window
  #other: Window

  constructor(port: MessagePort, setup: WorkerSetup) {
    this.#port = port
    this.#setup = setup
    this.#chunkIdKey = chunkIdKeyOf(setup.chunkIdKey)
    this.#control = new Int32Array(setup.control)
    this.#states = new Int32Array(setup.verdicts, 0, 2)
    this.#window = emptyWindow(0, setup)
    this.#other = emptyWindow(1, setup)
    this.#builder = new PackBuilder({
      ...setup, random: (length) => randomBytes(length), acquire: () => this.#acquire(), emit: (pack) => this.#emit(pack),
    })
  }

  take(message: ToWorker): void {
    try {
      this.#assertGoingOn()
      this.#handle(message)
    } catch (error) {
      if (!(error instanceof Stopped)) throw error
      this.#port.close()
    }
  }

  #handle(message: ToWorker): void {
    if (message.type === 'end') throw new Stopped()
    if (message.type === 'flush') this.#flush()
    else {
      const results = message.pieces.map((piece) => this.#capture(piece))
      this.#post({ type: 'results', results }, results.flatMap((result) => ('entries' in result ? [result.entries.buffer] : [])))
    }
  }

  #capture(piece: Piece): PieceResult {
    try {
      return { entries: piece.chunker === 'fixed-16k' ? this.#captureFixed(piece) : this.#captureVariable(piece) }
    } catch (error) {
      if (error instanceof ShortRead) return { failure: { changed: true, message: error.message } }
      if (error instanceof Error && 'syscall' in error) {
        return { failure: { changed: false, message: error.message, systemCode: (error as NodeJS.ErrnoException).code } }
      }
      throw error
    }
  }

  #captureFixed({ fd, offset, length, base }: Piece): Uint8Array<ArrayBuffer> {
    const entries = Buffer.alloc(Math.ceil(length / fixedChunkLength) * chunkIdLength)
    for (let done = 0; done < length;) {
      const room = Math.floor((windowLength - this.#window.length) / fixedChunkLength) * fixedChunkLength
      if (room === 0 || this.#window.ids.length + askedByRead > maxAsked) {
        this.#turn(0)
        continue
      }
      const take = Math.min(length - done, room)
      const start = this.#window.length
      readFully(fd, this.#window.buffer, { start, length: take, position: offset + done })
      this.#window.length += take
      for (let at = 0; at < take; at += fixedChunkLength) {
        const entry = (done + at) / fixedChunkLength * chunkIdLength
        const id = this.#name(start + at, Math.min(fixedChunkLength, take - at), base?.subarray(entry, entry + chunkIdLength))
        id?.copy(entries, entry)
      }
      done += take
    }
    return entries
  }

  #captureVariable({ fd, offset, length }: Piece): Uint8Array<ArrayBuffer> {
    const entries: Buffer[] = []
    let read = 0
    let uncut = 0
    while (read < length) {
      const room = windowLength - this.#window.length - uncut
      if (room < Math.min(length - read, maxChunkLength) || this.#window.ids.length + askedByRead > maxAsked) {
        this.#turn(uncut)
        continue
      }
      const window = this.#window
      const take = Math.min(length - read, room)
      readFully(fd, window.buffer, { start: window.length + uncut, length: take, position: offset + read })
      read += take
      uncut += take
      const start = window.length
      for (const end of window.chunker.cut(window.chunker.window.subarray(start, start + uncut), read === length)) {
        const entry = Buffer.alloc(variableEntryLength)
        const at = window.length
        entry.writeUInt32LE(start + end - at, chunkIdLength)
        this.#name(at, start + end - at)?.copy(entry)
        entries.push(entry)
        window.length = start + end
      }
      uncut -= window.length - start
    }
    return Uint8Array.from(Buffer.concat(entries))
  }

  /** Id of a chunk of the window, noted to be asked about unless it is `known`; undefined for a hole. */
  #name(at: number, length: number, known?: Uint8Array): Buffer | undefined {
    const window = this.#window
    if (window.buffer[at] === 0 && window.chunker.isZero(at, length)) return undefined
    const id = chunkId(this.#chunkIdKey, window.buffer.subarray(at, at + length))
    if (known?.length === chunkIdLength && id.equals(known)) return id
    window.offsets.push(at)
    window.lengths.push(length)
    window.ids.push(id)
    return id
  }

  /** Asks about the window, packs what was new in the one before, and goes on in that one's buffer, where the `uncut`
   * bytes after the last chunk move. */
  #turn(uncut: number): void {
    this.#assertGoingOn()
    const filled = this.#window
    if (filled.ids.length > 0) {
      Atomics.store(this.#states, filled.slot, 0)
      this.#post({ type: 'ask', slot: filled.slot, ids: Buffer.concat(filled.ids), lengths: Uint32Array.from(filled.lengths) })
    }
    this.#packOther()
    filled.buffer.copy(this.#other.buffer, 0, filled.length, filled.length + uncut)
    this.#window = this.#other
    this.#other = filled
  }

  #packOther(): void {
    const window = this.#other
    if (window.ids.length > 0) Atomics.wait(this.#states, window.slot, 0)
    this.#assertGoingOn()
    const verdict = new Uint8Array(this.#setup.verdicts, 8 + window.slot * maxAsked, window.ids.length)
    for (const [i, id] of window.ids.entries()) {
      if (verdict[i] === 0) continue
      const at = window.offsets[i] as number
      this.#builder.add(id, window.buffer.subarray(at, at + (window.lengths[i] as number)))
    }
    window.length = 0
    window.offsets.length = window.lengths.length = window.ids.length = 0
  }

  #flush(): void {
    this.#turn(0)
    this.#packOther()
    this.#builder.flush()
    this.#post({ type: 'flushed' })
  }

  #acquire(): Buffer {
    for (;;) {
      this.#assertGoingOn()
      const free = Atomics.load(this.#control, 0)
      const place = 31 - Math.clz32(free)
      if (free < 0) continue // all is to stop
      if (free === 0) Atomics.wait(this.#control, 0, 0)
      else if (Atomics.compareExchange(this.#control, 0, free, free & ~(1 << place)) === free) {
        this.#place = place
        return Buffer.from(this.#setup.packs[place] as SharedArrayBuffer)
      }
    }
  }

  #assertGoingOn(): void {
    if (Atomics.load(this.#control, 1) === 1) throw new Stopped()
  }

  #emit(pack: FinishedPack): void {
    this.#post({ type: 'pack', place: this.#place, pack }, [pack.leaves.buffer, pack.table.buffer])
  }

  #post(message: FromWorker, transfer: ArrayBuffer[] = []): void {
    this.#port.postMessage(message, transfer)
  }
}

class ShortRead extends Error {}
class Stopped extends Error {}

function readFully(fd: number, buffer: Buffer, { start, length, position }: { start: number, length: number, position: number }): void {
  for (let done = 0; done < length;) {
    const got = readSync(fd, buffer, start + done, length - done, position + done)
    if (got === 0) throw new ShortRead(`the file ends at ${position + done}`)
    done += got
  }
}

function emptyWindow(slot: number, { chunkerKey }: WorkerSetup): Window {
  const chunker = new ContentDefinedChunker(chunkerKey, { capacity: windowLength })
  const { buffer, byteOffset, byteLength } = chunker.window
  return { slot, chunker, buffer: Buffer.from(buffer, byteOffset, byteLength), length: 0, offsets: [], lengths: [], ids: [] }
}

if (parentPort !== null) {
  const port = parentPort
  const thread = new CaptureThread(port, workerData as WorkerSetup)
  port.on('message', (message: ToWorker) => thread.take(message))
}
