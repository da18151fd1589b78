import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  ContentDefinedChunker, gearTable, maxChunkLength, minChunkLength,
} from '../../../agent/repository/chunker/content-defined.ts'
import { keystream } from '../../support/keystream.ts'
import { slowCuts } from './reference.ts'

const key = Uint8Array.from({ length: 32 }, (_, index) => index)
const otherKey = new Uint8Array(32).fill(9)
const vectors = JSON.parse(
  readFileSync(new URL('../../fixtures/format-v1/content-defined-chunking.json', import.meta.url), 'utf8'),
) as {
  cases: { chunkerKey: string; contentKey: string; length: number; tableSha256: string; ends: number[] }[]
  zeros: { chunkerKey: string; length: number; ends: number[] }
}
const unhex = (text: string): Buffer => Buffer.from(text, 'hex')
const chunker = new ContentDefinedChunker(key)

/** Content of several kinds: random, runs of one byte, a short pattern repeated. */
const content = fc.array(fc.oneof(
  fc.record({ seed: fc.nat(255), length: fc.nat(300_000) })
    .map(({ seed, length }) => keystream(new Uint8Array(32).fill(seed), length)),
  fc.record({ byte: fc.nat(255), length: fc.nat(300_000) }).map(({ byte, length }) => Buffer.alloc(length, byte)),
  fc.record({ pattern: fc.uint8Array({ minLength: 1, maxLength: 90 }), length: fc.nat(200_000) })
    .map(({ pattern, length }) => Buffer.alloc(length, pattern)),
), { maxLength: 5 }).map((parts) => Buffer.concat(parts))

/** Feeds `bytes` through the window in reads of at most `lengths` bytes, as a caller of cut() does. */
function cutInReads(target: ContentDefinedChunker, bytes: Uint8Array, lengths: readonly number[]): number[] {
  const { window } = target
  const ends: number[] = []
  let held = 0
  for (let at = 0, turn = 0; at < bytes.length; turn++) {
    const part = bytes.subarray(at, at + Math.min(lengths[turn % lengths.length]!, window.length - held))
    window.set(part, held)
    at += part.length
    held += part.length
    const found = target.cut(window.subarray(0, held), at === bytes.length)
    ends.push(...found.map((end) => at - held + end))
    const cut = found.at(-1) ?? 0
    window.copyWithin(0, cut, held)
    held -= cut
  }
  return ends
}

const chunkHashes = (bytes: Uint8Array, ends: readonly number[]): string[] => ends.map((end, index) =>
  createHash('sha256').update(bytes.subarray(ends[index - 1] ?? 0, end)).digest('hex'))

test('Cuts have not changed since format version 1', () => {
  for (const { chunkerKey, contentKey, length, tableSha256, ends } of vectors.cases) {
    assert.equal(createHash('sha256').update(gearTable(unhex(chunkerKey))).digest('hex'), tableSha256)
    assert.deepEqual(new ContentDefinedChunker(unhex(chunkerKey)).cut(keystream(unhex(contentKey), length), true), ends)
  }
  const { chunkerKey, length, ends } = vectors.zeros
  assert.deepEqual(new ContentDefinedChunker(unhex(chunkerKey)).cut(new Uint8Array(length), true), ends)
})

test('cut() agrees with the reference', () => {
  fc.assert(fc.property(content, (bytes) => {
    assert.deepEqual(chunker.cut(bytes, true), slowCuts(bytes, gearTable(key)))
  }), { numRuns: 12 })
})

test('cut() agrees with the reference where a cut falls on a limit of the lengths', () => {
  const bytes = keystream(otherKey, 2_000_000)
  for (const end of chunker.cut(bytes, true).slice(1, -1)) {
    for (const length of [16_383, 16_384, 16_385, 53_248, 53_249]) {
      const slice = bytes.subarray(Math.max(0, end - length), end + 1)
      assert.deepEqual(chunker.cut(slice, true), slowCuts(slice, gearTable(key)), `a cut after ${length} bytes`)
    }
  }
})

test('Chunks cover the input in order, none longer than 256 KiB, only the last shorter than 16 KiB', () => {
  fc.assert(fc.property(content, (bytes) => {
    const ends = chunker.cut(bytes, true)
    assert.equal(ends.at(-1) ?? 0, bytes.length)
    const lengths = ends.map((end, index) => end - (ends[index - 1] ?? 0))
    assert.ok(lengths.every((length) => length > 0 && length <= maxChunkLength))
    assert.ok(lengths.slice(0, -1).every((length) => length >= minChunkLength))
  }), { numRuns: 60 })
})

test('Cuts do not depend on how the input is fed', () => {
  const small = new ContentDefinedChunker(key, { capacity: maxChunkLength })
  const reads = fc.array(fc.integer({ min: 5_000, max: 700_000 }), { minLength: 1, maxLength: 4 })
  fc.assert(fc.property(content, reads, (bytes, lengths) => {
    const expected = chunker.cut(bytes, true)
    assert.deepEqual(cutInReads(chunker, bytes, lengths), expected)
    assert.deepEqual(cutInReads(small, bytes, lengths), expected)
    assert.deepEqual(small.cut(bytes, true), expected)
  }), { numRuns: 40 })
})

test('cut() without `final` returns only ends that stay when more bytes follow', () => {
  fc.assert(fc.property(content, fc.nat(), (bytes, at) => {
    const part = bytes.subarray(0, at % (bytes.length + 1))
    const early = chunker.cut(part, false)
    assert.deepEqual(early, chunker.cut(bytes, true).slice(0, early.length))
    assert.ok(part.length - (early.at(-1) ?? 0) < maxChunkLength)
  }), { numRuns: 40 })
})

test('An insertion near the front changes few chunks', () => {
  const before = keystream(otherKey, 3_000_000)
  const known = new Set(chunkHashes(before, chunker.cut(before, true)))
  fc.assert(fc.property(fc.uint8Array({ minLength: 1, maxLength: 5_000 }), fc.nat(100_000), (inserted, at) => {
    const after = Buffer.concat([before.subarray(0, at), inserted, before.subarray(at)])
    const fresh = chunkHashes(after, chunker.cut(after, true)).filter((hash) => !known.has(hash))
    assert.ok(fresh.length <= 8, `${fresh.length} of ${known.size} chunks are new`)
  }), { numRuns: 15 })
})

test('Different keys cut differently', () => {
  const bytes = keystream(otherKey, 2_000_000)
  const ends = new Set(chunker.cut(bytes, true))
  const shared = new ContentDefinedChunker(otherKey).cut(bytes, true).filter((end) => ends.has(end))
  assert.deepEqual(shared, [2_000_000])
})

test('Chunks of random content average about 64 KiB', () => {
  const count = chunker.cut(keystream(otherKey, 16_000_000), true).length
  const average = 16_000_000 / count
  assert.ok(average > 60_000 && average < 70_000, `${average}`)
})

test('Empty input has no chunk', () => {
  assert.deepEqual(chunker.cut(new Uint8Array(0), true), [])
  assert.deepEqual(chunker.cut(chunker.window.subarray(0, 0), true), [])
})

test('The constructor refuses a key of another length and a window that holds no chunk', () => {
  assert.throws(() => new ContentDefinedChunker(new Uint8Array(31)), RangeError)
  assert.throws(() => new ContentDefinedChunker(key, { capacity: maxChunkLength - 1 }), RangeError)
})
