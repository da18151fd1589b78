import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AgentProcess } from '../../agent/demo/agent-process.ts'
import { hasCode } from '../../shared/errors.ts'
import { commandLine, startGroup } from '../support/process-group.ts'
import { seededBytes } from '../support/trees.ts'
import { untilAnswer } from '../support/until-answer.ts'

test('who leaves hands the backups to a colleague who was off, and who alone restores them when the machine is gone, until dropped', async () => {
  await using group = await startGroup(['founder', 'leaver', 'colleague', 'third'], { redundancy: 'mirror-2' })
  const [founder, leaver, colleague, third] = group.agents as [AgentProcess, AgentProcess, AgentProcess, AgentProcess]
  const folder = join(group.directory, 'work')
  mkdirSync(folder)
  for (let number = 0; number < 3; number++) writeFileSync(join(folder, `${number}.bin`), seededBytes(400_000, number))
  await leaver.run('protect', { paths: [folder] })
  assert.equal((await leaver.run('backup', {})).protection.state, 'protected')

  // What is wrong is said before anything is moved, and the machine stays a member.
  await assert.rejects(leaver.run('network leave', { handTo: 'leaver' }), (error) => hasCode(error, 'not-found'))
  await assert.rejects(leaver.run('network leave', { handTo: 'nobody' }), (error) => hasCode(error, 'not-found'))
  await assert.rejects(leaver.run('network leave', { handTo: 'colleague', backups: 'erase' }), (error) => hasCode(error, 'invalid-input'))
  assert.deepEqual((await colleague.run('handed-over list', {})).backups, [])

  await colleague.kill()
  const left = await commandLine(['network', 'leave', '--hand-to', 'colleague', '--force', '--yes', '--home', leaver.home])
  assert.equal(left.code, 0, left.stderr)
  assert.match(left.stdout, /kept for 365 days more, and colleague can restore them/)
  await leaver.kill()
  rmSync(leaver.home, { recursive: true })
  rmSync(folder, { recursive: true })

  let again = await group.start('colleague')
  const hears = async () => await untilAnswer(async () => await again.run('handed-over list', {}), ({ backups }) => backups[0]?.keepDays === 365, { what: 'the colleague hears of it', patienceMs: 60_000, everyMs: 200 })
  await hears()
  await again.kill()
  again = await group.start('colleague')
  assert.deepEqual((await hears()).backups.map(({ name }) => name), ['leaver'])
  assert.equal((await again.run('handed-over snapshots', { owner: 'leaver' })).snapshots.length, 1)
  const listed = await commandLine(['handed-over', 'ls', 'leaver', '--snapshot', `latest:${folder}`, '--home', again.home])
  assert.match(listed.stdout, /work\/2\.bin/, listed.stderr)
  const target = join(group.directory, 'back')
  const restored = await commandLine(['handed-over', 'restore', 'leaver', '--target', target, '--home', again.home])
  assert.equal(restored.code, 0, restored.stderr)
  for (let number = 0; number < 3; number++) assert.deepEqual(readFileSync(join(target, 'work', `${number}.bin`)), Buffer.from(seededBytes(400_000, number)))

  for (const other of [third, founder]) await assert.rejects(other.run('handed-over restore', { owner: 'leaver', target: join(group.directory, 'stolen') }), (error) => hasCode(error, 'not-found'))

  const removed = await commandLine(['handed-over', 'remove', 'leaver', '--yes', '--home', again.home])
  assert.equal(removed.code, 0, removed.stderr)
  await assert.rejects(again.run('handed-over snapshots', { owner: 'leaver' }), (error) => hasCode(error, 'not-found'))
})
