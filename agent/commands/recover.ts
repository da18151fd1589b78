/**
 * Recovery on an empty machine, by the 24 words and the locator, or by the address of one peer; or by the words and an invitation,
 * when an admin had shut the lost machine out before.
 *
 * The words give the root key; a proof signed by it opens the doors of the holders. The newest heads name the keyring, the
 * keyring opens the indexes. Then the owner's epoch is raised: a certificate for this machine, a fresh data key, a
 * replacement record that lets it in for the lost one, and a head that takes over what the lost one kept alive.
 * Running it again after an interruption goes on where this home was left, or begins anew on an empty one.
 */
import { randomBytes } from 'node:crypto'
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { issueDeviceCertificate } from '../identity/device.ts'
import { type OwnerFile, sealAdminKey } from '../identity/owner-file.ts'
import { type OwnerRoot, ownerFromWords } from '../identity/owner.ts'
import { replaceMachine } from '../network/founding.ts'
import { maxReplacements } from '../network/membership/admission.ts'
import { parseLocator } from '../network/membership/invitation.ts'
import { Membership } from '../network/membership/membership.ts'
import { type Address, firstNetworkId } from '../network/membership/records.ts'
import type { Head } from '../repository/head.ts'
import { addRecipient, raiseEpoch, removeRecipient, withoutContacts } from '../repository/keyring.ts'
import { ownerOpener, recoverKeyring } from '../repository/recovery.ts'
import type { AgentContext } from './context.ts'
import type { RunOptions } from './command.ts'
import { joinByInvitation } from './enroll.ts'
import { refreshHeads } from './freshness.ts'

export async function recover(context: AgentContext, request: CommandRequest<'recover'>, { signal, onProgress }: RunOptions): Promise<CommandResult<'recover'>> {
  const root = ownerFromWords(request.words)
  if (!context.mayEnter()) await assertUnfinished(context, root)
  else await takePlace(context, request, { root, signal, onProgress })
  await context.group().publish()
  await context.group().meetPeers(signal)
  onProgress({ stage: 'rebuilding the index' })
  const services = await context.backup()
  await services.dispersal.refresh({ signal })
  const { freshness } = await refreshHeads(services, signal)
  onProgress({ stage: 'shutting the lost machine out' })
  await services.repository.adopt({ signal })
  const { snapshots } = await services.repository.snapshots({ signal })
  const { snapshots: kept } = await services.repository.keptSnapshots({ signal })
  return {
    owner: root.id, machine: context.machine.id, epoch: context.ownerFile()?.epoch ?? 0, snapshots: snapshots.length, kept: kept.length,
    objects: services.repository.head?.live.length ?? 0, holders: freshness.answered, freshness,
    paths: snapshots.at(-1)?.roots.map(({ path }) => path) ?? [], member: context.group().membership.ownRefusal() === undefined,
  }
}

/** A recovery that ended between the membership and the head goes on; anything else on a member is a mistake. */
async function assertUnfinished(context: AgentContext, root: OwnerRoot): Promise<void> {
  const owner = context.ownerFile()
  const isBegun = owner?.owner === root.id && owner.epoch > 1 // who joins is of the first epoch, a recovery of a later one
  if (isBegun && (await context.backup()).repository.head === undefined) return
  throw new HoldfastError('already-exists', 'Cannot recover here: this machine is in a work group already; recover on an empty one (another --home)')
}

/** Raises the owner's epoch and makes this machine a member in the place of the lost one. */
async function takePlace(context: AgentContext, request: CommandRequest<'recover'>, { root, signal, onProgress }: RunOptions & { root: OwnerRoot }): Promise<void> {
  onProgress({ stage: 'looking for the work group' })
  const membership = await findGroup(context, request, root, signal)
  const isInvited = request.invitation !== undefined
  if (!isInvited && membership.replacementsOf(root.id).length >= maxReplacements) {
    throw new HoldfastError('unauthorized', `Cannot recover into the work group: ${maxReplacements} machines came in by this owner's kit already; ask an admin for an invitation and recover with --invitation, or restore with --from`)
  }
  onProgress({ stage: 'asking the holders' })
  const found = await readKeyring(context, membership, root, signal)
  const epoch = Math.max(found.epoch, membership.ownerEpoch(root.id)) + 1
  const old = isInvited ? newestMachine(found.heads) : lostMachine(found.heads, membership)
  if (!isInvited) membership.setAdmission(await replaceMachine({ net: membership.net, machine: context.machine.id, old, epoch, nowMs: context.clock.now() }, root))
  const raised = raiseEpoch(withoutContacts(removeRecipient(found.keyring, old)), epoch, (length) => randomBytes(length))
  const keyring = addRecipient(raised, { kid: context.machine.id, role: 'device', kx: context.machine.exchangeJwk })
  if (request.label !== undefined) context.settings.setLabel(request.label)
  await context.enter(membership, await ownerFileOf(context, { root, epoch }), keyring)
}

/** Of the invitation; or from the rosters of the locator, else the peers that it names, else those who answer a call on the local network; or from the one given. */
async function findGroup(context: AgentContext, request: CommandRequest<'recover'>, root: OwnerRoot, signal: AbortSignal): Promise<Membership> {
  if (request.invitation !== undefined) return await joinByInvitation(context, request.invitation, signal)
  if (request.peer !== undefined) {
    const records = await context.askMembers(parseAddress(request.peer), root, signal)
    const net = await firstNetworkId(records)
    if (net === undefined) throw new HoldfastError('not-found', `Cannot recover from ${request.peer}: it knows of no work group`)
    return await membershipFrom(context, net, records)
  }
  const locator = parseLocator(request.locator ?? '')
  const fromRosters = await Promise.all(locator.rosters.map(async (text) => await rosterRecords(context, text, signal)))
  const membership = await membershipFrom(context, locator.net, fromRosters.flatMap(({ records }) => records))
  const isFound = () => membership.chain.current !== undefined && membership.members().length > 0
  if (!isFound()) await askPeers(context, membership, { peers: locator.peers, root, signal })
  if (!isFound()) await askPeers(context, membership, { peers: await context.callOut(locator.net, signal), root, signal })
  if (membership.chain.current === undefined) {
    const signIn = fromRosters.map((asked) => asked.signIn).find((at) => at !== undefined)
    throw new HoldfastError('roster-unavailable', `Cannot recover: neither the rosters nor the peers of the locator answer, nor anybody on this network; ${signIn === undefined ? '' : `sign in with \`holdfast sign-in '${signIn}'\`, or `}try --peer HOST:PORT of a machine that is on`, { details: { rosters: locator.rosters, ...(signIn === undefined ? {} : { signIn }) } })
  }
  return membership
}

/** Whatever answers at an old address may be a stranger by now: what it says counts as far as it is signed for this group. */
async function askPeers(context: AgentContext, membership: Membership, { peers, root, signal }: { peers: readonly Address[]; root: OwnerRoot; signal: AbortSignal }): Promise<void> {
  await Promise.all(peers.map(async (address) => {
    try {
      await membership.ingest(await context.askMembers(address, root, signal), { kind: 'member', name: 'recovery' })
    } catch (error) {
      signal.throwIfAborted()
      if (!(error instanceof HoldfastError)) throw error
    }
  }))
}

/** `signIn`: the locator, when the roster would answer somebody who is signed in. */
async function rosterRecords(context: AgentContext, locator: string, signal: AbortSignal): Promise<{ records: string[]; signIn?: string }> {
  try {
    const { records } = await context.openRoster(locator).list(undefined, { signal })
    return { records: records.filter(({ name }) => name.startsWith('network/') || name.startsWith('peers/')).map(({ text }) => text.trim()) }
  } catch (error) {
    if (!hasCode(error, 'roster-unavailable')) throw error
    const { signIn } = error.details
    return { records: [], ...(typeof signIn === 'string' ? { signIn } : {}) }
  }
}

async function membershipFrom(context: AgentContext, net: Membership['net'], records: readonly string[]): Promise<Membership> {
  const membership = new Membership({ net, self: context.machine.id, ...context.clock })
  await membership.ingest(records, { kind: 'member', name: 'recovery' })
  return membership
}

async function readKeyring(context: AgentContext, membership: Membership, root: OwnerRoot, signal: AbortSignal) {
  await using session = await context.beginRecovery(membership, root)
  return await recoverKeyring({ store: session.store, heads: session.heads, owner: root.id, opener: ownerOpener(root) }, { signal })
}

function newestMachine([newest]: readonly Head[]): Head['document']['machine'] {
  if (newest === undefined) throw new HoldfastError('not-found', 'Cannot recover: no holder that answers has a backup of this owner')
  return newest.document.machine
}

/** Of the newest head whose machine is a member. */
function lostMachine(heads: readonly Head[], membership: Membership): Head['document']['machine'] {
  const lost = heads.map(({ document }) => document.machine).find((machine) => membership.member(machine) !== undefined)
  if (lost === undefined) throw new HoldfastError('unauthorized', 'Cannot take the place of the lost machine: it is a member no more, an admin may have shut it out; ask an admin for an invitation and recover with --invitation, or restore with --from')
  return lost
}

async function ownerFileOf(context: AgentContext, { root, epoch }: { root: OwnerRoot; epoch: number }): Promise<OwnerFile> {
  return {
    v: 1, owner: root.id, epoch, certificate: await issueDeviceCertificate(root, context.machine, epoch, context.clock.now()),
    admin: await sealAdminKey(context.machine, root.admin.privateKey),
  }
}

/** `host:port`, `[::1]:port`. Throws `invalid-input`. */
export function parseAddress(text: string): Address {
  const match = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:[\]]+)):(\d{1,5})$/.exec(text.trim())
  const port = Number(match?.[3])
  if (match === null || port < 1 || port > 65_535) throw new HoldfastError('invalid-input', `Cannot use ${text} as the address of a peer: write HOST:PORT`)
  return { host: match[1] ?? match[2] ?? '', port }
}
