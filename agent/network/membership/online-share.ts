/**
 * Which share of the time each machine was online, as this machine saw it while it was on itself. Older observations count
 * less: half after two weeks of looking. Without any, a machine counts as online half of the time.
 */
import { z } from 'zod'
import { type MachineId, machineIdSchema } from '../../../shared/ids.ts'
import { parseKept } from '../../kept-text.ts'

const halfLifeMs = 14 * 86_400_000
/** A longer stretch between two looks was sleep, and tells nothing. */
const maxStepMs = 10 * 60_000
const unknownShare = 0.5
/** Weight of the assumption, in ms of looking. */
const priorMs = 4 * 3_600_000

const fileSchema = z.object({ v: z.literal(1), machines: z.array(z.tuple([machineIdSchema, z.number().min(0), z.number().min(0)])).max(5000) })

export class OnlineShares {
  readonly #seen = new Map<MachineId, { online: number; looked: number }>()
  readonly #monotonic: () => number
  #last: number

  constructor(monotonic: () => number) {
    this.#monotonic = monotonic
    this.#last = monotonic()
  }

  /** Notes the time since the last look for each of these machines. */
  look(machines: Iterable<{ readonly id: MachineId; readonly isOnline: boolean }>): void {
    const now = this.#monotonic()
    const step = now - this.#last
    this.#last = now
    if (step <= 0 || step > maxStepMs) return
    const keep = 0.5 ** (step / halfLifeMs)
    for (const { id, isOnline } of machines) {
      const seen = this.#seen.get(id) ?? { online: 0, looked: 0 }
      this.#seen.set(id, { online: seen.online * keep + (isOnline ? step : 0), looked: seen.looked * keep + step })
    }
  }

  /** 0 to 1. */
  shareOf(id: MachineId): number {
    const { online, looked } = this.#seen.get(id) ?? { online: 0, looked: 0 }
    return (online + unknownShare * priorMs) / (looked + priorMs)
  }

  toJson(): string {
    return JSON.stringify({ v: 1, machines: [...this.#seen].map(([id, { online, looked }]) => [id, Math.round(online), Math.round(looked)]) })
  }

  /** A damaged text counts as none. */
  load(text: string | undefined): void {
    this.#seen.clear()
    for (const [id, online, looked] of parseKept(text, fileSchema)?.machines ?? []) this.#seen.set(id, { online: Math.min(online, looked), looked })
  }
}
