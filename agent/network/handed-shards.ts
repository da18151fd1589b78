/**
 * Which shards a machine that wants to leave has handed to which machine: when it has to try once more, one that took some may be off. Kept
 * in the home; a damaged file counts as none, and what it named is handed over again.
 */
import { z } from 'zod'
import { type MachineId, machineIdSchema } from '../../shared/ids.ts'
import type { ShardRef } from './shard-store/port.ts'

const fileSchema = z.object({ v: z.literal(1), shards: z.array(z.tuple([z.string().max(200), machineIdSchema])) })

export interface HandedFile {
  read(): string | undefined
  write(text: string): void
}

export class HandedShards {
  readonly #file: HandedFile
  readonly #machines: Map<string, MachineId>
  #isChanged = false

  constructor(file: HandedFile) {
    this.#file = file
    this.#machines = new Map(readShards(file.read()))
  }

  machineOf(shard: ShardRef): MachineId | undefined {
    return this.#machines.get(keyOf(shard))
  }

  took(shard: ShardRef, machine: MachineId): void {
    this.#machines.set(keyOf(shard), machine)
    this.#isChanged = true
  }

  save(): void {
    if (!this.#isChanged) return
    this.#file.write(JSON.stringify({ v: 1, shards: [...this.#machines] }))
    this.#isChanged = false
  }
}

function keyOf({ owner, id, number }: ShardRef): string {
  return `${owner} ${id} ${number}`
}

function readShards(text: string | undefined): [string, MachineId][] {
  try {
    return text === undefined ? [] : fileSchema.parse(JSON.parse(text)).shards
  } catch {
    return []
  }
}
