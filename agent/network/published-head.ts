/** Heads as holders and readers see them (docs/format.md section 7): verified, ordered, their live lists opened. */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import { type MachineId, machineIdSchema, ownerIdSchema } from '../../shared/ids.ts'
import { type DeviceCertificate, verifyDeviceCertificate } from '../identity/device.ts'
import { peekRecord, verifyRecord } from '../identity/jws.ts'
import { type ObjectId, type ObjectKind, type ObjectRef, type PublishedHead, objectKinds } from '../object-store.ts'

export const liveEntryLength = 41
const kindOf = new Map<number, ObjectKind>(Object.entries(objectKinds).map(([name, number]) => [number, name as ObjectKind]))

const headSchema = z.object({
  v: z.literal(1), owner: ownerIdSchema, machine: machineIdSchema, epoch: z.int().min(1), seq: z.int().min(1), time: z.string(),
  live: z.object({ count: z.int().min(0), sha256: z.string() }),
  adopts: z.array(z.object({ machine: machineIdSchema, seq: z.int().min(1) })).max(64).default([]),
})

export interface VerifiedHead extends PublishedHead {
  readonly device: DeviceCertificate
  readonly epoch: number
  readonly seq: number
  /** Chains that it takes over. */
  readonly adopts: readonly Adoption[]
}

export interface Adoption {
  readonly machine: MachineId
  readonly seq: number
}

/** A head without its live list: certificate and signature checked, and that both name one device. */
export interface HeadRecord {
  readonly device: DeviceCertificate
  readonly epoch: number
  readonly seq: number
  readonly live: { readonly count: number; readonly sha256: string }
  readonly adopts: readonly Adoption[]
}

/** Throws `record-invalid`, `format-unknown`. */
export async function verifyHeadRecord(published: { readonly certificate: string; readonly head: string }): Promise<HeadRecord> {
  const device = await verifyDeviceCertificate(published.certificate)
  const head = await verifyRecord('holdfast-head', published.head, device.jwk, headSchema)
  if (head.owner !== device.owner || head.machine !== device.machine) throw invalid('it is not of the device that its certificate names')
  if (head.epoch !== device.epoch) throw invalid(`its epoch ${head.epoch} is not that of its certificate`)
  return { device, epoch: head.epoch, seq: head.seq, live: head.live, adopts: head.adopts }
}

/** Of a head that was verified before. */
export function adoptionsOf(head: string): readonly Adoption[] {
  return peekRecord('holdfast-head', head, headSchema).adopts
}

/** Checks the record, and that the live list is the signed one and in order. Throws `record-invalid`, `format-unknown`. */
export async function verifyPublishedHead(published: PublishedHead): Promise<VerifiedHead> {
  const record = await verifyHeadRecord(published)
  const { live } = published
  const sha256 = createHash('sha256').update(live).digest('hex')
  if (sha256 !== record.live.sha256 || live.length !== record.live.count * liveEntryLength) throw invalid('its live list is another one')
  if (!isAscending(live)) throw invalid('its live list is not in order')
  return { ...published, device: record.device, epoch: record.epoch, seq: record.seq, adopts: record.adopts }
}

/** Each entry once, as bytes: two lists of the same entries would have two hashes, and a holder keeps entries, not the list. */
function isAscending(live: Uint8Array): boolean {
  const bytes = Buffer.from(live.buffer, live.byteOffset, live.byteLength)
  for (let at = liveEntryLength; at < bytes.length; at += liveEntryLength) {
    if (bytes.compare(bytes, at - liveEntryLength, at, at, at + liveEntryLength) <= 0) return false
  }
  return true
}

/** Below 0 when `a` is older: epoch first, then seq. */
export function compareHeads(a: { epoch: number; seq: number }, b: { epoch: number; seq: number }): number {
  return a.epoch - b.epoch || a.seq - b.seq
}

/** The objects of a live list. Throws `record-invalid` when it has an unknown kind. */
export function* liveObjects(live: Uint8Array): Generator<ObjectRef> {
  const view = Buffer.from(live.buffer, live.byteOffset, live.byteLength)
  for (let at = 0; at + liveEntryLength <= view.length; at += liveEntryLength) {
    const kind = kindOf.get(view[at] ?? 0)
    if (kind === undefined) throw invalid(`its live list names kind ${view[at]}`)
    yield { kind, id: view.toString('hex', at + 1, at + 33) as ObjectId, length: Number(view.readBigUInt64LE(at + 33)) }
  }
}

/** `<machine id in hex>.head` beside the shards of an owner. */
const headFileSchema = z.object({ v: z.literal(1), certificate: z.string(), head: z.string(), live: z.base64() })

export function headToJson(published: PublishedHead): string {
  return JSON.stringify({ v: 1, certificate: published.certificate, head: published.head, live: Buffer.from(published.live).toString('base64') })
}

/** Throws `record-invalid` when the text is no head document; what it says is not verified. */
export function headFromJson(text: string): PublishedHead {
  try {
    const file = headFileSchema.parse(JSON.parse(text))
    return { certificate: file.certificate, head: file.head, live: Buffer.from(file.live, 'base64') }
  } catch (cause) {
    throw invalid('its file is no head document', cause)
  }
}

function invalid(state: string, cause?: unknown): HoldfastError {
  return new HoldfastError('record-invalid', `Cannot accept a head: ${state}`, { cause })
}
