import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hashLeaves } from '../../agent/merkle.ts'
import { ErasureCoder } from '../../agent/network/erasure/reed-solomon.ts'
import { ParityEncoder } from '../../agent/network/parity-encoder.ts'
import { seededBytes } from '../support/trees.ts'

test('an object that comes while the idle worker is being ended is cut all the same', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] })
  await using encoder = new ParityEncoder()
  const bytes = seededBytes(1_200_000, 1)
  const object = { bytes, leaves: hashLeaves(bytes) }
  const { shards: before } = await encoder.cut(object, 3, 6)
  t.mock.timers.tick(10_000)
  const { shards } = await encoder.cut(object, 3, 6)
  assert.deepEqual(shards.map(({ leaves }) => Buffer.from(leaves)), before.map(({ leaves }) => Buffer.from(leaves)))
})

test('a small object is cut here and a large one in a thread, both into the shards that the code says', async () => {
  await using encoder = new ParityEncoder()
  const coder = new ErasureCoder()
  for (const length of [1, 65_537, 1_048_576, 1_048_577]) {
    const bytes = seededBytes(length, length)
    const { shards } = await encoder.cut({ bytes, leaves: hashLeaves(bytes) }, 3, 6)
    assert.deepEqual(shards.map(({ number }) => number), [0, 1, 2, 3, 4, 5])
    for (const { bytes: shard, leaves } of shards) assert.ok(Buffer.from(leaves).equals(hashLeaves(shard)))
    const parity = coder.encodeParity({ data: bytes, k: 3, n: 6 })
    for (const [row, expected] of parity.entries()) assert.ok(Buffer.from(shards[3 + row]!.bytes).equals(expected), `parity ${row} of ${length} bytes`)
    const data = Buffer.concat(shards.slice(0, 3).map(({ bytes: shard }) => shard))
    assert.ok(data.subarray(0, length).equals(bytes) && data.subarray(length).every((byte) => byte === 0))
  }
})
