/**
 * Which shards a machine that wants to leave has handed to which machine: when it has to try once more, one that took some may be off. For a
 * week: the longer it is, the likelier that machine has let them go, or never comes back. Kept in the home; a damaged file counts as none, and what
 * it named is handed over again, as is what was handed over in the last seconds before a kill.
 */
import { z } from 'zod'
import { type MachineId, machineIdSchema } from '../../shared/ids.ts'
import { type KeptText, parseKept } from '../kept-text.ts'
import type { Clock } from './clock.ts'
import type { ShardRef } from './shard-store/port.ts'

const lastsMs = 7 * 86_400_000
/** The file is written whole, and names all that was handed over. */
const saveEveryMs = 5_000

/** Of each shard: its name, the machine, and when that took it, in milliseconds since 1970. */
const fileSchema = z.object({ v: z.literal(2), shards: z.array(z.tuple([z.string().max(200), machineIdSchema, z.int()])) })

interface Taking {
  readonly machine: MachineId
  readonly atMs: number
}

export class HandedShards {
  readonly #file: KeptText
  readonly #clock: Pick<Clock, 'now'>
  readonly #takings: Map<string, Taking>
  #isChanged = false
  #savedMs = -Infinity

  constructor(file: KeptText, clock: Pick<Clock, 'now'>) {
    this.#file = file
    this.#clock = clock
    this.#takings = new Map(parseKept(file.read(), fileSchema)?.shards.map(([key, machine, atMs]) => [key, { machine, atMs }]))
  }

  /** Which machine took it within the last week. */
  machineOf(shard: ShardRef): MachineId | undefined {
    const taking = this.#takings.get(keyOf(shard))
    return taking !== undefined && this.#isRecent(taking) ? taking.machine : undefined
  }

  took(shard: ShardRef, machine: MachineId): void {
    this.#takings.set(keyOf(shard), { machine, atMs: this.#clock.now() })
    this.#isChanged = true
  }

  /** The machine that took it says that it has it no more. */
  forget(shard: ShardRef): void {
    if (this.#takings.delete(keyOf(shard))) this.#isChanged = true
  }

  /** While more is handed over: now and then, since the machine may be switched off meanwhile. */
  saveNowAndThen(): void {
    const sinceMs = this.#clock.now() - this.#savedMs
    if (sinceMs >= saveEveryMs || sinceMs < 0) this.save()
  }

  save(): void {
    if (!this.#isChanged) return
    this.#savedMs = this.#clock.now()
    const recent = [...this.#takings].filter(([, taking]) => this.#isRecent(taking))
    this.#file.write(JSON.stringify({ v: 2, shards: recent.map(([key, { machine, atMs }]) => [key, machine, atMs]) }))
    this.#isChanged = false
  }

  /** One from the future is from before the clock went back, nobody knows how long ago. */
  #isRecent({ atMs }: Taking): boolean {
    const ageMs = this.#clock.now() - atMs
    return ageMs >= 0 && ageMs < lastsMs
  }
}

function keyOf({ owner, id, number }: ShardRef): string {
  return `${owner} ${id} ${number}`
}
