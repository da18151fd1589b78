/** The settings of a home while an agent runs: read once, changed by commands, written back whole. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { type SettingsChange, settingsChangeSchema } from '../../shared/settings.ts'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { type Config, type ConfigFile, type GroupDefaults, type ProtectedPath, configSchema, definedOf, readConfigFile, withDefaults } from '../config.ts'
import type { AgentContext } from './context.ts'
import { namesUnder, settingSchemas } from './setting-names.ts'

export interface SettingsOptions {
  readonly file: string
  /** With overrides of this run (command line) on top of the file; they are not written back. */
  readonly effective: Config
  readonly write: (file: string, text: string) => void
  /** Throws `invalid-config` for a cron expression that cannot be read. */
  readonly readCron?: (cron: string) => void
  /** Throws `invalid-input` for one that nobody should set. */
  readonly checkCron?: (cron: string) => void
}

export type ChangedPart = 'protect' | 'settings'

export class Settings {
  readonly #options: SettingsOptions
  readonly #listeners = new Set<(changed: ChangedPart) => void>()
  #config: Config
  #group: GroupDefaults = {}
  #groupMinFree: number | null = null
  /** Undefined: the file's. */
  #quotaOfRun: number | null | undefined

  constructor(options: SettingsOptions) {
    this.#options = options
    this.#config = options.effective
    this.#quotaOfRun = options.effective.offer.quotaBytes
  }

  get config(): Config {
    return this.#config
  }

  /** Names of settings that are not as they were when the agent started, which is what it goes by. */
  get afterRestart(): readonly string[] {
    const [now, atStart] = [readAtStart(this.#config), readAtStart(this.#options.effective)]
    return Object.entries(now).filter(([name, value]) => JSON.stringify(value) !== JSON.stringify(atStart[name])).map(([name]) => name)
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
      this.#read(schedule?.cron)
      return true
    } catch (error) {
      if (hasCode(error, 'invalid-config')) return false
      throw error
    }
  }

  #read(cron: string | null | undefined): void {
    if (typeof cron === 'string') this.#options.readCron?.(cron)
  }

  #follow(group: GroupDefaults): void {
    if (JSON.stringify(group) === JSON.stringify(this.#group)) return
    this.#group = group
    this.#config = { ...this.#config, ...this.#derived() }
    for (const listener of this.#listeners) listener('settings')
  }

  /** Of a schedule that somebody asks for. Throws `invalid-input` for a cron expression that cannot be read or never comes. */
  checkSchedule({ cron }: { readonly cron?: string | null | undefined }): void {
    if (typeof cron === 'string') this.#options.checkCron?.(cron)
  }

  /**
   * `unset` goes back to the group's value or the default, before what `change` says. Throws `invalid-input` for a name that is
   * none and a schedule that is none, and `invalid-config` for what cannot be used in the file; then nothing is changed.
   */
  change(change: SettingsChange, unset: readonly string[] = []): void {
    this.checkSchedule({ ...change.schedule })
    const known = readConfigFile(this.#options.file)
    const back = unset.flatMap(namesOf)
    const next = merged(without(known, back), change)
    this.#read(next.schedule.cron)
    const touched = new Set([...Object.keys(definedOf(change)), ...back.map((name) => name.split('.')[0] ?? '')])
    if (change.offer?.quotaBytes !== undefined || back.includes('offer.quotaBytes')) this.#quotaOfRun = undefined
    this.#save(Object.fromEntries([...touched].map((name) => [name, next[name as keyof ConfigFile]])), 'settings')
  }

  pauseUntil(time: string | null): void {
    const { schedule } = readConfigFile(this.#options.file)
    this.#save({ schedule: { ...schedule, pausedUntil: time } }, 'settings')
  }

  /** The file is read again first: what the user edited meanwhile stays. Overrides of this run stay in force. */
  #save({ schedule, offer, ...change }: Partial<ConfigFile>, changed: ChangedPart): void {
    const next = configSchema.parse({ ...readConfigFile(this.#options.file), ...change, ...(schedule && { schedule }), ...(offer && { offer }) })
    this.#options.write(this.#options.file, `${JSON.stringify(next, undefined, 2)}\n`)
    this.#config = { ...this.#config, ...change, ...this.#derived() }
    for (const listener of this.#listeners) listener(changed)
  }

  /** What the group has a say in, from the file; a quota of this run (command line) stays until one is set. */
  #derived(): Pick<Config, 'schedule' | 'offer'> {
    const file = readConfigFile(this.#options.file)
    const derived = withDefaults(file, this.#group)
    this.#groupMinFree = file.offer.minFree !== undefined && file.offer.minFree < derived.offer.minFree ? derived.offer.minFree : null
    return { schedule: derived.schedule, offer: { ...derived.offer, ...(this.#quotaOfRun === undefined ? {} : { quotaBytes: this.#quotaOfRun }) } }
  }
}

/** What an agent reads only at its start. */
function readAtStart({ limits, offer, beacon, politeness }: Config): Record<string, unknown> {
  return { limits, offer: offer.quotaBytes, beacon, 'politeness.lowPriority': politeness.lowPriority }
}

const names = [...settingSchemas(settingsChangeSchema).keys()]

/** Throws `invalid-input`. */
function namesOf(name: string): string[] {
  const found = namesUnder(names, name)
  if (found.length === 0) throw new HoldfastError('invalid-input', `Cannot change ${name}: there is no such setting`)
  return found
}

function merged(file: ConfigFile, change: SettingsChange): ConfigFile {
  const parts = Object.entries(definedOf(change)).map(([name, value]) => [name, typeof value === 'object' && !Array.isArray(value) ? { ...file[name as keyof ConfigFile] as object, ...definedOf(value) } : value])
  return configSchema.parse({ ...file, ...Object.fromEntries(parts) })
}

function without(file: ConfigFile, unset: readonly string[]): ConfigFile {
  const left = structuredClone(file) as Record<string, unknown>
  for (const name of unset) {
    const [group = '', key] = name.split('.')
    if (key === undefined) delete left[group]
    else delete (left[group] as Record<string, unknown>)[key]
  }
  return configSchema.parse(left)
}

/** Shows the settings, after changing what was asked for. */
export function settings(context: AgentContext, { change, unset = [] }: CommandRequest<'settings'>): CommandResult<'settings'> {
  if (Object.keys(change).length + unset.length > 0) context.settings.change(change, unset)
  const { label, schedule, limits, offer, politeness, retention, alerts, mail, includeOutlookCaches, watchFolders, beacon } = context.settings.config
  const { cron, quietHours, settleSeconds, growthBytes } = schedule
  return {
    settings: {
      label: label ?? null, schedule: { cron, quietHours, settleSeconds, growthBytes },
      limits: { uploadBytesPerSecond: limits.uploadBytesPerSecond, downloadBytesPerSecond: limits.downloadBytesPerSecond, slowLinks: limits.slowLinks },
      offer, politeness, retention, alerts, mail, includeOutlookCaches, beacon, watchFolders, groupMinFree: context.settings.groupMinFree, afterRestart: [...context.settings.afterRestart],
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
