import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { HoldfastError } from '../../shared/errors.ts'
import { importPublicKey } from '../../agent/identity/jws.ts'
import { hashLeaves } from '../../agent/merkle.ts'
import { checkLeaves, checkRange, checkRef, headerLength, parseHeader, signHeader, verifyHeader, withNumber } from '../../agent/network/shard.ts'
import { cutDataShards, rootsOf } from '../../agent/network/shard-set.ts'
import type { NewShard } from '../../agent/network/shard-store/port.ts'
import { makeOwner, makeShards } from '../support/test-owner.ts'

const withCode = (...codes: string[]) => (error: unknown) => error instanceof HoldfastError && codes.includes(error.code)
const owner = await makeOwner()
const key = importPublicKey(owner.machine.jwk)

function checkAll(shard: NewShard): void {
  const header = verifyHeader(shard.header, key)
  checkRef(header, shard)
  checkLeaves(header, shard.leaves)
  checkRange(shard.leaves, 0, shard.bytes, header)
}

test('a header made by the specification verifies, and signHeader() makes the same bytes', () => {
  const [, second] = makeShards(owner, { k: 2, n: 3, length: 150_000 })
  checkAll(second!)
  const header = parseHeader(second!.header)
  assert.deepEqual([header.k, header.n, header.number, header.length, header.shardLength], [2, 3, 1, 150_000, 75_008])
  assert.deepEqual(withNumber(signHeader(header, owner.machine), 1), Buffer.from(second!.header))
})

test('every flipped bit of header, leaves and bytes is found', () => {
  const [shard] = makeShards(owner, { k: 2, n: 3, length: 300_000, number: 0 }) as [NewShard]
  fc.assert(fc.property(fc.constantFrom('header', 'leaves', 'bytes'), fc.nat(), fc.nat(7), (part, at, bit) => {
    const damaged = Buffer.from(shard[part])
    damaged[at % damaged.length]! ^= 1 << bit
    assert.throws(() => checkAll({ ...shard, [part]: damaged }), withCode('object-damaged', 'format-unknown'))
  }), { numRuns: 300 })
})

test('every bit of a header is covered', () => {
  const [shard] = makeShards(owner, { k: 1, n: 2, length: 100 }) as [NewShard]
  for (let bit = 0; bit < headerLength(2) * 8; bit++) {
    const header = Buffer.from(shard.header)
    header[bit >> 3]! ^= 1 << (bit & 7)
    assert.throws(() => checkAll({ ...shard, header }), withCode('object-damaged', 'format-unknown'), `bit ${bit}`)
  }
})

test('the parser throws nothing but HoldfastError, whatever it is fed', () => {
  const [shard] = makeShards(owner, { k: 2, n: 3 }) as [NewShard]
  const start = fc.constantFrom(Buffer.from(shard.header), Buffer.from('HFS1'), Buffer.from('HFS2'), Buffer.alloc(0))
  fc.assert(fc.property(start, fc.uint8Array({ maxLength: 400 }), fc.nat(400), (start, rest, cut) => {
    const bytes = Buffer.concat([start.subarray(0, cut), rest])
    for (const options of [{}, { prefix: true }]) {
      try {
        parseHeader(bytes, options)
      } catch (error) {
        assert.ok(error instanceof HoldfastError)
      }
    }
  }), { numRuns: 500 })
})

test('a truncated header or shard is found', () => {
  const [shard] = makeShards(owner, { k: 1, n: 2, length: 70_000 }) as [NewShard]
  for (const length of [0, 3, 127, 128, 200, shard.header.length - 1]) assert.throws(() => parseHeader(shard.header.subarray(0, length)), withCode('object-damaged'))
  assert.throws(() => checkAll({ ...shard, leaves: shard.leaves.subarray(0, 32) }), withCode('object-damaged'))
  assert.throws(() => checkAll({ ...shard, bytes: shard.bytes.subarray(0, 69_000) }), withCode('object-damaged'))
})

test('a shard put in the place of another number, object or owner is found', async () => {
  const [first, second] = makeShards(owner, { k: 1, n: 2 }) as [NewShard, NewShard]
  const [foreign] = makeShards(owner, { k: 1, n: 2 }) as [NewShard]
  const stranger = await makeOwner()
  const [theirs] = makeShards(stranger, { k: 1, n: 2, id: first.id }) as [NewShard]
  assert.throws(() => checkAll({ ...first, header: second.header }), withCode('object-damaged'))
  assert.throws(() => checkAll({ ...first, header: withNumber(first.header, 1), number: 1 }), withCode('object-damaged'))
  assert.throws(() => checkAll({ ...first, leaves: second.leaves, bytes: second.bytes }), withCode('object-damaged'))
  assert.throws(() => checkAll({ ...foreign, id: first.id }), withCode('object-damaged'))
  assert.throws(() => checkAll({ ...theirs, owner: owner.root.id }), withCode('object-damaged'))
  const [moved] = makeShards({ ...owner, root: stranger.root }, { k: 1, n: 2 }) as [NewShard]
  assert.throws(() => checkRef(verifyHeader(moved.header, key), { ...moved, owner: owner.root.id }), withCode('object-damaged'))
})

test('the leaves of data shards are those that hashing them would give, for every way an object can lie', () => {
  const lengths = [1, 64, 65_535, 65_536, 65_537, 131_072, 3 * 65_536, 1_048_576, 1_048_577, 2_097_153, 3_300_000]
  for (const length of lengths) {
    const object = randomBytes(length)
    for (const k of [1, 2, 3, 4]) {
      const shards = cutDataShards(object, hashLeaves(object), k)
      for (const { bytes, leaves } of shards) assert.deepEqual(Buffer.from(leaves), Buffer.from(hashLeaves(bytes)), `${length} in ${k}`)
      assert.ok(Buffer.concat(shards.map(({ bytes }) => bytes)).subarray(0, length).equals(object))
      assert.equal(rootsOf(shards).length, 32 * k)
    }
  }
})
