/** An owner's whole backup in one process: real files, repository, dispersal and heads, and holders that keep folders. */
import { randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { basename, join } from 'node:path'
import { issueDeviceCertificate, verifyDeviceCertificate } from '../../agent/identity/device.ts'
import { generateMachine, idToBytes } from '../../agent/identity/machine.ts'
import { generateWords, ownerFromWords } from '../../agent/identity/owner.ts'
import { storeRoot } from '../../agent/commands/store-root.ts'
import { DeviceKeys } from '../../agent/network/device-keys.ts'
import { HeadDistribution } from '../../agent/network/head-distribution.ts'
import type { Dispersal } from '../../agent/network/dispersal.ts'
import { type FolderOptions, FolderShardStore } from '../../agent/network/shard-store/folder.ts'
import { addRecipient, createKeyring } from '../../agent/repository/keyring.ts'
import { ownerOpener, recoverKeyring } from '../../agent/repository/recovery.ts'
import { Repository } from '../../agent/repository/repository.ts'
import type { Snapshot, SnapshotRoot } from '../../agent/repository/snapshot.ts'
import type { FakeTime } from './fake-time.ts'
import { type GroupMachine, makeGroup } from './shard-group.ts'
import { type TestOwner, makeOwner } from './test-owner.ts'
import { recipientsOf } from './test-repository.ts'

export interface BackupGroup extends AsyncDisposable {
  readonly words: string
  /** Of the owner, one a holder: what somebody would copy off that machine's disk. */
  readonly folders: readonly string[]
  readonly owner: TestOwner
  readonly stores: readonly FolderShardStore[]
  /** How the owner reaches them. */
  readonly machines: readonly GroupMachine[]
  readonly dispersal: Dispersal
  readonly repository: Repository
  /** The owner on an empty machine, with the words and the holders alone. */
  recover(): Promise<Repository>
  backUp(...paths: string[]): Promise<Snapshot>
}

export interface BackupGroupOptions {
  readonly machines: number
  readonly redundancy: string
  /** Turns the clocks of the holders and of the repository. */
  readonly time?: FakeTime
  /** Of each holder. */
  readonly holder?: Pick<FolderOptions, 'quota' | 'fairShare' | 'keepDaysOf'>
  /** Owners besides, whose shards the holders take. */
  readonly others?: readonly TestOwner[]
}

/** Everything lies below `directory`, which is the caller's to remove; end the group before reading its folders. */
export async function makeBackupGroup(directory: string, { machines, redundancy, time, holder, others = [] }: BackupGroupOptions): Promise<BackupGroup> {
  await using stack = new AsyncDisposableStack()
  const words = generateWords()
  const owner = await makeOwner({ root: ownerFromWords(words) })
  const devices = await Promise.all([owner, ...others].map(async ({ certificate }) => await verifyDeviceCertificate(certificate)))
  const certificateOf: FolderOptions['certificateOf'] = (of, machine) => devices.find((device) => device.owner === of && device.machine === machine)
  const clocks = time === undefined ? {} : { clock: time, monotonic: time.monotonic }
  const homes = Array.from({ length: machines }, (_, at) => join(directory, `holder-${at}`))
  const stores: FolderShardStore[] = []
  for (const path of homes) stores.push(stack.use(await FolderShardStore.open({ path, minFree: 0, certificateOf, ...clocks, ...holder })))
  const group = stack.use(await makeGroup(machines, { redundancy, owner, stores }))
  const keys = new DeviceKeys()
  await keys.learn(owner.certificate)
  mkdirSync(join(directory, 'repository'))
  const heads = new HeadDistribution({ owner: owner.root.id, holders: group.dispersal.holders, keys, path: join(directory, 'repository', 'published.head') })
  const repository = stack.use(await Repository.create({
    store: group.dispersal, heads, machine: owner.machine, certificate: owner.certificate, directory: join(directory, 'repository'),
    clock: time?.now ?? Date.now, random: (length) => randomBytes(length), threads: 1,
    keyring: createKeyring(owner.root.id, { random: (length) => randomBytes(length), recipients: recipientsOf(owner.root, owner.machine) }),
  }))
  const owned = stack.move()
  const recover = async (): Promise<Repository> => {
    const dispersal = await group.fresh()
    await dispersal.refresh()
    const fresh = join(directory, `recovered-${randomBytes(4).toString('hex')}`)
    mkdirSync(fresh)
    const newest = new HeadDistribution({ owner: owner.root.id, holders: dispersal.holders, keys, path: join(fresh, 'published.head') })
    const { keyring, epoch } = await recoverKeyring({ store: dispersal, heads: newest, owner: owner.root.id, opener: ownerOpener(owner.root) })
    const machine = generateMachine()
    const recovered = owned.use(await Repository.create({
      store: dispersal, heads: newest, machine, certificate: await issueDeviceCertificate(owner.root, machine, epoch + 1, Date.now()), directory: join(fresh, 'repository'),
      clock: time?.now ?? Date.now, random: (length) => randomBytes(length), threads: 1,
      keyring: addRecipient(keyring, { kid: machine.id, role: 'device', kx: machine.exchangeJwk }),
    }))
    await recovered.refresh()
    return recovered
  }
  return {
    words, owner, stores, machines: group.machines, dispersal: group.dispersal, recover, repository, folders: homes.map((home) => join(home, idToBytes(owner.root.id).toString('hex'))),
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
