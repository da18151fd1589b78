/**
 * Heads as they come over the links: a difference against the head that the store has, in parts when it is long.
 *
 * Nothing of a list is kept before the head that it belongs to has verified, and no more than that head counts and the list before it
 * can lose; of each machine one head at a time, over all its links; of all machines together so many bytes.
 */
import { z } from 'zod'
import { HoldfastError } from '../../../shared/errors.ts'
import { type MachineId, type OwnerId, machineIdSchema } from '../../../shared/ids.ts'
import { peekRecord } from '../../identity/jws.ts'
import type { Clock } from '../clock.ts'
import { liveEntryLength, verifyHeadRecord } from '../published-head.ts'
import type { ShardStore } from '../shard-store/port.ts'
import { applyLive } from './live-delta.ts'
import { type WireRequest, maxLive } from './wire.ts'

/** Bytes of lists under way, of all machines. */
const mostHeld = 2 * maxLive
/** A head of which no part came for so long gives its room to others. */
const restMs = 60_000

const headSchema = z.object({ v: z.literal(1), machine: machineIdSchema, seq: z.int().min(1) })

/** Device and number of a head that the store has verified, or will. */
export function peekHead(head: string): { machine: MachineId; seq: number } {
  const { machine, seq } = peekRecord('holdfast-head', head, headSchema)
  return { machine, seq }
}

/** A device of an owner, as a certificate names it. */
export interface HeadDevice {
  readonly owner: OwnerId
  readonly machine: MachineId
}

interface UnderWay {
  readonly head: string
  readonly from: number
  /** The link that it comes over. */
  readonly link: object
  readonly add: Gathered
  readonly drop: Gathered
  lastMs: number
}

export class HeadIntake {
  readonly #store: ShardStore
  readonly #clock: Pick<Clock, 'now'>
  readonly #mostHeld: number
  /** By who sends it. */
  readonly #underWay = new Map<MachineId, UnderWay>()
  readonly #turns = new Map<MachineId, Promise<unknown>>()

  constructor(store: ShardStore, clock: Pick<Clock, 'now'>, most = mostHeld) {
    this.#store = store
    this.#clock = clock
    this.#mostHeld = most
  }

  /**
   * A part of a head by `device`, sent by `sender` over `link`; one after the other of each sender. Throws `record-invalid` when the head does not verify or the
   * parts are none of its list, `quota-exceeded` when that is too long or too much is under way, `invalid-input` for a part without anything in it.
   */
  async take({ sender, link }: { sender: MachineId; link: object }, device: HeadDevice, request: WireRequest<'head.put'>): Promise<{ seq: number } | { need: 'full' | 'more' }> {
    const turn = (this.#turns.get(sender) ?? Promise.resolve()).catch(() => undefined).then(async () => await this.#take({ sender, link }, device, request))
    this.#turns.set(sender, turn)
    try {
      return await turn
    } finally {
      if (this.#turns.get(sender) === turn) this.#turns.delete(sender)
    }
  }

  /** The link ended: what came over it and is not whole never will be. */
  leave(sender: MachineId, link: object): void {
    if (this.#underWay.get(sender)?.link === link) this.#underWay.delete(sender)
  }

  async #take({ sender, link }: { sender: MachineId; link: object }, device: HeadDevice, { certificate, head, live }: WireRequest<'head.put'>): Promise<{ seq: number } | { need: 'full' | 'more' }> {
    if (live.more && live.add.length + live.drop.length === 0) throw new HoldfastError('invalid-input', 'Cannot take the head: a part of its live list has nothing in it')
    const known = this.#underWay.get(sender)
    const isNext = known !== undefined && known.head === head && known.from === live.from && known.link === link
    if (!isNext) this.#underWay.delete(sender)
    const begun = isNext ? { coming: known, base: undefined } : await this.#begin(link, device, { certificate, head, live })
    if (begun === undefined) return { need: 'full' }
    const { coming } = begun
    this.#underWay.delete(sender) // kept again below when it is not whole and nothing is wrong with it
    this.#makeRoom(live.add.length + live.drop.length + coming.add.length + coming.drop.length)
    coming.add.put(live.add)
    coming.drop.put(live.drop)
    coming.lastMs = this.#clock.now()
    if (live.more) {
      this.#underWay.set(sender, coming)
      return { need: 'more' }
    }
    const base = begun.base ?? await this.#liveOf(device, live.from)
    if (base === undefined) return { need: 'full' }
    await this.#store.putHead({ certificate, head, live: applyLive(base, { add: coming.add.bytes, drop: coming.drop.bytes }) })
    return { seq: peekHead(head).seq }
  }

  /** Undefined when the list that it is a difference of is not here. */
  async #begin(link: object, device: HeadDevice, { certificate, head, live: { from } }: WireRequest<'head.put'>): Promise<{ coming: UnderWay; base: Uint8Array } | undefined> {
    const { live: { count } } = await verifyHeadRecord({ certificate, head })
    if (count * liveEntryLength > maxLive) throw new HoldfastError('quota-exceeded', 'Cannot take the head: its live list is too long')
    const base = await this.#liveOf(device, from)
    if (base === undefined) return undefined
    return { coming: { head, from, link, add: new Gathered(count * liveEntryLength), drop: new Gathered(base.length), lastMs: this.#clock.now() }, base }
  }

  #makeRoom(bytes: number): void {
    const held = () => [...this.#underWay.values()].reduce((sum, { add, drop }) => sum + add.length + drop.length, 0)
    if (held() + bytes <= this.#mostHeld) return
    for (const [sender, { lastMs }] of this.#underWay) {
      const restedMs = this.#clock.now() - lastMs
      if (restedMs >= restMs || restedMs < 0) this.#underWay.delete(sender)
    }
    if (held() + bytes > this.#mostHeld) throw new HoldfastError('quota-exceeded', 'Cannot take the head: too many long ones are on their way')
  }

  /** Of head 0: the empty list. */
  async #liveOf({ owner, machine }: HeadDevice, seq: number): Promise<Uint8Array | undefined> {
    if (seq === 0) return new Uint8Array(0)
    const heads = await this.#store.heads(owner)
    return heads.find(({ head }) => {
      const found = peekHead(head)
      return found.machine === machine && found.seq === seq
    })?.live
  }
}

/** Parts one after the other in one piece of memory, at most twice their length, however small they are. */
class Gathered {
  readonly #most: number
  #memory: Buffer = Buffer.alloc(0)
  #length = 0

  constructor(most: number) {
    this.#most = most
  }

  get length(): number {
    return this.#length
  }

  get bytes(): Uint8Array {
    return this.#memory.subarray(0, this.#length)
  }

  /** Throws `record-invalid` beyond what may come. */
  put(part: Uint8Array): void {
    const length = this.#length + part.length
    if (length > this.#most) throw new HoldfastError('record-invalid', 'Cannot take the head: its live list is another one')
    if (length > this.#memory.length) {
      const memory = Buffer.alloc(Math.min(this.#most, Math.max(length, 2 * this.#memory.length)))
      memory.set(this.bytes)
      this.#memory = memory
    }
    this.#memory.set(part, this.#length)
    this.#length = length
  }
}
