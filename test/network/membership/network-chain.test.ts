import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { thumbprint } from '../../../agent/identity/machine.ts'
import { NetworkChain, maxSideRecords } from '../../../agent/network/membership/network-chain.ts'
import { type KeySigner, type VerifiedNetwork, verifyNetwork } from '../../../agent/network/membership/records.ts'
import { newGroup, newMachine, newOwner, nextEpoch } from '../../support/records-kit.ts'

const [founder, second, stranger] = [newOwner().admin, newOwner().admin, newOwner().admin] as [KeySigner, KeySigner, KeySigner]
const group = await newGroup(founder, { admins: [founder.jwk, second.jwk] })
const both = { net: group.net, admins: [founder.jwk, second.jwk] }
const victim = await newMachine()

async function entry(jws: string | Promise<string>): Promise<VerifiedNetwork> {
  return await verifyNetwork(await jws)
}

/** Adds as a machine does that hears everything again and again, until nothing changes. */
function addAll(entries: readonly VerifiedNetwork[]): NetworkChain {
  const chain = new NetworkChain(group.net)
  for (let size = -1; size !== chain.entries().length;) {
    size = chain.entries().length
    for (const one of entries) chain.add(one)
  }
  return chain
}

const revoke = (id: string) => [{ id, at: 1, why: 'test' }]

test('an epoch follows when an admin of the one before signed it, and not otherwise', async () => {
  const chain = new NetworkChain(group.net)
  const two = await nextEpoch(group.epoch1, second, { ...both, epoch: 2, name: 'renamed' })
  assert.equal(chain.add(await entry(two)), 'waiting')
  assert.equal(chain.add(await entry(group.epoch1)), 'taken')
  assert.equal(chain.add(await entry(two)), 'taken')
  assert.equal(chain.add(await entry(two)), 'known')
  assert.equal(chain.add(await entry(nextEpoch(two, stranger, { ...both, epoch: 3, admins: [stranger.jwk] }))), 'not-an-admin')
  assert.equal(chain.add(await entry(nextEpoch(two, founder, { ...both, epoch: 7 }))), 'foreign')
  assert.equal(chain.add(await entry((await newGroup()).epoch1)), 'foreign')
  assert.equal(chain.current?.record.name, 'renamed')
})

test('forks are settled equally whatever the order, and revocations of every branch stay', async () => {
  const two = await nextEpoch(group.epoch1, founder, { ...both, epoch: 2, name: 'founder' })
  const twoB = await nextEpoch(group.epoch1, second, { ...both, epoch: 2, name: 'second', revoked: revoke(victim.id) })
  const twoC = await nextEpoch(group.epoch1, founder, { ...both, epoch: 2, name: 'founder, other laptop' })
  const three = await nextEpoch(two, second, { ...both, epoch: 3, name: 'three' })
  const threeB = await nextEpoch(twoB, second, { ...both, epoch: 3, name: 'three b', revoked: revoke(stranger.id) })
  const fourB = await nextEpoch(threeB, second, { ...both, epoch: 4 })
  const threeTie = await nextEpoch(two, second, { ...both, epoch: 3, name: 'three again' })
  const entries = await Promise.all([group.epoch1, two, twoB, twoC, three, threeB, fourB, threeTie].map(entry))
  const expected = addAll(entries)
  fc.assert(fc.property(fc.shuffledSubarray(entries, { minLength: entries.length }), (shuffled) => {
    const chain = addAll(shuffled)
    assert.deepEqual(chain.chain.map((one) => one.sha256), expected.chain.map((one) => one.sha256))
    assert.deepEqual(chain.revokedIds().sort(), [victim.id, stranger.id].sort())
  }), { numRuns: 200 })
  // the founder ranks first; of his two branches the longer; of the second admin's tie the lower hash
  const tie = [await entry(three), await entry(threeTie)].sort((a, b) => (a.sha256 < b.sha256 ? -1 : 1))[0]
  assert.deepEqual(expected.chain.map((one) => one.sha256), [await entry(group.epoch1), await entry(two), tie].map((one) => one?.sha256))
})

test('an admin who was removed takes over nothing with a longer branch from before', async () => {
  const removal = await nextEpoch(group.epoch1, founder, { net: group.net, epoch: 2, admins: [founder.jwk] })
  const chain = addAll([await entry(group.epoch1), await entry(removal)])
  let prev = group.epoch1
  for (let epoch = 2; epoch < 6; epoch++) {
    prev = await nextEpoch(prev, second, { net: group.net, epoch, admins: [second.jwk, stranger.jwk] })
    chain.add(await entry(prev))
  }
  assert.equal(chain.current?.jws, removal)
  assert.equal(chain.add(await entry(nextEpoch(removal, second, { ...both, epoch: 3 }))), 'not-an-admin')
})

test('what a revoked admin key branches off does not count, neither its revocations nor its admins', async () => {
  const removal = await nextEpoch(group.epoch1, founder, { net: group.net, epoch: 2, admins: [founder.jwk], revoked: [{ id: second.id, at: 1, why: 'stolen', keep: [victim.id] }] })
  const rogue = await nextEpoch(group.epoch1, second, { net: group.net, epoch: 2, admins: [second.jwk, stranger.jwk], revoked: revoke(victim.id) })
  for (const order of [[removal, rogue], [rogue, removal]]) {
    const chain = addAll(await Promise.all([group.epoch1, ...order].map(entry)))
    assert.equal(chain.revocation(victim.id), undefined)
    assert.equal(chain.mayAdmit(stranger.jwk, victim.id), false)
    assert.equal(chain.mayAdmit(second.jwk, (await newMachine()).id), false)
    assert.equal(chain.mayAdmit(second.jwk, victim.id), true)
    assert.equal(chain.mayAdmit(founder.jwk, victim.id), true)
  }
})

test('a flood of side branches is bounded and never keeps the chain from growing', async () => {
  const two = await nextEpoch(group.epoch1, founder, { ...both, epoch: 2 })
  const chain = addAll([await entry(group.epoch1), await entry(two)])
  const verdicts = new Map<string, number>()
  for (let index = 0; index < maxSideRecords + 20; index++) {
    const verdict = chain.add(await entry(nextEpoch(group.epoch1, second, { ...both, epoch: 2, name: `flood ${index}` })))
    verdicts.set(verdict, (verdicts.get(verdict) ?? 0) + 1)
  }
  assert.deepEqual([...verdicts], [['taken', maxSideRecords], ['quota', 20]])
  assert.equal(chain.add(await entry(nextEpoch(two, founder, { ...both, epoch: 3, name: 'goes on' }))), 'taken')
  assert.equal(chain.current?.record.name, 'goes on')
  assert.equal(thumbprint(chain.current.record.by), founder.id)
})

test('a branch whose admin another one removes loses to it, whatever their ranks, unless each removes the other', async () => {
  const removal = await entry(nextEpoch(group.epoch1, second, { net: group.net, epoch: 2, admins: [second.jwk] }))
  const rename = await entry(nextEpoch(group.epoch1, founder, { ...both, epoch: 2, name: 'did not hear of it' }))
  const longer = await entry(nextEpoch(rename.jws, founder, { ...both, epoch: 3, name: 'still not' }))
  const coup = await entry(nextEpoch(group.epoch1, founder, { net: group.net, epoch: 2, admins: [founder.jwk] }))
  const epoch1 = await entry(group.epoch1)
  for (const order of [[removal, rename, longer], [longer, rename, removal]]) assert.equal(addAll([epoch1, ...order]).current?.sha256, removal.sha256)
  for (const order of [[removal, coup], [coup, removal]]) assert.equal(addAll([epoch1, ...order]).current?.sha256, coup.sha256, 'who sees both at once follows the rank')
})

test('a removed admin forks no old epoch for who saw the removal, nor for who is told what was settled', async () => {
  const removal = await entry(nextEpoch(group.epoch1, second, { net: group.net, epoch: 2, admins: [second.jwk] }))
  const later = await entry(nextEpoch(removal.jws, second, { net: group.net, epoch: 3, admins: [second.jwk], name: 'later' }))
  const fork = await entry(nextEpoch(group.epoch1, founder, { net: group.net, epoch: 2, admins: [founder.jwk, stranger.jwk], revoked: revoke(victim.id) }))
  const child = await entry(nextEpoch(fork.jws, stranger, { net: group.net, epoch: 3, admins: [stranger.jwk] }))

  const witness = addAll([await entry(group.epoch1), removal, later])
  witness.remember()
  assert.deepEqual([witness.add(fork), witness.add(child)], ['late-fork', 'waiting'])
  assert.deepEqual([witness.current?.sha256, witness.revokedIds(), witness.mayAdmit(stranger.jwk, victim.id)], [later.sha256, [], false])
  assert.equal(witness.settled, removal.sha256)

  for (const order of [[fork, child, removal, later], [removal, later, fork, child]]) {
    const newcomer = new NetworkChain(group.net)
    newcomer.settle(witness.settled)
    for (const one of [await entry(group.epoch1), ...order]) newcomer.add(one)
    assert.deepEqual([newcomer.current?.sha256, newcomer.revokedIds()], [later.sha256, []])
    newcomer.remember()
    assert.equal(newcomer.add(fork), 'late-fork')
  }
})
