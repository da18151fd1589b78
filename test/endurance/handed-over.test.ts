import assert from 'node:assert/strict'
import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { OwnerId } from '../../shared/ids.ts'
import { liveObjects } from '../../agent/network/published-head.ts'
import { FakeTime, dayMs } from '../support/fake-time.ts'
import { seededLots } from '../support/lots.ts'
import { scratchFolder } from '../support/scratch-folder.ts'
import { GroundTruth } from './ground-truth.ts'
import { SimulatedMachine, type World, contentsOf } from './simulated-machine.ts'
import { SimulatedNetwork } from './simulated-network.ts'

const shards = 4

test('a backup that was handed over stays whole: its holders make good what goes with a machine and what rots, and the colleague restores it', async (t) => {
  const directory = await scratchFolder(t)
  const time = new FakeTime()
  const world: World = { time, network: new SimulatedNetwork(), random: seededLots(19), log: () => {} }
  await using stack = new AsyncDisposableStack()
  const start = async (name: string): Promise<SimulatedMachine> => {
    const machine = new SimulatedMachine(world, { name, directory: join(directory, name), data: join(directory, `data-${name}`), presence: { always: true, leaves: [] } })
    stack.defer(async () => { await machine.stop() })
    return await machine.start()
  }
  const founder = await start('founder')
  mkdirSync(join(directory, 'roster'))
  await founder.run('network create', { name: 'Handed over', roster: `folder:${join(directory, 'roster')}`, label: 'founder', redundancy: '2-of-4' })
  const joined = async (name: string): Promise<SimulatedMachine> => {
    const machine = await start(name)
    await machine.run('network join', { invitation: (await founder.run('network invite', {})).invitation, label: name })
    return machine
  }
  const leaver = await joined('leaver')
  const colleague = await joined('colleague')
  let machines = [founder, colleague]
  for (const name of ['first', 'second', 'third', 'fourth']) machines.push(await joined(name))
  const days = async (count: number, step = 1): Promise<void> => {
    for (let day = 0; day < count; day += step) {
      time.run(step * dayMs)
      for (const machine of machines) await machine.maintain()
    }
  }
  for (const machine of [leaver, ...machines]) await machine.maintain()

  leaver.write('letters', 200_000, 1)
  leaver.write('calendar', 90_000, 2)
  const contents = contentsOf(leaver.data)
  assert.equal((await leaver.run('backup', {})).protection.state, 'protected')
  const owner = leaver.parts.ownerFile()?.owner as OwnerId
  await leaver.run('network leave', { handTo: 'colleague' })
  await leaver.stop()
  rmSync(leaver.directory, { recursive: true })

  const truth = new GroundTruth()
  const holding = (): SimulatedMachine[] => machines.filter((machine) => machine !== founder && machine !== colleague && machine.parts.holder.account(owner).used > 0)
  const fewest = async (): Promise<number> => {
    const heads = (await Promise.all(machines.map(async (machine) => await machine.parts.holder.heads(owner)))).flat()
    const objects = heads.flatMap(({ live }) => [...liveObjects(live)]).filter(({ kind }) => kind !== 'key')
    assert.ok(objects.length > 0)
    const look = truth.look(machines, time.nowMs)
    return Math.min(...objects.map(({ id }) => look(owner, id).sound))
  }
  assert.equal(await fewest(), shards)

  const [lost] = holding() as [SimulatedMachine]
  machines = machines.filter((machine) => machine !== lost)
  await founder.run('network lost', { machine: lost.id })
  await lost.stop()
  rmSync(lost.directory, { recursive: true })
  assert.equal(await fewest(), shards - 1)
  await days(2)
  assert.equal(await fewest(), shards, 'what went with the machine was made anew without its owner')

  const [rotting] = holding() as [SimulatedMachine]
  assert.ok(truth.rot(rotting, owner, { nth: 1, nowMs: time.nowMs, random: world.random }) > 0)
  assert.equal(await fewest(), shards - 1)
  await days(30, 5)
  await days(2)
  assert.equal(truth.standingFlips, 0, 'its holder read it and found the rot')
  assert.equal(await fewest(), shards, 'what rotted was made anew')

  const target = join(directory, 'restored')
  await colleague.run('handed-over restore', { owner: 'leaver', target })
  const [folder] = readdirSync(target)
  assert.deepEqual(contentsOf(join(target, folder as string)), contents)
})
