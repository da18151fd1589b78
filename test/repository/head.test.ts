import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { hasCode } from '../../shared/errors.ts'
import type { ObjectId, ObjectKind, ObjectRef } from '../../agent/object-store.ts'
import { type NewHead, decodeLive, encodeLive, hashOf, signHead, verifyHead } from '../../agent/repository/head.ts'
import { makeOwner } from '../support/test-owner.ts'

const ref: fc.Arbitrary<ObjectRef> = fc.record({
  kind: fc.constantFrom<ObjectKind>('pack', 'index', 'snapshot', 'key'), length: fc.integer({ min: 1, max: 2 ** 40 }),
  id: fc.uint8Array({ minLength: 32, maxLength: 32 }).map((bytes) => Buffer.from(bytes).toString('hex') as ObjectId),
})
const refs = fc.uniqueArray(ref, { selector: ({ id }) => id, maxLength: 30 })
const invalid = (error: unknown): boolean => hasCode(error, 'record-invalid', 'format-unknown')

async function newHead(overrides: Partial<NewHead> = {}) {
  const device = await makeOwner()
  const keyring = { kind: 'key' as const, id: 'a'.repeat(64) as ObjectId, length: 900 }
  const published = await signHead({
    owner: device.root.id, epoch: 1, seq: 1, previous: undefined, nowMs: 0, keyring, latest: undefined, live: [keyring], adopts: [], ...overrides,
  }, { machine: device.machine, certificate: device.certificate })
  return { device, keyring, published }
}

test('a live list comes back, ascending, each object once', () => {
  fc.assert(fc.property(refs, (objects) => {
    const live = encodeLive([...objects, ...objects])
    const found = decodeLive(live)
    assert.equal(found.length, objects.length)
    assert.deepEqual(new Set(found.map((one) => JSON.stringify(one))), new Set(objects.map(({ kind, id, length }) => JSON.stringify({ kind, id, length }))))
  }), { verbose: 1 })
})

test('a live list out of order, doubled, cut off, or of an unknown kind is refused', () => {
  const live = encodeLive([1, 2].map((n) => ({ kind: 'pack' as const, id: String(n).repeat(64) as ObjectId, length: n })))
  assert.throws(() => decodeLive(Buffer.concat([live.subarray(41), live.subarray(0, 41)])), invalid)
  assert.throws(() => decodeLive(Buffer.concat([live.subarray(0, 41), live.subarray(0, 41)])), invalid)
  assert.throws(() => decodeLive(live.subarray(1)), invalid)
  const unknown = Buffer.from(live)
  unknown[41] = 9
  assert.throws(() => decodeLive(unknown), (error) => hasCode(error, 'format-unknown'))
})

test('a head verifies and names what it was made of', async () => {
  const { device, keyring, published } = await newHead()
  const head = await verifyHead(published, device.root.id)
  assert.deepEqual(head.live, [keyring])
  assert.deepEqual([head.document.seq, head.document.live.count, head.document.live.bytes], [1, 1, 900])
  const next = await signHead({
    owner: device.root.id, epoch: 1, seq: 2, previous: published, nowMs: 0, keyring, latest: undefined, live: [], adopts: [],
  }, { machine: device.machine, certificate: device.certificate })
  assert.equal((await verifyHead(next, device.root.id)).document.prev, hashOf(published.head))
})

test('a head does not verify with another live list, certificate, owner, or any character changed', async () => {
  const { device, published } = await newHead()
  const other = await newHead()
  await assert.rejects(verifyHead({ ...published, live: encodeLive([]) }, device.root.id), invalid)
  await assert.rejects(verifyHead({ ...published, certificate: other.published.certificate }, device.root.id), invalid)
  await assert.rejects(verifyHead(published, other.device.root.id), invalid)
  for (let at = 0; at < published.head.length; at += 13) {
    const swapped = published.head[at] === 'A' ? 'Q' : 'A'
    await assert.rejects(verifyHead({ ...published, head: published.head.slice(0, at) + swapped + published.head.slice(at + 1) }, device.root.id), invalid)
  }
})

test('a head of another epoch than its certificate is refused', async () => {
  const { device, published } = await newHead({ epoch: 2 })
  await assert.rejects(verifyHead(published, device.root.id), invalid)
})
