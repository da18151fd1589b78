import assert from 'node:assert/strict'
import { cp, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { HoldfastError } from '../../../shared/errors.ts'
import { createNetwork, joinNetwork } from '../../../agent/network/founding.ts'
import { changeNetwork } from '../../../agent/network/governing.ts'
import { makeClaim, makeInvitation, parseInvitation } from '../../../agent/network/membership/invitation.ts'
import type { Membership } from '../../../agent/network/membership/membership.ts'
import { renewOwnRecord } from '../../../agent/network/membership/own-record.ts'
import { FolderRoster } from '../../../agent/network/roster/folder.ts'
import { claimName, headName, networkName, peerName } from '../../../agent/network/roster/names.ts'
import type { Roster } from '../../../agent/network/roster/port.ts'
import { RosterSync } from '../../../agent/network/roster/roster-sync.ts'
import { oneOfTwoFounds } from '../../support/founders.ts'
import { TestClock, type TestMachine, admitted, day, headOf, newGroup, newMachine, newOwner, startMs } from '../../support/records-kit.ts'
import { issueDeviceCertificate } from '../../../agent/identity/device.ts'

const withCode = (code: string, text = /./) => (error: unknown) => error instanceof HoldfastError && error.code === code && text.test(error.message)
const policy = { name: 'Accounts', redundancy: 'auto', minFree: 0.1, admission: 'open' } as const
const admin = newOwner().admin
const save = async (): Promise<void> => {}

async function place(t: TestContext): Promise<{ path: string; roster: FolderRoster }> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-sync-'))
  t.after(() => rm(path, { recursive: true, force: true }))
  return { path, roster: new FolderRoster(path) }
}

function syncOf(membership: Membership, rosters: readonly Roster[], { clock = new TestClock(), timeoutMs = 20_000 } = {}): RosterSync {
  return new RosterSync({ membership, rosters, now: clock.now, delay: () => new Promise(() => {}), random: () => 0.5, timeoutMs })
}

async function publish(membership: Membership, machine: TestMachine, change: { name?: string; owners?: string[] } = {}): Promise<string> {
  const { jws } = await renewOwnRecord({
    cert: machine.cert, name: 'PC', host: 'test:x', addrs: [{ host: '10.0.0.1', port: 1 }], offer: { bytes: 1, minFree: 0 }, owners: [],
    state: 'on', agent: '0.1.0', ...change,
  }, { membership, machine, nowMs: startMs, save })
  return jws
}

async function founded(roster: Roster, machine: TestMachine, clock = new TestClock()): Promise<Membership> {
  const membership = await createNetwork(policy, { machine: machine.id, admin, rosters: [roster], now: clock.now, monotonic: clock.monotonic })
  await publish(membership, machine)
  return membership
}

async function inviteTo(membership: Membership, roster: Roster, { count = 5, by = admin } = {}): Promise<{ text: string; id: string }> {
  return await makeInvitation({ net: membership.net, name: 'Accounts', count, validMs: day * 1000, nowMs: startMs, approval: false, rosters: [roster.locator], peers: [] }, by)
}

async function joined(text: string, roster: Roster, machine: TestMachine): Promise<Membership> {
  const clock = new TestClock()
  const membership = await joinNetwork(text, { machine: machine.id, rosters: [roster], now: clock.now, monotonic: clock.monotonic })
  await publish(membership, machine)
  return membership
}

test('a founder and two who join by one invitation find each other through the folder alone', async (t) => {
  const { roster } = await place(t)
  const machines = await Promise.all([newMachine(), newMachine(), newMachine()])
  const [first, second, third] = machines as [TestMachine, TestMachine, TestMachine]
  const founder = await founded(roster, first)
  const { text } = await inviteTo(founder, roster)
  const groups = [founder, await joined(text, roster, second), await joined(text, roster, third)]
  for (const membership of [...groups, ...groups]) await syncOf(membership, [roster]).syncOnce()
  for (const membership of groups) {
    assert.equal(membership.ownRefusal(), undefined)
    assert.deepEqual([...membership.members().map((one) => one.id), membership.self].sort(), machines.map((one) => one.id).sort())
  }
})

test('of two founders of one folder the second is refused, also when both begin at once', async (t) => {
  const { roster } = await place(t)
  await oneOfTwoFounds(() => roster)
})

test('eight machines that join at once get eight slots, a repeated join its own again, and the ninth is refused', async (t) => {
  const { roster } = await place(t)
  const founder = await founded(roster, await newMachine())
  const { text, id } = await inviteTo(founder, roster, { count: 8 })
  const machines = await Promise.all(Array.from({ length: 8 }, newMachine))
  const members = await Promise.all(machines.map((machine) => joined(text, roster, machine)))
  await joined(text, roster, machines[0] as TestMachine)
  for (const membership of members) await syncOf(membership, [roster]).syncOnce()
  await syncOf(founder, [roster]).syncOnce()
  assert.equal(founder.members().length, 8)
  assert.deepEqual(new Set(Array.from({ length: 8 }, (_, slot) => founder.slotHolder(id, slot + 1))), new Set(machines.map((one) => one.id)))
  await assert.rejects(joined(text, roster, await newMachine()), withCode('invitation-invalid', /used up/))
})

/** A place where each machine writes in its own part, as below its own computer object: one name may be there twice. */
function twoParts(own: FolderRoster, other: FolderRoster): Roster {
  return {
    locator: own.locator,
    prepare: async () => { await own.prepare() },
    list: async (_cursor, options) => {
      const [first, second] = [await own.list(undefined, options), await other.list(undefined, options)]
      return { records: [...first.records, ...second.records], cursor: '', ignored: 0, whole: true }
    },
    putOwn: async (name, text, options) => { await own.putOwn(name, text, options) },
    createOnce: async (name, text, options) => await own.createOnce(name, text, options),
    remove: async (name) => { await own.remove(name) },
  }
}

test('two who join at once where both may write one name get slots of their own', async (t) => {
  const [{ roster: one }, { roster: two }, machines] = [await place(t), await place(t), await Promise.all(Array.from({ length: 4 }, newMachine))]
  const [founder, ann, bob, carl] = machines as [TestMachine, TestMachine, TestMachine, TestMachine]
  const membership = await founded(one, founder)
  await syncOf(membership, [one]).syncOnce()
  const { text, id } = await inviteTo(membership, one, { count: 2 })
  const joiners = await Promise.all([joined(text, twoParts(one, two), ann), joined(text, twoParts(two, one), bob)])
  const { records } = await twoParts(one, two).list()
  assert.deepEqual(records.filter(({ name }) => name.startsWith('claims/')).map(({ name }) => name).sort(), [claimName(id, 1), claimName(id, 2)])
  await membership.ingest(joiners.map(({ own }) => own.peer?.jws ?? ''), { kind: 'roster', name: one.locator })
  assert.deepEqual(membership.members().map((member) => member.id).sort(), [ann.id, bob.id].sort())
  await assert.rejects(joined(text, twoParts(one, two), carl), withCode('invitation-invalid', /used up/))
})

test('who sees a rival before its own claim is shown takes its own away, but never what a rival put in its place', async (t) => {
  for (const isReplaced of [false, true]) {
    const [{ roster: own }, { roster: other }, founder, ann, bob] = [await place(t), await place(t), await newMachine(), await newMachine(), await newMachine()]
    const membership = await founded(own, founder)
    await syncOf(membership, [own]).syncOnce()
    const { text, id } = await inviteTo(membership, own, { count: 2 })
    const first = claimName(id, 1)
    const rival = await makeClaim(await parseInvitation(text, startMs), 1, bob.id, startMs)
    const both = twoParts(own, other)
    const reads: (boolean | undefined)[] = []
    let hidden: string | undefined
    await joined(text, {
      ...both,
      list: async (cursor, options) => {
        const listing = await both.list(cursor, options)
        const records = listing.records.filter((record) => record.text !== hidden)
        hidden = undefined
        reads.push(options?.wanted?.(peerName(founder.id)))
        return { ...listing, records }
      },
      createOnce: async (name, claim) => {
        const outcome = await own.createOnce(name, claim)
        if (name === first) await (isReplaced ? own : other).putOwn(name, rival)
        if (name === first) hidden = claim
        return outcome
      },
    }, ann)
    const claims = (await both.list()).records.filter(({ name }) => name.startsWith('claims/')).map(({ name, text: claim }) => [name, claim === rival])
    assert.deepEqual(claims.sort(), [[first, true], [claimName(id, 2), false]])
    assert.deepEqual(new Set(reads.slice(1)), new Set([false]), 'only claims are read beside a claim')
  }
})

test('an invitation by a stranger, a revoked one, or into a roster without the group is refused and says so', async (t) => {
  const { roster } = await place(t)
  const { roster: empty } = await place(t)
  const founder = await founded(roster, await newMachine())
  const machine = await newMachine()
  const forged = await inviteTo(founder, roster, { by: newOwner().admin })
  await assert.rejects(joined(forged.text, roster, machine), withCode('invitation-invalid', /not made by an admin/))
  const { text, id } = await inviteTo(founder, roster)
  await assert.rejects(joined(text, empty, machine), withCode('roster-unavailable'))
  await changeNetwork({ revoked: [{ id, at: 1, why: 'test' }] }, { membership: founder, admin, nowMs: startMs })
  await syncOf(founder, [roster]).syncOnce()
  await assert.rejects(joined(text, roster, machine), withCode('invitation-invalid', /revoked/))
})

test('only an admin changes the group, and never to one without an admin', async (t) => {
  const { roster } = await place(t)
  const membership = await founded(roster, await newMachine())
  await assert.rejects(changeNetwork({ name: 'x' }, { membership, admin: newOwner().admin, nowMs: startMs }), withCode('unauthorized'))
  await assert.rejects(changeNetwork({ revoked: [{ id: admin.id, at: 1, why: '' }] }, { membership, admin, nowMs: startMs }), withCode('invalid-input'))
})

test('a wiped roster is filled again from what the machine knows', async (t) => {
  const { path, roster } = await place(t)
  const machine = await newMachine()
  const membership = await founded(roster, machine)
  const sync = syncOf(membership, [roster])
  await sync.syncOnce()
  for (const name of await readdir(path)) await rm(join(path, name), { recursive: true })
  await sync.syncOnce()
  const { records } = await roster.list()
  assert.deepEqual(records.map((record) => record.name).sort(), [networkName(1), peerName(machine.id)])
  assert.equal(sync.status[0]?.state, 'ok', 'what was filled in the same turn is not called empty')
})

test('a folder restored from an old copy is reported, and gets the newest records again', async (t) => {
  const { path, roster } = await place(t)
  const { path: copy } = await place(t)
  const machine = await newMachine()
  const membership = await founded(roster, machine)
  const events: string[] = []
  membership.subscribe((event) => events.push(event.type))
  const sync = syncOf(membership, [roster])
  await sync.syncOnce()
  await cp(path, copy, { recursive: true })
  await changeNetwork({ name: 'Renamed' }, { membership, admin, nowMs: startMs })
  const newest = await publish(membership, machine, { name: 'PC 2' })
  await sync.syncOnce()
  await sync.syncOnce()
  await rm(join(path, 'network'), { recursive: true })
  await cp(copy, path, { recursive: true, force: true })
  assert.equal(sync.status[0]?.wentBackMs, undefined)
  await sync.syncOnce()
  assert.deepEqual([sync.status[0]?.state, sync.status[0]?.wentBackMs, membership.network.name], ['rolled-back', startMs, 'Renamed'])
  assert.ok(events.includes('roster-rolled-back'))
  const { records } = await roster.list()
  assert.equal(records.find((record) => record.name === peerName(machine.id))?.text, newest)
  assert.ok(records.some((record) => record.name === networkName(2)))
  await sync.syncOnce()
  assert.deepEqual(sync.status.map(({ state, wentBackMs }) => [state, wentBackMs]), [['ok', startMs]], 'told, though it was mended before anybody looked')
})

test('a roster of another group is called foreign and nothing is written to it', async (t) => {
  const { roster } = await place(t)
  const { path, roster: others } = await place(t)
  await others.putOwn(networkName(1), (await newGroup()).epoch1)
  const sync = syncOf(await founded(roster, await newMachine()), [others])
  await sync.syncOnce()
  assert.equal(sync.status[0]?.state, 'foreign')
  assert.deepEqual(await readdir(path), ['network'])
})

test('foreign files and forged records beside the good ones are counted and harm nobody', async (t) => {
  const { path, roster } = await place(t)
  const membership = await founded(roster, await newMachine())
  const friend = await newMachine()
  await roster.putOwn(peerName(friend.id), await admitted({ net: membership.net, admin, epoch1: '' }, friend))
  for (let index = 0; index < 50; index++) {
    await writeFile(join(path, 'peers', `Photo ${index}.jpg`), 'x')
    await writeFile(join(path, 'peers', `forged ${index}.jws`), `forged ${index}`)
  }
  await writeFile(join(path, 'peers', 'copy (conflict).jws'), await admitted({ net: membership.net, admin, epoch1: '' }, friend, { seq: 2 }))
  const sync = syncOf(membership, [roster])
  await sync.syncOnce()
  assert.deepEqual([sync.status[0]?.ignored, sync.status[0]?.refused], [50, { 'unknown-type': 50 }])
  assert.equal(membership.member(friend.id)?.record.seq, 2, 'a conflict copy counts by its signature')
})

test('a roster that is down or hangs is unavailable, and the other one is kept in step', async (t) => {
  const { path, roster } = await place(t)
  const machine = await newMachine()
  const membership = await founded(roster, machine)
  const down = new FolderRoster(join(path, 'not', 'mounted'))
  const hung: Roster = { locator: 'folder:/hung', prepare: () => new Promise(() => {}), list: () => new Promise(() => {}), putOwn: () => new Promise(() => {}), createOnce: () => new Promise(() => {}), remove: () => new Promise(() => {}) }
  const sync = syncOf(membership, [down, hung, roster], { timeoutMs: 500 })
  // The timeout's own timer does not keep a process alive; this one does.
  const awake = setInterval(() => {}, 1000)
  try {
    await sync.syncOnce()
    await sync.syncOnce()
  } finally {
    clearInterval(awake)
  }
  assert.deepEqual(sync.status.map((one) => one.state), ['unavailable', 'unavailable', 'ok'])
  assert.match(sync.status[0]?.problem ?? '', /not there/)
  assert.ok((await roster.list()).records.some((record) => record.name === peerName(machine.id)))
})

test('own heads are published, and found by who reads the roster', async (t) => {
  const { roster } = await place(t)
  const [machine, other] = [await newMachine(), await newMachine()]
  const membership = await founded(roster, machine)
  const owner = newOwner()
  const { text } = await inviteTo(membership, roster)
  const reader = await joined(text, roster, other)
  await publish(membership, machine, { owners: [await issueDeviceCertificate(owner, machine, 1, startMs)] })
  await membership.takeHeads([await headOf(owner, machine, { seq: 4 })], { kind: 'self', name: machine.id })
  await syncOf(membership, [roster]).syncOnce()
  assert.ok((await roster.list()).records.some((record) => record.name === headName(owner.id, machine.id)))
  await syncOf(reader, [roster]).syncOnce()
  assert.equal(reader.heads.get(owner.id, machine.id)?.head.seq, 4)
})

test('the loop polls at once and after each delay with jitter, and ends when it is disposed of', async (t) => {
  const { roster } = await place(t)
  const membership = await founded(roster, await newMachine())
  const delays: number[] = []
  const third = Promise.withResolvers<void>()
  const sync = new RosterSync({
    membership, rosters: [roster], now: () => startMs, random: () => (delays.length % 2 === 0 ? 0 : 0.999), intervalMs: 1000,
    delay: async (ms, signal) => {
      delays.push(Math.round(ms))
      if (delays.length < 3) return
      third.resolve()
      await new Promise((_, reject) => { signal.addEventListener('abort', () => { reject(signal.reason as Error) }) })
    },
  })
  void sync.start()
  await third.promise
  await sync[Symbol.asyncDispose]()
  assert.deepEqual(delays, [800, 1200, 800])
  assert.equal(sync.status[0]?.state, 'ok')
})
