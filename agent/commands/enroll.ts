/** Into a work group: found one, or join one by an invitation. Each new machine begins as a new owner. */
import { randomBytes } from 'node:crypto'
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { issueDeviceCertificate } from '../identity/device.ts'
import { type OwnerFile, sealAdminKey, sealToMachine } from '../identity/owner-file.ts'
import { type OwnerRoot, generateWords, ownerFromWords } from '../identity/owner.ts'
import { createNetwork, joinNetwork } from '../network/founding.ts'
import { parseInvitation } from '../network/membership/invitation.ts'
import type { Membership } from '../network/membership/membership.ts'
import { redundancyOf } from '../network/redundancy.ts'
import { type Keyring, createKeyring } from '../repository/keyring.ts'
import { announcedRosters } from './announce.ts'
import type { AgentContext } from './context.ts'
import type { RunOptions } from './command.ts'

export async function networkCreate(context: AgentContext, request: CommandRequest<'network create'>, { signal }: RunOptions): Promise<CommandResult<'network create'>> {
  refuseMember(context)
  redundancyOf(request.redundancy, 255) // refuses what is no level before anything is written
  const roster = context.openRoster(request.roster)
  await roster.prepare({ signal })
  const { root, owner, keyring } = await newOwner(context)
  const membership = await createNetwork({ name: request.name, redundancy: request.redundancy, minFree: context.settings.config.offer.minFree, admission: 'open' }, {
    machine: context.machine.id, admin: root.admin, rosters: [roster], attempts: context.founding, ...context.clock, signal,
  })
  const former = await enter(context, { membership, owner, keyring, label: request.label })
  context.founding.clear()
  return { network: membership.net, name: request.name, owner: owner.owner, machine: context.machine.id, redundancy: request.redundancy, former }
}

export async function networkJoin(context: AgentContext, request: CommandRequest<'network join'>, { signal }: RunOptions): Promise<CommandResult<'network join'>> {
  refuseMember(context)
  const membership = await joinByInvitation(context, request.invitation, signal)
  const { owner, keyring } = await newOwner(context)
  const former = await enter(context, { membership, owner, keyring, label: request.label })
  return { network: membership.net, name: membership.network.name, owner: owner.owner, machine: context.machine.id, waiting: membership.ownRefusal() !== undefined, former, namesake: namesakeOf(context) }
}

/** This machine's name, when another machine of the group has it too. */
function namesakeOf(context: AgentContext): string | null {
  const { membership } = context.group()
  const name = membership.own.peer?.record.name
  return name === undefined || membership.nameOf(membership.self) === name ? null : name
}

/** At the rosters of the invitation, or where the group has gone since. Throws as joinNetwork does. */
export async function joinByInvitation(context: AgentContext, invitation: string, signal: AbortSignal): Promise<Membership> {
  const parsed = await parseInvitation(invitation, context.clock.now())
  const join = async (locators: readonly string[]) => await joinNetwork(invitation, {
    machine: context.machine.id, rosters: locators.map((locator) => context.openRoster(locator)), ...context.clock, signal,
  })
  return await join(parsed.rosters).catch(async (error: unknown) => {
    if (!hasCode(error, 'roster-unavailable')) throw error
    const moved = await announcedRosters(context, parsed.net, { known: parsed.rosters, signal })
    if (moved.length === 0) throw error
    return await join(moved)
  })
}

function refuseMember(context: AgentContext): void {
  if (!context.mayEnter()) throw new HoldfastError('already-exists', `Cannot enter another work group: this machine is in ${context.group().membership.network.name}; with a --home of its own it can be in another one too`)
}

/** The owner of an earlier attempt that ended before the group was entered is made anew: nothing was stored for it. */
async function newOwner(context: AgentContext): Promise<{ root: OwnerRoot; owner: OwnerFile; keyring: Keyring }> {
  const words = generateWords()
  const root = ownerFromWords(words)
  const certificate = await issueDeviceCertificate(root, context.machine, 1, context.clock.now())
  const owner: OwnerFile = {
    v: 1, owner: root.id, certificate, epoch: 1, words: await sealToMachine(context.machine, words),
    admin: await sealAdminKey(context.machine, root.admin.privateKey),
  }
  const recipients = [
    { kid: context.machine.id, role: 'device' as const, kx: context.machine.exchangeJwk },
    { kid: root.id, role: 'owner' as const, kx: root.exchangeJwk },
  ]
  const keyring = createKeyring(root.id, { random: (length) => randomBytes(length), recipients })
  return { root, owner, keyring }
}

interface Entering {
  readonly membership: Membership
  readonly owner: OwnerFile
  readonly keyring: Keyring
  readonly label: string | undefined
}

async function enter(context: AgentContext, { membership, owner, keyring, label }: Entering): Promise<string | null> {
  if (label !== undefined) context.settings.setLabel(label)
  const former = await context.enter(membership, owner, keyring)
  await context.group().publish()
  return former ?? null
}
