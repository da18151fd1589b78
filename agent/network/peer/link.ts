/**
 * A link as the dialler sees it: one Socket.IO connection to the door of another machine, and requests over it.
 *
 * dial() pins and connects, shows the credential, and greets. Requests share 16 slots, so the listener never counts too
 * many. A request that gets no answer while nothing before it does either, and few bytes pass on the lane, is a stalled
 * peer: `timeout`, and the link ends. It ends sooner, as broken, when the peer gives no sign of life at all (life-watch.ts).
 */
import { type Socket, io } from 'socket.io-client'
import { HoldfastError, hasCode, isErrorCode } from '../../../shared/errors.ts'
import type { MachineId } from '../../../shared/ids.ts'
import type { Clock } from '../clock.ts'
import { Budget } from './budget.ts'
import { type Credential, authorizationOf } from './credential.ts'
import { type Identity, type Target, dialTls } from './dial.ts'
import { Lane, type LaneOptions } from './lane.ts'
import { LifeWatch } from './life-watch.ts'
import type { Ends } from './pacing.ts'
import type { WebSocket } from 'ws'
import { transportOver } from './transport.ts'
import {
  type WireAnswer, type WireEvent, type WireRequest, doorPath, maxUnanswered, parseReply, protocolVersion,
} from './wire.ts'

export interface DialOptions {
  readonly identity: Identity
  readonly credential: Credential
  readonly clock: Clock
  readonly signal?: AbortSignal | undefined
  /** Milliseconds for connecting, showing the credential and the greeting each. */
  readonly dialMs?: number | undefined
  /** Milliseconds without any answer after which a request is given up. */
  readonly idleMs?: number | undefined
}

/** How links come about: dial(), or what a test has in its place. */
export type Dial = (target: Target, options: DialOptions) => Promise<Link>

const defaultDialMs = 10_000
const defaultIdleMs = 60_000
/** Bytes on the lane that are worth an answer: who manages fewer in the idle time, 17 KB a second, is given up. */
const leastOnLane = 1_048_576

/**
 * Resolves with a link to a machine that speaks this protocol. Rejects `peer-unreachable` (no connection, another machine),
 * `unauthorized` (the pinned machine hung up on the credential), `protocol-unknown`, or with the signal's reason.
 */
export async function dial(target: Target, options: DialOptions): Promise<Link> {
  const ms = options.dialMs ?? defaultDialMs
  const timeout = AbortSignal.timeout(ms * 2)
  const signal = options.signal === undefined ? timeout : AbortSignal.any([options.signal, timeout])
  let link: Link | undefined
  try {
    const { socket: tls, machine } = await dialTls(target, options.identity, signal)
    const connection: { webSocket?: WebSocket } = {}
    const socket = io(`https://${target.host.includes(':') ? `[${target.host}]` : target.host}:${target.port}`, {
      path: doorPath, transports: [transportOver(tls, (webSocket) => { connection.webSocket = webSocket })], reconnection: false, forceNew: true, autoConnect: false, timeout: ms,
      extraHeaders: { authorization: authorizationOf(options.credential) },
    })
    try {
      await opened(socket, signal, target)
    } catch (error) {
      socket.disconnect()
      tls.destroy()
      throw error
    }
    const openLane: OpenLane = async (openOptions) => await Lane.open(target, options.identity, { link: socket.id ?? '', ...openOptions })
    link = new Link(socket, {
      ...options, machine, name: target.name, openLane, received: () => tls.bytesRead, ping: () => { connection.webSocket?.ping() }, ends: { local: tls.localAddress ?? '', remote: tls.remoteAddress ?? '' },
    })
    await link.greet(signal)
    return link
  } catch (error) {
    link?.end()
    options.signal?.throwIfAborted()
    if (signal.aborted || hasCode(error, 'timeout')) {
      throw new HoldfastError('peer-unreachable', `Cannot reach ${target.name} at ${target.host}:${target.port}: no answer in time`, { cause: error, details: { peer: target.name } })
    }
    throw error
  }
}

async function opened(socket: Socket, signal: AbortSignal, target: Target): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const abort = () => { reject(signal.reason) }
  const refuse = (cause: Error) => {
    reject(new HoldfastError('unauthorized', `Cannot enter ${target.name}: it hung up on our credential`, { cause, details: { peer: target.name } }))
  }
  signal.addEventListener('abort', abort, { once: true })
  socket.once('connect', resolve).once('connect_error', refuse)
  socket.connect()
  try {
    await promise
  } finally {
    signal.removeEventListener('abort', abort)
    socket.off('connect', resolve).off('connect_error', refuse)
  }
}

type OpenLane = (options: LaneOptions) => Promise<Lane>

interface LinkParts {
  readonly machine: MachineId
  readonly name: string
  readonly clock: Clock
  readonly idleMs?: number | undefined
  readonly ends?: Ends | undefined
  readonly openLane: OpenLane
  /** Bytes that came over its connection. */
  readonly received: () => number
  readonly ping: () => void
}

interface Waiting {
  readonly reject: (error: HoldfastError) => void
  cancel: () => void
}

export class Link implements AsyncDisposable {
  /** Who is at the other end: proved by TLS. */
  readonly machine: MachineId
  readonly name: string
  /** Where its two ends are; undefined when it runs over no network. */
  readonly ends: Ends | undefined
  readonly #socket: Socket
  readonly #clock: Clock
  readonly #idleMs: number
  readonly #slots = new Budget(maxUnanswered)
  readonly #waiting = new Map<number, Waiting>()
  readonly #ended = new AbortController()
  readonly #openLane: OpenLane
  readonly #life: LifeWatch
  #lane: Promise<Lane> | undefined
  #openedLane: Lane | undefined
  #laneBytes = 0
  #next = 0
  #used: number
  #isClosedHere = false

  constructor(socket: Socket, options: LinkParts) {
    this.#socket = socket
    this.#clock = options.clock
    this.#idleMs = options.idleMs ?? defaultIdleMs
    this.#openLane = options.openLane
    this.machine = options.machine
    this.name = options.name
    this.ends = options.ends
    this.#used = this.#clock.now()
    this.#life = new LifeWatch({
      clock: options.clock, ping: options.ping, received: () => options.received() + (this.#openedLane?.received ?? 0),
      onDead: () => { this.#finish(this.#broken('no sign of life')) },
    })
    this.#life.start()
    socket.once('disconnect', (reason) => { this.#finish(this.#broken(reason)) })
    socket.once('refused', (problem: unknown) => { this.#finish(this.#refusal(problem)) })
  }

  /** Aborts when the link has ended, with the error as its reason. */
  get ended(): AbortSignal {
    return this.#ended.signal
  }

  /** The peer went away, or does not answer: it is no word of its own, and nobody here ended the link. */
  get isLost(): boolean {
    return !this.#isClosedHere && hasCode(this.#ended.signal.reason, 'peer-unreachable', 'timeout')
  }

  /** Clock's time at which it was last used, and whether requests are under way. */
  get activity(): { readonly lastUsed: number; readonly busy: boolean } {
    return { lastUsed: this.#used, busy: this.#waiting.size > 0 }
  }

  /** Where bytes of shards go and come; opened when first asked for. It ends with the link, and the link with it. */
  async lane(): Promise<Lane> {
    this.#lane ??= this.#takeLane()
    return await this.#lane
  }

  async #takeLane(): Promise<Lane> {
    try {
      const lane = await this.#openLane({ signal: AbortSignal.any([this.ended, AbortSignal.timeout(this.#idleMs)]), onBytes: (length) => { this.#passed(length) }, wait: () => this.#life.wait() })
      this.#openedLane = lane
      const finish = (): void => { this.#finish(lane.ended.reason as HoldfastError) }
      if (lane.ended.aborted) finish()
      lane.ended.addEventListener('abort', finish, { once: true })
      this.ended.addEventListener('abort', () => { lane.end() }, { once: true })
      if (this.ended.aborted) lane.end()
      return lane
    } catch (error) {
      this.#finish(this.#broken('it opens no lane'))
      throw error
    }
  }

  async greet(signal?: AbortSignal): Promise<WireAnswer<'hello'>> {
    return await this.call('hello', { protocols: [protocolVersion], time: this.#clock.now() }, { signal })
  }

  /** Rejects what the peer's problem says, `peer-misbehaves`, `timeout`, `peer-unreachable` (the link ended), or the signal's reason. */
  async call<E extends WireEvent>(event: E, request: WireRequest<E>, options: { signal?: AbortSignal | undefined } = {}): Promise<WireAnswer<E>> {
    const { answer } = await this.start(event, request, options)
    return await answer
  }

  /** Resolves when the request is on its way; requests started one after the other arrive in that order. */
  async start<E extends WireEvent>(event: E, request: WireRequest<E>, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<{ readonly answer: Promise<WireAnswer<E>> }> {
    const either = signal === undefined ? this.ended : AbortSignal.any([signal, this.ended])
    await this.#slots.take(1, either)
    if (either.aborted) {
      this.#slots.give(1)
      throw either.reason
    }
    const answer = this.#ask(event, request, signal).then((reply) => parseReply(event, reply, this.name))
    answer.catch(() => { /* the caller may look at it later */ })
    return { answer }
  }

  /** The slot is free when the listener has answered, even if the caller went away before. */
  async #ask(event: WireEvent, request: object, signal: AbortSignal | undefined): Promise<unknown> {
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    const number = this.#next++
    const abort = () => { reject(signal?.reason) }
    const enough = this.#life.wait()
    this.#used = this.#clock.now()
    this.#waiting.set(number, { reject, cancel: this.#idleTimer(event) })
    signal?.addEventListener('abort', abort, { once: true })
    this.#socket.emit(event, request, (reply: unknown) => {
      enough()
      this.#settle(number)
      resolve(reply)
    })
    try {
      return await promise
    } finally {
      signal?.removeEventListener('abort', abort)
    }
  }

  #settle(number: number): void {
    const waiting = this.#waiting.get(number)
    if (waiting === undefined) return
    waiting.cancel()
    this.#waiting.delete(number)
    this.#slots.give(1)
    this.#giveTime(number)
  }

  /** An answer gives those that came after it time anew: the listener was busy with what came before. */
  #giveTime(after = 0): void {
    this.#used = this.#clock.now()
    for (const [number, entry] of this.#waiting) {
      if (number < after) continue
      entry.cancel()
      entry.cancel = this.#idleTimer('a request')
    }
  }

  /** So do bytes on the lane, though not few: a peer that trickles is as good as none. */
  #passed(length: number): void {
    this.#laneBytes += length
    if (this.#laneBytes < leastOnLane) return
    this.#laneBytes = 0
    this.#giveTime()
  }

  #idleTimer(event: string): () => void {
    return this.#clock.after(this.#idleMs, () => {
      this.#finish(new HoldfastError('timeout', `Cannot go on with ${this.name}: no answer to ${event} in ${this.#idleMs / 1000} s`, { details: { peer: this.name } }))
    })
  }

  #broken(reason: string): HoldfastError {
    return new HoldfastError('peer-unreachable', `Cannot go on with ${this.name}: the link broke (${reason})`, { details: { peer: this.name } })
  }

  #refusal(problem: unknown): HoldfastError {
    const code = typeof problem === 'object' && problem !== null && 'code' in problem && isErrorCode(problem.code) ? problem.code : 'peer-misbehaves'
    return new HoldfastError(code, `Cannot go on with ${this.name}: it ended the link`, { details: { peer: this.name } })
  }

  /** Ends the link; what is under way rejects `peer-unreachable`. */
  end(): void {
    this.#isClosedHere ||= !this.#ended.signal.aborted
    this.#finish(this.#broken('closed here'))
  }

  #finish(error: HoldfastError): void {
    if (this.#ended.signal.aborted) return
    this.#ended.abort(error)
    this.#life.end()
    this.#socket.disconnect()
    const waiting = [...this.#waiting.values()]
    this.#waiting.clear()
    for (const entry of waiting) {
      entry.cancel()
      entry.reject(error)
    }
  }

  /** Ends the link and resolves when the connection is closed. */
  async [Symbol.asyncDispose](): Promise<void> {
    const { engine } = this.#socket.io
    const closed = Promise.withResolvers<void>()
    if (engine === undefined || engine.readyState === 'closed') closed.resolve()
    else engine.once('close', () => { closed.resolve() })
    this.end()
    await closed.promise
  }
}
