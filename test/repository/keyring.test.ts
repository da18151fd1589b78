import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { test } from 'node:test'
import * as fc from 'fast-check'
import { hasCode } from '../../shared/errors.ts'
import { generateMachine } from '../../agent/identity/machine.ts'
import { generateWords, ownerFromWords } from '../../agent/identity/owner.ts'
import {
  addRecipient, createKeyring, currentEpoch, dataKeyOf, openKeyring, raiseEpoch, removeRecipient, sealKeyring,
} from '../../agent/repository/keyring.ts'
import { recipientsOf } from '../support/test-repository.ts'

const random = (length: number): Uint8Array => randomBytes(length)
const owner = ownerFromWords(generateWords())
const machine = generateMachine()
const make = () => createKeyring(owner.id, { random, recipients: recipientsOf(owner, machine) })

test('the machine and the owner words open the same keyring, nobody else does', async () => {
  const ring = make()
  const bytes = await sealKeyring(ring)
  const byMachine = await openKeyring(bytes, machine)
  const byWords = await openKeyring(bytes, { id: owner.id, exchangeKey: owner.exchangeKey })
  assert.deepEqual(byMachine, byWords)
  assert.deepEqual(Buffer.from(currentEpoch(byWords).dataKey), Buffer.from(currentEpoch(ring).dataKey))
  await assert.rejects(openKeyring(bytes, generateMachine()), (error) => hasCode(error, 'key-missing'))
  await assert.rejects(openKeyring(bytes, { id: machine.id, exchangeKey: generateMachine().exchangeKey }), (error) => hasCode(error, 'object-damaged'))
})

test('a raised epoch seals with a new key and opens with the old one', async () => {
  const ring = make()
  const raised = await openKeyring(await sealKeyring(raiseEpoch(ring, 4, random)), machine)
  assert.equal(currentEpoch(raised).epoch, 4)
  assert.deepEqual(Buffer.from(dataKeyOf(raised, 1)), Buffer.from(currentEpoch(ring).dataKey))
  assert.throws(() => dataKeyOf(raised, 2), (error) => hasCode(error, 'key-missing'))
  assert.throws(() => raiseEpoch(raised, 4, random), RangeError)
})

test('a recipient can wrap the ring for all others, and one who was removed cannot open it', async () => {
  const other = generateMachine()
  const added = addRecipient(make(), { kid: other.id, role: 'device', kx: other.exchangeJwk })
  const opened = await openKeyring(await sealKeyring(added), other)
  const without = await sealKeyring(removeRecipient(opened, machine.id))
  assert.equal((await openKeyring(without, { id: owner.id, exchangeKey: owner.exchangeKey })).recipients.length, 2)
  await assert.rejects(openKeyring(without, machine), (error) => hasCode(error, 'key-missing'))
})

test('a damaged keyring is refused, never misread', async () => {
  const bytes = await sealKeyring(make())
  await fc.assert(fc.asyncProperty(fc.nat({ max: bytes.length - 1 }), fc.nat({ max: 255 }), async (at, value) => {
    fc.pre(bytes[at] !== value)
    const damaged = Uint8Array.from(bytes)
    damaged[at] = value
    try {
      assert.deepEqual(await openKeyring(damaged, machine), await openKeyring(bytes, machine))
    } catch (error) {
      assert.ok(hasCode(error, 'object-damaged', 'format-unknown', 'key-missing'), String(error))
    }
  }), { verbose: 1, numRuns: 150 })
  await assert.rejects(openKeyring(bytes.subarray(0, 3), machine), (error) => hasCode(error, 'object-damaged'))
})
