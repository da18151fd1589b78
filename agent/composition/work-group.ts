/**
 * The work group that this home is in: taken up at the start or entered while the agent runs, with its services and the
 * owner's backup, which is opened when first asked for.
 *
 * A machine that left, or was taken out, may enter another one: then nothing of the former group runs any more, its state goes
 * into a folder of its own (former-group.ts), and the new one begins in a home like a fresh one.
 */
import { rmSync } from 'node:fs'
import { hostname } from 'node:os'
import { HoldfastError } from '../../shared/errors.ts'
import type { MachineId } from '../../shared/ids.ts'
import type { AgentContext, Backup } from '../commands/context.ts'
import type { Settings } from '../commands/settings.ts'
import type { Config } from '../config.ts'
import type { Home } from '../home.ts'
import type { PublicJwk } from '../identity/jws.ts'
import type { OwnerFile } from '../identity/owner-file.ts'
import type { Membership } from '../network/membership/membership.ts'
import type { Address } from '../network/membership/records.ts'
import { MembershipStore } from '../network/membership/store.ts'
import type { Identity } from '../network/peer/dial.ts'
import type { Roster } from '../network/roster/port.ts'
import type { Keyring } from '../repository/keyring.ts'
import { hasSignedHeads } from '../repository/local-heads.ts'
import { beginRepository } from '../repository/repository.ts'
import type { AgentOptions } from './agent-parts.ts'
import { openBackup, openStores } from './backup-services.ts'
import type { CommandRuns } from './command-runs.ts'
import { isFormer, setFormerAside } from './former-group.ts'
import { GroupServices } from './group-services.ts'
import { keptText } from './home-text.ts'
import { LanBeacon } from './lan-beacon.ts'
import type { Log } from './log.ts'
import type { OwnHolder } from './own-holder.ts'
import type { OpenDoor } from './surroundings.ts'

export interface WorkGroupParts {
  readonly home: Home
  readonly options: AgentOptions
  readonly identity: Identity
  readonly version: string
  readonly clock: AgentContext['clock']
  readonly settings: Settings
  readonly holder: OwnHolder
  readonly runs: CommandRuns
  readonly log: Log
  /** Before each piece of work that gives way to others. */
  readonly turn: () => Promise<void> | undefined
  /** No shards are taken for now. */
  readonly sparesLink: () => Promise<boolean>
  readonly door: () => OpenDoor | undefined
  readonly addresses: () => readonly Address[]
  readonly openRoster: (locator: string) => Roster
  readonly ownerFile: () => OwnerFile | undefined
  readonly saveOwner: (owner: OwnerFile) => void
  readonly adminKey: () => Promise<PublicJwk | undefined>
  /** A machine is gone for good. */
  readonly onGone: () => void
  /** Who is in the group, or who of it answers, is different. */
  readonly onPeople: () => void
  /** The group is let go of, and what the home knew of it put aside. */
  readonly onFormer: () => void
}

export class WorkGroup implements AsyncDisposable {
  readonly #parts: WorkGroupParts
  /** What ends with the group. */
  #stack = new AsyncDisposableStack()
  #services: GroupServices | undefined
  #backup: Promise<Backup> | undefined

  constructor(parts: WorkGroupParts) {
    this.#parts = parts
  }

  get known(): GroupServices | undefined {
    return this.#services
  }

  get isMember(): boolean {
    return this.#services !== undefined && !this.#services.hasLeft
  }

  /** In none, or in one that it left or was taken out of. */
  get mayEnter(): boolean {
    return this.#services === undefined || this.#services.hasLeft || this.#services.isShutOut
  }

  /** Throws `not-a-member`, or `key-missing` when the home has lost what it knew of its group. */
  get services(): GroupServices {
    const { home } = this.#parts
    if (this.#services === undefined) throw hasSignedHeads(home.repository) ? membershipLost(home) : new HoldfastError('not-a-member', 'Cannot do that yet: this machine is in no work group')
    return this.#services
  }

  /** Takes up the membership that the home has, if any. */
  async takeUp(): Promise<void> {
    const { home, identity, clock, log } = this.#parts
    const net = await MembershipStore.networkAt(home.group)
    if (net === undefined) {
      if (hasSignedHeads(home.repository)) log('membership-lost', { error: membershipLost(home) })
      return
    }
    const { store, damaged } = await MembershipStore.open(home.group, { net, self: identity.machine.id, ...clock })
    if (damaged !== undefined) log('membership-damaged', { set_aside: damaged })
    if (isFormer(store.membership, home)) await this.#setAside(store.membership)
    else await this.#open(store)
  }

  /** As AgentContext.enter. */
  async enter(membership: Membership, owner: OwnerFile, keyring: Keyring): Promise<string | undefined> {
    const { home, saveOwner } = this.#parts
    if (!this.mayEnter) throw new HoldfastError('already-exists', 'Cannot enter a work group: this machine is in one already')
    const former = this.#services === undefined ? undefined : await this.#letGo(this.#services)
    if (hasSignedHeads(home.repository)) throw membershipLost(home)
    // What an attempt left that ended before the membership was saved: nobody knows of it.
    rmSync(home.repository, { recursive: true, force: true })
    for (const suffix of ['', '-wal', '-shm']) rmSync(`${home.placement}${suffix}`, { force: true })
    saveOwner(owner)
    await beginRepository(home.repository, keyring)
    await this.#open(await MembershipStore.create(home.group, membership))
    return former
  }

  /** Opened at the first call, shared by all. Throws `not-a-member` or `key-missing`. */
  async backup(): Promise<Backup> {
    const { services } = this
    this.#backup ??= this.#openBackup(services).catch((error: unknown) => {
      this.#backup = undefined // the next command tries again
      throw error
    })
    return await this.#backup
  }

  async #openBackup(services: GroupServices): Promise<Backup> {
    const { home, identity: { machine }, log, turn, settings, options: { surroundings } } = this.#parts
    const owner = this.#parts.ownerFile()
    if (owner === undefined) throw new HoldfastError('key-missing', 'Cannot open the backup: owner.json is missing; recover with the recovery kit')
    const common = { home, machine, owner, turn, surroundings }
    const stores = await openStores({ ...common, membership: services.membership, peers: services.links, log, spread: () => { services.spread() } })
    return this.#stack.use(await openBackup({ ...common, workers: settings.config.limits.workers }, stores))
  }

  async #open(store: MembershipStore): Promise<void> {
    const { home, options, identity, version, settings, holder, log, door, addresses, openRoster, ownerFile, adminKey, sparesLink } = this.#parts
    const { config, testMachine, serve, surroundings } = options
    const services = this.#stack.use(await GroupServices.open({
      store, identity, holder: holder.store, log, version, openRoster, sparesLink, owner: ownerFile, adminKey, testMachine, limits: config.limits, surroundings,
      name: () => settings.config.label ?? testMachine ?? hostname(), addresses: door() === undefined ? undefined : addresses(),
      minFree: () => minFreeOf(settings.config, testMachine), onlineFile: keptText(home.online), agreementsFile: keptText(home.agreements), handedFile: keptText(home.handedShards),
    }))
    this.#services = services
    this.#followNetwork(services.membership)
    if (!serve) return
    services.start()
    const { host } = config.peerAddress
    const doorPort = door()?.port
    if (config.beacon && doorPort !== undefined) this.#stack.use(await LanBeacon.open({ group: services, self: identity.machine.id, doorPort, host, log }))
  }

  /** What the admins set holds here from the start and from each change on; whom they shut out leaves at once. */
  #followNetwork(membership: Membership): void {
    const { settings, log, onGone, onPeople } = this.#parts
    const follow = () => {
      const { schedule, minFree } = membership.network
      if (!settings.followGroup({ schedule, minFree })) log('group-schedule-unreadable', { cron: schedule?.cron })
    }
    follow()
    this.#stack.defer(membership.subscribe((event) => {
      if (event.type === 'network-changed') follow()
      if (event.type === 'machine-revoked') this.#showOut(event.id)
      if (event.type === 'machine-revoked' || event.type === 'machine-gone') onGone()
      if (event.type.startsWith('machine-') && event.type !== 'machine-changed') onPeople() // records are renewed all the time
    }))
  }

  #showOut(id: MachineId): void {
    for (const guest of this.#parts.door()?.guests ?? []) if (guest.caller.machine === id) guest.end()
  }

  /** Nothing of it runs any more afterwards. Returns the folder in which its state lies. */
  async #letGo(services: GroupServices): Promise<string> {
    const { door, runs, settings } = this.#parts
    await runs.endLong('this machine enters another work group')
    await this.#backup?.catch(() => undefined) // who waits for it has seen it
    this.#services = this.#backup = undefined
    await Promise.all([...door()?.guests ?? []].map(async (guest) => { await guest.leave() }))
    const stack = this.#stack
    this.#stack = new AsyncDisposableStack()
    await stack.disposeAsync()
    if (settings.config.coverageList !== null) settings.setCoverageList(null)
    settings.followGroup({})
    return await this.#setAside(services.membership)
  }

  async #setAside({ own }: Membership): Promise<string> {
    const { home, holder, clock, log, onFormer } = this.#parts
    const folder = await holder.whileClosed(() => setFormerAside(home, { eraseKeys: own.peer?.record.legacy?.keepDays === 0, nowMs: clock.now() }))
    onFormer()
    log('left-work-group', { set_aside: folder })
    return folder
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stack.disposeAsync()
  }
}

function membershipLost({ group, directory }: Home): HoldfastError {
  return new HoldfastError('key-missing', `Cannot act for the work group: ${group} is missing or damaged, though ${directory} has the keys of a backup; put the file back, or recover into another --home`)
}

/** Several simulated machines share one disk, which may well be fuller than a real holder's: a fiftieth of it stays free. */
export function minFreeOf(config: Config, testMachine: string | undefined): number {
  return testMachine === undefined ? config.offer.minFree : Math.min(0.02, config.offer.minFree)
}
