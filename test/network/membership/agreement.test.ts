import assert from 'node:assert/strict'
import { test } from 'node:test'
import { hasCode } from '../../../shared/errors.ts'
import type { NetworkId } from '../../../shared/ids.ts'
import { generateMachine } from '../../../agent/identity/machine.ts'
import { generateWords, ownerFromWords } from '../../../agent/identity/owner.ts'
import { agreementText, parseAgreement, signConsent, signWish, verifyAgreement } from '../../../agent/network/membership/agreement.ts'
import { networkIdOf, recordTypes } from '../../../agent/network/membership/records.ts'
import { defaultTerms } from '../../../agent/network/shard-store/retention.ts'
import { signRecord } from '../../../agent/identity/jws.ts'
import { TestGroup } from '../../support/peer-group.ts'
import { makeOwner } from '../../support/test-owner.ts'

const at = 1_800_000_000
const net = networkIdOf('some network record')

async function parts() {
  const [owner, admin] = [ownerFromWords(generateWords()), ownerFromWords(generateWords())]
  const wish = await signWish({ net, at, terms: defaultTerms, accepts: [] }, owner)
  return { owner, admin, wish, isAdmin: (key: { x: string }) => key.x === admin.admin.jwk.x }
}

test('an agreement holds when the owner\'s root key and an admin signed it, and survives its way as a string', async () => {
  const { owner, admin, wish, isAdmin } = await parts()
  const agreement = { wish, consent: await signConsent(wish, { net, at }, admin.admin) }
  assert.deepEqual(parseAgreement(` ${agreementText(agreement).replace(/(.{60})/g, '$1\n')}`), { v: 1, ...agreement })
  assert.deepEqual(await verifyAgreement(agreement, { net, isAdmin }), { owner: owner.id, signed: at, terms: defaultTerms, accepts: [] })
  assert.throws(() => parseAgreement('holdfast-invite:abc'), (error) => hasCode(error, 'invalid-input'))
})

test('an agreement without an admin, for another wish, of another group or by a machine\'s key is refused', async () => {
  const { owner, admin, wish, isAdmin } = await parts()
  const consent = await signConsent(wish, { net, at }, admin.admin)
  const invalid = (error: unknown) => hasCode(error, 'record-invalid', 'unauthorized')
  await assert.rejects(verifyAgreement({ wish, consent: await signConsent(wish, { net, at }, owner.admin) }, { net, isAdmin }), invalid)
  const other = await signWish({ net, at: at + 1, terms: { delayDays: 1, days: 1, weeks: 1 }, accepts: [] }, owner)
  await assert.rejects(verifyAgreement({ wish: other, consent }, { net, isAdmin }), invalid)
  await assert.rejects(verifyAgreement({ wish, consent }, { net: networkIdOf('another') as NetworkId, isAdmin }), invalid)
  const machine = generateMachine()
  const forged = await signRecord(recordTypes.retention, { v: 1, net, owner: owner.id, root: machine.jwk, at, terms: defaultTerms, accepts: [] }, machine)
  await assert.rejects(verifyAgreement({ wish: forged, consent: await signConsent(forged, { net, at }, admin.admin) }, { net, isAdmin }), invalid)
})

test('any member brings an agreement to a holder\'s door; one that no admin of the group signed is refused there', async () => {
  const root = ownerFromWords(generateWords())
  await using group = await TestGroup.create(root)
  const agreed: unknown[] = []
  await using holder = await group.open('holder', { agree: (agreement) => agreed.push(agreement) })
  await using bearer = await group.open('bearer')
  const { root: owner } = await makeOwner()
  const here = networkIdOf(group.network)
  const wish = await signWish({ net: here, at, terms: { ...defaultTerms, delayDays: 7 }, accepts: [] }, owner)
  await using link = await bearer.dial(holder)
  await assert.rejects(link.call('retention.agree', { wish, consent: await signConsent(wish, { net: here, at }, owner.admin) }), (error) => hasCode(error, 'unauthorized'))
  assert.deepEqual(agreed, [])
  await link.call('retention.agree', { wish, consent: await signConsent(wish, { net: here, at }, root.admin) })
  assert.deepEqual(agreed, [{ owner: owner.id, signed: at, terms: { delayDays: 7, days: 14, weeks: 8 }, accepts: [] }])
})
