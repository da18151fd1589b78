/** The settings of a home while an agent runs: read once, changed by commands, written back whole. */
import type { CommandRequest, CommandResult, SettingsChange } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { type Config, type ProtectedPath, configSchema, readConfig } from '../config.ts'
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

/** What an agent reads only at its start. */
const atStart = ['limits', 'offer'] as const

export class Settings {
  readonly #options: SettingsOptions
  readonly #listeners = new Set<(changed: ChangedPart) => void>()
  readonly #afterRestart = new Set<string>()
  #config: Config

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

  /** Called after each change. Returns what ends the subscription. */
  subscribe(listener: (changed: ChangedPart) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  setProtected(protect: readonly ProtectedPath[]): void {
    this.#save({ protect: [...protect] }, 'protect')
  }

  setLabel(label: string): void {
    this.#save({ label }, 'settings')
  }

  /** Throws `invalid-config` for what cannot be used; then nothing is changed. */
  change(change: SettingsChange): void {
    const { schedule, limits, offer, retention, ...rest } = change
    const known = readConfig(this.#options.file)
    const merged = Object.fromEntries(Object.entries({
      ...rest, ...merge('schedule', known, schedule), ...merge('limits', known, limits), ...merge('offer', known, offer), ...merge('retention', known, retention),
    }).filter(([, value]) => value !== undefined)) as Partial<Config>
    this.#options.check?.({ ...known, ...merged })
    for (const name of atStart) if (change[name] !== undefined) this.#afterRestart.add(name)
    this.#save(merged, 'settings')
  }

  pauseUntil(time: string | null): void {
    const { schedule } = readConfig(this.#options.file)
    this.#save({ schedule: { ...schedule, pausedUntil: time } }, 'settings')
  }

  /** The file is read again first: what the user edited meanwhile stays. Overrides of this run stay in force. */
  #save(change: Partial<Config>, changed: ChangedPart): void {
    const next = configSchema.parse({ ...readConfig(this.#options.file), ...change })
    this.#options.write(this.#options.file, `${JSON.stringify(next, undefined, 2)}\n`)
    this.#config = { ...this.#config, ...change }
    for (const listener of this.#listeners) listener(changed)
  }
}

function merge<K extends 'schedule' | 'limits' | 'offer' | 'retention'>(name: K, known: Config, change: SettingsChange[K]): Partial<Config> {
  return change === undefined ? {} : { [name]: { ...known[name], ...change } }
}

/** Shows the settings, after changing what was asked for. */
export function settings(context: AgentContext, { change }: CommandRequest<'settings'>): CommandResult<'settings'> {
  if (Object.keys(change).length > 0) context.settings.change(change)
  const { label, schedule, limits, offer, retention, includeOutlookCaches, watchFolders } = context.settings.config
  const { cron, quietHours, settleSeconds, growthBytes } = schedule
  return {
    settings: {
      label: label ?? null, schedule: { cron, quietHours, settleSeconds, growthBytes }, offer, retention, includeOutlookCaches, watchFolders, afterRestart: [...context.settings.afterRestart],
      limits: { uploadBytesPerSecond: limits.uploadBytesPerSecond, downloadBytesPerSecond: limits.downloadBytesPerSecond },
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
