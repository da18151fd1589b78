import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashLeaves } from '../../agent/merkle.ts'
import { ParityEncoder } from '../../agent/network/parity-encoder.ts'
import { seededBytes } from '../support/trees.ts'

test('an object that comes while the idle worker is being ended is cut all the same', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  await using encoder = new ParityEncoder()
  const bytes = seededBytes(200_000, 1)
  const object = { bytes, leaves: hashLeaves(bytes) }
  const { shards: before } = await encoder.cut(object, 3, 6)
  t.mock.timers.tick(10_000)
  const { shards } = await encoder.cut(object, 3, 6)
  assert.deepEqual(shards.map(({ leaves }) => Buffer.from(leaves)), before.map(({ leaves }) => Buffer.from(leaves)))
})
