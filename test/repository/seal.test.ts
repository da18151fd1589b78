import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { hasCode } from '../../shared/errors.ts'
import {
  codecs, compress, deriveObjectKey, headerLength, openPart, padme, readHeader, readLocator, sealInto, tagLength, writeHeader,
} from '../../agent/repository/seal.ts'

const owner = randomBytes(32)
const dataKey = randomBytes(32)
const keyOf = (salt: Uint8Array, epoch = 1) => deriveObjectKey({ kind: 'pack', epoch, salt }, { dataKey, owner })
const refused = (error: unknown): boolean => hasCode(error, 'object-damaged', 'format-unknown')

function sealPart(key: ReturnType<typeof keyOf>, number: number, plain: Uint8Array): { sealed: Buffer, codec: 0 | 1 } {
  const frame = compress(plain)
  const payload = frame ?? plain
  const codec = frame === undefined ? codecs.stored : codecs.zstd
  const sealed = Buffer.alloc(payload.length + tagLength)
  sealInto(sealed, 0, key, { number, codec, payload })
  return { sealed, codec }
}

const plains = fc.oneof(fc.uint8Array({ minLength: 1, maxLength: 3000 }), fc.integer({ min: 1, max: 9000 }).map((length) => new Uint8Array(length).fill(7)))

test('a part opens to the bytes that were sealed, whatever they are', () => {
  fc.assert(fc.property(plains, fc.nat({ max: 65_535 }), fc.uint8Array({ minLength: 32, maxLength: 32 }), (plain, number, salt) => {
    const { sealed, codec } = sealPart(keyOf(salt), number, plain)
    assert.deepEqual(new Uint8Array(openPart(keyOf(salt), { number, codec, plainLength: plain.length }, sealed)), plain)
  }), { verbose: 1 })
})

test('a part with any bit flipped, cut off, moved, or of another object is refused', () => {
  const salt = randomBytes(32)
  fc.assert(fc.property(plains, fc.nat(), fc.constantFrom('flip', 'cut', 'number', 'codec', 'salt', 'epoch', 'length'), (plain, at, fault) => {
    const { sealed, codec } = sealPart(keyOf(salt), 5, plain)
    const key = fault === 'salt' ? keyOf(randomBytes(32)) : keyOf(salt, fault === 'epoch' ? 2 : 1)
    if (fault === 'flip') sealed[at % sealed.length] = (sealed[at % sealed.length] as number) ^ (1 << at % 8)
    const shape = {
      number: fault === 'number' ? 6 : 5, codec: fault === 'codec' ? 1 - codec : codec,
      plainLength: fault === 'length' ? plain.length + 1 + at % 5000 : plain.length,
    }
    const given = fault === 'cut' ? sealed.subarray(0, at % sealed.length) : sealed
    assert.throws(() => openPart(key, shape, given), refused)
  }), { verbose: 1, numRuns: 300 })
})

test('a frame that decompresses to more than its table says is refused before it fills memory', () => {
  const key = keyOf(randomBytes(32))
  const bomb = compress(new Uint8Array(1_048_576)) as Buffer
  const sealed = Buffer.alloc(bomb.length + tagLength)
  sealInto(sealed, 0, key, { number: 0, codec: codecs.zstd, payload: bomb })
  assert.throws(() => openPart(key, { number: 0, codec: codecs.zstd, plainLength: 1000 }, sealed), refused)
  assert.throws(() => openPart(key, { number: 0, codec: codecs.zstd, plainLength: 1_048_577 }, sealed), refused)
})

test('a frame names its content size, as the format says', () => {
  const frame = compress(new Uint8Array(100_000)) as Buffer
  const descriptor = frame[4] as number
  assert.ok(descriptor >> 6 > 0 || (descriptor & 0x20) !== 0)
})

test('what shrinks by less than 3 % is stored as it is', () => {
  assert.equal(compress(randomBytes(10_000)), undefined)
  assert.ok((compress(Buffer.alloc(10_000, 'ab')) as Buffer).length < 9700)
})

test('a header gives back kind, epoch, salt and locator, and any change of it is refused', () => {
  const salt = randomBytes(32)
  const header = Buffer.alloc(headerLength)
  const locator = { tableOffset: 5000, tableLength: 300, segments: 4 }
  writeHeader(header, keyOf(salt, 3), locator)
  const read = readHeader(header)
  assert.deepEqual([read.kind, read.epoch, Buffer.from(read.salt)], ['pack', 3, salt])
  assert.deepEqual(readLocator(header, keyOf(salt, 3), 5300), locator)
  assert.throws(() => readLocator(header, keyOf(salt, 3), 5299), refused)
  fc.assert(fc.property(fc.nat({ max: headerLength * 8 - 1 }), (bit) => {
    const damaged = Buffer.from(header)
    damaged[bit >> 3] = (damaged[bit >> 3] as number) ^ (1 << (bit & 7))
    assert.throws(() => {
      const found = readHeader(damaged)
      readLocator(damaged, deriveObjectKey(found, { dataKey, owner }), 5300)
    }, refused)
  }), { verbose: 1, numRuns: 300 })
})

test('padme() never makes an object shorter nor more than 12 % longer, and gives few lengths', () => {
  fc.assert(fc.property(fc.integer({ min: 4097, max: 16_777_216 }), (length) => {
    const padded = padme(length)
    assert.ok(padded >= length && padded <= length * 1.12 && padded <= 16_777_216)
    assert.equal(padme(padded), padded)
  }), { verbose: 1 })
  assert.deepEqual([1, 4096, 4097, 9000, 1_000_001].map(padme), [4096, 4096, 4352, 9216, 1_015_808])
})
