/** The way in: signed texts of any origin become verified records or a counted refusal. Keeps what was refused in mind. */
import { hasCode } from '../../../shared/errors.ts'
import { type DeviceCertificate, verifyDeviceCertificate } from '../../identity/device.ts'
import { maxRecordLength, peekType } from '../../identity/jws.ts'
import type { Refusal as AdmissionRefusal } from './admission.ts'
import { type ContactRecord, verifyContactRecord } from './contact-records.ts'
import { type AdmitGrant, type Invitation, type VerifiedNetwork, type VerifiedPeer, recordTypes, sha256Of, verifyAdmit, verifyInvitation, verifyNetwork, verifyPeer } from './records.ts'
import type { RosterHighest } from './roster-watch.ts'

const maxRemembered = 20_000

/** Where records came from. `name` is a locator, a machine id or a path. */
export interface Source {
  readonly kind: 'roster' | 'member' | 'candidate' | 'state' | 'self'
  readonly name: string
}

export type Refusal =
  | AdmissionRefusal | 'record-invalid' | 'format-unknown' | 'too-long' | 'unknown-type' | 'foreign' | 'waiting' | 'quota'
  | 'late-fork' | 'cloned-key' | 'unknown-owner' | 'unknown-machine' | 'not-asked'
export type Verdict = 'taken' | 'known' | 'stale' | Refusal

export interface IngestReport {
  taken: number
  known: number
  /** Valid, but older than what is held. */
  stale: number
  readonly refused: Partial<Record<Refusal, number>>
}

export type Verified =
  | { readonly kind: 'network'; readonly network: VerifiedNetwork }
  | { readonly kind: 'device'; readonly jws: string; readonly certificate: DeviceCertificate }
  | { readonly kind: 'invitation'; readonly jws: string; readonly invitation: Invitation }
  | { readonly kind: 'grant'; readonly jws: string; readonly grant: AdmitGrant }
  | { readonly kind: 'peer'; readonly peer: VerifiedPeer }
  | { readonly kind: 'contact'; readonly jws: string; readonly contact: ContactRecord }

const contactOrder = { choice: 0, pass: 1, request: 2, drop: 2, end: 2 } as const
const applyOrder = { network: 0, device: 1, invitation: 1, grant: 1, peer: 2, contact: 3 } as const

export class Intake {
  readonly #invalid = new Map<string, Refusal>()

  /** Never rejects for what the record holds. */
  async verify(jws: string): Promise<Verified | Refusal> {
    if (jws.length > maxRecordLength) return 'too-long'
    const hash = sha256Of(jws)
    const known = this.#invalid.get(hash)
    if (known !== undefined) return known
    try {
      const type = peekType(jws)
      switch (type) {
        case recordTypes.network: return { kind: 'network', network: await verifyNetwork(jws) }
        case recordTypes.peer: return { kind: 'peer', peer: await verifyPeer(jws) }
        case recordTypes.device: return { kind: 'device', jws, certificate: await verifyDeviceCertificate(jws) }
        case recordTypes.invitation: return { kind: 'invitation', jws, invitation: await verifyInvitation(jws) }
        case recordTypes.admit: return { kind: 'grant', jws, grant: await verifyAdmit(jws) }
        case recordTypes.contact: case recordTypes.contactRequest: case recordTypes.contactEnd: case recordTypes.contactDrop: case recordTypes.contactPass: return { kind: 'contact', jws, contact: await verifyContactRecord(type, jws) }
        default: return 'unknown-type'
      }
    } catch (error) {
      const refusal = refusalOfError(error)
      if (this.#invalid.size >= maxRemembered) this.#invalid.clear()
      this.#invalid.set(hash, refusal)
      return refusal
    }
  }
}

/** What a verify function threw, as a refusal; anything else is thrown on. */
export function refusalOfError(error: unknown): 'record-invalid' | 'format-unknown' {
  if (!hasCode(error, 'record-invalid', 'format-unknown')) throw error
  return error.code === 'format-unknown' ? 'format-unknown' : 'record-invalid'
}

export function newReport(): IngestReport {
  return { taken: 0, known: 0, stale: 0, refused: {} }
}

export function count(report: IngestReport, verdict: Verdict, times = 1): void {
  if (verdict === 'taken' || verdict === 'known' || verdict === 'stale') report[verdict] += times
  else report.refused[verdict] = (report.refused[verdict] ?? 0) + times
}

export function joinReports(...reports: readonly IngestReport[]): IngestReport {
  const all = newReport()
  for (const report of reports) {
    for (const verdict of ['taken', 'known', 'stale'] as const) count(all, verdict, report[verdict])
    for (const [refusal, times] of Object.entries(report.refused) as [Refusal, number][]) count(all, refusal, times)
  }
  return all
}

export function jwsOf(verified: Verified): string {
  if (verified.kind === 'network') return verified.network.jws
  return verified.kind === 'peer' ? verified.peer.jws : verified.jws
}

/** Network records first, by epoch; then peers, because they are judged by the others; what contacts ask, or anybody ends, after what was chosen and passed on. */
export function byDependency(a: Verified, b: Verified): number {
  const within = (one: Verified): number => (one.kind === 'network' ? one.network.record.epoch : one.kind === 'contact' ? contactOrder[one.contact.kind] : 0)
  const rank = (one: Verified): number => applyOrder[one.kind] * 1e7 + within(one)
  return rank(a) - rank(b)
}

/** Adds what one verified record shows to the highest numbers of a listing. */
export function noteHighest(one: Verified, highest: RosterHighest): void {
  if (one.kind === 'network') highest.epoch = Math.max(highest.epoch, one.network.record.epoch)
  if (one.kind === 'peer') highest.seqs.set(one.peer.record.id, Math.max(highest.seqs.get(one.peer.record.id) ?? 0, one.peer.record.seq))
}
