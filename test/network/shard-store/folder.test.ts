import assert from 'node:assert/strict'
import { copyFile, mkdir, mkdtemp, open as openFile, readFile, readdir, rm, truncate, utimes } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { test } from 'node:test'
import { HoldfastError } from '../../../shared/errors.ts'
import { verifyDeviceCertificate } from '../../../agent/identity/device.ts'
import { idToBytes } from '../../../agent/identity/machine.ts'
import { FolderIndex } from '../../../agent/network/shard-store/folder-index.ts'
import { type FolderOptions, FolderShardStore } from '../../../agent/network/shard-store/folder.ts'
import type { NewShard } from '../../../agent/network/shard-store/port.ts'
import { shardStoreSuite } from '../../suites/shard-store.ts'
import { type TestOwner, makeHead, makeLive, makeOwner, makeShard, makeShards } from '../../support/test-owner.ts'

shardStoreSuite('a folder', async ({ certificates, quota }) => {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-folder-'))
  const known = await Promise.all(certificates.map(verifyDeviceCertificate))
  const store = await FolderShardStore.open({
    path, quota, minFree: 0, certificateOf: (owner, machine) => known.find((device) => device.owner === owner && device.machine === machine),
  })
  return {
    store,
    async [Symbol.asyncDispose]() {
      await store[Symbol.asyncDispose]()
      await rm(path, { recursive: true })
    },
  }
})

const withCode = (...codes: string[]) => (error: unknown) => error instanceof HoldfastError && codes.includes(error.code)

interface Fixture extends AsyncDisposable {
  readonly path: string
  readonly owner: TestOwner
  store: FolderShardStore
  reopen(options?: Partial<FolderOptions>): Promise<FolderShardStore>
}

/** A folder that outlives its store. `reports` of unusable files make the test fail unless it asks for them. */
async function fixture(options: Partial<FolderOptions> = {}): Promise<Fixture> {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-folder-'))
  const owner = await makeOwner()
  const device = await verifyDeviceCertificate(owner.certificate)
  const open = async (more: Partial<FolderOptions> = {}): Promise<FolderShardStore> => await FolderShardStore.open({
    path, minFree: 0, certificateOf: (id, machine) => device.owner === id && device.machine === machine ? device : undefined, ...options, ...more,
  })
  const opened: Fixture = {
    path, owner, store: await open(),
    async reopen(more) {
      await this.store[Symbol.asyncDispose]()
      this.store = await open(more)
      return this.store
    },
    async [Symbol.asyncDispose]() {
      await this.store[Symbol.asyncDispose]()
      await rm(path, { recursive: true })
    },
  }
  return opened
}

const fileOf = (path: string, shard: NewShard) => join(path, idToBytes(shard.owner).toString('hex'), `${shard.id}.${shard.number}.shard`)

async function listed(store: FolderShardStore, owner: TestOwner): Promise<string[]> {
  const names: string[] = []
  for await (const { id, number } of store.list(owner.root.id)) names.push(`${id}.${number}`)
  return names.sort()
}

test('a shard file is header, leaves and bytes, as the format says', async () => {
  await using folder = await fixture()
  const shard = makeShard(folder.owner, { length: 300_000 })
  await folder.store.put(shard)
  assert.ok((await readFile(fileOf(folder.path, shard))).equals(Buffer.concat([shard.header, shard.leaves, shard.bytes])))
})

test('an interrupted transfer goes on at the last whole leaf, and a forged part of it does not count', async () => {
  await using folder = await fixture()
  const shard = makeShard(folder.owner, { length: 500_000 })
  const first = await folder.store.begin(shard)
  assert.ok(first !== 'stored' && first.offset === 0)
  await first.write(shard.bytes.subarray(0, 200_000))
  await folder.reopen()
  const second = await folder.store.begin(shard)
  assert.ok(second !== 'stored' && second.offset === 3 * 65_536)
  await second.close()
  const [partial] = (await readdir(join(folder.path, 'incoming')))
  const file = await openFile(join(folder.path, 'incoming', partial!), 'r+')
  await file.write(Buffer.of(1, 2, 3), 0, 3, shard.header.length + shard.leaves.length + 70_000)
  await file.close()
  const third = await folder.store.begin(shard)
  assert.ok(third !== 'stored' && third.offset === 65_536)
  await third.write(shard.bytes.subarray(third.offset, 100_001))
  await third.write(shard.bytes.subarray(100_001))
  await third.commit()
  assert.ok(Buffer.from(shard.bytes).equals(await folder.store.read(shard, 0, shard.bytes.length)))
  assert.equal(await folder.store.begin(shard), 'stored')
  assert.deepEqual(await readdir(join(folder.path, 'incoming')), [])
})

test('put() sends only the rest of an interrupted transfer', async () => {
  await using folder = await fixture()
  const shard = makeShard(folder.owner, { length: 300_000 })
  const transfer = await folder.store.begin(shard)
  assert.ok(transfer !== 'stored')
  await transfer.write(shard.bytes.subarray(0, 131_072))
  await transfer.close()
  assert.equal(await folder.store.put(shard), shard.bytes.length - 131_072)
})

test('a transfer that lacks bytes, has too many or a wrong leaf is not committed', async () => {
  await using folder = await fixture()
  const shard = makeShard(folder.owner, { length: 100_000 })
  for (const bytes of [shard.bytes.subarray(0, 99_000), Buffer.concat([shard.bytes, Buffer.alloc(1)]), Buffer.alloc(shard.bytes.length)]) {
    const transfer = await folder.store.begin(shard)
    assert.ok(transfer !== 'stored')
    await assert.rejects(transfer.write(bytes).then(async () => await transfer.commit()), withCode('object-damaged'))
    assert.deepEqual(await readdir(join(folder.path, 'incoming')), [])
  }
  await assert.rejects(folder.store.open(shard), withCode('not-found'))
})

test('puts of one shard at the same time store it once', async () => {
  await using folder = await fixture()
  const shard = makeShard(folder.owner)
  const sent = await Promise.all([folder.store.put(shard), folder.store.put(shard), folder.store.put(shard)])
  assert.deepEqual(sent.sort(), [0, 0, shard.bytes.length].sort())
})

test('of two transfers of one shard that begin at the same time the later one goes on alone, and no byte is lost', async () => {
  const gate = Promise.withResolvers<void>()
  let resumed = 0
  await using folder = await fixture({
    openFile: async (path, flags, mode) => {
      if (flags === 'r+' && ++resumed === 3) await gate.promise
      return await openFile(path, flags, mode)
    },
  })
  const shard = makeShard(folder.owner, { length: 3_000_000 })
  const begin = async () => {
    const transfer = await folder.store.begin(shard)
    assert.ok(transfer !== 'stored')
    return transfer
  }
  const interrupted = await begin()
  await interrupted.write(shard.bytes.subarray(0, 200_000))
  await interrupted.close()
  const [first, second] = [begin(), begin()]
  const earlier = await first
  await assert.rejects(async () => {
    await earlier.write(shard.bytes.subarray(earlier.offset, 1_500_000))
    gate.resolve()
    await second
    await earlier.write(shard.bytes.subarray(1_500_000))
    await earlier.commit()
  }, withCode('cancelled'))
  gate.resolve()
  const later = await second
  await later.write(shard.bytes.subarray(later.offset))
  await later.commit()
  assert.ok(Buffer.from(shard.bytes).equals(await folder.store.read(shard, 0, shard.bytes.length)))
})

test('the list is the same after a clean stop, a crash, and the loss of its index', async () => {
  await using folder = await fixture()
  const shards = [...makeShards(folder.owner, { n: 3 }), makeShard(folder.owner, { kind: 'key', length: 900 })]
  for (const shard of shards) await folder.store.put(shard)
  const names = await listed(folder.store, folder.owner)
  const { used } = await folder.store.space()
  assert.equal(names.length, 4)
  assert.deepEqual(await listed(await folder.reopen(), folder.owner), names)
  await folder.store[Symbol.asyncDispose]()
  await rm(join(folder.path, 'index.sqlite'))
  const again = await FolderShardStore.open({ path: folder.path, minFree: 0, certificateOf: () => undefined })
  assert.deepEqual(await listed(again, folder.owner), names)
  assert.equal((await again.space()).used, used)
  folder.store = again
})

test('after a crash the index follows the folder: new files are found, missing ones forgotten, broken ones reported', async () => {
  await using folder = await fixture()
  const [kept, lost, unknown, broken] = makeShards(folder.owner, { n: 4 }) as [NewShard, NewShard, NewShard, NewShard]
  for (const shard of [kept, lost, unknown, broken]) await folder.store.put(shard)
  await folder.store[Symbol.asyncDispose]()
  const index = new DatabaseSync(join(folder.path, 'index.sqlite'))
  index.exec("UPDATE marks SET value = 0 WHERE name = 'clean'; DELETE FROM shards WHERE number >= 2")
  index.close()
  await rm(fileOf(folder.path, lost))
  await truncate(fileOf(folder.path, broken), 1_000)
  const reports: unknown[] = []
  folder.store = await FolderShardStore.open({ path: folder.path, minFree: 0, certificateOf: () => undefined, report: (error) => reports.push(error) })
  assert.deepEqual(await listed(folder.store, folder.owner), [`${kept.id}.0`, `${kept.id}.2`])
  assert.equal(reports.length, 1)
})

test('what a power failure leaves of the index never passes for a clean stop', async () => {
  await using folder = await fixture()
  await folder.reopen() // after a clean stop
  const copy = join(folder.path, 'main-file-alone.sqlite')
  await copyFile(join(folder.path, 'index.sqlite'), copy) // without what is in the log, as if nobody had synced that
  const index = new FolderIndex(copy)
  assert.equal(index.isClean(), false)
  index[Symbol.dispose]()
})

test('old remains in incoming/ that cannot be removed are reported, and the store opens', async () => {
  const reports: unknown[] = []
  await using folder = await fixture({ report: (error) => { reports.push(error) } })
  const stuck = join(folder.path, 'incoming', 'stuck.partial')
  await mkdir(stuck)
  await utimes(stuck, 0, 0)
  await folder.reopen()
  assert.equal(reports.length, 1)
})

test('a shard that rotted on the disk is taken in again', async () => {
  await using folder = await fixture({ report: () => undefined })
  const shard = makeShard(folder.owner)
  await folder.store.put(shard)
  const file = await openFile(fileOf(folder.path, shard), 'r+')
  await file.write(Buffer.of(9, 9, 9), 0, 3, 150_000)
  await file.close()
  assert.equal(await folder.store.put(shard), shard.bytes.length)
  assert.ok(Buffer.from(shard.bytes).equals(await folder.store.read(shard, 0, shard.bytes.length)))
  assert.equal(await folder.store.put(shard), 0)
})

test('another shard under the name of one that is here is refused', async () => {
  await using folder = await fixture()
  const shard = makeShard(folder.owner)
  await folder.store.put(shard)
  await assert.rejects(folder.store.put(makeShard(folder.owner, { id: shard.id })), withCode('already-exists'))
  assert.ok(Buffer.from(shard.bytes).equals(await folder.store.read(shard, 0, shard.bytes.length)))
})

test('a full disk is refused cleanly and gets its space back', async () => {
  let left = 150_000
  const openFull: FolderOptions['openFile'] = async (path, flags, mode) => {
    const file = await openFile(path, flags, mode)
    const write = file.write.bind(file) as (bytes: Uint8Array, offset: number, length: number, position: number) => Promise<{ bytesWritten: number; buffer: Uint8Array }>
    file.write = (async (bytes: Uint8Array, offset: number, length: number, position: number) => {
      if (left <= 0) throw Object.assign(new Error('no space left on device'), { code: 'ENOSPC' })
      const taken = Math.min(left, length)
      left -= taken
      return await write(bytes, offset, taken, position)
    }) as typeof file.write
    return file
  }
  await using folder = await fixture({ openFile: openFull })
  const shard = makeShard(folder.owner)
  await assert.rejects(folder.store.put(shard), withCode('disk-full'))
  assert.deepEqual(await readdir(join(folder.path, 'incoming')), [])
  assert.equal((await folder.store.space()).used, 0)
  left = Infinity
  assert.equal(await folder.store.put(shard), shard.bytes.length)
})

test('the reserve of the disk holds with and without a quota, and 0 switches it off', async () => {
  await using folder = await fixture()
  const shard = makeShard(folder.owner, { length: 10_000 })
  for (const quota of [undefined, 1e9]) {
    const store = await folder.reopen({ minFree: 1, quota })
    assert.equal((await store.space()).free, 0)
    await assert.rejects(store.put(shard), withCode('quota-exceeded'))
  }
  const store = await folder.reopen({ minFree: 0, quota: 1e9 })
  assert.equal((await store.space()).free, 1e9)
  assert.equal(await store.put(shard), shard.bytes.length)
})

test('transfers under way count against the quota', async () => {
  await using folder = await fixture({ quota: 500_000 })
  const [first, second] = makeShards(folder.owner, { length: 300_000 }) as [NewShard, NewShard]
  const transfer = await folder.store.begin(first)
  assert.ok(transfer !== 'stored')
  await assert.rejects(folder.store.begin(second), withCode('quota-exceeded'))
  await transfer.close()
  assert.equal(await folder.store.put(second), second.bytes.length)
})

test('an owner far beyond its fair share is refused with a reason once space is short, and not before', async () => {
  await using folder = await fixture({ quota: 1_000_000, fairShare: () => 100_000 })
  for (let at = 0; at < 4; at++) await folder.store.put(makeShard(folder.owner, { length: 100_000 }))
  await assert.rejects(folder.store.put(makeShard(folder.owner, { length: 150_000 })), (error: unknown) =>
    withCode('quota-exceeded')(error) && /1 MB of this owner are here, 1 MB are its fair share/.test((error as Error).message))
  assert.equal(folder.store.account(folder.owner.root.id).used, (await folder.store.space()).used)
})

test('a device of an older epoch is shut out, but what the new one still names may be repaired', async () => {
  await using folder = await fixture()
  const { owner } = folder
  const [named, other] = [makeShard(owner, { length: 5_000 }), makeShard(owner, { length: 5_000 })]
  const recovered = await makeOwner({ root: owner.root, epoch: 2 })
  const entry = Buffer.alloc(41)
  entry[0] = 1
  Buffer.from(named.id, 'hex').copy(entry, 1)
  entry.writeBigUInt64LE(5_000n, 33)
  await folder.store.putHead(await makeHead(owner, 1, entry))
  await folder.store.putHead(await makeHead(recovered, 1, entry))
  await assert.rejects(folder.store.putHead(await makeHead(owner, 2, entry)), withCode('revoked'))
  await assert.rejects(folder.store.put(other), withCode('revoked'))
  assert.equal(await folder.store.put(named), named.bytes.length)
  assert.equal(folder.store.ownerEpoch(owner.root.id), 2)
  await folder.reopen()
  await assert.rejects(folder.store.put(other), withCode('revoked'))
  await folder.store.putHead(await makeHead(recovered, 2, Buffer.alloc(0)))
  await rm(fileOf(folder.path, named))
  await assert.rejects(folder.store.put(named), withCode('revoked'))
})

test('the head of a lost device is still taken in when a newer device has adopted it, for its certificate alone', async () => {
  await using folder = await fixture()
  const { owner } = folder
  const lost = await makeOwner({ root: owner.root })
  const recovered = await makeOwner({ root: owner.root, epoch: 2 })
  const live = makeLive(2)
  await folder.store.putHead(await makeHead(recovered, 1, live, [{ machine: lost.machine.id, seq: 7 }]))
  await assert.rejects(folder.store.putHead(await makeHead(lost, 8)), withCode('revoked')) // by whoever has the stolen machine
  await assert.rejects(folder.store.putHead(await makeHead(owner, 1)), withCode('revoked'))
  await folder.store.putHead(await makeHead(lost, 7, makeLive(3)))
  await assert.rejects(folder.store.put(makeShard(lost)), withCode('revoked'))

  // What the new one names may now be repaired here under the lost one's signature, and this folder alone proves it.
  const shard = makeShard(lost, { id: Buffer.from(live.subarray(1, 33)).toString('hex') as NewShard['id'] })
  assert.equal(await folder.store.put(shard), shard.bytes.length)
  await folder.reopen()
  assert.deepEqual((await folder.store.heads(owner.root.id)).map(({ certificate }) => certificate).sort(), [lost.certificate, recovered.certificate].sort())
})

test('a shard of a device without a certificate, or of an epoch above its certificate, is refused', async () => {
  await using folder = await fixture()
  await assert.rejects(folder.store.put(makeShard(await makeOwner())), withCode('record-invalid'))
  await assert.rejects(folder.store.put(makeShard({ ...folder.owner, epoch: 2 })), withCode('record-invalid'))
})

test('a head whose list is out of order, doubled or of another length is not taken, and the one before stays', async () => {
  await using folder = await fixture()
  const { store, owner } = folder
  const before = await makeHead(owner, 1)
  await store.putHead(before)
  const live = makeLive(3)
  const [first, second, third] = [live.subarray(0, 41), live.subarray(41, 82), live.subarray(82)] as const
  for (const list of [[second, first, third], [first, first, second], [first, second, third, third]]) {
    await assert.rejects(store.putHead(await makeHead(owner, 2, Buffer.concat(list))), withCode('record-invalid'))
  }
  await assert.rejects(store.putHead({ ...await makeHead(owner, 2, live), live: live.subarray(0, 81) }), withCode('record-invalid'))
  assert.deepEqual((await store.heads(owner.root.id)).map(({ head }) => head), [before.head])
  await store.putHead(await makeHead(owner, 2, live))
  assert.ok(live.equals((await store.heads(owner.root.id))[0]!.live))
})

test('heads survive the loss of either database, and a second head of one seq is refused', async () => {
  await using folder = await fixture()
  const { owner } = folder
  const [first, second] = [await makeHead(owner, 1, makeLive(20)), await makeHead(owner, 2, makeLive(30))]
  await folder.store.putHead(first)
  await folder.store.putHead(second)
  await assert.rejects(folder.store.putHead(await makeHead(owner, 2, makeLive(2))), withCode('key-cloned'))
  const beside = join(folder.path, idToBytes(owner.root.id).toString('hex'), `${idToBytes(owner.machine.id).toString('hex')}.head`)
  assert.deepEqual(JSON.parse(await readFile(beside, 'utf8')), { v: 1, certificate: second.certificate, head: second.head, live: Buffer.from(second.live).toString('base64') })
  await folder.store[Symbol.asyncDispose]()
  for (const name of ['heads.sqlite', 'index.sqlite']) await rm(join(folder.path, name))
  folder.store = await FolderShardStore.open({ path: folder.path, minFree: 0, certificateOf: () => undefined })
  const [kept] = await folder.store.heads(owner.root.id)
  assert.equal(kept?.head, second.head)
  assert.ok(Buffer.from(second.live).equals(kept!.live))
})
