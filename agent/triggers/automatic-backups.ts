/**
 * Starts backups by themselves: by the clock (cron), and when a protected path has grown or settled after a change.
 *
 * One backup at a time; in quiet hours nothing starts, and what became due then starts at their end. A failed run is
 * reported and tried again after a while; a change during a run counts for the next one.
 */
import type { PathChange, PendingGrowth } from '../source/backup-due.ts'
import { dueForBackup, withChange } from '../source/backup-due.ts'
import { nextRunMs, parseCron, quietEndMs } from './schedule.ts'
import type { Config } from '../config.ts'

const retryMs = 10 * 60_000

export interface AutomaticBackupsOptions {
  readonly schedule: () => Config['schedule']
  /** Backs up these protected paths, or all of them. */
  readonly backup: (paths: readonly string[], signal: AbortSignal) => Promise<void>
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Calls `run` once after so many milliseconds; returns how to call it off. */
  readonly after: (delayMs: number, run: () => void) => () => void
  readonly onFault: (error: unknown) => void
}

export class AutomaticBackups implements AsyncDisposable {
  readonly #options: AutomaticBackupsOptions
  readonly #pending = new Map<string, PendingGrowth>()
  readonly #stop = new AbortController()
  #cancelTimer: () => void = () => {}
  #nextRunMs: number | null = null
  #notBeforeMs = -Infinity
  #running: Promise<void> | undefined

  constructor(options: AutomaticBackupsOptions) {
    this.#options = options
    this.reschedule()
  }

  /** When the clock starts the next backup, in milliseconds since 1970; null when it never does. */
  get nextRunMs(): number | null {
    return this.#nextRunMs
  }

  /** Call when the schedule was changed. Throws `invalid-config` for a cron expression that cannot be read. */
  reschedule(): void {
    const { cron, quietHours } = this.#options.schedule()
    this.#nextRunMs = cron === null ? null : nextRunMs(parseCron(cron), quietHours, this.#options.now())
    this.#wait()
  }

  changed(change: PathChange): void {
    this.#pending.set(change.path, withChange(this.#pending.get(change.path), change))
    this.#wait()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#cancelTimer()
    await this.#running
  }

  #wait(): void {
    this.#cancelTimer()
    if (this.#stop.signal.aborted || this.#running !== undefined) return
    const dueMs = this.#dueMs()
    if (dueMs !== null) this.#cancelTimer = this.#options.after(Math.min(Math.max(0, dueMs - this.#options.now()), 2 ** 31 - 1), () => this.#wake())
  }

  /** When something is due next, quiet hours and the pause after a failure respected. */
  #dueMs(): number | null {
    const { settleSeconds, growthBytes, quietHours } = this.#options.schedule()
    const times = [...this.#pending.values()].map(({ bytesGrown, lastChangeAt }) => (bytesGrown >= growthBytes ? this.#options.now() : lastChangeAt + settleSeconds * 1000))
    if (this.#nextRunMs !== null) times.push(this.#nextRunMs)
    return times.length === 0 ? null : quietEndMs(quietHours, Math.max(Math.min(...times), this.#notBeforeMs, pausedUntilMs(this.#options.schedule())))
  }

  #wake(): void {
    const nowMs = this.#options.now()
    const { settleSeconds, growthBytes, quietHours } = this.#options.schedule()
    if (quietEndMs(quietHours, nowMs) > nowMs || nowMs < Math.max(this.#notBeforeMs, pausedUntilMs(this.#options.schedule()))) return this.#wait()
    const everything = this.#nextRunMs !== null && nowMs >= this.#nextRunMs
    const rule = { quietMs: settleSeconds * 1000, growthBytes }
    const paths = [...this.#pending].filter(([, growth]) => everything || dueForBackup(growth, nowMs, rule)).map(([path]) => path)
    if (!everything && paths.length === 0) return this.#wait()
    const taken = new Map(paths.map((path) => [path, this.#pending.get(path) as PendingGrowth]))
    for (const path of paths) this.#pending.delete(path)
    this.#running = this.#run(everything ? [] : paths, taken)
  }

  async #run(paths: readonly string[], taken: ReadonlyMap<string, PendingGrowth>): Promise<void> {
    try {
      await this.#options.backup(paths, this.#stop.signal)
      this.#notBeforeMs = -Infinity
    } catch (error) {
      for (const [path, growth] of taken) if (!this.#pending.has(path)) this.#pending.set(path, growth)
      this.#notBeforeMs = this.#options.now() + retryMs
      if (!this.#stop.signal.aborted) this.#options.onFault(error)
    }
    this.#running = undefined
    if (!this.#stop.signal.aborted) this.reschedule()
  }
}

function pausedUntilMs({ pausedUntil }: Config['schedule']): number {
  return pausedUntil === null ? -Infinity : Date.parse(pausedUntil)
}
