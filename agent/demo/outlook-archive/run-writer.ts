import type { ArchiveFile } from './archive-file.ts'

const arenaBytes = 1 << 20

/**
 * Collects small pieces in memory and writes neighbours with one call.
 *
 * `reserve` hands out memory to fill at once; nothing reaches the file before `flush`.
 */
export class RunWriter {
  readonly #file: ArchiveFile
  readonly #spare: Buffer[] = []
  readonly #filled: Buffer[] = []
  readonly #runs: { offset: number; bytes: Buffer }[] = []
  #arena: Buffer = Buffer.allocUnsafe(arenaBytes)
  #start = 0
  #end = 0
  #offset = 0
  #pending = 0
  #written = 0

  constructor(file: ArchiveFile) {
    this.#file = file
  }

  /** Bytes waiting for `flush`. */
  get pending(): number {
    return this.#pending
  }

  /** Bytes given to the file so far. */
  get written(): number {
    return this.#written
  }

  reserve(offset: number, length: number): Buffer {
    if (offset !== this.#offset + (this.#end - this.#start) || this.#end + length > arenaBytes) {
      this.#closeRun()
      if (this.#end + length > arenaBytes) this.#nextArena()
      this.#offset = offset
    }
    const bytes = this.#arena.subarray(this.#end, this.#end + length)
    this.#end += length
    this.#pending += length
    return bytes
  }

  put(offset: number, bytes: Uint8Array): void {
    this.reserve(offset, bytes.length).set(bytes)
  }

  async flush(): Promise<void> {
    this.#closeRun()
    for (const { offset, bytes } of this.#runs.splice(0)) {
      await this.#file.write(offset, bytes)
      this.#written += bytes.length
    }
    this.#spare.push(...this.#filled.splice(0))
    this.#start = 0
    this.#end = 0
    this.#pending = 0
  }

  #closeRun(): void {
    if (this.#end > this.#start) {
      this.#runs.push({ offset: this.#offset, bytes: this.#arena.subarray(this.#start, this.#end) })
    }
    this.#start = this.#end
  }

  #nextArena(): void {
    this.#filled.push(this.#arena)
    this.#arena = this.#spare.pop() ?? Buffer.allocUnsafe(arenaBytes)
    this.#start = 0
    this.#end = 0
  }
}
