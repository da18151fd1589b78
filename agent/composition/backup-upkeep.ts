/** What keeps this owner's backup restorable while nobody looks: audits of the holders, and repair of what lacks shards. */
import type { RunCommand, RunOptions } from '../commands/command.ts'
import type { Clock } from '../network/clock.ts'
import { Recurring } from '../triggers/recurring.ts'
import type { Log } from './log.ts'

const minuteMs = 60_000
const repairMs = 15 * minuteMs
const soonMs = 5_000
/** Holders that were not audited today are looked for so often: each when it is there. */
const auditMs = 60 * minuteMs
const dayMs = 24 * 60 * minuteMs
const drillDays = 30
const drillBytes = 4 * 1_073_741_824

export interface UpkeepOptions {
  readonly isMember: () => boolean
  /** Whether shards lack by what is known without asking anybody. */
  readonly needsRepair: () => Promise<boolean>
  readonly run: RunCommand
  /** Whether packs of a former level of redundancy may be written again now. */
  readonly isRespreadDue: () => Promise<boolean>
  /** How the last drill went. */
  readonly lastDrill: () => { readonly time: string; readonly ok: boolean } | null
  readonly clock: Clock
  readonly log: Log
}

export class BackupUpkeep implements AsyncDisposable {
  readonly #options: UpkeepOptions
  readonly #work: readonly Recurring[]
  readonly #repairs: Recurring

  constructor(options: UpkeepOptions) {
    this.#options = options
    this.#repairs = this.#recurring('automatic-repair-failed', { firstMs: repairMs, everyMs: repairMs }, async (signal) => { await this.#repair(signal) })
    this.#work = [
      this.#repairs,
      this.#recurring('automatic-audit-failed', { firstMs: 5 * minuteMs, everyMs: auditMs }, async (signal) => { await this.#audit(signal) }),
      this.#recurring('automatic-drill-failed', { firstMs: 20 * minuteMs, everyMs: auditMs }, async (signal) => { await this.#drill(signal) }),
    ]
  }

  /** A machine is gone for good: what it kept is made good now, not at the next turn; give or take, because all do so. */
  repairSoon(): void {
    this.#repairs.soon(soonMs * (0.5 + Math.random()))
  }

  #recurring(fault: string, times: { firstMs: number; everyMs: number }, work: (signal: AbortSignal) => Promise<void>): Recurring {
    const { isMember, log, clock } = this.#options
    return new Recurring({
      ...times, after: (delayMs, then) => clock.after(delayMs, then),
      work: async (signal) => { if (isMember()) await work(signal) }, onFault: (error) => log(fault, { error }),
    })
  }

  async #repair(signal: AbortSignal): Promise<void> {
    const { needsRepair, run, log, isRespreadDue } = this.#options
    if (!await needsRepair() && !await isRespreadDue()) return
    const { rebuilt, respread, failed, bytesByCause } = await run('repair', { patient: true }, politely(signal))
    log('automatic-repair', { rebuilt, respread, failed, bytesByCause })
  }

  async #audit(signal: AbortSignal): Promise<void> {
    const { run, log } = this.#options
    const { holders, bytesRead, problems } = await run('audit', { due: true }, politely(signal))
    if (holders.length > 0) log('automatic-audit', { holders: holders.map(({ name, state }) => `${name}: ${state}`), bytesRead, problems })
  }

  /** Monthly; the day after one that failed; the first one when there is a backup for an hour. */
  async #drill(signal: AbortSignal): Promise<void> {
    const { run, log, lastDrill, clock } = this.#options
    const options = politely(signal)
    const last = lastDrill()
    const nowMs = clock.now()
    if (last !== null && nowMs - Date.parse(last.time) < (last.ok ? drillDays : 1) * dayMs) return
    if (last === null) {
      const { paths } = await run('status', { fresh: false }, options)
      const oldest = Math.min(...paths.flatMap(({ lastSnapshotTime }) => (lastSnapshotTime === null ? [] : [Date.parse(lastSnapshotTime)])))
      if (paths.every(({ lastSnapshot }) => lastSnapshot === null) || nowMs - oldest < 60 * minuteMs) return
    }
    const { ok, off, files, bytes, seconds } = await run('drill', { maxBytes: drillBytes }, options)
    log('automatic-drill', { ok, off, files: files.length, bytes, seconds, problems: files.flatMap(({ problem }) => problem ?? []) })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const work of this.#work) await work[Symbol.asyncDispose]()
  }
}

function politely(signal: AbortSignal): RunOptions {
  return { signal, onProgress: () => {}, polite: true }
}
