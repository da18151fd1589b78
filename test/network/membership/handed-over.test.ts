import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { issueDeviceCertificate } from '../../../agent/identity/device.ts'
import { signRecord } from '../../../agent/identity/jws.ts'
import { generateMachine } from '../../../agent/identity/machine.ts'
import { sealedFor } from '../../../agent/network/membership/contact-book.ts'
import { type ContactChoice, signChoice, signDrop, signEnd, signPass, signRequest } from '../../../agent/network/membership/contact-records.ts'
import { Membership } from '../../../agent/network/membership/membership.ts'
import { recordTypes } from '../../../agent/network/membership/records.ts'
import { makeContactKey, openContactKey, resealHalf } from '../../../agent/repository/contact-key.ts'
import { TestClock, type TestMachine, admitted, newGroup, newMachine, newMembership, newOwner, startMs } from '../../support/records-kit.ts'

const from = { kind: 'member', name: 'test' } as const
const iat = startMs / 1000

/** A holder's view: `device` hands its owner's backup to `colleague`, and `other` is a member. */
async function scene() {
  const group = await newGroup()
  const [holder, device, colleague, other] = await Promise.all([newMachine(), newMachine(), newMachine(), newMachine()]) as [TestMachine, TestMachine, TestMachine, TestMachine]
  const owner = newOwner()
  const certificate = await issueDeviceCertificate(owner, device, 1, startMs)
  const clock = new TestClock()
  const membership = newMembership(group, holder, clock)
  await membership.ingest([group.epoch1, await admitted(group, device, { owners: [certificate] }), await admitted(group, colleague), await admitted(group, other)], from)
  const key = await makeContactKey([{ id: colleague.id, kx: colleague.exchangeJwk }], randomBytes)
  const choice: Omit<ContactChoice, 'v'> = {
    net: group.net, owner: owner.id, contact: key.recipient.kid, iat, certificate, to: [colleague.id], waitDays: 0, sealed: key.sealed, half: key.halfSha256, open: key.half,
  }
  const common = { net: group.net, owner: owner.id, contact: choice.contact, iat }
  const leave = async () => await admitted(group, device, { seq: 2, owners: [certificate], state: 'left', legacy: { keepDays: 365 } })
  const readers = (view = membership) => [colleague, other, holder].filter(({ id }) => view.contacts.isReader(owner.id, id)).map(({ id }) => id)
  return { group, holder, device, colleague, other, owner, certificate, clock, membership, key, choice, common, leave, readers }
}

async function takes(membership: Membership, jws: string): Promise<boolean> {
  return (await membership.ingest([jws], from)).taken === 1
}

test('what was handed over is open to the colleague alone, at once, after its owner left and after a restart', async () => {
  const { membership, group, holder, device, colleague, choice, clock, leave, readers, owner } = await scene()
  assert.deepEqual(readers(), [])
  assert.equal(await takes(membership, await signChoice(choice, device)), true)
  assert.equal(await takes(membership, await leave()), true)
  const again = await Membership.restore(membership.toState(), { net: group.net, self: holder.id, now: clock.now, monotonic: clock.monotonic })
  for (const view of [membership, again]) {
    assert.deepEqual(readers(view), [colleague.id])
    assert.equal(view.keepDaysOf(owner.id), 365)
    assert.equal(view.contacts.get(choice.contact)?.isHanded, true)
  }
})

test('a colleague who drops it reads no more, and holders need not keep it; that is not undone by the same record again', async () => {
  const { membership, group, holder, device, colleague, other, choice, clock, common, leave, readers, owner } = await scene()
  const handedOver = await signChoice(choice, device)
  const drop = await signDrop(common, colleague)
  const early = await membership.ingest([drop], from)
  assert.equal(early.taken, 0, 'it waits for what it is about')
  await membership.ingest([handedOver, await leave()], from)
  await membership.ingest([drop], from)
  await membership.ingest([handedOver, await signChoice({ ...choice, iat: iat + 1 }, device)], from)
  const again = await Membership.restore(membership.toState(), { net: group.net, self: holder.id, now: clock.now, monotonic: clock.monotonic })
  for (const view of [membership, again]) {
    assert.deepEqual(readers(view), [])
    assert.equal(view.keepDaysOf(owner.id), 0)
  }
  assert.equal(await takes(membership, await signDrop(common, other)), false)
})

test('nobody but the colleague drops it, nobody but the owner hands over, and a contact with a wait is no such thing', async () => {
  const { membership, device, colleague, other, certificate, choice, common, leave, readers, owner } = await scene()
  const stranger = newOwner()
  assert.equal(await takes(membership, await signRecord(recordTypes.contact, { v: 1, ...choice }, other)), false, 'signed by another machine')
  assert.equal(await takes(membership, await signChoice({ ...choice, owner: stranger.id, certificate: await issueDeviceCertificate(stranger, other, 1, startMs) }, other)), false, 'an owner whom nobody knows')
  assert.equal(await takes(membership, await signChoice({ ...choice, net: (await newGroup()).net }, device)), false, 'another work group')
  assert.equal(await takes(membership, await signChoice({ ...choice, open: undefined }, device)), false, 'no wait and no open half')
  assert.equal(await takes(membership, await signChoice({ ...choice, waitDays: 3 }, device)), false, 'a wait and an open half')
  assert.equal(await takes(membership, await signChoice({ ...choice, open: randomBytes(32).toString('base64url') }, device)), false, 'another half than the one of the hash')
  assert.deepEqual(readers(), [])

  assert.equal(await takes(membership, await signChoice(choice, device)), true)
  await membership.ingest([await leave()], from)
  assert.equal(await takes(membership, await signDrop(common, other)), false, 'by another member')
  assert.equal(await takes(membership, await signRecord(recordTypes.contactDrop, { v: 1, ...common, jwk: other.jwk, machine: colleague.id }, other)), false, 'by another member in the colleague\'s name')
  assert.equal(await takes(membership, await signRequest({ ...common, why: '' }, colleague)), false, 'there is nothing to ask for')
  assert.deepEqual([readers(), membership.keepDaysOf(owner.id)], [[colleague.id], 365])

  const waiting = await makeContactKey([{ id: colleague.id, kx: colleague.exchangeJwk }], randomBytes)
  const contact = { ...choice, contact: waiting.recipient.kid, sealed: waiting.sealed, half: waiting.halfSha256, waitDays: 3, open: undefined }
  assert.equal(await takes(membership, await signChoice(contact, device)), true)
  assert.equal(await takes(membership, await signDrop({ ...common, contact: contact.contact }, colleague)), false, 'a recovery contact is the owner\'s to end')
  assert.equal(await takes(membership, await signEnd({ ...common, certificate }, device)), true)
  assert.deepEqual(readers(), [], 'the owner took it back')
})

test('an owner who comes back by the words takes back what he handed over', async () => {
  const { membership, device, choice, owner, readers } = await scene()
  await membership.ingest([await signChoice(choice, device)], from)
  assert.equal(readers().length, 1)
  await membership.ingest([await issueDeviceCertificate(owner, generateMachine(), 2, startMs)], from)
  assert.deepEqual(readers(), [])
})

test('a colleague passes it on to another machine, which passes it on in turn; each opens the same key, over a restart too', async () => {
  const { membership, group, holder, device, colleague, other, choice, key, clock, common, leave, readers, owner } = await scene()
  const third = await newMachine()
  await membership.ingest([await admitted(group, third), await signChoice(choice, device), await leave()], from)
  const sealed = await resealHalf({ id: choice.contact, sealed: choice.sealed }, colleague, [{ id: other.id, kx: other.exchangeJwk }])
  const toOther = await signPass({ ...common, to: [other.id], sealed }, colleague)
  const resealed = await resealHalf({ id: choice.contact, sealed }, other, [{ id: third.id, kx: third.exchangeJwk }])
  const toThird = await signPass({ ...common, to: [third.id], sealed: resealed }, other)
  assert.equal(await takes(membership, toThird), false, 'it waits until its sender has it')
  assert.deepEqual(readers(), [colleague.id])
  assert.equal(await takes(membership, toOther), false, 'both at once')
  const again = await Membership.restore(membership.toState(), { net: group.net, self: holder.id, now: clock.now, monotonic: clock.monotonic })
  for (const view of [membership, again]) {
    assert.deepEqual(readers(view), [colleague.id, other.id])
    assert.equal(view.contacts.isReader(owner.id, third.id), true)
    const contact = view.contacts.get(choice.contact) ?? assert.fail()
    for (const machine of [colleague, other, third]) {
      const [half = ''] = sealedFor(machine.id, contact)
      const opened = await openContactKey({ sealed: half, half: choice.open ?? '' }, machine)
      assert.ok(opened.equals(await openContactKey({ sealed: key.sealed, half: key.half }, colleague)))
    }
  }
  await assert.rejects(resealHalf({ id: choice.contact, sealed: resealed }, colleague, []), /sealed for another machine/)
  assert.equal(await takes(membership, await signDrop(common, third)), true, 'who has it may drop it')
  assert.deepEqual(readers(), [])
  assert.equal(await takes(membership, await signPass({ ...common, iat: iat + 1, to: [holder.id], sealed }, colleague)), false, 'it is over')
})

test('nobody passes on what he has not, or what is a recovery contact\'s, and nobody does so without end', async () => {
  const { membership, device, colleague, other, choice, common, readers } = await scene()
  const { sealed } = choice
  await membership.ingest([await signChoice(choice, device)], from)
  assert.equal(await takes(membership, await signPass({ ...common, to: [other.id], sealed }, other)), false, 'to himself')
  assert.equal(await takes(membership, await signRecord(recordTypes.contactPass, { v: 1, ...common, jwk: other.jwk, machine: colleague.id, to: [other.id], sealed }, other)), false, 'in the colleague\'s name')
  assert.equal(await takes(membership, await signPass({ ...common, to: [other.id], sealed }, generateMachine())), false, 'by no member')
  const waiting = await makeContactKey([{ id: colleague.id, kx: colleague.exchangeJwk }], randomBytes)
  const contact = { ...choice, contact: waiting.recipient.kid, sealed: waiting.sealed, half: waiting.halfSha256, waitDays: 3, open: undefined }
  await membership.ingest([await signChoice(contact, device)], from)
  assert.equal(await takes(membership, await signPass({ ...common, contact: contact.contact, to: [other.id], sealed }, colleague)), false, 'a recovery contact')
  assert.deepEqual(readers(), [colleague.id])
  const stranger = await newMachine()
  const passed: boolean[] = []
  for (let number = 0; number < 9; number++) passed.push(await takes(membership, await signPass({ ...common, iat: iat + number, to: [stranger.id], sealed }, colleague)))
  assert.deepEqual(passed, [...Array.from({ length: 8 }, () => true), false])
})
