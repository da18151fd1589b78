/** The listening half of a peer of protocol version 1 (see protocol-one.ts): keeps shards in memory and checks nothing. */
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { TLSSocket } from 'node:tls'
import { type WebSocket, WebSocketServer } from 'ws'
import { PacketReader, type ProtocolOneIdentity, encodeFrame, encodePacket, pemOf, takeFrames } from './protocol-one.ts'

interface Kept { readonly header: Buffer; readonly leaves: Buffer; bytes: Buffer }
interface Request {
  readonly id: string
  readonly number: number
  readonly header: Buffer
  readonly leaves: Buffer
  readonly transfer: number
  readonly bytes: Buffer
  readonly offset: number
  readonly length: number
  readonly as: number
}

export class ProtocolOneDoor implements AsyncDisposable {
  readonly #server
  readonly #sockets = new WebSocketServer({ noServer: true, maxPayload: 2_097_152 })
  readonly #connections = new Set<TLSSocket>()
  /** By object id and number. */
  readonly shards = new Map<string, Kept>()
  /** Requests, in the order they came. */
  readonly asked: string[] = []
  /** Numbered from 1. */
  readonly #transfers: { readonly kept: Kept; readonly whole: PromiseWithResolvers<void> }[] = []
  readonly #links = new Map<string, { lane?: TLSSocket }>()

  constructor(identity: Pick<ProtocolOneIdentity, 'machine' | 'certificate'>) {
    this.#server = createServer({ ...pemOf(identity), minVersion: 'TLSv1.3', requestCert: true, rejectUnauthorized: false })
    this.#server.on('secureConnection', (socket) => this.#connections.add(socket))
    this.#server.on('upgrade', (request: IncomingMessage, socket: TLSSocket, head: Buffer) => {
      socket.on('error', () => { /* the other side went away */ })
      if (request.headers.upgrade === 'holdfast-bytes') this.#openLane(new URL(request.url ?? '', 'https://door').searchParams.get('link') ?? '', socket, head)
      else this.#sockets.handleUpgrade(request, socket, head, (link) => this.#welcome(link))
    })
  }

  async listen(): Promise<number> {
    this.#server.listen(0, '127.0.0.1')
    await once(this.#server, 'listening')
    return (this.#server.address() as AddressInfo).port
  }

  #welcome(socket: WebSocket): void {
    const reader = new PacketReader()
    const link: { lane?: TLSSocket } = {}
    socket.send(`0${JSON.stringify({ sid: randomUUID(), upgrades: [], pingInterval: 25_000, pingTimeout: 60_000, maxPayload: 2_097_152 })}`)
    socket.on('message', (message: Buffer, isBinary) => {
      if (!isBinary && message.toString().startsWith('40')) {
        const sid = randomUUID()
        this.#links.set(sid, link)
        return socket.send(`40${JSON.stringify({ sid })}`)
      }
      const packet = reader.read(message, isBinary)
      if (packet?.kind !== 'event') return
      const [event, request] = packet.data as [string, Request]
      this.asked.push(event)
      void this.#reply(socket, packet.id, this.#answer(event, request, link))
    })
  }

  async #reply(socket: WebSocket, id: number, answer: Promise<object>): Promise<void> {
    for (const part of encodePacket('ack', { data: [{ ok: true, ...await answer }], id })) socket.send(part)
  }

  #openLane(name: string, socket: TLSSocket, head: Buffer): void {
    const link = this.#links.get(name)
    if (link === undefined) return void socket.destroy()
    link.lane = socket
    socket.write('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: holdfast-bytes\r\n\r\n')
    let rest = head
    socket.on('data', (piece: Buffer) => {
      rest = Buffer.concat([rest, piece])
      let end = 0
      for (const frame of takeFrames(rest)) {
        this.#append(frame.number, frame.bytes)
        end = frame.end
      }
      rest = rest.subarray(end)
    })
  }

  #append(transfer: number, bytes: Buffer): number {
    const { kept, whole } = this.#transfers[transfer - 1]!
    kept.bytes = Buffer.concat([kept.bytes, bytes])
    if (kept.bytes.length === Number(kept.header.readBigUInt64LE(16))) whole.resolve()
    return kept.bytes.length
  }

  async #answer(event: string, request: Request, link: { lane?: TLSSocket }): Promise<object> {
    const { header, leaves, transfer, bytes, offset, length, as } = request
    const kept = this.shards.get(`${request.id}.${request.number}`)!
    switch (event) {
      case 'hello': return { protocol: 1, name: 'old', agent: '0.1.0', time: Date.now(), offer: { free: 1e9, quota: 1e9, used: 0 } }
      case 'shard.begin': return { offset: 0, transfer: this.#transfers.push({ kept: { header, leaves, bytes: Buffer.alloc(0) }, whole: Promise.withResolvers() }) }
      case 'shard.data': return { received: this.#append(transfer, bytes) }
      case 'shard.commit': return await this.#commit(transfer)
      case 'shard.open': return { header: kept.header, leaves: kept.leaves }
      case 'shard.read': return { bytes: kept.bytes.subarray(offset, offset + length) }
      case 'shard.send': {
        for (let at = offset; at < offset + length; at += 100_000) {
          link.lane?.write(encodeFrame(as, kept.bytes.subarray(at, Math.min(at + 100_000, offset + length))))
        }
        return {}
      }
      default: throw new Error(`the test asks for ${event}`)
    }
  }

  async #commit(transfer: number): Promise<{ stored: true }> {
    const { kept, whole } = this.#transfers[transfer - 1]!
    await whole.promise
    this.shards.set(`${kept.header.toString('hex', 96, 128)}.${kept.header[7]}`, kept)
    return { stored: true }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const socket of this.#connections) socket.destroy()
    this.#server.close()
    await once(this.#server, 'close')
  }
}
