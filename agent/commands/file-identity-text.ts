/**
 * By what a file is known again as unchanged, as text that stands in its entry.
 *
 * An Outlook archive is unchanged when its whole header is (each commit of Outlook's changes it, mere opening changes
 * times only); it is read in full again after a week all the same. Any other file is unchanged when size, times and file
 * id are, and its times were not so young that a later write could have kept them.
 */
import { createHash } from 'node:crypto'
import type { FileIdentity } from '../source/file-identity.ts'

const fullReadMs = 7 * 86_400_000
const archivePattern = /^pst:([0-9a-f]{32}):(\d+):(\d+)$/

export function fileIdentityText({ size, mtimeNs, ctimeNs, fileId }: FileIdentity): string {
  return `file:${size}:${mtimeNs}:${ctimeNs}:${fileId}`
}

export interface ArchiveState {
  readonly header: Uint8Array
  readonly size: number
}

/** `readMs`: when it was read in full. */
export function archiveIdentityText({ header, size }: ArchiveState, readMs: number): string {
  return `pst:${digest(header)}:${size}:${Math.floor(readMs)}`
}

export function isArchiveIdentity(text: string): boolean {
  return archivePattern.test(text)
}

export function isUnchangedArchive(text: string, { header, size }: ArchiveState, nowMs: number): boolean {
  const [, before, length, readMs] = archivePattern.exec(text) ?? []
  const ageMs = nowMs - Number(readMs)
  return before === digest(header) && Number(length) === size && ageMs >= 0 && ageMs < fullReadMs
}

function digest(header: Uint8Array): string {
  return createHash('sha256').update(header).digest('hex').slice(0, 32)
}
