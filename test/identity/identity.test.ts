import assert from 'node:assert/strict'
import { sign } from 'node:crypto'
import { test } from 'node:test'
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import { issueDeviceCertificate, verifyDeviceCertificate } from '../../agent/identity/device.ts'
import { publicJwkOf, signRecord, verifyRecord } from '../../agent/identity/jws.ts'
import { generateMachine, idToBytes, machineFromJson, machineToJson, thumbprint } from '../../agent/identity/machine.ts'
import { generateWords, ownerFromWords } from '../../agent/identity/owner.ts'

const withCode = (code: string) => (error: unknown) => error instanceof HoldfastError && error.code === code

test('thumbprint() agrees with the vector of RFC 8037 appendix A.3', () => {
  const jwk = { kty: 'OKP', crv: 'Ed25519', x: '11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo' } as const
  assert.equal(thumbprint(jwk), 'kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k')
})

test('a machine comes back from its document with the same id and keys', async () => {
  const machine = generateMachine()
  const again = machineFromJson(machineToJson(machine))
  assert.equal(again.id, machine.id)
  assert.deepEqual(again.exchangeJwk, machine.exchangeJwk)
  assert.equal(idToBytes(machine.id).length, 32)
})

test('the words give the same owner, exchange and admin keys, whatever their case and spacing', () => {
  const words = generateWords()
  const owner = ownerFromWords(words)
  const again = ownerFromWords(`  ${words.toUpperCase().replaceAll(' ', ' \n ')} `)
  assert.deepEqual([again.id, again.exchangeJwk, again.admin.jwk], [owner.id, owner.exchangeJwk, owner.admin.jwk])
  assert.notEqual(owner.admin.id, owner.id)
})

test('the keys of the all-zero words never drift', () => {
  const owner = ownerFromWords(`${'abandon '.repeat(23)}art`)
  assert.deepEqual([owner.id, owner.admin.id], ['FT8GuOnHB_nimOBCa7mXYcXzpEZdpl4D8oq6SIjopYY', '5Kj3qfJlSpY4yQ5UEBRyIceDkvidl_BGbi22ral9tzM'])
})

test('wrong words are refused with what is wrong about them', () => {
  const words = generateWords().split(' ')
  assert.throws(() => ownerFromWords(words.slice(1).join(' ')), withCode('recovery-words-invalid'))
  assert.throws(() => ownerFromWords(['xyzzy', ...words.slice(1)].join(' ')), /word 1 /)
  assert.throws(() => ownerFromWords(`${'abandon '.repeat(23)}about`), /checksum/)
})

test('a device certificate verifies, and not after any character of it changed', async () => {
  const owner = ownerFromWords(generateWords())
  const machine = generateMachine()
  const jws = await issueDeviceCertificate(owner, machine, 3, 1_000_000)
  const certificate = await verifyDeviceCertificate(jws)
  assert.deepEqual([certificate.owner, certificate.machine, certificate.epoch], [owner.id, machine.id, 3])
  for (let at = 0; at < jws.length; at += 7) {
    const swapped = jws[at] === 'A' ? 'Q' : 'A'
    await assert.rejects(verifyDeviceCertificate(jws.slice(0, at) + swapped + jws.slice(at + 1)), HoldfastError)
  }
})

test('a certificate whose ids are not those of its keys is refused though its signature holds', async () => {
  const owner = ownerFromWords(generateWords())
  const machine = generateMachine()
  const forged = await signRecord('holdfast-device', {
    v: 1, owner: owner.id, root: owner.jwk, machine: generateMachine().id, jwk: machine.jwk, kx: machine.exchangeJwk, epoch: 1, iat: 1,
  }, owner)
  await assert.rejects(verifyDeviceCertificate(forged), withCode('record-invalid'))
})

test('verifyRecord() refuses another type, another key, and a version it does not know', async () => {
  const machine = generateMachine()
  const schema = z.object({ v: z.number() })
  const jws = await signRecord('holdfast-test', { v: 1 }, machine)
  await verifyRecord('holdfast-test', jws, machine.jwk, schema)
  await assert.rejects(verifyRecord('holdfast-other', jws, machine.jwk, schema), withCode('record-invalid'))
  await assert.rejects(verifyRecord('holdfast-test', jws, publicJwkOf(generateMachine().privateKey), schema), withCode('record-invalid'))
  const newer = await signRecord('holdfast-test', { v: 2 }, machine)
  await assert.rejects(verifyRecord('holdfast-test', newer, machine.jwk, schema), withCode('format-unknown'))
})

test('verifyRecord() refuses a header that asks for an extension, and reads past members that it does not know', async () => {
  const machine = generateMachine()
  const signed = (more: object) => {
    const text = [{ alg: 'EdDSA', typ: 'holdfast-test', kid: machine.id, ...more }, { v: 1 }].map((part) => Buffer.from(JSON.stringify(part)).toString('base64url')).join('.')
    return `${text}.${sign(null, Buffer.from(text), machine.privateKey).toString('base64url')}`
  }
  const verify = async (jws: string) => await verifyRecord('holdfast-test', jws, machine.jwk, z.object({ v: z.literal(1) }))
  await verify(signed({ later: 1 }))
  const isRefused = (error: unknown) => withCode('record-invalid')(error) && /asks for an extension/.test((error as Error).message)
  for (const b64 of [true, false]) await assert.rejects(verify(signed({ b64, crit: ['b64'] })), isRefused)
})

test('a record that held once is still refused with another key, as another type, changed, or with another signature', async () => {
  const [machine, other] = [generateMachine(), generateMachine()]
  const schema = z.object({ v: z.literal(1), text: z.string() })
  const jws = await signRecord('holdfast-test', { v: 1, text: 'as signed' }, machine)
  const verify = (text = jws, { type = 'holdfast-test', jwk = machine.jwk } = {}) => verifyRecord(type, text, jwk, schema)
  for (let time = 0; time < 2; time++) assert.equal((await verify()).text, 'as signed')
  const [header = '', payload = '', signature = ''] = jws.split('.')
  const changed = Buffer.from(JSON.stringify({ v: 1, text: 'as forged' })).toString('base64url')
  await assert.rejects(verify(jws, { jwk: other.jwk }), withCode('record-invalid'))
  await assert.rejects(verify(jws, { type: 'holdfast-other' }), withCode('record-invalid'))
  await assert.rejects(verify(`${header}.${changed}.${signature}`), withCode('record-invalid'))
  await assert.rejects(verify(`${header}.${payload}.${(await signRecord('holdfast-test', { v: 1, text: 'as signed' }, other)).split('.')[2]}`), withCode('record-invalid'))
  assert.equal((await verify()).text, 'as signed')
})
