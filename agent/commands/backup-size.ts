/**
 * How many bytes there are to back up, for whoever watches. The folders are walked once more beside the backup, only when
 * there is something to read: a backup that finds everything unchanged costs nothing more.
 */
import type { ScanOptions } from '../source/tree-scan.ts'
import { scanTree } from '../source/tree-scan.ts'

export interface SizedRoot {
  readonly path: string
  readonly scan: ScanOptions
}

export class BackupSize implements AsyncDisposable {
  readonly #roots: readonly SizedRoot[]
  readonly #stop = new AbortController()
  #walk: Promise<void> | undefined
  #total: number | undefined

  constructor(roots: readonly SizedRoot[]) {
    this.#roots = roots
  }

  /** Undefined until it is known. Begins to find out when it is asked first. */
  get total(): number | undefined {
    this.#walk ??= this.#measure()
    return this.#total
  }

  async #measure(): Promise<void> {
    try {
      let bytes = 0
      for (const { path, scan } of this.#roots) {
        for await (const event of scanTree(path, { ...scan, signal: this.#stop.signal })) if (event.event === 'entry' && event.type === 'file') bytes += event.size
      }
      this.#total = bytes
    } catch {
      // The backup's own walk says what is wrong; the progress goes without a whole.
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await this.#walk
  }
}
