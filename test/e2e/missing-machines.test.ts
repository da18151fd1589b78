import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { commandLine, startGroup } from '../support/process-group.ts'
import { seededBytes } from '../support/trees.ts'

test('one machine more gone than may be: restore fails, names who is missing, leaves nothing under a final name, and goes on when one is back', async () => {
  await using group = await startGroup(5)
  const [owner, ...others] = group.agents as [typeof group.agents[0] & {}, ...typeof group.agents]
  const folder = join(group.directory, 'documents')
  mkdirSync(folder)
  for (const number of [1, 2]) writeFileSync(join(folder, `${number}.bin`), seededBytes(300_000, number))
  await owner.run('protect', { paths: [folder] })
  assert.equal((await owner.run('backup', {})).protection.state, 'protected')
  const target = join(group.directory, 'back')
  const restore = async () => await commandLine(['restore', 'latest', '--target', target, '--home', owner.home, '--json'])

  // 2-of-4: with two gone all comes back, with three nothing does.
  const gone = others.slice(0, 2)
  for (const agent of gone) await agent.kill()
  const whole = await commandLine(['restore', 'latest', '--target', join(group.directory, 'first'), '--home', owner.home, '--json'])
  assert.equal(whole.code, 0, whole.stderr)
  const third = others[2]
  await third?.kill()
  const ended = await restore()
  assert.equal(ended.code, 1)
  for (const { machine } of [...gone, ...third === undefined ? [] : [third]]) assert.match(ended.stderr + ended.stdout, new RegExp(machine), `${machine} is not named: ${ended.stderr}`)
  assert.match(ended.stderr, /1 of the 2 shards/)
  const shown = readdirSync(group.directory).includes('back') ? readdirSync(target, { recursive: true, encoding: 'utf8' }) : []
  assert.deepEqual(shown.filter((name) => name.endsWith('.bin')), [])

  const verified = await commandLine(['verify', '--home', owner.home])
  assert.equal(verified.code, 1)
  assert.match(verified.stderr, /nothing is lost.*\n {2}Switch on .*, as many as it takes, and run it again\. Of one that will not come back an admin says so: holdfast network lost NAME\.\n$/s)
  for (const machine of [...gone.map((agent) => agent.machine), third?.machine ?? '']) assert.ok(verified.stderr.includes(machine), verified.stderr)
  assert.match(ended.stderr, /it can be read: switch these on/)
  const repaired = await commandLine(['repair', '--home', owner.home])
  assert.equal(repaired.code, 1, 'what cannot be repaired is no success')
  assert.match(repaired.stderr, /objects still lack shards, for the reasons given\.\n {2}Switch on or add machines/)

  await group.start('again', third?.home)
  await owner.run('status', { fresh: true })
  const again = await restore()
  assert.equal(again.code, 0, again.stderr)
  for (const number of [1, 2]) assert.deepEqual(readFileSync(join(target, 'documents', `${number}.bin`)), readFileSync(join(folder, `${number}.bin`)))
})
