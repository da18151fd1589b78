/** What tells one state of a file from another without reading it. */
import type { BigIntStats } from 'node:fs'

export interface FileIdentity {
  readonly size: number
  /** Nanoseconds since 1970, as fine as the file system keeps them. */
  readonly mtimeNs: bigint
  readonly ctimeNs: bigint
  /** `device:inode` (on Windows volume and file index); the names of one file share it. */
  readonly fileId: string
}

export function fileIdOf(stats: BigIntStats): string {
  return `${stats.dev}:${stats.ino}`
}

export function identityOf(stats: BigIntStats): FileIdentity {
  return { size: Number(stats.size), mtimeNs: stats.mtimeNs, ctimeNs: stats.ctimeNs, fileId: fileIdOf(stats) }
}

export function sameIdentity(a: FileIdentity, b: FileIdentity): boolean {
  return a.size === b.size && a.mtimeNs === b.mtimeNs && a.ctimeNs === b.ctimeNs && a.fileId === b.fileId
}

/**
 * Window in which a time stamp cannot tell two writes apart: FAT keeps modification times to 2 s, other file systems
 * to a clock tick of some milliseconds.
 */
export const racyWindowMs = 2000

/**
 * True when a write right after this moment could leave the same modification time ("racily clean", as git calls it),
 * or when the file claims to come from the future.
 */
export function isRacy(mtimeNs: bigint, nowMs: number): boolean {
  return BigInt(Math.floor(nowMs)) * 1_000_000n - mtimeNs <= BigInt(racyWindowMs) * 1_000_000n
}

/**
 * Seconds since 1970 for utimes(), as text, because Node takes a negative number for "now".
 *
 * Node passes times as a double: until 2038 the stored time is within 120 ns of the one asked for, to 2106 within
 * 240 ns. What is recorded is exact; what is restored is that close.
 */
export function utimesSeconds(timeNs: bigint): string {
  const magnitude = timeNs < 0n ? -timeNs : timeNs
  const fraction = String(magnitude % 1_000_000_000n).padStart(9, '0')
  return `${timeNs < 0n ? '-' : ''}${magnitude / 1_000_000_000n}.${fraction}`
}

/** A restored time may be later than the recorded one by this much (see utimesSeconds). */
export const restoredTimeToleranceNs = 1_000n
