import assert from 'node:assert/strict'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { realSurroundings } from '../../agent/composition/surroundings.ts'
import { defaultConfig } from '../../agent/config.ts'
import { type Conditions, unknownConditions } from '../../agent/conditions/port.ts'
import { startAgents } from '../support/agent-group.ts'
import { seededBytes } from '../support/trees.ts'

test('a backup that started by itself waits while the connection costs money; one that a person asks for takes it along', async (t) => {
  const state: { now: Conditions } = { now: { ...unknownConditions, isMetered: true } }
  let agents = 0
  const { agents: [owner], directory } = await startAgents(t, 3, {
    surroundings: { ...realSurroundings, conditions: () => {
      const isOwner = agents++ === 0 // the others' connections cost nothing: they take what comes
      return { look: async () => await Promise.resolve(isOwner ? state.now : unknownConditions), [Symbol.asyncDispose]: async () => { await Promise.resolve() } }
    } },
  })
  const file = join(directory, 'mail.bin')
  writeFileSync(file, seededBytes(3_000_000, 4))
  await owner!.run('protect', { paths: [file] })
  const outcome = { polite: 'waits' }
  const polite = (async () => { outcome.polite = (await owner!.run('backup', {}, { polite: true })).snapshot })()
  const { running } = await owner!.until('status', { fresh: false }, ({ pace }) => pace.state === 'wait' && pace.reason === 'metered')
  assert.equal(running, 'backup')
  await delay(1500) // time for a turn, if there were one
  assert.equal(outcome.polite, 'waits')

  const asked = await owner!.run('backup', {})
  await polite
  assert.equal(asked.protection.state, 'protected')
  assert.match(outcome.polite, /^[0-9a-f]{64}$/)

  // A person who sits there makes the same work slow, not impossible, and the settings say what gives way to what.
  state.now = { ...unknownConditions, idleSeconds: 1 }
  writeFileSync(file, seededBytes(3_000_000, 5))
  await owner!.run('backup', {}, { polite: true })
  await owner!.run('settings', { change: { politeness: { onMetered: 'go' } } })
  state.now = { ...unknownConditions, isMetered: true }
  writeFileSync(file, seededBytes(3_000_000, 6))
  await owner!.run('backup', {}, { polite: true })
})

test('as many threads capture as limits.workers says', async (t) => {
  const { agents: [owner], directory } = await startAgents(t, 2, { config: { limits: { ...defaultConfig.limits, workers: 3 } } })
  const folder = join(directory, 'many')
  mkdirSync(folder)
  for (let number = 0; number < 6; number++) writeFileSync(join(folder, `${number}.bin`), Buffer.alloc(5_000_000, number)) // a batch each
  await owner!.run('protect', { paths: [folder] })
  let begun = 0
  const count = () => { begun++ }
  process.on('worker', count)
  t.after(() => { process.off('worker', count) })
  await owner!.run('backup', {})
  assert.equal(begun, 3)
})

test('a waiting backup can be cancelled, and the agent stops in the middle of it', async (t) => {
  const { agents: [owner], directory } = await startAgents(t, 2, {
    surroundings: { ...realSurroundings, conditions: () => ({ look: async () => await Promise.resolve({ ...unknownConditions, isMetered: true }), [Symbol.asyncDispose]: async () => { await Promise.resolve() } }) },
  })
  const file = join(directory, 'mail.bin')
  writeFileSync(file, seededBytes(3_000_000, 4))
  await owner!.run('protect', { paths: [file] })
  const polite = assert.rejects(owner!.run('backup', {}, { polite: true }), /cancelled/)
  await owner!.until('status', { fresh: false }, ({ pace }) => pace.state === 'wait')
  await owner!.stop()
  await polite
})
