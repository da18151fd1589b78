/** Reading from the holders with a proof by the owner's root key alone: what `recover` uses before this machine is a member. */
import { rmSync } from 'node:fs'
import type { RecoverySession } from '../commands/context.ts'
import type { Home } from '../home.ts'
import { issueDeviceCertificate } from '../identity/device.ts'
import type { OwnerRoot } from '../identity/owner.ts'
import type { Membership } from '../network/membership/membership.ts'
import { signRecoveryProof } from '../network/membership/records.ts'
import type { Identity } from '../network/peer/dial.ts'
import { RecoveryPeers, type RecoveryDialling } from '../network/peer/recovery-peers.ts'
import { openStores } from './backup-services.ts'
import type { Log } from './log.ts'
import { type Surroundings, realSurroundings } from './surroundings.ts'

export async function recoveryDialling(identity: Identity, root: OwnerRoot, { clock, dial }: Surroundings = realSurroundings): Promise<RecoveryDialling> {
  return { identity, clock, dial, proof: await signRecoveryProof(root, identity.machine.id, clock.now()) }
}

/** What it learns on the way is kept in the home's scratch folder and thrown away. */
export async function openRecovery({ home, identity, log, surroundings }: { home: Home; identity: Identity; log: Log; surroundings?: Surroundings | undefined }, membership: Membership, root: OwnerRoot): Promise<RecoverySession> {
  const nowMs = (surroundings ?? realSurroundings).clock.now()
  await using stack = new AsyncDisposableStack()
  const peers = stack.use(new RecoveryPeers(membership, await recoveryDialling(identity, root, surroundings)))
  const certificate = await issueDeviceCertificate(root, identity.machine, Math.max(1, membership.ownerEpoch(root.id)), nowMs)
  rmSync(home.scratch, { recursive: true, force: true })
  const stores = stack.use(await openStores({
    home: { ...home, repository: home.scratch, placement: ':memory:', audits: ':memory:' }, machine: identity.machine, owner: { owner: root.id, epoch: 1, certificate },
    membership, peers, log, spread: () => {}, surroundings,
  }))
  const owned = stack.move()
  return { store: stores.dispersal, heads: stores.heads, [Symbol.asyncDispose]: async () => { await owned[Symbol.asyncDispose]() } }
}
