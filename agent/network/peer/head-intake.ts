/**
 * Heads as they come over the links: a difference against the head that the store has, in parts when it is long.
 *
 * Nothing of a list is kept before the head that it belongs to has verified, and no more than that head counts and the list before it
 * can lose; of each machine one head at a time, over all its links; of all machines together so many bytes, until the store has the list or
 * has refused it. When they are reached the slowest gives way. A head that comes whole in one message is bounded by that and always taken.
 * The list before it is read, and the new one made of it, for one head at a time: whatever all send, the lists of one owner's devices and a new one are in memory.
 */
import { z } from 'zod'
import { HoldfastError } from '../../../shared/errors.ts'
import { type MachineId, type OwnerId, machineIdSchema } from '../../../shared/ids.ts'
import { peekRecord } from '../../identity/jws.ts'
import type { Clock } from '../clock.ts'
import { liveEntryLength, verifyHeadRecord } from '../published-head.ts'
import type { ShardStore } from '../shard-store/port.ts'
import { Budget } from './budget.ts'
import { applyLive } from './live-delta.ts'
import { type WireRequest, maxLive } from './wire.ts'

/** Bytes of memory for lists under way, of all machines. */
const mostHeld = 2 * maxLive
/** A head of which no part came for so long gives its room to others before any other does. */
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
  readonly begunMs: number
  lastMs: number
  /** All parts are here, and the store has the list to look at: its room is in use until that is done. */
  isEnding: boolean
}

export class HeadIntake {
  readonly #store: ShardStore
  readonly #clock: Pick<Clock, 'now'>
  readonly #mostHeld: number
  /** By who sends it. */
  readonly #underWay = new Map<MachineId, UnderWay>()
  readonly #turns = new Map<MachineId, Promise<unknown>>()
  /** Heads that gave way, by who sends them: told with the next part. */
  readonly #gaveWay = new Map<MachineId, Pick<UnderWay, 'head' | 'link'>>()
  readonly #ended = new WeakSet<object>()
  /** Of whoever has a whole list in memory. */
  readonly #reading = new Budget(1)

  constructor(store: ShardStore, clock: Pick<Clock, 'now'>, most = mostHeld) {
    this.#store = store
    this.#clock = clock
    this.#mostHeld = most
  }

  /**
   * A part of a head by `device`, sent by `sender` over `link`; one after the other of each sender. Throws `record-invalid` when the head does not verify or the
   * parts are none of its list, `quota-exceeded` when that is too long, too much is under way or it gave way to others, `invalid-input` for a part without anything in it.
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
    this.#ended.add(link)
    const known = this.#underWay.get(sender)
    if (known?.link === link && !known.isEnding) this.#underWay.delete(sender)
    if (this.#gaveWay.get(sender)?.link === link) this.#gaveWay.delete(sender)
  }

  async #take({ sender, link }: { sender: MachineId; link: object }, device: HeadDevice, { certificate, head, live }: WireRequest<'head.put'>): Promise<{ seq: number } | { need: 'full' | 'more' }> {
    if (live.more && live.add.length + live.drop.length === 0) throw new HoldfastError('invalid-input', 'Cannot take the head: a part of its live list has nothing in it')
    const known = this.#underWay.get(sender)
    const isNext = known !== undefined && known.head === head && known.from === live.from && known.link === link
    const gaveWay = this.#gaveWay.get(sender)
    this.#gaveWay.delete(sender)
    if (gaveWay !== undefined && gaveWay.head === head && gaveWay.link === link) throw tooMany()
    if (!isNext) this.#underWay.delete(sender)
    const coming = isNext ? known : await this.#begin(link, device, { certificate, head, live })
    if (coming === undefined) return { need: 'full' }
    this.#underWay.delete(sender) // kept again below when nothing is wrong with it
    if (isNext || live.more) this.#makeRoom(coming, live)
    coming.add.put(live.add)
    coming.drop.put(live.drop)
    coming.lastMs = this.#clock.now()
    if (live.more) {
      if (!this.#ended.has(link)) this.#underWay.set(sender, coming)
      return { need: 'more' }
    }
    coming.isEnding = true
    if (isNext) this.#underWay.set(sender, coming)
    try {
      return await this.#withLive(device, live.from, async (base) => {
        if (base === undefined) return { need: 'full' as const }
        await this.#store.putHead({ certificate, head, live: applyLive(base, { add: coming.add.bytes, drop: coming.drop.bytes }) })
        return { seq: peekHead(head).seq }
      })
    } finally {
      this.#underWay.delete(sender)
    }
  }

  /** Undefined when the list that it is a difference of is not here. */
  async #begin(link: object, device: HeadDevice, { certificate, head, live: { from } }: WireRequest<'head.put'>): Promise<UnderWay | undefined> {
    const { live: { count } } = await verifyHeadRecord({ certificate, head })
    if (count * liveEntryLength > maxLive) throw new HoldfastError('quota-exceeded', 'Cannot take the head: its live list is too long')
    const baseLength = from === 0 ? 0 : await this.#withLive(device, from, (base) => base?.length)
    if (baseLength === undefined) return undefined
    const nowMs = this.#clock.now()
    return { head, from, link, add: new Gathered(count * liveEntryLength), drop: new Gathered(baseLength), begunMs: nowMs, lastMs: nowMs, isEnding: false }
  }

  /** `then` gets the list of head `from`, undefined when that is not here, in a turn of its own. */
  async #withLive<T>(device: HeadDevice, from: number, then: (live: Uint8Array | undefined) => T | Promise<T>): Promise<T> {
    await this.#reading.take(1)
    try {
      return await then(await this.#liveOf(device, from))
    } finally {
      this.#reading.give(1)
    }
  }

  /** For the next part of a head that is not among those under way: what rests gives way to it, then the slowest, unless that is the head itself. */
  #makeRoom(coming: UnderWay, live: { readonly add: Uint8Array; readonly drop: Uint8Array }): void {
    const nowMs = this.#clock.now()
    const wanted = coming.add.roomWith(live.add) + coming.drop.roomWith(live.drop)
    const own = speedOf({ begunMs: coming.begunMs, lastMs: nowMs }, coming.add.length + coming.drop.length + live.add.length + live.drop.length, nowMs)
    const others = [...this.#underWay].filter(([, { isEnding }]) => !isEnding)
      .map(([sender, one]) => ({ sender, one, speed: speedOf(one, one.add.length + one.drop.length, nowMs) }))
      .sort((a, b) => a.speed - b.speed)
    for (const { sender, one, speed } of others) {
      if (this.#held() + wanted <= this.#mostHeld) return
      if (speed >= own) break
      this.#underWay.delete(sender)
      this.#gaveWay.set(sender, { head: one.head, link: one.link })
    }
    if (this.#held() + wanted > this.#mostHeld) throw tooMany()
  }

  #held(): number {
    return [...this.#underWay.values()].reduce((sum, { add, drop }) => sum + add.room + drop.room, 0)
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

/** Bytes a millisecond since the head was begun, and below all others when it rests or the clock went back. */
function speedOf({ begunMs, lastMs }: Pick<UnderWay, 'begunMs' | 'lastMs'>, bytes: number, nowMs: number): number {
  const isResting = nowMs - lastMs >= restMs || nowMs < lastMs
  return isResting ? -1 : bytes / Math.max(1, nowMs - begunMs)
}

function tooMany(): HoldfastError {
  return new HoldfastError('quota-exceeded', 'Cannot take the head: too many long ones are on their way')
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

  /** Bytes of memory that it takes. */
  get room(): number {
    return this.#memory.length
  }

  /** Bytes of memory that it will take with the part. Throws `record-invalid` beyond what may come. */
  roomWith(part: Uint8Array): number {
    const length = this.#length + part.length
    if (length > this.#most) throw new HoldfastError('record-invalid', 'Cannot take the head: its live list is another one')
    return length <= this.room ? this.room : Math.min(this.#most, Math.max(length, 2 * this.room))
  }

  /** Throws as roomWith(). */
  put(part: Uint8Array): void {
    const room = this.roomWith(part)
    if (room > this.room) {
      const memory = Buffer.alloc(room)
      memory.set(this.bytes)
      this.#memory = memory
    }
    this.#memory.set(part, this.#length)
    this.#length += part.length
  }
}
