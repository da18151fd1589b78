/**
 * A colleague's machine as a ShardStore (docs/protocol.md section 2): the network vanishes behind the port.
 *
 * put: begin says where to go on; the bytes follow over the link's lane, a few as a message; commit makes them durable.
 * read: over the lane, a few bytes as a message. Lists and heads come in pages. A call on a broken link is tried once
 * more on a new one; put goes on there with what the holder has. Nothing that is read is verified here: readers do that.
 */
import { z } from 'zod'
import { HoldfastError, hasCode } from '../../../shared/errors.ts'
import type { MachineId, OwnerId } from '../../../shared/ids.ts'
import { peekRecord } from '../../identity/jws.ts'
import type { PublishedHead } from '../../object-store.ts'
import type { CallOptions, NewShard, OpenedShard, PutOptions, ShardEntry, ShardRef, ShardStore, Space } from '../shard-store/port.ts'
import { liveEntryLength } from '../published-head.ts'
import type { Link } from './link.ts'
import { diffLive } from './live-delta.ts'
import { laneFrame } from './lane-frames.ts'
import type { Paces } from './pacing.ts'
import { type WireAnswer, maxByMessage, maxFrame, maxLaneRead, maxListed } from './wire.ts'

const listTries = 3
const livePart = Math.floor(maxFrame / liveEntryLength / 2) * liveEntryLength
const headSchema = z.object({ v: z.literal(1), owner: z.string(), machine: z.string(), seq: z.int() })

/** Gives the open link, or dials. */
export type LinkSource = (signal: AbortSignal | undefined) => Promise<Link>
export class RemoteShardStore implements ShardStore {
  readonly #link: LinkSource
  readonly #pacesOf: (link: Link) => Paces
  /** The newest live list that the holder took of each device, to send differences against. */
  readonly #taken = new Map<string, { readonly seq: number; readonly live: Uint8Array }>()

  constructor(link: LinkSource, pacesOf: (link: Link) => Paces = () => ({})) {
    this.#link = link
    this.#pacesOf = pacesOf
  }

  async #over<T>(signal: AbortSignal | undefined, work: (link: Link) => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    const link = await this.#link(signal)
    try {
      return await work(link)
    } catch (error) {
      if (!link.ended.aborted || !hasCode(error, 'peer-unreachable')) throw error
      signal?.throwIfAborted()
      return await work(await this.#link(signal))
    }
  }

  async put(shard: NewShard, options: PutOptions = {}): Promise<number> {
    let travelled = 0
    await this.#over(options.signal, async (link) => {
      const begun = await link.call('shard.begin', { header: shard.header, leaves: shard.leaves }, options)
      if ('stored' in begun) return
      if (begun.offset > shard.bytes.length) throw misbehaves(link, `it claims ${begun.offset} of ${shard.bytes.length} bytes`)
      await this.#send(link, shard.bytes, begun, { ...options, onSent: (bytes) => { travelled += bytes } })
      await link.call('shard.commit', { transfer: begun.transfer }, options)
    })
    return travelled
  }

  async #send(link: Link, bytes: Uint8Array, { transfer, offset: begin }: { transfer: number; offset: number }, options: PutOptions & { onSent: (bytes: number) => void }): Promise<void> {
    const { signal, onProgress, onSent } = options
    const lane = bytes.length - begin > maxByMessage ? await link.lane() : undefined
    const { upload } = this.#pacesOf(link)
    const step = lane === undefined ? maxByMessage : laneFrame
    for (let offset = begin; offset < bytes.length; offset += step) {
      const frame = bytes.subarray(offset, offset + step)
      await upload?.(frame.length, signal)
      signal?.throwIfAborted()
      if (lane === undefined) await link.call('shard.data', { transfer, offset, bytes: frame }, { signal })
      else await lane.send(transfer, frame)
      onSent(frame.length)
      onProgress?.(offset + frame.length)
    }
  }

  async open({ owner, id, number }: ShardRef, options: CallOptions = {}): Promise<OpenedShard> {
    return await this.#over(options.signal, async (link) =>
      await link.call('shard.open', { owner, id, number, ...holdingOf(options) }, options))
  }

  async read(ref: ShardRef, offset: number, length: number, options: CallOptions = {}): Promise<Uint8Array> {
    if (length === 0) return new Uint8Array(0)
    return await this.#over(options.signal, async (link) => {
      if (length <= maxByMessage) return await this.#readMessage(link, ref, { offset, length }, options)
      const bytes = Buffer.allocUnsafeSlow(length)
      for (let at = 0; at < length; at += maxLaneRead) {
        await this.#readLane(link, ref, { offset: offset + at, into: bytes.subarray(at, at + maxLaneRead) }, options)
      }
      return bytes
    })
  }

  async #readMessage(link: Link, { owner, id, number }: ShardRef, range: { offset: number; length: number }, options: CallOptions): Promise<Uint8Array> {
    await this.#pacesOf(link).download?.(range.length, options.signal)
    const { bytes } = await link.call('shard.read', { owner, id, number, ...range, ...holdingOf(options) }, options)
    if (bytes.length !== range.length) throw misbehaves(link, `${bytes.length} bytes instead of ${range.length}`)
    return bytes
  }

  async #readLane(link: Link, { owner, id, number }: ShardRef, { offset, into }: { offset: number; into: Uint8Array }, options: CallOptions): Promise<void> {
    await this.#pacesOf(link).download?.(into.length, options.signal)
    const lane = await link.lane()
    const expected = lane.expect(into)
    try {
      await link.call('shard.send', { owner, id, number, offset, length: into.length, as: expected.number, ...holdingOf(options) }, options)
      await expected.arrived
    } finally {
      expected.forget()
    }
  }

  async *list(owner: OwnerId, options: CallOptions = {}): AsyncIterable<ShardEntry> {
    for (let after: [ShardEntry['id'], number] | undefined, more = true; more;) {
      const page: WireAnswer<'shard.list'> = await this.#over(options.signal, async (link) => {
        const answer = await link.call('shard.list', { owner, limit: maxListed, ...(after && { after }), ...holdingOf(options) }, options)
        if (!ascending(answer.shards, after)) throw misbehaves(link, 'its list is out of order')
        if (answer.more && answer.shards.length === 0) throw misbehaves(link, 'its list does not end')
        return answer
      })
      for (const shard of page.shards) yield { owner, ...shard }
      const last = page.shards.at(-1)
      if (last !== undefined) after = [last.id, last.number]
      more = page.more
    }
  }

  async putHead(published: PublishedHead, options: CallOptions = {}): Promise<void> {
    const { owner, machine, seq } = peekRecord('holdfast-head', published.head, headSchema)
    const device = `${owner} ${machine}`
    await this.#over(options.signal, async (link) => {
      const base = this.#taken.get(device)
      if (base !== undefined && await this.#offerHead(link, published, { base, ...options })) return
      if (base !== undefined) this.#taken.delete(device)
      if (!await this.#offerHead(link, published, options)) throw misbehaves(link, 'it asks for a whole head again')
    })
    if (seq > (this.#taken.get(device)?.seq ?? 0)) this.#taken.set(device, { seq, live: published.live.slice() })
  }

  /** False when the holder wants the whole list. Long lists go in parts, additions and removals side by side. */
  async #offerHead(link: Link, { certificate, head, live }: PublishedHead, options: CallOptions & { base?: { seq: number; live: Uint8Array } }): Promise<boolean> {
    const { add, drop } = diffLive(options.base?.live ?? new Uint8Array(0), live)
    const from = options.base?.seq ?? 0
    for (let at = 0, more = true; more; at += livePart) {
      more = Math.max(add.length, drop.length) > at + livePart
      const part = { from, add: add.subarray(at, at + livePart), drop: drop.subarray(at, at + livePart), more }
      const answer = await link.call('head.put', { certificate, head, live: part }, options)
      if ('need' in answer && answer.need === 'full') return false
      if ('need' in answer !== more) throw misbehaves(link, 'it miscounts the parts of a head')
    }
    return true
  }

  async heads(owner: OwnerId, options: CallOptions = {}): Promise<readonly PublishedHead[]> {
    for (let left = listTries; ; left--) {
      try {
        return await this.#over(options.signal, async (link) => await this.#collectHeads(link, owner, options))
      } catch (error) {
        if (left === 1 || !hasCode(error, 'not-found')) throw error
      }
    }
  }

  /** `not-found` when a head was replaced while its live list was read. */
  async #collectHeads(link: Link, owner: OwnerId, options: CallOptions): Promise<PublishedHead[]> {
    const collected: PublishedHead[] = []
    for (let after: MachineId | undefined, more = true; more;) {
      const page: WireAnswer<'head.list'> = await link.call('head.list', { owner, ...(after && { after }) }, options)
      for (const { machine, seq, certificate, head, live } of page.heads) {
        if (after !== undefined && machine <= after) throw misbehaves(link, 'its heads are out of order')
        collected.push({ certificate, head, live: await this.#readLive(link, { owner, machine, seq, total: live }, options) })
        after = machine
      }
      if (page.more && page.heads.length === 0) throw misbehaves(link, 'its heads do not end')
      more = page.more
    }
    return collected
  }

  async #readLive(link: Link, { total, ...ref }: { owner: OwnerId; machine: MachineId; seq: number; total: number }, options: CallOptions): Promise<Uint8Array> {
    const parts: Uint8Array[] = []
    for (let offset = 0; offset < total; offset += maxFrame) {
      const length = Math.min(maxFrame, total - offset)
      const { bytes } = await link.call('head.live', { ...ref, offset, length }, options)
      if (bytes.length !== length) throw misbehaves(link, `${bytes.length} bytes instead of ${length}`)
      parts.push(bytes)
    }
    return parts.length === 1 && parts[0] !== undefined ? parts[0] : Buffer.concat(parts)
  }

  async space(options: CallOptions = {}): Promise<Space> {
    return await this.#over(options.signal, async (link) => (await link.greet(options.signal)).offer)
  }
}

function holdingOf({ holding }: CallOptions): { holding?: Uint8Array } {
  return holding === undefined ? {} : { holding }
}

/** By id, then number, strictly, beginning after `after`: so a list ends and names each shard once. */
function ascending(shards: readonly { readonly id: string; readonly number: number }[], after: readonly [string, number] | undefined): boolean {
  let [id, number] = after ?? ['', -1]
  return shards.every((shard) => {
    const rises = shard.id > id || (shard.id === id && shard.number > number)
    id = shard.id
    number = shard.number
    return rises
  })
}

function misbehaves(link: Link, state: string): HoldfastError {
  return new HoldfastError('peer-misbehaves', `Cannot use the answer of ${link.name}: ${state}`, { details: { peer: link.name } })
}
