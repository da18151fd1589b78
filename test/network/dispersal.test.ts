import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../../shared/errors.ts'
import { type ShardGroup, makeGroup, makeObject } from '../support/shard-group.ts'

const withCode = (...codes: string[]) => (error: unknown) => error instanceof HoldfastError && codes.includes(error.code)
const levels = [['mirror-2', 1, 2], ['mirror-3', 1, 3], ['2-of-3', 2, 3], ['4-of-5', 4, 5], ['2-of-4', 2, 4], ['3-of-5', 3, 5], ['4-of-6', 4, 6], ['triple', 3, 6]] as const
const lengths = [1, 100_000, 700_001, 5 * 1_048_576 + 77]

function* subsets<T>(items: readonly T[], size: number): Generator<T[]> {
  if (size === 0) yield []
  for (const [at, item] of items.entries()) {
    if (size > 0) for (const rest of subsets(items.slice(at + 1), size - 1)) yield [item, ...rest]
  }
}

function switchOff(group: ShardGroup, gone: readonly number[]): void {
  for (const [at, { store }] of group.machines.entries()) store.faults.gone = gone.includes(at)
}

for (const [redundancy, k, n] of levels) {
  test(`${redundancy}: any ${n - k} of ${n} machines may be gone, one more and the error counts what is left`, async () => {
    await using group = await makeGroup(n, { redundancy })
    const objects = lengths.map((length) => makeObject(length))
    for (const object of objects) {
      const receipt = await group.dispersal.put(object)
      assert.deepEqual([receipt.placed, receipt.wanted], [n, n])
    }
    const machines = group.machines.map((_, at) => at)
    for (const gone of subsets(machines, n - k)) {
      switchOff(group, gone)
      const reader = await group.fresh()
      for (const { copy, ...object } of objects) assert.ok(copy.equals(await reader.get(object)), `without ${gone.join(', ')}`)
    }
    for (const gone of subsets(machines, n - k + 1)) {
      switchOff(group, [])
      const reader = await group.fresh()
      await reader.refresh()
      switchOff(group, gone)
      await assert.rejects(reader.get(objects[2]!), (error) => withCode('object-missing')(error)
        && assert.deepEqual((error as HoldfastError).details, {
          id: objects[2]!.id, have: k - 1, need: k, missing: gone.map((at) => `machine-${at}`),
        }) === undefined)
    }
  })
}
