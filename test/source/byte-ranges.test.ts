import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { ByteRanges } from '../../agent/source/byte-ranges.ts'

test('a set of ranges holds exactly the bytes that were added, sorted and merged', () => {
  const range = fc.tuple(fc.nat(60), fc.nat(20)).map(([start, length]) => [start, start + length] as const)
  fc.assert(fc.property(fc.array(range), range, (added, asked) => {
    const ranges = new ByteRanges(added)
    const bytes = new Set(added.flatMap(([start, end]) => Array.from({ length: end - start }, (_, i) => start + i)))
    const listed = ranges.list().flatMap(([start, end]) => Array.from({ length: end - start }, (_, i) => start + i))
    assert.deepEqual(listed, [...bytes].sort((a, b) => a - b))
    assert.ok(ranges.list().every(([start], i, all) => i === 0 || start > (all[i - 1]?.[1] ?? 0)))
    const [start, end] = asked
    assert.equal(ranges.has(start, end), Array.from({ length: end - start }, (_, i) => start + i).every((at) => bytes.has(at)))
  }))
})
