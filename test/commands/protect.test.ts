import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { startAgents } from '../support/agent-group.ts'

test('the home of the agent is never protected: not itself, not what lies in it, not by another name; a folder around it is, without it', async (t) => {
  const group = await startAgents(t, 2)
  const person = join(group.directory, 'person')
  const agent = await group.add('person/.holdfast')
  const { invitation } = await group.agents[0]!.run('network invite', { count: 1 })
  await agent.run('network join', { invitation, label: 'person' })
  const elsewhere = join(group.directory, 'links')
  mkdirSync(elsewhere)
  symlinkSync(agent.home, join(elsewhere, 'home'))
  symlinkSync(join(agent.home, 'holder'), join(elsewhere, 'holder'))
  symlinkSync(person, join(elsewhere, 'person'))
  const refused = [agent.home, join(agent.home, 'holder'), join(agent.home, 'machine.json'), join(elsewhere, 'home'), join(elsewhere, 'holder'), join(elsewhere, 'home', 'repository'), join(elsewhere, 'person', '.holdfast')]
  for (const path of refused) await assert.rejects(agent.run('protect', { paths: [path] }), { code: 'invalid-input', message: /home of this agent/ }, path)
  assert.deepEqual((await agent.run('status', { fresh: false })).paths, [])

  writeFileSync(join(person, 'letter.txt'), 'dear')
  assert.deepEqual((await agent.run('protect', { paths: [join(person, 'letter.txt')] })).leftOut, [])
  const { leftOut } = await agent.run('protect', { paths: [person] })
  assert.deepEqual(leftOut.map(({ path }) => path), [agent.home])
  const { snapshot } = await agent.run('backup', {})
  assert.deepEqual((await agent.run('ls', { snapshot, path: person })).entries.map(({ name }) => name), ['letter.txt'])
  const { skipped } = await agent.run('skipped', {})
  assert.deepEqual(skipped.map(({ path, byDesign }) => [path, byDesign]), [[agent.home, true]])
  const status = await agent.run('status', { fresh: false })
  assert.deepEqual(status.paths.map(({ trouble, skipped: count }) => [trouble, count]), [[null, 0], [null, 0]])
  assert.equal((await agent.run('snapshots', {})).snapshots.at(-1)?.complete, true)
  assert.ok(readdirSync(agent.home).includes('holder'))
})
