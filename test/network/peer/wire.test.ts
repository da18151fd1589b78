import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { HoldfastError, toProblem } from '../../../shared/errors.ts'
import { type WireEvent, isWireEvent, parseReply, parseRequest, wire } from '../../../agent/network/peer/wire.ts'

const withCode = (code: string) => (error: unknown) => error instanceof HoldfastError && error.code === code
const events = Object.keys(wire) as WireEvent[]
const owner = 'A'.repeat(43)
const id = 'ab'.repeat(32)

const bytes = fc.oneof(fc.uint8Array({ maxLength: 64 }), fc.uint8Array({ maxLength: 64 }).map((array) => Buffer.from(array)))
const hostile = fc.oneof(
  fc.anything({ withBigInt: true, withDate: true, withMap: true, withNullPrototype: true, withTypedArray: true, withObjectString: true }),
  fc.dictionary(fc.constantFrom('header', 'leaves', 'owner', 'id', 'number', 'transfer', 'offset', 'bytes', 'length', 'live', 'records', 'heads', 'peers', 'network', 'ok', 'problem', '__proto__', 'constructor', 'toString'),
    fc.oneof(bytes, fc.anything(), fc.constant(owner), fc.constant(id), fc.constant(1), fc.constant(Number.NaN), fc.constant(2 ** 60))),
)

test('parsing a request throws invalid-input or nothing, whatever came', () => {
  fc.assert(fc.property(fc.constantFrom(...events), hostile, (event, value) => {
    try {
      parseRequest(event, value)
    } catch (error) {
      assert.ok(withCode('invalid-input')(error), String(error))
    }
  }), { numRuns: 2000 })
})

test('parsing a reply throws a HoldfastError or nothing, whatever came', () => {
  const replies = fc.oneof(hostile, hostile.map((value) => (typeof value === 'object' ? { ...value, ok: true } : value)), fc.record({ ok: fc.constant(false), problem: hostile }))
  fc.assert(fc.property(fc.constantFrom(...events), replies, (event, value) => {
    try {
      parseReply(event, value, 'bob')
    } catch (error) {
      assert.ok(withCode('peer-misbehaves')(error), String(error))
    }
  }), { numRuns: 2000 })
})

test('a member whose getter throws is invalid-input', () => {
  const trap = { get protocols(): number[] { throw new Error('trap') }, time: 1 }
  assert.throws(() => parseRequest('hello', trap), withCode('invalid-input'))
})

test('a list of a million elements is refused for its length, before anything looks inside', () => {
  const records = Array.from({ length: 1_000_000 }, () => 0)
  assert.throws(() => parseRequest('gossip.push', { records, heads: [] }), (error) => withCode('invalid-input')(error) && /cannot be read/.test(String(error)))
  assert.throws(() => parseReply('gossip', { ok: true, records: [], heads: [], ages: [], want: { peers: records } }, 'bob'), withCode('peer-misbehaves'))
})

test('an object of a hundred thousand members, at any depth, is refused for their number, in a request and in an answer', () => {
  const many = Object.fromEntries(Array.from({ length: 100_000 }, (_, at) => [`m${at}`, 0]))
  const refused = (code: string) => (error: unknown) => withCode(code)(error) && /cannot be read/.test(String(error))
  assert.throws(() => parseRequest('shard.commit', { transfer: 1, ...many }), refused('invalid-input'))
  assert.throws(() => parseReply('shard.commit', { ok: true, stored: true, ...many }, 'bob'), refused('peer-misbehaves'))
  assert.throws(() => parseReply('shard.commit', { ok: false, problem: { code: 'internal', detail: '', details: many } }, 'bob'), refused('peer-misbehaves'))
  assert.throws(() => parseRequest('gossip.push', { records: [], heads: [{ certificate: '', head: '', ...many }] }), refused('invalid-input'))
  assert.throws(() => parseReply('shard.holds', { ok: true, numbers: [Array.from({ length: 100_000 }, () => '')] }, 'bob'), refused('peer-misbehaves'))
})

test('names that objects inherit are no events', () => {
  for (const name of ['__proto__', 'constructor', 'toString', 'hasOwnProperty', '', 7, null]) assert.equal(isWireEvent(name), false)
})

test('bytes have to be binary, within the frame, and objects that look like bytes are none', () => {
  const request = { transfer: 1, offset: 0 }
  assert.equal(parseRequest('shard.data', { ...request, bytes: Buffer.alloc(1_048_576) }).bytes.length, 1_048_576)
  for (const bytes of [Buffer.alloc(1_048_577), 'text', [1, 2], { type: 'Buffer', data: [1] }, { length: 4 }, new ArrayBuffer(4), new Uint16Array(2)]) {
    assert.throws(() => parseRequest('shard.data', { ...request, bytes }), withCode('invalid-input'))
  }
})

test('members that are not known are ignored', () => {
  assert.deepEqual(parseRequest('shard.commit', { transfer: 3, later: true }), { transfer: 3 })
})

test('a problem comes back with its code, and the peer is named', () => {
  const problem = toProblem(new HoldfastError('quota-exceeded', 'Cannot store the shard: 5 bytes free', { details: { free: 5 } }))
  assert.throws(() => parseReply('shard.begin', { ok: false, problem }, 'bob'), (error) =>
    withCode('quota-exceeded')(error) && error instanceof HoldfastError && /^bob: .*5 bytes free/.test(error.message) && error.details['peer'] === 'bob' && error.details['free'] === 5)
})
