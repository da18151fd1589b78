/** The settings of a home while an agent runs: read once, changed by commands, written back whole. */
import { type Config, type ProtectedPath, configSchema, readConfig } from '../config.ts'

export interface SettingsOptions {
  readonly file: string
  /** Overrides of this run (command line) on top of the file; they are not written back. */
  readonly effective: Config
  readonly write: (file: string, text: string) => void
}

export class Settings {
  readonly #options: SettingsOptions
  readonly #listeners = new Set<() => void>()
  #protect: readonly ProtectedPath[]
  #label: string | undefined

  constructor(options: SettingsOptions) {
    this.#options = options
    this.#protect = options.effective.protect
    this.#label = options.effective.label
  }

  get config(): Config {
    const { label: _label, ...rest } = this.#options.effective
    return { ...rest, protect: [...this.#protect], ...(this.#label === undefined ? {} : { label: this.#label }) }
  }

  /** Called after each change. Returns what ends the subscription. */
  subscribe(listener: () => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  setProtected(protect: readonly ProtectedPath[]): void {
    this.#save({ protect: [...protect] })
    this.#protect = protect
    this.#changed()
  }

  setLabel(label: string): void {
    this.#save({ label })
    this.#label = label
    this.#changed()
  }

  /** The file is read again first: what the user edited meanwhile stays. */
  #save(change: Partial<Config>): void {
    const next = configSchema.parse({ ...readConfig(this.#options.file), ...change })
    this.#options.write(this.#options.file, `${JSON.stringify(next, undefined, 2)}\n`)
  }

  #changed(): void {
    for (const listener of this.#listeners) listener()
  }
}
