/**
 * What this machine wrote of itself: its instance, the highest seq ever used with its key, what let it in, its newest
 * record. And whether a record of its own id that somebody shows is its own, from an earlier life, or a clone's.
 */
import { randomBytes } from 'node:crypto'
import type { Verdict } from './intake.ts'
import type { Admission, VerifiedPeer } from './records.ts'

export interface OwnState {
  /** Random for each home. */
  readonly inst: string
  /** The highest seq ever written with this machine's key. */
  readonly seq: number
  readonly admission: Admission | undefined
  readonly peer: VerifiedPeer | undefined
}

export function newOwnState(): OwnState {
  return { inst: randomBytes(12).toString('base64url'), seq: 0, admission: undefined, peer: undefined }
}

/**
 * One from before this state was begun (`iat`, own clock; `sinceMs`) is our own from an earlier life of the home: its seq
 * is taken over. Later ones with another `inst` or a higher seq, or another one of the newest seq, are somebody else's work.
 */
export function compareOwn(own: OwnState, { record, jws }: VerifiedPeer, sinceMs: number): { verdict: Verdict; own: OwnState } {
  const { inst, seq, peer } = own
  if (record.inst === inst && record.seq <= seq) {
    if (jws === peer?.jws) return { verdict: 'known', own }
    // A copy of this home has the same `inst`, and went on from the same number.
    return { verdict: peer === undefined || record.seq < peer.record.seq ? 'stale' : 'cloned-key', own }
  }
  if (record.inst !== inst && record.iat * 1000 < sinceMs) return { verdict: 'stale', own: { ...own, seq: Math.max(seq, record.seq) } }
  return { verdict: 'cloned-key', own }
}
