import assert from 'node:assert/strict'
import { readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { HoldfastError } from '../../shared/errors.ts'
import { type GroupAgent, startAgents } from '../support/agent-group.ts'

const withCode = (code: string, text = /./) => (error: unknown) => error instanceof HoldfastError && error.code === code && text.test(error.message)

test('the roster moves to another folder and back, every agent follows, and who was away finds the way by the old place', async (t) => {
  const group = await startAgents(t, 3)
  const [admin, one, away] = group.agents as [GroupAgent, GroupAgent, GroupAgent]
  const [first, second] = [`folder:${group.roster}`, `folder:${join(group.directory, 'second')}`]
  await away.stop()
  await assert.rejects(one.run('network move-roster', { locator: second }), withCode('unauthorized'))
  await assert.rejects(admin.run('network move-roster', { locator: first }), withCode('already-exists'))
  const moved = await admin.run('network move-roster', { locator: second })
  assert.deepEqual([moved.rosters, moved.former, moved.told.rosters], [[second], [first], 1])
  const followed = await one.until('status', {}, ({ rosters }) => rosters.length === 1 && rosters[0]?.locator === second && rosters[0].state === 'ok')
  assert.deepEqual(followed.warnings.filter((text) => text.includes('roster')), [])
  await one.until('network invitations', {}, () => readdirSync(join(group.directory, 'second', 'peers')).length === 2)

  await Promise.all([admin.stop(), one.stop()])
  await away.start()
  await away.until('status', {}, ({ rosters }) => rosters.some(({ locator, state }) => locator === second && state === 'ok'))
  await away.until('network invitations', {}, () => readdirSync(join(group.directory, 'second', 'peers')).length === 3) // with nobody there but the old folder

  await Promise.all([admin.start(), one.start()])
  rmSync(group.roster, { recursive: true })
  await admin.run('network move-roster', { locator: first, keep: true })
  await one.until('status', {}, ({ rosters }) => rosters.length === 2 && rosters.every(({ state }) => state === 'ok'))
  await admin.run('network move-roster', { locator: first })
  await away.until('status', {}, ({ rosters }) => rosters.length === 1 && rosters[0]?.locator === first)
  const { invitation } = await admin.run('network invite', {})
  const late = await group.add('late')
  await late.run('network join', { invitation, label: 'late' })
  await one.until('peers', {}, ({ peers }) => peers.length === 4)
})
