/**
 * Records that are rightly signed and say what nobody means: every member of every record replaced by what its schema has to
 * refuse or everything behind it has to bear; and every record in the place of every other. A verifier throws
 * `record-invalid` or `format-unknown` and nothing else, and what it lets pass can be shown: each time is a date.
 */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { issueDeviceCertificate, verifyDeviceCertificate } from '../../../agent/identity/device.ts'
import { signConsent, signWish, verifyAgreement, verifyWish } from '../../../agent/network/membership/agreement.ts'
import { signChoice, signDrop, signEnd, signPass, signRequest, verifyContactRecord } from '../../../agent/network/membership/contact-records.ts'
import { signCoverageReport, verifyCoverageReport } from '../../../agent/network/membership/coverage-report.ts'
import { type Signer, peekType, signRecord } from '../../../agent/identity/jws.ts'
import {
  recordTypes, replaceGrantSchema, sha256Of, sign, signRecoveryProof, verifyAdmit, verifyClaim, verifyHead, verifyInvitation, verifyNetwork, verifyPeer, verifyRecoveryProof, verifyReplace,
} from '../../../agent/network/membership/records.ts'
import { verifyHeadRecord } from '../../../agent/network/published-head.ts'
import { hasCode } from '../../../shared/errors.ts'
import { admitted, claimed, invite, newGroup, newMachine, newOwner, nextEpoch, peerRecord, startMs } from '../../support/records-kit.ts'
import { parseInvitation } from '../../../agent/network/membership/invitation.ts'

interface Kind {
  readonly jws: string
  readonly signer: Signer
  readonly verify: (jws: string) => Promise<unknown>
}

const [owner, machine, other] = [newOwner(), await newMachine(), await newMachine()]
const group = await newGroup()
const { net, admin } = group
const { id: ownerId } = owner
const iat = startMs / 1000
const invitation = await invite(group)
const admission = await claimed(invitation.text, machine)
const certificate = await issueDeviceCertificate(owner, machine, 1, startMs)
const wish = await signWish({ net, at: iat, terms: { delayDays: 3, days: 2, weeks: 1 }, accepts: [{ machine: machine.id, seq: 1 }] }, owner)
const contact = 'C'.repeat(43)
const half = { waitDays: 7, sealed: 'sealed', half: sha256Of('half'), to: [other.id] }
const head = await signRecord(recordTypes.head, {
  v: 1, owner: ownerId, machine: machine.id, epoch: 1, seq: 2, time: new Date(startMs).toISOString(), live: { count: 0, sha256: sha256Of('') }, adopts: [{ machine: other.id, seq: 1 }],
}, machine)
const contactKind = (jws: string, signer: Signer = machine): Kind => ({ jws, signer, verify: async (text) => await verifyContactRecord(peekType(jws) ?? '', text) })

const kinds: Record<string, Kind> = {
  network: { jws: await nextEpoch(group.epoch1, admin, {
    net, epoch: 2, revoked: [{ id: other.id, at: iat, why: 'lost', keep: [machine.id] }], rosters: ['folder:/share'], lost: [{ id: other.id, at: iat }], schedule: { cron: '0 3 * * *', quietHours: { from: '22:00', to: '06:00' } },
  }), signer: admin, verify: verifyNetwork },
  peer: { jws: await peerRecord(group, machine, { admission, owners: [certificate], legacy: { keepDays: 3 }, adminKey: admin.jwk }), signer: machine, verify: verifyPeer },
  grant: { jws: (await verifyPeer(await admitted(group, machine))).record.admission.grant ?? '', signer: admin, verify: verifyAdmit },
  invitation: { jws: admission.invitation, signer: admin, verify: verifyInvitation },
  claim: { jws: admission.claim, signer: (await parseInvitation(invitation.text, startMs)).signer, verify: verifyClaim },
  replacement: { jws: await sign(recordTypes.replace, replaceGrantSchema, { v: 1, net, owner: ownerId, root: owner.jwk, machine: machine.id, old: other.id, epoch: 2, iat }, owner), signer: owner, verify: verifyReplace },
  recovery: { jws: await signRecoveryProof(owner, machine.id, startMs), signer: owner, verify: verifyRecoveryProof },
  device: { jws: certificate, signer: owner, verify: verifyDeviceCertificate },
  head: { jws: head, signer: machine, verify: async (text) => {
    const { v, owner: of, machine: by, epoch, seq, time } = (await verifyHead({ certificate, head: text })).head
    return { v, of, by, epoch, seq, time }
  } },
  'head at a holder': { jws: head, signer: machine, verify: async (jws) => await verifyHeadRecord({ certificate, head: jws }) },
  coverage: { jws: await signCoverageReport({
    snapshot: iat, state: 'protected', placed: 6, wanted: 6, unprotected: 0, verified: iat, audited: iat, used: 1, offer: 2, admin: false, stored: 3, frozen: [ownerId], chosen: 1,
  }, { net, machine, nowMs: startMs, before: undefined }) ?? '', signer: machine, verify: async (jws) => await verifyCoverageReport(jws, (id) => id === machine.id ? machine.jwk : undefined) },
  wish: { jws: wish, signer: owner, verify: async (jws) => await verifyWish(jws, net) },
  consent: { jws: await signConsent(wish, { net, at: iat }, admin), signer: admin, verify: async (jws) => await verifyAgreement({ wish, consent: jws }, { net, isAdmin: () => true }) },
  contact: contactKind(await signChoice({ net, owner: ownerId, contact, iat, certificate, ...half }, machine)),
  request: contactKind(await signRequest({ net, owner: ownerId, contact, iat, why: 'lost' }, machine)),
  drop: contactKind(await signDrop({ net, owner: ownerId, contact, iat }, machine)),
  pass: contactKind(await signPass({ net, owner: ownerId, contact, iat, to: [other.id], sealed: 'sealed' }, machine)),
  end: contactKind(await signEnd({ net, owner: ownerId, contact, iat, certificate }, machine)),
}

const hostile: readonly unknown[] = [
  undefined, null, true, -1, 0, 0.5, 253_402_300_800, 2 ** 53 - 1, 2 ** 53, 1e308, Number.NaN, '', '\u0000', 'x'.repeat(3_000), 'Invalid', [], Array.from({ length: 3_000 }, () => 0), [[[[]]]], {}, { v: 1 },
  JSON.parse('{"__proto__":{"v":1},"constructor":null,"toString":1}'),
]
const times = new Set(['iat', 'exp', 'at', 'snapshot', 'verified', 'audited'])

function payloadOf(jws: string): object {
  return JSON.parse(Buffer.from(jws.split('.')[1] ?? '', 'base64url').toString()) as object
}

/** The document with one member, at whatever depth, replaced by `value`; for each of them. */
function* replaced(document: unknown, value: unknown, path = ''): Generator<{ where: string; changed: unknown }> {
  if (typeof document !== 'object' || document === null) return
  for (const [name, member] of Object.entries(document)) {
    const put = (inner: unknown): unknown => Array.isArray(document) ? document.with(Number(name), inner) : { ...document, [name]: inner }
    yield { where: `${path}/${name}`, changed: put(value) }
    for (const { where, changed } of replaced(member, value, `${path}/${name}`)) yield { where, changed: put(changed) }
  }
}

function assertShowable(document: unknown): void {
  if (typeof document !== 'object' || document === null) return
  for (const [name, member] of Object.entries(document)) {
    if (times.has(name) && typeof member === 'number') new Date(member * 1000).toISOString()
    if (typeof member === 'number') assert.ok(Number.isFinite(member) && Math.abs(member) <= Number.MAX_SAFE_INTEGER && member >= 0, `${name}: ${member}`)
    assertShowable(member)
  }
}

async function assertRefusedOrShowable(verify: Kind['verify'], jws: string, what: string): Promise<boolean> {
  try {
    assertShowable(await verify(jws))
    return true
  } catch (error) {
    assert.ok(hasCode(error, 'record-invalid', 'format-unknown'), `${what}: ${String(error)}`)
    return false
  }
}

for (const [name, { jws, signer, verify }] of Object.entries(kinds)) {
  test(`${name}: any member may hold anything, under the right signature`, async () => {
    assertShowable(await verify(jws))
    const [type, payload] = [peekType(jws) ?? '', payloadOf(jws)]
    let refused = 0
    for (const value of hostile) {
      for (const { where, changed } of replaced(payload, value)) {
        const changedJws = await signRecord(type, changed as object, signer)
        if (!await assertRefusedOrShowable(verify, changedJws, `${where} = ${JSON.stringify(value)?.slice(0, 40)}`)) refused++
      }
    }
    assert.ok(refused > hostile.length * 3, `${refused} refused`)
    for (const extra of ['{"__proto__":{"v":2}}', '{"later":[[1]]}']) assertShowable(await verify(await signRecord(type, { ...payload, ...JSON.parse(extra) as object }, signer)))
  })

  test(`${name}: none passes for another kind, cut off, or with a part of another one`, async () => {
    for (const [otherName, { jws: otherJws }] of Object.entries(kinds)) {
      if (peekType(otherJws) === peekType(jws)) continue
      await assert.rejects(verify(otherJws), (error) => hasCode(error, 'record-invalid', 'format-unknown'), otherName)
      const [mine, theirs] = [jws.split('.'), otherJws.split('.')]
      for (const at of [0, 1, 2]) await assert.rejects(verify(mine.with(at, theirs[at] ?? '').join('.')), (error) => hasCode(error, 'record-invalid', 'format-unknown'), `${otherName}, part ${at}`)
    }
    for (let length = 0; length < jws.length; length += 97) await assert.rejects(verify(jws.slice(0, length)), (error) => hasCode(error, 'record-invalid', 'format-unknown'))
    await assert.rejects(verify(jws + 'A'.repeat(20_000)), (error) => hasCode(error, 'record-invalid'))
  })
}
