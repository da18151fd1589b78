/**
 * How bytes of shards travel on a lane (docs/protocol.md section 3): frames of a number, a length and that many bytes.
 * What the numbers mean is the affair of the two ends (lane.ts, guest-lane.ts).
 */
import type { Writable } from 'node:stream'
import { HoldfastError } from '../../../shared/errors.ts'

/** The token of the HTTP upgrade that opens a lane. */
export const laneUpgrade = 'holdfast-bytes'
/** Bytes of one frame at most. */
export const maxLaneFrame = 1_048_576
/** Bytes that a writer puts into one frame: they are encrypted and sent while they are in the processor's cache. */
export const laneFrame = 262_144
export const frameHeaderLength = 8

/** Cuts what arrives, in pieces of any size, into frames; the bytes of a frame come as they arrive. */
export class FrameReader {
  readonly #take: (number: number, bytes: Uint8Array) => void
  readonly #header = Buffer.alloc(frameHeaderLength)
  #headerLength = 0
  #number = 0
  #left = 0

  /** `take` must be done with the bytes when it returns: their buffer is used again. */
  constructor(take: (number: number, bytes: Uint8Array) => void) {
    this.#take = take
  }

  /** Throws `invalid-input` for a frame of an impossible length, and what `take` throws. */
  push(piece: Uint8Array): void {
    for (let at = 0; at < piece.length;) {
      if (this.#left > 0) {
        const bytes = piece.subarray(at, at + this.#left)
        at += bytes.length
        this.#left -= bytes.length
        this.#take(this.#number, bytes)
      } else {
        this.#header[this.#headerLength++] = piece[at++] as number
        if (this.#headerLength === frameHeaderLength) this.#begin()
      }
    }
  }

  #begin(): void {
    this.#headerLength = 0
    this.#number = this.#header.readUInt32LE(0)
    this.#left = this.#header.readUInt32LE(4)
    if (this.#left === 0 || this.#left > maxLaneFrame) throw new HoldfastError('invalid-input', `Cannot take a frame of ${this.#left} bytes`)
  }
}

/** Writes frames one after the other; each resolves when the socket has taken it, so a slow reader slows its writer. */
export class FrameWriter {
  readonly #socket: Writable
  #turn: Promise<void> = Promise.resolve()

  constructor(socket: Writable) {
    this.#socket = socket
  }

  /** `bytes` may be changed when it has resolved. Rejects when the socket closes before. */
  async write(number: number, bytes: Uint8Array): Promise<void> {
    const header = Buffer.allocUnsafe(frameHeaderLength)
    writeHeader(header, number, bytes.length)
    await this.#inTurn([header, bytes])
  }

  /** The same for a block whose first `frameHeaderLength` bytes are room for the header: both go as one. */
  async writeBlock(number: number, block: Buffer): Promise<void> {
    writeHeader(block, number, block.length - frameHeaderLength)
    await this.#inTurn([block])
  }

  async #inTurn(parts: readonly Uint8Array[]): Promise<void> {
    const before = this.#turn
    const turn = (async () => {
      await before
      for (const part of parts) await this.#put(part)
    })()
    this.#turn = turn.catch(() => undefined)
    await turn
  }

  /** One at a time: Node copies what waits in a stream together. */
  async #put(bytes: Uint8Array): Promise<void> {
    await new Promise<void>((resolve, reject) => {
      this.#socket.write(bytes, (error) => {
        if (error === null || error === undefined) resolve()
        else reject(error)
      })
    })
  }
}

function writeHeader(into: Buffer, number: number, length: number): void {
  into.writeUInt32LE(number, 0)
  into.writeUInt32LE(length, 4)
}
