/** One shard on its way into the folder: each byte hashed once and written once, each leaf checked as it fills. */
import { type Hash, createHash } from 'node:crypto'
import { type FileHandle, rename, rm } from 'node:fs/promises'
import { HoldfastError } from '../../../shared/errors.ts'
import { hashLeaf, hashLength, leafLength } from '../../merkle.ts'
import type { FolderSync } from '../durable-file.ts'
import { type ShardHeader, damaged } from '../shard.ts'
import { AppendingWriter, type WriteAreas } from './appending-writer.ts'
import type { ShardTransfer } from './port.ts'

const leafPrefix = Uint8Array.of(0)

/** What of node:fs a transfer uses to open its file: an argument, so that a disk can be made to fail. */
export type OpenFile = (path: string, flags: string, mode?: number) => Promise<FileHandle>

export interface TransferPlan {
  readonly header: ShardHeader
  /** Header and leaves as they lie in the file, before the shard's bytes. */
  readonly head: Uint8Array
  readonly leaves: Uint8Array
  readonly partialPath: string
  readonly path: string
  readonly folder: FolderSync
  readonly openFile: OpenFile
  readonly areas: WriteAreas
  /** Called once, when it is over; `stored` after the rename. */
  readonly ended: (outcome: 'stored' | 'kept' | 'dropped') => void
}

export class FolderTransfer implements ShardTransfer {
  readonly offset: number
  readonly #plan: TransferPlan
  readonly #file: FileHandle
  readonly #writer: AppendingWriter
  #received: number
  #leaf: Hash
  #state: 'open' | 'ended' = 'open'
  #writing: Promise<void> = Promise.resolve()

  private constructor(plan: TransferPlan, file: FileHandle, offset: number) {
    this.#plan = plan
    this.#file = file
    this.#writer = new AppendingWriter(file, offset === 0 ? 0 : plan.head.length + offset, plan.areas)
    this.offset = offset
    this.#received = offset
    this.#leaf = newLeaf()
  }

  /** Goes on with what an earlier transfer of the same shard left, as far as its leaves still hold. */
  static async open(plan: TransferPlan): Promise<FolderTransfer> {
    const earlier = await openExisting(plan)
    if (earlier !== undefined) {
      const offset = await soundLength(earlier, plan)
      if (offset > 0) return new FolderTransfer(plan, earlier, offset)
      await earlier.close()
    }
    const file = await translated(async () => await plan.openFile(plan.partialPath, 'w+', 0o600))
    const transfer = new FolderTransfer(plan, file, 0)
    await transfer.#guard(async () => await transfer.#writer.append(plan.head))
    return transfer
  }

  async write(bytes: Uint8Array): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#received + bytes.length > this.#plan.header.shardLength) throw damaged('more bytes came than it has', this.#plan.header)
      this.#checkLeaves(bytes)
      await this.#writer.append(bytes)
      this.#received += bytes.length
    })
  }

  #checkLeaves(bytes: Uint8Array): void {
    let received = this.#received
    for (let at = 0; at < bytes.length;) {
      const taken = bytes.subarray(at, at + leafLength - received % leafLength)
      this.#leaf.update(taken)
      at += taken.length
      received += taken.length
      if (received % leafLength !== 0 && received !== this.#plan.header.shardLength) continue
      const leaf = Math.ceil(received / leafLength) - 1
      const expected = this.#plan.leaves.subarray(leaf * hashLength, (leaf + 1) * hashLength)
      if (!this.#leaf.digest().equals(expected)) throw damaged(`leaf ${leaf} differs`, this.#plan.header)
      this.#leaf = newLeaf()
    }
  }

  async commit(): Promise<void> {
    await this.#inTurn(async () => {
      if (this.#received !== this.#plan.header.shardLength) throw damaged(`${this.#received} bytes came of ${this.#plan.header.shardLength}`, this.#plan.header)
      await this.#writer.flush()
      await this.#file.datasync()
      await this.#closeFile()
      await rename(this.#plan.partialPath, this.#plan.path)
      await this.#plan.folder.sync()
      this.#end('stored')
    })
  }

  async close(): Promise<void> {
    await this.#writing.catch(() => undefined)
    if (this.#state === 'ended') return
    this.#end('kept')
    try {
      await translated(async () => await this.#writer.flush())
    } finally {
      await this.#closeFile()
    }
  }

  async #closeFile(): Promise<void> {
    await this.#writer.end()
    await this.#file.close()
  }

  async #inTurn(step: () => Promise<void>): Promise<void> {
    const turn = this.#writing.then(async () => await this.#step(step))
    this.#writing = turn.catch(() => undefined)
    await turn
  }

  async #step(step: () => Promise<void>): Promise<void> {
    if (this.#state === 'ended') throw new HoldfastError('cancelled', 'Cannot go on with a shard: the transfer has ended')
    await this.#guard(step)
  }

  /** Any failure drops the transfer and its file: a full disk gets its space back, a forged leaf leaves nothing. */
  async #guard(step: () => Promise<void>): Promise<void> {
    try {
      await translated(step)
    } catch (error) {
      this.#end('dropped')
      await this.#closeFile().catch(() => undefined)
      await rm(this.#plan.partialPath, { force: true })
      throw error
    }
  }

  #end(outcome: 'stored' | 'kept' | 'dropped'): void {
    if (this.#state === 'ended') return
    this.#state = 'ended'
    this.#plan.ended(outcome)
  }
}

function newLeaf(): Hash {
  return createHash('sha256').update(leafPrefix)
}

async function openExisting(plan: TransferPlan): Promise<FileHandle | undefined> {
  try {
    return await plan.openFile(plan.partialPath, 'r+')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

/** Bytes in whole leaves that hold, at the begin of an earlier transfer's file; the rest is cut off. */
async function soundLength(file: FileHandle, { head, leaves, header }: TransferPlan): Promise<number> {
  const start = Buffer.alloc(head.length)
  await file.read(start, 0, start.length, 0)
  if (!start.equals(head)) return 0
  const buffer = Buffer.alloc(leafLength)
  let sound = 0
  while (sound + leafLength <= header.shardLength) {
    const { bytesRead } = await file.read(buffer, 0, leafLength, head.length + sound)
    const expected = leaves.subarray(sound / leafLength * hashLength, (sound / leafLength + 1) * hashLength)
    if (bytesRead < leafLength || !hashLeaf(buffer).equals(expected)) break
    sound += leafLength
  }
  await file.truncate(head.length + sound)
  return sound
}

async function translated<T>(step: () => Promise<T>): Promise<T> {
  try {
    return await step()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOSPC' || code === 'EDQUOT') throw new HoldfastError('disk-full', 'Cannot store the shard: the disk is full', { cause })
    throw cause
  }
}
