/** What a simulation measured. */
const hourMs = 3_600_000

export interface Summary {
  readonly days: number
  readonly actions: Readonly<Record<string, number>>
  /** Share of the looks at which an owner was shown as protected. */
  readonly protectedShare: number
  readonly restores: number
  /** Objects that were alive and could not be read from all disks together, at any look, whatever was shown. */
  readonly lostObjects: number
  /** Hours until enough machines were there for a restore: shares within 0, 8 and 24, and the 99th of a hundred. */
  readonly waits: { readonly asked: number; readonly atOnce: number; readonly within8h: number; readonly within24h: number; readonly p99h: number; readonly longestH: number }
  /** Bytes of shards that repair sent, for each user and year, against what a user's backup is long (on the mean of all days). */
  readonly repairPerUserYear: number
  readonly backupBytesSent: number
  /** What all heads kept alive on the last day, and on the mean of all days. */
  readonly liveObjects: number
  readonly liveBytes: number
  readonly meanLiveBytes: number
}

export class Figures {
  readonly #actions = new Map<string, number>()
  readonly #waitsMs: number[] = []
  #repairBytes = 0
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

  repaired(bytes: number): void {
    this.#repairBytes += bytes
  }

  backedUp(bytes: number): void {
    this.#backupBytes += bytes
  }

  shown(isProtected: boolean): void {
    this.#shown.all++
    if (isProtected) this.#shown.protected++
  }

  waited(ms: number): void {
    this.#waitsMs.push(ms)
  }

  dayPassed({ objects, bytes }: { objects: number; bytes: number }): void {
    this.#days++
    this.#live = { objects, bytes, byteDays: this.#live.byteDays + bytes }
  }

  get summary(): Summary {
    const waits = this.#waitsMs.toSorted((a, b) => a - b)
    const within = (hours: number) => share(waits.filter((ms) => ms <= hours * hourMs).length, waits.length)
    const days = this.#days
    const meanLiveBytes = Math.round(this.#live.byteDays / Math.max(1, days))
    return {
      days, actions: Object.fromEntries([...this.#actions].toSorted()), protectedShare: share(this.#shown.protected, this.#shown.all),
      restores: this.#actions.get('restored') ?? 0, lostObjects: this.#lost.size,
      waits: {
        asked: waits.length, atOnce: within(0), within8h: within(8), within24h: within(24),
        p99h: (waits[Math.ceil(waits.length * 0.99) - 1] ?? 0) / hourMs, longestH: (waits.at(-1) ?? 0) / hourMs,
      },
      repairPerUserYear: share(this.#repairBytes, meanLiveBytes) * 365 / Math.max(1, days), backupBytesSent: this.#backupBytes,
      liveObjects: this.#live.objects, liveBytes: this.#live.bytes, meanLiveBytes,
    }
  }
}

function share(part: number, of: number): number {
  return of === 0 ? 0 : Math.round(part / of * 10_000) / 10_000
}
