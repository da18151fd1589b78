/**
 * The shards that one guest is sending: bytes in order, one write at a time each, what is here kept when the link breaks.
 * Few bytes come as messages, more over the guest's lane, where they gather to blocks before they are checked and written.
 */
import { HoldfastError } from '../../../shared/errors.ts'
import { releaseBytes } from '../../release-bytes.ts'
import type { NewShard, ShardRef, ShardTransfer, TransferringShardStore } from '../shard-store/port.ts'

const maxTransfers = 16
const blockLength = 524_288
/** Bytes that wait to be written, above which a guest has to wait. */
const maxBacklog = 4_194_304

interface Incoming {
  readonly shard: ShardRef
  readonly length: number
  readonly transfer: ShardTransfer
  /** Where the next frame must begin. */
  expected: number
  /** Settles when all frames so far are written; rejects with what went wrong first. */
  written: Promise<void>
  /** What came over the lane and is not on its way to the disk yet. */
  block: Buffer | undefined
  blockLength: number
  /** Resolves when the last byte came over the lane; rejects when the guest has left. */
  readonly arrived: PromiseWithResolvers<void>
}

export class Transfers {
  readonly #store: TransferringShardStore
  readonly #onStored: (stored: ShardRef & { bytes: number }) => void
  readonly #incoming = new Map<number, Incoming>()
  readonly #blocks: Buffer[] = []
  #backlog = 0
  #drained: PromiseWithResolvers<void> | undefined
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
    this.#incoming.set(number, { shard: { owner, id, number: of }, length, transfer, expected: transfer.offset, written: Promise.resolve(), block: undefined, blockLength: 0, arrived: Promise.withResolvers() })
    const incoming = this.#find(number)
    incoming.arrived.promise.catch(() => { /* whoever commits sees it */ })
    if (incoming.expected === length) incoming.arrived.resolve()
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
    if (received === incoming.length) incoming.arrived.resolve()
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

  /**
   * Bytes from the lane, copied. A promise asks to wait before there are more. What goes wrong with a transfer is said at
   * its commit; a number that no transfer ever had is `invalid-input`.
   */
  take(number: number, bytes: Uint8Array): Promise<void> | undefined {
    const incoming = this.#incoming.get(number)
    if (incoming === undefined) {
      if (number === 0 || number >= this.#next) throw new HoldfastError('invalid-input', `Cannot take bytes of transfer ${number}: it was never begun`)
      return undefined
    }
    if (incoming.expected + bytes.length > incoming.length) throw new HoldfastError('invalid-input', 'Cannot take more bytes than the shard has')
    for (let at = 0; at < bytes.length;) {
      const block = (incoming.block ??= this.#blocks.pop() ?? Buffer.allocUnsafeSlow(blockLength))
      const piece = bytes.subarray(at, at + blockLength - incoming.blockLength)
      block.set(piece, incoming.blockLength)
      at += piece.length
      incoming.blockLength += piece.length
      incoming.expected += piece.length
      if (incoming.blockLength === blockLength || incoming.expected === incoming.length) this.#writeBlock(incoming)
    }
    if (incoming.expected === incoming.length) incoming.arrived.resolve()
    if (this.#backlog > maxBacklog) this.#drained ??= Promise.withResolvers()
    return this.#drained?.promise
  }

  #writeBlock(incoming: Incoming): void {
    const { block, blockLength: length } = incoming
    if (block === undefined) return
    incoming.block = undefined
    incoming.blockLength = 0
    this.#backlog += length
    const end = (): void => {
      this.#blocks.push(block)
      this.#backlog -= length
      if (this.#backlog > maxBacklog / 2) return
      this.#drained?.resolve()
      this.#drained = undefined
    }
    incoming.written = incoming.written.then(() => incoming.transfer.write(block.subarray(0, length)))
    incoming.written.then(end, end)
  }

  /** `waits`: bytes may still be on their way over the lane. */
  async commit(number: number, waits: boolean): Promise<{ stored: true }> {
    const incoming = this.#find(number)
    const { length, shard, transfer } = incoming
    try {
      if (waits) await incoming.arrived.promise
      await incoming.written
      if (incoming.expected !== length) throw new HoldfastError('invalid-input', `Cannot store the shard: ${incoming.expected} of ${length} bytes are here`)
      await transfer.commit()
    } finally {
      await this.#close(number)
    }
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
    if (incoming === undefined) return
    incoming.arrived.reject(new HoldfastError('cancelled', 'Cannot store the shard: its transfer has ended'))
    this.#writeBlock(incoming)
    await incoming.written.catch(() => { /* the frame that failed was answered with it */ })
    await incoming.transfer.close()
  }

  /** The link ended: what is here stays for the next link. */
  async leave(): Promise<void> {
    this.#left = true
    await Promise.all([...this.#incoming.keys()].map((number) => this.#close(number)))
  }
}
