/**
 * What each machine says of its own backup (docs/format.md section 11): signed with its machine key, spread by gossip
 * beside its record and never written to a roster. It tells an admin who is covered; nothing is decided by it, so a machine
 * that lies about itself fools nobody's placement.
 */
import { z } from 'zod'
import { HoldfastError } from '../../../shared/errors.ts'
import { type MachineId, machineIdSchema, networkIdSchema, ownerIdSchema } from '../../../shared/ids.ts'
import { type PublicJwk, type Signer, peekRecord, secondsSchema, verifyRecord } from '../../identity/jws.ts'
import { holderSetsSchema } from './holder-sets.ts'
import { recordTypes, sign } from './records.ts'

const seconds = secondsSchema
const bytes = z.int().min(0)

const contentSchema = z.object({
  /** When the last complete snapshot was made, seconds since 1970; null: never. */
  snapshot: seconds.nullable(),
  state: z.enum(['protected', 'partial', 'unprotected']), placed: z.int().min(0).max(1000), wanted: z.int().min(0).max(1000),
  /** Bytes that no snapshot has yet, as far as sizes tell; null: not known. */
  unprotected: bytes.nullable(),
  /** When data was last read back and found right, seconds since 1970. */
  verified: seconds.nullable(),
  /** `verified` was of parts by lot, for a file at least; left out otherwise. */
  part: z.literal(true).optional(),
  /** When the last restore drill was, seconds since 1970, if it failed; left out otherwise. */
  failed: seconds.optional(),
  /** When the holder that was audited the longest ago answered rightly, seconds since 1970; null: one of them never did. */
  audited: seconds.nullable().default(null),
  /** What it keeps for others, and what it offers them. */
  used: bytes, offer: bytes,
  /** Its user says so; whether it is so is the network record's business. */
  admin: z.boolean(),
  /** What its owner has stored on other machines, as shards. */
  stored: bytes.default(0),
  /** Owners of which it lets nothing go (section 7, freeze). */
  frozen: z.array(ownerIdSchema).max(4).default([]),
  /** How many things its user chose to protect; null: it does not say. */
  chosen: z.int().min(0).nullable().default(null),
  /** Which machines hold the backup. Left out when it is not known, or the report has no room for it. */
  holders: holderSetsSchema.optional().catch(undefined),
})
export type CoverageContent = z.infer<typeof contentSchema>

export const coverageReportSchema = contentSchema.extend({ v: z.literal(1), net: networkIdSchema, id: machineIdSchema, seq: z.int().min(1), iat: seconds })
export type CoverageReport = z.infer<typeof coverageReportSchema>

export const maxReportLength = 1024
/** A report that says the same again is signed anew after so long, so that one can see that it still holds. */
const repeatSeconds = 6 * 3600
/** Bytes of the document: its characters with header and signature are then fewer than are taken. */
const mostBytes = 600

interface Held { readonly jws: string; readonly report: CoverageReport }

/** Throws `record-invalid`, `format-unknown`. */
export async function verifyCoverageReport(jws: string, keyOf: (id: MachineId) => PublicJwk | undefined): Promise<CoverageReport> {
  if (jws.length > maxReportLength) throw new HoldfastError('record-invalid', `Cannot accept a coverage report: it has ${jws.length} characters`)
  const claimed = peekRecord(recordTypes.coverage, jws, coverageReportSchema)
  const key = keyOf(claimed.id)
  if (key === undefined) throw new HoldfastError('record-invalid', 'Cannot accept a coverage report: it is of no member')
  return await verifyRecord(recordTypes.coverage, jws, key, coverageReportSchema)
}

/** The newest report of each machine, at most one each. */
export class CoverageBook {
  readonly #held = new Map<MachineId, Held>()

  add(jws: string, report: CoverageReport): 'taken' | 'known' | 'stale' {
    const known = this.#held.get(report.id)
    if (known !== undefined && known.report.seq >= report.seq) return known.jws === jws ? 'known' : 'stale'
    this.#held.set(report.id, { jws, report })
    return 'taken'
  }

  get(id: MachineId): Held | undefined {
    return this.#held.get(id)
  }

  all(): readonly Held[] {
    return [...this.#held.values()]
  }
}

export interface OwnReport {
  readonly net: CoverageReport['net']
  readonly machine: Signer & { readonly id: MachineId }
  readonly nowMs: number
  readonly before: CoverageReport | undefined
}

/** Undefined when the last one says the same and is not old. */
export async function signCoverageReport(whole: CoverageContent, { net, machine, nowMs, before }: OwnReport): Promise<string | undefined> {
  const iat = Math.floor(nowMs / 1000)
  const named = { v: 1 as const, net, id: machine.id, iat }
  const content = JSON.stringify({ ...whole, ...named, seq: Math.floor(nowMs) }).length > mostBytes ? { ...whole, holders: undefined } : whole
  const isFresh = before !== undefined && Math.abs(iat - before.iat) < repeatSeconds
  if (isFresh && JSON.stringify(contentSchema.parse(before)) === JSON.stringify(contentSchema.parse(content))) return undefined
  const seq = Math.max((before?.seq ?? 0) + 1, Math.floor(nowMs))
  const signed = async (frozen: CoverageContent['frozen']) => await sign(recordTypes.coverage, coverageReportSchema, { ...content, frozen, ...named, seq }, machine)
  let jws = await signed(content.frozen)
  for (let count = content.frozen.length - 1; jws.length > maxReportLength && count >= 0; count--) jws = await signed(content.frozen.slice(0, count)) // with the longest numbers
  return jws
}
