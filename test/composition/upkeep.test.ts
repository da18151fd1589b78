import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { RunCommand } from '../../agent/commands/command.ts'
import { BackupUpkeep } from '../../agent/composition/backup-upkeep.ts'
import { keepHolder } from '../../agent/composition/holder-upkeep.ts'
import { FolderShardStore } from '../../agent/network/shard-store/folder.ts'
import { FakeTime, dayMs, hourMs } from '../support/fake-time.ts'
import { scratchFolder } from '../support/scratch-folder.ts'

const noFault = (event: string, { error }: { error?: unknown } = {}) => { assert.equal(error, undefined, event) }
const stepMs = hourMs / 6

test('an agent looks hourly whether an audit is due, drills once there is a backup for an hour, again after 30 days, and the day after a failure; repairs only what lacks', async () => {
  const time = new FakeTime()
  const startMs = time.now()
  const ran: { name: string; hour: number; request: unknown; polite: boolean | undefined }[] = []
  let lastDrill: { time: string; ok: boolean } | null = null
  let passes = true
  let lacks = false
  const run = (async (name: string, request: unknown, { polite }: { polite?: boolean }) => {
    ran.push({ name, hour: Math.floor((time.now() - startMs) / hourMs), request, polite })
    if (name === 'status') return { paths: [{ lastSnapshot: 's', lastSnapshotTime: new Date(startMs).toISOString() }] }
    if (name === 'drill') lastDrill = { time: new Date(time.now()).toISOString(), ok: passes }
    return name === 'audit' ? { holders: [], bytesRead: 0, problems: [] } : name === 'drill' ? { ok: passes, files: [], bytes: 0, seconds: 0 } : { rebuilt: 0, respread: 0, failed: 0 }
  }) as unknown as RunCommand
  const upkeep = new BackupUpkeep({ clock: time, isMember: () => true, needsRepair: async () => lacks, isRespreadDue: async () => false, run, lastDrill: () => lastDrill, log: noFault })
  const days = async (count: number) => {
    for (let step = 0; step < count * dayMs / stepMs; step++) {
      time.run(stepMs)
      await new Promise(setImmediate)
    }
  }
  const hoursOf = (name: string) => ran.filter((one) => one.name === name).map(({ hour }) => hour)
  await days(29)
  const audits = hoursOf('audit')
  assert.ok(audits.every((hour, at) => at === 0 || hour - audits[at - 1]! <= 2) && audits.at(-1)! > 29 * 24 - 2, 'never two hours without a look')
  assert.ok(ran.filter(({ name }) => name === 'audit').every(({ request, polite }) => JSON.stringify(request) === '{"due":true}' && polite === true))
  const [first, ...more] = hoursOf('drill')
  assert.deepEqual([first! >= 1 && first! <= 2, more, hoursOf('repair')], [true, [], []])
  passes = false
  await days(4)
  const [, second, third] = hoursOf('drill')
  assert.ok(second! >= 30 * 24 + first! && second! <= 30 * 24 + first! + 2 && third! >= second! + 24 && third! <= second! + 26, hoursOf('drill').join())
  lacks = true
  await days(0.1)
  assert.ok(hoursOf('repair').length > 0)
  await upkeep[Symbol.asyncDispose]()
  const count = ran.length
  await days(1)
  assert.equal(ran.length, count, 'nothing runs after the end')
})

test('a holder lets go of what may go, and reads what it keeps, every hour, unless it is told not to read', async (t) => {
  const time = new FakeTime()
  await using store = await FolderShardStore.open({ path: await scratchFolder(t), minFree: 0, certificateOf: () => undefined, clock: time, monotonic: time.monotonic })
  const calls: string[] = []
  let under = Promise.resolve<unknown>(undefined)
  const note = <T>(name: string, work: Promise<T>): Promise<T> => {
    calls.push(name)
    under = Promise.all([under, work])
    return work
  }
  let scrubDays: number | null = 30
  await using _upkeep = keepHolder(() => ({ expire: (options) => note('expire', store.expire(options)), scrub: (options) => note(`scrub ${options.days}`, store.scrub(options)) }), {
    clock: time, log: noFault, scrubDays: () => scrubDays, turn: () => undefined,
  })
  const hours = async (count: number) => {
    for (let hour = 0; hour < count; hour++) {
      time.run(hourMs)
      await under
      await new Promise(setImmediate)
    }
    return calls.splice(0).sort()
  }
  assert.deepEqual(await hours(3), [...Array(3).fill('expire'), ...Array(3).fill('scrub 30')])
  scrubDays = null
  assert.deepEqual(await hours(2), Array(2).fill('expire'))
})
