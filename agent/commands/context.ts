/** What commands work on: the agent's parts, as agent/main.ts put them together. */
import type { AdminSigner, OwnerFile } from '../identity/owner-file.ts'
import type { PublicJwk } from '../identity/jws.ts'
import type { Machine } from '../identity/machine.ts'
import type { MachineId, NetworkId, OwnerId } from '../../shared/ids.ts'
import type { OwnerRoot } from '../identity/owner.ts'
import type { HeadStore, ObjectStore } from '../object-store.ts'
import type { ContactHalves } from '../network/contact-halves.ts'
import type { AuditBook } from '../network/audit-book.ts'
import type { Dispersal } from '../network/dispersal.ts'
import type { HandoverParts } from '../network/handover.ts'
import type { HeadDistribution } from '../network/head-distribution.ts'
import type { FairShares } from '../network/fair-share.ts'
import type { FoundingAttempts } from '../network/founding.ts'
import type { Agreements } from '../network/agreements.ts'
import type { CoverageContent } from '../network/membership/coverage-report.ts'
import type { Membership } from '../network/membership/membership.ts'
import type { Address, PeerRecord } from '../network/membership/records.ts'
import type { DirectorySignIn } from '../network/roster/ldap-directory.ts'
import type { MicrosoftApp, MicrosoftSignIn } from '../network/roster/graph/microsoft-sign-in.ts'
import type { RosterAccess } from '../network/roster/open-roster.ts'
import type { Roster } from '../network/roster/port.ts'
import type { RosterStatus } from '../network/roster/roster-sync.ts'
import type { HolderAccounts, ShardStore } from '../network/shard-store/port.ts'
import type { Keyring } from '../repository/keyring.ts'
import type { TrustStore } from '../trust/port.ts'
import type { Repository } from '../repository/repository.ts'
import type { ShadowCopies } from '../source/shadow-copies.ts'
import type { Outlook } from '../outlook/port.ts'
import type { Pace } from '../conditions/port.ts'
import type { AlertBook } from './alert-book.ts'
import type { Checks } from './checks.ts'
import type { RestoredArchives } from './restored-archives.ts'
import type { Settings } from './settings.ts'

export interface Clock {
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
}

export type Standing = Pick<PeerRecord, 'state' | 'legacy'>

/** How many peers (of those that should) and rosters know of a change of the group already. */
export interface Told {
  readonly peers: number
  readonly of: number
  readonly rosters: number
}

/** The network side of a machine that is in a work group. */
export interface Group {
  readonly membership: Membership
  readonly rosterStatus: readonly RosterStatus[]
  /** Reads and writes the rosters once, now; renews this machine's record first when its content changed. */
  publish(): Promise<void>
  /**
   * One exchange of gossip with every peer that answers: afterwards ages and records are as fresh as they can be. Returns
   * who answered, after `patienceMs` (default: until all did or failed) at the latest.
   */
  meetPeers(signal: AbortSignal, options?: { patienceMs?: number }): Promise<ReadonlySet<MachineId>>
  /** What each owner may use of the group's space. */
  shares(): FairShares
  /** Of the time that this machine was on, 0 to 1. */
  onlineShare(machine: MachineId): number
  /** What owners and admins agreed on, on its way to the holders. */
  readonly agreements: Agreements
  /** Reads the rosters and hears the peers that answer at once, so that a change is made on top of the newest. */
  catchUp(signal: AbortSignal): Promise<void>
  /** Reads the rosters now that can be read as often as one likes; waits for them for a few seconds. */
  lookAtRosters(signal: AbortSignal): Promise<void>
  /** Takes what is new here to the rosters and peers that answer within a few seconds; the others hear of it by gossip. */
  announce(signal: AbortSignal): Promise<Told>
  /** Makes the membership durable, and tells three peers what is new, without waiting for them. */
  share(): Promise<void>
  /** What this machine's record says of its place in the group from now on. */
  setStanding(standing: Standing): Promise<void>
  /** How shards get to the machines that stay. */
  handover(): Omit<HandoverParts, 'store'>
  readonly contacts: ContactHalves
  /** Writes a record to the rosters. Returns how many took it. */
  post(name: string, text: string, signal: AbortSignal): Promise<number>
  /** Tells the group what this machine says of its own backup, when that is news. */
  report(content: CoverageContent): Promise<void>
}

/** The owner's backup: the repository and what it stores through. */
export interface Backup {
  readonly repository: Repository
  readonly dispersal: Dispersal
  readonly heads: HeadDistribution
  readonly audits: AuditBook
}

/** What the holders serve to the owner's root key, before this machine is a member. */
export interface RecoverySession extends AsyncDisposable {
  readonly store: ObjectStore
  readonly heads: HeadStore
}

/** Where a machine keeps who it signs in as at rosters. */
export interface SignInStore {
  /** What rosters are opened with. */
  readonly access: RosterAccess
  /** The place is read and written in that folder of this machine, which something else keeps in step; undefined: no longer. */
  keepSyncedFolder(locator: string, folder: string | undefined): void
  keepDirectorySignIn(url: string, signIn: DirectorySignIn): Promise<void>
  microsoftSignIn(app: MicrosoftApp): MicrosoftSignIn
}

export interface ServedPane {
  readonly port: number
  readonly isBuilt: boolean
  /** PEM of the CA of its certificate, and of those before it. */
  readonly authority: string
  readonly former: readonly string[]
}

export interface AgentContext {
  readonly clock: Clock
  readonly machine: Machine
  readonly settings: Settings
  readonly holder: ShardStore & HolderAccounts
  readonly homeDirectory: string
  readonly checks: Checks
  readonly alerts: AlertBook
  /** What this agent shows to browsers; undefined while it does not serve. */
  readonly pane: ServedPane | undefined
  /** Where the browsers of this machine look for certificates that they believe. */
  trustStores(): TrustStore[]
  /** For one run; undefined where the system has none. */
  shadowCopies(): ShadowCopies | undefined
  readonly outlook: Outlook
  readonly restoredArchives: RestoredArchives
  /** Where peers reach this agent; empty while it does not listen. */
  addresses(): readonly Address[]
  isMember(): boolean
  /** It was a member, and left since the agent started. */
  hasLeft(): boolean
  readonly founding: FoundingAttempts
  /** In no group, or in one that it left or was taken out of. */
  mayEnter(): boolean
  /** Throws `not-a-member`. */
  group(): Group
  ownerFile(): OwnerFile | undefined
  saveOwner(owner: OwnerFile): void
  /** Throws `not-a-member` or `key-missing`. Opened at the first call, shared by all. */
  backup(): Promise<Backup>
  /** Throws `invalid-input` for a locator that is none. */
  openRoster(locator: string): Roster
  readonly signIns: SignInStore
  /** False when there is no browser to open it in. */
  openBrowser(address: string): Promise<boolean>
  /** All records that the machine at the address knows; nothing of them is believed yet. */
  askMembers(address: Address, root: OwnerRoot, signal: AbortSignal): Promise<string[]>
  /** Who of the group answers a call on the local network; nobody where the beacon is switched off. Only addresses to dial. */
  callOut(net: NetworkId, signal: AbortSignal): Promise<Address[]>
  /** Reads from the members' doors with a proof by the owner's root key. */
  beginRecovery(membership: Membership, root: OwnerRoot): Promise<RecoverySession>
  /** Reads what an owner has stored, as a member that the holders let read it; `certificate`: of any device of the owner. */
  beginReading(owner: OwnerId, certificate: string): Promise<RecoverySession>
  /** The words of the owner until they are confirmed as stored. Throws `key-missing` afterwards. */
  words(): Promise<string>
  /** Throws `unauthorized` when the owner is no admin of the group now. */
  adminKey(): Promise<AdminSigner>
  /** What the owner would sign with as an admin; undefined when the home has no such key. */
  ownAdminKey(): Promise<PublicJwk | undefined>
  /**
   * Makes this machine a member for good: owner and repository first, then the membership, then its network side starts.
   * A group that it left or was taken out of is let go of before; returns the folder in which what is left of it lies now.
   */
  enter(membership: Membership, owner: OwnerFile, keyring: Keyring): Promise<string | undefined>
  /** When the clock starts the next backup (ms since 1970); null while nothing does. */
  nextBackupMs(): number | null
  /** How fast work goes on that started by itself. */
  pace(): Pace
  /** When the quiet hours end that it is now (ms since 1970); null outside them. */
  quietUntilMs(): number | null
  /** Name of the long command that runs now. */
  running(): string | null
}
