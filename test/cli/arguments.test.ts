import assert from 'node:assert/strict'
import { resolve } from 'node:path'
import { test } from 'node:test'
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'
import { commands, isCommandName } from '../../shared/api.ts'
import { plainIssues } from '../../shared/plain-issues.ts'
import { helpText, parseInvocation, splitSnapshotPath, syntax, toRequest } from '../../agent/cli/arguments.ts'
import { parseBytes } from '../../agent/cli/numbers.ts'
import { formatBytes, formatDuration, printable } from '../../agent/cli/format.ts'

function request(...argv: string[]) {
  const invocation = parseInvocation(argv)
  assert.ok('name' in invocation)
  return toRequest(invocation)
}
const refused = (pattern: RegExp) => (error: unknown) => error instanceof HoldfastError && error.code === 'invalid-input' && pattern.test(error.message)

test('commands of one and of two words are found, wherever global options stand', () => {
  assert.deepEqual(request('--json', 'network', '--home', '/tmp/h', 'create', 'Team', '--roster', 'folder:/srv'), {
    name: 'network create', input: { name: 'Team', roster: 'folder:/srv' },
  })
  assert.deepEqual(request('status'), { name: 'status', input: {} })
})

test('help is of everything, of one command by either way of asking, or of none that there is', () => {
  for (const argv of [['help'], [], ['help', 'help'], ['help', 'network']]) assert.deepEqual(parseInvocation(argv), { help: undefined })
  for (const argv of [['help', 'restore'], ['restore', '--help'], ['--json', 'help', 'restore']]) assert.deepEqual(parseInvocation(argv), { help: 'restore' })
  assert.deepEqual(parseInvocation(['help', 'network', 'invite']), { help: 'network invite' })
  assert.throws(() => parseInvocation(['help', 'restroe']), refused(/Cannot help with restroe: no such command/))
})

test('what a schema refuses is said in words', () => {
  const refusal = (input: object) => plainIssues(commands['network invite'].request.safeParse(input).error?.issues ?? [])
  assert.equal(refusal({ count: 0 }), 'count has to be at least 1')
  assert.equal(refusal({ count: 'many' }), 'count has to be a number')
  const issuesOf = (schema: z.ZodType, value: unknown) => plainIssues(schema.safeParse(value).error?.issues ?? [])
  assert.equal(issuesOf(z.object({ level: z.enum(['low', 'high']), name: z.string().min(1) }), { level: 'middle', name: '' }), 'level has to be low, high (one of them); name has to have at least 1 character')
  assert.equal(issuesOf(z.strictObject({ list: z.array(z.number().lt(5)).max(1) }), { list: [1, 2], other: 1 }), 'list has to have at most 1 entry; has no other')
  assert.equal(issuesOf(z.number().lt(5), 7), 'has to be less than 5')
  assert.equal(issuesOf(commands.backup.request, { tags: ['a', 'b,c'] }), 'entry 2 of tags has to be text without a comma')
  assert.equal(issuesOf(commands.forget.request, { within: '2 weeks' }), 'within has to be a span such as 14d, 6m or 1y6m14d12h')
})

test('of settings that are refused the name is as it was written, and the rest a sentence', () => {
  const refusal = (change: object) => plainIssues(commands.settings.request.safeParse({ change }).error?.issues ?? [])
  assert.equal(refusal({ schedule: { quietHours: { from: '8', to: '09:00' } } }), 'schedule.quietHours.from has to be a time of day such as 22:30')
  assert.equal(refusal({ mail: { to: ['ann@example.com', 'bob'] } }), 'entry 2 of mail.to has to be a mail address')
  assert.equal(refusal({ limits: { slowLinks: [{ network: '10.8.0.0/33', uploadBytesPerSecond: 50_000 }] } }), 'network of entry 1 of limits.slowLinks has to be a network such as 10.8.0.0/16')
  assert.equal(refusal({ limits: { slowLinks: [{ interface: 'tun0', uploadBytesPerSecond: 5 }] } }), 'uploadBytesPerSecond of entry 1 of limits.slowLinks has to be at least 20000')
  assert.equal(refusal({ limits: { slowLinks: [{ interface: 'tun0' }] } }), 'entry 1 of limits.slowLinks needs uploadBytesPerSecond or downloadBytesPerSecond')
})

test('paths become absolute where the command was given', () => {
  assert.deepEqual(request('backup', 'mail.pst', '--offline-ok'), { name: 'backup', input: { paths: [resolve('mail.pst')], offlineOk: true, tags: [] } })
  assert.deepEqual(request('restore', 'latest:/home/ann/a:b.pst', '--target', 'out').input, {
    snapshot: 'latest', path: '/home/ann/a:b.pst', target: resolve('out'), overwrite: false,
  })
})

test('what does not fit is refused with the usage', () => {
  assert.throws(() => parseInvocation(['backpu']), refused(/no such command/))
  assert.throws(() => parseInvocation(['backup', '--offlineok']), refused(/usage: holdfast backup/))
  assert.throws(() => request('network', 'create'), refused(/NAME/))
  assert.throws(() => request('network', 'create', 'Team'), refused(/--roster/))
  assert.throws(() => request('restore', 'latest', '--target', ''), refused(/--target is empty/), 'an empty variable is not the folder of the moment')
  assert.throws(() => request('protect', ''), refused(/a path is empty/))
  assert.throws(() => request('status', '--home', ''), refused(/--home is empty/), 'nor the usual home')
  assert.throws(() => request('status', 'now'), refused(/one word too many/))
  assert.throws(() => request('network', 'invite', '--count', 'many'), refused(/--count many/))
})

test('a value that begins with a dash, and one that is missing, is refused in plain words', () => {
  assert.throws(() => request('forget', '--keep-last', '-1'), refused(/^Cannot use --keep-last -1: it takes a whole number from 0 to 100000$/))
  assert.throws(() => request('forget', '--keep-last', '1.5'), refused(/a whole number/))
  assert.throws(() => request('prune', '--max-rewrite', '-5GB'), refused(/^Cannot read -5GB as a size/))
  assert.throws(() => request('forget', '--keep-last', '--dry-run'), refused(/^Cannot run forget: --keep-last needs a value; one that begins with a dash is written --keep-last=-…\nusage: /))
  assert.throws(() => request('forget', '--keep-last'), refused(/^Cannot run forget: --keep-last needs a value/))
  assert.throws(() => request('forget', '--dry-run=yes'), refused(/^Cannot run forget: --dry-run takes no value\nusage: /))
  assert.throws(() => request('forget', '--kep-last', '1'), refused(/^Cannot run forget: there is no option --kep-last\nusage: /))
  assert.throws(() => request('restore', '-x', 'latest'), refused(/there is no option -x/))
  assert.deepEqual(request('network', 'revoke', 'desk', '--why', '-1 point').input, { machine: 'desk', why: '-1 point' })
})

test('forget and backup take tags and restic\'s rules', () => {
  const { input } = request('forget', '--keep-hourly', '24', '--keep-within', '1y6m', '--keep-tag', 'a,b', '--keep-tag', 'c', '--tag', 'x')
  assert.deepEqual(input, { hourly: 24, within: '1y6m', keepTags: [['a', 'b'], ['c']], tagged: ['x'], dryRun: false })
  assert.ok(!commands.forget.request.safeParse({ within: '2 weeks' }).success)
  assert.deepEqual((request('backup', '--tag', 'a,b', '--tag', 'c').input as { tags: string[] }).tags, ['a', 'b', 'c'])
})

test('every command that an agent knows can be reached from the command line, with the same request schema', () => {
  for (const name of Object.keys(commands)) assert.ok(Object.hasOwn(syntax, name), name)
  for (const name of Object.keys(syntax)) assert.ok(isCommandName(name) || ['agent', 'autostart', 'open', 'demo', 'resume', 'manifest', 'network found'].includes(name), name)
  const argv: Record<string, string[]> = {
    'network create': ['T', '--roster', 'folder:/r'], 'network join': ['holdfast-invite:x'], 'protect': ['/a', '--exclude', '*.tmp'],
    'unprotect': ['/a'], 'ls': ['latest'], 'restore': ['latest', '--target', '/t'], 'search': ['mail'], 'network announce': ['team@contoso.com'], 'network find': ['entra:contoso.com?client=x'], 'retention approve': ['holdfast-retention:x'], 'settings': ['limits.uploadBytesPerSecond=50KB', 'label=Desk', 'offer=default'],
    'recovery-contact restore': ['desk', '--target', '/t', '--snapshot', 'abc:/home/eve'],
    'handed-over restore': ['desk', '--target', '/t', '--snapshot', 'abc:/home/eve'],
    'outlook open': ['/back/mail.pst'],
    'handed-over pass-on': ['desk', '--to', 'lamp'],
    'network settings': ['name=2026', 'minFree=0.2', 'schedule.cron=0 11 * * *'], 'network uninvite': ['abcdefgh'], 'network move-roster': ['folder:/r', '--keep'],
    ...Object.fromEntries(['network admin add', 'network admin remove', 'network revoke', 'network lost', 'network approve', 'recovery-contact add', 'recovery-contact remove', 'recovery-contact request', 'recovery-contact snapshots', 'handed-over snapshots', 'handed-over ls', 'handed-over remove'].map((name) => [name, ['desk']])),
  }
  for (const name of Object.keys(commands).filter((command) => !['recover', 'sign-in', 'retention agree'].includes(command))) {
    const { name: found, input } = request(...name.split(' '), ...(argv[name] ?? []))
    assert.equal(found, name)
    assert.ok(commands[found].request.safeParse(input).success, name)
  }
})

test('help names every command', () => {
  for (const name of Object.keys(syntax)) assert.ok(helpText(undefined).includes(`holdfast ${name}`), name)
  assert.deepEqual(parseInvocation(['backup', '--help']), { help: 'backup' })
  assert.deepEqual(parseInvocation([]), { help: undefined })
  assert.deepEqual(parseInvocation(['--version']), { version: true })
})

test('parseBytes() reads decimal and binary units and refuses the rest', () => {
  assert.deepEqual(['1048576', '20GB', '1.5 MiB', '3k'].map(parseBytes), [1_048_576, 20e9, 1_572_864, 3000])
  for (const wrong of ['', 'lots', '-5', '5 XB', '1.5', '1.5 B']) assert.throws(() => parseBytes(wrong), refused(/as a size/))
})

test('splitSnapshotPath() splits at the first colon only', () => {
  assert.deepEqual(splitSnapshotPath('latest'), { snapshot: 'latest', path: '' })
  assert.deepEqual(splitSnapshotPath('abc:C:\\Users'), { snapshot: 'abc', path: 'C:\\Users' })
})

test('sizes, durations and hostile names are shown so that a person can read them', () => {
  assert.deepEqual([0, 999, 1000, 1_234_567, 250e6].map(formatBytes), ['0 B', '999 B', '1.0 KB', '1.2 MB', '250 MB'])
  assert.deepEqual([0.24, 59, 95, 7260, 90_000].map(formatDuration), ['0.2 s', '59 s', '1 min 35 s', '2 h 1 min', '1 d 1 h'])
  assert.equal(printable('a\u001b[31mb\n'), 'a\\x1b[31mb\\x0a')
})
