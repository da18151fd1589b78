/** The listener's end of a lane (lane.ts): frames of a guest's transfers come in, ranges of shards go out. */
import type { TLSSocket } from 'node:tls'
import { releaseWhole } from '../../release-bytes.ts'
import { FrameReader, FrameWriter, frameHeaderLength } from './lane-frames.ts'
import type { Pace } from './pacing.ts'

/** Of a block: a frame with its header, in whole records of TLS. */
const framedLength = 524_288
/** Bytes that are read from the store at a time. */
const blockLength = framedLength - frameHeaderLength

/** Takes the bytes of a transfer; a promise asks to wait before there are more. Throws what ends the lane. */
export type TakeBytes = (transfer: number, bytes: Uint8Array) => Promise<void> | undefined

export class GuestLane {
  readonly #socket: TLSSocket
  readonly #frames: FrameWriter
  readonly #blocks: Buffer[] = []
  #holds = 0

  /** Answers the upgrade. `head`: what came after it already. */
  constructor(socket: TLSSocket, head: Uint8Array, { take, onEnd }: { take: TakeBytes; onEnd: () => void }) {
    this.#socket = socket
    this.#frames = new FrameWriter(socket)
    const reader = new FrameReader((transfer, bytes) => { void this.#hold(take(transfer, bytes)) })
    const push = (piece: Uint8Array): void => {
      try {
        reader.push(piece)
      } catch (error) {
        socket.destroy(error as Error)
      }
    }
    socket.on('error', () => { /* it closes, and so ends its link */ })
    socket.once('close', onEnd)
    socket.setNoDelay(true)
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: holdfast-bytes\r\n\r\n')
    socket.on('data', (piece) => {
      push(piece)
      releaseWhole(piece)
    })
    push(head)
  }

  async #hold(until: Promise<void> | undefined): Promise<void> {
    if (until === undefined) return
    this.#holds++
    this.#socket.pause()
    await until
    if (--this.#holds === 0) this.#socket.resume()
  }

  /**
   * Sends a range under `number`, in blocks as `fill` gives them; the next one is read while one is sent. Rejects what
   * `fill` rejects, or when the lane ends.
   */
  async send(number: number, { offset, length, pace }: { offset: number; length: number; pace?: Pace | undefined }, fill: (offset: number, block: Uint8Array) => Promise<void>): Promise<void> {
    const blocks = [this.#takeBlock(), ...(length > blockLength ? [this.#takeBlock()] : [])] as [Buffer, ...Buffer[]]
    const filled = async (at: number): Promise<Buffer> => {
      const framed = (blocks[at / blockLength % blocks.length] as Buffer).subarray(0, frameHeaderLength + length - at)
      await fill(offset + at, framed.subarray(frameHeaderLength))
      return framed
    }
    let next = filled(0)
    try {
      for (let at = 0; at < length; at += blockLength) {
        const framed = await next
        if (at + blockLength < length) next = filled(at + blockLength)
        next.catch(() => { /* said when its turn comes */ })
        await pace?.(framed.length)
        await this.#frames.writeBlock(number, framed)
      }
    } finally {
      await next.catch(() => { /* thrown above, or of no interest any more */ })
      this.#blocks.push(...blocks)
    }
  }

  #takeBlock(): Buffer {
    return this.#blocks.pop() ?? Buffer.allocUnsafeSlow(framedLength)
  }

  end(): void {
    this.#socket.destroy()
  }
}
