/**
 * A roster: a place that the company already runs, where the group's signed records lie as files or objects.
 * Its content is evidence, never an order: records are verified by membership.ts, absence deletes nothing.
 *
 * Names (names.ts): `network/000001.jws`, `peers/<machine id in hex>.jws`, `claims/<invitation id in hex>-<slot>.jws`,
 * `heads/<owner id in hex>-<machine id in hex>.json`. A value is at most 64 KiB of text.
 */
export interface RosterRecord {
  readonly name: string
  readonly text: string
}

export interface RosterListing {
  readonly records: readonly RosterRecord[]
  readonly cursor: string
  readonly ignored: number
  /** `records` is everything that there is: what is not in it is not there. */
  readonly whole: boolean
}

export interface ListOptions {
  readonly signal?: AbortSignal | undefined
  /** The newest text that the caller has of a name: a place that tells digests need not send it again. */
  readonly known?: ((name: string) => string | undefined) | undefined
  /** False for what reaches the caller otherwise: a place that sends each record by itself leaves it out of the answer for now. */
  readonly wanted?: ((name: string) => boolean) | undefined
}

/**
 * Duties (a `roster-unavailable` whose remedy is that somebody signs in on this machine carries the detail `signIn`, the locator):
 * - prepare: makes the place if it is not there and proves that it can be written: for who founds a group, never for who
 *   joins or polls. Rejects `roster-unavailable`.
 * - list: every readable record (`whole`), or those changed since the cursor, and a new cursor. Foreign, unreadable, oversized files
 *   are counted in `ignored`, never thrown. Rejects `roster-unavailable` when the place itself cannot be read.
 * - putOwn: replaces the record of that name, atomically for readers. Last writer wins.
 * - createOnce: 'created' or 'exists'. As atomic as the place allows; nothing may rest on it being so. Where the very text stands already,
 *   either is answered: a place may know again what it took when its answer was lost, or may not look. Callers bear both.
 * - remove: no error when it is not there.
 */
export interface Roster {
  readonly locator: string
  /** Requests are counted by who runs the place: it is polled seldom, by lot (roster-sync.ts). */
  readonly isMetered?: boolean
  /** Seconds that the place asked to be left alone when it last answered, though it did answer; 0 or undefined: none. */
  readonly restSeconds?: number
  /** What is there, for a person who wants to see that it is the right place. Rejects as list does. */
  about?(options?: { signal?: AbortSignal | undefined }): Promise<string>
  prepare(options?: { signal?: AbortSignal | undefined }): Promise<void>
  list(cursor?: string, options?: ListOptions): Promise<RosterListing>
  putOwn(name: string, text: string, options?: { signal?: AbortSignal | undefined }): Promise<void>
  createOnce(name: string, text: string, options?: { signal?: AbortSignal | undefined }): Promise<'created' | 'exists'>
  remove(name: string, options?: { signal?: AbortSignal | undefined }): Promise<void>
}
