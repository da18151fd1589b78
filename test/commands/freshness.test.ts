import assert from 'node:assert/strict'
import { cpSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { renderers } from '../../agent/cli/render.ts'
import { rosterAlarms, rosterNotice } from '../../agent/commands/status-notices.ts'
import type { RosterStatus } from '../../agent/network/roster/roster-sync.ts'
import type { HoldfastError } from '../../shared/errors.ts'
import { type GroupAgent, startAgents } from '../support/agent-group.ts'
import { seededBytes } from '../support/trees.ts'

test('a recovery from holders who all went back says that a newer backup exists, also in what it prints', async (t) => {
  const group = await startAgents(t, 3, { redundancy: 'mirror-2' })
  const [owner, ...holders] = group.agents as [GroupAgent, GroupAgent, GroupAgent]
  const file = join(group.directory, 'mail.bin')
  const backUp = async (seed: number) => {
    writeFileSync(file, seededBytes(50_000, seed))
    await owner.run('backup', {})
  }
  writeFileSync(file, '')
  await owner.run('protect', { paths: [file] })
  await backUp(1)
  const homes = holders.map(({ home }) => join(home, 'holder'))
  await Promise.all(holders.map(async (holder) => { await holder.stop() }))
  for (const home of homes) cpSync(home, `${home}-before`, { recursive: true })
  await Promise.all(holders.map(async (holder) => await holder.start()))
  await backUp(2)
  const { words, locator } = await owner.run('key show', {})
  await Promise.all(group.agents.map(async (agent) => { await agent.stop() }))
  for (const home of homes) {
    rmSync(home, { recursive: true })
    cpSync(`${home}-before`, home, { recursive: true })
  }
  await Promise.all(holders.map(async (holder) => await holder.start()))

  const fresh = await group.add('replacement')
  const recovered = await fresh.run('recover', { words, locator })
  const { answered, asked, newest, notices } = recovered.freshness
  assert.deepEqual([answered, asked, newest, notices.map(({ code }) => code), recovered.snapshots], [2, 2, 'found', ['head-missing'], 1])
  assert.match(renderers.recover(recovered), /newest found: 2 of 2 machines answered\)\.\n! Head \d+ of computer \S+ is known to exist, but nobody who answers has it/)
  const listed = await fresh.run('snapshots', {})
  assert.deepEqual(listed.freshness.notices, notices)
  const restored = await fresh.run('restore', { snapshot: 'latest', target: join(group.directory, 'back') })
  assert.match(renderers.restore(restored), /\n! Head \d+ of computer/)
})

test('a recovery that lacks the newest head names the machine that may have it; with that on, the newest backup is there, and recovery is not run again', async (t) => {
  const group = await startAgents(t, 4, { redundancy: 'mirror-2' })
  const [owner, keeper, ...others] = group.agents as [GroupAgent, GroupAgent, GroupAgent, GroupAgent]
  const file = join(group.directory, 'mail.bin')
  writeFileSync(file, seededBytes(50_000, 1))
  await owner.run('protect', { paths: [file] })
  await owner.run('backup', {})
  await Promise.all(others.map(async (agent) => { await agent.stop() }))
  writeFileSync(file, seededBytes(50_000, 2))
  await owner.run('backup', {})
  const { words, locator } = await owner.run('key show', {})
  await owner.stop()
  await keeper.stop()

  const fresh = await group.add('replacement')
  const nobody = await fresh.run('recover', { words, locator }).then(() => assert.fail('recovered from nobody'), (error: unknown) => error as HoldfastError)
  assert.match(nobody.guidance, /machine-2, machine-3, machine-4 did not answer and may have it: switch them on and run it again/)
  await Promise.all(others.map(async (agent) => await agent.start()))
  const recovered = await fresh.run('recover', { words, locator })
  assert.equal(recovered.snapshots, 1)
  assert.match(renderers.recover(recovered), /\n! Head \d+ of computer \S+ is known to exist, but nobody who answers has it; machine-2 did not answer and may have it: a newer backup shows in holdfast snapshots once that is switched on\n/)
  await fresh.stop() // one that runs on dials again within half a minute
  await keeper.start()
  await fresh.start()
  const { snapshots, freshness } = await fresh.until('snapshots', {}, (result) => result.snapshots.length === 2)
  assert.deepEqual(freshness.notices, [])
  const target = join(group.directory, 'back')
  await fresh.run('restore', { snapshot: snapshots.at(-1)!.id, target })
  assert.ok(readFileSync(join(target, 'mail.bin')).equals(seededBytes(50_000, 2)))
  // What the lost machine's head keeps alive beside the own one is judged as well.
  const sound = await fresh.run('verify', {})
  await keeper.stop()
  const off = await fresh.run('verify', {})
  assert.deepEqual([sound.ok, off.ok, off.objects, off.damaged + off.lost, off.off], [true, false, sound.objects, 0, ['machine-2']])
  assert.equal(off.healthy + off.degraded + off.unreachable, off.objects)
})

test('a roster that went back in time is worth a mail, mended or not, and is said as long as nothing worse is wrong with it', () => {
  const wentBackMs = Date.parse('2026-11-22T12:00:00Z')
  const states = ['ok', 'rolled-back', 'empty', 'unavailable'] as const
  const rosters = [undefined, wentBackMs].flatMap((at) => states.map((state) => ({ locator: `folder:/${state}`, state, needsSignIn: false, wentBackMs: at } as RosterStatus)))
  const alarm = (state: string) => ({ code: 'roster-rolled-back', locator: `folder:/${state}`, at: '2026-11-22T12:00:00.000Z' })
  assert.deepEqual(rosterAlarms(rosters), states.map(alarm))
  assert.deepEqual(rosters.slice(4, 6).map(rosterNotice), [alarm('ok'), alarm('rolled-back')])
  assert.deepEqual([rosters[0], ...rosters.slice(6)].map((roster) => roster && rosterNotice(roster)?.code), [undefined, 'roster-empty', 'roster-unreachable'])
})
