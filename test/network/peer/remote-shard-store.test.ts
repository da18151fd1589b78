import { RemoteShardStore } from '../../../agent/network/peer/remote-shard-store.ts'
import { shardStoreSuite } from '../../suites/shard-store.ts'
import { MemoryShardStore } from '../../support/memory-shard-store.ts'
import { TestGroup } from '../../support/peer-group.ts'

shardStoreSuite('a colleague over a link', async ({ owners, certificates, quota }) => {
  const group = await TestGroup.create()
  const holder = await group.open('holder', { store: new MemoryShardStore(certificates, quota) })
  const device = await group.open('device', { owners })
  const link = await device.dial(holder)
  return {
    store: new RemoteShardStore(async () => link),
    async [Symbol.asyncDispose]() {
      await link[Symbol.asyncDispose]()
      await group[Symbol.asyncDispose]()
    },
  }
})
