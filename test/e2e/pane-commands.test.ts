import assert from 'node:assert/strict'
import { mkdir, readFile, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { test } from 'node:test'
import { startGroup } from '../support/process-group.ts'

test('what the pane asks an agent: suggestions, folders, search, settings, pause, restore beside the original', async () => {
  await using group = await startGroup(3)
  const [agent] = group.agents
  assert.ok(agent !== undefined)
  const folder = join(group.directory, 'files')
  await mkdir(join(folder, 'letters'), { recursive: true })
  await writeFile(join(folder, 'letters', 'Offer to Müller.txt'), 'dear Mr Müller')
  await writeFile(join(folder, 'notes.txt'), 'one')

  assert.deepEqual((await agent.run('folders', { path: folder })).entries.map(({ name, type }) => [name, type]), [['letters', 'directory']])
  assert.equal((await agent.run('folders', { path: folder, files: true })).entries.length, 2)
  await assert.rejects(agent.run('folders', { path: join(folder, 'none') }), { code: 'not-found' })

  await agent.run('protect', { paths: [folder, join(folder, 'notes.txt')] })
  const before = await agent.run('status', { fresh: false })
  assert.deepEqual(before.paths.map(({ kind, state, growthBytes }) => [kind, state, growthBytes]), [['folder', 'unprotected', null], ['file', 'unprotected', null]])
  await agent.run('backup', {})
  await writeFile(join(folder, 'notes.txt'), 'one and more')
  const after = await agent.run('status', { fresh: false })
  assert.deepEqual(after.paths.map(({ state, growthBytes, changedSince }) => [state, growthBytes, changedSince]), [['protected', null, false], ['protected', 9, true]])
  assert.equal(after.holders.length, 2)
  assert.ok(after.holders.every(({ shards }) => shards > 0))

  const found = await agent.run('search', { snapshot: 'latest', text: 'müller' })
  assert.deepEqual(found.entries.map(({ path }) => path), [join(folder, 'letters', 'Offer to Müller.txt')])
  assert.deepEqual([(await agent.run('search', { snapshot: 'latest', text: 't', limit: 1 })).more, (await agent.run('search', { snapshot: 'latest', text: 'nothing' })).entries], [true, []])

  const restored = await agent.run('restore', { snapshot: 'latest', path: join(folder, 'notes.txt') })
  const beside = (await readdir(folder)).filter((name) => name.startsWith('notes (backup of '))
  assert.deepEqual([restored.files, restored.target, beside.length], [1, folder, 1])
  assert.equal(await readFile(join(folder, beside[0] as string), 'utf8'), 'one')
  assert.equal(await readFile(join(folder, 'notes.txt'), 'utf8'), 'one and more')
  const again = await agent.run('restore', { snapshot: 'latest', path: join(folder, 'notes.txt') })
  assert.deepEqual([again.files, again.unchangedFiles], [0, 1])

  for (const target of ['letters', '../outside', `${folder}/../../outside`, `${folder}\0x`]) {
    await assert.rejects(agent.run('restore', { snapshot: 'latest', target, overwrite: true }), { code: 'path-unsafe' }, target)
  }
  await assert.rejects(agent.run('restore', { snapshot: 'latest', path: `${folder}/../../etc/passwd` }), { code: 'not-found' })

  const { settings } = await agent.run('settings', { change: { schedule: { cron: null }, label: 'Desk' } })
  assert.deepEqual([settings.schedule.cron, settings.label, settings.afterRestart], [null, 'Desk', []])
  assert.equal((await agent.run('status', { fresh: false })).nextBackup, null)
  await assert.rejects(agent.run('settings', { change: { schedule: { cron: 'sometimes' } } }), { code: 'invalid-input' })
  const { pausedUntil } = await agent.run('pause', { hours: 2 })
  assert.equal((await agent.run('status', { fresh: false })).pausedUntil, pausedUntil)
  assert.equal((await agent.run('pause', { hours: null })).pausedUntil, null)
})
