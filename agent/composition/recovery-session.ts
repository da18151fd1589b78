/** Reading from the holders without a device of the owner: with a proof by his root key (what `recover` uses), or as his recovery contact. */
import { rmSync } from 'node:fs'
import type { RecoverySession } from '../commands/context.ts'
import type { Home } from '../home.ts'
import { issueDeviceCertificate } from '../identity/device.ts'
import type { OwnerId } from '../../shared/ids.ts'
import type { OwnerRoot } from '../identity/owner.ts'
import type { Membership } from '../network/membership/membership.ts'
import { signRecoveryProof } from '../network/membership/records.ts'
import type { Identity } from '../network/peer/dial.ts'
import { RecoveryPeers, type RecoveryDialling } from '../network/peer/recovery-peers.ts'
import type { Peer, Peers } from '../network/peers.ts'
import type { ShardStore } from '../network/shard-store/port.ts'
import { openStores } from './backup-services.ts'
import type { Log } from './log.ts'
import { type Surroundings, realSurroundings } from './surroundings.ts'

export async function recoveryDialling(identity: Identity, root: OwnerRoot, { clock, dial }: Surroundings = realSurroundings): Promise<RecoveryDialling> {
  return { identity, clock, dial, proof: await signRecoveryProof(root, identity.machine.id, clock.now()) }
}

export interface SessionParts {
  readonly home: Home
  readonly identity: Identity
  readonly log: Log
  readonly surroundings?: Surroundings | undefined
}

export async function openRecovery(parts: SessionParts, membership: Membership, root: OwnerRoot): Promise<RecoverySession> {
  const { identity, surroundings = realSurroundings } = parts
  await using stack = new AsyncDisposableStack()
  const peers = stack.use(new RecoveryPeers(membership, await recoveryDialling(identity, root, surroundings)))
  const certificate = await issueDeviceCertificate(root, identity.machine, Math.max(1, membership.ownerEpoch(root.id)), surroundings.clock.now())
  const { store, heads } = stack.use(await openReading(parts, { membership, peers, owner: root.id, certificate }))
  const owned = stack.move()
  return { store, heads, [Symbol.asyncDispose]: async () => { await owned[Symbol.asyncDispose]() } }
}

/** Through `peers` who let it read; `certificate` of any device of the owner. What it learns on the way lies in the home's scratch folder. */
export async function openReading({ home, identity, log, surroundings }: SessionParts, { membership, peers, owner, certificate }: {
  membership: Membership; peers: Peers; owner: OwnerId; certificate: string
}): Promise<RecoverySession> {
  rmSync(home.scratch, { recursive: true, force: true })
  const stores = await openStores({
    home: { ...home, repository: home.scratch, placement: ':memory:', audits: ':memory:' }, machine: identity.machine, owner: { owner, epoch: 1, certificate },
    membership, peers, log, spread: () => {}, surroundings,
  })
  return { store: stores.dispersal, heads: stores.heads, [Symbol.asyncDispose]: async () => { await stores[Symbol.asyncDispose]() } }
}

/** `others`, and this machine's own holder beside them. */
export function withOwnHolder(others: Peers, self: Peer, store: ShardStore): Peers {
  return {
    list: () => [self, ...others.list()],
    find: (id) => (id === self.id ? self : others.find(id)),
    connect: async (id, options) => (id === self.id ? store : await others.connect(id, options)),
  }
}
