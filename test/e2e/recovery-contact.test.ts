import assert from 'node:assert/strict'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { hasCode } from '../../shared/errors.ts'
import { homeAt } from '../../agent/home.ts'
import { heardEarlier } from '../support/contact-time.ts'
import { type AgentGroup, type GroupAgent, startAgents } from '../support/agent-group.ts'
import { seededBytes } from '../support/trees.ts'
import type { TestContext } from 'node:test'

/** Owner, contact, two holders: a backup, and the contact chosen. */
async function scene(t: TestContext) {
  const group = await startAgents(t, 4)
  const [owner, contact, ...holders] = group.agents as [GroupAgent, GroupAgent, ...GroupAgent[]]
  const file = join(group.directory, 'mail.bin')
  writeFileSync(file, seededBytes(300_000, 3))
  await owner.run('protect', { paths: [file] })
  await owner.run('backup', {})
  const added = await owner.run('recovery-contact add', { machine: contact.name })
  assert.deepEqual(added.delivered.toSorted(), holders.map(({ name }) => name).toSorted())
  await contact.until('recovery-contact list', {}, ({ others }) => others.length === 1)
  return { group, owner, contact, holders, file }
}

/** As if the machine had heard of every request `days` earlier. */
async function wait(agent: GroupAgent, days: number): Promise<void> {
  await agent.stop()
  heardEarlier(agent.home, days)
  await agent.start()
}

async function restored({ directory }: AgentGroup, contact: GroupAgent): Promise<Buffer> {
  const target = join(directory, 'opened')
  await contact.run('recovery-contact restore', { owner: 'machine-1', target })
  return readFileSync(join(target, 'mail.bin'))
}

test('a contact opens the backup of a lost machine, days after everybody could see that it asked', async (t) => {
  const { group, owner, contact, holders, file } = await scene(t)
  await assert.rejects(contact.run('recovery-contact restore', { owner: owner.name, target: join(group.directory, 'too-soon') }), (error) => hasCode(error, 'not-found'))
  const { opensInSeconds } = await contact.run('recovery-contact request', { owner: owner.name, why: 'laptop stolen' })
  assert.ok(opensInSeconds > 2.9 * 86_400 && opensInSeconds <= 3 * 86_400, String(opensInSeconds))
  await assert.rejects(restored(group, contact), (error) => hasCode(error, 'contact-waiting') && /3 days more to refuse/.test(error.message))

  // The owner is told, as an alarm that is mailed; so is everybody else.
  const { alarms } = await owner.until('status', {}, ({ alarms: now }) => now.some(({ kind }) => kind === 'contact'))
  assert.match(alarms.find(({ kind }) => kind === 'contact')?.text ?? '', /machine-2 asked to open this backup as its recovery contact \(“laptop stolen”\); it can in 3 days/)
  await holders[0]?.until('status', {}, ({ notices }) => notices.some(({ code }) => code === 'contact-asked-other'))

  await owner.stop()
  for (const holder of holders) await wait(holder, 2.5)
  await assert.rejects(restored(group, contact), (error) => hasCode(error, 'contact-waiting') && /1[23] hours more/.test(error.message))
  for (const holder of holders) await wait(holder, 0.6)
  assert.deepEqual(await restored(group, contact), readFileSync(file))
  const { snapshots } = await contact.run('recovery-contact snapshots', { owner: owner.name })
  assert.equal(snapshots.length, 1)
})

test('an owner who does not want it ends the contact, and nothing opens any more', async (t) => {
  const { group, owner, contact, holders } = await scene(t)
  await contact.run('recovery-contact request', { owner: owner.name })
  await owner.until('recovery-contact list', {}, ({ mine }) => mine[0]?.state === 'asked')
  for (const holder of holders) await holder.until('status', { fresh: false }, ({ notices }) => notices.some(({ code }) => code === 'contact-asked-other'))
  await owner.run('recovery-contact remove', { contact: contact.name })
  for (const holder of holders) await wait(holder, 4)
  await assert.rejects(restored(group, contact), (error) => hasCode(error, 'not-found'))
  const { mine } = await owner.run('recovery-contact list', {})
  assert.deepEqual(mine.map(({ state }) => state), ['ended'])
  // Chosen again, it begins anew.
  await owner.run('recovery-contact add', { machine: contact.name, waitDays: 1 })
  await contact.until('recovery-contact list', {}, ({ others }) => others.some(({ state }) => state === 'ready'))
})

test('a machine that comes later keeps the half too; nobody but the contact can ask', async (t) => {
  const { group, owner, contact, holders } = await scene(t)
  const late = await group.add('late')
  const { invitation } = await owner.run('network invite', {})
  await late.run('network join', { invitation, label: 'late' })
  await assert.rejects(holders[0]!.run('recovery-contact request', { owner: owner.name }), (error) => hasCode(error, 'not-found'))
  await owner.until('peers', {}, ({ peers }) => peers.some(({ name, state }) => name === 'late' && state === 'online'))
  const halves = () => (JSON.parse(readFileSync(homeAt(late.home).group, 'utf8')) as { contacts?: { halves: unknown[] } }).contacts?.halves.length
  await late.until('status', { fresh: false }, () => halves() === 1)
  assert.equal((JSON.parse(readFileSync(homeAt(contact.home).group, 'utf8')) as { contacts: { halves: unknown[] } }).contacts.halves.length, 0)
  await assert.rejects(owner.run('recovery-contact add', { machine: contact.name }), (error) => hasCode(error, 'already-exists'))
})
