/** Arithmetic in GF(256) and coding by the letter of docs/format.md: bit by bit, slow, and sharing nothing with the agent. */

export function slowMultiply(a: number, b: number): number {
  let product = 0
  for (let bit = 0; bit < 8; bit++) if ((b >> bit) & 1) product ^= a << bit
  for (let bit = 14; bit >= 8; bit--) if ((product >> bit) & 1) product ^= 0x11d << (bit - 8)
  return product
}

const inverses = Array.from({ length: 256 }, (_, a) => {
  for (let candidate = 1; candidate < 256; candidate++) if (slowMultiply(a, candidate) === 1) return candidate
  return Number.NaN
})

export function slowInverse(a: number): number {
  return inverses[a]!
}

const cauchy = (row: number, column: number): number => slowInverse((255 - row) ^ column)
const quotient = (a: number, b: number): number => slowMultiply(a, slowInverse(b))

export function slowCoefficient(row: number, column: number): number {
  return quotient(quotient(cauchy(row, column), cauchy(row, 0)), quotient(cauchy(0, column), cauchy(0, 0)))
}

/** All n shards of an object, each `length` bytes. */
export function slowShards(object: Uint8Array, code: { k: number; n: number; length: number }): Uint8Array[] {
  const { k, n, length } = code
  const shards = Array.from({ length: n }, () => new Uint8Array(length))
  for (let i = 0; i < object.length; i++) shards[Math.floor(i / length)]![i % length] = object[i]!
  for (let row = 0; row < n - k; row++) {
    for (let column = 0; column < k; column++) {
      const coefficient = slowCoefficient(row, column)
      const products = Array.from({ length: 256 }, (_, byte) => slowMultiply(coefficient, byte))
      const source = shards[column]!
      const target = shards[k + row]!
      for (let i = 0; i < length; i++) target[i]! ^= products[source[i]!]!
    }
  }
  return shards
}

/** Rank of a square matrix, by elimination. */
export function slowRank(matrix: readonly Uint8Array[]): number {
  const rows = matrix.map((row) => Uint8Array.from(row))
  let rank = 0
  for (let column = 0; column < (rows[0]?.length ?? 0); column++) {
    const pivot = rows.findIndex((row, index) => index >= rank && row[column] !== 0)
    if (pivot < 0) continue
    const [chosen] = rows.splice(pivot, 1)
    rows.splice(rank, 0, chosen!)
    const inverse = slowInverse(chosen![column]!)
    for (const row of rows.slice(rank + 1)) {
      const factor = slowMultiply(row[column]!, inverse)
      for (let i = 0; i < row.length; i++) row[i]! ^= slowMultiply(factor, chosen![i]!)
    }
    rank++
  }
  return rank
}
