import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { HoldfastError } from '../../../shared/errors.ts'
import { issueDeviceCertificate } from '../../../agent/identity/device.ts'
import { signRecord } from '../../../agent/identity/jws.ts'
import { admitMachine, replaceMachine } from '../../../agent/network/founding.ts'
import { changeNetwork, machineRevocation, revokeKeeping } from '../../../agent/network/governing.ts'
import { Membership, type MembershipEvent } from '../../../agent/network/membership/membership.ts'
import { isHeardLately } from '../../../agent/network/membership/liveness.ts'
import type { Source } from '../../../agent/network/membership/intake.ts'
import { parseInvitation } from '../../../agent/network/membership/invitation.ts'
import {
  TestClock, admitted, claimed, day, headOf, invite, newGroup, newMachine, newMembership, newOwner, nextEpoch, peerRecord, startMs,
} from '../../support/records-kit.ts'

const withCode = (code: string) => (error: unknown) => error instanceof HoldfastError && error.code === code
const roster: Source = { kind: 'roster', name: 'folder:/share' }
const group = await newGroup()
const [self, ann, bob] = [await newMachine(), await newMachine(), await newMachine()]
const member: Source = { kind: 'member', name: ann.id }

async function watching(clock = new TestClock()): Promise<{ membership: Membership; events: MembershipEvent[]; clock: TestClock }> {
  const membership = newMembership(group, self, clock)
  const events: MembershipEvent[] = []
  membership.subscribe((event) => events.push(event))
  await membership.ingest([group.epoch1], roster)
  return { membership, events, clock }
}

test('machines that an admin or an invitation let in are members, whatever the order of their records', async () => {
  const { text } = await invite(group)
  const records = [group.epoch1, await admitted(group, ann), await peerRecord(group, bob, { admission: await claimed(text, bob) })]
  await fc.assert(fc.asyncProperty(fc.shuffledSubarray(records, { minLength: 3 }), async (shuffled) => {
    const membership = newMembership(group, self)
    for (const jws of shuffled) await membership.ingest([jws], roster)
    assert.deepEqual(membership.members().map((one) => one.id).sort(), [ann.id, bob.id].sort())
  }), { numRuns: 12 })
})

test('a record changed in any part is refused and counted, and the good ones beside it are taken', async () => {
  const { membership } = await watching()
  const good = await admitted(group, ann)
  const at = good.length >> 1
  const flipped = good.slice(0, at) + (good[at] === 'A' ? 'B' : 'A') + good.slice(at + 1)
  const last = good.at(-1) as string
  const sameBits = good.slice(0, -1) + String.fromCharCode(last.charCodeAt(0) + 1)
  const report = await membership.ingest([flipped, sameBits, `${good} `, 'rubbish', '', '..', 'x'.repeat(1_000_000), good], roster)
  assert.deepEqual(report, { taken: 1, known: 0, stale: 0, refused: { 'record-invalid': 3, 'unknown-type': 3, 'too-long': 1 } })
  assert.deepEqual(membership.members().map((one) => one.id), [ann.id])
})

test('no text whatever makes ingest or the door throw anything but our errors', async () => {
  const { membership } = await watching()
  const good = await admitted(group, ann)
  await fc.assert(fc.asyncProperty(fc.oneof(fc.string(), fc.tuple(fc.nat(good.length), fc.string({ maxLength: 4 })).map(([at, text]) => good.slice(0, at) + text + good.slice(at + 1))), async (text) => {
    await membership.ingest([text], roster)
    await membership.takeHeads([{ certificate: text, head: text }], roster)
    await membership.admits(text).catch((error: unknown) => assert.ok(error instanceof HoldfastError))
  }), { numRuns: 100 })
})

test('records of a foreign network, of a stranger without admission, and of a newer version are refused', async () => {
  const { membership } = await watching()
  const other = await newGroup()
  const rogue = await newMachine()
  const selfMade = await admitMachine(rogue.id, { net: group.net, admin: newOwner().admin, nowMs: startMs })
  const newer = await signRecord('holdfast-peer', { v: 2 }, rogue)
  const report = await membership.ingest([
    await admitted(other, ann), other.epoch1, await peerRecord(group, rogue, { admission: selfMade }), newer,
  ], roster)
  assert.deepEqual(report.refused, { foreign: 2, 'not-an-admin': 1, 'format-unknown': 1 })
  assert.deepEqual(membership.members(), [])
})

test('a network record whose level protects against nothing, or wants more machines than any may, is refused', async () => {
  const body = JSON.parse(Buffer.from(group.epoch1.split('.')[1] ?? '', 'base64url').toString()) as object
  const refused = async (redundancy: string) => (await newMembership(group, self, new TestClock()).ingest([await signRecord('holdfast-network', { ...body, redundancy }, group.admin)], roster)).refused
  for (const redundancy of ['mirror-2', 'raid6', 'triple', '1-of-2', '3-of-6', '31-of-32']) assert.deepEqual(await refused(redundancy), { foreign: 1 }, redundancy)
  for (const redundancy of ['6-of-3', '3-of-3', '0-of-3', '03-of-6', '3-of-33', '1-of-1', 'raid7', '3-of-6 ', '', 'toString']) assert.deepEqual(await refused(redundancy), { 'record-invalid': 1 }, redundancy)
})

test('an admission for another machine does not let this one in', async () => {
  const { membership } = await watching()
  const admission = await admitMachine(ann.id, { net: group.net, admin: group.admin, nowMs: startMs })
  assert.deepEqual((await membership.ingest([await peerRecord(group, bob, { admission })], roster)).refused, { 'record-invalid': 1 })
})

test('ten thousand records of strangers change nothing, and members are found among them', async () => {
  const { membership } = await watching()
  const rogue = await newMachine()
  const admission = await admitMachine(rogue.id, { net: group.net, admin: newOwner().admin, nowMs: startMs })
  const flood = await peerRecord(group, rogue, { admission })
  const [header, payload] = flood.split('.')
  const forged = Array.from({ length: 1000 }, (_, index) => `${header}.${payload}.${Buffer.from(String(index).padStart(64, '0')).toString('base64url')}`)
  const rubbish = Array.from({ length: 9000 }, (_, index) => `rubbish ${index}`)
  const report = await membership.ingest([...rubbish, ...forged, await admitted(group, ann)], roster)
  assert.deepEqual([report.taken, report.refused], [1, { 'unknown-type': 9000, 'record-invalid': 1000 }])
  assert.deepEqual(membership.members().map((one) => one.id), [ann.id])
})

test('the newest seq wins and a replayed older one is stale', async () => {
  const { membership } = await watching()
  const [first, second] = [await admitted(group, ann, { seq: 1, name: 'old' }), await admitted(group, ann, { seq: 2, name: 'new' })]
  await membership.ingest([second], roster)
  assert.equal((await membership.ingest([first], member)).stale, 1)
  assert.equal(membership.member(ann.id)?.name, 'new')
})

test('two records with one seq are a cloned key, and all machines keep the same one', async () => {
  const records = [await admitted(group, ann, { name: 'one' }), await admitted(group, ann, { name: 'two' })]
  const kept = new Set<string>()
  for (const order of [records, records.toReversed()]) {
    const { membership, events } = await watching()
    for (const jws of order) await membership.ingest([jws], roster)
    assert.ok(events.some((event) => event.type === 'cloned-key' && event.id === ann.id))
    kept.add(membership.member(ann.id)?.name ?? '')
  }
  assert.equal(kept.size, 1)
})

test('a slot belongs to the machine that it was first seen with, and slots beyond the count to none', async () => {
  const { membership } = await watching()
  const { text } = await invite(group, { count: 1 })
  await membership.ingest([await peerRecord(group, ann, { admission: await claimed(text, ann) })], roster)
  const thief = await peerRecord(group, bob, { admission: await claimed(text, bob) })
  const beyond = await peerRecord(group, bob, { admission: await claimed(text, bob, { slot: 2 }), seq: 2 })
  assert.deepEqual((await membership.ingest([thief, beyond], roster)).refused, { 'slot-taken': 1, 'invitation-used-up': 1 })
  assert.deepEqual(membership.members().map((one) => one.id), [ann.id])
})

test('an invitation counts for its days and two more: by the claim, and by the first sighting of who was there', async () => {
  const { text } = await invite(group, { days: 7 })
  const outside = await peerRecord(group, ann, { admission: await claimed(text, ann, { iatMs: startMs + 9.5 * day * 1000 }) })
  const skewed = await peerRecord(group, ann, { admission: await claimed(text, ann, { iatMs: startMs + 8.9 * day * 1000 }) })
  const backdated = await peerRecord(group, bob, { admission: await claimed(text, bob, { slot: 2 }) })
  const { membership, clock } = await watching()
  assert.deepEqual((await membership.ingest([outside], roster)).refused, { 'invitation-expired': 1 })
  assert.equal((await membership.ingest([skewed], roster)).taken, 1)
  clock.advance(10 * day)
  assert.deepEqual((await membership.ingest([backdated], roster)).refused, { 'invitation-expired': 1 })
  await assert.rejects(membership.admits(backdated), withCode('unauthorized'))
  assert.equal(membership.member(ann.id)?.id, ann.id, 'who joined in time stays')
  const newcomer = newMembership(group, self, clock)
  await newcomer.ingest([group.epoch1, skewed], roster)
  assert.equal(newcomer.member(ann.id)?.id, ann.id, 'who comes later believes what it finds')
})

test('a member may bring a claim late to a machine that was on leave', async () => {
  const { text } = await invite(group, { days: 7 })
  const { membership, clock } = await watching()
  clock.advance(20 * day)
  const late = await peerRecord(group, bob, { admission: await claimed(text, bob) })
  assert.equal((await membership.ingest([late], member)).taken, 1)
})

test('a revoked invitation lets nobody in any more, and keeps who is named', async () => {
  const { membership } = await watching()
  const { text, id } = await invite(group)
  await membership.ingest([await peerRecord(group, ann, { admission: await claimed(text, ann) })], roster)
  const revoked = [revokeKeeping(id, membership, { nowMs: startMs, why: 'mailed to the wrong address' })]
  await changeNetwork({ revoked }, { membership, admin: group.admin, nowMs: startMs })
  const late = await peerRecord(group, bob, { admission: await claimed(text, bob, { slot: 2 }) })
  assert.deepEqual((await membership.ingest([late], roster)).refused, { 'invitation-revoked': 1 })
  assert.deepEqual(membership.members().map((one) => one.id), [ann.id])
})

test('a revoked machine is refused at the door and in the list, also when its revocation lost the fork', async () => {
  const other = newOwner().admin
  const group = await newGroup()
  const founder = group.admin
  const twoAdmins = await nextEpoch(group.epoch1, founder, { net: group.net, epoch: 2, admins: [founder.jwk, other.jwk] })
  const winner = await nextEpoch(twoAdmins, founder, { net: group.net, epoch: 3, admins: [founder.jwk, other.jwk] })
  const loser = await nextEpoch(twoAdmins, other, { net: group.net, epoch: 3, admins: [founder.jwk, other.jwk], revoked: [{ id: ann.id, at: 1, why: 'stolen' }] })
  const membership = newMembership(group, self)
  const events: MembershipEvent[] = []
  membership.subscribe((event) => events.push(event))
  const record = await admitted(group, ann)
  await membership.ingest([group.epoch1, twoAdmins, winner, record], roster)
  assert.equal((await membership.admits(record)).id, ann.id)
  await membership.ingest([loser], member)
  assert.equal(membership.chain.current?.jws, winner)
  assert.equal(membership.isRevoked(ann.id), true)
  assert.deepEqual(membership.members(), [])
  await assert.rejects(membership.admits(record), withCode('revoked'))
  assert.ok(events.some((event) => event.type === 'machine-revoked' && event.id === ann.id))
})

test('a group with approval takes no claim without an admin\'s grant', async () => {
  const { membership } = await watching()
  const { text } = await invite(group, { approval: true })
  const admission = await claimed(text, ann)
  assert.deepEqual((await membership.ingest([await peerRecord(group, ann, { admission })], roster)).refused, { 'approval-missing': 1 })
  const { grant } = await admitMachine(ann.id, { net: group.net, admin: group.admin, nowMs: startMs })
  assert.equal((await membership.ingest([await peerRecord(group, ann, { admission: { ...admission, grant }, seq: 2 })], roster)).taken, 1)
})

test('an owner replaces a lost machine, but neither a stranger\'s nor one that was shut out before', async () => {
  const [owner, stranger] = [newOwner(), newOwner()]
  const certificate = await issueDeviceCertificate(owner, ann, 1, startMs)
  const old = await admitted(group, ann, { owners: [certificate] })
  const grantOf = (by: typeof owner) => replaceMachine({ net: group.net, machine: bob.id, old: ann.id, epoch: 2, nowMs: startMs }, by)
  const recovered = await peerRecord(group, bob, { admission: await grantOf(owner), owners: [await issueDeviceCertificate(owner, bob, 2, startMs)] })
  const forged = await peerRecord(group, bob, { admission: await grantOf(stranger) })
  const { membership } = await watching()
  assert.deepEqual((await membership.ingest([recovered], roster)).refused, { 'replaced-unknown': 1 })
  await membership.ingest([old], roster)
  assert.equal(membership.member(bob.id)?.id, bob.id, 'it waited for the record of the old machine')
  assert.deepEqual((await membership.ingest([forged], roster)).refused, { 'replaced-unknown': 1 })
  assert.equal(membership.deviceOf(owner.id, ann.id), undefined, 'the lost machine acts for its owner no more')
  assert.equal(membership.deviceOf(owner.id, bob.id)?.epoch, 2)
  const { membership: before } = await watching()
  await before.ingest([old], roster)
  const shutOut = await changeNetwork({ revoked: machineRevocation(ann.id, before, { nowMs: startMs, why: 'stolen' }) }, { membership: before, admin: group.admin, nowMs: startMs })
  assert.deepEqual((await before.ingest([recovered], roster)).refused, { revoked: 1 }, 'shut out before: a rogue cannot let himself in again')
  await changeNetwork({ revoked: machineRevocation(ann.id, membership, { nowMs: startMs + 1, why: 'stolen' }) }, { membership, admin: group.admin, nowMs: startMs + 1 })
  assert.equal(membership.member(ann.id), undefined)
  assert.equal(membership.member(bob.id)?.id, bob.id, 'shut out afterwards: who recovered stays')
  const { membership: newcomer } = await watching()
  await newcomer.ingest([membership.chain.current?.jws ?? '', recovered, old], roster)
  assert.equal(newcomer.member(bob.id)?.id, bob.id, 'whatever order the records come in')
  assert.notEqual(shutOut, membership.chain.current?.jws)
})

test('the door lets in a machine that joined a second ago, and answers the newest record known', async () => {
  const { membership } = await watching()
  const { text } = await invite(group)
  const admission = await claimed(text, ann)
  const [first, second] = [await peerRecord(group, ann, { admission }), await peerRecord(group, ann, { admission, seq: 2 })]
  assert.equal((await membership.admits(second)).record.seq, 2)
  assert.equal((await membership.admits(first)).record.seq, 2)
  await assert.rejects(membership.admits(await admitted(await newGroup(), ann)), withCode('unauthorized'))
  await assert.rejects(membership.admits('rubbish'), withCode('record-invalid'))
  await assert.rejects(membership.admits(await admitted(group, ann, { seq: 3, state: 'left' })), withCode('unauthorized'))
})

test('clocks two days apart do not matter, and a record that ran out longer ago is no credential', async () => {
  const record = await admitted(group, ann)
  for (const skew of [-1.9 * day, 1.9 * day, 31.9 * day]) {
    const clock = new TestClock()
    clock.wallMs += skew * 1000
    const { membership } = await watching(clock)
    assert.equal((await membership.admits(record)).id, ann.id, `${skew} s`)
  }
  const clock = new TestClock()
  clock.wallMs += 33 * day * 1000
  const { membership } = await watching(clock)
  await assert.rejects(membership.admits(record), withCode('unauthorized'))
  await membership.ingest([record], roster)
  assert.equal(membership.member(ann.id)?.state, 'gone')
  membership.heard(ann.id)
  assert.equal(membership.member(ann.id)?.state, 'online')
})

test('an own record with another instance or a higher seq is a cloned key; one from before this state is not', async () => {
  const { membership, events } = await watching()
  const inst = membership.own.inst
  await membership.adoptOwn(await admitted(group, self, { inst }))
  const before = await admitted(group, self, { inst: 'another-home', seq: 40, iat: startMs / 1000 - day })
  assert.equal((await membership.ingest([before], roster)).stale, 1)
  assert.deepEqual([membership.own.seq, events.filter((event) => event.type === 'cloned-key').length], [40, 0])
  const clone = await admitted(group, self, { inst: 'another-home', seq: 2, iat: startMs / 1000 + 60 })
  const ahead = await admitted(group, self, { inst, seq: 41, iat: startMs / 1000 + 60 })
  assert.deepEqual((await membership.ingest([clone, ahead], roster)).refused, { 'cloned-key': 2 })
  assert.deepEqual(events.filter((event) => event.type === 'cloned-key').map((event) => event.id), [self.id, self.id])
  assert.equal(membership.own.seq, 40)
})

test('a roster that goes back in time is reported once and believed in nothing', async () => {
  const { membership, events } = await watching()
  const two = await nextEpoch(group.epoch1, group.admin, { net: group.net, epoch: 2, name: 'two' })
  const [old, recent] = [await admitted(group, ann, { seq: 1 }), await admitted(group, ann, { seq: 5 })]
  await membership.ingest([group.epoch1, two, recent], roster)
  const rolledBack = (): unknown[] => events.filter((event) => event.type === 'roster-rolled-back')
  await membership.ingest([], roster)
  assert.deepEqual(rolledBack(), [], 'a wiped roster says nothing')
  await membership.ingest([group.epoch1, old], roster)
  await membership.ingest([group.epoch1, old], roster)
  assert.deepEqual(rolledBack(), [
    { type: 'roster-rolled-back', locator: roster.name, id: undefined, known: 2, found: 1 },
    { type: 'roster-rolled-back', locator: roster.name, id: ann.id, known: 5, found: 1 },
  ])
  assert.deepEqual([membership.network.name, membership.member(ann.id)?.record.seq], ['two', 5])
  await membership.ingest([group.epoch1, old], { kind: 'roster', name: 'folder:/slow' })
  assert.equal(rolledBack().length, 2, 'a roster that is only slower than gossip did not go back')
})

test('heads: the newest of each device wins, a lower epoch signs nothing new, forks are reported', async () => {
  const { membership, events } = await watching()
  const owner = newOwner()
  const certificate = await issueDeviceCertificate(owner, ann, 1, startMs)
  const take = async (document: { certificate: string; head: string }) => await membership.takeHeads([document], member)
  assert.deepEqual((await take(await headOf(owner, ann))).refused, { 'unknown-owner': 1 })
  await membership.ingest([await admitted(group, ann, { owners: [certificate] })], roster)
  assert.equal((await take(await headOf(owner, ann, { seq: 3 }))).taken, 1)
  assert.equal((await take(await headOf(owner, ann, { seq: 2 }))).stale, 1)
  assert.deepEqual((await take(await headOf(owner, ann, { seq: 3, note: 'fork' }))).refused, { 'cloned-key': 1 })
  assert.ok(events.some((event) => event.type === 'cloned-key' && event.what === 'head' && event.id === ann.id))
  assert.equal((await take(await headOf(owner, bob, { epoch: 2, seq: 1 }))).taken, 1)
  assert.equal(membership.ownerEpoch(owner.id), 2)
  assert.deepEqual((await take(await headOf(owner, ann, { seq: 9 }))).refused, { revoked: 1 })
  assert.equal(membership.heads.get(owner.id, ann.id)?.head.seq, 3, 'what it signed before stays')
  assert.deepEqual((await take({ ...await headOf(owner, ann), certificate: (await headOf(owner, bob)).certificate })).refused, { 'record-invalid': 1 })
})

test('a state comes back with everything in it, and asks nobody', async () => {
  const clock = new TestClock()
  const { membership } = await watching(clock)
  const owner = newOwner()
  const { text } = await invite(group)
  const parsed = await parseInvitation(text, startMs)
  await membership.ingest([
    await admitted(group, ann, { owners: [await issueDeviceCertificate(owner, ann, 1, startMs)] }),
    await peerRecord(group, bob, { admission: await claimed(text, bob) }),
  ], roster)
  await membership.takeHeads([await headOf(owner, ann, { seq: 7 })], member)
  await membership.adoptOwn(await admitted(group, self, { inst: membership.own.inst, seq: 3 }))
  membership.heard(ann.id)
  clock.advance(3600)
  const state = JSON.parse(JSON.stringify(membership.toState())) as ReturnType<Membership['toState']>
  clock.wallMs += 40 * day * 1000
  const again = await Membership.restore(state, { net: group.net, self: self.id, now: clock.now, monotonic: new TestClock().monotonic })
  assert.deepEqual(again.members().map((one) => one.jws).sort(), membership.members().map((one) => one.jws).sort())
  assert.deepEqual([again.own.seq, again.own.inst, again.slotHolder(parsed.invitation.id, 1)], [3, membership.own.inst, bob.id])
  assert.equal(again.heads.get(owner.id, ann.id)?.head.seq, 7)
  assert.equal(again.member(ann.id)?.heardSecondsAgo, 3600 + 3 * day, 'six weeks away count for three days')
  await assert.rejects(Membership.restore(state, { net: group.net, self: ann.id, now: clock.now, monotonic: clock.monotonic }), withCode('invalid-config'))
})

test('the backup of an owner is let go only when each of his machines said that it left, whatever days a record of one that is on names', async () => {
  const { membership } = await watching()
  const owner = newOwner()
  const owners = [await issueDeviceCertificate(owner, ann, 1, startMs), await issueDeviceCertificate(owner, bob, 1, startMs)] as const
  const legacy = { keepDays: 60 }
  await membership.ingest([await admitted(group, ann, { owners: [owners[0]], state: 'left', legacy }), await admitted(group, bob, { owners: [owners[1]], state: 'on', legacy })], roster)
  assert.equal(membership.keepDaysOf(owner.id), undefined)
  await membership.ingest([await admitted(group, bob, { seq: 2, owners: [owners[1]], state: 'left', legacy: { keepDays: 90 } })], roster)
  assert.equal(membership.keepDaysOf(owner.id), 90)
})

test('liveness follows silence by the own clock: online, away, doubtful, gone, and back', async () => {
  const { membership, clock } = await watching()
  await membership.ingest([await admitted(group, ann)], roster)
  const state = (): string | undefined => membership.member(ann.id)?.state
  membership.heard(ann.id)
  assert.equal(state(), 'online')
  const seen = []
  for (let days = 1; days <= 21; days++) {
    clock.advance(day)
    seen.push(state())
  }
  assert.deepEqual(seen, [...Array.from({ length: 9 }, () => 'away'), ...Array.from({ length: 11 }, () => 'doubtful'), 'gone'])
  membership.heard(ann.id)
  assert.equal(state(), 'online')
  clock.advance(60 * day)
  assert.equal(state(), 'away', 'one long sleep makes nobody gone')
})

test('who does not answer is away at once, online again with the first word of anybody, and is told of once each time', async () => {
  const { membership, clock } = await watching()
  await membership.ingest([await admitted(group, ann)], roster)
  const told: string[] = []
  membership.subscribe((event) => { told.push(event.type) })
  const state = (): string | undefined => membership.member(ann.id)?.state
  membership.heard(ann.id)
  clock.advance(10)
  membership.missed(ann.id)
  membership.missed(ann.id)
  const known = membership.member(ann.id) ?? assert.fail()
  assert.deepEqual([state(), known.heardSecondsAgo, isHeardLately(known), isHeardLately({ ...known, state: 'gone' }), isHeardLately({ ...known, heardSecondsAgo: 151 })], ['away', 10, true, false, false])
  clock.advance(10)
  membership.liveness.heard(ann.id, 15)
  assert.equal(state(), 'away', 'heard of before it was missed')
  membership.liveness.heard(ann.id, 5)
  assert.equal(state(), 'online')
  clock.advance(1)
  membership.missed(ann.id)
  clock.advance(1)
  membership.heard(ann.id)
  assert.deepEqual([state(), told], ['online', ['machine-away', 'machine-away', 'machine-back']])
  for (let days = 1; days <= 12; days++) {
    clock.advance(day)
    state()
  }
  membership.missed(ann.id)
  assert.equal(state(), 'doubtful', 'how long it was silent is what counts then')
})
