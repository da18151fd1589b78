import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { CommandResult } from '../../shared/api.ts'
import type { MachineId } from '../../shared/ids.ts'
import { hasCode } from '../../shared/errors.ts'
import { noticeText } from '../../shared/notice-texts.ts'
import type { Notice } from '../../shared/notices.ts'
import { type Alert, AlertBook } from '../../agent/commands/alert-book.ts'
import { type AlertInput, alertsOf, mailsOf, speaker } from '../../agent/commands/alerts.ts'
import type { RunCommand } from '../../agent/commands/command.ts'
import type { AgentContext } from '../../agent/commands/context.ts'
import { rosterAlarms } from '../../agent/commands/status-notices.ts'
import { tell } from '../../agent/composition/alert-watch.ts'
import { RosterWatch } from '../../agent/network/membership/roster-watch.ts'
import type { RosterStatus } from '../../agent/network/roster/roster-sync.ts'
import { defaultConfig } from '../../agent/config.ts'
import { dayMs, hourMs } from '../support/fake-time.ts'
import { TestSmtpServer } from '../support/smtp-server.ts'

type Member = CommandResult<'coverage'>['members'][number]

const day = 86_400
const member = (machine: string, change: Partial<Member> = {}): Member => ({
  name: machine.toUpperCase(), owner: `${machine}-owner`, machine, state: 'protected', lastSnapshotAgeSeconds: 3600, placed: 3, wanted: 3, reachable: 3, restorable: true, unprotectedBytes: 0,
  lastVerifiedRestore: null, verifiedInPart: false, lastFailedDrill: null, lastAudit: null, machineState: 'online', self: false, admin: false, offSinceSeconds: null, usedBytes: 0, offerBytes: 0, reportAgeSeconds: 0,
  chosen: 1, frozenAt: 0, lost: false, storedBytes: 0, fairBytes: 0, ...change,
})
const calm: AlertInput = {
  status: { protection: { state: 'protected', placed: 3, wanted: 3, survives: 2, reach: null }, paths: [{ lastSnapshot: 'x' }] as never, alarms: [] },
  members: [member('a', { self: true }), member('b'), member('c')], settings: defaultConfig.alerts, left: new Map(), contacts: [],
}
const alarm = (kind: AlertInput['status']['alarms'][number]['kind'], notice: Notice) => ({ kind, text: noticeText(notice), notice })
/** What this machine tells of. */
const toldOf = (input: Partial<AlertInput>) => alertsOf({ ...calm, ...input }).filter(({ quiet }) => quiet !== true)
const keysOf = (input: Partial<AlertInput>) => toldOf(input).map(({ key }) => key).sort()

test('a calm group has no alerts; each thing that is wrong has one', () => {
  assert.deepEqual(keysOf({}), [])
  const status = { ...calm.status, protection: { state: 'partial', placed: 2, wanted: 3, survives: 1, reach: null } as const, alarms: [alarm('rollback', { code: 'head-missing', machine: 'x', seq: 1 }), alarm('rollback', { code: 'head-missing', machine: 'y', seq: 2 }), alarm('audit', { code: 'audit-failed', name: 'z' })] }
  assert.deepEqual(keysOf({ status }), ['audit:audit-failed:z', 'deficit', 'rollback:head-missing:x', 'rollback:head-missing:y'])
  const members = [member('a', { self: true, lastSnapshotAgeSeconds: 8 * day }), member('b', { machineState: 'away', offSinceSeconds: 8 * day }), member('c', { lastSnapshotAgeSeconds: 30 * day, frozenAt: 2 }), member('d', { state: 'partial', lastFailedDrill: '2026-11-22T14:03:00.000Z' })]
  assert.deepEqual(keysOf({ members }), ['deficit:d', 'drill:d', 'frozen:c', 'silent:b', 'stale', 'stale:c'])
  assert.deepEqual(keysOf({ members, left: new Map([['b', 365]]) }), ['deficit:d', 'drill:d', 'frozen:c', 'stale', 'stale:c'])
  assert.deepEqual(keysOf({ members: [member('a', { self: true }), member('b', { chosen: 0, lastSnapshotAgeSeconds: null, state: 'unprotected' })] }), [], 'nothing was chosen there')
})

test('a machine that left and wants its backup kept for less than usual is told of, until its owner is back or an admin gave it up', () => {
  const members = (change: Partial<Member> = {}) => [member('a', { self: true }), member('b', { machineState: 'gone', offSinceSeconds: 90 * day, ...change })]
  const leftFor = (keepDays: number | undefined, change: Partial<Member> = {}) => ({ members: members(change), left: new Map([['b', keepDays]]) })
  assert.deepEqual([0, 60].map((days) => alertsOf({ ...calm, ...leftFor(days) }).map(({ notices, own }) => [notices, own])), [
    [[[{ code: 'left-early', name: 'B', days: 56 }], false]], [[[{ code: 'left-early', name: 'B', days: 60 }], false]],
  ], 'holders keep it for 56 days whatever it says')
  for (const input of [leftFor(90), leftFor(undefined), leftFor(0, { lost: true })]) assert.deepEqual(keysOf(input), [])
  assert.deepEqual(keysOf(leftFor(90, { frozenAt: 1 })), ['frozen:b'], 'leaving ends no freeze')
})

test('of the others one machine speaks: the lowest of the admins that are online, else the lowest that is', () => {
  const members = [member('a'), member('b', { self: true }), member('c', { admin: true, machineState: 'away' }), member('d', { admin: true }), member('e', { admin: true })]
  assert.equal(speaker(members)?.machine, 'd')
  assert.equal(speaker(members.filter(({ admin }) => !admin))?.machine, 'a')
  const silent = member('z', { machineState: 'gone', offSinceSeconds: 30 * day })
  const speakers = ['a', 'b', 'd', 'e'].filter((self) => toldOf({
    members: [...members, silent].map((one) => ({ ...one, self: one.machine === self })),
  }).some(({ key }) => key === 'silent:z'))
  assert.deepEqual(speakers, ['d'])
})

test('whether it answers this machine does not decide who speaks: who dials others and cannot be dialled is one for all', () => {
  const of = (change: Partial<Member>) => speaker([member('a', { admin: true, ...change }), member('b', { admin: true })])?.machine
  assert.deepEqual([of({}), of({ machineState: 'away', offSinceSeconds: 40 }), of({ machineState: 'away', offSinceSeconds: 200 }), of({ machineState: 'away', offSinceSeconds: null }), of({ machineState: 'gone', offSinceSeconds: 40 })], ['a', 'a', 'b', 'b', 'b'])
})

test('who asks for somebody else\'s backup as its recovery contact is told of by one machine, never the asker\'s own, once for each key', () => {
  const members = [member('a', { admin: true }), member('b', { admin: true }), member('c'), member('o', { machineState: 'away' })]
  const contacts = (machine: string) => ['k1', 'k2'].map((contact) => ({ contact, machine: machine as MachineId, notice: { code: 'contact-asked-other', by: 'Eve', name: 'O', days: 3 } as const }))
  const tellers = (asker: string) => ['a', 'b', 'c'].filter((self) => {
    const alerts = toldOf({ members: members.map((one) => ({ ...one, self: one.machine === self })), contacts: contacts(asker) }).filter(({ own }) => !own)
    if (alerts.length > 0) assert.deepEqual(alerts.map(({ key }) => key), ['contact:k1', 'contact:k2'])
    return alerts.length > 0
  })
  assert.deepEqual([tellers('c'), tellers('a')], [['a'], ['b']])
})

/** A file in memory, and what a restart would read. */
function alertFile() {
  const kept: { text?: string } = {}
  return { kept, file: { read: () => kept.text, write: (text: string) => { kept.text = text } } }
}

const alert = (key: string, change: Partial<Alert> = {}): Alert => ({ key, text: key, notices: [], own: true, afterMs: 0, ...change })

test('an alert is told once and its end once, over restarts, and again when it comes back', () => {
  const { file } = alertFile()
  let book = new AlertBook(file)
  assert.deepEqual(book.update([alert('stale')], 1).raised.map(({ text }) => text), ['stale'])
  book = new AlertBook(file)
  assert.equal(book.update([alert('stale', { text: 'a day more' })], 2).raised.length, 1, 'nobody was told yet')
  book.told()
  for (let look = 3; look < 100; look++) assert.deepEqual(book.update([alert('stale')], look), { raised: [], over: [] })
  book = new AlertBook(file)
  assert.deepEqual(book.standing().map(({ since }) => since), [1])
  assert.deepEqual(book.update([], 100).over.map(({ text }) => text), ['stale'])
  book.told()
  assert.deepEqual(book.update([], 101), { raised: [], over: [] })
  assert.equal(book.update([alert('stale')], 102).raised.length, 1)
})

test('a roll-back that stands keeps no other one from being told, of another way, machine or roster', () => {
  const book = new AlertBook(alertFile().file)
  const alarms: AlertInput['status']['alarms'][number][] = []
  const newsAfter = (notice: Notice) => {
    alarms.push(alarm('rollback', notice))
    const { raised } = book.update(alertsOf({ ...calm, status: { ...calm.status, alarms } }), alarms.length)
    book.told()
    return raised.map(({ notices }) => notices)
  }
  const kinds: Notice[] = [
    { code: 'head-missing', machine: 'x', seq: 1 }, { code: 'head-missing', machine: 'y', seq: 1 }, { code: 'head-rolled-back', machine: 'x', seen: 2, found: 1 },
    { code: 'roster-rolled-back', locator: 'folder:/a', at: '2026-11-22T12:00:00.000Z' }, { code: 'roster-rolled-back', locator: 'folder:/b', at: '2026-11-22T12:00:00.000Z' },
  ]
  for (const notice of kinds) assert.deepEqual(newsAfter(notice), [[notice]])
  assert.deepEqual(newsAfter({ code: 'head-missing', machine: 'x', seq: 2 }), [], 'the same once more')
})

test('who speaks for the others in turn tells each thing once, however often they change, and its end if it speaks then', () => {
  const books = { a: new AlertBook(alertFile().file), b: new AlertBook(alertFile().file) }
  const look = (self: 'a' | 'b', { aIsOff = false, drillFailed = true, at = 0 }) => {
    const members = [member('a', { admin: true, self: self === 'a', machineState: aIsOff ? 'away' : 'online' }), member('b', { admin: true, self: self === 'b' }), member('c', drillFailed ? { lastFailedDrill: '2026-11-22T14:03:00.000Z' } : {})]
    const { raised, over } = books[self].update(alertsOf({ ...calm, members }), at)
    books[self].told()
    return [raised.length, over.length]
  }
  assert.deepEqual([look('a', {}), look('b', {})], [[1, 0], [0, 0]])
  assert.deepEqual([look('b', { aIsOff: true, at: 1 }), books.b.standing().length], [[1, 0], 1], 'who speaks in its place says it once, too')
  for (let day = 2; day < 9; day++) assert.deepEqual([look('a', { at: day }), look('b', { at: day }), look('b', { aIsOff: true, at: day })], [[0, 0], [0, 0], [0, 0]])
  look('b', { at: 9 })
  assert.deepEqual(books.b.standing(), [], 'another one speaks of it')
  assert.deepEqual([look('a', { drillFailed: false, at: 10 }), look('b', { drillFailed: false, at: 10 })], [[0, 1], [0, 0]])
})

test('what passes by itself in its time is never told', () => {
  const book = new AlertBook(alertFile().file)
  const deficit = [alert('deficit', { afterMs: dayMs })]
  assert.deepEqual(book.update(deficit, 0).raised, [])
  assert.deepEqual(book.update(deficit, 23 * hourMs).raised, [])
  assert.deepEqual(book.update([], 24 * hourMs), { raised: [], over: [] })
  assert.deepEqual(book.update(deficit, 25 * hourMs).raised, [])
  assert.equal(book.update(deficit, 50 * hourMs).raised.length, 1)
})

test('admins hear of everything, a member of its own backup, and a hostile name starts no line', () => {
  const standing = (text: string, own: boolean) => ({ since: 1, text, notices: [], own })
  const news = { raised: [standing('mine', true), standing('Bob\r\nBcc: evil@example.com\nis silent', false)], over: [standing('old', true)] }
  const mails = mailsOf(news, { group: 'Sales', mail: { to: ['ann@x.com', 'boss@x.com'], admins: ['boss@x.com'] } })
  assert.deepEqual(mails.map(({ to }) => to), [['boss@x.com'], ['ann@x.com']])
  assert.equal(mails[0]?.subject, 'Holdfast, Sales: mine (and 2 more)')
  assert.match(mails[0]!.text, /^- mine\n- Bob Bcc: evil@example.com is silent\n\nOver:\n- old\n/)
  assert.ok(!mails[1]!.text.includes('Bob'))
  assert.deepEqual(mailsOf({ raised: [standing('other', false)], over: [] }, { group: 'Sales', mail: { to: ['ann@x.com'], admins: [] } }), [])
})

test('one look after the other sends one mail for what began and one for what ended, and tries again when the server is down', async () => {
  await using server = await TestSmtpServer.open()
  const state = { members: calm.members, down: true, nowMs: 1e12 }
  const asked: unknown[] = []
  const left: { id: string; record: { state: 'left' }; devices: { owner: string }[] }[] = []
  const rosters = new RosterWatch(() => state.nowMs, () => {})
  const context = {
    alerts: new AlertBook(alertFile().file), clock: { now: () => state.nowMs },
    settings: { config: { ...defaultConfig, mail: { ...defaultConfig.mail, to: ['ann@example.com'], admins: ['boss@example.com'], smtp: { host: '127.0.0.1', get port() { return state.down ? 1 : server.port }, security: 'none', from: 'holdfast@example.com' } } } },
    group: () => ({ membership: { network: { name: 'Sales' }, members: () => left, keepDaysOf: () => 0, settleRollBacks: (beforeMs: number) => rosters.settle(beforeMs, () => true), contacts: { all: () => asked, waitMs: () => 3 * dayMs }, nameOf: () => 'C' } }), ownerFile: () => ({ owner: 'a-owner' }), signIns: { access: { directorySignIn: async () => undefined } },
  } as unknown as AgentContext
  const run = (async (name: string) => (name === 'status' ? { ...calm.status, alarms: rosterAlarms([{ locator: 'folder:/list', state: 'ok', wentBackMs: rosters.wentBackMs('folder:/list') } as RosterStatus]).map((notice) => alarm('rollback', notice)) } : { members: state.members })) as unknown as RunCommand
  const look = async () => { await tell(context, run, { signal: AbortSignal.timeout(60_000), onProgress: () => {} }) }
  await look()
  state.members = [member('a', { self: true, lastSnapshotAgeSeconds: 9 * day }), member('b', { offSinceSeconds: 20 * day, machineState: 'doubtful' })]
  await assert.rejects(look(), (error) => hasCode(error, 'mail-failed'))
  state.down = false
  await look()
  await look()
  assert.deepEqual(server.mails.map(({ to }) => to), [['boss@example.com'], ['ann@example.com']])
  assert.match(server.mails[0]!.text, /A has had no complete backup for 9 days[^]*B has not been seen for 20 days/)
  state.members = calm.members
  await look()
  await look()
  assert.equal(server.mails.length, 4)
  assert.match(server.mails[3]!.text, /Over:\n- A has had no complete backup/)
  left.push({ id: 'b', record: { state: 'left' }, devices: [{ owner: 'b-owner' }] })
  await look()
  await look()
  assert.deepEqual(server.mails.slice(4).map(({ to }) => to), [['boss@example.com']])
  assert.match(server.mails[4]!.text, /B left the work group, and its backup is kept for 56 days only/)
  asked.push(...['a-owner', 'b-owner'].map((owner) => ({ id: `key-of-${owner}`, choice: { owner }, request: { machine: 'c', why: '' } })))
  await look()
  await look()
  assert.deepEqual(server.mails.slice(5).map(({ to }) => to), [['boss@example.com']])
  assert.match(server.mails[5]!.text, /\n- C asked to open the backup of b-owner as its recovery contact/)

  for (const epoch of [2, 1, 2]) rosters.saw('folder:/list', { epoch, seqs: new Map() })
  const wentBackMs = state.nowMs
  state.down = true
  for (const days of [0, 30]) {
    state.nowMs = wentBackMs + days * dayMs
    await assert.rejects(look(), (error) => hasCode(error, 'mail-failed'))
  }
  state.down = false
  await look()
  const [first, ...more] = server.mails.slice(6)
  assert.deepEqual([first?.to, more.map(({ to }) => to)], [['boss@example.com'], [['ann@example.com']]], 'it was mended at once, and stays news until it is told')
  assert.match(first!.text, /\n- The roster in folder:\/list went back in time \(\d+ Sept? 2001/)
  await look()
  await look()
  assert.match(server.mails[8]!.text, /Over:\n- The roster/)
  assert.equal(server.mails.length, 10)

  for (const epoch of [1, 2]) rosters.saw('folder:/list', { epoch, seqs: new Map() })
  for (const days of [0, 6]) {
    state.nowMs += days * dayMs
    await look()
    await look()
    assert.deepEqual([server.mails.length, context.alerts.standing().map(({ text }) => /\/list/.test(text)).at(-1)], [12, true], 'told once, and shown for a week')
  }
  state.nowMs += 2 * dayMs
  await look()
  await look()
  assert.equal(server.mails.length, 14)
})
