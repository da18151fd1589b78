/** The owner's side: placement, dispersal and heads over the group's links, and the repository on top of them. */
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Backup } from '../commands/context.ts'
import type { Home } from '../home.ts'
import type { Machine } from '../identity/machine.ts'
import type { OwnerFile } from '../identity/owner-file.ts'
import { AuditBook } from '../network/audit-book.ts'
import { DeviceKeys } from '../network/device-keys.ts'
import { Dispersal } from '../network/dispersal.ts'
import { HeadDistribution } from '../network/head-distribution.ts'
import type { Membership } from '../network/membership/membership.ts'
import type { Peers } from '../network/peers.ts'
import { PlacementIndex } from '../network/placement-index.ts'
import { Repository } from '../repository/repository.ts'
import type { Log } from './log.ts'
import { type Surroundings, realSurroundings } from './surroundings.ts'

export interface StoreParts {
  readonly home: Home
  readonly machine: Machine
  readonly owner: Pick<OwnerFile, 'owner' | 'epoch' | 'certificate'>
  readonly membership: Membership
  readonly peers: Peers
  readonly log: Log
  /** Called after a head was published, to take it to the rosters. */
  readonly spread: () => void
  readonly surroundings?: Surroundings | undefined
  /** Before each object and each piece of a file; undefined: at once. */
  readonly turn?: (() => Promise<void> | undefined) | undefined
}

export interface StoreServices extends AsyncDisposable {
  readonly dispersal: Dispersal
  readonly heads: HeadDistribution
  readonly audits: AuditBook
}

/** Dispersal and heads of one owner over `peers`. */
export async function openStores({ home, machine, owner, membership, peers, log, spread, turn, surroundings: { clock } = realSurroundings }: StoreParts): Promise<StoreServices> {
  await using stack = new AsyncDisposableStack()
  mkdirSync(home.repository, { recursive: true, mode: 0o700 })
  const keys = new DeviceKeys()
  await keys.learn(owner.certificate)
  const audits = stack.use(new AuditBook(home.audits))
  const dispersal = stack.use(new Dispersal({
    owner: owner.owner, device: machine, epoch: owner.epoch, peers, index: stack.use(new PlacementIndex(home.placement)), keys,
    redundancy: () => membership.network.redundancy, turn, scoreOf: (holder) => audits.score(holder, clock.now()), clock,
    report: ({ machine: holder, name, fault, error }) => log('holder-fault', { holder, name, fault, error }),
  }))
  const heads = new HeadDistribution({
    owner: owner.owner, holders: dispersal.holders, keys, path: join(home.repository, 'published.head'),
    board: {
      async post(notice) {
        await membership.takeHeads([notice], { kind: 'self', name: machine.id })
        spread()
      },
      notices: async (of) => membership.heads.all().filter(({ head }) => head.owner === of).map(({ document }) => document),
    },
    report: ({ from, error }) => log('head-refused', { from, error }),
  })
  const owned = stack.move()
  return { dispersal, heads, audits, [Symbol.asyncDispose]: async () => { await owned[Symbol.asyncDispose]() } }
}

export interface RepositoryParts {
  readonly home: Home
  readonly machine: Machine
  readonly owner: Pick<OwnerFile, 'certificate'>
  readonly workers: number | null
  readonly turn?: StoreParts['turn']
  readonly surroundings?: Surroundings | undefined
}

/** Opens the repository of the home; it owns `stores` from then on, and ends them when it cannot be opened. */
export async function openBackup({ home, machine, owner, workers, turn, surroundings: { clock, randomBytes } = realSurroundings }: RepositoryParts, stores: StoreServices): Promise<Backup & AsyncDisposable> {
  await using stack = new AsyncDisposableStack()
  stack.use(stores)
  const repository = stack.use(await Repository.open({
    store: stores.dispersal, heads: stores.heads, machine, certificate: owner.certificate, directory: home.repository,
    clock: clock.now, random: randomBytes, threads: workers ?? undefined, turn,
  }))
  const owned = stack.move()
  return { repository, dispersal: stores.dispersal, heads: stores.heads, audits: stores.audits, [Symbol.asyncDispose]: async () => { await owned[Symbol.asyncDispose]() } }
}
