/** Less retention, and a sudden change that is meant: only the owner's words and an admin together move the holders. */
import assert from 'node:assert/strict'
import { randomBytes } from 'node:crypto'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import type { AgentProcess } from '../../agent/demo/agent-process.ts'
import { signRecord } from '../../agent/identity/jws.ts'
import { ownerFromWords } from '../../agent/identity/owner.ts'
import { agreementText, parseAgreement, signConsent } from '../../agent/network/membership/agreement.ts'
import { recordTypes } from '../../agent/network/membership/records.ts'
import type { CommandResult } from '../../shared/api.ts'
import { hasCode } from '../../shared/errors.ts'
import type { NetworkId } from '../../shared/ids.ts'
import { commandLine, startGroup } from '../support/process-group.ts'
import { untilAnswer } from '../support/until-answer.ts'

const everybodys = { delayDays: 30, days: 14, weeks: 8 }
const less = { delayDays: 3, days: 2, weeks: 1 }

test('the holders take less retention and a sudden change from owner and admin together, from neither alone, and who was off hears of it', async () => {
  await using group = await startGroup(['admin', 'owner', 'holder', 'sleeper'], { redundancy: 'mirror-3' })
  const [admin, owner, holder, sleeper] = group.agents as [AgentProcess, AgentProcess, AgentProcess, AgentProcess]
  const folder = join(group.directory, 'work')
  mkdirSync(folder)
  for (let number = 0; number < 3; number++) writeFileSync(join(folder, `${number}.bin`), randomBytes(7 * 1_048_576))
  await owner.run('protect', { paths: [folder] })
  const first = await owner.run('backup', {})
  assert.equal(first.protection.state, 'protected')
  const { machine: { owner: ownerId }, network } = await owner.run('status', { fresh: false })
  const standing = async (at: AgentProcess) => {
    const { holder: { owners } } = await at.run('status', { fresh: false })
    const account = owners.find(({ owner: id }) => id === ownerId)
    return [account?.frozen, account?.terms]
  }

  await sleeper.stop()
  rmSync(folder, { recursive: true })
  mkdirSync(folder)
  writeFileSync(join(folder, 'rest.txt'), 'what is left')
  await owner.run('backup', { offlineOk: true })
  assert.equal((await owner.run('forget', { last: 1 })).mayFreeze, true)
  for (const at of [admin, holder]) assert.deepEqual(await standing(at), [true, everybodys])

  /** A machine tells what it holds fast in its report, which goes out with the next command there, or ten minutes later. */
  const ownerIsTold = async (names: readonly string[]) => {
    for (const at of [admin, holder]) await at.run('audit', {})
    const alarms = await untilAnswer(async () => (await owner.run('status', {})).alarms.filter(({ kind }) => kind === 'frozen'), (alarm) => {
      const [notice] = alarm.map((one) => one.notice)
      return names.length === 0 ? notice === undefined : notice?.code === 'own-frozen' && names.every((name) => notice.names.includes(name))
    }, { what: `the owner hears that ${names.join(' and ') || 'nobody'} holds fast`, patienceMs: 60_000, everyMs: 200 })
    assert.ok(alarms.length <= 1)
  }
  await ownerIsTold(['admin', 'holder'])

  const { words } = await owner.run('key show', {})
  const agree = async (at: AgentProcess, stdin: string) => {
    const ended = await commandLine(['retention', 'agree', '--delay-days', '3', '--days', '2', '--weeks', '1', '--home', at.home, '--json'], { stdin: `${stdin}\n` })
    return { ...ended, result: ended.code === 0 ? JSON.parse(ended.stdout) as CommandResult<'retention agree'> : undefined }
  }
  const unchanged = async (why: string) => {
    for (const at of [admin, holder]) assert.deepEqual(await standing(at), [true, everybodys], why)
  }

  const wish = (await agree(owner, words)).result
  assert.deepEqual([wish?.owner, wish?.approved, wish?.terms, wish?.delivered], [ownerId, false, less, []])
  await assert.rejects(owner.run('retention approve', { agreement: wish?.agreement ?? '' }), (error) => hasCode(error, 'unauthorized'))
  const half = parseAgreement(wish?.agreement ?? '')
  const net = network?.id as NetworkId
  const own = ownerFromWords(words)
  const selfMade = agreementText({ wish: half.wish, consent: await signConsent(half.wish, { net, at: 1 }, own.admin) })
  await assert.rejects(owner.run('retention approve', { agreement: selfMade }), (error) => hasCode(error, 'unauthorized'))
  await unchanged('the owner alone')

  assert.match((await agree(owner, group.kit.words)).stderr, /another owner/)
  const { machine } = await admin.run('status', { fresh: false })
  assert.equal((await agree(admin, group.kit.words)).result?.owner, machine.owner, 'an admin with his own words agrees for himself')
  const root = ownerFromWords(group.kit.words)
  const forged = await signRecord(recordTypes.retention, { v: 1, net, owner: ownerId, root: root.jwk, at: 1_900_000_000, terms: less, accepts: [] }, root)
  for (const agreement of [agreementText({ wish: forged }), agreementText({ wish: forged, consent: await signConsent(forged, { net, at: 1 }, root.admin) })]) {
    await assert.rejects(admin.run('retention approve', { agreement }), (error) => hasCode(error, 'record-invalid'))
  }
  await unchanged('an admin alone')

  const approved = await commandLine(['retention', 'approve', wish?.agreement ?? '', '--home', admin.home])
  assert.equal(approved.code, 0, approved.stderr)
  assert.match(approved.stdout, /keep 3 days, a floor of 2 days and 1 weeks\nTold 2 machines\nNo answer from sleeper: this machine tells them when they come/)
  for (const at of [admin, holder]) assert.deepEqual(await standing(at), [false, less])
  await ownerIsTold([])
  assert.match((await commandLine(['status', '--home', holder.home])).stdout, / of owner, fair share .*, kept 3 days, a floor of 2 days and 1 weeks, as its owner and an admin agreed\n/)

  const laterBackup = async (name: string): Promise<void> => {
    writeFileSync(join(folder, name), 'the head that was meant is not the newest any more')
    await owner.run('backup', { offlineOk: true })
  }
  await laterBackup('later.txt')
  await admin.kill()
  await group.start('admin')
  const again = await group.start('sleeper')
  const hears = async (what: string): Promise<void> => {
    await untilAnswer(async () => await standing(again), ([frozen, terms]) => frozen === false && JSON.stringify(terms) === JSON.stringify(less), { what, patienceMs: 60_000, everyMs: 200 })
  }
  await hears('the one that was off hears of it')
  await laterBackup('last.txt')
  await hears('also of the head that was meant, which none of the others has as the newest')
})
