/** Shards and heads of one owner in a folder copied off a holder's disk; it is only read. */
import { open, readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../../shared/errors.ts'
import { type OwnerId, shortId } from '../../../shared/ids.ts'
import { hashLength, leafCount } from '../../merkle.ts'
import type { PublishedHead } from '../../object-store.ts'
import { headFromJson } from '../published-head.ts'
import { type ShardHeader, bytesOffset, checkRef, headerLength, parseHeader } from '../shard.ts'
import type { OpenedShard, ShardEntry, ShardRef, ShardStore, Space } from './port.ts'

const shardName = /^([0-9a-f]{64})\.(\d{1,3})\.shard$/
const longestHeader = headerLength(255)

export class CollectedFolder implements ShardStore {
  readonly path: string
  readonly #shards = new Map<string, ShardHeader>()
  readonly #heads: PublishedHead[] = []

  private constructor(path: string) {
    this.path = path
  }

  /** Looks through the folder; files that are not what their names say are reported and left out. */
  static async open(path: string, owner: OwnerId, report: (path: string, error: unknown) => void): Promise<CollectedFolder> {
    const folder = new CollectedFolder(path)
    for (const name of await readdir(path)) {
      try {
        if (name.endsWith('.head')) folder.#heads.push(headFromJson(await readFile(join(path, name), 'utf8')))
        else await folder.#addShard(name, owner)
      } catch (error) {
        report(join(path, name), error)
      }
    }
    return folder
  }

  async #addShard(name: string, owner: OwnerId): Promise<void> {
    const shard = parseShardName(name)
    if (shard === undefined) return
    const { id, number } = shard
    const header = await readHeaderOf(join(this.path, name))
    checkRef(header, { owner, id, number })
    this.#shards.set(`${id}.${number}`, header)
  }

  entries(): Iterable<ShardEntry> {
    return this.#shards.values()
  }

  async open(ref: ShardRef): Promise<OpenedShard> {
    const { n, shardLength } = this.#find(ref)
    const bytes = await readAt(this.#pathOf(ref), 0, headerLength(n) + leafCount(shardLength) * hashLength)
    return { header: bytes.subarray(0, headerLength(n)), leaves: bytes.subarray(headerLength(n)) }
  }

  async read(ref: ShardRef, offset: number, length: number): Promise<Uint8Array> {
    const { n, shardLength } = this.#find(ref)
    if (offset < 0 || length < 0 || offset + length > shardLength) throw new RangeError(`Cannot read ${length} bytes at ${offset}: the shard has ${shardLength}`)
    return await readAt(this.#pathOf(ref), bytesOffset(n, shardLength) + offset, length)
  }

  async *list(owner: OwnerId): AsyncGenerator<ShardEntry> {
    for (const entry of this.entries()) if (entry.owner === owner) yield entry
  }

  async heads(): Promise<readonly PublishedHead[]> {
    return this.#heads
  }

  async put(): Promise<number> {
    throw readOnly()
  }

  async putHead(): Promise<void> {
    throw readOnly()
  }

  async space(): Promise<Space> {
    return { free: 0, quota: 0, used: 0 }
  }

  #pathOf(ref: ShardRef): string {
    return join(this.path, `${ref.id}.${ref.number}.shard`)
  }

  #find(ref: ShardRef): ShardHeader {
    const header = this.#shards.get(`${ref.id}.${ref.number}`)
    if (header === undefined) throw new HoldfastError('not-found', `Cannot open shard ${ref.number} of ${shortId(ref.id)}: it is not in ${this.path}`)
    return header
  }
}

/** Undefined for a file that is no shard by its name. */
export function parseShardName(name: string): Pick<ShardRef, 'id' | 'number'> | undefined {
  const [, id, number] = shardName.exec(name) ?? []
  return id === undefined ? undefined : { id: id as ShardRef['id'], number: Number(number) }
}

/** Not verified. Throws `object-damaged`, `format-unknown`, or what the system says. */
export async function readHeaderOf(path: string): Promise<ShardHeader> {
  return parseHeader(await readAt(path, 0, longestHeader), { prefix: true })
}

export function readOnly(): HoldfastError {
  return new HoldfastError('invalid-input', 'Cannot write to collected shards: they are only read')
}

/** Up to `length` bytes at `position`; fewer at the end of the file. */
async function readAt(path: string, position: number, length: number): Promise<Uint8Array> {
  const file = await open(path, 'r')
  try {
    const bytes = Buffer.alloc(length)
    let got = 0
    for (let read = -1; got < length && read !== 0; got += read) {
      read = (await file.read(bytes, got, length - got, position + got)).bytesRead
    }
    return bytes.subarray(0, got)
  } finally {
    await file.close()
  }
}
