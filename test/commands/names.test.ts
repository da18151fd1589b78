import assert from 'node:assert/strict'
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { renderers } from '../../agent/cli/render.ts'
import { isCalled, shownNames } from '../../agent/network/membership/shown-names.ts'
import { hasCode } from '../../shared/errors.ts'
import { type MachineId, shortId } from '../../shared/ids.ts'
import { type GroupAgent, startAgents } from '../support/agent-group.ts'

test('two machines of one name are told apart wherever names are shown, and a command that could mean either is refused', async (t) => {
  const group = await startAgents(t, 2, { redundancy: 'mirror-2' })
  const [admin, second] = group.agents as unknown as [GroupAgent, GroupAgent]
  const third = await group.add('third')
  const { invitation } = await admin.run('network invite', {})
  const joined = await third.run('network join', { invitation, label: 'Machine-2' })
  assert.equal(joined.namesake, 'Machine-2')
  assert.match(renderers['network join'](joined), /Another computer of the group is called Machine-2 too: .*holdfast settings label=NAME/u)

  const names = ['machine-1', `Machine-2 (${shortId(third.id)})`, `machine-2 (${shortId(second.id)})`].sort()
  const { peers } = await admin.until('peers', {}, (result) => result.peers.length === 3 && result.peers.every(({ state }) => state === 'online'))
  assert.deepEqual(peers.map(({ name }) => name).sort(), names)
  assert.deepEqual((await admin.run('coverage', {})).members.map(({ name }) => name).sort(), names)
  assert.deepEqual((await admin.run('network invitations', {})).invitations.flatMap(({ machines }) => machines).sort(), names.filter((name) => name !== 'machine-1'))
  const own = (await third.run('peers', {})).peers.find(({ self }) => self)
  assert.equal(own?.name, `Machine-2 (${shortId(third.id)})`)
  const file = join(group.directory, 'file')
  await writeFile(file, 'protected')
  await admin.run('protect', { paths: [file] })
  await admin.run('backup', {})
  assert.deepEqual((await admin.run('status', {})).holders.map(({ name }) => name).sort(), names.filter((name) => name !== 'machine-1'))

  const ambiguous = (error: unknown) => hasCode(error, 'invalid-input') && [second.id, third.id].every((id) => error.message.includes(`(${shortId(id)})`))
  for (const command of ['network lost', 'network revoke', 'network admin add', 'recovery-contact add'] as const) await assert.rejects(admin.run(command, { machine: 'machine-2' }), ambiguous, command)
  const lost = await admin.run('network lost', { machine: `machine-2 (${shortId(third.id)})` })
  assert.deepEqual([lost.machine, lost.name], [third.id, `Machine-2 (${shortId(third.id)})`])
  const after = await admin.run('peers', {})
  assert.equal(after.peers.find(({ id }) => id === second.id)?.name, 'machine-2', 'who is given up leaves the name to the other')
})

test('names are compared as people read them, and a name that looks like one with an id gets its own', () => {
  const [one, two, three] = ['one', 'two', 'three'].map((letter) => letter.padEnd(43, '-')) as [MachineId, MachineId, MachineId]
  const shown = shownNames([
    { id: one, name: 'Desk', isThere: true }, { id: two, name: 'ＤＥＳＫ ', isThere: true }, { id: three, name: `Desk (${shortId(one)})`, isThere: true },
  ])
  assert.deepEqual([...shown.values()], [`Desk (${shortId(one)})`, `ＤＥＳＫ  (${shortId(two)})`, `Desk (${shortId(one)}) (${shortId(three)})`])
  assert.equal(new Set(shown.values()).size, 3)
  assert.deepEqual([isCalled(`Desk (${shortId(one)})`, 'desk'), isCalled('Desk', 'DESK'), isCalled('Desk', 'Des')], [true, true, false])
})
