/** Machines that found a work group in one place. */
import assert from 'node:assert/strict'
import { HoldfastError } from '../../shared/errors.ts'
import { type FoundOptions, createNetwork } from '../../agent/network/founding.ts'
import type { Membership } from '../../agent/network/membership/membership.ts'
import { networkName } from '../../agent/network/roster/names.ts'
import type { Roster } from '../../agent/network/roster/port.ts'
import { TestClock, newMachine, newOwner } from './records-kit.ts'

export async function found(roster: Roster, { admin = newOwner().admin, attempts }: Pick<Partial<FoundOptions>, 'admin' | 'attempts'> = {}): Promise<Membership> {
  const { now, monotonic } = new TestClock()
  const { id } = await newMachine()
  return await createNetwork({ name: 'Accounts', redundancy: 'auto', minFree: 0.1, admission: 'open' }, { machine: id, admin, rosters: [roster], attempts, now, monotonic })
}

/** Two who begin at the same moment, in a place that is not made yet, and a third later. `other`: how the second one sees it. */
export async function oneOfTwoFounds(open: () => Roster, other = open): Promise<void> {
  const results = await Promise.allSettled([open(), other()].map(async (roster) => {
    await roster.prepare()
    return await found(roster)
  }))
  const groups = results.flatMap((result) => (result.status === 'fulfilled' ? [result.value] : []))
  const refusals = results.flatMap((result) => (result.status === 'rejected' ? [result.reason as unknown] : []))
  assert.equal(groups.length, 1, refusals.map(String).join('\n'))
  assertTold(refusals[0])
  const { records } = await open().list()
  assert.deepEqual(records.filter(({ name }) => name.startsWith('network/')).map(({ name, text }) => [name, text.trim()]), [[networkName(1), groups[0]?.chain.current?.jws]])
  for (const again of [open, other]) await assert.rejects(found(again()), (error) => { assertTold(error); return true })
}

function assertTold(error: unknown): void {
  assert.ok(error instanceof HoldfastError && error.code === 'already-exists' && /holds one already; join it/.test(error.message), String(error))
}
