import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { renderers } from '../../agent/cli/render.ts'
import { startAgents } from '../support/agent-group.ts'
import { seededBytes } from '../support/trees.ts'

test('while holders are off, what is said is of now: how many can be reached, how many are needed', async (t) => {
  const { agents, directory } = await startAgents(t, 4, { redundancy: '2-of-3' })
  const [owner, first, second] = agents as [typeof agents[0] & {}, typeof agents[0] & {}, typeof agents[0] & {}]
  const folder = join(directory, 'documents')
  mkdirSync(folder)
  writeFileSync(join(folder, 'a.bin'), seededBytes(200_000, 1))
  await owner.run('protect', { paths: [folder] })
  const line = (protection: Awaited<ReturnType<typeof owner.run<'backup'>>>['protection']) => renderers.status({ ...whole, protection }).split('\n')[1]
  const backup = await owner.run('backup', {})
  const whole = await owner.run('status', {})
  assert.deepEqual(backup.protection.reach, { have: 3, placed: 3, need: 2 })
  assert.equal(line(backup.protection), 'protected: 3 of 3 machines hold it; one more machine may be lost')

  await first.stop()
  const one = await owner.run('status', {})
  assert.deepEqual([one.protection.survives, one.protection.reach], [1, { have: 2, placed: 3, need: 2 }])
  assert.equal(line(one.protection), 'protected: 3 of 3 machines hold it; 2 of 3 reachable now, 2 are needed; none of them may go before the others are back')
  await second.stop()
  const two = await owner.run('status', {})
  assert.deepEqual(two.protection.reach, { have: 1, placed: 3, need: 2 })
  assert.equal(line(two.protection), 'protected: 3 of 3 machines hold it; 1 of 3 reachable now, 2 are needed: it cannot be restored before more of them are switched on')

  for (const readData of [false, true]) {
    const off = await owner.run('verify', { readData })
    // All but the keyring, of which every holder has the whole.
    assert.deepEqual([off.ok, off.degraded, off.unreachable, off.damaged, off.lost], [false, 1, off.objects - 1, 0, 0])
    assert.deepEqual(off.off, ['machine-2', 'machine-3'])
    const lines = renderers.verify(off).split('\n')
    assert.match(lines[0] ?? '', /^NOT everything can be restored right now; nothing is lost: 1 snapshot, \d+ objects: 0 whole, 1 with missing shards, \d+ on machines that are off$/)
    assert.equal(lines[1], '  Off: machine-2, machine-3')
    assert.ok(lines.length < 20, lines.join('\n'))
  }
  const repaired = renderers.repair(await owner.run('repair', {})).split('\n')
  assert.ok(repaired.length < 12, repaired.join('\n'))
  assert.match(repaired.at(-1) ?? '', /^ {2}… and \d+ more \(--json\)$/)
  const drill = await owner.run('drill', {})
  assert.deepEqual([drill.ok, drill.off], [false, ['machine-2', 'machine-3']])
  const { drill: kept, alarms } = await owner.run('status', { fresh: false })
  assert.deepEqual([kept, alarms], [null, []], 'a drill that machines that are off kept from being done is no failed one')
  // When it stays so for a week, nobody can tell whether a restore would work: that is a failed one.
  await owner.stop()
  const checks = join(owner.home, 'checks.json')
  const known = JSON.parse(readFileSync(checks, 'utf8')) as { hinderedSince: string }
  writeFileSync(checks, JSON.stringify({ ...known, hinderedSince: new Date(Date.parse(known.hinderedSince) - 7 * 86_400_000).toISOString() }))
  await owner.start()
  await owner.run('protect', { paths: [folder] })
  const overdue = await owner.run('drill', {})
  assert.deepEqual([overdue.ok, overdue.off], [false, []])
  assert.match(renderers.drill(overdue), /^Restore drill FAILED.*machine-2/s)
  assert.deepEqual((await owner.run('status', { fresh: false })).alarms.map(({ kind }) => kind), ['drill'])
  for (const agent of [first, second]) await agent.start()
  // What was only off was not given up: nothing is stored anew.
  await owner.until('verify', {}, ({ ok }) => ok)
  assert.equal((await owner.run('backup', {})).bytesNew, 0)
  assert.equal((await owner.run('drill', {})).ok, true)
  assert.deepEqual((await owner.run('status', { fresh: false })).alarms, [])
})

test('status tells how many things a folder lacks, and `skipped` lists all of them', { skip: process.platform !== 'linux' && 'names that are not valid Unicode exist on Linux' }, async (t) => {
  const { agents: [owner], directory } = await startAgents(t, 2)
  const folder = join(directory, 'documents')
  mkdirSync(folder)
  for (const number of [1, 2, 3]) writeFileSync(Buffer.concat([Buffer.from(join(folder, `${number}-`)), Buffer.of(0xff)]), 'x')
  writeFileSync(join(folder, 'a.tmp'), 'x')
  await owner!.run('protect', { paths: [folder], excludes: ['*.tmp'] })
  await owner!.run('backup', {})
  const [path] = (await owner!.run('status', { fresh: false })).paths
  assert.equal(path?.skipped, 3)
  assert.match(path?.reason ?? '', /1-.*not valid Unicode; 2 more: holdfast skipped$/)
  const { skipped } = await owner!.run('skipped', {})
  assert.equal(skipped.filter(({ byDesign }) => !byDesign).length, 3)
  assert.deepEqual(skipped.filter(({ byDesign }) => byDesign), [{ path: join(folder, 'a.tmp'), reason: 'pattern *.tmp', byDesign: true }])
  const text = renderers.skipped(await owner!.run('skipped', { snapshot: 'latest' }))
  for (const number of [1, 2, 3]) assert.match(text, new RegExp(`documents/${number}-`))
  // A backup of another folder alone, as growth begins one, takes this one over as it is: what it lacks too.
  const other = join(directory, 'documents2')
  mkdirSync(other)
  writeFileSync(join(other, 'b.txt'), 'x')
  await owner!.run('protect', { paths: [other] })
  assert.deepEqual((await owner!.run('backup', { paths: [other] })).skipped, [])
  assert.deepEqual((await owner!.run('skipped', {})).skipped, skipped)
  assert.deepEqual((await owner!.run('status', { fresh: false })).paths.map(({ skipped }) => skipped), [3, 0])
})
