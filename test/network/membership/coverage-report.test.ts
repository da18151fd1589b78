import assert from 'node:assert/strict'
import { test } from 'node:test'
import { signRecord } from '../../../agent/identity/jws.ts'
import { type CoverageContent, CoverageBook, signCoverageReport, verifyCoverageReport } from '../../../agent/network/membership/coverage-report.ts'
import { recordTypes } from '../../../agent/network/membership/records.ts'
import { newGroup, newMachine, startMs } from '../../support/records-kit.ts'

const content: CoverageContent = { snapshot: 1_700_000_000, state: 'protected', placed: 6, wanted: 6, unprotected: 0, verified: null, audited: null, used: 10, offer: 1000, admin: false, frozen: [], stored: 0, chosen: 1 }

test('a report is believed of the machine that signed it and of nobody else', async () => {
  const [machine, other] = [await newMachine(), await newMachine()]
  const { net } = await newGroup()
  const jws = await signCoverageReport(content, { net, machine, nowMs: startMs, before: undefined })
  assert.ok(jws !== undefined)
  const report = await verifyCoverageReport(jws, (id) => (id === machine.id ? machine.jwk : undefined))
  assert.deepEqual([report.id, report.placed, report.seq], [machine.id, 6, startMs])
  const wrong = { code: 'record-invalid' }
  await assert.rejects(verifyCoverageReport(jws, () => other.jwk), wrong)
  await assert.rejects(verifyCoverageReport(jws, () => undefined), wrong)
  const [head, body, signature] = jws.split('.') as [string, string, string]
  for (const broken of [`${head}.${body}.`, `${head}.${body.slice(0, -2)}AA.${signature}`, 'x', '', jws + jws, 'y'.repeat(5000)]) await assert.rejects(verifyCoverageReport(broken, () => machine.jwk), wrong)
  const stranger = await signRecord(recordTypes.coverage, { ...report, placed: 99 }, other)
  await assert.rejects(verifyCoverageReport(stranger, (id) => (id === machine.id ? machine.jwk : undefined)), wrong)
  const shapeless = await signRecord(recordTypes.coverage, { ...report, placed: -1 }, machine)
  await assert.rejects(verifyCoverageReport(shapeless, () => machine.jwk), wrong)
})

test('a report that says as much as one can fits its length, and tells of a drill that failed', async () => {
  const machine = await newMachine()
  const { net } = await newGroup()
  const most = 253_402_300_799
  const frozen = await Promise.all(Array.from({ length: 4 }, async () => (await newMachine()).id as unknown as CoverageContent['frozen'][number]))
  const full: CoverageContent = {
    snapshot: most, state: 'unprotected', placed: 1000, wanted: 1000, unprotected: 2 ** 53 - 1, verified: most, part: true, failed: most, audited: most, used: 2 ** 53 - 1, offer: 2 ** 53 - 1, admin: false, frozen, stored: 2 ** 53 - 1, chosen: 9999,
  }
  const jws = await signCoverageReport(full, { net, machine, nowMs: startMs, before: undefined })
  const report = await verifyCoverageReport(jws as string, () => machine.jwk)
  assert.deepEqual([report.failed, report.frozen], [most, frozen.slice(0, 3)], 'with the longest numbers one of four frozen owners is left out')
})

test('what says the same is not signed again, until it is old; news are, and go on from the last number', async () => {
  const machine = await newMachine()
  const { net } = await newGroup()
  const first = await signCoverageReport(content, { net, machine, nowMs: startMs, before: undefined })
  const before = await verifyCoverageReport(first as string, () => machine.jwk)
  assert.equal(await signCoverageReport(content, { net, machine, nowMs: startMs + 3_600_000, before }), undefined)
  const repeated = await signCoverageReport(content, { net, machine, nowMs: startMs + 7 * 3_600_000, before })
  assert.ok(repeated !== undefined)
  const news = await signCoverageReport({ ...content, placed: 5, state: 'partial' }, { net, machine, nowMs: startMs - 60_000, before })
  assert.equal((await verifyCoverageReport(news as string, () => machine.jwk)).seq, before.seq + 1)
})

test('which machines hold the backup is left out where the report would be too long, and nonsense in its place hides nothing else', async () => {
  const machine = await newMachine()
  const { net } = await newGroup()
  const holders: CoverageContent['holders'] = { ids: 'abcdefghij'.repeat(6), sets: [[2 ** 12 - 1, 10, 12]] }
  const report = async (said: CoverageContent) => await verifyCoverageReport(await signCoverageReport(said, { net, machine, nowMs: startMs, before: undefined }) as string, () => machine.jwk)
  assert.deepEqual((await report({ ...content, holders })).holders, holders)
  const large: CoverageContent = { ...content, unprotected: 1e12, used: 1e12, offer: 1e12, stored: 1e12, verified: 1_700_000_000, audited: 1_700_000_000, part: true, frozen: [machine, machine, machine, machine].map(({ id }) => id as unknown as CoverageContent['frozen'][number]), holders }
  const before = await report(large)
  assert.deepEqual([before.holders, before.frozen.length], [undefined, 4])
  assert.equal(await signCoverageReport(large, { net, machine, nowMs: startMs + 60_000, before }), undefined, 'it says the same')
  for (const nonsense of [7, { ids: 'abc', sets: [[1, 1, 1]] }, { ids: 'abcde', sets: [] }, { ids: 'abcde', sets: [[-1, 1, 1]] }, { ids: 'abcde', sets: [[2 ** 33, 1, 1]] }, { ids: 'abcde', sets: [[1, 0, 1]] }]) {
    const jws = await signRecord(recordTypes.coverage, { ...before, frozen: [], holders: nonsense }, machine)
    const read = await verifyCoverageReport(jws, () => machine.jwk)
    assert.deepEqual([read.holders, read.placed], [undefined, 6])
  }
})

test('the newest report of a machine is kept, an older one is stale, the same one is known', async () => {
  const machine = await newMachine()
  const { net } = await newGroup()
  const book = new CoverageBook()
  const add = async (nowMs: number) => {
    const jws = await signCoverageReport(content, { net, machine, nowMs, before: undefined }) as string
    return book.add(jws, await verifyCoverageReport(jws, () => machine.jwk))
  }
  assert.deepEqual([await add(startMs), await add(startMs), await add(startMs - 1000), await add(startMs + 1000)], ['taken', 'known', 'stale', 'taken'])
  assert.equal(book.get(machine.id)?.report.seq, startMs + 1000)
  assert.equal(book.all().length, 1)
})
