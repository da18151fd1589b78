import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { Worker } from 'node:worker_threads'
import * as fc from 'fast-check'
import { dataShard, ErasureCoder, shardLength } from '../../../agent/network/erasure/reed-solomon.ts'
import { keystream } from '../../support/keystream.ts'
import { slowShards } from './reference.ts'

const contentKey = Uint8Array.from({ length: 32 }, (_, index) => index)
const vectors = JSON.parse(
  readFileSync(new URL('../../fixtures/format-v1/coding-matrix.json', import.meta.url), 'utf8'),
) as { encoded: { k: number; n: number; length: number; shardLength: number; paritySha256: string[] }[] }
const sha256 = (bytes: Uint8Array): string => createHash('sha256').update(bytes).digest('hex')
const coder = new ErasureCoder()

/** All n shards as the agent makes them, data shards padded. */
function shardsOf(object: Uint8Array, k: number, n: number): Uint8Array[] {
  const data = Array.from({ length: k }, (_, number) => {
    const shard = new Uint8Array(shardLength(object.length, k))
    shard.set(dataShard(object, k, number))
    return shard
  })
  return [...data, ...coder.encodeParity({ data: object, k, n })]
}

const code = fc.oneof(
  { weight: 4, arbitrary: fc.record({ k: fc.integer({ min: 1, max: 6 }), parity: fc.integer({ min: 0, max: 5 }) }) },
  { weight: 1, arbitrary: fc.record({ k: fc.integer({ min: 1, max: 128 }), parity: fc.integer({ min: 0, max: 127 }) }) },
)

test('shardLength() rounds up to 64 bytes for objects of up to k MiB and to 64 KiB above', () => {
  const mebibyte = 1_048_576
  assert.equal(shardLength(0, 3), 64)
  assert.equal(shardLength(1, 3), 64)
  assert.equal(shardLength(192, 3), 64)
  assert.equal(shardLength(193, 3), 128)
  assert.equal(shardLength(mebibyte, 1), mebibyte)
  assert.equal(shardLength(mebibyte + 1, 1), mebibyte + 65_536)
  assert.equal(shardLength(3 * mebibyte - 100, 3), mebibyte)
  assert.equal(shardLength(3 * mebibyte + 1, 3), mebibyte + 65_536)
  assert.equal(shardLength(16 * mebibyte, 3), 86 * 65_536)
  assert.throws(() => shardLength(-1, 3), RangeError)
  assert.throws(() => shardLength(10, 0), RangeError)
})

test('Parity has not changed since format version 1', () => {
  for (const { k, n, length, shardLength: expected, paritySha256 } of vectors.encoded) {
    const data = keystream(contentKey, length)
    assert.equal(shardLength(length, k), expected)
    assert.deepEqual(coder.encodeParity({ data, k, n }).map(sha256), paritySha256, `${k} of ${n}, ${length} bytes`)
  }
})

test('encodeParity() agrees with the reference', () => {
  fc.assert(fc.property(code, fc.uint8Array({ maxLength: 700 }), ({ k, parity }, object) => {
    const length = shardLength(object.length, k)
    const expected = slowShards(object, { k, n: k + parity, length }).slice(k)
    assert.deepEqual(coder.encodeParity({ data: object, k, n: k + parity }), expected)
  }), { numRuns: 60 })
})

test('encodeParity() copies the object for k = 1 and gives the xor of the data shards as the first parity shard', () => {
  const object = keystream(contentKey, 640)
  for (const parity of coder.encodeParity({ data: object, k: 1, n: 4 })) assert.deepEqual(Buffer.from(parity), object)
  const [first] = coder.encodeParity({ data: object, k: 2, n: 3 })
  assert.deepEqual(first, Uint8Array.from({ length: 320 }, (_, i) => object[i]! ^ object[320 + i]!))
})

test('encodeParity() makes the same shards when n grows, and only the new ones when asked', () => {
  const data = keystream(contentKey, 300_000)
  const all = coder.encodeParity({ data, k: 3, n: 30 })
  assert.deepEqual(coder.encodeParity({ data, k: 3, n: 6 }), all.slice(0, 3))
  assert.deepEqual(coder.encodeParity({ data, k: 3, n: 30 }, 3), all.slice(3))
  assert.deepEqual(coder.encodeParity({ data, k: 3, n: 6 }, 3), [])
  assert.throws(() => coder.encodeParity({ data, k: 3, n: 6 }, 4), RangeError)
  assert.throws(() => coder.encodeParity({ data, k: 3, n: 6 }, -1), RangeError)
})

test('reconstruct() gives any shard back from any k others', () => {
  const cases = code.chain(({ k, parity }) => fc.record({
    k: fc.constant(k),
    n: fc.constant(k + parity),
    object: fc.uint8Array({ maxLength: 2_000 }),
    order: fc.shuffledSubarray(Array.from({ length: k + parity }, (_, number) => number), { minLength: k, maxLength: k }),
    wanted: fc.array(fc.integer({ min: 0, max: k + parity - 1 }), { maxLength: 40 }),
  }))
  fc.assert(fc.property(cases, ({ k, n, object, order, wanted }) => {
    const shards = shardsOf(object, k, n)
    const available = order.map((number) => ({ number, bytes: shards[number]! }))
    assert.deepEqual(coder.reconstruct({ k, wanted, available }), wanted.map((number) => shards[number]!))
  }), { numRuns: 80 })
})

test('reconstruct() rebuilds the object of every redundancy level from every choice of k shards', () => {
  const object = keystream(contentKey, 5_000)
  for (const [k, n] of [[1, 2], [1, 3], [2, 3], [4, 5], [2, 4], [3, 5], [4, 6], [3, 6]] as const) {
    const shards = shardsOf(object, k, n)
    const data = Array.from({ length: k }, (_, number) => number)
    for (let choice = 0; choice < 2 ** n; choice++) {
      const numbers = Array.from({ length: n }, (_, number) => number).filter((number) => (choice >> number) & 1)
      if (numbers.length !== k) continue
      const available = numbers.map((number) => ({ number, bytes: shards[number]! }))
      const rebuilt = Buffer.concat(coder.reconstruct({ k, wanted: data, available })).subarray(0, object.length)
      assert.ok(rebuilt.equals(object), `${k} of ${n} from ${numbers.join(' ')}`)
    }
  }
})

test('reconstruct() rebuilds a range of a shard from the same range of others, over many blocks', () => {
  const shards = shardsOf(keystream(contentKey, 600_000), 3, 6)
  fc.assert(fc.property(fc.nat(200_000), fc.nat(150_000), (start, length) => {
    const range = (number: number): Uint8Array => shards[number]!.subarray(start, start + length)
    const available = [5, 1, 3].map((number) => ({ number, bytes: range(number) }))
    const [zero, four] = coder.reconstruct({ k: 3, wanted: [0, 4], available })
    assert.ok(Buffer.from(range(0)).equals(zero!))
    assert.ok(Buffer.from(range(4)).equals(four!))
  }), { numRuns: 20 })
})

test('reconstruct() refuses ranges of different lengths and a wrong number of shards', () => {
  const bytes = new Uint8Array(64)
  const shard = (number: number, length = 64): { number: number; bytes: Uint8Array } => ({ number, bytes: bytes.subarray(0, length) })
  assert.throws(() => coder.reconstruct({ k: 2, wanted: [0], available: [shard(1), shard(2, 32)] }), RangeError)
  assert.throws(() => coder.reconstruct({ k: 2, wanted: [0], available: [shard(1)] }), RangeError)
  assert.throws(() => coder.reconstruct({ k: 2, wanted: [0], available: [shard(1), shard(1)] }), RangeError)
})

test('An ErasureCoder works in a worker thread beside others', async () => {
  const module = new URL('../../../agent/network/erasure/reed-solomon.ts', import.meta.url).href
  const script = `
    const { parentPort, workerData } = await import('node:worker_threads')
    const { ErasureCoder } = await import(${JSON.stringify(module)})
    parentPort.postMessage(new ErasureCoder().encodeParity(workerData))`
  const jobs = [1, 2].map(async (seed) => {
    const data = keystream(new Uint8Array(32).fill(seed), 500_000)
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(script)}`), { workerData: { data, k: 3, n: 6 } })
    const parity = await new Promise<Uint8Array[]>((resolve, reject) => worker.once('message', resolve).once('error', reject))
    await worker.terminate()
    assert.deepEqual(parity, coder.encodeParity({ data, k: 3, n: 6 }))
  })
  await Promise.all(jobs)
})
