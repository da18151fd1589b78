/** Who may ask what (docs/protocol.md section 2): pure judgements over the caller, the membership and the headers at hand. */
import { HoldfastError, hasCode } from '../../../shared/errors.ts'
import { type OwnerId, shortId } from '../../../shared/ids.ts'
import { verifyDeviceCertificate } from '../../identity/device.ts'
import { importPublicKey } from '../../identity/jws.ts'
import { hashLength } from '../../merkle.ts'
import type { Membership } from '../membership/membership.ts'
import { parseHeader, verifyHeader } from '../shard.ts'
import type { ShardEntry, ShardRef, ShardStore } from '../shard-store/port.ts'
import type { Caller } from './credential.ts'

export type Judge = Pick<Membership, 'contacts' | 'deviceOf' | 'isRevoked' | 'member' | 'ownerEpoch'>

/** Throws `revoked` when an admin shut the machine out since it came in, `unauthorized` when a recovery asks for it. */
export function demandMember(caller: Caller, membership: Judge): void {
  if (membership.isRevoked(caller.machine)) throw new HoldfastError('revoked', 'Cannot answer: the machine was shut out')
  if (caller.as !== 'member' || membership.member(caller.machine) === undefined) throw unauthorized('it is for members')
}

export function isDeviceOf(caller: Caller, owner: OwnerId, membership: Judge): boolean {
  return caller.as === 'member' && membership.deviceOf(owner, caller.machine) !== undefined
}

/** Throws `revoked` for a device of a lower epoch, `unauthorized` for everybody else who is not a device of the owner. */
export function demandDevice(caller: Caller, owner: OwnerId, membership: Judge): void {
  demandMember(caller, membership)
  if (isDeviceOf(caller, owner, membership)) return
  throw isFormerDevice(caller, owner, membership)
    ? new HoldfastError('revoked', `Cannot serve owner ${shortId(owner)} to ${caller.name}: a newer device replaced it`)
    : unauthorized(`${caller.name} is no device of owner ${shortId(owner)}`)
}

function isFormerDevice(caller: Caller, owner: OwnerId, membership: Judge): boolean {
  return membership.member(caller.machine)?.record.owners.some((jws) => ownerOf(jws) === owner) ?? false
}

/** The owner that a verified certificate names: it stands in a record that was verified when it came in. */
function ownerOf(jws: string): unknown {
  const payload: unknown = JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString('utf8'))
  return typeof payload === 'object' && payload !== null && 'owner' in payload ? payload.owner : undefined
}

/** A device of the owner, a recovery with the owner's root key, or a recovery contact whose request is open here. */
export function demandReader(caller: Caller, owner: OwnerId, membership: Judge): void {
  if (caller.as === 'recovery' && caller.owner === owner) return
  if (!isDeviceOf(caller, owner, membership) && membership.contacts.isReader(owner, caller.machine)) return demandMember(caller, membership)
  demandDevice(caller, owner, membership)
}

/** As demandReader, or a member that shows the header of a shard of the same object: only its holders have one. */
export async function demandShardReader(caller: Caller, ref: ShardRef, proof: { holding: Uint8Array | undefined; store: ShardStore; membership: Judge }): Promise<void> {
  const { holding, membership, store } = proof
  if (holding === undefined || isDeviceOf(caller, ref.owner, membership)) return demandReader(caller, ref.owner, membership)
  demandMember(caller, membership)
  const { header } = await store.open(ref)
  if (!sameObject(header, holding)) throw unauthorized(`${caller.name} does not hold ${shortId(ref.id)}`)
}

/** As demandReader, or a member that shows the header of any shard that a device of the owner signed: a holder that repairs. */
export async function demandLister(caller: Caller, owner: OwnerId, proof: { holding: Uint8Array | undefined; store: ShardStore; membership: Judge }): Promise<void> {
  const { holding, membership, store } = proof
  if (holding === undefined || isDeviceOf(caller, owner, membership)) return demandReader(caller, owner, membership)
  demandMember(caller, membership)
  const { owner: named, machine } = parseHeader(holding)
  const known = (await store.heads(owner)).map(({ certificate }) => certificate)
  const devices = [membership.deviceOf(owner, machine), ...await Promise.all(known.map(verifyDeviceCertificate))]
  const device = devices.find((one) => one?.machine === machine && one.owner === owner)
  if (named !== owner || device === undefined) throw unauthorized(`${caller.name} holds nothing of owner ${shortId(owner)}`)
  verifyHeader(holding, importPublicKey(device.jwk))
}

/**
 * Who may bring a head: a device of the owner, or a member that keeps the owner's shards and hands it on, for an owner that
 * was seen. The head itself is verified wherever it comes from.
 */
export function demandHeadBearer(caller: Caller, owner: OwnerId, membership: Judge): void {
  demandMember(caller, membership)
  if (isFormerDevice(caller, owner, membership) || membership.ownerEpoch(owner) === 0) demandDevice(caller, owner, membership)
}

/** Which shards of the object lie in `store`, for who shows the header of one: what does not fit it is not told. */
export async function numbersOf(owner: OwnerId, holding: Uint8Array, store: ShardStore): Promise<number[]> {
  const { id, n, owner: named } = parseHeader(holding)
  if (named !== owner) return []
  const numbers: number[] = []
  for (let number = 0; number < n; number++) {
    try {
      const { header } = await store.open({ owner, id, number })
      if (sameObject(header, holding)) numbers.push(number)
    } catch (error) {
      if (!hasCode(error, 'not-found', 'object-damaged', 'record-invalid')) throw error
    }
  }
  return numbers
}

/** Do two headers name one object and agree on the roots that both have? n may have grown in between. */
function sameObject(one: Uint8Array, other: Uint8Array): boolean {
  try {
    const [a, b] = [parseHeader(one), parseHeader(other)]
    const shared = Math.min(a.n, b.n) * hashLength
    return a.id === b.id && a.owner === b.owner && a.k === b.k
      && Buffer.from(a.roots.subarray(0, shared)).equals(b.roots.subarray(0, shared))
  } catch {
    return false
  }
}

/** For shard.list: by id, then number. */
export function byName(a: Pick<ShardEntry, 'id' | 'number'>, b: Pick<ShardEntry, 'id' | 'number'>): number {
  return a.id < b.id ? -1 : a.id > b.id ? 1 : a.number - b.number
}

function unauthorized(state: string): HoldfastError {
  return new HoldfastError('unauthorized', `Cannot answer: ${state}`)
}
