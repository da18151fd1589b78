/**
 * Arithmetic in GF(2^8) with the polynomial x^8 + x^4 + x^3 + x^2 + 1 (0x11d), whose element 2 generates all others.
 * Addition and subtraction are xor. For matrices and tables; the bytes of shards go through the kernel.
 */

const polynomial = 0x11d
const order = 255

const powers = new Uint8Array(2 * order)
const logarithms = new Uint8Array(256)
for (let exponent = 0, value = 1; exponent < order; exponent++) {
  powers[exponent] = value
  powers[exponent + order] = value
  logarithms[value] = exponent
  value = value < 128 ? value << 1 : (value << 1) ^ polynomial
}

export function multiply(a: number, b: number): number {
  if (a === 0 || b === 0) return 0
  return powers[logarithms[a]! + logarithms[b]!]!
}

/** Throws RangeError when `b` is 0. */
export function divide(a: number, b: number): number {
  if (b === 0) throw new RangeError('Cannot divide by zero in GF(256)')
  if (a === 0) return 0
  return powers[logarithms[a]! + order - logarithms[b]!]!
}
