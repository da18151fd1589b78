import assert from 'node:assert/strict'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { questions } from '../../shared/api.ts'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { explainTaken, requireHome } from '../../agent/cli/require-home.ts'
import { loadMachine } from '../../agent/composition/identity-files.ts'
import { homeAt, lockHome } from '../../agent/home.ts'
import { commandLine } from '../support/process-group.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

test('a command that only asks makes no home: it says that there is none, and how to begin one', async (t) => {
  const folder = await scratchFolder(t)
  const mistyped = join(folder, 'mistyped')
  const { code, stdout, stderr } = await commandLine(['status', '--home', mistyped])
  assert.deepEqual({ code, stdout }, { code: 1, stdout: '' })
  assert.ok(stderr.includes(`Cannot run status: there is no Holdfast home in ${mistyped}\n`), stderr)
  assert.ok(stderr.includes(`holdfast agent --home ${mistyped} `), stderr)
  assert.deepEqual(await readdir(folder), [])
})

test('every question, and every command that changes something, needs a home that an agent has begun', async (t) => {
  const folder = await scratchFolder(t)
  await mkdir(join(folder, 'empty'))
  await writeFile(join(folder, 'a-file'), '')
  const noHome = (error: unknown) => hasCode(error, 'not-found') && /no Holdfast home/.test(error.message)
  for (const name of [...questions, 'open', 'doctor', 'settings', 'protect', 'backup', 'restore', 'key confirm', 'network leave', 'pause', 'resume']) {
    for (const place of ['nowhere', 'empty', 'a-file']) assert.throws(() => { requireHome(name, homeAt(join(folder, place))) }, noHome, `${name} ${place}`)
  }
  for (const name of ['agent', 'network create', 'network join', 'recover', 'sign-in', 'autostart', 'demo']) requireHome(name, homeAt(join(folder, 'nowhere')))
  await writeFile(join(folder, 'empty', 'machine.json'), '{}')
  requireHome('status', homeAt(join(folder, 'empty')))
  assert.deepEqual((await readdir(folder)).sort(), ['a-file', 'empty'])
})

test('no home is begun among the files of somebody; settings that lie there before, and an empty folder, are welcome', async (t) => {
  const folder = await scratchFolder(t)
  await mkdir(join(folder, 'empty'))
  for (const [place, file] of [['documents', 'letter.txt'], ['prepared', 'config.json'], ['begun', 'lock.sqlite']] as const) {
    await mkdir(join(folder, place))
    await writeFile(join(folder, place, file), '{}')
  }
  const documents = join(folder, 'documents')
  for (const name of ['agent', 'recover']) {
    assert.throws(() => { requireHome(name, homeAt(documents)) }, (error: unknown) => hasCode(error, 'invalid-input') && /other files in it, such as letter\.txt/.test(error.message))
    for (const place of ['empty', 'prepared', 'begun', 'nowhere']) requireHome(name, homeAt(join(folder, place)))
  }
  const { code, stderr } = await commandLine(['agent', '--home', documents])
  assert.equal(code, 2)
  assert.match(stderr, /name an empty one/)
  assert.deepEqual(await readdir(documents), ['letter.txt'])
})

test('of a home that is taken it is said what may have it; of a backup that is under way, or an admin who is quicker, not', async (t) => {
  const home = homeAt(join(await scratchFolder(t), 'home'))
  using _first = lockHome(home)
  assert.throws(() => lockHome(home), (error: unknown) => {
    const told = explainTaken(error)
    return hasCode(told, 'in-use') && told.message.endsWith('another agent runs on it, and does not answer') && /an agent that hangs/.test(told.guidance)
  })
  const other = new HoldfastError('in-use', 'Cannot begin: a backup or another change is under way')
  assert.equal(explainTaken(other), other)
})

test('a command that is carried out without an agent says so and how to start one, also where one ended without a word', async (t) => {
  const home = homeAt(join(await scratchFolder(t), 'home'))
  loadMachine(home)
  const gone = JSON.stringify({ v: 1, pid: 1, machine: 'm', peer: '', pane: { port: 1, token: 't', certificate: '' } })
  for (const runtime of [undefined, gone, '{"v":1,']) {
    if (runtime !== undefined) await writeFile(home.runtime, runtime)
    const { code, stdout, stderr } = await commandLine(['resume', '--home', home.directory])
    assert.deepEqual({ code, stdout }, { code: 0, stdout: 'Automatic backups go on.\n' })
    assert.ok(stderr.startsWith(`holdfast: no agent runs on ${home.directory}: nothing is backed up by itself`), stderr)
    assert.ok(stderr.includes(`\`holdfast agent --home ${home.directory}\``), stderr)
    const opened = await commandLine(['open', '--print', '--home', home.directory])
    assert.equal(opened.code, 1)
    assert.match(opened.stderr, /^holdfast: Cannot (?:open the pane: (?:no agent runs|the agent .* does not answer)|read where the agent runs).*\n {2}Start it with `holdfast autostart on/)
  }
  assert.equal((await commandLine(['resume', '--home', home.directory, '--json'])).stderr, '', 'a script is told nothing')
})
