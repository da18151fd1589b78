/** The settings of a home while an agent runs: read once, changed by commands, written back whole. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import type { SettingsChange } from '../../shared/settings.ts'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { type Config, type ConfigFile, type GroupDefaults, type ProtectedPath, configSchema, readConfigFile, withDefaults } from '../config.ts'
import type { AgentContext } from './context.ts'

export interface SettingsOptions {
  readonly file: string
  /** With overrides of this run (command line) on top of the file; they are not written back. */
  readonly effective: Config
  readonly write: (file: string, text: string) => void
  /** Refuses what the schema cannot judge. */
  readonly check?: (config: Config) => void
}

export type ChangedPart = 'protect' | 'settings'

export class Settings {
  readonly #options: SettingsOptions
  readonly #listeners = new Set<(changed: ChangedPart) => void>()
  readonly #afterRestart = new Set<string>()
  #config: Config
  #group: GroupDefaults = {}
  #groupMinFree: number | null = null

  constructor(options: SettingsOptions) {
    this.#options = options
    this.#config = options.effective
  }

  get config(): Config {
    return this.#config
  }

  /** Names of settings that were changed and that the running agent does not use yet. */
  get afterRestart(): readonly string[] {
    return [...this.#afterRestart]
  }

  /** The group's reserve (0 to 1), while it holds instead of a lower one of this machine's file; else null. */
  get groupMinFree(): number | null {
    return this.#groupMinFree
  }

  /** Called after each change. Returns what ends the subscription. */
  subscribe(listener: (changed: ChangedPart) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  setProtected(protect: readonly ProtectedPath[]): void {
    this.#save({ protect: [...protect] }, 'protect')
  }

  setCoverageList(locator: string | null): void {
    this.#save({ coverageList: locator }, 'settings')
  }

  setLabel(label: string): void {
    this.#save({ label }, 'settings')
  }

  /**
   * The admins' settings: they hold where this machine's file says nothing. Returns false when their schedule cannot be read
   * here: then there is none of theirs.
   */
  followGroup(group: GroupDefaults): boolean {
    const isReadable = this.#isReadable(group)
    this.#follow(isReadable ? group : { ...group, schedule: undefined })
    return isReadable
  }

  #isReadable({ schedule }: GroupDefaults): boolean {
    try {
      if (schedule !== undefined) this.checkSchedule(schedule)
      return true
    } catch (error) {
      if (hasCode(error, 'invalid-config')) return false
      throw error
    }
  }

  #follow(group: GroupDefaults): void {
    if (JSON.stringify(group) === JSON.stringify(this.#group)) return
    this.#group = group
    this.#config = { ...this.#config, ...this.#derived() }
    for (const listener of this.#listeners) listener('settings')
  }

  /** Throws `invalid-config` for a schedule that cannot be read. */
  checkSchedule(schedule: Pick<Config['schedule'], 'cron' | 'quietHours'>): void {
    this.#options.check?.({ ...this.#config, schedule: { ...this.#config.schedule, ...schedule } })
  }

  /** Throws `invalid-config` for what cannot be used; then nothing is changed. */
  change(change: SettingsChange): void {
    const { schedule, limits, offer, politeness, retention, alerts, mail, ...rest } = change
    const known = readConfigFile(this.#options.file)
    const merged = Object.fromEntries(Object.entries({
      ...rest, ...merge('schedule', known, schedule), ...merge('limits', known, limits), ...merge('offer', known, offer), ...merge('retention', known, retention),
      ...merge('alerts', known, alerts), ...merge('politeness', known, politeness), ...merge('mail', known, mail),
    }).filter(([, value]) => value !== undefined)) as Partial<ConfigFile>
    this.#options.check?.(withDefaults({ ...known, ...merged }, this.#group))
    // What an agent reads only at its start.
    if (limits !== undefined) this.#afterRestart.add('limits')
    if (offer?.quotaBytes !== undefined || offer?.minFree !== undefined) this.#afterRestart.add('offer')
    if (change.beacon !== undefined) this.#afterRestart.add('beacon')
    if (politeness?.lowPriority !== undefined) this.#afterRestart.add('politeness.lowPriority')
    this.#save(merged, 'settings')
  }

  pauseUntil(time: string | null): void {
    const { schedule } = readConfigFile(this.#options.file)
    this.#save({ schedule: { ...schedule, pausedUntil: time } }, 'settings')
  }

  /** The file is read again first: what the user edited meanwhile stays. Overrides of this run stay in force. */
  #save({ schedule, offer, ...change }: Partial<ConfigFile>, changed: ChangedPart): void {
    const next = configSchema.parse({ ...readConfigFile(this.#options.file), ...change, ...(schedule && { schedule }), ...(offer && { offer }) })
    this.#options.write(this.#options.file, `${JSON.stringify(next, undefined, 2)}\n`)
    this.#config = { ...this.#config, ...change, ...this.#derived(offer) }
    for (const listener of this.#listeners) listener(changed)
  }

  /** What the group has a say in, from the file; an offer of this run (command line) stays until it is changed. */
  #derived(offer?: ConfigFile['offer']): Pick<Config, 'schedule' | 'offer'> {
    const file = readConfigFile(this.#options.file)
    const derived = withDefaults(file, this.#group)
    this.#groupMinFree = file.offer.minFree !== undefined && file.offer.minFree < derived.offer.minFree ? derived.offer.minFree : null
    return { schedule: derived.schedule, offer: { ...derived.offer, ...(offer === undefined && { quotaBytes: this.#config.offer.quotaBytes }) } }
  }
}

function merge<K extends 'schedule' | 'limits' | 'politeness' | 'offer' | 'retention' | 'alerts' | 'mail'>(name: K, known: ConfigFile, change: SettingsChange[K]): Partial<ConfigFile> {
  return change === undefined ? {} : { [name]: { ...known[name], ...change } }
}

/** Shows the settings, after changing what was asked for. */
export function settings(context: AgentContext, { change }: CommandRequest<'settings'>): CommandResult<'settings'> {
  if (Object.keys(change).length > 0) context.settings.change(change)
  const { label, schedule, limits, offer, politeness, retention, alerts, mail, includeOutlookCaches, watchFolders, beacon } = context.settings.config
  const { cron, quietHours, settleSeconds, growthBytes } = schedule
  return {
    settings: {
      label: label ?? null, schedule: { cron, quietHours, settleSeconds, growthBytes }, offer, politeness, retention, alerts, mail, includeOutlookCaches, watchFolders, beacon, groupMinFree: context.settings.groupMinFree, afterRestart: [...context.settings.afterRestart],
      limits: { uploadBytesPerSecond: limits.uploadBytesPerSecond, downloadBytesPerSecond: limits.downloadBytesPerSecond, slowLinks: limits.slowLinks },
    },
  }
}

/** Automatic backups wait; what a person starts does not. */
export function pause(context: AgentContext, { hours }: CommandRequest<'pause'>): CommandResult<'pause'> {
  const until = hours === null ? null : new Date(context.clock.now() + hours * 3_600_000).toISOString()
  if (until !== null && Number.isNaN(Date.parse(until))) throw new HoldfastError('invalid-input', 'Cannot pause: the time is too far away')
  context.settings.pauseUntil(until)
  return { pausedUntil: until }
}
