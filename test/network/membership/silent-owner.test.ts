import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isSilentOwner } from '../../../agent/network/membership/silent-owner.ts'
import { Liveness } from '../../../agent/network/membership/liveness.ts'
import { TestGroup } from '../../support/peer-group.ts'
import { makeOwner } from '../../support/test-owner.ts'

const dayMs = 86_400_000

test('an owner is silent when none of its machines was heard of for three days, and others then act in its place', async () => {
  await using group = await TestGroup.create()
  const owner = await makeOwner()
  const second = await makeOwner({ root: owner.root })
  const holder = await group.agent('holder', { owners: [await makeOwner()] })
  const devices = [await group.agent('desk', { owners: [owner] }), await group.agent('laptop', { owners: [second] })]
  for (const { record } of devices) await holder.membership.ingest([record], { kind: 'member', name: 'test' })
  assert.equal(isSilentOwner(holder.membership, owner.root.id), false, 'it is known since a moment ago')
  let nowMs = 0
  const liveness = new Liveness(() => nowMs)
  const [desk, laptop] = devices.map(({ id }) => id)
  const { membership } = holder
  const seen = { self: holder.id, liveness, deviceOf: membership.deviceOf.bind(membership), members: () => membership.members() }
  for (const id of [desk, laptop]) liveness.heard(id!)
  nowMs += 2 * dayMs
  liveness.heard(laptop!)
  nowMs += 2 * dayMs
  assert.equal(isSilentOwner(seen, owner.root.id), false, 'one of two was there two days ago')
  nowMs += dayMs
  assert.equal(isSilentOwner(seen, owner.root.id), true)
  assert.equal(isSilentOwner(devices[0]!.membership, owner.root.id), false, 'its own machine is there')
  assert.equal(isSilentOwner(holder.membership, (await makeOwner()).root.id), true, 'nobody of it is a member any more')
})
