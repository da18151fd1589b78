/** Keeps the coverage list in SharePoint up to date on the machine where an admin asked for it: looks now and then, writes what changed. */
import { HoldfastError } from '../../shared/errors.ts'
import type { AgentContext } from '../commands/context.ts'
import { coverageRows, keptCoverageList } from '../commands/coverage-list.ts'
import { type Clock, systemClock } from '../network/clock.ts'
import type { CoverageList } from '../network/roster/graph/coverage-list.ts'
import type { Log } from './log.ts'

const everyMs = 15 * 60_000

export class CoverageListUpkeep implements AsyncDisposable {
  readonly #context: AgentContext
  readonly #log: Log
  readonly #clock: Clock
  readonly #stop = new AbortController()
  #cancel: () => void
  #looking: Promise<void> = Promise.resolve()
  #list: { readonly locator: string; readonly list: CoverageList } | undefined

  constructor(context: AgentContext, { log, clock = systemClock }: { log: Log; clock?: Clock }) {
    this.#context = context
    this.#log = log
    this.#clock = clock
    this.#cancel = clock.after(everyMs, () => { this.#look() })
  }

  #look(): void {
    this.#looking = this.#update().finally(() => {
      if (!this.#stop.signal.aborted) this.#cancel = this.#clock.after(everyMs, () => { this.#look() })
    })
  }

  async #update(): Promise<void> {
    const { signal } = this.#stop
    const { coverageList: locator } = this.#context.settings.config
    if (locator === null || !this.#context.isMember()) return
    try {
      const list = this.#list?.locator === locator ? this.#list.list : keptCoverageList(this.#context)
      if (list === undefined) return
      this.#list = { locator, list }
      await list.update(await coverageRows(this.#context, { fresh: false }, { signal, onProgress: () => {} }), { signal })
    } catch (error) {
      if (!signal.aborted) this.#log('coverage-list-failed', { error: error instanceof HoldfastError ? error : new HoldfastError('internal', 'Cannot keep the coverage list: unexpected failure', { cause: error }) })
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#cancel()
    await this.#looking
  }
}
