import assert from 'node:assert/strict'
import { appendFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hasCode } from '../../shared/errors.ts'
import { commandLine, startGroup } from '../support/process-group.ts'
import { describeTree, makeTree, seededBytes } from '../support/trees.ts'

test('a folder is protected, changed, and comes back as it was at each snapshot', async () => {
  await using group = await startGroup(5)
  const [owner] = group.agents
  const folder = join(group.directory, 'documents')
  makeTree(folder)
  const before = describeTree(folder)
  await owner!.run('protect', { paths: [folder], excludes: ['*.tmp'] })
  writeFileSync(join(folder, 'scratch.tmp'), 'left out')
  const first = await owner!.run('backup', {})
  assert.deepEqual([first.protection.state, first.protection.placed, first.protection.wanted, first.protection.survives], ['protected', 4, 4, 2])
  assert.deepEqual(first.skipped.map(({ path }) => path), [join(folder, 'scratch.tmp')])
  // What was left out by wish is no fault: nothing is missing.
  const [path] = (await owner!.run('status', { fresh: false })).paths
  assert.deepEqual([path?.state, path?.trouble], ['protected', null])
  assert.ok((await owner!.run('snapshots', {})).snapshots.every(({ complete }) => complete))
  const { members } = await owner!.run('coverage', {})
  assert.notEqual(members.find(({ self }) => self)?.lastSnapshotAgeSeconds, null)
  rmSync(join(folder, 'scratch.tmp'))

  appendFileSync(join(folder, 'file-1100000'), seededBytes(50_000, 7))
  rmSync(join(folder, 'file-4095'))
  const after = describeTree(folder)
  const second = await owner!.run('backup', {})
  assert.ok(second.bytesNew < 400_000, `${second.bytesNew} new bytes`)
  assert.ok(second.unchangedFiles > 5)

  const { snapshots } = await owner!.run('snapshots', {})
  assert.equal(snapshots.length, 2)
  const { entries } = await owner!.run('ls', { snapshot: first.snapshot.slice(0, 10), path: folder })
  assert.ok(entries.some(({ name }) => name === 'file-4095'))
  for (const [snapshot, wanted] of [[first.snapshot, before], ['latest', after]] as const) {
    const target = join(group.directory, `back-${snapshot.slice(0, 6)}`)
    await owner!.run('restore', { snapshot, target })
    // The times of the folder itself moved with the changes made to it; its entries are compared.
    assert.deepEqual(describeTree(join(target, 'documents')), wanted)
  }
  const one = await owner!.run('restore', { snapshot: 'latest', path: join(folder, 'nested', 'deeper', 'script.sh'), target: join(group.directory, 'one') })
  assert.deepEqual(one.written, [join(group.directory, 'one', 'script.sh')])
})

test('a restore never writes over a newer file unless asked, and puts an older one beside', async () => {
  await using group = await startGroup(3)
  const [owner] = group.agents
  const file = join(group.directory, 'notes.txt')
  writeFileSync(file, 'first')
  await owner!.run('protect', { paths: [file] })
  await owner!.run('backup', {})
  writeFileSync(file, 'second, newer')
  const restored = await owner!.run('restore', { snapshot: 'latest', target: group.directory })
  assert.equal(readFileSync(file, 'utf8'), 'second, newer')
  assert.match(restored.written[0] ?? '', /notes \(restored .*\)\.txt$/)
  assert.equal(readFileSync(restored.written[0] ?? '', 'utf8'), 'first')
  await owner!.run('restore', { snapshot: 'latest', target: group.directory, overwrite: true })
  assert.equal(readFileSync(file, 'utf8'), 'first')
})

test('the command line runs in the agent when there is one and by itself when there is none', async () => {
  await using group = await startGroup(4)
  const [owner, other] = group.agents
  const file = join(group.directory, 'a.bin')
  writeFileSync(file, seededBytes(200_000, 3))
  const run = async (...args: string[]) => await commandLine([...args, '--home', owner!.home, '--json'])
  assert.equal((await run('protect', file)).code, 0)
  const backup = await run('backup')
  assert.equal(backup.code, 0, backup.stderr)
  assert.equal(JSON.parse(backup.stdout).protection.state, 'protected')
  const second = await commandLine(['agent', '--home', owner!.home, '--json', '--pane-port', '0', '--peer-port', '0'])
  assert.equal(second.code, 1)
  assert.match(second.stderr, /another agent/)

  await owner!.stop()
  appendFileSync(file, 'more')
  const alone = await run('backup')
  assert.equal(alone.code, 0, alone.stderr)
  assert.equal(JSON.parse((await run('snapshots')).stdout).snapshots.length, 2)
  const target = join(group.directory, 'out')
  assert.equal((await run('restore', 'latest', '--target', target)).code, 0)
  assert.deepEqual(readFileSync(join(target, 'a.bin')), readFileSync(file))
  const missing = await run('restore', '0123456789', '--target', target)
  assert.equal(missing.code, 1)
  assert.equal(JSON.parse(missing.stdout).problem.code, 'not-found')

  await other!.kill()
  const partly = await run('backup')
  assert.equal(partly.code, 1)
  assert.match(partly.stderr, /partly protected/)
  assert.equal(JSON.parse(partly.stdout).protection.state, 'partial')
  assert.equal((await run('backup', '--offline-ok')).code, 0)
})

test('status, peers, coverage, verify and doctor tell what is so', async () => {
  await using group = await startGroup(4)
  const [owner] = group.agents
  mkdirSync(join(group.directory, 'docs'))
  writeFileSync(join(group.directory, 'docs', 'x'), seededBytes(100_000, 1))
  await owner!.run('protect', { paths: [join(group.directory, 'docs')] })
  assert.equal((await owner!.run('status', {})).protection.state, 'unprotected')
  await owner!.run('backup', {})
  const status = await owner!.run('status', {})
  assert.deepEqual([status.protection.state, status.network?.members, status.network?.level, status.paths[0]?.state], ['protected', 4, 'mirror-3', 'protected'])
  assert.equal((await owner!.run('peers', {})).peers.filter(({ state, simulated }) => state === 'online' && simulated).length, 4)
  const verified = await owner!.run('verify', { readData: true })
  assert.deepEqual([verified.ok, verified.lost, verified.degraded], [true, 0, 0])
  assert.ok(verified.bytesRead > 100_000)
  const { members } = await owner!.run('coverage', {})
  assert.equal(members.length, 4)
  assert.equal(members.filter(({ state }) => state === 'protected').length, 1)
  assert.equal((await owner!.run('doctor', {})).ok, true)
  const { words } = await owner!.run('key show', {})
  assert.equal(words.split(' ').length, 24)
  await owner!.run('key confirm', {})
  await assert.rejects(owner!.run('key show', {}), (error: unknown) => hasCode(error, 'key-missing'))
  for (const file of ['owner.json', 'machine.json', 'group.json']) {
    assert.ok(!readFileSync(join(owner!.home, file), 'utf8').includes(words.split(' ').slice(0, 3).join(' ')))
  }
})
