import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { cutRegion, regionLength, regionsOf } from '../../../agent/repository/chunker/chunker.ts'
import type { Chunker, Region } from '../../../agent/repository/chunker/chunker.ts'
import { ContentDefinedChunker, maxChunkLength } from '../../../agent/repository/chunker/content-defined.ts'
import { FixedChunker, fixedChunkLength } from '../../../agent/repository/chunker/fixed.ts'
import { hasCode } from '../../../shared/errors.ts'
import { keystream } from '../../support/keystream.ts'

const key = new Uint8Array(32).fill(5)
const chunkers = (): Chunker[] => [
  new FixedChunker({ capacity: 100_000 }), new FixedChunker(),
  new ContentDefinedChunker(key, { capacity: maxChunkLength + 1_000 }), new ContentDefinedChunker(key),
]

/** readSync over an array, which never reads more than `most` bytes. */
const reader = (file: Uint8Array, most = Number.MAX_SAFE_INTEGER) => (into: Uint8Array, position: number): number => {
  const part = file.subarray(position, position + Math.min(into.length, most))
  into.set(part)
  return part.length
}

function readBack(chunker: Chunker, region: Region, read: ReturnType<typeof reader>): { bytes: Buffer; ends: number[] } {
  const parts: Buffer[] = []
  const ends: number[] = []
  for (const { position, bytes, ends: found } of cutRegion(chunker, region, read)) {
    parts.push(Buffer.from(bytes))
    ends.push(...found.map((end) => position + end))
  }
  return { bytes: Buffer.concat(parts), ends }
}

test('cutRegion() gives every byte of the region once, cut as in one piece', () => {
  const file = keystream(key, 900_000)
  for (const chunker of chunkers()) {
    fc.assert(fc.property(fc.nat(700_000), fc.nat(900_000), fc.integer({ min: 3_000, max: 500_000 }), (start, end, most) => {
      const region = { start: Math.min(start, end), end: Math.max(start, end) }
      const { bytes, ends } = readBack(chunker, region, reader(file, most))
      const expected = file.subarray(region.start, region.end)
      assert.ok(bytes.equals(expected))
      assert.deepEqual(ends, chunker.cut(expected, true).map((at) => region.start + at))
    }), { numRuns: 10 })
  }
})

test('cutRegion() says that the file changed when it ends early', () => {
  const file = new Uint8Array(50_000)
  for (const chunker of chunkers()) {
    assert.throws(() => readBack(chunker, { start: 0, end: 50_001 }, reader(file)), (error) => hasCode(error, 'file-changed'))
  }
})

test('regionsOf() covers a file with regions of 32 MiB, the last one shorter', () => {
  assert.deepEqual(regionsOf(0), [])
  assert.deepEqual(regionsOf(1), [{ start: 0, end: 1 }])
  assert.deepEqual(regionsOf(regionLength), [{ start: 0, end: regionLength }])
  assert.deepEqual(regionsOf(regionLength + 5), [
    { start: 0, end: regionLength }, { start: regionLength, end: regionLength + 5 },
  ])
})

test('FixedChunker cuts at multiples of 16 KiB, the last chunk shorter', () => {
  const chunker = new FixedChunker()
  assert.deepEqual(chunker.cut(new Uint8Array(0), true), [])
  assert.deepEqual(chunker.cut(new Uint8Array(40_000), false), [16_384, 32_768])
  assert.deepEqual(chunker.cut(new Uint8Array(40_000), true), [16_384, 32_768, 40_000])
  assert.deepEqual(chunker.cut(new Uint8Array(32_768), true), [16_384, 32_768])
  assert.throws(() => new FixedChunker({ capacity: fixedChunkLength - 1 }), RangeError)
})

test('isZero() finds a single set bit wherever it is, and none beside the range', () => {
  for (const chunker of chunkers()) {
    const { window } = chunker
    fc.assert(fc.property(fc.nat(70_000), fc.nat(20_000), fc.nat(), fc.nat(7), (offset, length, place, bit) => {
      window.fill(255, 0, 100_000).fill(0, offset, offset + length)
      assert.equal(chunker.isZero(offset, length), true)
      if (length === 0) return
      window[offset + (place % length)] = 1 << bit
      assert.equal(chunker.isZero(offset, length), false)
    }), { numRuns: 50 })
  }
})

test('isZero() refuses a range that leaves the window', () => {
  for (const chunker of chunkers()) {
    assert.equal(chunker.isZero(chunker.window.length, 0), true)
    assert.throws(() => chunker.isZero(chunker.window.length - 10, 11), RangeError)
    assert.throws(() => chunker.isZero(-1, 5), RangeError)
    assert.throws(() => chunker.isZero(0, Number.NaN), RangeError)
  }
})
