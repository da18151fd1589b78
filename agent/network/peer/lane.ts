/**
 * The dialler's end of a lane: a second TLS connection beside a link that carries nothing but bytes of shards, raw.
 *
 * Socket.IO says what travels and whether it arrived; through it the bytes themselves would cost several times what TLS
 * costs (docs/decisions/0007). A lane is pinned like its link, belongs to it, and ends with it. It begins like an HTTP
 * upgrade that names the link; the listener knows the link's machine by its TLS key, so it needs no credential.
 */
import type { TLSSocket } from 'node:tls'
import { HoldfastError } from '../../../shared/errors.ts'
import { type Identity, type Target, dialTls } from './dial.ts'
import { FrameReader, FrameWriter, laneUpgrade } from './lane-frames.ts'
import { doorPath } from './wire.ts'

const readBuffer = 65_536
const maxWelcome = 4096

/** Somebody waits for the peer until the returned function is called. */
type Wait = () => () => void

export interface LaneOptions {
  readonly signal: AbortSignal
  readonly onBytes: (length: number) => void
  readonly wait: Wait
}

interface Expected {
  readonly into: Uint8Array
  received: number
  readonly arrived: PromiseWithResolvers<void>
}

export class Lane {
  readonly #socket: TLSSocket
  readonly #frames: FrameWriter
  readonly #ended: AbortController
  readonly #expected: Map<number, Expected>
  readonly #end: () => void
  readonly #onBytes: (length: number) => void
  readonly #wait: Wait
  #next = 1

  /** Opens the lane of link `link` of this machine. `onBytes`: so many came or went; `wait`: somebody waits for the peer. Rejects `peer-unreachable`, or with the signal's reason. */
  static async open(target: Target, identity: Identity, { link, signal, onBytes, wait }: LaneOptions & { readonly link: string }): Promise<Lane> {
    const expected = new Map<number, Expected>()
    const ended = new AbortController()
    const broken = (state: string) => new HoldfastError('peer-unreachable', `Cannot go on with ${target.name}: ${state}`, { details: { peer: target.name } })
    const welcomed = Promise.withResolvers<void>()
    const reader = new FrameReader((number, bytes) => { takeBytes(expected, number, bytes) })
    let welcome: Buffer | undefined = Buffer.alloc(0)
    const take = (bytes: Uint8Array): void => {
      if (welcome === undefined) return reader.push(bytes)
      welcome = Buffer.concat([welcome, bytes])
      const end = welcome.indexOf('\r\n\r\n')
      if (end < 0 && welcome.length <= maxWelcome) return
      if (end < 0 || !welcome.toString('latin1', 0, end).startsWith('HTTP/1.1 101 ')) throw broken('it opens no lane')
      const rest = welcome.subarray(end + 4)
      welcome = undefined
      welcomed.resolve()
      reader.push(rest)
    }
    const onread = {
      buffer: Buffer.allocUnsafeSlow(readBuffer),
      callback: (length: number, buffer: Uint8Array): boolean => {
        onBytes(length)
        try {
          take(buffer.subarray(0, length))
        } catch (error) {
          socket.destroy(error as Error)
        }
        return true
      },
    }
    const { socket } = await dialTls(target, identity, signal, { onread })
    const end = (): void => {
      if (ended.signal.aborted) return
      const error = broken('its lane broke')
      ended.abort(error)
      welcomed.reject(error)
      for (const { arrived } of expected.values()) arrived.reject(error)
      expected.clear()
    }
    socket.once('close', end)
    const abort = (): void => { socket.destroy() }
    signal.addEventListener('abort', abort, { once: true })
    socket.write(`GET ${doorPath}?link=${encodeURIComponent(link)} HTTP/1.1\r\nHost: door\r\nConnection: Upgrade\r\nUpgrade: ${laneUpgrade}\r\n\r\n`)
    try {
      await welcomed.promise
    } catch (error) {
      signal.throwIfAborted()
      throw error
    } finally {
      signal.removeEventListener('abort', abort)
    }
    return new Lane(socket, { ended, expected, end, onBytes, wait })
  }

  private constructor(socket: TLSSocket, state: { ended: AbortController; expected: Map<number, Expected>; end: () => void; onBytes: (length: number) => void; wait: Wait }) {
    this.#socket = socket
    this.#frames = new FrameWriter(socket)
    this.#ended = state.ended
    this.#expected = state.expected
    this.#end = state.end
    this.#onBytes = state.onBytes
    this.#wait = state.wait
  }

  /** Bytes that came over it. */
  get received(): number {
    return this.#socket.bytesRead
  }

  /** Aborts when the lane has ended, with the error as its reason. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /** Sends one frame of transfer `number`; resolves when it is on its way. Rejects `peer-unreachable` when the lane ends. */
  async send(number: number, bytes: Uint8Array): Promise<void> {
    const enough = this.#wait()
    try {
      await this.#frames.write(number, bytes)
      this.#onBytes(bytes.length)
    } catch {
      this.end()
      throw this.ended.reason
    } finally {
      enough()
    }
  }

  /** A number under which the listener is to send exactly the bytes that `into` takes, and a promise of their arrival. */
  expect(into: Uint8Array): { readonly number: number; readonly arrived: Promise<void>; readonly forget: () => void } {
    const number = this.#next++
    const arrived = Promise.withResolvers<void>()
    const enough = this.#wait()
    arrived.promise.finally(enough).catch(() => { /* the caller may look at it later */ })
    if (this.ended.aborted) arrived.reject(this.ended.reason)
    else this.#expected.set(number, { into, received: 0, arrived })
    return { number, arrived: arrived.promise, forget: () => { this.#expected.delete(number); enough() } }
  }

  end(): void {
    this.#end()
    this.#socket.destroy()
  }
}

/** Bytes that nobody waits for any more are dropped. More than were asked for is no peer of ours. */
function takeBytes(expected: Map<number, Expected>, number: number, bytes: Uint8Array): void {
  const entry = expected.get(number)
  if (entry === undefined) return
  if (entry.received + bytes.length > entry.into.length) throw new HoldfastError('peer-misbehaves', 'Cannot take more bytes than were asked for')
  entry.into.set(bytes, entry.received)
  entry.received += bytes.length
  if (entry.received < entry.into.length) return
  expected.delete(number)
  entry.arrived.resolve()
}
