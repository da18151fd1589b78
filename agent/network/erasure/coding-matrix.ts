/**
 * The one coding matrix of the format (docs/format.md, "Coding matrix"); it never changes.
 *
 * Shard `number` is row `number` of a generator matrix times the k data shards. The first k rows are the identity. Below
 * them stands a Cauchy matrix 1 / (x_r + y_c), x_r = 255 − r, y_c = c, whose rows and columns are scaled so that its
 * first row and first column hold ones. Every square submatrix of a Cauchy matrix is invertible and scaling keeps that,
 * so any k rows of the generator are. Row r depends on neither n nor k: k only says how many columns are used.
 */
import { divide, multiply } from './gf256.ts'

export const maxDataShards = 128
export const maxParityShards = 127

/** Throws RangeError unless 1 ≤ k ≤ 128, k ≤ n and n − k ≤ 127. */
export function checkCode(k: number, n: number): void {
  if (!Number.isInteger(k) || !Number.isInteger(n) || k < 1 || k > maxDataShards || n < k || n - k > maxParityShards) {
    throw new RangeError(`Cannot code ${k} of ${n}: need 1 ≤ k ≤ ${maxDataShards} and k ≤ n ≤ k + ${maxParityShards}`)
  }
}

function checkNumber(number: number, k: number): void {
  if (!Number.isInteger(number) || number < 0 || number >= k + maxParityShards) {
    throw new RangeError(`Cannot use shard ${number}: numbers run from 0 to ${k + maxParityShards - 1}`)
  }
}

/** What data byte `column` (0–127) contributes to parity byte `row` (0–126); never 0. */
export function parityCoefficient(row: number, column: number): number {
  const rowScaled = divide(255 - row, (255 - row) ^ column)
  const firstRowScaled = divide(255, 255 ^ column)
  return divide(rowScaled, firstRowScaled)
}

/** Row of the generator for shard `number`: k coefficients. */
export function generatorRow(number: number, k: number): Uint8Array {
  const row = new Uint8Array(k)
  if (number < k) row[number] = 1
  else for (let column = 0; column < k; column++) row[column] = parityCoefficient(number - k, column)
  return row
}

/**
 * How to make the shards `wanted` out of k others: row i holds the coefficients of the shards `available`, in their order,
 * that add up to shard wanted[i]. Throws RangeError when `available` repeats a shard or has not k of them.
 */
export function recoveryRows(k: number, available: readonly number[], wanted: readonly number[]): Uint8Array[] {
  checkCode(k, k)
  if (available.length !== k || new Set(available).size !== k) {
    throw new RangeError(`Cannot rebuild shards from ${available.join(', ')}: need ${k} different ones`)
  }
  for (const number of [...available, ...wanted]) checkNumber(number, k)
  const inverse = invert(available.map((number) => generatorRow(number, k)))
  return wanted.map((number) => multiplyRow(generatorRow(number, k), inverse))
}

function multiplyRow(row: Uint8Array, matrix: readonly Uint8Array[]): Uint8Array {
  const product = new Uint8Array(row.length)
  for (const [index, factor] of row.entries()) addMultiple(product, matrix[index]!, factor)
  return product
}

/** Gauss-Jordan elimination; the rows given are used up. */
function invert(rows: Uint8Array[]): Uint8Array[] {
  const size = rows.length
  const inverse = rows.map((_, index) => generatorRow(index, size))
  for (let column = 0; column < size; column++) {
    const pivot = rows.findIndex((row, index) => index >= column && row[column] !== 0)
    if (pivot < 0) throw new RangeError('Cannot invert the coding matrix: its rows depend on each other')
    swap(rows, column, pivot)
    swap(inverse, column, pivot)
    const scale = divide(1, rows[column]![column]!)
    scaleRow(rows[column]!, scale)
    scaleRow(inverse[column]!, scale)
    for (let row = 0; row < size; row++) {
      const factor = rows[row]![column]!
      if (row === column || factor === 0) continue
      addMultiple(rows[row]!, rows[column]!, factor)
      addMultiple(inverse[row]!, inverse[column]!, factor)
    }
  }
  return inverse
}

function swap(rows: Uint8Array[], a: number, b: number): void {
  const row = rows[a]!
  rows[a] = rows[b]!
  rows[b] = row
}

function scaleRow(row: Uint8Array, factor: number): void {
  for (let i = 0; i < row.length; i++) row[i] = multiply(row[i]!, factor)
}

function addMultiple(target: Uint8Array, source: Uint8Array, factor: number): void {
  for (let i = 0; i < target.length; i++) target[i]! ^= multiply(source[i]!, factor)
}
