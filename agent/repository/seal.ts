/**
 * Sealed objects (docs/format.md section 3): a header, segments, a table of contents, padding.
 *
 * Each object has its own key, derived from the data key of its epoch and 32 random bytes, so a segment's nonce is its
 * number and no nonce is ever used twice under one key. Readers need the header and then any range they like.
 * Nothing here knows what the segments mean, nor where objects lie.
 *
 * Every malformed input is `object-damaged`, or `format-unknown` when magic, kind or codec are not known.
 */
import { createCipheriv, createDecipheriv, hkdfSync } from 'node:crypto'
import { constants, zstdCompressSync, zstdDecompressSync } from 'node:zlib'
import { HoldfastError } from '../../shared/errors.ts'
import { releaseBytes } from '../release-bytes.ts'
import { type ObjectKind, objectKinds } from '../object-store.ts'

export const packLength = 16_777_216
export const headerLength = 72
export const tagLength = 16
export const saltLength = 32
export const maxSegmentLength = 1_048_576
export const maxSegments = 65_536
export const codecs = { stored: 0, zstd: 1 } as const
export type Codec = (typeof codecs)[keyof typeof codecs]

const magic = Buffer.from('HFO1', 'latin1')
const locatorOffset = 44
const locatorNumber = 0xffff_ffff
const tableNumber = 0xffff_fffe
const additionalLength = 80
const minPadded = 4096
const worthKeeping = 0.97
const fastest = { [constants.ZSTD_c_compressionLevel]: 1 }

export type SealedKind = Exclude<ObjectKind, 'key'>

/** What stands open in the header of an object. */
export interface SealHeader {
  readonly kind: SealedKind
  readonly epoch: number
  readonly salt: Uint8Array
}

/** The key of one object, and the additional data that binds a sealed part to its place. */
export interface ObjectKey extends SealHeader {
  readonly key: Uint8Array
  readonly additional: Buffer
}

export interface Locator {
  readonly tableOffset: number
  /** With its tag. */
  readonly tableLength: number
  readonly segments: number
}

export interface KeyOptions {
  /** 32 random bytes of the epoch. */
  readonly dataKey: Uint8Array
  /** 32 raw bytes. */
  readonly owner: Uint8Array
}

export function deriveObjectKey(header: SealHeader, { dataKey, owner }: KeyOptions): ObjectKey {
  if (header.salt.length !== saltLength || owner.length !== 32 || dataKey.length !== 32) {
    throw new RangeError('Cannot derive an object key: salt, owner and data key have 32 bytes each')
  }
  const key = new Uint8Array(hkdfSync('sha256', dataKey, header.salt, 'holdfast/v1/object', 32))
  const additional = Buffer.alloc(additionalLength)
  magic.copy(additional, 0)
  additional[4] = objectKinds[header.kind]
  additional.writeUInt32LE(header.epoch, 8)
  additional.set(owner, 12)
  additional.set(header.salt, 44)
  return { ...header, key, additional }
}

/** Writes header and locator into the first 72 bytes of `target`. */
export function writeHeader(target: Buffer, key: ObjectKey, locator: Locator): void {
  target.fill(0, 0, headerLength)
  magic.copy(target, 0)
  target[4] = objectKinds[key.kind]
  target.writeUInt32LE(key.epoch, 8)
  target.set(key.salt, 12)
  const plain = Buffer.alloc(12)
  plain.writeUInt32LE(locator.tableOffset, 0)
  plain.writeUInt32LE(locator.tableLength, 4)
  plain.writeUInt32LE(locator.segments, 8)
  sealInto(target, locatorOffset, key, { number: locatorNumber, codec: codecs.stored, payload: plain })
}

/** Reads what stands open; `bytes` are at least the first 72 of an object. */
export function readHeader(bytes: Uint8Array): SealHeader {
  const header = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
  if (header.length < headerLength) throw damaged('it is shorter than its header')
  if (!header.subarray(0, 4).equals(magic)) throw new HoldfastError('format-unknown', 'Cannot read an object: unknown magic')
  const kind = (Object.keys(objectKinds) as ObjectKind[]).find((name) => objectKinds[name] === header[4])
  if (kind === undefined || kind === 'key') throw new HoldfastError('format-unknown', `Cannot read an object: kind ${header[4]} is unknown`)
  if (header[5] !== 0 || header[6] !== 0 || header[7] !== 0) throw damaged('reserved bytes of its header are set')
  return { kind, epoch: header.readUInt32LE(8), salt: Uint8Array.from(header.subarray(12, locatorOffset)) }
}

/** Opens the locator in the first 72 bytes; `length` is that of the whole object. */
export function readLocator(bytes: Uint8Array, key: ObjectKey, length: number): Locator {
  const plain = openPart(key, { number: locatorNumber, codec: codecs.stored, plainLength: 12 }, bytes.subarray(locatorOffset, headerLength))
  const locator = { tableOffset: plain.readUInt32LE(0), tableLength: plain.readUInt32LE(4), segments: plain.readUInt32LE(8) }
  if (locator.segments > maxSegments || locator.tableOffset < headerLength || locator.tableLength < tagLength
    || locator.tableOffset + locator.tableLength > length) throw damaged('its locator points beyond it')
  return locator
}

/** Seals the table at `offset` of `target` and returns its length with the tag. */
export function sealTable(target: Buffer, offset: number, key: ObjectKey, table: Uint8Array): number {
  return sealInto(target, offset, key, { number: tableNumber, codec: codecs.stored, payload: table })
}

export function openTable(key: ObjectKey, sealed: Uint8Array): Buffer {
  return openPart(key, { number: tableNumber, codec: codecs.stored, plainLength: sealed.length - tagLength }, sealed)
}

export interface Payload {
  readonly number: number
  readonly codec: Codec
  readonly payload: Uint8Array
}

/** Seals one part into `target` at `offset`; returns the bytes written, tag included. */
export function sealInto(target: Buffer, offset: number, key: ObjectKey, { number, codec, payload }: Payload): number {
  const cipher = createCipheriv('aes-256-gcm', key.key, nonceOf(number), { authTagLength: tagLength })
  cipher.setAAD(additionalFor(key, number, codec))
  const sealed = cipher.update(payload)
  cipher.final()
  const { length } = sealed
  copyShared(sealed, target, offset)
  cipher.getAuthTag().copy(target, offset + length)
  releaseBytes(sealed)
  return length + tagLength
}

/**
 * Packs are built in memory that threads share. V8 copies a whole buffer into such memory byte by byte unless both are aligned
 * alike, at a tenth of the speed; a part of one is moved as a block.
 */
function copyShared(source: Buffer, target: Buffer, offset: number): void {
  if (source.length === 0) return
  target[offset] = source[0] as number
  source.copy(target, offset + 1, 1)
}

export interface PartShape {
  readonly number: number
  readonly codec: number
  /** Bytes once decompressed. Never more are produced. */
  readonly plainLength: number
}

/** Decrypts, authenticates and decompresses one part; `sealed` ends with the tag. */
export function openPart(key: ObjectKey, { number, codec, plainLength }: PartShape, sealed: Uint8Array): Buffer {
  if (codec !== codecs.stored && codec !== codecs.zstd) throw new HoldfastError('format-unknown', `Cannot read a segment: codec ${codec} is unknown`)
  if (sealed.length < tagLength || (codec === codecs.zstd && plainLength > maxSegmentLength)) throw damaged('a part of it has an impossible length')
  let payload: Buffer
  try {
    const decipher = createDecipheriv('aes-256-gcm', key.key, nonceOf(number), { authTagLength: tagLength })
    decipher.setAAD(additionalFor(key, number, codec))
    decipher.setAuthTag(sealed.subarray(sealed.length - tagLength))
    payload = decipher.update(sealed.subarray(0, sealed.length - tagLength))
    decipher.final()
  } catch (cause) {
    throw damaged('a part of it does not authenticate', cause)
  }
  const plain = codec === codecs.stored ? payload : decompress(payload, plainLength)
  if (plain !== payload) releaseBytes(payload)
  if (plain.length !== plainLength) throw damaged('a part of it has another length than its table says')
  return plain
}

/** One Zstandard frame at level 1, or undefined when that saves less than 3 %. */
export function compress(plain: Uint8Array): Buffer | undefined {
  const frame = zstdCompressSync(plain, { params: fastest, chunkSize: plain.length + 4096 })
  if (frame.length <= plain.length * worthKeeping) return frame
  releaseBytes(frame)
  return undefined
}

function decompress(frame: Uint8Array, plainLength: number): Buffer {
  try {
    return zstdDecompressSync(frame, { chunkSize: Math.max(64, plainLength + 1024), maxOutputLength: Math.max(1, plainLength) })
  } catch (cause) {
    throw damaged('a part of it does not decompress', cause)
  }
}

/**
 * Length that an object of `length` bytes is padded to: the PURB paper's padme (Nikitin et al., 2019, section 4.2), at
 * least 4,096.
 */
export function padme(length: number): number {
  if (length <= minPadded) return minPadded
  const exponent = Math.floor(Math.log2(length))
  const step = 2 ** (exponent - Math.floor(Math.log2(exponent)) - 1)
  return Math.ceil(length / step) * step
}

function nonceOf(number: number): Buffer {
  const nonce = Buffer.alloc(12)
  nonce.writeUInt32LE(number, 8)
  return nonce
}

function additionalFor(key: ObjectKey, number: number, codec: number): Buffer {
  key.additional[5] = codec
  key.additional.writeUInt32LE(number, 76)
  return key.additional
}

export function damaged(state: string, cause?: unknown): HoldfastError {
  return new HoldfastError('object-damaged', `Cannot read an object: ${state}`, { cause })
}
