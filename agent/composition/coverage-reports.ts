/** Tells the group how this machine's backup stands: after each command that changes it, and now and then by itself. */
import type { CommandName, RunEvent } from '../../shared/api.ts'
import type { AgentContext } from '../commands/context.ts'
import { reportCoverage } from '../commands/coverage-content.ts'
import { systemClock } from '../network/clock.ts'
import type { CommandRuns } from './command-runs.ts'
import type { Log } from './log.ts'

const everyMs = 10 * 60_000
const changing: ReadonlySet<CommandName> = new Set(['network create', 'network join', 'backup', 'repair', 'verify', 'audit', 'drill', 'forget', 'prune', 'recover', 'protect', 'unprotect', 'settings'])

export class CoverageReports implements AsyncDisposable {
  readonly #context: AgentContext
  readonly #log: Log
  readonly #stop = new AbortController()
  readonly #unsubscribe: () => void
  #cancel: () => void = () => {}
  #reporting: Promise<void> = Promise.resolve()

  constructor(context: AgentContext, runs: CommandRuns, log: Log) {
    this.#context = context
    this.#log = log
    this.#unsubscribe = runs.subscribe((event) => { this.#onRun(event) })
    this.#report()
  }

  #onRun(event: RunEvent): void {
    if (event.type === 'ended' && event.problem === null && changing.has(event.name)) this.#report()
  }

  #report(): void {
    this.#reporting = this.#reportAfter(this.#reporting)
  }

  async #reportAfter(before: Promise<void>): Promise<void> {
    await before
    this.#cancel()
    if (this.#stop.signal.aborted) return
    try {
      if (this.#context.isMember()) await reportCoverage(this.#context, this.#stop.signal)
    } catch (error) {
      if (!this.#stop.signal.aborted) this.#log('coverage-report-failed', { error })
    }
    if (!this.#stop.signal.aborted) this.#cancel = systemClock.after(everyMs, () => { this.#report() })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    this.#unsubscribe()
    this.#cancel()
    await this.#reporting
  }
}
