/**
 * A link as the listener sees it: who dialled, and the answering half of the socket. Counts requests without an answer and
 * unparsable ones; over the limit the link ends. Answers wait for the line, so a guest that does not read fills no memory.
 */
import type { EventEmitter } from 'node:events'
import type { TLSSocket } from 'node:tls'
import type { Socket } from 'socket.io'
import { HoldfastError, type Problem, toProblem } from '../../../shared/errors.ts'
import type { Caller } from './credential.ts'
import { GuestLane, type TakeBytes } from './guest-lane.ts'
import type { Ends } from './pacing.ts'
import { type WireEvent, type WireRequest, isWireEvent, maxUnanswered, parseRequest } from './wire.ts'

const maxStrikes = 3
const maxQueued = 8

/** Answers requests. What it throws becomes the problem of the reply. */
export type Answerer = <E extends WireEvent>(event: E, request: WireRequest<E>) => Promise<object>

export class Guest {
  readonly caller: Caller
  readonly ends: Ends
  readonly #socket: Socket
  #unanswered = 0
  #strikes = 0
  #lane: GuestLane | undefined
  #takeBytes: TakeBytes | undefined

  constructor(socket: Socket, caller: Caller) {
    this.#socket = socket
    this.caller = caller
    this.ends = { local: socket.request.socket.localAddress ?? '', remote: socket.conn.remoteAddress }
  }

  /** Names the link to who opens its lane; both ends know it, nobody else. */
  get id(): string {
    return this.#socket.id
  }

  get address(): string {
    return this.ends.remote
  }

  /** The lane, once the guest has opened it. */
  get lane(): GuestLane | undefined {
    return this.#lane
  }

  /** Where the bytes go that come over the lane. */
  serveLane(take: TakeBytes): void {
    this.#takeBytes = take
  }

  /** One lane a link: with a second one, or with the end of the lane, the link ends. */
  takeLane(socket: TLSSocket, head: Uint8Array): void {
    if (this.#lane !== undefined || this.#takeBytes === undefined || this.ended) {
      socket.destroy()
      return this.end()
    }
    const lane = new GuestLane(socket, head, { take: this.#takeBytes, onEnd: () => { this.end() } })
    this.#lane = lane
    this.onEnd(() => { lane.end() })
  }

  onEnd(then: (reason: string) => void): void {
    this.#socket.once('disconnect', then)
  }

  get ended(): boolean {
    return this.#socket.disconnected
  }

  /** `onRefused` is told of every request that was answered with a problem. */
  serve(answer: Answerer, onRefused: (event: string, error: HoldfastError) => void): void {
    this.#socket.onAny((event: unknown, ...rest: unknown[]) => { void this.#take(event, rest, answer, onRefused) })
  }

  async #take(event: unknown, rest: readonly unknown[], answer: Answerer, onRefused: (event: string, error: HoldfastError) => void): Promise<void> {
    const acknowledge = rest.at(-1)
    if (!isWireEvent(event) || rest.length !== 2 || typeof acknowledge !== 'function') return this.#strike()
    if (++this.#unanswered > maxUnanswered) return this.end()
    const reply = await this.#reply(event, rest[0], answer, onRefused)
    await this.#lineFree()
    this.#unanswered--
    if (!this.ended) acknowledge(reply)
  }

  async #reply(event: WireEvent, value: unknown, answer: Answerer, onRefused: (event: string, error: HoldfastError) => void): Promise<object> {
    let parsed = false
    try {
      const request = parseRequest(event, value)
      parsed = true
      return { ok: true, ...await answer(event, request) }
    } catch (error) {
      const known = error instanceof HoldfastError ? error : new HoldfastError('internal', `Cannot answer ${event}: unexpected failure`, { cause: error })
      onRefused(event, known)
      if (!parsed) this.#strike()
      return { ok: false, problem: toProblem(known) }
    }
  }

  #strike(): void {
    if (++this.#strikes >= maxStrikes) this.end()
  }

  /** Resolves when few messages wait to be sent, or the link has ended. */
  async #lineFree(): Promise<void> {
    const connection = this.#socket.conn as unknown as EventEmitter & { readonly writeBuffer: readonly unknown[] }
    while (!this.ended && connection.writeBuffer.length > maxQueued) {
      const { promise, resolve } = Promise.withResolvers<void>()
      connection.once('drain', resolve).once('close', resolve)
      await promise
      connection.off('drain', resolve).off('close', resolve)
    }
  }

  /** Ends the link at once; with a problem, the guest is told why. */
  end(problem?: Problem): void {
    if (problem !== undefined) this.#socket.emit('refused', problem)
    this.#socket.disconnect(true)
  }

  /** Ends the link in order and resolves when it is closed. */
  async leave(): Promise<void> {
    if (this.ended) return
    const { promise, resolve } = Promise.withResolvers<void>()
    this.onEnd(() => { resolve() })
    this.#socket.disconnect(true)
    await promise
  }
}
