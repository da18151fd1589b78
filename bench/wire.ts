/**
 * Speed of the wire between two machines on this host: `node bench/wire.ts [MiB=1024]`.
 *
 * The holder runs in a process of its own, so CPU is counted on each side. Rows: a bare TLS socket (the platform's floor),
 * the WebSocket alone with a random and a zero mask over TLS, then the real door and link, shards put into and read from a store that checks leaves and writes
 * to a file, and one that keeps nothing (the wire's own limit).
 */
import { fork } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdtemp, open, rm } from 'node:fs/promises'
import { openSync, writeSync } from 'node:fs'
import { createServer } from 'node:https'
import { type TLSSocket, connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { WebSocket, WebSocketServer } from 'ws'
import { generateMachine } from '../agent/identity/machine.ts'
import { hashLeaf, hashLeaves, hashLength, leafLength } from '../agent/merkle.ts'
import { makeCertificate } from '../agent/network/peer/certificate.ts'
import { tlsCiphers, tlsIdentity } from '../agent/network/peer/dial.ts'
import { RemoteShardStore } from '../agent/network/peer/remote-shard-store.ts'
import { parseHeader } from '../agent/network/shard.ts'
import type { NewShard, ShardReading, ShardRef, ShardTransfer } from '../agent/network/shard-store/port.ts'
import { MemoryShardStore } from '../test/support/memory-shard-store.ts'
import { TestGroup } from '../test/support/peer-group.ts'
import { type TestOwner, makeOwner, makeShard } from '../test/support/test-owner.ts'
import { ownerFromWords } from '../agent/identity/owner.ts'

const frame = 1_048_576
const windowFrames = 4
const shardFrames = 6
/** Both processes make the same group and device from these. */
const words = `${'abandon '.repeat(23)}art`

interface Usage { readonly cpu: number; readonly rss: number }

function usage(): Usage {
  const { userCPUTime, systemCPUTime, maxRSS } = process.resourceUsage()
  return { cpu: (userCPUTime + systemCPUTime) / 1e6, rss: Math.round(maxRSS / 1024) }
}

/** Answers every put as stored; checks leaves and writes when it has a file. Reads give the same bytes again and again. */
class SinkStore extends MemoryShardStore {
  readonly #folder: string | undefined
  readonly #bytes = randomBytes(shardFrames * frame)

  constructor(folder: string | undefined) {
    super([])
    this.#folder = folder
  }

  override async begin(shard: Omit<NewShard, 'bytes'>): Promise<ShardTransfer> {
    const file = this.#folder === undefined ? undefined : await open(join(this.#folder, `${shard.id}.${shard.number}`), 'w')
    let leaf = 0
    return {
      offset: 0,
      write: async (bytes) => {
        if (file === undefined) return
        for (let at = 0; at < bytes.length; at += leafLength, leaf++) {
          if (!hashLeaf(bytes.subarray(at, at + leafLength)).equals(shard.leaves.subarray(leaf * hashLength, (leaf + 1) * hashLength))) throw new Error('a leaf differs')
        }
        await file.write(bytes)
      },
      commit: async () => { await file?.datasync() },
      close: async () => {
        await file?.close()
        if (this.#folder !== undefined) await rm(join(this.#folder, `${shard.id}.${shard.number}`), { force: true })
      },
    }
  }

  override async read(_ref: ShardRef, offset: number, length: number): Promise<Uint8Array> {
    return this.#bytes.subarray(offset, offset + length)
  }

  override async reading(): Promise<ShardReading> {
    return {
      readInto: async (offset, into) => { into.set(this.#bytes.subarray(offset, offset + into.length)) },
      async [Symbol.asyncDispose]() { /* nothing is open */ },
    }
  }
}

async function serve(kind: string): Promise<void> {
  process.on('message', () => { process.send?.(usage()) })
  if (kind.startsWith('mask')) {
    const machine = generateMachine()
    const server = createServer(tlsIdentity({ machine, certificate: await makeCertificate(machine) }))
    new WebSocketServer({ server, perMessageDeflate: false, maxPayload: 2 * frame, skipUTF8Validation: true })
      .on('connection', (socket) => { socket.on('message', () => { socket.send(Buffer.alloc(4)) }) })
    server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as { port: number }).port }))
    return
  }
  if (kind.startsWith('tls')) return await serveBare(kind)
  const group = await TestGroup.create(ownerFromWords(words))
  const folder = kind === 'disk' ? await mkdtemp(join(tmpdir(), 'holdfast-wire-')) : undefined
  const holder = await group.open('holder', { store: new SinkStore(folder) })
  process.send?.({ port: holder.door.port, id: holder.id, certificate: holder.identity.certificate, network: group.network })
  process.on('disconnect', () => { if (folder !== undefined) void rm(folder, { recursive: true, force: true }) })
}

/** Nothing but TLS: takes bytes and drops them, or hashes and writes them as a holder must, or sends as many as are asked for. */
async function serveBare(kind: string): Promise<void> {
  const machine = generateMachine()
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-wire-'))
  process.on('disconnect', () => { void rm(folder, { recursive: true, force: true }) })
  const server = createTlsServer({ ...tlsIdentity({ machine, certificate: await makeCertificate(machine) }), minVersion: 'TLSv1.3', ciphers: tlsCiphers }, (socket) => {
    socket.on('error', () => { socket.destroy() })
    if (kind === 'tls-read') return void sendBare(socket)
    const file = kind === 'tls-disk' ? openSync(join(folder, 'shard'), 'w') : undefined
    const block = Buffer.alloc(frame)
    let length = 0
    socket.on('data', (piece) => {
      for (let at = 0; at < piece.length;) {
        const part = piece.subarray(at, at + frame - length)
        block.set(part, length)
        at += part.length
        length += part.length
        if (length < frame) continue
        if (file !== undefined) {
          hashLeaves(block)
          writeSync(file, block, 0, frame, 0)
        }
        length = 0
        socket.write(Buffer.alloc(4))
      }
    })
  })
  server.listen(0, '127.0.0.1', () => process.send?.({ port: (server.address() as { port: number }).port }))
}

function sendBare(socket: TLSSocket): void {
  const bytes = randomBytes(frame)
  socket.once('data', (asked) => {
    let left = asked.readUInt32LE(0)
    const next = (): void => { if (left-- > 0) socket.write(bytes, next) }
    next()
  })
}

async function bareSocket(port: number, onread?: { buffer: Uint8Array; callback: (length: number, buffer: Uint8Array) => boolean }): Promise<TLSSocket> {
  const socket = connectTls({ port, host: '127.0.0.1', rejectUnauthorized: false, ...(onread && { onread }) })
  await new Promise((resolve) => { socket.once('secureConnect', resolve) })
  return socket
}

function bareRun(total: number, direction: 'put' | 'read'): (welcome: Welcome) => Promise<() => Promise<number>> {
  return async ({ port }) => {
    const count = Math.ceil(total / frame)
    const frames = Array.from({ length: 8 }, () => randomBytes(frame))
    let received = 0
    const ended = Promise.withResolvers<number>()
    const wanted = direction === 'put' ? count * 4 : count * frame
    const socket = await bareSocket(port, {
      buffer: Buffer.alloc(65_536),
      callback: (length) => {
        received += length
        if (received === wanted) ended.resolve(count * frame)
        return true
      },
    })
    return async () => {
      if (direction === 'read') {
        const asked = Buffer.alloc(4)
        asked.writeUInt32LE(count)
        socket.write(asked)
      } else {
        let sent = 0
        const next = (): void => { if (sent < count) socket.write(frames[sent++ % 8] as Buffer, next) }
        next()
      }
      const bytes = await ended.promise
      socket.destroy()
      return bytes
    }
  }
}

interface Welcome { readonly port: number; readonly id: TestOwner['machine']['id']; readonly certificate: string; readonly network: string }

async function withHolder(name: string, kind: string, work: (welcome: Welcome) => Promise<() => Promise<number>>): Promise<void> {
  const holder = fork(import.meta.filename, [], { env: { ...process.env, HOLDFAST_WIRE: kind } })
  const next = <T>() => new Promise<T>((resolve) => { holder.once('message', (message) => { resolve(message as T) }) })
  const ask = async (): Promise<Usage> => {
    holder.send('usage')
    return await next<Usage>()
  }
  const run = await work(await next<Welcome>())
  const before = [usage(), await ask()] as const
  const started = performance.now()
  const bytes = await run()
  const seconds = (performance.now() - started) / 1000
  const after = [usage(), await ask()] as const
  const perGb = (side: 0 | 1) => ((after[side].cpu - before[side].cpu) / (bytes / 1e9)).toFixed(2)
  process.stdout.write(`${name.padEnd(40)} ${(bytes / 1e6 / seconds).toFixed(0).padStart(5)} MB/s   CPU s/GB dialler ${perGb(0)}, holder ${perGb(1)}   peak MB ${after[0].rss}, ${after[1].rss}\n`)
  holder.disconnect()
  holder.kill()
}

function maskRun(total: number, zero: boolean): (welcome: Welcome) => Promise<() => Promise<number>> {
  return async ({ port }) => {
    const socket = new WebSocket(`wss://127.0.0.1:${port}`, {
      perMessageDeflate: false, rejectUnauthorized: false, ...(zero ? { generateMask: (mask: Buffer) => { mask.fill(0) } } : {}),
    })
    await new Promise((resolve) => { socket.once('open', resolve) })
    const frames = Array.from({ length: 8 }, () => randomBytes(frame))
    const count = Math.ceil(total / frame)
    return async () => await new Promise((resolve) => {
      let [sent, answered] = [0, 0]
      const push = () => { while (sent < count && sent - answered < windowFrames) socket.send(frames[sent++ % 8] as Buffer) }
      socket.on('message', () => {
        if (++answered < count) return push()
        socket.close()
        resolve(count * frame)
      })
      push()
    })
  }
}

function shardRun(total: number, direction: 'put' | 'read'): (welcome: Welcome) => Promise<() => Promise<number>> {
  return async ({ port, id, certificate, network }) => {
    const owner = await makeOwner({ root: ownerFromWords(words) })
    const group = await TestGroup.create(ownerFromWords(words), network)
    const device = await group.agent('device', { owners: [owner] })
    const link = await device.dialTo({ name: 'holder', host: '127.0.0.1', port, pin: { id, certificate } })
    const store = new RemoteShardStore(async () => link)
    const shards = Array.from({ length: 3 }, () => makeShard(owner, { length: shardFrames * frame }))
    const { shardLength } = parseHeader((shards[0] as NewShard).header)
    const rounds = Math.ceil(total / shardLength / shards.length)
    return async () => {
      await Promise.all(shards.map(async (shard) => {
        for (let round = 0; round < rounds; round++) await (direction === 'put' ? store.put(shard) : store.read(shard, 0, shardLength))
      }))
      await link[Symbol.asyncDispose]()
      return rounds * shards.length * shardLength
    }
  }
}

async function main(): Promise<void> {
  const total = Number(process.argv[2] ?? 1024) * 1_048_576
  await withHolder('TLS alone, put', 'tls-put', bareRun(total, 'put'))
  await withHolder('TLS alone, put, leaves hashed and written', 'tls-disk', bareRun(total, 'put'))
  await withHolder('TLS alone, read', 'tls-read', bareRun(total, 'read'))
  await withHolder('WebSocket over TLS, random mask', 'mask', maskRun(total, false))
  await withHolder('WebSocket over TLS, zero mask', 'mask', maskRun(total, true))
  await withHolder('put, holder keeps nothing', 'nothing', shardRun(total, 'put'))
  await withHolder('put, holder checks leaves and writes', 'disk', shardRun(total, 'put'))
  await withHolder('read', 'nothing', shardRun(total, 'read'))
}

await (process.env['HOLDFAST_WIRE'] === undefined ? main() : serve(process.env['HOLDFAST_WIRE']))
