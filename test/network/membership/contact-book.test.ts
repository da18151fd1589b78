import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { test } from 'node:test'
import { hasCode } from '../../../shared/errors.ts'
import type { MachineId, NetworkId } from '../../../shared/ids.ts'
import { issueDeviceCertificate } from '../../../agent/identity/device.ts'
import { signRecord } from '../../../agent/identity/jws.ts'
import { generateMachine } from '../../../agent/identity/machine.ts'
import type { OwnerRoot } from '../../../agent/identity/owner.ts'
import type { ContactChoice } from '../../../agent/network/membership/contact-records.ts'
import { signChoice, signEnd, signRequest } from '../../../agent/network/membership/contact-records.ts'
import { Membership } from '../../../agent/network/membership/membership.ts'
import { recordTypes } from '../../../agent/network/membership/records.ts'
import { makeContactKey, openContactKey } from '../../../agent/repository/contact-key.ts'
import { TestClock, type TestMachine, admitted, newGroup, newMachine, newMembership, newOwner, startMs } from '../../support/records-kit.ts'

const from = { kind: 'member', name: 'test' } as const
const iat = startMs / 1000
const hour = 3600

/** A holder's view: an owner on `device`, chosen `contact`, and `other`, all members. */
async function scene(epoch = 1) {
  const group = await newGroup()
  const [holder, device, contact, other] = await Promise.all([newMachine(), newMachine(), newMachine(), newMachine()]) as [TestMachine, TestMachine, TestMachine, TestMachine]
  const owner = newOwner()
  const certificate = await issueDeviceCertificate(owner, device, epoch, startMs)
  const clock = new TestClock()
  const membership = newMembership(group, holder, clock)
  await membership.ingest([group.epoch1, await admitted(group, device, { owners: [certificate] }), await admitted(group, contact), await admitted(group, other)], from)
  const key = await makeContactKey([{ id: contact.id, kx: contact.exchangeJwk }], randomBytes)
  const choice: Omit<ContactChoice, 'v'> = {
    net: group.net, owner: owner.id, contact: key.recipient.kid, iat, certificate, to: [contact.id], waitDays: 3, sealed: key.sealed, half: key.halfSha256,
  }
  const ask = async (machine: TestMachine, net: NetworkId = group.net) => await signRequest({ net, owner: owner.id, contact: choice.contact, iat, why: '' }, machine)
  return { group, holder, device, contact, other, owner, certificate, clock, membership, key, choice, ask }
}

async function takes(membership: Membership, jws: string): Promise<boolean> {
  return (await membership.ingest([jws], from)).taken === 1
}

test('halves join to the key that the keyring is wrapped for, on the contact\'s machine alone', async () => {
  const [contact, other] = [generateMachine(), generateMachine()]
  const key = await makeContactKey([{ id: contact.id, kx: contact.exchangeJwk }], randomBytes)
  const opened = await openContactKey(key, contact)
  assert.equal(opened.export({ format: 'jwk' }).x, key.recipient.kx.x)
  assert.equal(createHash('sha256').update(Buffer.from(key.half, 'base64url')).digest('hex'), key.halfSha256)
  await assert.rejects(openContactKey(key, other), (error) => hasCode(error, 'key-missing'))
  const wrongHalf = await openContactKey({ ...key, half: randomBytes(32).toString('base64url') }, contact)
  assert.notEqual(wrongHalf.export({ format: 'jwk' }).x, key.recipient.kx.x)
})

test('the half is released to the contact after so many days of this machine\'s own time, and over restarts', async () => {
  const { membership, group, holder, choice, key, device, contact, other, clock, ask, owner } = await scene()
  await membership.ingest([await signChoice(choice, device)], from)
  membership.keepHalf(choice.contact, key.half)
  assert.throws(() => membership.contacts.release(choice.contact, contact.id), (error) => hasCode(error, 'contact-waiting'))
  await membership.ingest([await ask(contact)], from)
  clock.advance(3 * 24 * hour - 1)
  assert.throws(() => membership.contacts.release(choice.contact, contact.id), (error) => hasCode(error, 'contact-waiting') && error.details['seconds'] === 1)
  const again = await Membership.restore(membership.toState(), { net: group.net, self: holder.id, now: clock.now, monotonic: clock.monotonic })
  for (const one of [membership, again]) assert.equal(one.contacts.isReader(owner.id, contact.id), false)
  clock.advance(1)
  for (const one of [membership, again]) {
    assert.equal(one.contacts.release(choice.contact, contact.id), key.half)
    assert.deepEqual([contact.id, other.id].map((id: MachineId) => one.contacts.isReader(owner.id, id)), [true, false])
    assert.throws(() => one.contacts.release(choice.contact, other.id), (error) => hasCode(error, 'unauthorized'))
  }
})

test('a second request does not begin the time anew, and an owner\'s end is for good', async () => {
  const { membership, choice, key, device, contact, clock, ask, certificate, owner, group } = await scene()
  await membership.ingest([await signChoice(choice, device)], from)
  membership.keepHalf(choice.contact, key.half)
  await membership.ingest([await ask(contact)], from)
  clock.advance(4 * 24 * hour)
  const repeated = await signRequest({ net: group.net, owner: owner.id, contact: choice.contact, iat: iat + 1, why: 'again' }, contact)
  assert.equal(await takes(membership, repeated), false)
  assert.equal(membership.contacts.get(choice.contact)?.isOpen, true)
  assert.equal(await takes(membership, await signEnd({ net: group.net, owner: owner.id, contact: choice.contact, iat, certificate }, device)), true)
  assert.throws(() => membership.contacts.release(choice.contact, contact.id), (error) => hasCode(error, 'not-found'))
  assert.equal(membership.contacts.halfOf(choice.contact), undefined)
  assert.throws(() => { membership.keepHalf(choice.contact, key.half) }, (error) => hasCode(error, 'not-found'))
})

test('a recovery of the owner ends whoever was chosen before, and says so', async () => {
  const { membership, choice, key, device, contact, clock, ask, owner } = await scene()
  await membership.ingest([await signChoice(choice, device)], from)
  membership.keepHalf(choice.contact, key.half)
  await membership.ingest([await ask(contact)], from)
  clock.advance(4 * 24 * hour)
  assert.equal(membership.contacts.isReader(owner.id, contact.id), true)
  assert.equal(await takes(membership, await issueDeviceCertificate(owner, generateMachine(), 2, startMs)), true)
  assert.deepEqual([membership.contacts.isReader(owner.id, contact.id), membership.contacts.get(choice.contact)?.isEnded], [false, true])
  assert.throws(() => membership.contacts.release(choice.contact, contact.id), (error) => hasCode(error, 'not-found'))
})

test('no machine of the owner who was chosen keeps the other half', async () => {
  const { membership, group, choice, contact, other, device } = await scene()
  const colleague = newOwner()
  await membership.ingest(await Promise.all([contact, other].map(async (machine) => await admitted(group, machine, { seq: 2, owners: [await issueDeviceCertificate(colleague, machine, 1, startMs)] }))), from)
  assert.deepEqual([contact, other, device].map(({ id }) => membership.isOfContact(id, choice)), [true, true, false])
})

test('records come in any order', async () => {
  const { membership, choice, device, contact, ask } = await scene()
  await membership.ingest([await ask(contact)], from)
  await membership.ingest([await signChoice(choice, device)], from)
  assert.notEqual(membership.contacts.get(choice.contact)?.request, undefined)
})

test('what a contact, a member or a former device forges is refused', async () => {
  const { membership, group, choice, key, device, contact, other, owner, certificate, ask } = await scene(2)
  const mine = newOwner()
  const forged = async (root: OwnerRoot, machine: TestMachine, epoch: number) => await signChoice({ ...choice, owner: root.id, certificate: await issueDeviceCertificate(root, machine, epoch, startMs) }, machine)
  assert.equal(await takes(membership, await signRecord(recordTypes.contact, { v: 1, ...choice }, other)), false, 'signed by another machine')
  assert.equal(await takes(membership, await signChoice({ ...choice, certificate: await issueDeviceCertificate(mine, device, 1, startMs) }, device)), false, 'a certificate of another owner')
  assert.equal(await takes(membership, await forged(mine, other, 1)), false, 'an owner whom nobody knows')
  assert.equal(await takes(membership, await forged(owner, device, 1)), false, 'a device that a recovery shut out')
  assert.equal(await takes(membership, await signChoice({ ...choice, net: (await newGroup()).net }, device)), false, 'another work group')
  assert.equal(await takes(membership, await signChoice(choice, device)), true)
  assert.equal(await takes(membership, await signChoice({ ...choice, to: [other.id] }, device)), false, 'the same contact with other machines')
  assert.equal(await takes(membership, await ask(other)), false, 'a request by another member')
  assert.equal(await takes(membership, await signEnd({ net: group.net, owner: mine.id, contact: choice.contact, iat, certificate: await issueDeviceCertificate(mine, contact, 1, startMs) }, contact)), false, 'an end by the contact')
  assert.equal(await takes(membership, await signEnd({ net: group.net, owner: owner.id, contact: choice.contact, iat, certificate: await issueDeviceCertificate(owner, device, 1, startMs) }, device)), false, 'an end by a device that was shut out')
  assert.throws(() => { membership.keepHalf(choice.contact, randomBytes(32).toString('base64url')) }, (error) => hasCode(error, 'record-invalid'))
  membership.keepHalf(choice.contact, key.half)
  assert.equal(await takes(membership, await signEnd({ net: group.net, owner: owner.id, contact: choice.contact, iat, certificate }, device)), true)
})
