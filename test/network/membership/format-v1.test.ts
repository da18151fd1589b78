/** Records that format 1 signed (test/fixtures/make-records.ts) must verify with every later version, and say the same. */
import assert from 'node:assert/strict'
import { readFileSync, readdirSync } from 'node:fs'
import { test } from 'node:test'
import { verifyDeviceCertificate } from '../../../agent/identity/device.ts'
import { generateMachine } from '../../../agent/identity/machine.ts'
import { ownerFromWords } from '../../../agent/identity/owner.ts'
import { verifyAgreement } from '../../../agent/network/membership/agreement.ts'
import { verifyCoverageReport } from '../../../agent/network/membership/coverage-report.ts'
import { parseInvitation, parseLocator } from '../../../agent/network/membership/invitation.ts'
import { Membership } from '../../../agent/network/membership/membership.ts'
import { networkIdOf, verifyHead, verifyNetwork, verifyPeer, verifyRecoveryProof } from '../../../agent/network/membership/records.ts'
import type { MachineId, NetworkId } from '../../../shared/ids.ts'

const fixtures = new URL('../../fixtures/format-v1/', import.meta.url)
const recorded = JSON.parse(readFileSync(new URL('records.json', fixtures), 'utf8')) as {
  words: string; net: NetworkId; atMs: number; network: [string, string]; peers: string[]; members: MachineId[]; revoked: MachineId
  head: { certificate: string; head: string }; coverage: string; recovery: string; agreement: { wish: string; consent: string }
  invitation: string; locator: string
}
const owner = ownerFromWords(recorded.words)

/** What a record says, without today's eyes. */
function payloadOf(jws: string): object {
  return JSON.parse(Buffer.from(jws.split('.')[1]!, 'base64url').toString()) as object
}

async function membershipOf(records: readonly string[], { net, atMs }: { net: NetworkId; atMs: number }): Promise<Membership> {
  const membership = new Membership({ net, self: generateMachine().id, now: () => atMs, monotonic: () => 0 })
  const report = await membership.ingest(records, { kind: 'member', name: 'test' })
  assert.equal(report.taken, records.length)
  return membership
}

test('every record of format 1 verifies by itself and says what was signed', async () => {
  for (const jws of recorded.network) assert.deepEqual((await verifyNetwork(jws)).record, payloadOf(jws))
  for (const jws of recorded.peers) {
    const { record, certificates } = await verifyPeer(jws)
    assert.deepEqual(record, payloadOf(jws))
    assert.deepEqual(certificates, record.owners.map(payloadOf))
  }
  assert.equal(networkIdOf(recorded.network[0]), recorded.net)
  assert.deepEqual(await verifyDeviceCertificate(recorded.head.certificate), payloadOf(recorded.head.certificate))
  assert.deepEqual((await verifyHead(recorded.head)).head, payloadOf(recorded.head.head))
  assert.deepEqual(await verifyRecoveryProof(recorded.recovery), payloadOf(recorded.recovery))
  assert.equal((await verifyRecoveryProof(recorded.recovery)).owner, owner.id)
})

test('the members, admins and revocations of format 1 hold', async () => {
  const membership = await membershipOf([...recorded.network, ...recorded.peers], recorded)
  assert.deepEqual(membership.members().map(({ id }) => id).sort(), [...recorded.members].sort())
  assert.equal(membership.network.epoch, 2)
  assert.ok(membership.chain.isAdmin(owner.admin.jwk))
  assert.ok(membership.isRevoked(recorded.revoked))
  assert.equal(membership.ownerEpoch(owner.id), 2)
  const report = await verifyCoverageReport(recorded.coverage, (id) => membership.member(id)?.record.jwk)
  for (const [member, value] of Object.entries(payloadOf(recorded.coverage))) assert.deepEqual(report[member as keyof typeof report], value, member)
  const agreed = await verifyAgreement(recorded.agreement, { net: recorded.net, isAdmin: (key) => membership.chain.isAdmin(key) })
  const wish = payloadOf(recorded.agreement.wish) as { terms: object; accepts: object[] }
  assert.deepEqual([agreed.owner, agreed.terms, agreed.accepts], [owner.id, wish.terms, wish.accepts])
})

test('what people have on paper and in mails since format 1 still reads', async () => {
  const invitation = await parseInvitation(recorded.invitation.replaceAll(/.{70}/g, '$&\r\n> '), recorded.atMs)
  assert.deepEqual([invitation.net, invitation.invitation.count, invitation.invitation.approval, invitation.rosters], [recorded.net, 3, true, ['folder:/share']])
  assert.deepEqual(parseLocator(recorded.locator), {
    v: 1, net: recorded.net, name: 'group', admins: [owner.admin.jwk], rosters: ['folder:/share/holdfast'], peers: [{ host: '192.0.2.7', port: 7443 }],
  })
})

test('a roster that agents of format 1 wrote gives the whole group, with the machine that took a lost one\'s place', async () => {
  const roster = new URL('work-group/roster/', fixtures)
  const texts = ['network', 'peers'].flatMap((folder) => readdirSync(new URL(folder, roster)).map((name) => readFileSync(new URL(`${folder}/${name}`, roster), 'utf8').trim()))
  const { words, locator } = JSON.parse(readFileSync(new URL('work-group/expected.json', fixtures), 'utf8')) as { words: string; locator: string }
  const heads = readdirSync(new URL('heads', roster)).map((name) => JSON.parse(readFileSync(new URL(`heads/${name}`, roster), 'utf8')) as { certificate: string; head: string })
  const membership = await membershipOf(texts, { net: parseLocator(locator).net, atMs: Date.parse('2027-01-01') })
  assert.equal(membership.members().length, 6)
  await membership.takeHeads(heads, { kind: 'member', name: 'test' })
  assert.equal(membership.ownerEpoch(ownerFromWords(words).id), 2)
  assert.equal(membership.heads.all().length, 2)
})
