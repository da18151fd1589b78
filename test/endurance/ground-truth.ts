/** What lies on the disks of a simulation, whatever the agents believe: which shards exist, and which are damaged. */
import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { idToBytes } from '../../agent/identity/machine.ts'
import { dayMs } from '../support/fake-time.ts'
import type { SimulatedMachine } from './simulated-machine.ts'

/** For so long an owner may not know yet that shards are gone: 21 days of silence, and the three that a stretch unobserved may count less. */
const unnoticedMs = 35 * dayMs

interface Flip {
  /** `owner folder/id`. */
  readonly object: string
  readonly path: string
  readonly offset: number
  readonly byte: number
  readonly atMs: number
}

/** Numbers of machines that have a sound shard of an owner's object, and of those of which the owner may believe so still. */
export type Look = (owner: string, object: string) => { sound: number; excused: number }

export class GroundTruth {
  /** Objects, `owner folder/id`, of which a shard went with each lost machine. */
  #graves: { readonly objects: ReadonlySet<string>; readonly atMs: number }[] = []
  #flips: Flip[] = []

  /** To be called before the machine is stopped for good. */
  bury(machine: SimulatedMachine, nowMs: number): void {
    this.#graves.push({ atMs: nowMs, objects: new Set(objectsAt(machine).map(({ object }) => object)) })
  }

  /** Flips a byte in every `nth` shard of an owner at that machine, at a place that `random` picks. Returns how many. */
  rot(machine: SimulatedMachine, owner: string, { nth, nowMs, random }: { nth: number; nowMs: number; random: () => number }): number {
    const shards = machine.heldShards(folderOf(owner)).filter((_name, at) => at % nth === 0)
    for (const name of shards) {
      const path = join(machine.directory, 'holder', folderOf(owner), name)
      const { size } = statSync(path)
      const offset = Math.floor(size * (0.5 + random() / 2))
      this.#flips.push({ object: objectOf(folderOf(owner), name), path, offset, byte: flip(path, offset), atMs: nowMs })
    }
    return shards.length
  }

  /** Reads all folders once: what each object is asked for afterwards costs nothing more. */
  look(machines: readonly SimulatedMachine[], nowMs: number): Look {
    this.#graves = this.#graves.filter(({ atMs }) => nowMs - atMs < unnoticedMs)
    this.#flips = this.#flips.filter((flipped) => stateOf(flipped) === 'rotten' || (stateOf(flipped) === 'dropped' && nowMs - flipped.atMs < unnoticedMs))
    const rotten = new Set(this.#flips.map(({ path }) => path))
    const sound = new Map<string, number>()
    for (const machine of machines) {
      // A second shard of an object on the same machine counts for nothing.
      const firsts = new Map(objectsAt(machine).toReversed().map(({ object, path }) => [object, path]))
      for (const [object, path] of firsts) if (!rotten.has(path)) sound.set(object, (sound.get(object) ?? 0) + 1)
    }
    const excused = new Map<string, number>()
    for (const { object, atMs } of this.#flips) if (nowMs - atMs < unnoticedMs) excused.set(object, (excused.get(object) ?? 0) + 1)
    return (owner, id) => {
      const object = `${folderOf(owner)}/${id}`
      return { sound: sound.get(object) ?? 0, excused: (excused.get(object) ?? 0) + this.#graves.filter(({ objects }) => objects.has(object)).length }
    }
  }

  /** Shards that rotted and lie there so still. */
  get standingFlips(): number {
    return this.#flips.filter((flipped) => stateOf(flipped) === 'rotten').length
  }
}

function objectsAt(machine: SimulatedMachine): { object: string; path: string }[] {
  return machine.ownerFolders.flatMap((folder) => machine.heldShards(folder).map((name) => ({
    object: objectOf(folder, name), path: join(machine.directory, 'holder', folder, name),
  })))
}

function objectOf(folder: string, name: string): string {
  return `${folder}/${name.slice(0, name.indexOf('.'))}`
}

function folderOf(owner: string): string {
  return idToBytes(owner as never).toString('hex')
}

function flip(path: string, offset: number): number {
  const file = openSync(path, 'r+')
  try {
    const byte = Buffer.alloc(1)
    readSync(file, byte, 0, 1, offset)
    byte[0] = byte[0]! ^ 0xff
    writeSync(file, byte, 0, 1, offset)
    return byte[0]
  } finally {
    closeSync(file)
  }
}

/** `dropped`: its holder found it by itself, and the owner may not have heard yet; `other`: it was made anew there. */
function stateOf({ path, offset, byte }: Flip): 'rotten' | 'dropped' | 'other' {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    return 'dropped'
  }
  try {
    const now = Buffer.alloc(1)
    return readSync(file, now, 0, 1, offset) === 1 && now[0] === byte ? 'rotten' : 'other'
  } finally {
    closeSync(file)
  }
}
