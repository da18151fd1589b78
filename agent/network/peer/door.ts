/**
 * The peer door: where other machines of the group come in (docs/protocol.md sections 1 and 5).
 *
 * TLS 1.3 with client certificates; two HTTP requests are understood: the Engine.IO WebSocket upgrade with a credential of the
 * certificate's machine, and the upgrade to the lane of an open link of that machine. Whoever brings anything else is hung up on without a byte of HTTP, so a stranger learns that there
 * is a TLS port and a machine id, and nothing more. What a guest may ask for is the host's affair (host.ts).
 */
import type { IncomingMessage } from 'node:http'
import { type Server as HttpsServer, createServer } from 'node:https'
import type { AddressInfo, Socket as TcpSocket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { Server as SocketServer, type Socket } from 'socket.io'
import { type ErrorCode, HoldfastError, toProblem } from '../../../shared/errors.ts'
import { listenFault } from '../../../shared/system-reasons.ts'
import type { Clock } from '../clock.ts'
import { machineIdOfCertificate } from './certificate.ts'
import { type Caller, type CredentialCheck, checkAuthorization } from './credential.ts'
import { type Identity, tlsCiphers, tlsIdentity } from './dial.ts'
import { Guest } from './guest.ts'
import { laneUpgrade } from './lane-frames.ts'
import { doorPath, maxMessage } from './wire.ts'

export interface DoorLimits {
  readonly links: number
  readonly linksOfMachine: number
  /** Connections from one address that were not let in, in a minute. */
  readonly strangersPerMinute: number
  /** From the TCP connection to the credential. */
  readonly handshakeMs: number
}

export const doorLimits: DoorLimits = { links: 64, linksOfMachine: 4, strangersPerMinute: 20, handshakeMs: 10_000 }

export type DoorEvent =
  | { readonly type: 'guest-came'; readonly caller: Caller; readonly address: string }
  | { readonly type: 'guest-left'; readonly caller: Caller; readonly reason: string }
  | { readonly type: 'stranger-refused'; readonly address: string; readonly code: ErrorCode | 'not-http' | 'flood'; readonly state: string }

export interface DoorOptions {
  readonly identity: Identity
  /** Port 0 takes any free one. */
  readonly listen: { readonly host: string; readonly port: number }
  readonly membership: CredentialCheck['membership']
  readonly onGuest: (guest: Guest) => void
  readonly onEvent?: ((event: DoorEvent) => void) | undefined
  readonly clock: Clock
  readonly limits?: Partial<DoorLimits> | undefined
}

/** Milliseconds: a link that answers no ping for this long is dead. Long, because a slow line may carry 4 MiB before it. */
const pingTimeoutMs = 60_000
const pingIntervalMs = 25_000

export class Door implements AsyncDisposable {
  readonly #options: DoorOptions
  readonly #limits: DoorLimits
  readonly #https: HttpsServer
  readonly #sockets: SocketServer
  readonly #callers = new WeakMap<IncomingMessage, Caller>()
  readonly #guests = new Set<Guest>()
  /** Sockets whose credential is not checked yet, by the TCP socket's remote port and address. */
  readonly #waiting = new Map<string, () => void>()
  readonly #open = new Set<TcpSocket>()
  readonly #strangers = new Map<string, number>()
  #forgetStrangers: () => void = () => undefined

  /** Listens. Rejects `in-use` when the address cannot be had. */
  static async open(options: DoorOptions): Promise<Door> {
    const door = new Door(options)
    await door.#listen()
    return door
  }

  private constructor(options: DoorOptions) {
    this.#options = options
    this.#limits = { ...doorLimits, ...options.limits }
    this.#https = createServer({
      ...tlsIdentity(options.identity), minVersion: 'TLSv1.3', ciphers: tlsCiphers, requestCert: true, rejectUnauthorized: false,
      handshakeTimeout: this.#limits.handshakeMs, maxHeaderSize: 32_768, requireHostHeader: false, noDelay: true,
      keepAliveTimeout: 1, insecureHTTPParser: false,
    })
    this.#sockets = new SocketServer(this.#https, {
      path: doorPath, serveClient: false, transports: ['websocket'], allowUpgrades: false, maxHttpBufferSize: maxMessage,
      perMessageDeflate: false, httpCompression: false, pingInterval: pingIntervalMs, pingTimeout: pingTimeoutMs,
      connectTimeout: this.#limits.handshakeMs,
    })
    this.#takeOverRequests()
    this.#sockets.on('connection', (socket) => { this.#welcome(socket) })
  }

  get port(): number {
    return (this.#https.address() as AddressInfo).port
  }

  get guests(): ReadonlySet<Guest> {
    return this.#guests
  }

  async #listen(): Promise<void> {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    this.#https.once('error', reject).listen(this.#options.listen, resolve)
    try {
      await promise
    } catch (cause) {
      const { host, port } = this.#options.listen
      const { state, guidance } = listenFault(cause, { host, port, option: '--peer-port' })
      throw new HoldfastError('in-use', `Cannot open the peer door: ${state}`, { guidance, cause })
    }
    this.#https.off('error', reject).on('error', (error) => { this.#refuse('', 'internal', error.message) })
    this.#tickMinutes()
  }

  #tickMinutes(): void {
    this.#forgetStrangers = this.#options.clock.after(60_000, () => {
      this.#strangers.clear()
      this.#tickMinutes()
    })
  }

  /** Replaces every answer that Node or Engine.IO would give to a stranger by hanging up. */
  #takeOverRequests(): void {
    for (const event of ['request', 'upgrade', 'connect', 'checkContinue', 'checkExpectation', 'clientError']) this.#https.removeAllListeners(event)
    const hangUp = (request: IncomingMessage) => { this.#hangUp(request.socket, 'not-http', 'not our request') }
    this.#https.on('request', hangUp).on('checkContinue', hangUp).on('checkExpectation', hangUp)
    this.#https.on('connect', hangUp)
    this.#https.on('clientError', (error, socket) => { this.#hangUp(socket, 'not-http', error.message) })
    this.#https.on('tlsClientError', (error, socket) => { this.#hangUp(socket, 'not-http', error.message) })
    this.#https.on('connection', (socket: TcpSocket) => { this.#watch(socket) })
    this.#https.on('upgrade', (request: IncomingMessage, socket: TLSSocket, head: Buffer) => {
      if (request.headers.upgrade === laneUpgrade) this.#admitLane(request, socket, head)
      else void this.#admit(request, socket, head)
    })
  }

  /** From the first TCP packet: counts the address, and hangs up when no credential came in time. */
  #watch(socket: TcpSocket): void {
    const address = socket.remoteAddress ?? ''
    const seen = (this.#strangers.get(address) ?? 0) + 1
    this.#strangers.set(address, seen)
    if (seen > this.#limits.strangersPerMinute || this.#waiting.size >= this.#limits.links) {
      socket.destroy()
      return this.#refuse(address, 'flood', `${seen} connections in a minute, ${this.#waiting.size} waiting`)
    }
    const key = keyOf(socket)
    const cancel = this.#options.clock.after(this.#limits.handshakeMs, () => { this.#hangUp(socket, 'timeout', 'no credential in time') })
    this.#waiting.set(key, cancel)
    this.#open.add(socket)
    socket.once('close', () => {
      this.#settle(key)
      this.#open.delete(socket)
    })
  }

  #settle(key: string): void {
    this.#waiting.get(key)?.()
    this.#waiting.delete(key)
  }

  async #admit(request: IncomingMessage, socket: TLSSocket, head: Buffer): Promise<void> {
    socket.on('error', () => { socket.destroy() })
    const key = keyOf(socket)
    try {
      if (!isOurUpgrade(request)) throw new HoldfastError('unauthorized', 'Cannot let the machine in: not our upgrade')
      const machine = machineIdOfCertificate(socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0))
      if (machine === undefined) throw new HoldfastError('unauthorized', 'Cannot let the machine in: it shows no machine certificate')
      const caller = await checkAuthorization(request.headers.authorization, machine, { membership: this.#options.membership, now: this.#options.clock.now })
      if (socket.destroyed) return
      this.#settle(key)
      this.#forgive(socket.remoteAddress ?? '')
      this.#callers.set(request, caller)
      this.#sockets.engine.handleUpgrade(request as never, socket as Duplex as never, head)
    } catch (error) {
      const known = error instanceof HoldfastError ? error : new HoldfastError('internal', 'Cannot check the credential: unexpected failure', { cause: error })
      this.#hangUp(socket, known.code, known.message)
    }
  }

  /** A lane is let in by the machine of a link that is open: its TLS key and the link's name are its credential. */
  #admitLane(request: IncomingMessage, socket: TLSSocket, head: Buffer): void {
    socket.on('error', () => { socket.destroy() })
    const link = URL.parse(request.url ?? '', 'https://door')?.searchParams.get('link')
    const machine = machineIdOfCertificate(socket.getPeerX509Certificate()?.raw ?? Buffer.alloc(0))
    const guest = [...this.#guests].find((one) => one.id === link && one.caller.machine === machine)
    if (guest === undefined) return this.#hangUp(socket, 'unauthorized', 'Cannot open a lane: the machine has no such link')
    this.#settle(keyOf(socket))
    this.#forgive(socket.remoteAddress ?? '')
    guest.takeLane(socket, head)
  }

  /** Who was let in is no stranger: members may come as often as their links break. */
  #forgive(address: string): void {
    this.#strangers.set(address, Math.max(0, (this.#strangers.get(address) ?? 0) - 1))
  }

  #hangUp(socket: Duplex, code: ErrorCode | 'not-http', state: string): void {
    if (!socket.destroyed) this.#refuse((socket as TcpSocket).remoteAddress ?? '', code, state)
    socket.destroy()
  }

  #refuse(address: string, code: ErrorCode | 'not-http' | 'flood', state: string): void {
    this.#options.onEvent?.({ type: 'stranger-refused', address, code, state })
  }

  #welcome(socket: Socket): void {
    const caller = this.#callers.get(socket.request)
    if (caller === undefined) return void socket.disconnect(true)
    this.#makeRoom(caller)
    const guest = new Guest(socket, caller)
    if (this.#guests.size >= this.#limits.links) {
      return guest.end(toProblem(new HoldfastError('quota-exceeded', `Cannot take another link: there are ${this.#guests.size}`)))
    }
    this.#guests.add(guest)
    this.#options.onEvent?.({ type: 'guest-came', caller, address: guest.address })
    guest.onEnd((reason) => {
      this.#guests.delete(guest)
      this.#options.onEvent?.({ type: 'guest-left', caller, reason })
    })
    this.#options.onGuest(guest)
  }

  /** A machine that comes back after its line broke may have left dead links behind: the oldest goes. */
  #makeRoom(caller: Caller): void {
    const own = [...this.#guests].filter((guest) => guest.caller.machine === caller.machine)
    if (own.length >= this.#limits.linksOfMachine) own[0]?.end()
  }

  /** Ends the links in order, then stops listening. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#forgetStrangers()
    const { promise, resolve } = Promise.withResolvers<void>()
    this.#https.close(() => { resolve() })
    await Promise.all([...this.#guests].map((guest) => guest.leave()))
    await this.#sockets.close()
    for (const key of this.#waiting.keys()) this.#settle(key)
    for (const socket of this.#open) socket.destroy()
    await promise
  }
}

function keyOf(socket: TcpSocket): string {
  return `${socket.remoteAddress} ${socket.remotePort}`
}

/** The one request that is understood: what the WebSocket library would answer with an error page is refused here. */
function isOurUpgrade(request: IncomingMessage): boolean {
  const url = URL.parse(request.url ?? '', 'https://door')
  const { headers } = request
  return request.method === 'GET' && url?.pathname === doorPath && headers.upgrade?.toLowerCase() === 'websocket'
    && headers.origin === undefined && headers['sec-websocket-version'] === '13'
    && headers['sec-websocket-protocol'] === undefined && headers['sec-websocket-extensions'] === undefined
    && /^[+/0-9A-Za-z]{22}==$/.test(headers['sec-websocket-key'] ?? '')
    && url.searchParams.get('EIO') === '4' && url.searchParams.get('transport') === 'websocket' && !url.searchParams.has('sid')
}
