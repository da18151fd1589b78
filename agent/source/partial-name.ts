/**
 * Names of a file that is being restored, and of what lies beside it until it is whole:
 * `.<name>.holdfast-partial`, its journal `.<name>.holdfast-partial.json` and the journal's own temporary name.
 * A name too long for that gives way to the start of its SHA-256.
 */
import { createHash } from 'node:crypto'

/** The limit of one name: 255 bytes on Linux and macOS, 255 UTF-16 units on Windows; bytes are the stricter count. */
const nameLimit = 255
const longestEnding = '.holdfast-partial.json.tmp'

export interface PartialNames {
  readonly data: string
  readonly journal: string
  readonly journalDraft: string
}

export function partialNames(name: string): PartialNames {
  const fits = Buffer.byteLength(name) + 1 + longestEnding.length <= nameLimit
  const stem = fits ? name : createHash('sha256').update(name).digest('hex').slice(0, 32)
  const data = `.${stem}.holdfast-partial`
  return { data, journal: `${data}.json`, journalDraft: `${data}.json.tmp` }
}

/** True for names that belong to an unfinished restore: never backed up, never taken from a backup. */
export function isPartialName(name: string): boolean {
  return /^\..+\.holdfast-partial(?:\.json(?:\.tmp)?)?$/iu.test(name)
}

/**
 * `report.docx` → `report (restored 2026-11-22 153000).docx`, in local time; `attempt` 2 and up adds a number.
 * The stem is shortened where the whole would be too long for a file system.
 */
export function besideName(name: string, restoredAt: Date, attempt = 1): string {
  const dot = name.lastIndexOf('.')
  const ending = dot > 0 && Buffer.byteLength(name) - Buffer.byteLength(name.slice(0, dot)) <= 32 ? name.slice(dot) : ''
  const tag = ` (restored ${stamp(restoredAt)})${attempt > 1 ? ` ${attempt}` : ''}`
  const room = nameLimit - Buffer.byteLength(tag) - Buffer.byteLength(ending)
  let stem = ending === '' ? name : name.slice(0, dot)
  while (Buffer.byteLength(stem) > room) stem = [...stem].slice(0, -1).join('')
  return `${stem}${tag}${ending}`
}

function stamp(at: Date): string {
  const two = (value: number): string => String(value).padStart(2, '0')
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`
  return `${day} ${two(at.getHours())}${two(at.getMinutes())}${two(at.getSeconds())}`
}
