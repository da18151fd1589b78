import assert from 'node:assert/strict'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { DeviceKeys } from '../../agent/network/device-keys.ts'
import { type HeadBoard, HeadDistribution, type HeadNotice, type HeadReport } from '../../agent/network/head-distribution.ts'
import type { PublishedHead } from '../../agent/object-store.ts'
import { type ShardGroup, makeGroup } from '../support/shard-group.ts'
import { makeHead, makeLive, makeOwner } from '../support/test-owner.ts'

interface Fixture extends AsyncDisposable {
  readonly group: ShardGroup
  readonly reports: HeadReport[]
  readonly notices: HeadNotice[]
  open(name: string): HeadDistribution
}

async function fixture(count: number): Promise<Fixture> {
  const folder = await mkdtemp(join(tmpdir(), 'holdfast-heads-'))
  const group = await makeGroup(count)
  const reports: HeadReport[] = []
  const notices: HeadNotice[] = []
  const board: HeadBoard = { post: async (notice) => { notices.push(notice) }, notices: async () => notices }
  return {
    group, reports, notices,
    open: (name) => new HeadDistribution({
      owner: group.owner.root.id, holders: group.dispersal.holders, keys: new DeviceKeys(), path: join(folder, name), board, report: (report) => reports.push(report),
    }),
    async [Symbol.asyncDispose]() {
      await group[Symbol.asyncDispose]()
      await rm(folder, { recursive: true })
    },
  }
}

const heads = (published: readonly PublishedHead[]) => published.map(({ head }) => head)

test('a head goes to every machine and the notice board, and comes back on a machine that knows nothing', async () => {
  await using fix = await fixture(3)
  const head = await makeHead(fix.group.owner, 1, makeLive(12))
  assert.deepEqual(await fix.open('mine').publish(head), { acknowledged: 3, asked: 3 })
  assert.deepEqual(fix.notices, [{ certificate: head.certificate, head: head.head }])
  const found = await fix.open('fresh').collect()
  assert.deepEqual([heads(found.heads), found.answered, found.asked, found.newer], [[head.head], 3, 3, []])
  assert.ok(Buffer.from(head.live).equals(found.heads[0]!.live))
})

test('heads that are published at once are kept one after the other, the newest in the end', async () => {
  await using fix = await fixture(2)
  const [first, second] = [await makeHead(fix.group.owner, 1), await makeHead(fix.group.owner, 2)]
  const mine = fix.open('mine')
  await mine.publish(first)
  await Promise.all([mine.publish(second), mine.publish(first), mine.publish(second), mine.publish(first)])
  for (const { store } of fix.group.machines) store.faults.gone = true
  assert.deepEqual(heads((await fix.open('mine').collect()).heads), [second.head])
})

test('a head that nobody takes is refused, but kept here', async () => {
  await using fix = await fixture(2)
  for (const { store } of fix.group.machines) store.faults.gone = true
  const mine = fix.open('mine')
  const head = await makeHead(fix.group.owner, 1)
  await assert.rejects(mine.publish(head), { code: 'too-few-holders' })
  const found = await mine.collect()
  assert.deepEqual([heads(found.heads), found.answered, found.asked], [[head.head], 0, 2])
})

test('the newest head of each device wins, whoever has it, and silent machines are counted', async () => {
  await using fix = await fixture(3)
  const { owner, machines } = fix.group
  const second = await makeOwner({ root: owner.root })
  const [old, newer, other] = [await makeHead(owner, 1), await makeHead(owner, 2), await makeHead(second, 7)]
  await machines[0]!.memory.putHead(newer)
  await machines[1]!.memory.putHead(old)
  await machines[1]!.memory.putHead(other)
  machines[2]!.store.faults.gone = true
  const found = await fix.open('fresh').collect()
  assert.deepEqual(heads(found.heads).sort(), [newer.head, other.head].sort())
  assert.deepEqual([found.answered, found.asked], [2, 3])
})

test('forged, foreign and damaged heads are reported and change nothing', async () => {
  await using fix = await fixture(4)
  const { owner, machines } = fix.group
  const good = await makeHead(owner, 3)
  const stranger = await makeOwner()
  const wrong: PublishedHead[] = [
    await makeHead(stranger, 9),
    { ...await makeHead(owner, 9), live: makeLive(1) },
    { ...await makeHead(stranger, 9), certificate: owner.certificate },
    { ...await makeHead(owner, 9), head: 'nonsense' },
  ]
  for (const [at, { store }] of machines.entries()) store.heads = async () => [good, wrong[at]!]
  const found = await fix.open('fresh').collect()
  assert.deepEqual([heads(found.heads), found.answered, fix.reports.length], [[good.head], 4, 4])
  assert.deepEqual(new Set(fix.reports.map(({ from }) => from)), new Set(machines.map(({ id }) => id)))
})

test('two heads of one number are a cloned key and reported', async () => {
  await using fix = await fixture(2)
  const { owner, machines } = fix.group
  await machines[0]!.memory.putHead(await makeHead(owner, 4, makeLive(1)))
  await machines[1]!.memory.putHead(await makeHead(owner, 4, makeLive(2)))
  assert.equal((await fix.open('fresh').collect()).heads.length, 1)
  assert.match(String(fix.reports[0]?.error), /clone/)
})

test('a head that only the notice board knows is named as newer than what was found', async () => {
  await using fix = await fixture(2)
  const { owner, machines } = fix.group
  const [found, unseen] = [await makeHead(owner, 1), await makeHead(owner, 5)]
  await machines[0]!.memory.putHead(found)
  fix.notices.push({ certificate: unseen.certificate, head: unseen.head }, { certificate: unseen.certificate, head: 'nonsense' })
  const collected = await fix.open('fresh').collect()
  assert.deepEqual(collected.newer, [{ machine: owner.machine.id, epoch: 1, seq: 5 }])
  assert.deepEqual([heads(collected.heads), fix.reports.map(({ from }) => from)], [[found.head], ['notice board']])
})

/** What machines do: tell the truth, tell an older head, deny that there is one, or are off. */
const behaviours = ['true', 'older', 'none', 'off'] as const

test('with every way for up to n−k of six holders to lie, a machine without state finds the newest head, or does not call what it found confirmed', async () => {
  await using fix = await fixture(6)
  const { owner, machines } = fix.group
  const [older, newest] = [await makeHead(owner, 4), await makeHead(owner, 5)]
  const told = { true: [newest], older: [older], none: [], off: [] }
  let runs = 0
  let found = 0
  for (let code = 0; code < behaviours.length ** machines.length; code++) {
    const acts = machines.map((_, at) => behaviours[Math.floor(code / behaviours.length ** at) % behaviours.length]!)
    const liars = acts.filter((act) => act === 'older' || act === 'none').length
    if (liars > 3 || acts.some((act, at) => at > 0 && act < acts[at - 1]!)) continue // who of them does what makes no difference
    for (const [at, { store }] of machines.entries()) {
      store.faults.gone = acts[at] === 'off'
      store.heads = async () => told[acts[at]!]
    }
    for (const noticed of [older, newest]) {
      fix.notices.splice(0, Infinity, { certificate: noticed.certificate, head: noticed.head }) // the roster: rolled back, or not
      const { heads: collected, answered, asked, newer } = await fix.open(`fresh-${++runs}`).collect()
      const isNewest = collected.some(({ head }) => head === newest.head)
      if (isNewest) found++
      assert.equal(isNewest, acts.includes('true'), acts.join())
      const isConfirmed = answered === asked && newer.length === 0
      assert.ok(isNewest || !isConfirmed, `${acts.join()}, ${noticed === older ? 'rolled back' : 'right'} roster: an older head passes as confirmed`)
      if (!isNewest && noticed === newest) assert.deepEqual(newer.map(({ seq }) => seq), [5], acts.join())
      if (!acts.includes('off')) assert.ok(isNewest, acts.join())
    }
  }
  assert.ok(runs > 50 && found < runs, `${found} of ${runs}`)
})
