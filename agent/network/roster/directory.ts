/**
 * What the Active Directory roster needs of a directory. Two adapters: LDAP (ldap-directory.ts) and, on Windows without a
 * stored password, ADSI in a PowerShell child (adsi-directory.ts).
 *
 * Duties: every call rejects `roster-unavailable` when the directory cannot be reached, refuses the sign-in, or does not
 * allow it, and says which; calls are not retried here.
 */
export interface DirectoryRecord {
  /** The record's name in the roster, as somebody wrote it: not checked. */
  readonly name: string
  readonly text: string
}

export interface DirectoryState {
  /** The domain controller that answers; change numbers of two controllers cannot be compared. */
  readonly service: string
  /** highestCommittedUSN, a decimal number. */
  readonly usn: string
}

export type Options = { readonly signal?: AbortSignal | undefined }

export interface Directory {
  /** The controller and its newest change: read before a search, so that what changes meanwhile is seen next time. */
  state(options?: Options): Promise<DirectoryState>
  /** Entries of the roster, those with `uSNChanged` above `since` alone when it is given. At most `limit`. */
  search(since: string | undefined, limit: number, options?: Options): Promise<DirectoryRecord[]>
  /** Throws when the container is not there and cannot be made. */
  prepare(options?: Options): Promise<void>
  add(record: DirectoryRecord, options?: Options): Promise<'created' | 'exists'>
  /** False when there is no such entry of ours. */
  replace(record: DirectoryRecord, options?: Options): Promise<boolean>
  /** No error when it is not there. */
  remove(name: string, options?: Options): Promise<void>
}

/** Where a roster is in a directory: what its locator says (locator.ts). */
export interface DirectoryPlace {
  readonly locator: string
  readonly url: string
  /** Distinguished name of the container; undefined: below each machine's own computer object, under this label. */
  readonly container: string | undefined
  readonly label: string
}

/** The value of `keywords` that every entry of a roster carries; another one carries the record's name. */
export function rosterKeyword(label: string): string {
  return `holdfast-roster-1:${label}`
}

export const nameKeyword = 'holdfast-record:'
