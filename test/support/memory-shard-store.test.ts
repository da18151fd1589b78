import { MemoryShardStore } from './memory-shard-store.ts'
import { shardStoreSuite } from '../suites/shard-store.ts'

shardStoreSuite('a store in memory', async ({ certificates, quota }) => ({
  store: new MemoryShardStore(certificates, quota),
  async [Symbol.asyncDispose]() { /* nothing is held open */ },
}))
