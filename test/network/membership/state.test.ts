import assert from 'node:assert/strict'
import { mkdtemp, readFile, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { HoldfastError } from '../../../shared/errors.ts'
import { answerDigest, answerSchema, digestOf, digestSchema, pushFor, pushSchema, takePush } from '../../../agent/network/membership/digest.ts'
import { hostId, isSimulatedHost, parseMachineGuid, parseMachineIdFile, parsePlatformUuid } from '../../../agent/network/membership/host-id.ts'
import type { Membership } from '../../../agent/network/membership/membership.ts'
import { type OwnContent, renewOwnRecord, validSeconds } from '../../../agent/network/membership/own-record.ts'
import { MembershipStore } from '../../../agent/network/membership/store.ts'
import { RosterWatch } from '../../../agent/network/membership/roster-watch.ts'
import { admitMachine } from '../../../agent/network/founding.ts'
import { issueDeviceCertificate } from '../../../agent/identity/device.ts'
import { TestClock, type TestMachine, admitted, headOf, newGroup, newMachine, newMembership, newOwner, nextEpoch, startMs } from '../../support/records-kit.ts'

const group = await newGroup()
const [self, ann, bob] = [await newMachine(), await newMachine(), await newMachine()]
const source = { kind: 'roster', name: 'folder:/share' } as const

async function file(t: TestContext): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-state-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  return join(folder, 'membership.json')
}

const contentOf = (machine: TestMachine, name = 'PC'): OwnContent => ({
  cert: machine.cert, name, host: 'test:x', addrs: [], offer: { bytes: 1, minFree: 0 }, owners: [], state: 'on', agent: '0.1.0',
})

test('an agent starts from the saved membership with the roster down', async (t) => {
  const path = await file(t)
  const clock = new TestClock()
  const options = { net: group.net, self: self.id, now: clock.now, monotonic: clock.monotonic }
  {
    const { store, damaged } = await MembershipStore.open(path, options)
    await using _ = store
    assert.equal(damaged, undefined)
    await store.membership.ingest([group.epoch1, await admitted(group, ann)], source)
    await store.saveIfChanged()
    assert.deepEqual(await readdir(join(path, '..')), ['membership.json'])
  }
  const { store } = await MembershipStore.open(path, options)
  assert.deepEqual(store.membership.members().map((one) => one.id), [ann.id])
  assert.equal(await MembershipStore.networkAt(path), group.net)
})

test('that a roster went back in time is remembered over a restart, reported once all the same, and forgotten when it is mended and settled', async (t) => {
  const path = await file(t)
  const clock = new TestClock()
  const open = async () => (await MembershipStore.open(path, { net: group.net, self: self.id, now: clock.now, monotonic: clock.monotonic })).store
  const two = await nextEpoch(group.epoch1, group.admin, { net: group.net, epoch: 2, name: 'two' })
  const reports: number[] = []
  const at = () => [reports.length, store.membership.rosters.isBehind(source.name), store.membership.rosters.wentBackMs(source.name)]
  const begin = async () => {
    const begun = await open()
    begun.membership.subscribe(({ type }) => { if (type === 'roster-rolled-back') reports.push(clock.wallMs) })
    return begun
  }
  let store = await begin()
  await store.membership.ingest([group.epoch1, two], source)
  await store.saveIfChanged()
  clock.advance(60)
  await store.membership.ingest([group.epoch1], source)
  await store.saveIfChanged()
  clock.advance(60)
  store = await begin()
  await store.membership.ingest([group.epoch1], source)
  assert.deepEqual(at(), [1, true, startMs + 60_000])
  store.membership.settleRollBacks(clock.wallMs)
  assert.deepEqual(at(), [1, true, startMs + 60_000], 'it is still behind')
  await store.membership.ingest([group.epoch1, two], source)
  store.membership.settleRollBacks(startMs + 60_000)
  assert.deepEqual(at(), [1, false, startMs + 60_000], 'mended, and not told yet')
  store.membership.settleRollBacks(clock.wallMs)
  assert.deepEqual(at(), [1, false, undefined])
  await store.saveIfChanged()
  store = await begin()
  assert.deepEqual(at(), [1, false, undefined])
})

test('a record that went back and that nobody publishes any more is forgotten, and so is what a clock that ran ahead noted', () => {
  let nowMs = startMs
  const watch = new RosterWatch(() => nowMs, () => {})
  const show = (seq: number) => { watch.saw('folder:/x', { epoch: 1, seqs: new Map([[ann.id, seq]]) }) }
  show(5)
  nowMs = startMs + 1e12
  show(4)
  nowMs = startMs
  assert.equal(watch.settle(nowMs, () => true), true)
  assert.equal(watch.wentBackMs('folder:/x'), nowMs, 'as of now')
  nowMs += 1000
  assert.equal(watch.settle(nowMs, () => true), false, 'it is still behind')
  assert.equal(watch.settle(nowMs, () => false), true)
  assert.deepEqual([watch.isBehind('folder:/x'), watch.wentBackMs('folder:/x')], [false, undefined])
})

test('a damaged state file is set aside once and the state begins anew', async (t) => {
  const path = await file(t)
  const clock = new TestClock()
  const options = { net: group.net, self: self.id, now: clock.now, monotonic: clock.monotonic }
  for (const text of ['', '{"v":1', '{"v":9}', '[]']) {
    await writeFile(path, text)
    const { store, damaged } = await MembershipStore.open(path, options)
    assert.ok(damaged?.startsWith(`${path}.damaged-`))
    assert.equal(await readFile(damaged ?? '', 'utf8'), text)
    await store.save()
    assert.equal((await MembershipStore.open(path, options)).damaged, undefined)
  }
})

test('saves that overlap end with the newest state whole', async (t) => {
  const path = await file(t)
  const membership = newMembership(group, self)
  const store = await MembershipStore.create(path, membership)
  const saves = []
  for (const jws of [group.epoch1, await admitted(group, ann), await admitted(group, bob)]) {
    await membership.ingest([jws], source)
    saves.push(store.save())
  }
  await Promise.all(saves)
  const clock = new TestClock()
  const again = await MembershipStore.open(path, { net: group.net, self: self.id, now: clock.now, monotonic: clock.monotonic })
  assert.equal(again.store.membership.members().length, 2)
})

test('the own record is written anew when its content changes or two thirds of its time are over, and saved first', async () => {
  const membership = newMembership(group, self)
  await assert.rejects(renewOwnRecord(contentOf(self), { membership, machine: self, nowMs: startMs, save: async () => {} }), (error) => error instanceof HoldfastError && error.code === 'not-a-member')
  membership.setAdmission(await admitMachine(self.id, { net: group.net, admin: group.admin, nowMs: startMs }))
  const savedSeqs: number[] = []
  const renew = async (name: string, seconds: number) => await renewOwnRecord(contentOf(self, name), {
    membership, machine: self, nowMs: startMs + seconds * 1000, save: async () => { savedSeqs.push(membership.own.seq) },
  })
  const first = await renew('PC', 0)
  assert.deepEqual(await renew('PC', validSeconds * 0.6), { jws: first.jws, renewed: false })
  assert.equal((await renew('PC', validSeconds * 0.7)).renewed, true)
  assert.equal((await renew('Laptop', validSeconds * 0.7)).renewed, true)
  assert.deepEqual(savedSeqs, [1, 2, 3])
})

/** One exchange as the transport does it, through JSON and the schemas. */
async function gossip(from: Membership, to: Membership): Promise<void> {
  const wire = <T>(schema: { parse(value: unknown): T }, value: unknown): T => schema.parse(JSON.parse(JSON.stringify(value)))
  const answer = wire(answerSchema, answerDigest(to, wire(digestSchema, digestOf(from))))
  await takePush(from, answer, to.self)
  await takePush(to, wire(pushSchema, pushFor(from, answer.want)), from.self)
}

test('gossip brings records, revocations, heads and epochs to everyone along a line of three', async () => {
  const owner = newOwner()
  const machines = [self, ann, bob]
  const groups = machines.map((machine) => newMembership(group, machine))
  const [a, b, c] = groups as [Membership, Membership, Membership]
  for (const [index, membership] of groups.entries()) {
    await membership.ingest([group.epoch1], source)
    await membership.adoptOwn(await admitted(group, machines[index] as TestMachine, { inst: membership.own.inst, owners: index === 0 ? [await issueDeviceCertificate(owner, self, 1, startMs)] : [] }))
  }
  const stranger = await newMachine()
  await a.takeHeads([await headOf(owner, self, { seq: 2 })], { kind: 'self', name: self.id })
  await c.ingest([await nextEpoch(group.epoch1, group.admin, { net: group.net, epoch: 2, revoked: [{ id: stranger.id, at: 1, why: 'test' }] })], source)
  for (let round = 0; round < 3; round++) {
    await gossip(a, b)
    await gossip(b, c)
  }
  for (const membership of groups) {
    assert.equal(membership.members().length, 2)
    assert.equal(membership.network.epoch, 2)
    assert.equal(membership.isRevoked(stranger.id), true)
    assert.equal(membership.heads.get(owner.id, self.id)?.head.seq, 2)
    assert.equal(membership.ownerEpoch(owner.id), 1)
  }
})

test('ages travel as rumours that never grow younger', async () => {
  const clocks = [new TestClock(), new TestClock()]
  const [a, b] = [newMembership(group, self, clocks[0]), newMembership(group, bob, clocks[1])] as [Membership, Membership]
  for (const membership of [a, b]) await membership.ingest([group.epoch1, await admitted(group, ann)], source)
  a.heard(ann.id)
  clocks[0]?.advance(100.4)
  assert.equal(b.member(ann.id)?.heardSecondsAgo, undefined)
  await gossip(a, b)
  const rumour = b.member(ann.id)?.heardSecondsAgo ?? 0
  assert.ok(rumour >= 100.4 && rumour <= 103)
  for (let round = 0; round < 10; round++) await gossip(b, a)
  assert.equal(Math.round(a.member(ann.id)?.heardSecondsAgo ?? 0), 100, 'the echo of an own rumour changes nothing')
})

test('a host id is the same on one computer in one group, tells groups apart, and names test machines', async () => {
  const other = await newGroup()
  assert.equal(await hostId({ net: group.net }), await hostId({ net: group.net }))
  assert.notEqual(await hostId({ net: group.net }), await hostId({ net: other.net }))
  assert.equal(await hostId({ net: group.net, testMachine: 'anna' }), 'test:anna')
  assert.deepEqual([isSimulatedHost('test:anna'), isSimulatedHost(await hostId({ net: group.net }))], [true, false])
})

test('machine ids are read from what each system prints', () => {
  const guid = '5f3a2b10-9c8d-4e7f-a6b5-c4d3e2f1a0b9'
  assert.equal(parseMachineGuid(`\r\nHKEY_LOCAL_MACHINE\\SOFTWARE\\Microsoft\\Cryptography\r\n    MachineGuid    REG_SZ    ${guid}\r\n\r\n`), guid)
  assert.equal(parsePlatformUuid(`  | {\n  |   "IOPlatformUUID" = "${guid.toUpperCase()}"\n  | }`), guid)
  assert.equal(parseMachineIdFile(`${'0123456789abcdef'.repeat(2)}\n`), '0123456789abcdef'.repeat(2))
  assert.deepEqual([parseMachineGuid('ERROR'), parsePlatformUuid(''), parseMachineIdFile('uninitialized\n')], [undefined, undefined, undefined])
})
