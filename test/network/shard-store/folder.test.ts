import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { verifyDeviceCertificate } from '../../../agent/identity/device.ts'
import { FolderShardStore } from '../../../agent/network/shard-store/folder.ts'
import { shardStoreSuite } from '../../suites/shard-store.ts'

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
