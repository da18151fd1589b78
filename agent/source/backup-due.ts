/** When a protected path that changes by itself is due for a backup. Pure: the caller keeps the state and the clock. */

export interface PathChange {
  readonly path: string
  /** Bytes that all its files together grew by since the change before; 0 when they changed in place or shrank. */
  readonly bytesGrown: number
  /** Milliseconds since 1970. */
  readonly changedAt: number
}

/** What has happened to a path since its last backup. */
export interface PendingGrowth {
  readonly bytesGrown: number
  readonly lastChangeAt: number
}

export interface DueRule {
  /** Due when there was no change for this long. */
  readonly quietMs: number
  /** Due when it grew by this much, however busy it is. */
  readonly growthBytes: number
}

export const defaultDueRule: DueRule = { quietMs: 300_000, growthBytes: 64 * 2 ** 20 }

/** Adds a change; `undefined` stands for "nothing since the last backup". */
export function withChange(pending: PendingGrowth | undefined, change: PathChange): PendingGrowth {
  return {
    bytesGrown: (pending?.bytesGrown ?? 0) + change.bytesGrown,
    lastChangeAt: Math.max(pending?.lastChangeAt ?? change.changedAt, change.changedAt),
  }
}

/**
 * Whichever comes first: enough growth, or quiet for long enough. A clock that was set back makes it due at once, since
 * nothing tells how long it has been quiet. A path that changes in place without ever being quiet is left to the
 * schedule.
 */
export function dueForBackup(
  pending: PendingGrowth | undefined, nowMs: number, rule: DueRule = defaultDueRule,
): boolean {
  if (pending === undefined) return false
  const quietForMs = nowMs - pending.lastChangeAt
  return pending.bytesGrown >= rule.growthBytes || quietForMs >= rule.quietMs || quietForMs < 0
}
