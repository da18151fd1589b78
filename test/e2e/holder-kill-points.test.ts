/**
 * SIGKILL of a holder at steps spread evenly over what it does while another machine backs up to it, restores from it and
 * recovers from it. A step is one write, fsync, rename, database statement or write to a socket of the whole process
 * (test/support/kill-at.mjs). With 2-of-3 on three machines a backup and a recovery go on without it; a restore, with one
 * more machine off, needs it. `npm run kill-points` tries more steps than the suite.
 */
import assert from 'node:assert/strict'
import { appendFileSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { HoldfastError } from '../../shared/errors.ts'
import { homeAt } from '../../agent/home.ts'
import { bytesOffset, checkLeaves, checkRange, headerLength, parseHeader } from '../../agent/network/shard.ts'
import { type AgentGroup, type GroupAgent, startAgents } from '../support/agent-group.ts'
import { everyKillPoint } from '../support/kill-points.ts'
import { MortalAgent } from '../support/mortal-agent.ts'
import { describeTree, seededBytes } from '../support/trees.ts'

/** `acknowledged`: after a backup that it has helped to the end. */
const points = everyKillPoint ? { backup: 30, acknowledged: 4, restore: 12, recover: 8 } : { backup: 5, acknowledged: 1, restore: 3, recover: 2 }
const allPoints = Object.values(points).reduce((sum, count) => sum + count, 0)

function spread(total: number, count: number): number[] {
  return Array.from({ length: count }, (_, index) => Math.max(1, Math.round(((index + 0.5) / count) * total)))
}

/** Everything that lies under the name of a shard is a whole shard. */
function assertShardsWhole(home: string, when: string): void {
  const folder = homeAt(home).holder
  for (const name of readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((each) => each.endsWith('.shard'))) {
    const bytes = readFileSync(join(folder, name))
    const header = parseHeader(bytes.subarray(0, headerLength(255)), { prefix: true })
    const start = bytesOffset(header.n, header.shardLength)
    const leaves = bytes.subarray(headerLength(header.n), start)
    assert.equal(bytes.length, start + header.shardLength, `${when}: ${name}`)
    checkLeaves(header, leaves)
    checkRange(leaves, 0, bytes.subarray(start), header)
  }
}

test(`a holder killed at any of ${allPoints} steps loses nothing, and starts again`, async (t) => {
  const group = await startAgents(t, 3, { redundancy: '2-of-3' })
  const [owner, , other] = group.agents as [GroupAgent, GroupAgent, GroupAgent]
  await using victim = await MortalAgent.start('victim', join(group.directory, 'victim'))
  const { invitation } = await owner.run('network invite', { count: 1 })
  await victim.process.run('network join', { invitation, label: 'victim' })
  const folder = join(group.directory, 'documents')
  mkdirSync(join(folder, 'nested'), { recursive: true })
  for (const [at, size] of [1, 70_000, 600_000].entries()) writeFileSync(join(folder, `file-${at}`), seededBytes(size, at))
  await owner.run('protect', { paths: [folder] })
  const { words, locator } = await owner.run('key show', {})
  const killed: string[] = []
  /** Looks at the disk of the holder when it is dead, and starts it again. */
  const revive = async (when: string): Promise<void> => {
    if (!victim.process.isRunning) killed.push(when)
    assertShardsWhole(victim.home, when)
    await victim.restart()
  }
  /** The machine that asks has heard where it is now: what it does next is to count on it again. */
  const knownTo = async (agent: GroupAgent): Promise<void> => {
    const { id, peer } = victim.process.ready
    await agent.until('peers', {}, ({ peers }) => peers.some((one) => one.id === id && one.addresses.includes(peer)))
  }
  /** The steps that something took, done once without a death. */
  const countSteps = async (work: () => Promise<unknown>): Promise<number> => {
    await victim.dieAt(0)
    await work()
    return await victim.dieAt(0)
  }

  await t.test('backup', async () => {
    let version = 0
    const change = () => {
      appendFileSync(join(folder, 'file-1'), seededBytes(30_000, version))
      writeFileSync(join(folder, 'nested', `new-${version % 5}`), seededBytes(20_000, version++))
    }
    let before = { snapshot: (await owner.run('backup', {})).snapshot, tree: describeTree(folder) }
    change()
    const total = await countSteps(async () => await owner.run('backup', {}))
    let acknowledged = 0
    const steps = [...spread(total, points.backup), ...Array.from({ length: points.acknowledged }, (_, index) => Math.round(total * 1.3) + index)]
    for (const step of steps) {
      const when = `backup, step ${step} of ${total}`
      change()
      await victim.dieAt(step)
      const { protection } = await owner.run('backup', {})
      assert.equal(protection.wanted, 3, when)
      assert.ok(protection.placed === 3 ? protection.state === 'protected' : protection.placed === 2 && protection.state === 'partial', `${when}: ${JSON.stringify(protection)}`)
      assert.deepEqual(await restored(owner, group, before.snapshot), before.tree, when)
      await revive(when)
      await knownTo(owner)
      if (protection.state === 'protected') {
        acknowledged++
        await assertAllThere(owner, when)
      }
      const next = await owner.run('backup', {})
      assert.equal(next.protection.state, 'protected', `${when}: the backup after it`)
      before = { snapshot: next.snapshot, tree: describeTree(folder) }
    }
    assert.ok(acknowledged > 0, 'it never died after a backup that counted on it')
    await assertAllThere(owner, 'after all backups')
  })

  const wanted = describeTree(folder)
  await t.test('restore', async () => {
    await other.stop()
    const total = await countSteps(async () => assert.deepEqual(await restored(owner, group, 'latest'), wanted))
    let failed = 0
    for (const step of spread(total, points.restore)) {
      const when = `restore, step ${step}`
      const target = join(group.directory, `target-${step}`)
      await victim.dieAt(step)
      const lacks = await owner.run('restore', { snapshot: 'latest', target }).then(({ skipped }) => skipped.map(({ reason }) => reason), (error: unknown) => {
        assert.ok(error instanceof HoldfastError && error.code !== 'internal', `${when}: ${String(error)}`)
        return [error.message]
      })
      if (lacks.length > 0) failed++
      for (const reason of lacks) assert.match(reason, /of the 2 shards that are needed can be had, none from .*machine-3.*victim/, when)
      assertNothingUnfinished(target, wanted, { whole: lacks.length === 0, when })
      await revive(when)
      await knownTo(owner)
      assert.deepEqual((await owner.run('restore', { snapshot: 'latest', target })).skipped, [], when)
      assertNothingUnfinished(target, wanted, { whole: true, when })
      rmSync(target, { recursive: true })
    }
    assert.ok(failed > 0, 'no restore was hit')
    await other.start()
  })

  await t.test('recover', async () => {
    await owner.until('backup', {}, ({ protection: { state } }) => state === 'protected')
    await owner.stop()
    const recovered = async (name: string): Promise<{ agent: GroupAgent; error: unknown }> => {
      const agent = await group.add(name)
      return { agent, error: await agent.run('recover', { words, locator }).then(() => undefined, (reason: unknown) => reason) }
    }
    const total = await countSteps(async () => {
      const { agent, error } = await recovered('counted')
      assert.equal(error, undefined)
      await agent.stop()
    })
    for (const [index, step] of spread(total, points.recover).entries()) {
      const when = `recover, step ${step}`
      await victim.dieAt(step)
      let { agent, error } = await recovered(`recovered-${index}`)
      assert.ok(error === undefined || error instanceof HoldfastError && error.code !== 'internal', `${when}: ${String(error)}`)
      if (error !== undefined) { // begun anew on another empty home, with the holder back
        await agent.stop()
        await revive(when)
        ;({ agent, error } = await recovered(`again-${index}`))
        assert.equal(error, undefined, when)
      }
      assert.deepEqual(await restored(agent, group, 'latest'), wanted, when)
      if (!victim.process.isRunning) await revive(when)
      await knownTo(agent)
      assert.equal((await agent.run('repair', {})).protection.state, 'protected', when)
      await agent.stop()
    }
  })
  assert.ok(killed.length >= 0.8 * allPoints, `killed at ${killed.join('; ')}`)
})

/** Every shard that was acknowledged is where it should be, and what it should be. */
async function assertAllThere(owner: GroupAgent, when: string): Promise<void> {
  const { ok, objects, healthy, findings } = await owner.run('verify', { readData: true })
  assert.deepEqual({ ok, whole: healthy === objects, findings }, { ok: true, whole: true, findings: [] }, when)
  assert.deepEqual((await owner.run('audit', {})).problems, [], when)
}

let targets = 0
async function restored(agent: GroupAgent, group: AgentGroup, snapshot: string): Promise<string[]> {
  const target = join(group.directory, `restored-${targets++}`)
  await agent.run('restore', { snapshot, target })
  const tree = describeTree(join(target, 'documents'))
  rmSync(target, { recursive: true })
  return tree
}

/** Every file under a final name is the one of `wanted`; with `whole` all of them are there, and nothing else. */
function assertNothingUnfinished(target: string, wanted: readonly string[], { whole, when }: { whole: boolean; when: string }): void {
  const folder = join(target, 'documents')
  const found = existsSync(folder) ? describeTree(folder) : []
  if (whole) return assert.deepEqual(found, wanted, when)
  const digests = new Set(wanted.map((line) => line.split(' ').at(-1)))
  for (const line of found) {
    const [name, , , digest] = line.split(' ')
    if (digest !== undefined && !name!.includes('holdfast-partial')) assert.ok(digests.has(digest), `${when}: ${name}`)
  }
}
