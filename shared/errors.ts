/**
 * The one error class and the one table of codes.
 *
 * A code is a stable name that scripts, the wire and the pane rely on. The table gives each code a title, the HTTP
 * status of its problem document (RFC 9457), whether trying again may help, and what the user should do.
 * Messages read "Cannot <verb> <thing>: <state>" and never hold key material or file content.
 */

interface ErrorKind {
  readonly title: string
  readonly status: number
  readonly retry: boolean
  readonly guidance: string
}

const kinds = {
  'invalid-input': { title: 'The request is not valid', status: 400, retry: false, guidance: 'Check the command or the request against the help.' },
  'invalid-config': { title: 'The configuration is not valid', status: 500, retry: false, guidance: 'Correct the named setting in config.json.' },
  'not-found': { title: 'Not found', status: 404, retry: false, guidance: 'Check the name or path.' },
  'already-exists': { title: 'It exists already', status: 409, retry: false, guidance: 'Choose another name or place.' },
  'in-use': { title: 'Another agent uses this home', status: 409, retry: false, guidance: 'Stop the other agent, or give this one its own --home.' },
  'not-a-member': { title: 'This machine is in no work group', status: 409, retry: false, guidance: 'Run `holdfast network create` or `holdfast network join`.' },
  'unauthorized': { title: 'Not allowed', status: 401, retry: false, guidance: 'Ask whom the message names. Who is no member joins with an invitation, or recovers with the recovery kit.' },
  'sign-in-failed': { title: 'The sign-in failed', status: 401, retry: true, guidance: 'Members go on backing up meanwhile. Try again; when an admin has to allow the app, send him the link above.' },
  'not-paired': { title: 'This pane is not connected to the agent', status: 401, retry: false, guidance: 'Run `holdfast open`, or type the code that `holdfast open --code` shows.' },
  'forbidden': { title: 'Not allowed', status: 403, retry: false, guidance: 'This credential may not do that.' },
  'wrong-host': { title: 'Asked under another name', status: 421, retry: false, guidance: 'Open the pane as https://localhost with the agent\'s port.' },
  'too-many-attempts': { title: 'Too many attempts', status: 429, retry: true, guidance: 'Run `holdfast open --code` for a new code.' },
  'revoked': { title: 'This machine was shut out', status: 403, retry: false, guidance: 'A newer recovery or an admin replaced this machine; ask the admin.' },
  'invitation-invalid': { title: 'The invitation cannot be used', status: 400, retry: false, guidance: 'Ask the admin for a new invitation: `holdfast network invite`.' },
  'recovery-words-invalid': { title: 'The recovery words are not right', status: 400, retry: false, guidance: 'Compare each word with the recovery kit.' },
  'roster-unavailable': { title: 'The roster cannot be reached', status: 503, retry: true, guidance: 'Check the network and the place. Members back up and restore from their signed copy meanwhile; founding, joining and moving the roster wait until it answers.' },
  'roster-rolled-back': { title: 'The roster went back in time', status: 409, retry: false, guidance: 'Its older records are ignored; ask who restored the folder.' },
  'record-invalid': { title: 'A signed record is not valid', status: 400, retry: false, guidance: 'It is ignored; the sender is named in the log.' },
  'peer-unreachable': { title: 'A peer cannot be reached', status: 503, retry: true, guidance: 'It may be switched off; the backup goes on with the others.' },
  'peer-misbehaves': { title: 'A peer broke the protocol', status: 502, retry: false, guidance: 'Its answer was thrown away; see the log.' },
  'protocol-unknown': { title: 'The peer speaks another version', status: 502, retry: false, guidance: 'Update Holdfast on the older machine.' },
  'quota-exceeded': { title: 'The holder has no space to offer', status: 507, retry: true, guidance: 'Offer more space with --quota, or add a machine.' },
  'disk-full': { title: 'The disk is full', status: 507, retry: true, guidance: 'Free some space and run the command again; it goes on where it stopped.' },
  'too-few-holders': { title: 'Too few machines for this redundancy', status: 503, retry: true, guidance: 'Switch on or add machines, or choose a lower redundancy level.' },
  'object-missing': { title: 'A part of the backup is missing', status: 503, retry: true, guidance: 'Switch on the machines that hold it; `holdfast verify` lists them.' },
  'object-damaged': { title: 'A part of the backup is damaged', status: 500, retry: false, guidance: 'Run `holdfast repair`; other holders may have a good copy.' },
  'format-unknown': { title: 'Written by a newer version', status: 500, retry: false, guidance: 'Update Holdfast on this machine.' },
  'key-missing': { title: 'The key is missing', status: 409, retry: false, guidance: 'Recover with the recovery kit: `holdfast recover`.' },
  'key-cloned': { title: 'Two machines use one key', status: 409, retry: false, guidance: 'Stop the copy of this home. When you know of none, recover with the recovery kit on an empty machine: that shuts both out.' },
  'contact-waiting': { title: 'The owner may still refuse', status: 409, retry: true, guidance: 'Run the command again later; the owner was told of the request.' },
  'outlook-unavailable': { title: 'Outlook did not open the archive', status: 503, retry: true, guidance: 'In Outlook: File, Open & Export, Open Outlook Data File, and choose the restored file.' },
  'file-changed': { title: 'The file changed while it was read', status: 409, retry: true, guidance: 'It is read again at the next run.' },
  'file-unreadable': { title: 'The file cannot be read', status: 500, retry: true, guidance: 'Check its permissions, or close the program that locks it.' },
  'target-newer': { title: 'The target has a newer file', status: 409, retry: false, guidance: 'Restore to another folder, or add --overwrite.' },
  'target-unwritable': { title: 'The target cannot be written', status: 500, retry: true, guidance: 'Check the permissions of the folder, or restore to another one.' },
  'path-unsafe': { title: 'A path leads outside the target', status: 400, retry: false, guidance: 'The entry was refused; report the backup it came from.' },
  'cancelled': { title: 'Cancelled', status: 499, retry: true, guidance: 'Run the command again; it goes on where it stopped.' },
  'mail-failed': { title: 'A mail was not sent', status: 502, retry: true, guidance: 'Check mail.smtp with `holdfast mail test`; it is tried again by itself.' },
  'timeout': { title: 'No answer in time', status: 504, retry: true, guidance: 'Try again; check the network.' },
  'agent-not-running': { title: 'The agent is not running', status: 503, retry: true, guidance: 'Start it with `holdfast autostart on`, which also starts it whenever you log on, or for now with `holdfast agent`.' },
  'internal': { title: 'A defect in Holdfast', status: 500, retry: false, guidance: 'Please report it with the log.' },
} as const satisfies Record<string, ErrorKind>

export type ErrorCode = keyof typeof kinds

/** Plain facts about an error, safe to show: ids, counts, paths. */
export type ErrorDetails = Readonly<Record<string, string | number | boolean | readonly string[]>>

/** An error that a user or a peer may see. Programmer faults are TypeError and RangeError. */
export class HoldfastError extends Error {
  override readonly name = 'HoldfastError'
  readonly code: ErrorCode
  readonly details: ErrorDetails
  /** What the user should do. */
  readonly guidance: string

  /** `guidance`: where what the code says in general does not help. */
  constructor(code: ErrorCode, message: string, options: { details?: ErrorDetails; guidance?: string | undefined; cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause })
    this.code = code
    this.details = options.details ?? {}
    this.guidance = options.guidance ?? kinds[code].guidance
  }

  get kind(): ErrorKind {
    return kinds[this.code]
  }
}

/** RFC 9457 problem document; `code` selects the guidance on screen. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly detail: string
  readonly code: ErrorCode
  readonly guidance: string
  readonly details: ErrorDetails
}

export function isErrorCode(value: unknown): value is ErrorCode {
  return typeof value === 'string' && Object.hasOwn(kinds, value)
}

/** Any thrown value as a problem document. What is not a HoldfastError shows as `internal` without its text. */
export function toProblem(error: unknown): Problem {
  const known = error instanceof HoldfastError ? error : new HoldfastError('internal', 'Cannot go on: unexpected failure')
  return {
    type: `urn:holdfast:error:${known.code}`,
    title: known.kind.title,
    status: known.kind.status,
    detail: known.message,
    code: known.code,
    guidance: known.guidance,
    details: known.details,
  }
}

export function hasCode(error: unknown, ...codes: readonly ErrorCode[]): error is HoldfastError {
  return error instanceof HoldfastError && codes.includes(error.code)
}
