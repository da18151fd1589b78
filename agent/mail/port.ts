/** A way to send mail. */
export interface Mail {
  readonly to: readonly string[]
  readonly subject: string
  /** Plain text. */
  readonly text: string
}

/** Resolves once a server has taken the mail for all recipients; rejects `mail-failed` with the server's own words. */
export interface Mailer {
  send(mail: Mail, options: { signal: AbortSignal }): Promise<void>
}
