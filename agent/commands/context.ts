/** What commands work on: the agent's parts, as agent/main.ts put them together. */
import type { OwnerFile, AdminSigner } from '../identity/owner-file.ts'
import type { Machine } from '../identity/machine.ts'
import type { OwnerRoot } from '../identity/owner.ts'
import type { Dispersal } from '../network/dispersal.ts'
import type { HeadDistribution } from '../network/head-distribution.ts'
import type { Membership } from '../network/membership/membership.ts'
import type { Address } from '../network/membership/records.ts'
import type { Roster } from '../network/roster/port.ts'
import type { RosterStatus } from '../network/roster/roster-sync.ts'
import type { ShardStore } from '../network/shard-store/port.ts'
import type { Repository } from '../repository/repository.ts'
import type { Settings } from './settings.ts'

export interface Clock {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
}

/** The network side of a machine that is in a work group. */
export interface Group {
  readonly membership: Membership
  readonly rosterStatus: readonly RosterStatus[]
  /** Reads and writes the rosters once, now; renews this machine's record first when its content changed. */
  publish(): Promise<void>
  /** One round of gossip with every peer that answers: afterwards ages and records are as fresh as they can be. */
  meetPeers(signal: AbortSignal): Promise<void>
}

/** The owner's backup: the repository and the dispersal that it stores through. */
export interface Backup {
  readonly repository: Repository
  readonly dispersal: Dispersal
  readonly heads: HeadDistribution
}

/** A recovery session: what one address, or every known one, serves to the owner's root key. */
export interface Recovery {
  readonly machine: Machine
  readonly root: OwnerRoot
}

export interface AgentContext {
  readonly clock: Clock
  readonly machine: Machine
  readonly settings: Settings
  readonly holder: ShardStore
  readonly homeDirectory: string
  /** Where peers reach this agent; empty while it does not listen. */
  addresses(): readonly Address[]
  isMember(): boolean
  /** Throws `not-a-member`. */
  group(): Group
  ownerFile(): OwnerFile | undefined
  /** Throws `not-a-member` or `key-missing`. Opened at the first call, shared by all. */
  backup(): Promise<Backup>
  openRoster(locator: string): Roster
  /** The words of the owner until they are confirmed as stored. Throws `key-missing` afterwards. */
  words(): Promise<string>
  /** Throws `unauthorized` when the owner is no admin. */
  adminKey(): Promise<AdminSigner>
  saveOwner(owner: OwnerFile): void
  /** Makes this machine a member for good and starts its network side. Throws `already-exists` when it is one. */
  enter(membership: Membership): Promise<void>
}
