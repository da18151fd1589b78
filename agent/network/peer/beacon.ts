/**
 * Members find each other on the local network when nothing else answers (docs/protocol.md section 6, docs/decisions/0018).
 *
 * callOut() sends a call to the multicast groups and broadcast addresses of each network and gathers the answers. A Beacon
 * hears calls and answers those of its own group. What either learns is an address to dial with the usual pinned TLS, and
 * nothing rests on it. Datagrams that the group did not seal are dropped in silence, calls are answered once, and not many.
 */
import { randomBytes } from 'node:crypto'
import { type RemoteInfo, type Socket, createSocket } from 'node:dgram'
import { once } from 'node:events'
import type { MachineId, NetworkId } from '../../../shared/ids.ts'
import type { Clock } from '../clock.ts'
import type { Address } from '../membership/records.ts'
import { type BeaconMessage, beaconKey, openBeacon, sealBeacon } from './beacon-message.ts'
import { type LocalNetwork, localNetworks } from './local-networks.ts'

/** UDP; the peer door's default port has the same number. */
export const beaconPort = 17_471
const groups = { 4: '239.192.174.71', 6: 'ff12::686f:6c64:6661:7374' } as const
const answersAMinute = 30
const noncesKept = 4_096
const mostAnswers = 64
const repeatMs = 400
const rejoinMs = 60_000

/** Somebody of the group, and where its door is. */
export interface Sighting {
  /** Undefined for a recovery. */
  readonly machine: MachineId | undefined
  readonly address: Address
}

interface Voice {
  readonly net: NetworkId
  /** Undefined for a recovery. */
  readonly self: MachineId | undefined
  /** Of this machine's peer door; 0 when it has none. */
  readonly doorPort: number
  readonly clock: Clock
  /** What the peer door listens on; null: everywhere. */
  readonly host?: string | null
  /** UDP port; the same for everybody. */
  readonly port?: number
}

export interface CallOptions {
  readonly signal: AbortSignal
  readonly patienceMs: number
  /** So many answers are enough; the rest of the patience is not used. */
  readonly enough?: number
}

/** Resolves with who answered, also when nobody did or there is no network. Rejects with the signal's reason. */
export async function callOut(voice: Voice, { signal, patienceMs, enough = mostAnswers }: CallOptions): Promise<Sighting[]> {
  signal.throwIfAborted()
  const { net, self, doorPort, clock, host = null, port = beaconPort } = voice
  const [key, nonce] = [beaconKey(net), randomBytes(12)]
  const call = sealBeacon(key, { kind: 'call', port: doorPort, machine: self, echo: undefined }, { nonce, nowMs: clock.now() })
  const sightings = new Map<string, Sighting>()
  const { promise: over, resolve: end } = Promise.withResolvers<void>()
  const hear = (bytes: Buffer, from: RemoteInfo): void => {
    const message = openBeacon(key, bytes, clock.now())
    if (message?.kind !== 'answer' || message.echo?.equals(nonce) !== true || message.port === 0 || sightings.size >= mostAnswers) return
    sightings.set(`${message.machine} ${from.address} ${message.port}`, sighting(message, from))
    if (sightings.size >= enough) end()
  }
  const sockets = (await Promise.all(localNetworks(host).map(async (network) => await openCaller(network, hear)))).filter((socket) => socket !== undefined)
  const send = (): void => { for (const { socket, network } of sockets) for (const to of targets(network)) socket.send(call, port, to, () => { /* a network that is down has nobody to answer */ }) }
  const timers = [clock.after(repeatMs, send), clock.after(patienceMs, end)]
  signal.addEventListener('abort', () => { end() }, { once: true })
  try {
    send()
    await over
    signal.throwIfAborted()
    return [...sightings.values()]
  } finally {
    for (const cancel of timers) cancel()
    for (const { socket } of sockets) socket.close()
  }
}

function sighting({ machine, port }: BeaconMessage, { address }: RemoteInfo): Sighting {
  return { machine, address: { host: address, port } }
}

function targets({ family, broadcast }: LocalNetwork): string[] {
  return broadcast === undefined ? [groups[family]] : [groups[family], broadcast]
}

/** Undefined when the network is not there any more. */
async function openCaller(network: LocalNetwork, hear: (bytes: Buffer, from: RemoteInfo) => void): Promise<{ socket: Socket; network: LocalNetwork } | undefined> {
  const socket = createSocket({ type: `udp${network.family}`, ...(network.family === 6 && { ipv6Only: true }) })
  try {
    socket.bind(0, network.address)
    await once(socket, 'listening')
    if (network.family === 4) socket.setBroadcast(true)
    socket.setMulticastInterface(network.multicastInterface)
  } catch {
    socket.close()
    return undefined
  }
  socket.on('message', hear).on('error', () => { /* no answer comes by it */ })
  return { socket, network }
}

export interface BeaconOptions extends Voice {
  readonly self: MachineId
  /** Is it a member, so that it gets an answer? */
  readonly knows: (machine: MachineId) => boolean
  /** A member called: it is there. */
  readonly onCall: (sighting: Sighting & { readonly machine: MachineId }) => void
  readonly onFault: (error: unknown) => void
}

/** Hears calls until disposed of. */
export class Beacon implements AsyncDisposable {
  readonly #options: BeaconOptions
  readonly #key: Buffer
  readonly #answered = new Set<string>()
  readonly #sockets = new Map<4 | 6, Socket>()
  readonly #joined = new Set<string>()
  #minute = 0
  #answers = 0
  #cancel: () => void = () => {}

  private constructor(options: BeaconOptions) {
    this.#options = options
    this.#key = beaconKey(options.net)
  }

  /** Never rejects: a family that this machine has not is told to `onFault`, and the other one serves. */
  static async open(options: BeaconOptions): Promise<Beacon> {
    const beacon = new Beacon(options)
    await Promise.all([beacon.#listen(4), beacon.#listen(6)])
    beacon.#join()
    return beacon
  }

  async #listen(family: 4 | 6): Promise<void> {
    const { port = beaconPort, onFault } = this.#options
    const socket = createSocket({ type: `udp${family}`, reuseAddr: true, ...(family === 6 && { ipv6Only: true }) })
    try {
      socket.bind(port)
      await once(socket, 'listening')
    } catch (error) {
      socket.close()
      onFault(error)
      return
    }
    socket.on('error', onFault).on('message', (bytes, from) => { this.#hear(socket, bytes, from) })
    this.#sockets.set(family, socket)
  }

  /** Networks come and go with the machine's ways. */
  #join(): void {
    const networks = localNetworks(this.#options.host ?? null)
    for (const { family, multicastInterface } of networks) {
      if (this.#joined.has(multicastInterface)) continue
      try {
        this.#sockets.get(family)?.addMembership(groups[family], multicastInterface)
        this.#joined.add(multicastInterface)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code === 'EADDRINUSE') this.#joined.add(multicastInterface)
        else if ((error as NodeJS.ErrnoException).code !== 'ENODEV') this.#options.onFault(error)
      }
    }
    for (const one of this.#joined) if (networks.every(({ multicastInterface }) => multicastInterface !== one)) this.#joined.delete(one)
    this.#cancel = this.#options.clock.after(rejoinMs, () => { this.#join() })
  }

  #hear(socket: Socket, bytes: Buffer, from: RemoteInfo): void {
    const { clock, doorPort, knows, onCall, self } = this.#options
    const message = openBeacon(this.#key, bytes, clock.now())
    if (message?.kind !== 'call' || message.machine === self || (message.machine !== undefined && !knows(message.machine))) return
    if (!this.#mayAnswer(message.nonce)) return
    const answer = sealBeacon(this.#key, { kind: 'answer', port: doorPort, machine: self, echo: message.nonce }, { nonce: randomBytes(12), nowMs: clock.now() })
    socket.send(answer, from.port, from.address, () => { /* it calls again */ })
    const { machine, address } = sighting(message, from)
    if (machine !== undefined && address.port !== 0) onCall({ machine, address })
  }

  /** Each call once, and so many a minute, whoever plays back old ones. */
  #mayAnswer(nonce: Buffer): boolean {
    const minute = Math.floor(this.#options.clock.now() / 60_000)
    if (minute !== this.#minute) [this.#minute, this.#answers] = [minute, 0]
    const name = nonce.toString('base64')
    if (this.#answered.has(name) || this.#answers >= answersAMinute) return false
    if (this.#answered.size >= noncesKept) this.#answered.delete(this.#answered.values().next().value as string)
    this.#answered.add(name)
    this.#answers++
    return true
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancel()
    await Promise.all([...this.#sockets.values()].map(async (socket) => {
      const closed = once(socket, 'close')
      socket.close()
      await closed
    }))
  }
}
