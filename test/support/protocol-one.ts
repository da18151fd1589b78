/**
 * A peer of protocol version 1, written from docs/protocol.md alone and by hand down to the Engine.IO and Socket.IO packets:
 * what an agent of that version sends, whatever today's agent/network/peer/ does. It dials; it checks no shard.
 */
import { X509Certificate } from 'node:crypto'
import { once } from 'node:events'
import { type TLSSocket, connect as connectTls } from 'node:tls'
import { WebSocket } from 'ws'
import type { Machine } from '../../agent/identity/machine.ts'
import { thumbprint } from '../../agent/identity/machine.ts'
import { publicJwkOf } from '../../agent/identity/jws.ts'

export interface ProtocolOneIdentity {
  readonly machine: Machine
  /** Base64 of the DER of its TLS certificate. */
  readonly certificate: string
  /** Its peer record. */
  readonly record: string
}

export interface Answer { readonly ok: boolean; readonly [member: string]: unknown }

interface Packet { readonly data: unknown[]; readonly id: number }

/** Puts binary members of a packet's JSON back in their places. */
function withAttachments(value: unknown, attachments: readonly Buffer[]): unknown {
  if (Array.isArray(value)) return value.map((item) => withAttachments(item, attachments))
  if (typeof value !== 'object' || value === null) return value
  if ('_placeholder' in value) return attachments[(value as unknown as { num: number }).num]
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, withAttachments(item, attachments)]))
}

/** Takes binary members out of a request, in the order of their numbers. */
function takeAttachments(value: unknown, into: Uint8Array[]): unknown {
  if (value instanceof Uint8Array) return { _placeholder: true, num: into.push(value) - 1 }
  if (Array.isArray(value)) return value.map((item) => takeAttachments(item, into))
  if (typeof value !== 'object' || value === null) return value
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, takeAttachments(item, into)]))
}

/** Encodes a Socket.IO event or acknowledgement as Engine.IO messages. */
export function encodePacket(kind: 'event' | 'ack', { data, id }: Packet): (string | Uint8Array)[] {
  const attachments: Uint8Array[] = []
  const text = JSON.stringify(takeAttachments(data, attachments))
  const plain = kind === 'event' ? '2' : '3'
  const binary = kind === 'event' ? '5' : '6'
  return attachments.length === 0 ? [`4${plain}${id}${text}`] : [`4${binary}${attachments.length}-${id}${text}`, ...attachments]
}

/** Gathers the messages of events and acknowledgements until they are whole. */
export class PacketReader {
  #waiting: { kind: 'event' | 'ack'; text: string; id: number; count: number; attachments: Buffer[] } | undefined

  read(message: Buffer, isBinary: boolean): (Packet & { kind: 'event' | 'ack' }) | undefined {
    if (isBinary) this.#waiting?.attachments.push(message)
    else {
      const [, kind = '', count = '0', id = '-1', text = ''] = /^4([2356])(?:(\d+)-)?(\d+)?(.*)$/s.exec(message.toString()) ?? []
      if (kind === '') return undefined
      this.#waiting = { kind: kind === '2' || kind === '5' ? 'event' : 'ack', text, id: Number(id), count: Number(count), attachments: [] }
    }
    const packet = this.#waiting
    if (packet === undefined || packet.attachments.length < packet.count) return undefined
    this.#waiting = undefined
    return { kind: packet.kind, id: packet.id, data: withAttachments(JSON.parse(packet.text), packet.attachments) as unknown[] }
  }
}

export function pemOf({ machine, certificate }: Pick<ProtocolOneIdentity, 'machine' | 'certificate'>): { cert: string; key: string } {
  return {
    cert: `-----BEGIN CERTIFICATE-----\n${certificate}\n-----END CERTIFICATE-----\n`,
    key: machine.privateKey.export({ type: 'pkcs8', format: 'pem' }) as string,
  }
}

/** Thumbprint of the key of a TLS certificate. */
export function machineOfCertificate(der: Buffer): string {
  return thumbprint(publicJwkOf(new X509Certificate(der).publicKey))
}

/** Frames of a lane: u32 number, u32 length, bytes. */
export function encodeFrame(number: number, bytes: Uint8Array): Buffer {
  const head = Buffer.alloc(8)
  head.writeUInt32LE(number, 0)
  head.writeUInt32LE(bytes.length, 4)
  return Buffer.concat([head, bytes])
}

export function* takeFrames(buffer: Buffer): Generator<{ number: number; bytes: Buffer; end: number }> {
  for (let at = 0; at + 8 <= buffer.length;) {
    const end = at + 8 + buffer.readUInt32LE(at + 4)
    if (end > buffer.length) return
    yield { number: buffer.readUInt32LE(at), bytes: buffer.subarray(at + 8, end), end }
    at = end
  }
}

export class ProtocolOneLink implements AsyncDisposable {
  readonly #port: number
  readonly #identity: ProtocolOneIdentity
  readonly #socket: WebSocket
  readonly #answers = new Map<number, (answer: Answer) => void>()
  readonly #reader = new PacketReader()
  #ids = 0
  #name = ''
  #lane: TLSSocket | undefined

  private constructor(port: number, identity: ProtocolOneIdentity, socket: WebSocket) {
    this.#port = port
    this.#identity = identity
    this.#socket = socket
  }

  /** Rejects when the door hangs up, or is not that of `machine`. */
  static async dial(port: number, machine: string, identity: ProtocolOneIdentity): Promise<ProtocolOneLink> {
    const credential = Buffer.from(JSON.stringify({ v: 1, as: 'member', peer: identity.record })).toString('base64url')
    const socket = new WebSocket(`wss://127.0.0.1:${port}/holdfast/?EIO=4&transport=websocket`, {
      ...pemOf(identity), minVersion: 'TLSv1.3', rejectUnauthorized: false, perMessageDeflate: false,
      headers: { Authorization: `Holdfast ${credential}` }, generateMask: (mask) => { mask.fill(0) },
    })
    let peer = ''
    socket.once('upgrade', ({ socket: tls }) => { peer = machineOfCertificate((tls as TLSSocket).getPeerCertificate().raw) })
    const link = new ProtocolOneLink(port, identity, socket)
    await new Promise<void>((resolve, reject) => {
      socket.on('error', reject)
      socket.on('close', () => reject(new Error('the door hung up')))
      socket.on('message', (message: Buffer, isBinary) => {
        const text = isBinary ? '' : message.toString()
        if (text.startsWith('0')) socket.send('40')
        else if (text === '2') socket.send('3')
        else if (text.startsWith('40')) {
          link.#name = (JSON.parse(text.slice(2)) as { sid: string }).sid
          resolve()
        } else link.#take(message, isBinary)
      })
    })
    if (peer !== machine) throw new Error('the door is another machine\'s')
    return link
  }

  #take(message: Buffer, isBinary: boolean): void {
    const packet = this.#reader.read(message, isBinary)
    if (packet?.kind === 'ack') this.#answers.get(packet.id)?.(packet.data[0] as Answer)
  }

  /** The answer, whatever it says. */
  async request(event: string, request: object): Promise<Answer> {
    const id = this.#ids++
    const answer = new Promise<Answer>((resolve) => this.#answers.set(id, resolve))
    for (const message of encodePacket('event', { data: [event, request], id })) this.#socket.send(message)
    return await answer
  }

  /** The second connection, for bytes. */
  async openLane(): Promise<TLSSocket> {
    if (this.#lane !== undefined) return this.#lane
    const lane = connectTls({ host: '127.0.0.1', port: this.#port, ...pemOf(this.#identity), minVersion: 'TLSv1.3', rejectUnauthorized: false })
    await once(lane, 'secureConnect')
    lane.write(`GET /holdfast/?link=${this.#name} HTTP/1.1\r\nHost: door\r\nConnection: Upgrade\r\nUpgrade: holdfast-bytes\r\n\r\n`)
    let head = Buffer.alloc(0)
    while (!head.includes('\r\n\r\n')) head = Buffer.concat([head, ...await once(lane, 'data') as Buffer[]])
    if (!head.toString('latin1').startsWith('HTTP/1.1 101')) throw new Error('the door gives no lane')
    this.#lane = lane
    return lane
  }

  /** Bytes of a transfer over the lane. */
  async send(transfer: number, bytes: Uint8Array): Promise<void> {
    const lane = await this.openLane()
    for (let at = 0; at < bytes.length; at += 1_048_576) {
      if (!lane.write(encodeFrame(transfer, bytes.subarray(at, at + 1_048_576)))) await once(lane, 'drain')
    }
  }

  /** `length` bytes that the listener sends over the lane as `number`. */
  async receive(number: number, length: number): Promise<Buffer> {
    const lane = await this.openLane()
    const parts: Buffer[] = []
    let rest = Buffer.alloc(0)
    for (let got = 0; got < length;) {
      rest = Buffer.concat([rest, ...await once(lane, 'data') as Buffer[]])
      let end = 0
      for (const frame of takeFrames(rest)) {
        if (frame.number !== number) throw new Error(`a frame of ${frame.number} came`)
        parts.push(frame.bytes)
        got += frame.bytes.length
        end = frame.end
      }
      rest = rest.subarray(end)
    }
    return Buffer.concat(parts)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#lane?.destroy()
    const closed = once(this.#socket, 'close')
    this.#socket.terminate()
    await closed
  }
}
