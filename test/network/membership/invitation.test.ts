import assert from 'node:assert/strict'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { HoldfastError } from '../../../shared/errors.ts'
import { makeInvitation, makeLocator, parseInvitation, parseLocator } from '../../../agent/network/membership/invitation.ts'
import { signRecoveryProof, verifyRecoveryProof } from '../../../agent/network/membership/records.ts'
import { day, invite, newGroup, newMachine, newOwner, startMs } from '../../support/records-kit.ts'

const group = await newGroup()
const says = (code: string, text: RegExp) => (error: unknown) => error instanceof HoldfastError && error.code === code && text.test(error.message)

test('an invitation comes back from its string, whatever a mail program did to the lines', async () => {
  const { text, id } = await invite(group, { count: 3 })
  const mailed = `<${(text.match(/.{1,60}/g) ?? []).join('\r\n  ')}>\n`
  const parsed = await parseInvitation(mailed, startMs)
  assert.deepEqual([parsed.net, parsed.invitation.id, parsed.invitation.count, parsed.rosters], [group.net, id, 3, ['folder:/share']])
})

test('an invitation that is mangled, expired, forged or of a newer version says which', async () => {
  const { text } = await invite(group, { days: 7 })
  const document = JSON.parse(Buffer.from(text.slice('holdfast-invite:'.length), 'base64url').toString()) as Record<string, unknown>
  const again = (change: object): string => `holdfast-invite:${Buffer.from(JSON.stringify({ ...document, ...change })).toString('base64url')}`
  const parse = (input: string, nowMs = startMs) => parseInvitation(input, nowMs)
  await assert.rejects(parse(text.slice(0, -40)), says('invitation-invalid', /mangled/))
  await assert.rejects(parse(text.slice(3)), says('invitation-invalid', /does not begin with/))
  await assert.rejects(parse(again({ key: undefined })), says('invitation-invalid', /mangled/))
  await assert.rejects(parse(again({ v: 2 })), says('invitation-invalid', /newer version/))
  await assert.rejects(parse(again({ invitation: `${document['invitation'] as string}A` })), says('invitation-invalid', /signature/))
  await assert.rejects(parse(again({ key: JSON.parse(Buffer.from((await invite(group)).text.slice(16), 'base64url').toString()).key })), says('invitation-invalid', /belong together/))
  await assert.rejects(parse(text, startMs + 10 * day * 1000), says('invitation-invalid', /expired on 20/))
  await parse(text, startMs + 8.9 * day * 1000)
})

test('no text makes the parsers throw anything but our errors', async () => {
  const { text } = await invite(group)
  await fc.assert(fc.asyncProperty(fc.oneof(fc.string(), fc.string().map((tail) => `holdfast-invite:${tail}`), fc.nat(text.length - 1).map((length) => text.slice(0, length))), async (input) => {
    await assert.rejects(parseInvitation(input, startMs), HoldfastError)
    assert.throws(() => parseLocator(input.replace('invite', 'locator')), HoldfastError)
  }), { numRuns: 100 })
})

test('an invitation for nobody, for too many, for no time or for ever is not made', async () => {
  const good = { net: group.net, name: 'g', count: 1, validMs: day * 1000, nowMs: startMs, approval: false, rosters: ['folder:/x'], peers: [] }
  for (const change of [{ count: 0 }, { count: -1 }, { count: 1.5 }, { count: 1001 }, { validMs: 0 }, { validMs: -5 }, { validMs: Number.NaN }, { validMs: Infinity }, { rosters: [] }]) {
    await assert.rejects(makeInvitation({ ...good, ...change }, group.admin), says('invalid-input', /Cannot make an invitation/), JSON.stringify(change))
  }
})

test('a recovery locator comes back from its string and carries no secret', () => {
  const locator = { net: group.net, name: 'g', admins: [group.admin.jwk], rosters: ['folder:/share'], peers: [{ host: 'pc', port: 5 }] }
  const text = makeLocator(locator)
  assert.deepEqual(parseLocator(text), { v: 1, ...locator })
  assert.ok(!Buffer.from(text.slice('holdfast-locator:'.length), 'base64url').toString().includes('"d"'))
})

test('a recovery proof names its owner and machine, and a changed one does not verify', async () => {
  const [owner, machine] = [newOwner(), await newMachine()]
  const proof = await signRecoveryProof(owner, machine.id, startMs)
  const read = await verifyRecoveryProof(proof)
  assert.deepEqual([read.owner, read.machine], [owner.id, machine.id])
  const [header, , signature] = proof.split('.')
  const other = (await signRecoveryProof(newOwner(), machine.id, startMs)).split('.')[1]
  await assert.rejects(verifyRecoveryProof(`${header}.${other}.${signature}`), says('record-invalid', /./))
})
