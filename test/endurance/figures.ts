/** What a simulation measured. */
const hourMs = 3_600_000

export interface Summary {
  readonly days: number
  readonly actions: Readonly<Record<string, number>>
  /** Share of the looks at which an owner was shown as protected. */
  readonly protectedShare: number
  readonly restores: number
  /** Hours until enough machines were there for a restore: shares within 0, 8 and 24, and the 99th of a hundred. */
  readonly waits: { readonly asked: number; readonly atOnce: number; readonly within8h: number; readonly within24h: number; readonly p99h: number; readonly longestH: number }
  /** Bytes of shards that repair sent, for each user and year, against what a user's backup is long. */
  readonly repairPerUserYear: number
  readonly backupBytesSent: number
}

export class Figures {
  readonly #actions = new Map<string, number>()
  readonly #waitsMs: number[] = []
  #repairBytes = 0
  #backupBytes = 0
  #shown = { protected: 0, all: 0 }
  #end = { days: 0, liveBytes: 0, machines: 0 }

  count(action: string): void {
    this.#actions.set(action, (this.#actions.get(action) ?? 0) + 1)
  }

  rotted(shards: number): void {
    this.#actions.set('shards rotted', (this.#actions.get('shards rotted') ?? 0) + shards)
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

  end(end: { days: number; liveBytes: number; machines: number }): void {
    this.#end = end
  }

  get summary(): Summary {
    const waits = this.#waitsMs.toSorted((a, b) => a - b)
    const within = (hours: number) => share(waits.filter((ms) => ms <= hours * hourMs).length, waits.length)
    const { days, liveBytes } = this.#end
    return {
      days, actions: Object.fromEntries([...this.#actions].toSorted()), protectedShare: share(this.#shown.protected, this.#shown.all),
      restores: this.#actions.get('restored') ?? 0,
      waits: {
        asked: waits.length, atOnce: within(0), within8h: within(8), within24h: within(24),
        p99h: (waits[Math.ceil(waits.length * 0.99) - 1] ?? 0) / hourMs, longestH: (waits.at(-1) ?? 0) / hourMs,
      },
      repairPerUserYear: share(this.#repairBytes, liveBytes) * 365 / Math.max(1, days), backupBytesSent: this.#backupBytes,
    }
  }
}

function share(part: number, of: number): number {
  return of === 0 ? 0 : Math.round(part / of * 10_000) / 10_000
}
