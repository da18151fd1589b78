/**
 * Heads (docs/format.md section 7): what a device keeps alive, signed and chained. The live list goes beside the head;
 * the head names its hash, so both are believed together or not at all.
 */
import { createHash } from 'node:crypto'
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import { type MachineId, type OwnerId, machineIdSchema, ownerIdSchema } from '../../shared/ids.ts'
import { type DeviceCertificate, verifyDeviceCertificate } from '../identity/device.ts'
import { type Signer, signRecord, verifyRecord } from '../identity/jws.ts'
import { type ObjectId, type ObjectKind, type ObjectRef, type PublishedHead, objectKinds } from '../object-store.ts'

const type = 'holdfast-head'
const liveEntryLength = 41
const hex = z.string().regex(/^[0-9a-f]{64}$/)
const objectId = hex.transform((text) => text as ObjectId)
const headSchema = z.object({
  v: z.literal(1), owner: ownerIdSchema, machine: machineIdSchema, epoch: z.int().min(1).max(0xffff_ffff), seq: z.int().min(1),
  prev: hex.optional(), time: z.iso.datetime({ offset: true }), keyring: objectId, keyringLength: z.int().min(1),
  latest: objectId.optional(), live: z.object({ count: z.int().min(0), bytes: z.int().min(0), sha256: hex }),
  adopts: z.array(z.object({ machine: machineIdSchema, seq: z.int().min(1) })).max(64),
})
export type HeadDocument = z.infer<typeof headSchema>

/** A head that was verified, with what it keeps alive. */
export interface Head {
  readonly document: HeadDocument
  readonly certificate: DeviceCertificate
  readonly live: readonly ObjectRef[]
  readonly published: PublishedHead
}

/** Ascending as bytes, each object once. */
export function encodeLive(refs: Iterable<ObjectRef>): Buffer {
  const entries = [...new Map([...refs].map((ref) => [ref.id, ref])).values()].map((ref) => {
    const entry = Buffer.alloc(liveEntryLength)
    entry[0] = objectKinds[ref.kind]
    entry.write(ref.id, 1, 'hex')
    entry.writeBigUInt64LE(BigInt(ref.length), 33)
    return entry
  })
  return Buffer.concat(entries.sort(Buffer.compare))
}

/** Throws `record-invalid`, or `format-unknown` for an object of another kind. */
export function decodeLive(live: Uint8Array): ObjectRef[] {
  const bytes = Buffer.from(live.buffer, live.byteOffset, live.byteLength)
  if (bytes.length % liveEntryLength !== 0) throw invalid('its live list is cut off')
  const refs: ObjectRef[] = []
  for (let at = 0; at < bytes.length; at += liveEntryLength) {
    if (at > 0 && bytes.compare(bytes, at - liveEntryLength, at, at, at + liveEntryLength) <= 0) throw invalid('its live list is not in order')
    const kind = (Object.keys(objectKinds) as ObjectKind[]).find((name) => objectKinds[name] === bytes[at])
    if (kind === undefined) throw new HoldfastError('format-unknown', `Cannot accept a head: it names an object of kind ${bytes[at]}`)
    const length = Number(bytes.readBigUInt64LE(at + 33))
    if (length === 0 || !Number.isSafeInteger(length)) throw invalid('it names an object of an impossible length')
    refs.push({ kind, id: bytes.toString('hex', at + 1, at + 33) as ObjectId, length })
  }
  return refs
}

export interface NewHead {
  readonly owner: OwnerId
  readonly epoch: number
  readonly seq: number
  /** The newest head of this device. */
  readonly previous: PublishedHead | undefined
  readonly nowMs: number
  readonly keyring: ObjectRef
  readonly latest: ObjectId | undefined
  readonly live: Iterable<ObjectRef>
  readonly adopts: HeadDocument['adopts']
}

export async function signHead(head: NewHead, { machine, certificate }: { machine: Signer & { id: MachineId }, certificate: string }): Promise<PublishedHead> {
  const live = encodeLive(head.live)
  const bytes = decodeLive(live).reduce((sum, ref) => sum + ref.length, 0)
  const document: HeadDocument = {
    v: 1, owner: head.owner, machine: machine.id, epoch: head.epoch, seq: head.seq,
    ...(head.previous === undefined ? {} : { prev: hashOf(head.previous.head) }),
    time: new Date(head.nowMs).toISOString(), keyring: head.keyring.id, keyringLength: head.keyring.length,
    ...(head.latest === undefined ? {} : { latest: head.latest }),
    live: { count: live.length / liveEntryLength, bytes, sha256: hashOf(live) }, adopts: head.adopts,
  }
  return { certificate, head: await signRecord(type, document, machine), live: Uint8Array.from(live) }
}

/** Verifies certificate, signature and live list. Throws `record-invalid` or `format-unknown`. */
export async function verifyHead(published: PublishedHead, owner: OwnerId): Promise<Head> {
  const certificate = await verifyDeviceCertificate(published.certificate)
  const document = await verifyRecord(type, published.head, certificate.jwk, headSchema)
  if (certificate.owner !== owner || document.owner !== owner) throw invalid('it is of another owner')
  if (document.machine !== certificate.machine || document.epoch !== certificate.epoch) throw invalid('it is of another device')
  if (hashOf(published.live) !== document.live.sha256) throw invalid('its live list is not the one that it names')
  return { document, certificate, live: decodeLive(published.live), published }
}

/** SHA-256 in hex: of a head's JWS for `prev`, of a live list. */
export function hashOf(data: string | Uint8Array): string {
  return createHash('sha256').update(data).digest('hex')
}

/** Which of two heads of one device is newer: above 0 when `a` is. */
export function compareHeads(a: Head, b: Head): number {
  return a.document.epoch - b.document.epoch || a.document.seq - b.document.seq
}

function invalid(state: string): HoldfastError {
  return new HoldfastError('record-invalid', `Cannot accept a head: ${state}`)
}
