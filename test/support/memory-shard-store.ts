/** A ShardStore in a Map, with the checks of the port: what the link, the host and dispersal are tested against. */
import { createHash, verify } from 'node:crypto'
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import type { OwnerId } from '../../shared/ids.ts'
import { type DeviceCertificate, verifyDeviceCertificate } from '../../agent/identity/device.ts'
import { importPublicKey, verifyRecord } from '../../agent/identity/jws.ts'
import { machineIdFromBytes } from '../../agent/identity/machine.ts'
import { hashLeaves, leafLength, rootOf } from '../../agent/merkle.ts'
import type { CallOptions, NewShard, OpenedShard, ShardEntry, ShardReading, ShardRef, ShardTransfer, Space, TransferringShardStore } from '../../agent/network/shard-store/port.ts'
import { type ObjectKind, type PublishedHead, objectKinds } from '../../agent/object-store.ts'

const headSchema = z.object({ v: z.literal(1), owner: z.string(), machine: z.string(), seq: z.int(), live: z.object({ sha256: z.string() }) })

export class MemoryShardStore implements TransferringShardStore {
  readonly shards = new Map<string, NewShard>()
  /** Bytes of transfers that were not committed, by shard. */
  readonly incoming = new Map<string, Buffer>()
  readonly #heads = new Map<string, PublishedHead & { owner: string; seq: number }>()
  readonly #devices: Promise<readonly DeviceCertificate[]>
  readonly #quota: number

  constructor(certificates: readonly string[], quota = 1_073_741_824) {
    this.#devices = Promise.all(certificates.map(verifyDeviceCertificate))
    this.#quota = quota
  }

  async put(shard: NewShard, { signal }: CallOptions = {}): Promise<number> {
    signal?.throwIfAborted()
    if (this.shards.has(nameOf(shard))) return 0
    const space = await this.space()
    if (shard.bytes.length > space.free) throw new HoldfastError('quota-exceeded', `Cannot store the shard: ${space.free} bytes free`)
    await this.#checkHeader(shard)
    if (!Buffer.from(hashLeaves(shard.bytes)).equals(shard.leaves)) throw damaged()
    this.shards.set(nameOf(shard), { ...shard, header: Buffer.from(shard.header), leaves: Buffer.from(shard.leaves), bytes: Buffer.from(shard.bytes) })
    return shard.bytes.length
  }

  async #checkHeader(shard: Omit<NewShard, 'bytes'>): Promise<void> {
    const header = Buffer.from(shard.header)
    const machine = machineIdFromBytes(header.subarray(56, 88))
    const device = (await this.#devices).find((certificate) => certificate.machine === machine && certificate.owner === shard.owner)
    if (device === undefined) throw new HoldfastError('record-invalid', 'Cannot store the shard: no certificate for its device')
    const signed = Buffer.from(header.subarray(0, -64))
    signed[7] = 0
    const holds = verify(null, Buffer.concat([Buffer.from('holdfast/v1/shard'), signed]), importPublicKey(device.jwk), header.subarray(-64))
    const root = header.subarray(128 + 32 * shard.number, 160 + 32 * shard.number)
    if (!holds || !rootOf(shard.leaves).equals(root)) throw damaged()
  }

  async begin(shard: Omit<NewShard, 'bytes'>): Promise<ShardTransfer | 'stored'> {
    const name = nameOf(shard)
    if (this.shards.has(name)) return 'stored'
    const length = Number(Buffer.from(shard.header).readBigUInt64LE(16))
    const { free } = await this.space()
    if (length > free) throw new HoldfastError('quota-exceeded', `Cannot store the shard: ${free} bytes free`)
    await this.#checkHeader(shard)
    const parts = [this.incoming.get(name) ?? Buffer.alloc(0)]
    let open = true
    return {
      offset: parts[0]?.length ?? 0,
      write: async (bytes) => { parts.push(Buffer.from(bytes)) },
      commit: async () => {
        open = false
        this.incoming.delete(name)
        await this.put({ ...shard, bytes: Buffer.concat(parts) })
      },
      close: async () => {
        const whole = Buffer.concat(parts)
        if (open) this.incoming.set(name, whole.subarray(0, whole.length - whole.length % leafLength))
        open = false
      },
    }
  }

  async open(ref: ShardRef, { signal }: CallOptions = {}): Promise<OpenedShard> {
    signal?.throwIfAborted()
    const { header, leaves } = this.#find(ref)
    return { header, leaves }
  }

  async read(ref: ShardRef, offset: number, length: number, { signal }: CallOptions = {}): Promise<Uint8Array> {
    signal?.throwIfAborted()
    const { bytes } = this.#find(ref)
    if (offset < 0 || offset + length > bytes.length) throw new RangeError(`Cannot read ${length} bytes at ${offset}: the shard has ${bytes.length}`)
    return bytes.subarray(offset, offset + length)
  }

  async reading(ref: ShardRef): Promise<ShardReading> {
    this.#find(ref)
    return {
      readInto: async (offset, into) => { into.set(await this.read(ref, offset, into.length)) },
      async [Symbol.asyncDispose]() { /* nothing is open */ },
    }
  }

  #find(ref: ShardRef): NewShard {
    const shard = this.shards.get(nameOf(ref))
    if (shard === undefined) throw new HoldfastError('not-found', `Cannot open shard ${ref.id.slice(0, 8)}.${ref.number}: not here`)
    return shard
  }

  owners(): OwnerId[] {
    return [...new Set([...this.shards.values()].map(({ owner }) => owner))]
  }

  async *list(owner: OwnerId): AsyncIterable<ShardEntry> {
    const kinds = Object.entries(objectKinds) as [ObjectKind, number][]
    for (const [, { owner: of, id, number, header }] of [...this.shards].sort(([a], [b]) => (a < b ? -1 : 1))) {
      const view = Buffer.from(header)
      const kind = kinds.find(([, code]) => code === view[4])?.[0] as ObjectKind
      if (of === owner) yield { owner, id, number, kind, k: view[5] as number, n: view[6] as number, length: Number(view.readBigUInt64LE(8)) }
    }
  }

  async putHead(published: PublishedHead): Promise<void> {
    const device = await verifyDeviceCertificate(published.certificate)
    const head = await verifyRecord('holdfast-head', published.head, device.jwk, headSchema)
    const fits = head.owner === device.owner && head.machine === device.machine
      && head.live.sha256 === createHash('sha256').update(published.live).digest('hex')
    if (!fits) throw new HoldfastError('record-invalid', 'Cannot keep the head: it is not of this device or live list')
    const kept = this.#heads.get(`${head.owner} ${head.machine}`)
    if (kept !== undefined && kept.seq >= head.seq) return
    this.#heads.set(`${head.owner} ${head.machine}`, { ...published, live: Buffer.from(published.live), owner: head.owner, seq: head.seq })
  }

  async heads(owner: OwnerId): Promise<readonly PublishedHead[]> {
    return [...this.#heads.values()].filter((kept) => kept.owner === owner).map(({ certificate, head, live }) => ({ certificate, head, live }))
  }

  /** As after the loss of a disk: what it took is gone, and it does not know. */
  forgetHeads(): void {
    this.#heads.clear()
  }

  async space(): Promise<Space> {
    const used = [...this.shards.values()].reduce((sum, shard) => sum + shard.bytes.length, 0)
    return { free: Math.max(0, this.#quota - used), quota: this.#quota, used }
  }
}

function damaged(): HoldfastError {
  return new HoldfastError('object-damaged', 'Cannot store the shard: it is not what its header says')
}

function nameOf(ref: ShardRef): string {
  return `${ref.owner}/${ref.id}.${ref.number}`
}
