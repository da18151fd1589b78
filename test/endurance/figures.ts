/** What a simulation measured. */
import { hourMs } from '../support/fake-time.ts'
import { isOfficeHour } from './office-hours.ts'
import { type BytesByCause, type RepairCause, repairCauses } from '../../shared/repair-causes.ts'

/** Hours until enough machines were there for a restore: shares within 0, 8 and 24, and the 99th of a hundred. */
export interface Waits {
  readonly asked: number
  readonly atOnce: number
  readonly within8h: number
  readonly within24h: number
  readonly p99h: number
  readonly longestH: number
}

export interface Summary {
  readonly days: number
  readonly actions: Readonly<Record<string, number>>
  /** Share of the looks at which an owner was shown as protected. */
  readonly protectedShare: number
  readonly restores: number
  /** Objects that were alive and could not be read from all disks together, at any look, whatever was shown. */
  readonly lostObjects: number
  /** Of restores that were asked for at any of the hours of any day, and at those in which an office works, as the model of waits has it. */
  readonly waits: Waits
  readonly waitsInOfficeHours: Waits
  /**
   * Bytes of shards that were made anew, for each user and year, against what a user's backup is long (on the mean of all days):
   * all of it but what a backup had left unfinished, and each cause by itself.
   */
  readonly repairPerUserYear: number
  readonly repairByCause: Readonly<Partial<Record<RepairCause, number>>>
  readonly backupBytesSent: number
  /** What all heads kept alive on the last day, and on the mean of all days. */
  readonly liveObjects: number
  readonly liveBytes: number
  readonly meanLiveBytes: number
}

export class Figures {
  readonly #actions = new Map<string, number>()
  readonly #waits: { readonly sinceMs: number; readonly nowMs: number }[] = []
  readonly #repairBytes = new Map<RepairCause, number>()
  #backupBytes = 0
  #shown = { protected: 0, all: 0 }
  readonly #lost = new Set<string>()
  #days = 0
  #live = { objects: 0, bytes: 0, byteDays: 0 }

  count(action: string, times = 1): void {
    if (times > 0) this.#actions.set(action, (this.#actions.get(action) ?? 0) + times)
  }

  lost(object: string): void {
    this.#lost.add(object)
  }

  repaired(bytesByCause: BytesByCause): void {
    for (const cause of repairCauses) {
      const bytes = bytesByCause[cause]
      if (bytes !== undefined) this.#repairBytes.set(cause, (this.#repairBytes.get(cause) ?? 0) + bytes)
    }
  }

  backedUp(bytes: number): void {
    this.#backupBytes += bytes
  }

  shown(isProtected: boolean): void {
    this.#shown.all++
    if (isProtected) this.#shown.protected++
  }

  /** From when it was asked for until it came. */
  waited(wait: { readonly sinceMs: number; readonly nowMs: number }): void {
    this.#waits.push(wait)
  }

  dayPassed({ objects, bytes }: { objects: number; bytes: number }): void {
    this.#days++
    this.#live = { objects, bytes, byteDays: this.#live.byteDays + bytes }
  }

  get summary(): Summary {
    const days = this.#days
    const meanLiveBytes = Math.round(this.#live.byteDays / Math.max(1, days))
    const perUserYear = (bytes: number): number => rounded(share(bytes, meanLiveBytes) * 365 / Math.max(1, days))
    const narrow = [...this.#repairBytes].filter(([cause]) => cause !== 'unfinished').reduce((sum, [, bytes]) => sum + bytes, 0)
    return {
      days, actions: Object.fromEntries([...this.#actions].toSorted()), protectedShare: share(this.#shown.protected, this.#shown.all),
      restores: this.#actions.get('restored') ?? 0, lostObjects: this.#lost.size,
      waits: waitsOf(this.#waits), waitsInOfficeHours: waitsOf(this.#waits.filter(({ sinceMs }) => isOfficeHour(sinceMs))),
      repairPerUserYear: perUserYear(narrow), repairByCause: Object.fromEntries([...this.#repairBytes].map(([cause, bytes]) => [cause, perUserYear(bytes)])), backupBytesSent: this.#backupBytes,
      liveObjects: this.#live.objects, liveBytes: this.#live.bytes, meanLiveBytes,
    }
  }
}

function waitsOf(waits: readonly { readonly sinceMs: number; readonly nowMs: number }[]): Waits {
  const sorted = waits.map(({ sinceMs, nowMs }) => (nowMs - sinceMs) / hourMs).sort((a, b) => a - b)
  const within = (hours: number) => share(sorted.filter((wait) => wait <= hours).length, sorted.length)
  return {
    asked: sorted.length, atOnce: within(0), within8h: within(8), within24h: within(24),
    p99h: sorted[Math.ceil(sorted.length * 0.99) - 1] ?? 0, longestH: sorted.at(-1) ?? 0,
  }
}

function rounded(value: number): number {
  return Math.round(value * 1000) / 1000
}

function share(part: number, of: number): number {
  return of === 0 ? 0 : Math.round(part / of * 10_000) / 10_000
}
