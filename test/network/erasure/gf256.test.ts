import assert from 'node:assert/strict'
import { test } from 'node:test'
import { divide, multiply } from '../../../agent/network/erasure/gf256.ts'
import { slowMultiply } from './reference.ts'

test('multiply() agrees with multiplication of polynomials modulo 0x11d for all pairs', () => {
  for (let a = 0; a < 256; a++) {
    for (let b = 0; b < 256; b++) assert.equal(multiply(a, b), slowMultiply(a, b), `${a} · ${b}`)
  }
})

test('divide() undoes multiply() for all pairs', () => {
  for (let a = 0; a < 256; a++) {
    for (let b = 1; b < 256; b++) assert.equal(divide(slowMultiply(a, b), b), a, `${a} · ${b} / ${b}`)
  }
})

test('divide() refuses to divide by zero', () => {
  assert.throws(() => divide(1, 0), RangeError)
})
