/** What goes wrong around real agents: copied homes, strangers, full disks, interruptions, a ruined roster. */
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { appendFileSync, cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { connect } from 'node:tls'
import { hasCode } from '../../shared/errors.ts'
import { generateMachine } from '../../agent/identity/machine.ts'
import { systemClock } from '../../agent/network/clock.ts'
import { makeCertificate } from '../../agent/network/peer/certificate.ts'
import { dial } from '../../agent/network/peer/link.ts'
import { commandLine, startGroup } from '../support/process-group.ts'
import { smallDisk } from '../support/small-disk.ts'
import { describeTree, seededBytes } from '../support/trees.ts'

/** Asks again until the answer is right; the test's own time limit ends it otherwise. */
async function until<T>(ask: () => Promise<T>, isRight: (answer: T) => boolean): Promise<T> {
  for (;;) {
    const answer = await ask()
    if (isRight(answer)) return answer
    await delay(200)
  }
}

test('a stranger, a copied home and a ruined roster at real agents', async (t) => {
  await using group = await startGroup(3)
  const [owner, holder] = group.agents
  const file = join(group.directory, 'mail.bin')
  writeFileSync(file, seededBytes(300_000, 1))
  await owner!.run('protect', { paths: [file] })
  await owner!.run('backup', {})

  await t.test('a stranger gets not one byte from a peer door', async () => {
    const machine = generateMachine()
    const identity = { machine, certificate: await makeCertificate(machine) }
    const [host, port] = [holder!.ready.peer.split(':')[0]!, Number(holder!.ready.peer.split(':')[1])]
    for (const peer of ['', 'e30.e30.e30', group.kit.locator]) {
      await assert.rejects(dial({ name: 'holder', host, port }, { identity, credential: { v: 1, as: 'member', peer }, clock: systemClock }), (error) => hasCode(error, 'unauthorized', 'peer-unreachable', 'record-invalid', 'invalid-input'))
    }
    const socket = connect({ host, port, rejectUnauthorized: false })
    let received = 0
    socket.on('data', (bytes) => { received += bytes.length })
    socket.on('error', () => {})
    socket.write('GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: holder\r\n\r\n')
    await new Promise((resolve) => { socket.on('close', resolve) })
    assert.equal(received, 0)
  })

  await t.test('a roster that is gone, or full of other things, stops neither backup nor restore, and is told', async () => {
    rmSync(group.roster, { recursive: true })
    appendFileSync(file, 'more')
    assert.equal((await owner!.run('backup', {})).protection.state, 'protected')
    assert.ok((await owner!.run('status', { fresh: true })).rosters.some(({ state }) => state === 'unreachable'))
    mkdirSync(join(group.roster, 'peers'), { recursive: true })
    for (let at = 0; at < 50; at++) writeFileSync(join(group.roster, at % 2 === 0 ? `foreign-${at}.docx` : join('peers', `nonsense-${at}`)), seededBytes(5_000, at))
    appendFileSync(file, 'and more')
    assert.equal((await owner!.run('backup', {})).protection.state, 'protected')
    assert.deepEqual((await owner!.run('status', { fresh: true })).rosters.map(({ state }) => state), ['ok'], 'it is filled again')
  })

  await t.test('a copied home is found out: the second machine that signs with the key is refused, and both are told', async () => {
    const copy = join(group.directory, 'copy')
    await owner!.stop()
    cpSync(owner!.home, copy, { recursive: true })
    const again = await group.start('machine-1')
    appendFileSync(file, 'of the first')
    await again.run('backup', {})
    const twin = await group.start('copy')
    appendFileSync(file, 'of the second')
    await assert.rejects(twin.run('backup', {}), (error) => hasCode(error, 'key-cloned'))
    for (const machine of [again, twin]) {
      const { notices } = await machine.run('status', { fresh: true })
      assert.ok(notices.some(({ code }) => code === 'key-cloned-here'), JSON.stringify(notices))
    }
    const target = join(group.directory, 'back')
    await again.run('restore', { snapshot: 'latest', target })
    assert.ok(readFileSync(file).subarray(0, 300_000).equals(readFileSync(join(target, 'mail.bin')).subarray(0, 300_000)))
  })
})

test('a stop in mid-backup is clean and the next run uses what was stored; changes are backed up by themselves', async (t) => {
  await using group = await startGroup(3)
  const [owner] = group.agents
  const folder = join(group.directory, 'documents')
  mkdirSync(folder)
  for (let at = 0; at < 4; at++) writeFileSync(join(folder, `part-${at}`), seededBytes(20_000_000, at))
  await owner!.run('protect', { paths: [folder] })
  const stored = Promise.withResolvers<void>()
  const interrupted = owner!.run('backup', {}, { onProgress: ({ bytesSent = 0 }) => { if (bytesSent > 0) stored.resolve() } })
  interrupted.catch(() => {})
  await stored.promise
  await owner!.stop()
  await assert.rejects(interrupted)
  assert.equal(existsSync(join(owner!.home, 'agent.json')), false)
  writeFileSync(join(owner!.home, 'config.json'), JSON.stringify({ ...JSON.parse(readFileSync(join(owner!.home, 'config.json'), 'utf8')) as object, schedule: { pollSeconds: 1 } }))
  const again = await group.start('machine-1')
  const resumed = await again.run('backup', {})
  assert.equal(resumed.protection.state, 'protected')
  assert.ok(resumed.bytesNew < 80_000_000, `${resumed.bytesNew} of 80000000 stored again`)
  const target = join(group.directory, 'back')
  await again.run('restore', { snapshot: 'latest', target })
  assert.deepEqual(describeTree(join(target, 'documents')), describeTree(folder))

  const count = async () => (await again.run('snapshots', {})).snapshots.length
  await t.test('by growth', async () => {
    await again.run('settings', { change: { schedule: { cron: null, settleSeconds: 3600, growthBytes: 1_000_000 } } })
    appendFileSync(join(folder, 'part-0'), seededBytes(1_500_000, 9))
    await until(count, (snapshots) => snapshots === 2)
  })
  await t.test('after quiet', async () => {
    await again.run('settings', { change: { schedule: { settleSeconds: 1, growthBytes: 1_000_000_000 } } })
    appendFileSync(join(folder, 'part-1'), 'a little')
    await until(count, (snapshots) => snapshots === 3)
  })
  await t.test('by the clock', async () => {
    await again.run('settings', { change: { schedule: { settleSeconds: 3600, cron: '* * * * * *' } } })
    await until(count, (snapshots) => snapshots >= 4)
  })
})

test('disks that are full: a holder is passed over, a restore says so, shows nothing unfinished and goes on', async (t) => {
  const disk = await smallDisk(t, 12_000_000)
  if (disk === undefined) return
  await using group = await startGroup(3, { redundancy: 'mirror-2' })
  const [owner] = group.agents
  const small = await group.start('small', join(disk, 'home'))
  const { invitation } = await owner!.run('network invite', { count: 1 })
  await small.run('network join', { invitation, label: 'small' })
  const file = join(group.directory, 'big.bin')
  writeFileSync(file, seededBytes(30_000_000, 3))
  await owner!.run('protect', { paths: [file] })
  const { protection } = await owner!.run('backup', {})
  assert.deepEqual([protection.state, protection.placed], ['protected', 2])
  assert.equal((await owner!.run('verify', { readData: true })).ok, true)
  await small.kill()
  rmSync(join(disk, 'home'), { recursive: true })

  const target = join(disk, 'back')
  const home = ['--home', owner!.home, '--json']
  const full = await commandLine(['restore', 'latest', '--target', target, ...home])
  assert.equal(full.code, 1)
  const { problem } = JSON.parse(full.stdout)
  assert.equal(problem.code, 'disk-full', full.stdout)
  assert.equal(problem.details.path, join(target, '.big.bin.holdfast-partial'))
  assert.match(full.stderr, /Free some space/)
  assert.equal(existsSync(join(target, 'big.bin')), false)
  execFileSync('mount', ['-o', 'remount,size=80000000', disk])
  const done = await commandLine(['restore', 'latest', '--target', target, ...home])
  assert.equal(done.code, 0, done.stderr)
  assert.ok(readFileSync(join(target, 'big.bin')).equals(readFileSync(file)))
  assert.deepEqual(readdirSync(target), ['big.bin'])
})
