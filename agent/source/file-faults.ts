/** What the operating system says when a file cannot be read or written, as errors that a user understands. */
import { HoldfastError } from '../../shared/errors.ts'
import { systemReason } from '../../shared/system-reasons.ts'

export function systemCode(error: unknown): string {
  return error instanceof Error && 'code' in error && typeof error.code === 'string' ? error.code : 'unknown'
}

/** True when the entry, or a folder above it, does not exist. */
export function isMissing(error: unknown): boolean {
  return ['ENOENT', 'ENOTDIR'].includes(systemCode(error))
}

const readStates: Readonly<Record<string, string>> = {
  EBUSY: 'another program has locked it (Outlook does so while it is open); close it and try again',
  ETXTBSY: 'another program has locked it; close it and try again',
}

/** Why an entry could not be read, in words. On Windows a byte-range lock shows as EBUSY at reading, not at opening. */
export function readState(error: unknown): string {
  return readStates[systemCode(error)] ?? systemReason(error)
}

/** `file-unreadable` for a failed open, stat or read; an error of ours passes as it is. */
export function unreadable(path: string, cause: unknown): HoldfastError {
  if (cause instanceof HoldfastError) return cause
  return new HoldfastError('file-unreadable', `Cannot read ${path}: ${readState(cause)}`, {
    details: { path, reason: systemCode(cause) }, cause,
  })
}

/** `disk-full`, `already-exists`, `path-unsafe` (a symbolic link is in the way) or `target-unwritable`. */
export function unwritable(path: string, cause: unknown): HoldfastError {
  if (cause instanceof HoldfastError) return cause
  const reason = systemCode(cause)
  const details = { path, reason }
  if (['ENOSPC', 'EDQUOT'].includes(reason)) {
    return new HoldfastError('disk-full', `Cannot write ${path}: the disk is full`, { details, cause })
  }
  if (reason === 'ENOTDIR') return new HoldfastError('already-exists', `Cannot write ${path}: something above it is a file, not a folder`, { details, cause })
  if (['EEXIST', 'EISDIR', 'ENOTEMPTY'].includes(reason)) {
    return new HoldfastError('already-exists', `Cannot write ${path}: something else has that name`, { details, cause })
  }
  if (reason === 'ELOOP') {
    return new HoldfastError('path-unsafe', `Cannot write ${path}: a symbolic link is in the way`, { details, cause })
  }
  const state = reason === 'EFBIG'
    ? 'the file system does not hold files of this size'
    : readState(cause)
  return new HoldfastError('target-unwritable', `Cannot write ${path}: ${state}`, { details, cause })
}
