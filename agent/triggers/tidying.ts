/**
 * Keeps a backup from growing for ever by itself: after a backup, about once a day, snapshots are forgotten by the rule of
 * the settings, and a little of what is mostly dead, or small and many, is rewritten: a twentieth of the backup at most, so that what holders
 * keep twice for a month stays small and none of them takes it for an erasure.
 */
import type { RunCommand, RunOptions } from '../commands/command.ts'
import type { Config } from '../config.ts'

const everyMs = 20 * 3_600_000
const rewriteShare = 0.05

export interface TidyingOptions {
  readonly rule: () => Config['retention']
  readonly run: RunCommand
  /** Bytes of all that the newest head keeps alive. */
  readonly liveBytes: () => Promise<number>
  readonly now: () => number
}

export interface Tidied {
  readonly forgotten: number
  readonly rewritten: number
}

export class Tidying {
  readonly #options: TidyingOptions
  #lastMs = -Infinity

  constructor(options: TidyingOptions) {
    this.#options = options
  }

  /** After a backup. Undefined when it is switched off or was done a moment ago; a run that failed is tried after the next backup. */
  async afterBackup(options: RunOptions): Promise<Tidied | undefined> {
    const { rule, run, liveBytes, now } = this.#options
    const { auto, ...keep } = rule()
    const isEmpty = Object.values(keep).every((value) => value === 0 || value === null)
    if (!auto || isEmpty || now() - this.#lastMs < everyMs) return undefined
    const { forgotten } = await run('forget', { ...keep, keepTags: [], tagged: [], dryRun: false }, options)
    const { rewritten } = await run('prune', { maxRewriteBytes: Math.floor(await liveBytes() * rewriteShare), dryRun: false }, options)
    this.#lastMs = now()
    return { forgotten: forgotten.length, rewritten }
  }
}
