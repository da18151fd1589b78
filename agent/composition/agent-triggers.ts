/** What runs without being asked: backups by clock and growth, and what keeps them restorable. */
import type { RunCommand } from '../commands/command.ts'
import type { Settings } from '../commands/settings.ts'
import { systemClock } from '../network/clock.ts'
import { type ChangeWatch, watchChanges } from '../source/change-watch.ts'
import { AutomaticBackups } from '../triggers/automatic-backups.ts'
import { Tidying } from '../triggers/tidying.ts'
import { BackupUpkeep } from './backup-upkeep.ts'
import type { Log } from './log.ts'

export interface TriggerOptions {
  readonly settings: Settings
  readonly homeDirectory: string
  readonly isMember: () => boolean
  readonly run: RunCommand
  readonly liveBytes: () => Promise<number>
  readonly isRespreadDue: () => Promise<boolean>
  readonly lastDrill: () => { readonly time: string; readonly ok: boolean } | null
  readonly needsRepair: () => Promise<boolean>
  readonly log: Log
}

export class AgentTriggers implements AsyncDisposable {
  readonly #options: TriggerOptions
  readonly #backups: AutomaticBackups
  readonly #tidying: Tidying
  readonly #upkeep: BackupUpkeep
  readonly #stop = new AbortController()
  readonly #unsubscribe: () => void
  #watching: Promise<ChangeWatch | undefined> = Promise.resolve(undefined)

  /** Throws `invalid-config` for a schedule that cannot be read. */
  static async start(options: TriggerOptions): Promise<AgentTriggers> {
    const triggers = new AgentTriggers(options)
    await triggers.#watching
    return triggers
  }

  private constructor(options: TriggerOptions) {
    this.#options = options
    const { settings, log, isMember, run } = options
    this.#tidying = new Tidying({ rule: () => settings.config.retention, run, liveBytes: options.liveBytes, now: Date.now })
    this.#backups = new AutomaticBackups({
      schedule: () => settings.config.schedule, now: Date.now, after: (delayMs, then) => systemClock.after(delayMs, then),
      backup: async (paths, signal) => {
        if (!isMember() || settings.config.protect.length === 0) return
        const protectedPaths = settings.config.protect.map(({ path }) => path)
        const { protection, snapshot } = await run('backup', { paths: paths.filter((path) => protectedPaths.includes(path)), offlineOk: true, tags: [] }, { signal, onProgress: () => {}, polite: true })
        log('automatic-backup', { snapshot, ...protection })
        const tidied = await this.#tidying.afterBackup({ signal, onProgress: () => {}, polite: true })
        if (tidied !== undefined) log('tidied', { ...tidied })
      },
      onFault: (error) => log('automatic-backup-failed', { error }),
    })
    this.#watch()
    let watched = this.#watched()
    this.#unsubscribe = settings.subscribe((changed) => {
      if (changed !== 'protect') this.#backups.reschedule()
      // A new watch sees no change that comes before its first look: only what it watches makes one necessary.
      if (this.#watched() !== watched) this.#watch()
      watched = this.#watched()
    })
    this.#upkeep = new BackupUpkeep({ clock: systemClock, isMember, needsRepair: options.needsRepair, run, log, isRespreadDue: options.isRespreadDue, lastDrill: options.lastDrill })
  }

  get nextBackupMs(): number | null {
    return this.#backups.nextRunMs
  }

  repairSoon(): void {
    this.#upkeep.repairSoon()
  }

  #watched(): string {
    const { protect, schedule: { pollSeconds }, includeOutlookCaches } = this.#options.settings.config
    return JSON.stringify([protect, pollSeconds, includeOutlookCaches])
  }

  /** Watches what is protected now instead of what was. */
  #watch(): void {
    const { settings, homeDirectory, log } = this.#options
    const { protect, schedule, includeOutlookCaches } = settings.config
    this.#watching = this.#watching.then(async (before) => {
      await before?.[Symbol.asyncDispose]()
      if (this.#stop.signal.aborted) return undefined
      return await watchChanges({
        paths: protect.map(({ path }) => path), pollMs: schedule.pollSeconds * 1000, now: Date.now,
        after: (delayMs, then) => systemClock.after(delayMs, then),
        scan: { excludePaths: [homeDirectory], includeServerCaches: includeOutlookCaches },
        onChange: (change) => this.#backups.changed(change), onTrouble: (path, error) => log('watch-trouble', { path, error }),
      })
    }).catch((error: unknown) => {
      log('watch-failed', { error })
      return undefined
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#unsubscribe()
    await this.#backups[Symbol.asyncDispose]()
    await this.#upkeep[Symbol.asyncDispose]()
    const watch = await this.#watching
    await watch?.[Symbol.asyncDispose]()
  }
}
