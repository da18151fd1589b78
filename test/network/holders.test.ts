import assert from 'node:assert/strict'
import { test } from 'node:test'
import { Holders } from '../../agent/network/holders.ts'
import { FakeTime } from '../support/fake-time.ts'
import { makeGroup } from '../support/shard-group.ts'

test('a machine that answers again after silence is used again at once; one that was full or lied stays aside for its time', async () => {
  await using group = await makeGroup(4)
  const time = new FakeTime()
  const holders = new Holders(group.peers, time, { timings: { connectMs: 1000 } })
  const [off, slow, full, wrong] = group.machines.map(({ id }) => id)
  holders.fault(off!, 'unreachable')
  holders.fault(slow!, 'slow')
  holders.fault(full!, 'unreachable')
  holders.fault(full!, 'full')
  holders.fault(wrong!, 'damaged')
  assert.deepEqual([off, slow, full, wrong].map((id) => holders.isWritable(id!)), [false, false, false, false])
  for (const id of [off, slow, full, wrong]) holders.answered(id!)
  assert.deepEqual([off, slow, full, wrong].map((id) => holders.isWritable(id!)), [true, true, false, false])
  time.run(600_000)
  assert.deepEqual([off, slow, full, wrong].map((id) => holders.isWritable(id!)), [true, true, true, true])
})

test('a wall clock that is set back does not make a pause longer than any is', async () => {
  await using group = await makeGroup(1)
  const time = new FakeTime()
  const holders = new Holders(group.peers, time, { timings: { connectMs: 1000 } })
  const id = group.machines[0]!.id
  holders.fault(id, 'refused')
  assert.deepEqual([holders.isWritable(id), holders.isDoubtful(id)], [false, true])
  time.jump(-86_400_000)
  assert.deepEqual([holders.isWritable(id), holders.isDoubtful(id)], [true, false])
})
