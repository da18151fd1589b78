/**
 * Tries a file that is too large to be restored whole: places by lot, one in each of as many equal stretches of the file, are
 * fetched the way a restore fetches them (the whole list of chunks, each chunk that is wanted against its id) and compared with
 * the original while that is unchanged. Nothing is written to the disk.
 *
 * Of an Outlook archive the header, the roots of both trees and the first allocation map are always among the places, and
 * whatever allocation maps are in them are checked (source/outlook-parts.ts). Its trees are not walked. What lies between the places says nothing.
 */
import { type FileHandle, lstat, open } from 'node:fs/promises'
import type { HoldfastError } from '../../shared/errors.ts'
import type { Repository } from '../repository/repository.ts'
import type { FileEntry } from '../repository/tree.ts'
import { outlookHeaderLength } from '../source/outlook-archive.ts'
import { OutlookParts } from '../source/outlook-parts.ts'

/** Places are so large, a multiple of what a chunk of an archive has, and fewer bytes when there would not be `fewPlaces`. */
const placeBytes = 1_048_576
const placeUnit = 16_384
const fewPlaces = 16

export interface PartTrial {
  /** Of the original. */
  readonly path: string
  readonly entry: FileEntry
  /** It is no Outlook archive, or was damaged when it was backed up: its structure says nothing about the backup. */
  readonly mayBeDamaged: boolean
  /** Bytes, about: chunks are fetched whole, and the places that every archive needs in any case. */
  readonly budget: number
  /** From 0 up to 1, without it. */
  readonly random: () => number
}

export interface TriedParts {
  /** That came back and were found right, or not. */
  readonly bytes: number
  readonly compared: boolean
  readonly problem: string | null
}

/** Throws what a restore throws about one file, and the signal's reason. */
export async function tryParts(repository: Repository, { path, entry, mayBeDamaged, budget, random }: PartTrial, signal: AbortSignal): Promise<TriedParts> {
  const { content, size } = entry
  const archive = mayBeDamaged ? undefined : OutlookParts.of(await repository.readRange(content, { offset: 0, length: outlookHeaderLength }, { signal }), size)
  const places = placesOf({ size, budget, given: archive === undefined ? [] : [0, ...archive.firstPages], random })
  await using original = await Original.open(path, entry)
  const parts = new Parts(original, archive)
  let fault: HoldfastError | undefined
  await repository.restore([{
    content, isWritten: (offset, length) => !places.touch(offset, length),
    target: { write: async (offset, bytes) => { await parts.take(offset, bytes) } }, done: (error) => { fault = error },
  }], { signal })
  signal.throwIfAborted()
  if (fault !== undefined) throw fault
  await parts.takeHoles(places.ranges())
  const compared = await original.isStillUnchanged()
  return { bytes: parts.bytes, compared, problem: (compared ? parts.difference : parts.mapDamage) ?? archive?.headerDamage ?? parts.rootDamage ?? null }
}

/** Places of a file, all of one length but the last. */
class Places {
  readonly #size: number
  readonly #length: number
  readonly #numbers: ReadonlySet<number>

  constructor(size: number, length: number, numbers: ReadonlySet<number>) {
    this.#size = size
    this.#length = length
    this.#numbers = numbers
  }

  touch(offset: number, length: number): boolean {
    for (let number = Math.floor(offset / this.#length); number * this.#length < offset + length; number++) if (this.#numbers.has(number)) return true
    return false
  }

  /** Ascending. */
  ranges(): { start: number; end: number }[] {
    return [...this.#numbers].sort((a, b) => a - b).map((number) => ({ start: number * this.#length, end: Math.min(this.#size, (number + 1) * this.#length) }))
  }
}

/** Those that hold the bytes `given`, and by lot as many more as the budget allows, at least one. */
export function placesOf({ size, budget, given, random }: { size: number; budget: number; given: readonly number[]; random: () => number }): Places {
  const length = Math.min(placeBytes, Math.max(placeUnit, Math.floor(budget / fewPlaces / placeUnit) * placeUnit))
  const numbers = new Set(given.map((offset) => Math.floor(offset / length)))
  const all = Math.ceil(size / length)
  const lots = Math.min(all, Math.max(1, Math.floor(budget / length) - numbers.size))
  for (let lot = 0; lot < lots; lot++) {
    const first = Math.floor((lot * all) / lots)
    numbers.add(first + Math.floor(random() * (Math.floor(((lot + 1) * all) / lots) - first)))
  }
  return new Places(size, length, numbers)
}

/** What came back, judged piece by piece. */
class Parts {
  readonly #original: Original
  readonly #archive: OutlookParts | undefined
  readonly #taken: { start: number; end: number }[] = []
  bytes = 0
  difference: string | undefined
  rootDamage: string | undefined
  mapDamage: string | undefined

  constructor(original: Original, archive: OutlookParts | undefined) {
    this.#original = original
    this.#archive = archive
  }

  async take(offset: number, bytes: Uint8Array): Promise<void> {
    const piece = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
    this.#taken.push({ start: offset, end: offset + piece.length })
    this.bytes += piece.length
    this.rootDamage ??= this.#archive?.rootDamageIn(offset, piece)
    this.mapDamage ??= this.#archive?.mapDamageIn(offset, piece)
    if (await this.#original.differs(offset, piece)) this.difference ??= `what came back at byte ${offset} is not what is on the disk, though that did not change since`
  }

  /** What did not come of the places is said to be zeros. */
  async takeHoles(ranges: readonly { start: number; end: number }[]): Promise<void> {
    const taken = this.#taken.sort((a, b) => a.start - b.start)
    let next = 0
    for (const { start, end } of ranges) {
      let at = start
      while (at < end) {
        while (next < taken.length && (taken[next]?.end ?? 0) <= at) next++
        const piece = taken[next]
        if (piece !== undefined && piece.start <= at) at = piece.end
        else {
          const until = Math.min(end, piece?.start ?? end)
          await this.take(at, Buffer.alloc(until - at))
          at = until
        }
      }
    }
  }
}

/** The file that was backed up, while it is as it was then. */
class Original implements AsyncDisposable {
  readonly #path: string
  readonly #entry: FileEntry
  #file: FileHandle | undefined

  static async open(path: string, entry: FileEntry): Promise<Original> {
    const file = await isUnchanged(path, entry) ? await open(path, 'r').catch(() => undefined) : undefined // locked by its program
    return new Original(path, entry, file)
  }

  private constructor(path: string, entry: FileEntry, file: FileHandle | undefined) {
    this.#path = path
    this.#entry = entry
    this.#file = file
  }

  /** False as well when there is nothing to compare with. */
  async differs(offset: number, bytes: Buffer): Promise<boolean> {
    const here = await this.#read(offset, bytes.length)
    return here !== undefined && !here.equals(bytes)
  }

  async #read(offset: number, length: number): Promise<Buffer | undefined> {
    if (this.#file === undefined) return undefined
    try {
      const { buffer, bytesRead } = await this.#file.read(Buffer.alloc(length), 0, length, offset)
      return buffer.subarray(0, bytesRead)
    } catch { // a range of it is locked by its program: then nothing of it counts as compared
      await this[Symbol.asyncDispose]()
      return undefined
    }
  }

  async isStillUnchanged(): Promise<boolean> {
    return this.#file !== undefined && await isUnchanged(this.#path, this.#entry)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const file = this.#file
    this.#file = undefined
    await file?.close()
  }
}

/** Whether the original is there and as it was when it was backed up. */
export async function isUnchanged(path: string, entry: FileEntry): Promise<boolean> {
  const now = await lstat(path, { bigint: true }).catch(() => undefined) // not there, or not to be read: nothing to compare with
  return now !== undefined && now.isFile() && now.size === BigInt(entry.size) && now.mtimeNs === BigInt(entry.mtime)
}
