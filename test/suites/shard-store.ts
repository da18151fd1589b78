/** What every ShardStore does, whatever it is made of: a folder, a link to a colleague's machine, a Map. */
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { HoldfastError } from '../../shared/errors.ts'
import type { ShardEntry, ShardStore } from '../../agent/network/shard-store/port.ts'
import { leafLength } from '../../agent/merkle.ts'
import { type TestOwner, makeHead, makeLive, makeOwner, makeShard, makeShards } from '../support/test-owner.ts'

export interface StoreUnderTest extends AsyncDisposable {
  readonly store: ShardStore
}

/** `certificates`: device certificates (JWS) that the store may believe in; `quota` in bytes. */
export type OpenStore = (trust: { owners: readonly TestOwner[]; certificates: readonly string[]; quota: number }) => Promise<StoreUnderTest>

const withCode = (...codes: string[]) => (error: unknown) => error instanceof HoldfastError && codes.includes(error.code)

export function shardStoreSuite(name: string, open: OpenStore): void {
  const check = (sentence: string, body: (store: ShardStore, owner: TestOwner) => Promise<void>, quota = 64 * 1_048_576) =>
    test(`${name}: ${sentence}`, async () => {
      const owner = await makeOwner()
      await using opened = await open({ owners: [owner], certificates: [owner.certificate], quota })
      await body(opened.store, owner)
    })

  for (const length of [1, 64, leafLength, leafLength + 1, 3 * 1_048_576]) {
    check(`a shard of an object of ${length} bytes comes back, header, leaves and bytes`, async (store, owner) => {
      const shard = makeShard(owner, { length })
      await store.put(shard)
      const opened = await store.open(shard)
      assert.ok(Buffer.from(shard.header).equals(opened.header))
      assert.ok(Buffer.from(shard.leaves).equals(opened.leaves))
      assert.ok(Buffer.from(shard.bytes).equals(await store.read(shard, 0, shard.bytes.length)))
    })
  }

  check('a range comes back exactly, however it lies to the leaves', async (store, owner) => {
    const shard = makeShard(owner, { length: 1_500_000 })
    await store.put(shard)
    for (const [offset, length] of [[0, 1], [65_535, 2], [65_536, 65_536], [1, 1_400_000], [shard.bytes.length - 1, 1]] as const) {
      assert.ok(Buffer.from(shard.bytes.subarray(offset, offset + length)).equals(await store.read(shard, offset, length)), `${offset}+${length}`)
    }
  })

  check('a shard that is there already costs nothing', async (store, owner) => {
    const shard = makeShard(owner)
    assert.equal(await store.put(shard), shard.bytes.length)
    assert.equal(await store.put(shard), 0)
  })

  check('what it does not have is not found', async (store, owner) => {
    const [first, second] = makeShards(owner)
    assert.ok(first !== undefined && second !== undefined)
    await store.put(first)
    await assert.rejects(store.open(second), withCode('not-found'))
    await assert.rejects(store.read(second, 0, 1), withCode('not-found'))
  })

  check('a flipped bit in bytes, leaves or header is refused and leaves nothing behind', async (store, owner) => {
    for (const part of ['bytes', 'leaves', 'header'] as const) {
      const shard = makeShard(owner)
      const damaged = Buffer.from(shard[part])
      damaged[damaged.length - 5]! ^= 1
      await assert.rejects(store.put({ ...shard, [part]: damaged }), withCode('object-damaged', 'record-invalid'), part)
      await assert.rejects(store.open(shard), withCode('not-found'))
      assert.equal(await store.put(shard), shard.bytes.length)
    }
  })

  check('list() names every shard of the owner once', async (store, owner) => {
    const shards = [...makeShards(owner, { n: 3 }), makeShard(owner, { kind: 'snapshot', length: 5_000 }), makeShard(owner, { kind: 'key', length: 700, n: 3, number: 2 })]
    for (const shard of shards) await store.put(shard)
    const listed: ShardEntry[] = []
    for await (const entry of store.list(owner.root.id)) listed.push(entry)
    const key = (shard: { id: string; number: number }) => `${shard.id}.${shard.number}`
    assert.deepEqual(listed.map(key).sort(), shards.map(key).sort())
    const snapshot = listed.find((entry) => entry.kind === 'snapshot')
    assert.deepEqual([snapshot?.k, snapshot?.n, snapshot?.length, snapshot?.owner], [1, 2, 5_000, owner.root.id])
  })

  check('the head with the highest seq stays, whatever comes after it', async (store, owner) => {
    const [first, second, third] = [await makeHead(owner, 1), await makeHead(owner, 2, makeLive(40)), await makeHead(owner, 3, makeLive(0))]
    await store.putHead(second)
    await store.putHead(first)
    const kept = await store.heads(owner.root.id)
    assert.deepEqual(kept.map((head) => [head.head, head.certificate]), [[second.head, second.certificate]])
    assert.ok(Buffer.from(second.live).equals(kept[0]!.live))
    await store.putHead(third)
    assert.deepEqual((await store.heads(owner.root.id)).map((head) => [head.head, head.live.length]), [[third.head, 0]])
  })

  check('a head whose live list is not the signed one is refused', async (store, owner) => {
    const head = await makeHead(owner, 1)
    await assert.rejects(store.putHead({ ...head, live: makeLive(3) }), withCode('record-invalid'))
    await assert.rejects(store.putHead({ ...head, head: `${head.head.slice(0, -4)}AAAA` }), withCode('record-invalid'))
    assert.deepEqual(await store.heads(owner.root.id), [])
  })

  check('what does not fit the quota is refused, and the space says so', async (store, owner) => {
    const before = await store.space()
    assert.ok(before.free <= 1_000_000 && before.quota === 1_000_000)
    await assert.rejects(store.put(makeShard(owner, { length: 1_100_000 })), withCode('quota-exceeded'))
    await store.put(makeShard(owner, { length: 300_000 }))
    const after = await store.space()
    assert.ok(after.used >= 300_000 && after.free <= 700_000)
  }, 1_000_000)

  check('a call that was cancelled before it began rejects', async (store, owner) => {
    const shard = makeShard(owner)
    const signal = AbortSignal.abort(new HoldfastError('cancelled', 'Cannot store the shard: cancelled'))
    await assert.rejects(store.put(shard, { signal }))
    await assert.rejects(store.open(shard), withCode('not-found'))
  })
}
