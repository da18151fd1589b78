import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { RemoteShardStore } from '../../../agent/network/peer/remote-shard-store.ts'
import { FolderShardStore } from '../../../agent/network/shard-store/folder.ts'
import type { TransferringShardStore } from '../../../agent/network/shard-store/port.ts'
import { verifyDeviceCertificate } from '../../../agent/identity/device.ts'
import { type StoreUnderTest, shardStoreSuite } from '../../suites/shard-store.ts'
import { MemoryShardStore } from '../../support/memory-shard-store.ts'
import { TestGroup } from '../../support/peer-group.ts'
import type { TestOwner } from '../../support/test-owner.ts'

async function overLink(store: TransferringShardStore, owners: readonly TestOwner[], leave: () => Promise<void>): Promise<StoreUnderTest> {
  const group = await TestGroup.create()
  const holder = await group.open('holder', { store })
  const device = await group.open('device', { owners })
  const link = await device.dial(holder)
  return {
    store: new RemoteShardStore(async () => link),
    async [Symbol.asyncDispose]() {
      await link[Symbol.asyncDispose]()
      await group[Symbol.asyncDispose]()
      await leave()
    },
  }
}

shardStoreSuite('a colleague with a store in memory, over a link', async ({ owners, certificates, quota }) =>
  await overLink(new MemoryShardStore(certificates, quota), owners, async () => undefined))

shardStoreSuite('a colleague with a folder, over a link', async ({ owners, certificates, quota }) => {
  const path = await mkdtemp(join(tmpdir(), 'holdfast-peer-'))
  const known = await Promise.all(certificates.map(verifyDeviceCertificate))
  const store = await FolderShardStore.open({
    path, quota, minFree: 0, certificateOf: (owner, machine) => known.find((device) => device.owner === owner && device.machine === machine),
  })
  return await overLink(store, owners, async () => {
    await store[Symbol.asyncDispose]()
    await rm(path, { recursive: true })
  })
})
