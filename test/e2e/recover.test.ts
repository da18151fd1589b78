import assert from 'node:assert/strict'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hasCode } from '../../shared/errors.ts'
import { commandLine, startGroup } from '../support/process-group.ts'
import { describeTree, makeTree, seededBytes } from '../support/trees.ts'

test('an empty machine gets everything back by the recovery kit, and the lost one is shut out', async () => {
  await using group = await startGroup(5)
  const [owner] = group.agents
  const folder = join(group.directory, 'documents')
  makeTree(folder)
  await owner!.run('protect', { paths: [folder] })
  await owner!.run('backup', {})
  writeFileSync(join(folder, 'later'), seededBytes(70_000, 5))
  await owner!.run('backup', {})
  await owner!.stop()

  const fresh = await group.start('replacement')
  const recovered = await fresh.run('recover', { words: group.kit.words, locator: group.kit.locator })
  assert.deepEqual([recovered.epoch, recovered.snapshots, recovered.member, recovered.freshness.newest], [2, 2, true, 'confirmed'])
  await fresh.run('restore', { snapshot: 'latest', target: join(group.directory, 'back') })
  assert.deepEqual(describeTree(join(group.directory, 'back', 'documents')), describeTree(folder))

  // The new machine goes on where the lost one ended: nothing is sent twice, and it is protected again.
  await fresh.run('protect', { paths: [folder] })
  const again = await fresh.run('backup', {})
  assert.equal(again.protection.state, 'protected')
  assert.ok(again.bytesNew < 20_000, `${again.bytesNew} new bytes`)
  assert.equal((await fresh.run('snapshots', {})).snapshots.length, 3)

  // The thief starts the stolen machine: nobody serves it or takes anything from it any more.
  writeFileSync(join(folder, 'stolen'), seededBytes(50_000, 6))
  const thief = await commandLine(['backup', '--home', owner!.home, '--json', folder])
  assert.equal(thief.code, 1)
  assert.match(JSON.parse(thief.stdout).problem.code, /revoked|too-few-holders/)
})

test('a stolen machine is shut out by an admin before its owner recovered, or after', async () => {
  await using group = await startGroup(4)
  const [admin, stolen] = group.agents
  const file = join(group.directory, 'mail.bin')
  writeFileSync(file, seededBytes(300_000, 8))
  const { words, locator } = await stolen!.run('key show', {})
  await stolen!.run('protect', { paths: [file] })
  await stolen!.run('backup', {})
  await stolen!.kill()
  await admin!.run('network revoke', { machine: 'machine-2', why: 'stolen' })

  const fresh = await group.start('replacement')
  await assert.rejects(fresh.run('recover', { words, locator }), (error: unknown) => hasCode(error, 'unauthorized') && /--invitation/.test((error as Error).message))
  const { invitation } = await admin!.run('network invite', {})
  const recovered = await fresh.run('recover', { words, invitation })
  assert.deepEqual([recovered.epoch, recovered.snapshots, recovered.member], [2, 1, true])
  await fresh.run('restore', { snapshot: 'latest', target: join(group.directory, 'back') })
  assert.deepEqual(readFileSync(join(group.directory, 'back', 'mail.bin')), readFileSync(file))
  await fresh.run('protect', { paths: [file] })
  await fresh.run('backup', {})
  await fresh.kill()

  const second = await group.start('second replacement')
  assert.equal((await second.run('recover', { words, locator })).epoch, 3)
  await admin!.run('network revoke', { machine: fresh.ready.id, why: 'stolen, too' })
  writeFileSync(file, seededBytes(300_000, 9))
  await second.run('protect', { paths: [file] })
  const backup = await second.run('backup', {})
  assert.ok(backup.protection.placed > 0, 'it is a member still, and the others take its backups')
  assert.equal((await second.run('status', {})).notices.some(({ code }) => code === 'shut-out'), false)
})

test('recovery works with the roster gone, from the address of one peer', async () => {
  await using group = await startGroup(4)
  const [owner, peer] = group.agents
  const file = join(group.directory, 'mail.bin')
  writeFileSync(file, seededBytes(500_000, 8))
  await owner!.run('protect', { paths: [file] })
  await owner!.run('backup', {})
  await owner!.kill()
  rmSync(group.roster, { recursive: true })
  const fresh = await group.start('replacement')
  const recovered = await fresh.run('recover', { words: group.kit.words, peer: peer!.ready.peer })
  assert.equal(recovered.snapshots, 1)
  await fresh.run('restore', { snapshot: 'latest', target: join(group.directory, 'back') })
  assert.deepEqual(readFileSync(join(group.directory, 'back', 'mail.bin')), readFileSync(file))
})

test('wrong words recover nothing', async () => {
  await using group = await startGroup(3)
  const fresh = await group.start('replacement')
  const { words, locator } = group.kit
  const swapped = words.split(' ').toSorted().join(' ')
  await assert.rejects(fresh.run('recover', { words: swapped, locator }), (error: unknown) => hasCode(error, 'recovery-words-invalid', 'not-found'))
  const stranger = `${'abandon '.repeat(23)}art`
  await assert.rejects(fresh.run('recover', { words: stranger, locator }), (error: unknown) => hasCode(error, 'not-found'))
  const member = group.agents[1]!
  const kit = await member.run('key show', {})
  await assert.rejects(member.run('recover', kit), (error: unknown) => hasCode(error, 'already-exists'), 'a member has nothing to recover, though it never backed up')
})

test('shard folders copied off the holders\' disks and the words are enough, with no agent anywhere', async () => {
  await using group = await startGroup(5)
  const [owner, ...holders] = group.agents
  const folder = join(group.directory, 'documents')
  makeTree(folder)
  await owner!.run('protect', { paths: [folder] })
  await owner!.run('backup', {})
  await Promise.all(group.agents.map(async (agent) => await agent.kill()))
  rmSync(owner!.home, { recursive: true })
  const copies = holders.slice(0, 2).map((holder, index) => {
    const copy = join(group.directory, `disk-${index}`)
    cpSync(join(holder.home, 'holder'), copy, { recursive: true })
    return copy
  })
  const target = join(group.directory, 'back')
  const restored = await commandLine(['restore', 'latest', '--target', target, '--from', copies[0]!, '--from', copies[1]!, '--json'], { stdin: group.kit.words })
  assert.equal(restored.code, 0, restored.stderr)
  assert.deepEqual(describeTree(join(target, 'documents')), describeTree(folder))
  const tooFew = await commandLine(['restore', 'latest', '--target', join(group.directory, 'none'), '--from', copies[0]!, '--json'], { stdin: group.kit.words })
  assert.equal(tooFew.code, 1)
  assert.equal(JSON.parse(tooFew.stdout).problem.code, 'object-missing')
  assert.match(tooFew.stderr, /Found shards of 1 owner:\n {2}owner [\w-]{8}: \d+ objects in 1 folder, enough shards for \d of them, of others only 1 of 2 needed: copy/)
  assert.match(tooFew.stderr, /Copy the folder `holder` of more machines off their disks/)
  const mistyped = await commandLine(['restore', 'abcd', '--target', target, '--from', ...copies], { stdin: group.kit.words })
  assert.match(mistyped.stderr, /Cannot find snapshot abcd: there is none\n {2}There are: [0-9a-f]{8} of \d{4}-\d\d-\d\d with .*documents\n/)
  const unasked = await commandLine(['restore', 'latest', '--target', target, '--from', folder], { stdin: '' })
  assert.match(unasked.stderr, /Cannot restore from .*documents: no shards lie there\n/, 'the folders are looked through before the words are asked for')
})
