/** A work group at Microsoft from the command line, with real processes: the first run, backups without a sign-in, moving. */
import assert from 'node:assert/strict'
import { mkdir, mkdtemp, readFile, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { AgentProcess } from '../../agent/demo/agent-process.ts'
import { homeAt } from '../../agent/home.ts'
import type { CommandResult } from '../../shared/api.ts'
import { type Microsoft, startMicrosoft } from '../support/microsoft/start-microsoft.ts'
import { type Ended, commandLine } from '../support/process-group.ts'
import { untilAnswer } from '../support/until-answer.ts'

const client = '11111111-2222-3333-4444-555555555555'
const sharepoint = `sharepoint:https://contoso.sharepoint.com/sites/team?client=${client}`
const exchange = `exchange:holdfast@contoso.com?client=${client}&tenant=contoso.onmicrosoft.com`
const listName = 'Holdfast coverage'

interface Lab extends AsyncDisposable {
  readonly microsoft: Microsoft
  readonly folder: string
  /** Runs a command in the home of that name. */
  run(home: string, ...args: string[]): Promise<Ended>
  /** The same, which has to succeed; its result. */
  ask<T>(home: string, ...args: string[]): Promise<T>
  agent(home: string): Promise<AgentProcess>
}

async function lab(t: TestContext): Promise<Lab> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-microsoft-'))
  t.after(async () => { await rm(folder, { recursive: true, force: true }) })
  const microsoft = await startMicrosoft()
  const environment = microsoft.environment(folder)
  const agents: AgentProcess[] = []
  const run = async (home: string, ...args: string[]) => await commandLine([...args, '--home', join(folder, home), '--json'], { environment })
  return {
    microsoft, folder, run,
    ask: async <T>(home: string, ...args: string[]) => {
      const { code, stdout, stderr } = await run(home, ...args)
      assert.equal(code, 0, `${args.join(' ')}: ${stderr}`)
      return JSON.parse(stdout) as T
    },
    agent: async (home) => {
      const agent = await AgentProcess.start({ home: join(folder, home), machine: home, environment })
      agents.push(agent)
      return agent
    },
    [Symbol.asyncDispose]: async () => {
      await Promise.all(agents.map(async (agent) => { await agent.kill() }))
      await microsoft[Symbol.asyncDispose]()
    },
  }
}

test('SharePoint: signed in, founded, joined by one who has the library as a folder, backed up, also when the sign-in ends', async (t) => {
  await using place = await lab(t)
  const { microsoft: { graph, entra }, folder, run, ask, agent } = place
  const early = await run('one', 'network', 'create', 'Team', '--roster', sharepoint)
  assert.match(early.stderr, /nobody is signed in on this machine.*run holdfast sign-in/)
  assert.equal((JSON.parse(early.stdout) as { problem: { details: { signIn: string } } }).problem.details.signIn, sharepoint)

  entra.lacksConsent = true
  const refused = await run('one', 'sign-in', sharepoint, '--device-code')
  assert.match(refused.stderr, /an admin opens https:\/\/login\.microsoftonline\.com\/contoso\.onmicrosoft\.com\/adminconsent\?client_id=11111111/)
  entra.lacksConsent = false
  const first = await ask<CommandResult<'sign-in'>>('one', 'sign-in', sharepoint, '--device-code', '--prepare')
  assert.deepEqual([first.account, first.records], ['ann@contoso.com', 0])
  assert.match(first.place, /the site “Accounting” \(https:\/\/contoso\.sharepoint\.com\/sites\/team\)/)
  assert.deepEqual([...graph.drive.filesIn('Holdfast').keys()], [], 'the test record is gone again')
  assert.equal((await stat(homeAt(join(folder, 'one')).signIns)).mode & 0o777, 0o600)
  assert.doesNotMatch(await readFile(homeAt(join(folder, 'one')).signIns, 'utf8'), /refresh-/)
  graph.fault = (method, path) => {
    if (method === 'PUT' && path.includes('/network/')) graph.fault = () => 'no network' // from the next request on
    return undefined
  }
  const cut = await run('one', 'network', 'create', 'Team', '--roster', sharepoint)
  assert.match(cut.stderr, /cannot be reached.*founding, joining and moving the roster wait/s)
  graph.fault = () => undefined
  const [ownerless] = graph.drive.filesIn('Holdfast').values()
  await ask('one', 'network', 'create', 'Team', '--roster', sharepoint)
  assert.ok(ownerless !== undefined && ![...graph.drive.filesIn('Holdfast').values()].includes(ownerless), 'what the first attempt left is gone')

  await t.test('a machine whose synchronisation client keeps the library joins without any sign-in', async () => {
    const { invitation } = await ask<{ invitation: string }>('one', 'network', 'invite')
    const library = join(folder, 'Team - Documents', 'Holdfast')
    await syncDown(graph, library)
    const unsigned = await run('two', 'network', 'join', invitation)
    assert.match(unsigned.stderr, /nobody is signed in/)
    const used = await ask<CommandResult<'sign-in'>>('two', 'sign-in', sharepoint, '--folder', library)
    assert.equal(used.place, `the folder ${library}`)
    await ask('two', 'network', 'join', invitation)
    await syncUp(library, graph)
    assert.equal([...graph.drive.filesIn('Holdfast').keys()].filter((name) => name.startsWith('peers/')).length, 2)
  })

  let one = await agent('one')
  const two = await agent('two')

  await t.test('both serve, and a backup goes from one to the other; status says that the roster is fine', async () => {
    await untilAnswer(async () => {
      await two.run('status', {}) // it tells the folder where it listens
      await syncUp(join(folder, 'Team - Documents', 'Holdfast'), graph)
      await one.run('status', {}) // it reads the library, and meets the other
      return await one.run('peers', {})
    }, ({ peers }) => peers.some(({ self, state, simulated }) => !self && state === 'online' && simulated), { what: 'its newest record, as a machine of its own', patienceMs: 120_000, everyMs: 100 })
    await writeFile(join(folder, 'mail.txt'), 'ten years of mail')
    await one.run('protect', { paths: [join(folder, 'mail.txt')] })
    await one.run('backup', { offlineOk: true })
    const { rosters, network } = await ask<CommandResult<'status'>>('one', 'status')
    assert.deepEqual([rosters, network?.members], [[{ locator: sharepoint, state: 'ok', detail: '', notice: null }], 2])
  })

  await t.test('a library that fails, asks to wait or hangs in the middle of a backup and of a restore holds neither up; status tells, and it recovers', async () => {
    const file = join(folder, 'mail.txt')
    const standing = async () => await one.run('status', { fresh: false })
    const sound = await standing()
    const troubles = [
      { fault: { status: 503 }, told: /answered 503/ },
      { fault: { status: 429, headers: { 'retry-after': '6' } }, told: /asks to wait 6 seconds/ },
      { fault: 'silence', told: /no answer in time/ },
    ] as const
    for (const [number, { fault, told }] of troubles.entries()) {
      const text = `mail of year ${number}`
      await writeFile(file, text)
      let refused = 0
      const onProgress = () => {
        graph.fault = () => {
          refused++
          return fault
        }
      }
      await one.run('backup', { offlineOk: true }, { onProgress })
      await one.run('restore', { snapshot: 'latest', target: join(folder, `back-${number}`) }, { onProgress })
      assert.equal(await readFile(join(folder, `back-${number}`, 'mail.txt'), 'utf8'), text)
      const troubled = await untilAnswer(standing, ({ rosters }) => told.test(rosters[0]?.detail ?? ''), { what: 'status tells of the roster', patienceMs: 60_000, everyMs: 200 })
      assert.ok(refused > 0)
      assert.deepEqual([troubled.rosters[0]?.state, troubled.rosters[0]?.notice?.code], ['unreachable', 'roster-unreachable'])
      assert.deepEqual([troubled.notices, troubled.protection.state, troubled.paths[0]?.state, troubled.paths[0]?.changedSince], [sound.notices, sound.protection.state, sound.paths[0]?.state, false])
      graph.fault = () => undefined
      await untilAnswer(async () => {
        await one.run('network requests', {}) // reads the rosters
        return await standing()
      }, ({ rosters }) => rosters[0]?.state === 'ok', { what: 'the roster is there again', patienceMs: 60_000, everyMs: 200 })
    }
  })

  await t.test('an agent that starts while the library hangs, or after it was wiped, backs up and restores from its signed copy, and fills it again', async () => {
    const again = async (year: string) => {
      await one.kill()
      one = await agent('one')
      await writeFile(join(folder, 'mail.txt'), year)
      await one.run('backup', { offlineOk: true })
      await one.run('restore', { snapshot: 'latest', target: join(folder, `again-${year}`) })
      assert.equal(await readFile(join(folder, `again-${year}`, 'mail.txt'), 'utf8'), year)
      return await one.run('status', { fresh: false })
    }
    const sound = await one.run('status', { fresh: false })
    const before = [...graph.drive.filesIn('Holdfast').keys()].filter((name) => !name.startsWith('claims/') && !name.startsWith('peers/'))
    let asked = 0
    graph.fault = () => {
      asked++
      return 'silence'
    }
    const hung = await again('2019')
    assert.ok(asked > 0)
    assert.deepEqual([hung.network?.members, hung.protection.state, hung.rosters[0]?.state === 'ok'], [2, sound.protection.state, false])
    graph.fault = () => undefined
    graph.drive.remove('Holdfast')
    const wiped = await again('2020')
    assert.deepEqual([wiped.network?.members, wiped.protection.state], [2, sound.protection.state])
    await untilAnswer(async () => {
      await one.run('network requests', {}) // reads the roster: found empty, and filled
      return [...graph.drive.filesIn('Holdfast').keys()]
    }, (names) => before.every((name) => names.includes(name)), { what: 'the library is filled again', patienceMs: 60_000, everyMs: 200 })
  })

  await t.test('an admin gets the list of who is covered when he asks, and only then', async () => {
    assert.equal(graph.lists.rowsOf(listName), undefined)
    assert.equal((await ask<CommandResult<'coverage list'>>('one', 'coverage', 'list')).rows, 2)
    assert.equal(graph.lists.rowsOf(listName)?.length, 2)
    assert.equal((await one.run('coverage list', {})).rows, 0)
    assert.equal((await one.run('coverage list', { off: true })).address, null)
  })

  await t.test('a sign-in that was revoked stops no backup; status and the next sign-in say what to do', async () => {
    entra.isRevoked = true
    graph.revokeTokens()
    await writeFile(join(folder, 'mail.txt'), 'eleven years of mail')
    await one.run('backup', { offlineOk: true })
    await one.run('restore', { snapshot: 'latest', target: join(folder, 'back') })
    await two.kill() // with everybody met, nobody asks the roster
    const status = await ask<CommandResult<'status'>>('one', 'status')
    assert.equal(status.rosters[0]?.state, 'signed-out')
    assert.ok(status.warnings.some((warning) => warning.includes(`holdfast sign-in '${sharepoint}'`)), status.warnings.join())
    entra.isRevoked = false
    await one.run('sign-in', { locator: sharepoint, deviceCode: true })
    assert.equal((await one.run('status', {})).rosters[0]?.state, 'ok')
  })
})

test('Exchange: a work group in a shared mailbox, announced on a group of Entra, found there and joined', async (t) => {
  await using place = await lab(t)
  const { microsoft: { graph }, run, ask } = place
  graph.groups.add('37df2ff0-0de0-4c33-8aee-75289364aef6', 'Accounting', 'accounting@contoso.com')
  const signedIn = await ask<CommandResult<'sign-in'>>('one', 'sign-in', exchange, '--device-code', '--prepare')
  assert.equal(signedIn.place, 'the mailbox holdfast@contoso.com, its hidden folder “Holdfast roster”')
  const { network } = await ask<CommandResult<'network create'>>('one', 'network', 'create', 'Team', '--roster', exchange)
  const announced = await ask<CommandResult<'network announce'>>('one', 'network', 'announce', 'accounting@contoso.com')
  assert.deepEqual(announced, { group: 'Accounting', announced: true, rosters: [exchange] })
  const { invitation } = await ask<{ invitation: string }>('one', 'network', 'invite')

  const { account, groups } = await ask<CommandResult<'network find'>>('two', 'network', 'find', `entra:contoso.onmicrosoft.com?client=${client}`, '--device-code')
  assert.deepEqual([account, groups], ['ann@contoso.com', [{ group: 'Accounting', net: network, name: 'Team', rosters: [exchange] }]])
  await ask('two', 'network', 'join', invitation)
  const { records } = await ask<CommandResult<'sign-in'>>('one', 'sign-in', exchange, '--device-code')
  assert.ok(records >= 4, 'the network, two machines and the claim of one')
  assert.match((await run('two', 'network', 'announce', 'accounting@contoso.com')).stderr, /only an admin/)
  const outsider = await ask<CommandResult<'network announce'>>('one', 'network', 'announce', 'accounting@contoso.com', '--withdraw')
  assert.equal(outsider.announced, false)
})

/** What a synchronisation client does, one way and the other. */
async function syncDown(graph: Microsoft['graph'], library: string): Promise<void> {
  await mkdir(library, { recursive: true })
  for (const [path, text] of graph.drive.filesIn('Holdfast')) {
    await mkdir(join(library, path, '..'), { recursive: true })
    await writeFile(join(library, path), text)
  }
}

async function syncUp(library: string, graph: Microsoft['graph']): Promise<void> {
  const there = graph.drive.filesIn('Holdfast')
  for (const path of await readdir(library, { recursive: true })) {
    const name = path.replaceAll('\\', '/')
    if (!/\.(?:jws|json)$/.test(name)) continue
    const text = await readFile(join(library, path), 'utf8')
    if (there.get(name) !== text) graph.drive.write(`Holdfast/${name}`, text)
  }
}
