import assert from 'node:assert/strict'
import { createHmac, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { chunkId, chunkIdKeyOf, maxChunkLength } from '../../agent/repository/chunk-id.ts'

test('a chunk id is the beginning of HMAC-SHA-256, whatever the length of the chunk and of those before it', () => {
  const secret = randomBytes(32)
  const key = chunkIdKeyOf(secret)
  for (const length of [0, 1, 16_384, 16_385, maxChunkLength, 63, 16_384]) {
    const chunk = randomBytes(length)
    assert.deepEqual(chunkId(key, chunk), createHmac('sha256', secret).update(chunk).digest().subarray(0, 16), `${length} bytes`)
  }
})
