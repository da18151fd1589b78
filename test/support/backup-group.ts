/** An owner's whole backup in one process: real files, repository, dispersal and heads, and holders that keep folders. */
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { verifyDeviceCertificate } from '../../agent/identity/device.ts'
import { idToBytes } from '../../agent/identity/machine.ts'
import { generateWords, ownerFromWords } from '../../agent/identity/owner.ts'
import { storeRoot } from '../../agent/commands/store-root.ts'
import { DeviceKeys } from '../../agent/network/device-keys.ts'
import { HeadDistribution } from '../../agent/network/head-distribution.ts'
import { FolderShardStore } from '../../agent/network/shard-store/folder.ts'
import { createKeyring } from '../../agent/repository/keyring.ts'
import { Repository } from '../../agent/repository/repository.ts'
import type { Snapshot, SnapshotRoot } from '../../agent/repository/snapshot.ts'
import { makeGroup } from './shard-group.ts'
import { makeOwner } from './test-owner.ts'
import { recipientsOf } from './test-repository.ts'

export interface BackupGroup extends AsyncDisposable {
  readonly words: string
  /** Of the owner, one a holder: what somebody would copy off that machine's disk. */
  readonly folders: readonly string[]
  readonly repository: Repository
  backUp(...paths: string[]): Promise<Snapshot>
}

/** Everything lies below `directory`, which is the caller's to remove; end the group before reading its folders. */
export async function makeBackupGroup(directory: string, { machines, redundancy }: { machines: number; redundancy: string }): Promise<BackupGroup> {
  await using stack = new AsyncDisposableStack()
  const words = generateWords()
  const owner = await makeOwner({ root: ownerFromWords(words) })
  const device = await verifyDeviceCertificate(owner.certificate)
  const homes = Array.from({ length: machines }, (_, at) => join(directory, `holder-${at}`))
  const stores: FolderShardStore[] = []
  for (const path of homes) stores.push(stack.use(await FolderShardStore.open({ path, minFree: 0, certificateOf: () => device })))
  const group = stack.use(await makeGroup(machines, { redundancy, owner, stores }))
  const keys = new DeviceKeys()
  await keys.learn(owner.certificate)
  mkdirSync(join(directory, 'repository'))
  const heads = new HeadDistribution({ owner: owner.root.id, holders: group.dispersal.holders, keys, path: join(directory, 'repository', 'published.head') })
  const repository = stack.use(await Repository.create({
    store: group.dispersal, heads, machine: owner.machine, certificate: owner.certificate, directory: join(directory, 'repository'),
    clock: Date.now, random: (length) => randomBytes(length), threads: 1,
    keyring: createKeyring(owner.root.id, { random: (length) => randomBytes(length), recipients: recipientsOf(owner.root, owner.machine) }),
  }))
  const owned = stack.move()
  return {
    words, repository, folders: homes.map((home) => join(home, idToBytes(owner.root.id).toString('hex'))),
    async backUp(...paths) {
      const { signal } = new AbortController()
      await using session = await repository.beginBackup({ host: 'desk' })
      const roots: SnapshotRoot[] = []
      for (const path of paths) {
        const { entry } = await storeRoot(session, { path, previous: session.previousRoot(path), signal, now: Date.now, scan: {} })
        if (entry !== undefined) roots.push({ path, entry: { ...entry, name: basename(path) } })
      }
      return (await session.finish({ roots })).snapshot
    },
    async [Symbol.asyncDispose]() {
      await owned[Symbol.asyncDispose]()
    },
  }
}
