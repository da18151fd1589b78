/** What lies on the disks of a simulation, whatever the agents believe: which shards exist, and which are damaged. */
import { closeSync, openSync, readSync, statSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { idToBytes } from '../../agent/identity/machine.ts'
import { dayMs } from '../support/fake-time.ts'
import type { SimulatedMachine } from './simulated-machine.ts'

/** For so long an owner may not know yet that shards are gone: 21 days of silence, and the three that a stretch unobserved may count less. */
const unnoticedMs = 35 * dayMs

interface Flip {
  readonly path: string
  readonly offset: number
  readonly byte: number
  readonly atMs: number
}

export class GroundTruth {
  /** Shard files, `owner folder/name`, that went with each lost machine. */
  readonly #graves: { readonly shards: ReadonlySet<string>; readonly atMs: number }[] = []
  readonly #flips: Flip[] = []

  /** To be called before the machine is stopped for good. */
  bury(machine: SimulatedMachine, owners: readonly string[], nowMs: number): void {
    this.#graves.push({ atMs: nowMs, shards: new Set(owners.flatMap((owner) => machine.heldShards(folderOf(owner)).map((name) => `${folderOf(owner)}/${name}`))) })
  }

  /** Flips a byte in every `nth` shard of an owner at that machine, at a place that `random` picks. Returns how many. */
  rot(machine: SimulatedMachine, owner: string, { nth, nowMs, random }: { nth: number; nowMs: number; random: () => number }): number {
    const shards = machine.heldShards(folderOf(owner)).filter((_name, at) => at % nth === 0)
    for (const name of shards) {
      const path = join(machine.directory, 'holder', folderOf(owner), name)
      const { size } = statSync(path)
      const offset = Math.floor(size * (0.5 + random() / 2))
      this.#flips.push({ path, offset, byte: flip(path, offset), atMs: nowMs })
    }
    return shards.length
  }

  /** Numbers of machines that have a sound shard of the object, and of those of which the owner may believe so still. */
  shardsOf(owner: string, object: string, { machines, nowMs }: { machines: readonly SimulatedMachine[]; nowMs: number }): { sound: number; excused: number } {
    const folder = folderOf(owner)
    const ofObject = (name: string) => name.startsWith(`${object}.`)
    const at = machines.flatMap((machine) => machine.heldShards(folder).filter(ofObject).slice(0, 1).map((name) => join(machine.directory, 'holder', folder, name)))
    const rotten = at.filter((path) => this.#flips.some((flipped) => flipped.path === path && isFlipped(flipped)))
    const excusable = rotten.filter((path) => this.#flips.some((flipped) => flipped.path === path && nowMs - flipped.atMs < unnoticedMs)).length
    const buried = this.#graves.filter(({ shards, atMs }) => nowMs - atMs < unnoticedMs && [...shards].some((name) => name.startsWith(`${folder}/${object}.`))).length
    return { sound: at.length - rotten.length, excused: excusable + buried }
  }

  /** Flipped bytes that are as they were flipped, and days since. */
  standingFlips(nowMs: number): number[] {
    return this.#flips.filter(isFlipped).map(({ atMs }) => (nowMs - atMs) / dayMs)
  }
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

function isFlipped({ path, offset, byte }: Flip): boolean {
  let file: number
  try {
    file = openSync(path, 'r')
  } catch {
    return false
  }
  try {
    const now = Buffer.alloc(1)
    return readSync(file, now, 0, 1, offset) === 1 && now[0] === byte
  } finally {
    closeSync(file)
  }
}
