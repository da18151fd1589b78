/** A peer that speaks protocol version 1 as docs/protocol.md says still exchanges shards with today's agent. */
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { FolderShardStore } from '../../../agent/network/shard-store/folder.ts'
import { RemoteShardStore } from '../../../agent/network/peer/remote-shard-store.ts'
import { TestGroup } from '../../support/peer-group.ts'
import { ProtocolOneLink } from '../../support/protocol-one.ts'
import { ProtocolOneDoor } from '../../support/protocol-one-door.ts'
import { scratchFolder } from '../../support/scratch-folder.ts'
import { makeHead, makeOwner, makeShard } from '../../support/test-owner.ts'

/** An owner's machine of protocol 1 with a link to today's door, behind which a folder lies. */
async function linked(t: TestContext) {
  const group = await TestGroup.create()
  const owner = await makeOwner()
  const old = await group.agent('old', { owners: [owner] })
  const path = await scratchFolder(t)
  const store = await FolderShardStore.open({ path, minFree: 0, certificateOf: (of, machine) => old.membership.deviceOf(of, machine) })
  const today = await group.open('today', { store })
  const link = await ProtocolOneLink.dial(today.door.port, today.id, { ...old.identity, record: old.record })
  t.after(async () => {
    await link[Symbol.asyncDispose]()
    await group[Symbol.asyncDispose]()
    await store[Symbol.asyncDispose]()
  })
  return { owner, link, store }
}

test('a peer of protocol 1 stores a small shard by messages and reads it back', async (t) => {
  const { owner, link } = await linked(t)
  const hello = await link.request('hello', { protocols: [1], time: Date.now() })
  assert.deepEqual([hello.ok, hello['protocol'], typeof hello['agent']], [true, 1, 'string'])
  const { header, leaves, bytes, id, number } = makeShard(owner, { length: 150_000 })
  const begun = await link.request('shard.begin', { header, leaves })
  assert.deepEqual([begun.ok, begun['offset']], [true, 0])
  const transfer = begun['transfer']
  assert.deepEqual(await link.request('shard.data', { transfer, offset: 0, bytes: bytes.subarray(0, 100_000) }), { ok: true, received: 100_000 })
  assert.deepEqual(await link.request('shard.data', { transfer, offset: 100_000, bytes: bytes.subarray(100_000) }), { ok: true, received: bytes.length })
  assert.deepEqual(await link.request('shard.commit', { transfer }), { ok: true, stored: true })
  assert.deepEqual(await link.request('shard.begin', { header, leaves }), { ok: true, stored: true })

  const ref = { owner: owner.root.id, id, number }
  assert.deepEqual(await link.request('shard.open', ref), { ok: true, header: Buffer.from(header), leaves: Buffer.from(leaves) })
  const read = await link.request('shard.read', { ...ref, offset: 65_536, length: 65_536 })
  assert.deepEqual(read, { ok: true, bytes: Buffer.from(bytes.subarray(65_536, 131_072)) })
  const listed = await link.request('shard.list', { owner: owner.root.id, limit: 10 })
  assert.deepEqual(listed, { ok: true, shards: [{ kind: 'pack', id, k: 1, n: 2, number, length: 150_000 }], more: false })
})

test('a peer of protocol 1 stores a large shard over a lane and reads it back', async (t) => {
  const { owner, link } = await linked(t)
  const { header, leaves, bytes, id, number } = makeShard(owner, { length: 5_000_000 })
  const { transfer } = await link.request('shard.begin', { header, leaves })
  await link.send(transfer as number, bytes)
  assert.deepEqual(await link.request('shard.commit', { transfer }), { ok: true, stored: true })
  const range = { offset: 65_536, length: 3 * 1_048_576 }
  const [answer, got] = await Promise.all([
    link.request('shard.send', { owner: owner.root.id, id, number, ...range, as: 7 }), link.receive(7, range.length),
  ])
  assert.deepEqual(answer, { ok: true })
  assert.ok(got.equals(bytes.subarray(range.offset, range.offset + range.length)))
})

test('a peer of protocol 1 publishes heads, by difference too, and lists them', async (t) => {
  const { owner, link } = await linked(t)
  const first = await makeHead(owner, 1)
  const none = new Uint8Array(0)
  const { certificate, head, live } = first
  assert.deepEqual(await link.request('head.put', { certificate, head, live: { from: 0, add: live.subarray(0, 41), drop: none, more: true } }), { ok: true, need: 'more' })
  assert.deepEqual(await link.request('head.put', { certificate, head, live: { from: 0, add: live.subarray(41), drop: none, more: false } }), { ok: true, seq: 1 })
  const second = await makeHead(owner, 2, live.subarray(41))
  assert.deepEqual(await link.request('head.put', { certificate, head: second.head, live: { from: 1, add: none, drop: live.subarray(0, 41), more: false } }), { ok: true, seq: 2 })
  const listed = await link.request('head.list', { owner: owner.root.id })
  assert.deepEqual(listed, { ok: true, heads: [{ machine: owner.machine.id, seq: 2, certificate, head: second.head, live: 82 }], more: false })
  assert.deepEqual(await link.request('head.live', { owner: owner.root.id, machine: owner.machine.id, seq: 2, offset: 0, length: 82 }), { ok: true, bytes: Buffer.from(live.subarray(41)) })
})

test('a peer of protocol 1 gossips: it is told what it lacks and asked for what it has', async (t) => {
  const { link } = await linked(t)
  const answer = await link.request('gossip', { network: [], peers: [], heads: [], certificates: [], coverage: [] })
  assert.equal(answer.ok, true)
  assert.ok((answer['records'] as string[]).length >= 2)
  for (const member of ['heads', 'coverage', 'ages']) assert.ok(Array.isArray(answer[member]), member)
  for (const member of ['network', 'peers', 'heads', 'certificates', 'coverage']) assert.ok(Array.isArray((answer['want'] as Record<string, unknown>)[member]), member)
  assert.deepEqual(await link.request('gossip.push', { records: [], heads: [], coverage: [] }), { ok: true })
})

test('today\'s agent stores shards at a peer of protocol 1, by messages and over a lane, and reads them back', async () => {
  await using group = await TestGroup.create()
  const owner = await makeOwner()
  const today = await group.agent('today', { owners: [owner] })
  const old = await group.agent('old')
  await using door = new ProtocolOneDoor(old.identity)
  const port = await door.listen()
  await using link = await today.dialTo({ name: 'old', host: '127.0.0.1', port, pin: { id: old.id, certificate: old.identity.certificate } })
  const store = new RemoteShardStore(async () => link)
  for (const length of [100_000, 3_000_000]) {
    const shard = makeShard(owner, { length })
    const sent = Buffer.from(shard.bytes)
    await store.put(shard)
    assert.deepEqual(await store.open(shard), { header: Buffer.from(shard.header), leaves: Buffer.from(shard.leaves) })
    assert.ok(sent.equals(await store.read(shard, 0, sent.length)))
  }
  assert.deepEqual(new Set(door.asked), new Set(['hello', 'shard.begin', 'shard.data', 'shard.commit', 'shard.open', 'shard.read', 'shard.send']))
})
