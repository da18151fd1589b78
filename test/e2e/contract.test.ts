/** The command line as scripts rely on it: names, options, exit codes, the members of what --json prints. */
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { test } from 'node:test'
import { commandLine } from '../support/process-group.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { seededBytes } from '../support/trees.ts'

const launcher = join(import.meta.dirname, '../../holdfast')

type Document = Record<string, any> // eslint-disable-line @typescript-eslint/no-explicit-any

interface Started {
  readonly first: Document
  readonly stop: (signal: NodeJS.Signals) => Promise<number | null>
}

async function startAgent(home: string, machine: string): Promise<Started> {
  const child = spawn(launcher, ['agent', '--home', home, '--json', '--pane-port', '0', '--peer-port', '0', '--peer-host', '127.0.0.1', '--quota', '1GB', '--test-machine', machine], { stdio: ['ignore', 'pipe', 'inherit'] })
  const exit = once(child, 'exit')
  const [line] = await once(createInterface({ input: child.stdout }), 'line') as [string]
  return {
    first: JSON.parse(line) as Document,
    stop: async (signal) => {
      child.kill(signal)
      return (await exit)[0] as number | null
    },
  }
}

test('the documented commands take the documented options, exit 0 only on success, and print the documented members', async (t) => {
  const agents: Started[] = []
  t.after(async () => { for (const { stop } of agents) await stop('SIGKILL') })
  const scratch = await scratchFolder(t)
  const homes = ['owner', 'holder', 'other', 'empty'].map((name) => join(scratch, name)) as [string, string, string, string]
  const run = async (home: string, words: readonly string[], stdin = ''): Promise<{ code: number | null; document: Document; stderr: string }> => {
    const { code, stdout, stderr } = await commandLine([...words, '--home', home, '--json'], { stdin })
    return { code, document: JSON.parse(stdout) as Document, stderr }
  }
  const good = async (home: string, ...words: string[]): Promise<Document> => {
    const { code, document, stderr } = await run(home, words)
    assert.equal(code, 0, `${words.join(' ')}: ${stderr}`)
    return document
  }
  const bad = async (home: string, words: readonly string[], code: string, stdin?: string): Promise<void> => {
    const ended = await run(home, words, stdin)
    assert.notEqual(ended.code, 0, words.join(' '))
    assert.equal(ended.document['problem'].code, code, words.join(' '))
    assert.ok(ended.stderr.trim().length > 0, `${words.join(' ')} says nothing on stderr`)
  }
  const [owner, holder, other, empty] = homes
  const file = join(scratch, 'documents', 'letter.txt')
  const target = join(scratch, 'out')
  mkdirSync(join(scratch, 'documents'))
  writeFileSync(file, seededBytes(120_000, 1))
  let kit: Document = {}
  const alone = async (home: string) => {
    await good(home, 'protect', join(scratch, 'documents'), '--exclude', '*.tmp')
    const { code, document, stderr } = await run(home, ['backup', join(scratch, 'documents')])
    assert.deepEqual([code, document['protection'].state], [1, 'partial'])
    assert.match(stderr, /only copy; let a third machine join/)
    await good(home, 'backup', join(scratch, 'documents'), '--offline-ok')
  }

  await t.test('agent: the first line says that it is ready and where; a second one on the home is refused', async () => {
    for (const [at, home] of [owner, holder, other].entries()) agents.push(await startAgent(home, `machine-${at + 1}`))
    const { event, id, pane, peer } = agents[0]?.first ?? {}
    assert.equal(event, 'ready')
    assert.match(id, /^[\w-]{43}$/)
    assert.match(pane, /^https:\/\/localhost:\d+$/)
    assert.match(peer, /^127\.0\.0\.1:\d+$/)
    const second = await commandLine(['agent', '--home', owner, '--json', '--pane-port', '0', '--peer-port', '0'])
    assert.equal(second.code, 1)
    assert.match(second.stderr, /another agent/)
  })

  await t.test('before there is a work group, what needs one says so', async () => {
    await bad(owner, ['backup', file], 'invalid-input')
    await bad(owner, ['network', 'invite'], 'not-a-member')
    await bad(owner, ['network', 'join', 'holdfast-nonsense'], 'invitation-invalid')
    await bad(owner, ['network', 'create', 'Team', '--roster', 'gopher:somewhere'], 'invalid-input')
  })

  await t.test('network create, invite, join', async () => {
    await good(owner, 'network', 'create', 'Team', '--roster', `folder:${join(scratch, 'roster')}`, '--redundancy', 'auto')
    const { invitation } = await good(owner, 'network', 'invite')
    assert.equal(typeof invitation, 'string')
    await good(holder, 'network', 'join', invitation)
    await alone(owner)
    await good(other, 'network', 'join', (await good(owner, 'network', 'invite'))['invitation'])
    await bad(holder, ['network', 'join', invitation], 'already-exists')
  })

  await t.test('protect, backup, snapshots, ls, status, peers, coverage', async () => {
    writeFileSync(join(scratch, 'documents', 'x.tmp'), 'x')
    writeFileSync(file, seededBytes(120_000, 2))
    const { snapshot, bytesRead, bytesNew, bytesSent, files, seconds, protection } = await good(owner, 'backup')
    assert.deepEqual([typeof snapshot, bytesRead, files, protection.state], ['string', 120_000, 1, 'protected'])
    assert.ok(bytesNew >= 120_000 && bytesSent > 0 && seconds >= 0)
    assert.deepEqual([typeof protection.placed, protection.placed], ['number', protection.wanted])
    assert.ok((await good(owner, 'snapshots'))['snapshots'].some(({ id }: Document) => id === snapshot))
    assert.match(JSON.stringify(await good(owner, 'ls', `latest:${join(scratch, 'documents')}`)), /letter\.txt/)
    await bad(owner, ['ls', 'latest:/no/such/path'], 'not-found')
    const status = await good(owner, 'status')
    assert.deepEqual(status['paths'].map(({ path, state }: Document) => [path, state]), [[join(scratch, 'documents'), 'protected']])
    const { peers } = await good(owner, 'peers')
    assert.deepEqual(peers.map(({ simulated }: Document) => simulated), [true, true, true])
    const { members } = await good(owner, 'coverage')
    const mine = members.find(({ state }: Document) => state === 'protected')
    for (const member of ['lastSnapshotAgeSeconds', 'placed', 'wanted', 'unprotectedBytes', 'lastVerifiedRestore', 'state']) assert.ok(member in mine, `coverage lacks ${member}: ${Object.keys(mine)}`)
  })

  await t.test('restore of a snapshot and of one path, never over a newer file', async () => {
    const { bytes, files, seconds } = await good(owner, 'restore', 'latest', '--target', target)
    assert.deepEqual([bytes, files, typeof seconds], [120_000, 1, 'number'])
    await good(owner, 'restore', `latest:${file}`, '--target', join(scratch, 'one'))
    assert.deepEqual(readFileSync(join(scratch, 'one', 'letter.txt')), readFileSync(file))
    await bad(owner, ['restore', '0000000000', '--target', target], 'not-found')
  })

  await t.test('verify exits 1 when something cannot be restored, and lists it; repair makes good what can be', async () => {
    assert.equal((await good(owner, 'verify'))['ok'], true)
    assert.equal((await good(owner, 'verify', '--read-data'))['ok'], true)
    await good(owner, 'repair')
    await good(owner, 'forget', '--keep-last', '1', '--keep-daily', '7', '--keep-weekly', '4', '--keep-monthly', '12', '--dry-run')
  })

  await t.test('key show gives words and locator until they are confirmed', async () => {
    kit = await good(owner, 'key', 'show')
    assert.deepEqual([kit['words'].split(' ').length, typeof kit['locator']], [24, 'string'])
    await good(owner, 'key', 'confirm', '--yes')
    await bad(owner, ['key', 'show'], 'key-missing')
  })

  await t.test('doctor, open and unprotect', async () => {
    assert.ok(Array.isArray((await good(owner, 'doctor'))['checks']))
    await good(owner, 'open', '--print')
    await good(owner, 'unprotect', join(scratch, 'documents'))
  })

  await t.test('manifest writes the one of Word and Excel for the address that is given', async () => {
    const { kind, baseUrl, file: written } = await good(owner, 'manifest', '--office', '--base-url', 'https://localhost:8443', '--out', join(scratch, 'manifests'))
    assert.deepEqual([kind, baseUrl, written], ['office', 'https://localhost:8443', join(scratch, 'manifests', 'manifest.office.xml')])
    const xml = readFileSync(written, 'utf8')
    assert.match(xml, /<Host Name="Workbook" ?\/>/)
    assert.deepEqual(new Set(xml.match(/https:\/\/localhost:\d+/g)), new Set(['https://localhost:8443']))
    await bad(owner, ['manifest', '--base-url', 'http://localhost:8443', '--out', join(scratch, 'manifests')], 'invalid-input')
  })

  await t.test('recover reads the words from stdin; wrong ones recover nothing', async () => {
    agents.push(await startAgent(empty, 'machine-4'))
    await bad(empty, ['recover', '--locator', kit['locator']], 'recovery-words-invalid', 'not the words\n')
    const { code, stderr } = await run(empty, ['recover', '--locator', kit['locator']], `${kit['words']}\n`)
    assert.equal(code, 0, stderr)
    await good(empty, 'restore', 'latest', '--target', join(scratch, 'recovered'))
  })

  await t.test('verify exits 1 when shards are gone everywhere', async () => {
    for (const home of [holder, other]) removeShards(join(home, 'holder'))
    const { code, document } = await run(empty, ['verify', '--read-data'])
    assert.deepEqual([code, document['ok']], [1, false])
    assert.ok(document['lost'] > 0)
  })

  await t.test('SIGINT and SIGTERM end an agent with success', async () => {
    assert.equal(await agents.pop()?.stop('SIGTERM'), 0)
    assert.equal(await agents.pop()?.stop('SIGINT'), 0)
  })
})

function removeShards(folder: string): void {
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' })) if (name.endsWith('.shard')) rmSync(join(folder, name))
}
