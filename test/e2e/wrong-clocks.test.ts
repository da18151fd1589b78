import assert from 'node:assert/strict'
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { AgentProcess } from '../../agent/demo/agent-process.ts'
import { startGroup } from '../support/process-group.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { seededBytes } from '../support/trees.ts'

const clock = fileURLToPath(new URL('../support/shift-clock.mjs', import.meta.url))

test('machines whose clocks are two days apart found a group, back up, restore, repair, shut one out, and recover', async (t) => {
  const agents: AgentProcess[] = []
  t.after(async () => { for (const agent of agents) await agent.kill() })
  const folder = await scratchFolder(t)
  const start = async (name: string, days: number) => {
    const environment = { NODE_OPTIONS: `--import ${clock}`, HOLDFAST_TEST_CLOCK_DAYS: String(days) }
    const agent = await AgentProcess.start({ home: join(folder, name), machine: name, environment })
    agents.push(agent)
    return agent
  }
  const owner = await start('owner', 0)
  const late = await start('late', -2)
  const later = await start('later', -1)
  const right = await start('right', 0)
  const other = await start('other', -2)
  mkdirSync(join(folder, 'roster'))
  await owner.run('network create', { name: 'Clocks', roster: `folder:${join(folder, 'roster')}`, redundancy: 'mirror-3' })
  const { invitation } = await owner.run('network invite', { count: 4 })
  for (const agent of [late, later, right, other]) await agent.run('network join', { invitation })

  const file = join(folder, 'mail.bin')
  const backUp = async (agent: AgentProcess, version: number) => {
    writeFileSync(file, seededBytes(400_000, version))
    return (await agent.run('backup', {})).protection.state
  }
  const restored = async (agent: AgentProcess, name: string) => {
    const target = join(folder, name)
    await agent.run('restore', { snapshot: 'latest', target })
    return readFileSync(join(target, 'mail.bin'))
  }
  writeFileSync(file, '')
  await owner.run('protect', { paths: [file] })
  await late.run('protect', { paths: [file] })
  assert.equal(await backUp(owner, 1), 'protected')
  assert.equal(await backUp(late, 2), 'protected', 'one whose clock is late')
  assert.equal(await backUp(owner, 3), 'protected')
  assert.ok((await restored(owner, 'a')).equals(seededBytes(400_000, 3)))
  assert.ok((await restored(late, 'b')).equals(seededBytes(400_000, 2)))
  assert.equal((await late.run('verify', { readData: true })).ok, true)

  await owner.run('network revoke', { machine: 'other' })
  await other.kill()
  assert.equal((await owner.run('repair', {})).protection.state, 'protected')
  const { words, locator } = await owner.run('key show', {})
  await owner.kill()

  const fresh = await start('fresh', -2)
  const recovered = await fresh.run('recover', { words, locator })
  assert.deepEqual([recovered.member, recovered.snapshots, recovered.freshness.newest], [true, 2, 'confirmed'])
  assert.ok((await restored(fresh, 'c')).equals(seededBytes(400_000, 3)), 'the newest, though its time is two days ahead of this clock')
  await fresh.run('protect', { paths: [file] })
  assert.equal(await backUp(fresh, 4), 'protected')
  assert.ok((await restored(fresh, 'd')).equals(seededBytes(400_000, 4)), 'the newest is the one that was made last, whatever its clock says')
})

test('in quiet hours nothing starts by itself; whoever asks for a backup gets one', async () => {
  await using group = await startGroup(3)
  const [owner] = group.agents
  const file = join(group.directory, 'a.bin')
  writeFileSync(file, seededBytes(50_000, 1))
  await owner!.run('protect', { paths: [file] })
  await owner!.run('backup', {})
  const at = (hours: number) => `${String((new Date().getHours() + hours + 24) % 24).padStart(2, '0')}:00`
  await owner!.run('settings', { change: { schedule: { cron: '* * * * *', quietHours: { from: at(-2), to: at(3) } } } })
  const { nextBackup } = await owner!.run('status', {})
  assert.ok(nextBackup !== null && Date.parse(nextBackup) - Date.now() > 3_600_000, `next backup ${nextBackup}`)
  writeFileSync(file, seededBytes(50_000, 2))
  assert.equal((await owner!.run('backup', {})).protection.state, 'protected')
  await owner!.run('settings', { change: { schedule: { quietHours: null } } })
  const soon = (await owner!.run('status', {})).nextBackup
  assert.ok(soon !== null && Date.parse(soon) - Date.now() < 61_000, `next backup ${soon}`)
})
