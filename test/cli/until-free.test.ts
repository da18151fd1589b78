import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../../shared/errors.ts'
import { untilFree } from '../../agent/cli/until-free.ts'

const taken = new HoldfastError('in-use', 'Cannot use the home: another agent runs on it')

test('a command waits for an agent that is just starting, not for ever, and for nothing else', async () => {
  let attempts = 0
  let waitedMs = 0
  const pause = async (ms: number) => { waitedMs += ms }
  assert.equal(await untilFree(async () => {
    if (++attempts < 4) throw taken
    return 'answered'
  }, pause), 'answered')
  assert.equal(waitedMs, 750)
  await assert.rejects(untilFree(async () => { throw taken }, pause), taken)
  assert.equal(waitedMs, 20_750)
  await assert.rejects(untilFree(async () => { throw new HoldfastError('disk-full', 'Cannot go on') }, pause), /Cannot go on/)
  assert.equal(waitedMs, 20_750)
  await assert.rejects(untilFree(async () => { throw taken }, async () => { throw new Error('interrupted') }), /interrupted/)
})
