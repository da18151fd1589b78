/**
 * Every kind of object flipped, cut off, swapped with another of its kind and played back in the place of a newer one, by a
 * store that vouches for it all, against a machine that has the words alone: it gets the right bytes or an error of ours,
 * never other bytes. (A store over shards finds most of this before: test/network/dispersal.test.ts.)
 */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { test } from 'node:test'
import { issueDeviceCertificate } from '../../agent/identity/device.ts'
import { generateMachine } from '../../agent/identity/machine.ts'
import type { HeadStore, ObjectKind, ObjectRef, ObjectStore } from '../../agent/object-store.ts'
import { addRecipient, raiseEpoch } from '../../agent/repository/keyring.ts'
import { ownerOpener, recoverKeyring } from '../../agent/repository/recovery.ts'
import { Repository } from '../../agent/repository/repository.ts'
import type { FileEntry } from '../../agent/repository/tree.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { type TestDevice, backUp, createRepository, makeDevice } from '../support/test-repository.ts'

type Attack = (bytes: Uint8Array, offset: number) => void
type Outcome = 'right' | HoldfastError['code']

const bytesOf = { first: randomBytes(70_000), second: Buffer.concat([randomBytes(40_000), Buffer.alloc(40_000, 'text')]) }

/** What a get of the range gives instead. */
function lying(store: ObjectStore, kind: ObjectKind, attack: (ref: ObjectRef) => Promise<Attack>): ObjectStore {
  return {
    put: async (...call) => await store.put(...call), list: () => store.list(),
    get: async (ref, range, options) => {
      const bytes = await store.get(ref, range, options)
      if (ref.kind === kind) (await attack(ref))(bytes, range?.offset ?? 0)
      return bytes
    },
  }
}

let recoveries = 0
/** The words, the store and nothing else; each file of the newest snapshot, or why not. */
async function recovered({ directory, owner, options, now }: TestDevice, store: ObjectStore, heads: HeadStore): Promise<Outcome> {
  try {
    const found = await recoverKeyring({ store, heads, owner: owner.id, opener: ownerOpener(owner) })
    const machine = generateMachine()
    const keyring = addRecipient(raiseEpoch(found.keyring, found.epoch + 1, (length) => randomBytes(length)), { kid: machine.id, role: 'device', kx: machine.exchangeJwk })
    const certificate = await issueDeviceCertificate(owner, machine, found.epoch + 1, now)
    await using repository = await Repository.create({ ...options, store, heads, machine, certificate, keyring, directory: join(directory, `recovered-${recoveries++}`) })
    await repository.refresh()
    const snapshot = await repository.snapshot('latest')
    const entries = (await repository.list(snapshot, '/data')).map(({ entry }) => entry as FileEntry)
    for (const { name, content } of entries) {
      assert.ok((await repository.readRange(content, { offset: 0, length: content.size })).equals(bytesOf[name as keyof typeof bytesOf]), `a wrong byte of ${name}`)
    }
    assert.deepEqual(entries.map(({ name }) => name), snapshot.tags)
    return 'right'
  } catch (error) {
    if (error instanceof HoldfastError && error.code !== 'internal') return error.code
    throw error
  }
}

const attackNames = ['magic', 'epoch', 'salt', 'locator', 'a sealed byte', 'cut off', 'another of mine', 'one of another owner', 'zeros', 'noise'] as const
/** What cannot but be found; the rest may come right, because it is not read or stands elsewhere too. */
const found: Record<ObjectKind, readonly (typeof attackNames)[number][]> = {
  pack: attackNames.slice(4), // an index says what the header says
  index: [], // a copy: what no readable index says stands in the packs
  // Another snapshot of the owner opens and is whole: that it is not the one asked for the store finds by its id.
  snapshot: attackNames.filter((name) => name !== 'another of mine'),
  key: ['magic', 'cut off', 'one of another owner', 'zeros', 'noise'],
}
const ours: readonly Outcome[] = ['right', 'object-damaged', 'format-unknown', 'key-missing', 'not-found']

test('a machine with the words alone gets right bytes or an error from any object flipped, cut off, swapped or played back', async (t) => {
  const device = await makeDevice(t)
  const { store } = device
  {
    await using repository = await createRepository(device)
    await backUp(device, repository, { first: { bytes: bytesOf.first } }, { tags: ['first'] })
    await backUp(device, repository, { first: { bytes: bytesOf.first }, second: { bytes: bytesOf.second } }, { tags: ['first', 'second'] })
  }
  assert.equal(await recovered(device, store, store), 'right')
  const stranger = await makeDevice(t)
  {
    await using repository = await createRepository(stranger)
    await backUp(stranger, repository, { first: { bytes: bytesOf.first } })
  }
  const ofStranger = await Array.fromAsync(stranger.store.list())
  const mine = await Array.fromAsync(store.list())

  const inPlace = async (ref: ObjectRef, from: ObjectStore, others: readonly ObjectRef[]): Promise<Attack> => {
    const other = others.find(({ kind, id }) => kind === ref.kind && id !== ref.id)
    const whole = other === undefined ? new Uint8Array(0) : await from.get(other)
    return (bytes, offset) => { bytes.fill(0).set(whole.subarray(offset, offset + bytes.length)) }
  }
  const flip = (at: number) => async (): Promise<Attack> => (bytes, offset) => {
    const index = at - offset
    if (index >= 0 && index < bytes.length) bytes[index]! ^= 0x10
  }
  const attacks: Record<(typeof attackNames)[number], (ref: ObjectRef) => Promise<Attack>> = {
    'magic': flip(0), 'epoch': flip(8), 'salt': flip(20), 'locator': flip(50), 'a sealed byte': flip(100),
    'cut off': async () => (bytes, offset) => { bytes.fill(0, Math.min(bytes.length, Math.max(0, 90 - offset))) },
    'another of mine': async (ref) => await inPlace(ref, store, mine),
    'one of another owner': async (ref) => await inPlace(ref, stranger.store, ofStranger),
    zeros: async () => (bytes) => { bytes.fill(0) },
    noise: async () => (bytes) => { bytes.set(randomBytes(bytes.length)) },
  }
  for (const kind of Object.keys(found) as ObjectKind[]) {
    for (const what of attackNames) {
      const outcome = await recovered(device, lying(store, kind, attacks[what]), store)
      assert.ok(ours.includes(outcome) && !(outcome === 'right' && found[kind].includes(what)), `${kind}: ${what}: ${outcome}`)
      if (kind === 'index') assert.equal(outcome, 'right', what)
    }
  }
})

test('an older head in the place of the newest brings its own snapshot whole, and never a mixture', async (t) => {
  const device = await makeDevice(t)
  const { store } = device
  await using repository = await createRepository(device)
  await backUp(device, repository, { first: { bytes: bytesOf.first } }, { tags: ['first'] })
  const older = await store.collect()
  await backUp(device, repository, { first: { bytes: bytesOf.first }, second: { bytes: bytesOf.second } }, { tags: ['first', 'second'] })
  const replaying: HeadStore = { publish: async (...call) => await store.publish(...call), collect: async () => older }
  assert.equal(await recovered(device, store, replaying), 'right')
  const { heads } = await store.collect()
  const mixed: HeadStore = { publish: replaying.publish, collect: async () => ({ answered: 1, asked: 1, heads: heads.map((head) => ({ ...head, live: older.heads[0]!.live })) }) }
  assert.notEqual(await recovered(device, store, mixed), 'right')
})
