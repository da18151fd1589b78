/**
 * Malware with everything that the owner's machine has (its key, its certificate, the opened keyring, a link to each holder), but
 * not the words: it deletes what it can, floods, forges times, fills the quota, rewrites the roster, and goes on for weeks.
 * Real repository, dispersal and holders' folders; a clock that the test turns.
 */
import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { issueDeviceCertificate } from '../../agent/identity/device.ts'
import { signRecord } from '../../agent/identity/jws.ts'
import { replaceMachine } from '../../agent/network/founding.ts'
import type { Source } from '../../agent/network/membership/intake.ts'
import { recordTypes } from '../../agent/network/membership/records.ts'
import { makeCertificate } from '../../agent/network/peer/certificate.ts'
import { signHead } from '../../agent/repository/head.ts'
import type { Repository } from '../../agent/repository/repository.ts'
import type { ObjectId, ObjectRef } from '../../agent/object-store.ts'
import { type BackupGroup, makeBackupGroup } from '../support/backup-group.ts'
import { FakeTime, dayMs } from '../support/fake-time.ts'
import { admitted, newGroup, newMachine, newMembership, newOwner, nextEpoch, peerRecord, startMs } from '../support/records-kit.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { makeObject } from '../support/shard-group.ts'
import { makeOwner, makeShard } from '../support/test-owner.ts'
import { seededBytes } from '../support/trees.ts'

const size = 60_000
const quota = 6_000_000
const [everyDays, backupDays] = [3, 42]

interface Taken {
  readonly id: string
  readonly seed: number
}

/** A backup each third day; now and then the owner forgets all but the last five, as he may. */
async function honestWeeks(group: BackupGroup, time: FakeTime, file: string): Promise<Taken[]> {
  const taken: Taken[] = []
  for (let day = 0; day < backupDays; day += everyDays) {
    writeFileSync(file, seededBytes(size, day))
    taken.push({ id: (await group.backUp(file)).id, seed: day })
    if (day % 9 === 6) await group.repository.forget({ keep: { last: 5 } })
    await pass(group, time, everyDays)
  }
  return taken
}

async function pass(group: BackupGroup, time: FakeTime, days: number): Promise<void> {
  time.run(days * dayMs)
  for (const store of group.stores) await store.expire()
}

/** Heads that name what the malware likes, sent to every holder; what a holder answers is of no account. */
class Malware {
  readonly #group: BackupGroup
  #newest: Awaited<ReturnType<typeof signHead>>
  #seq: number

  constructor(group: BackupGroup) {
    const head = group.repository.head!
    this.#group = group
    this.#newest = head.published
    this.#seq = head.document.seq
  }

  async publish(live: readonly ObjectRef[], { nowMs, keyring, latest }: { nowMs: number; keyring: ObjectRef; latest?: ObjectId }): Promise<void> {
    const { owner, stores } = this.#group
    this.#newest = await signHead({ owner: owner.root.id, epoch: 1, seq: ++this.#seq, previous: this.#newest, nowMs, keyring, latest, live: [...live, keyring], adopts: [] }, owner)
    for (const store of stores) await store.putHead(this.#newest)
  }
}

async function fillQuota(group: BackupGroup): Promise<HoldfastError> {
  for (;;) {
    try {
      await group.dispersal.put(makeObject(400_000))
    } catch (error) {
      assert.ok(error instanceof HoldfastError)
      return error
    }
  }
}

async function readOne(repository: Repository, id: string, path: string): Promise<Buffer> {
  const entry = await repository.entry(await repository.snapshot(id), path)
  assert.ok(entry.type === 'file')
  return await repository.readRange(entry.content, { offset: 0, length: entry.size })
}

test('ransomware with the owner\'s keys: each snapshot of the last 30 days restores, for a month', async (t) => {
  const directory = await scratchFolder(t)
  const time = new FakeTime()
  const neighbour = await makeOwner()
  await using group = await makeBackupGroup(directory, {
    machines: 4, redundancy: '2-of-4', time, others: [neighbour], holder: { quota, fairShare: (_owner, offer) => offer / 4 },
  })
  mkdirSync(join(directory, 'files'))
  const file = join(directory, 'files', 'mail.bin')
  const taken = await honestWeeks(group, time, file)
  const keptByOwner = new Set((await group.repository.snapshots()).snapshots.map(({ id }) => id as string))

  const malware = new Malware(group)
  const junkKeyring = makeObject(2_000, 'key')
  await group.dispersal.put(junkKeyring)
  const refusal = await fillQuota(group)
  assert.ok(hasCode(refusal, 'quota-exceeded', 'too-few-holders'), refusal.message)
  for (const store of group.stores) assert.ok((await store.space()).free > quota / 3, 'the others have room still')
  await group.stores[0]!.put(makeShard(neighbour, { length: 200_000 }))

  const forged = [0, Date.parse('1970-01-02'), Date.parse('2099-01-01'), time.now()]
  for (let flood = 0; flood < 60; flood++) {
    const fiction: ObjectRef[] = Array.from({ length: 5 }, () => ({ kind: flood % 2 === 0 ? 'pack' as const : 'snapshot' as const, id: makeObject(1).id, length: 16_777_216 }))
    await malware.publish(flood % 3 === 0 ? [] : fiction, { nowMs: forged[flood % 4]!, keyring: junkKeyring, latest: fiction[0]!.id })
    time.run(1_000)
  }
  for (const store of group.stores) await store.expire()
  const atOnce = await group.recover()
  const ofLastMonth = taken.filter(({ seed }) => seed >= backupDays - 30)
  assert.ok(ofLastMonth.length === 10 && ofLastMonth.some(({ id }) => !keptByOwner.has(id)), 'some that the owner forgot himself too')
  for (const { id, seed } of ofLastMonth) assert.deepEqual(await readOne(atOnce, id, file), Buffer.from(seededBytes(size, seed)), `day ${seed}`)

  for (let day = 0; day < 29; day++) {
    await malware.publish([], { nowMs: forged[day % 4]!, keyring: junkKeyring })
    await pass(group, time, 1)
  }

  const later = await group.recover()
  const listed = new Set((await later.keptSnapshots()).snapshots.map(({ id }) => id as string))
  assert.ok(keptByOwner.size >= 5)
  for (const { id, seed } of taken.filter((one) => keptByOwner.has(one.id))) {
    assert.ok(listed.has(id), `the snapshot of day ${seed}`)
    assert.deepEqual(await readOne(later, id, file), Buffer.from(seededBytes(size, seed)))
  }
})

test('ransomware says that the owner left and wants nothing kept: all restores for the 8 weeks of the floor, and for good once he is back', async (t) => {
  const directory = await scratchFolder(t)
  const time = new FakeTime()
  const admins = await newGroup()
  const membership = newMembership(admins, await newMachine())
  await using group = await makeBackupGroup(directory, { machines: 3, redundancy: '2-of-3', time, holder: { keepDaysOf: (owner) => membership.keepDaysOf(owner) } })
  const { owner: { root, machine, certificate } } = group
  const device = { ...machine, cert: await makeCertificate(machine) }
  mkdirSync(join(directory, 'files'))
  const file = join(directory, 'files', 'mail.bin')
  writeFileSync(file, seededBytes(size, 7))
  const { id } = await group.backUp(file)
  const restores = async () => { assert.ok((await readOne(await group.recover(), id, file)).equals(Buffer.from(seededBytes(size, 7)))) }

  const source: Source = { kind: 'member', name: 'any' }
  await membership.ingest([admins.epoch1, await admitted(admins, device, { owners: [certificate] })], source)
  assert.equal(membership.keepDaysOf(root.id), undefined)
  await membership.ingest([await admitted(admins, device, { seq: 2, owners: [certificate], state: 'left', legacy: { keepDays: 0 } })], source)
  assert.equal(membership.keepDaysOf(root.id), 0, 'the key of the machine is all that it takes')
  for (let week = 0; week < 8; week++) await pass(group, time, week === 0 ? 0 : 55 / 7)
  await restores()

  const fresh = await newMachine()
  const admission = await replaceMachine({ net: admins.net, machine: fresh.id, old: machine.id, epoch: 2, nowMs: startMs }, root)
  await membership.ingest([await peerRecord(admins, fresh, { admission, owners: [await issueDeviceCertificate(root, fresh, 2, startMs)] })], source)
  assert.equal(membership.keepDaysOf(root.id), undefined)
  for (let month = 0; month < 4; month++) await pass(group, time, 30)
  await restores()
})

test('ransomware rewrites the roster: no holder is shut out, no machine gets in, the owner\'s device stays known', async () => {
  const admin = newOwner()
  const victim = newOwner()
  const group = await newGroup(admin.admin)
  const [self, holder, intruder] = [await newMachine(), await newMachine(), await newMachine()]
  const membership = newMembership(group, self)
  const roster: Source = { kind: 'roster', name: 'share' }
  const honest = await admitted(group, holder)
  await membership.ingest([group.epoch1, honest], roster)
  const before = membership.member(holder.id)
  assert.ok(before !== undefined)
  const seized = { admins: [victim.admin.jwk], revoked: [self.id, holder.id].map((id) => ({ id, at: 1, why: 'ransom' })) }
  const forged = [
    await nextEpoch(group.epoch1, victim.admin, { net: group.net, epoch: 2, ...seized }),
    await admitted({ ...group, admin: victim.admin }, intruder),
    await signRecord(recordTypes.peer, { ...before.record, seq: 2, addrs: [], offer: { bytes: 0, minFree: 0 } }, intruder),
  ]
  for (const records of [forged, []]) {
    assert.equal((await membership.ingest(records, roster)).taken, 0)
    assert.deepEqual([membership.network.epoch, membership.isRevoked(self.id), membership.isRevoked(holder.id)], [1, false, false])
    assert.deepEqual(membership.members().map(({ id, jws }) => [id, jws]), [[holder.id, honest]])
  }
})
