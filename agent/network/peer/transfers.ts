/** The shards that one guest is sending: frames in order, one write at a time each, what is here kept when the link breaks. */
import { HoldfastError } from '../../../shared/errors.ts'
import { releaseBytes } from '../../release-bytes.ts'
import type { NewShard, ShardRef, ShardTransfer, TransferringShardStore } from '../shard-store/port.ts'

const maxTransfers = 16

interface Incoming {
  readonly shard: ShardRef
  readonly length: number
  readonly transfer: ShardTransfer
  /** Where the next frame must begin. */
  expected: number
  /** Settles when all frames so far are written; rejects with what went wrong first. */
  written: Promise<void>
}

export class Transfers {
  readonly #store: TransferringShardStore
  readonly #onStored: (stored: ShardRef & { bytes: number }) => void
  readonly #incoming = new Map<number, Incoming>()
  #next = 1
  #left = false

  constructor(store: TransferringShardStore, onStored: (stored: ShardRef & { bytes: number }) => void) {
    this.#store = store
    this.#onStored = onStored
  }

  /** `length`: of the shard, from its header. When 16 are under way the oldest is closed; what it had stays. */
  async begin(shard: Omit<NewShard, 'bytes'>, length: number): Promise<{ stored: true } | { transfer: number; offset: number }> {
    const transfer = await this.#store.begin(shard)
    if (transfer === 'stored') return { stored: true }
    const number = this.#next++
    const { owner, id, number: of } = shard
    this.#incoming.set(number, { shard: { owner, id, number: of }, length, transfer, expected: transfer.offset, written: Promise.resolve() })
    const [oldest] = this.#incoming.keys()
    if (this.#incoming.size > maxTransfers && oldest !== undefined) await this.#close(oldest)
    if (this.#left) await this.leave()
    return { transfer: number, offset: transfer.offset }
  }

  /** `received`: bytes of the shard that are here once the frame is written. A frame out of order ends the transfer. */
  async write(number: number, offset: number, bytes: Uint8Array): Promise<{ received: number }> {
    const incoming = this.#find(number)
    if (offset !== incoming.expected || offset + bytes.length > incoming.length || bytes.length === 0) {
      await this.#close(number)
      throw new HoldfastError('invalid-input', `Cannot take ${bytes.length} bytes at ${offset}: ${incoming.expected} of ${incoming.length} are here`)
    }
    incoming.expected += bytes.length
    const received = incoming.expected
    incoming.written = incoming.written.then(() => incoming.transfer.write(bytes))
    try {
      await incoming.written
      releaseBytes(bytes)
    } catch (error) {
      await this.#close(number)
      throw error
    }
    return { received }
  }

  async commit(number: number): Promise<{ stored: true }> {
    const { expected, length, shard, transfer, written } = this.#find(number)
    await written
    if (expected !== length) throw new HoldfastError('invalid-input', `Cannot store the shard: ${expected} of ${length} bytes are here`)
    await transfer.commit()
    await this.#close(number)
    this.#onStored({ ...shard, bytes: length })
    return { stored: true }
  }

  #find(number: number): Incoming {
    const incoming = this.#incoming.get(number)
    if (incoming === undefined) throw new HoldfastError('invalid-input', `Cannot go on with transfer ${number}: it is not under way`)
    return incoming
  }

  async #close(number: number): Promise<void> {
    const incoming = this.#incoming.get(number)
    this.#incoming.delete(number)
    await incoming?.written.catch(() => { /* the frame that failed was answered with it */ })
    await incoming?.transfer.close()
  }

  /** The link ended: what is here stays for the next link. */
  async leave(): Promise<void> {
    this.#left = true
    await Promise.all([...this.#incoming.keys()].map((number) => this.#close(number)))
  }
}
