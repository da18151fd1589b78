/** Outlook on this machine, as far as another program may use it. */

/** Why it cannot be asked to open an archive; `detail` says what that means and what to do, in English. */
export interface OutlookObstacle {
  readonly reason: 'not-windows' | 'no-session' | 'not-installed' | 'rights' | 'unknown'
  readonly detail: string
}

export interface OpenedArchive {
  /** As Outlook's folder list calls it. */
  readonly name: string
  /** It was in the folder list already. */
  readonly wasOpen: boolean
}

export interface Outlook {
  /** Undefined when nothing stands in the way. Rejects only with the signal's reason. */
  obstacle(signal: AbortSignal): Promise<OutlookObstacle | undefined>
  /**
   * Adds an archive to the person's profile, or finds it there, and shows it. Doing it again changes nothing. The caller has seen that the
   * file is an archive: Outlook makes an empty one of a path where there is none. Throws `outlook-unavailable`, `file-unreadable`.
   */
  openArchive(path: string, signal: AbortSignal): Promise<OpenedArchive>
}
