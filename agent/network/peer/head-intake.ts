/** Heads as they come over a link: a difference against the head that the store has, in parts when it is long. */
import { z } from 'zod'
import { HoldfastError } from '../../../shared/errors.ts'
import { type MachineId, type OwnerId, machineIdSchema } from '../../../shared/ids.ts'
import { peekRecord } from '../../identity/jws.ts'
import type { ShardStore } from '../shard-store/port.ts'
import { applyLive } from './live-delta.ts'
import { type WireRequest, maxLive } from './wire.ts'

const headSchema = z.object({ v: z.literal(1), machine: machineIdSchema, seq: z.int().min(1) })

/** Device and number of a head that the store has verified, or will. */
export function peekHead(head: string): { machine: MachineId; seq: number } {
  const { machine, seq } = peekRecord('holdfast-head', head, headSchema)
  return { machine, seq }
}

interface Parts {
  readonly head: string
  readonly add: Uint8Array[]
  readonly drop: Uint8Array[]
  bytes: number
}

export class HeadIntake {
  readonly #store: ShardStore
  /** Of the one head that is under way. */
  #parts: Parts | undefined

  constructor(store: ShardStore) {
    this.#store = store
  }

  /** `record-invalid` when the head does not verify, `quota-exceeded` when its live list is too long. */
  async take(owner: OwnerId, machine: MachineId, { certificate, head, live }: WireRequest<'head.put'>): Promise<{ seq: number } | { need: 'full' | 'more' }> {
    const parts = this.#collect(head, live)
    if (live.more) return { need: 'more' }
    this.#parts = undefined
    const base = live.from === 0 ? new Uint8Array(0) : await this.#liveOf(owner, machine, live.from)
    if (base === undefined) return { need: 'full' }
    const published = { certificate, head, live: applyLive(base, { add: Buffer.concat(parts.add), drop: Buffer.concat(parts.drop) }) }
    await this.#store.putHead(published)
    return { seq: peekHead(head).seq }
  }

  #collect(head: string, { add, drop }: WireRequest<'head.put'>['live']): Parts {
    if (this.#parts?.head !== head) this.#parts = { head, add: [], drop: [], bytes: 0 }
    const parts = this.#parts
    parts.bytes += add.length + drop.length
    if (parts.bytes > maxLive) {
      this.#parts = undefined
      throw new HoldfastError('quota-exceeded', 'Cannot take the head: its live list is too long')
    }
    parts.add.push(add)
    parts.drop.push(drop)
    return parts
  }

  async #liveOf(owner: OwnerId, machine: MachineId, seq: number): Promise<Uint8Array | undefined> {
    const heads = await this.#store.heads(owner)
    return heads.find(({ head }) => {
      const found = peekHead(head)
      return found.machine === machine && found.seq === seq
    })?.live
  }
}
