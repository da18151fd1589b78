/**
 * The shard file (docs/format.md section 8): header, signature, leaf hashes, bytes.
 * A header says the same for all shards of an object but for the number, so one signature serves them all.
 *
 * Whoever takes a shard in or reads one checks, in order: magic and lengths (parseHeader), the signature with the key of
 * the device certificate (verifyHeader), the leaves against the signed root (checkLeaves), each leaf read (checkRange).
 * Everything that does not hold is `object-damaged`; a newer magic is `format-unknown`.
 */
import { type KeyObject, sign, verify } from 'node:crypto'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { type MachineId, type OwnerId, shortId } from '../../shared/ids.ts'
import { HeldSignatures } from '../identity/held-signatures.ts'
import { idToBytes, machineIdFromBytes, ownerIdFromBytes } from '../identity/machine.ts'
import type { Signer } from '../identity/jws.ts'
import { hashLeaf, hashLength, leafCount, leafLength, rootOf } from '../merkle.ts'
import { type ObjectId, type ObjectKind, type ObjectRef, objectKinds } from '../object-store.ts'
import type { OpenedShard, ShardRef, ShardStore } from './shard-store/port.ts'
import { maxDataShards, maxParityShards } from './erasure/coding-matrix.ts'
import { shardLength } from './erasure/reed-solomon.ts'

const magic = Buffer.from('HFS1')
const context = Buffer.from('holdfast/v1/shard')
const fixedLength = 128
const signatureLength = 64
const numberOffset = 7

const kindNames = new Map<number, ObjectKind>(Object.entries(objectKinds).map(([name, number]) => [number, name as ObjectKind]))

export interface ShardHeader extends ObjectRef {
  readonly k: number
  readonly n: number
  readonly number: number
  readonly shardLength: number
  readonly owner: OwnerId
  /** Machine of the device that wrote the object; its key signed the header. */
  readonly machine: MachineId
  readonly epoch: number
  /** Merkle roots of all n shards, 32 bytes each. */
  readonly roots: Uint8Array
}

export type NewHeader = Omit<ShardHeader, 'number' | 'shardLength' | 'machine'>

/** Bytes of a header with its signature. */
export function headerLength(n: number): number {
  return fixedLength + hashLength * n + signatureLength
}

/** Where the shard's bytes begin in its file. */
export function bytesOffset(n: number, shardLength: number): number {
  return headerLength(n) + leafCount(shardLength) * hashLength
}

export function objectIdOf(leaves: Uint8Array): ObjectId {
  return rootOf(leaves).toString('hex') as ObjectId
}

/** The signed header with number 0; withNumber() makes it that of any shard. */
export function signHeader(header: NewHeader, device: Signer & { readonly id: MachineId }): Buffer {
  if (header.roots.length !== header.n * hashLength) throw new RangeError(`Cannot sign a shard header: ${header.roots.length} bytes of roots for n = ${header.n}`)
  const bytes = Buffer.alloc(headerLength(header.n))
  magic.copy(bytes, 0)
  bytes.set([objectKinds[header.kind], header.k, header.n, 0], 4)
  bytes.writeBigUInt64LE(BigInt(header.length), 8)
  bytes.writeBigUInt64LE(BigInt(shardLength(header.length, header.k)), 16)
  bytes.set(idToBytes(header.owner), 24)
  bytes.set(idToBytes(device.id), 56)
  bytes.writeUInt32LE(header.epoch, 88)
  bytes.set(Buffer.from(header.id, 'hex'), 96)
  bytes.set(header.roots, fixedLength)
  bytes.set(sign(null, signedPart(bytes, header.n), device.privateKey), fixedLength + header.roots.length)
  return bytes
}

export function withNumber(header: Uint8Array, number: number): Buffer {
  const copy = Buffer.from(header)
  copy[numberOffset] = number
  return copy
}

function signedPart(header: Uint8Array, n: number): Buffer {
  const part = Buffer.concat([context, header.subarray(0, fixedLength + n * hashLength)])
  part[context.length + numberOffset] = 0
  return part
}

/** Reads the fields and checks that they agree with each other. `bytes` is exactly a header, or more when `prefix`. */
export function parseHeader(bytes: Uint8Array, options: { prefix?: boolean } = {}): ShardHeader {
  const view = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (view.length < fixedLength) throw damaged(`its header has ${view.length} bytes`)
  if (!view.subarray(0, 4).equals(magic)) {
    if (view.subarray(0, 3).equals(magic.subarray(0, 3))) throw new HoldfastError('format-unknown', `Cannot read a shard: magic ${view.toString('latin1', 0, 4)}`)
    throw damaged('it does not begin like one')
  }
  const [kindNumber = 0, k = 0, n = 0, number = 0] = view.subarray(4, 8)
  const kind = kindNames.get(kindNumber)
  if (kind === undefined) throw damaged(`kind ${kindNumber}`)
  if (k < 1 || k > n || number >= n || k > maxDataShards || n - k > maxParityShards) throw damaged(`number ${number} of (${k}, ${n})`)
  if (options.prefix === true ? view.length < headerLength(n) : view.length !== headerLength(n)) throw damaged(`its header has ${view.length} bytes`)
  const length = readLength(view, 8)
  const bytesOfShard = readLength(view, 16)
  const epoch = view.readUInt32LE(88)
  if (length < 1 || bytesOfShard !== shardLength(length, k)) throw damaged(`${bytesOfShard} bytes of ${length} with k = ${k}`)
  if (epoch < 1 || view.readUInt32LE(92) !== 0) throw damaged('its reserved bytes are not zero')
  return {
    kind, k, n, number, length, shardLength: bytesOfShard, epoch,
    owner: ownerIdFromBytes(view.subarray(24, 56)), machine: machineIdFromBytes(view.subarray(56, 88)),
    id: view.toString('hex', 96, fixedLength) as ObjectId,
    roots: view.subarray(fixedLength, fixedLength + n * hashLength),
  }
}

function readLength(view: Buffer, offset: number): number {
  const value = view.readBigUInt64LE(offset)
  if (value > BigInt(Number.MAX_SAFE_INTEGER)) throw damaged(`a length of ${value}`)
  return Number(value)
}

/** As many objects as 256 GB of packs are. */
const held = new HeldSignatures(16_384)

/** Parses `bytes` and checks the signature with the device's key. */
export function verifyHeader(bytes: Uint8Array, key: KeyObject): ShardHeader {
  const header = parseHeader(bytes)
  const signature = bytes.subarray(bytes.length - signatureLength)
  const signed = signedPart(bytes, header.n)
  const text = Buffer.concat([signed, signature])
  if (held.has(key, text)) return header
  if (!verify(null, signed, key, signature)) throw damaged('the signature of its header does not hold', header)
  held.add(key, text)
  return header
}

/** That the header is the one of the shard asked for. */
export function checkRef(header: ShardHeader, ref: ShardRef): void {
  if (header.owner !== ref.owner || header.id !== ref.id || header.number !== ref.number) throw damaged('it is another shard', header)
}

/** That `leaves` are those of the signed root. */
export function checkLeaves(header: ShardHeader, leaves: Uint8Array): void {
  const root = header.roots.subarray(header.number * hashLength, (header.number + 1) * hashLength)
  if (leaves.length !== leafCount(header.shardLength) * hashLength || !rootOf(leaves).equals(root)) {
    throw damaged('its leaves do not fit the signed root', header)
  }
}

/** Checks `bytes`, which begin at leaf `first` of a shard and are whole leaves or end the shard. */
export function checkRange(leaves: Uint8Array, first: number, bytes: Uint8Array, header?: ShardHeader): void {
  for (let at = 0, leaf = first; at < bytes.length; at += leafLength, leaf++) {
    const expected = leaves.subarray(leaf * hashLength, (leaf + 1) * hashLength)
    if (!hashLeaf(bytes.subarray(at, at + leafLength)).equals(expected)) throw damaged(`leaf ${leaf} differs`, header)
  }
}

/** Looks up the key of a device of an owner; undefined when no certificate of it is known. */
export type DeviceKeyOf = (owner: OwnerId, machine: MachineId) => KeyObject | undefined | Promise<KeyObject | undefined>

/** Header and leaves of a shard of `store`, every check but that of the bytes done. `object-damaged`, `not-found`. */
export async function verifiedOpen(store: ShardStore, ref: ShardRef, options: { keyOf: DeviceKeyOf; signal?: AbortSignal | undefined }): Promise<OpenedShard & { readonly parsed: ShardHeader }> {
  const opened = await store.open(ref, { signal: options.signal })
  const key = await options.keyOf(ref.owner, parseHeader(opened.header).machine)
  if (key === undefined) throw damaged('no certificate of the device that signed it is known')
  const parsed = verifyHeader(opened.header, key)
  checkRef(parsed, ref)
  checkLeaves(parsed, opened.leaves)
  return { ...opened, parsed }
}

/** A range of a shard as it came, nothing of it checked but that it is so long. `object-damaged` when it is not. */
export async function uncheckedRead(store: ShardStore, ref: ShardRef, range: ShardRange): Promise<Uint8Array> {
  const { owner, id, number } = ref
  const bytes = await store.read({ owner, id, number }, range.offset, range.length, { signal: range.signal })
  if (bytes.length !== range.length) throw damaged(`${bytes.length} bytes came instead of ${range.length}`, ref)
  return bytes
}

export interface ShardRange {
  readonly offset: number
  readonly length: number
  readonly signal?: AbortSignal | undefined
}

/** A range of an opened shard, every byte checked. The range must begin at a leaf and end at one or at the shard's end. */
export async function verifiedRead(store: ShardStore, opened: { readonly parsed: ShardHeader; readonly leaves: Uint8Array }, range: ShardRange): Promise<Uint8Array> {
  const { parsed, leaves } = opened
  const end = range.offset + range.length
  if (range.offset % leafLength !== 0 || end > parsed.shardLength || (end % leafLength !== 0 && end !== parsed.shardLength)) {
    throw new RangeError(`Cannot read a shard: ${range.length} bytes at ${range.offset}`)
  }
  const bytes = await uncheckedRead(store, parsed, range)
  checkRange(leaves, range.offset / leafLength, bytes, parsed)
  return bytes
}

export function damaged(state: string, header?: { readonly id: ObjectId; readonly number: number }): HoldfastError {
  const name = header === undefined ? 'a shard' : `shard ${header.number} of ${shortId(header.id)}`
  return new HoldfastError('object-damaged', `Cannot use ${name}: ${state}`, header === undefined ? {} : { details: { id: header.id, number: header.number } })
}

export function isDamage(error: unknown): boolean {
  return hasCode(error, 'object-damaged', 'format-unknown', 'peer-misbehaves')
}
