/**
 * An ObjectStore and HeadStore in a folder: durable puts (fdatasync, rename), ranged reads, one file an object. Packs go past
 * the page cache like a holder's shards.
 */
import { mkdirSync, readdirSync } from 'node:fs'
import { open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HoldfastError } from '../../shared/errors.ts'
import type {
  HeadStore, NewObject, ObjectId, ObjectKind, ObjectRef, ObjectStore, PublishedHead, PutReceipt, StoreOptions,
} from '../../agent/object-store.ts'
import { AppendingWriter, WriteAreas } from '../../agent/network/shard-store/appending-writer.ts'

export class FolderStore implements ObjectStore, HeadStore {
  readonly directory: string
  /** Puts under way now, and the most there were at a time. */
  putting = 0
  mostPutting = 0

  constructor(directory: string) {
    this.directory = directory
    mkdirSync(directory, { recursive: true })
  }

  async put(object: NewObject, { signal }: StoreOptions = {}): Promise<PutReceipt> {
    throwIfCancelled(signal)
    const path = this.pathOf(object)
    if (await exists(path)) return { placed: 1, wanted: 1, bytesSent: 0 }
    this.mostPutting = Math.max(this.mostPutting, ++this.putting)
    try {
      await writeDurably(path, object.bytes)
    } finally {
      this.putting--
    }
    return { placed: 1, wanted: 1, bytesSent: object.length }
  }

  async get(ref: ObjectRef, range = { offset: 0, length: ref.length }, { signal }: StoreOptions = {}): Promise<Uint8Array> {
    throwIfCancelled(signal)
    if (range.offset + range.length > ref.length) throw new RangeError('Cannot get a range: it leaves the object')
    const file = await open(this.pathOf(ref)).catch((cause: unknown) => {
      throw new HoldfastError('object-missing', 'Cannot get the object: it is not there', { cause, details: { have: 0, need: 1 } })
    })
    try {
      const bytes = Buffer.allocUnsafeSlow(range.length)
      const { bytesRead } = await file.read(bytes, 0, range.length, range.offset)
      if (bytesRead !== range.length) throw new HoldfastError('object-damaged', 'Cannot get the object: it is cut off')
      return bytes
    } finally {
      await file.close()
    }
  }

  async *list(): AsyncGenerator<ObjectRef> {
    for (const name of readdirSync(this.directory)) {
      const [id, kind] = name.split('.') as [ObjectId, ObjectKind | 'head']
      if (kind === 'head' || name.endsWith('.tmp')) continue
      yield { kind, id, length: (await stat(join(this.directory, name))).size }
    }
  }

  async publish(head: PublishedHead, { signal }: StoreOptions = {}): Promise<{ acknowledged: number, asked: number }> {
    throwIfCancelled(signal)
    const { machine } = JSON.parse(Buffer.from(head.head.split('.')[1] as string, 'base64url').toString()) as { machine: string }
    const text = JSON.stringify({ ...head, live: Buffer.from(head.live).toString('base64') })
    await writeDurably(join(this.directory, `${Buffer.from(machine).toString('hex')}.head`), Buffer.from(text))
    return { acknowledged: 1, asked: 1 }
  }

  async collect(): Promise<{ heads: readonly PublishedHead[], answered: number, asked: number }> {
    const names = readdirSync(this.directory).filter((name) => name.endsWith('.head'))
    const heads = await Promise.all(names.map(async (name) => {
      const { certificate, head, live } = JSON.parse(await readFile(join(this.directory, name), 'utf8')) as Record<string, string>
      return { certificate, head, live: new Uint8Array(Buffer.from(live as string, 'base64')) } as PublishedHead
    }))
    return { heads, answered: 1, asked: 1 }
  }

  pathOf({ id, kind }: Pick<ObjectRef, 'id' | 'kind'>): string {
    return join(this.directory, `${id}.${kind}`)
  }

  async drop(ref: Pick<ObjectRef, 'id' | 'kind'>): Promise<void> {
    await rm(this.pathOf(ref))
  }

  /** Flips one bit of an object. */
  async damage(ref: Pick<ObjectRef, 'id' | 'kind'>, offset: number): Promise<void> {
    const bytes = await readFile(this.pathOf(ref))
    bytes[offset] = (bytes[offset] as number) ^ 1
    await writeFile(this.pathOf(ref), bytes)
  }
}

const areas = new WriteAreas()

async function writeDurably(path: string, bytes: Uint8Array): Promise<void> {
  const file = await open(`${path}.tmp`, 'w')
  const writer = new AppendingWriter(file, 0, areas)
  try {
    await writer.append(bytes)
    await writer.flush()
    await file.datasync()
  } finally {
    await writer.end()
    await file.close()
  }
  await rename(`${path}.tmp`, path)
}

async function exists(path: string): Promise<boolean> {
  return await stat(path).then(() => true, () => false)
}

function throwIfCancelled(signal: AbortSignal | undefined): void {
  if (signal?.aborted === true) throw new HoldfastError('cancelled', 'Cannot go on: it was cancelled')
}
