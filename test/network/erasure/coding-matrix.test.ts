import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import * as fc from 'fast-check'
import {
  checkCode, generatorRow, parityCoefficient, recoveryRows,
} from '../../../agent/network/erasure/coding-matrix.ts'
import { slowCoefficient, slowMultiply, slowRank } from './reference.ts'

const levels = [[1, 2], [1, 3], [2, 3], [4, 5], [2, 4], [3, 5], [4, 6], [3, 6]] as const
const vectors = JSON.parse(
  readFileSync(new URL('../../fixtures/format-v1/coding-matrix.json', import.meta.url), 'utf8'),
) as {
  parity: string[]
  corner: { row: number; coefficients: string }
  levels: Record<string, string[]>
}
const hex = (bytes: Iterable<number>): string => Buffer.from([...bytes]).toString('hex')

/** All ways to choose `count` of `items`. */
function choices(items: readonly number[], count: number): number[][] {
  if (count === 0) return [[]]
  return items.flatMap((item, index) => choices(items.slice(index + 1), count - 1).map((rest) => [item, ...rest]))
}

test('The coding matrix has not changed since format version 1', () => {
  const columns = Array.from({ length: 12 }, (_, column) => column)
  assert.deepEqual(vectors.parity, vectors.parity.map((_, row) => hex(columns.map((column) => parityCoefficient(row, column)))))
  const { row, coefficients } = vectors.corner
  assert.equal(hex(generatorRow(128 + row, 128)), coefficients)
  for (const [k, n] of levels) {
    const rows = Array.from({ length: n }, (_, number) => hex(generatorRow(number, k)))
    assert.deepEqual(rows, vectors.levels[`${k}-of-${n}`], `${k} of ${n}`)
  }
})

test('parityCoefficient() is the scaled Cauchy matrix, everywhere', () => {
  for (let row = 0; row < 127; row += 3) {
    for (let column = row % 5; column < 128; column += 5) {
      assert.equal(parityCoefficient(row, column), slowCoefficient(row, column), `row ${row}, column ${column}`)
    }
  }
})

test('The first parity row and the first column are ones, and no coefficient is zero', () => {
  for (let row = 0; row < 127; row++) {
    assert.equal(parityCoefficient(row, 0), 1)
    for (let column = 0; column < 128; column++) assert.notEqual(parityCoefficient(row, column), 0)
  }
  for (let column = 0; column < 128; column++) assert.equal(parityCoefficient(0, column), 1)
})

test('Any k of the n rows are independent at every redundancy level', () => {
  for (const [k, n] of levels) {
    for (const numbers of choices(Array.from({ length: n }, (_, number) => number), k)) {
      assert.equal(slowRank(numbers.map((number) => generatorRow(number, k))), k, `${k} of ${n}: ${numbers.join(' ')}`)
    }
  }
})

test('Any k different rows are independent for other codes', () => {
  fc.assert(fc.property(fc.integer({ min: 1, max: 24 }).chain((k) => fc.record({
    k: fc.constant(k),
    numbers: fc.uniqueArray(fc.integer({ min: 0, max: k + 126 }), { minLength: k, maxLength: k }),
  })), ({ k, numbers }) => slowRank(numbers.map((number) => generatorRow(number, k))) === k), { numRuns: 60 })
})

test('recoveryRows() of the largest code times the available rows gives the wanted row', () => {
  const k = 128
  const available = Array.from({ length: k }, (_, index) => index % 2 === 0 ? index : 128 + index - 1)
  const wanted = [1, 127, 128 + 125]
  const rows = recoveryRows(k, available, wanted)
  for (const [index, row] of rows.entries()) {
    const product = new Uint8Array(k)
    for (const [position, number] of available.entries()) {
      const generator = generatorRow(number, k)
      for (let i = 0; i < k; i++) product[i]! ^= slowMultiply(row[position]!, generator[i]!)
    }
    assert.equal(hex(product), hex(generatorRow(wanted[index]!, k)))
  }
})

test('recoveryRows() refuses too few, repeated and impossible shards', () => {
  assert.throws(() => recoveryRows(3, [0, 1], [2]), RangeError)
  assert.throws(() => recoveryRows(3, [0, 1, 2, 3], [2]), RangeError)
  assert.throws(() => recoveryRows(3, [0, 1, 1], [2]), RangeError)
  assert.throws(() => recoveryRows(3, [0, 1, -1], [2]), RangeError)
  assert.throws(() => recoveryRows(3, [0, 1, 2], [1.5]), RangeError)
  assert.throws(() => recoveryRows(3, [0, 1, 2], [130]), RangeError)
  assert.throws(() => recoveryRows(0, [], [0]), RangeError)
})

test('checkCode() accepts the limits of the format and nothing beyond', () => {
  for (const [k, n] of [[1, 1], [1, 128], [128, 128], [128, 255]] as const) checkCode(k, n)
  for (const [k, n] of [[0, 1], [2, 1], [129, 130], [1, 129], [128, 256], [1.5, 3], [1, Number.NaN]] as const) {
    assert.throws(() => checkCode(k, n), RangeError, `${k} of ${n}`)
  }
})
