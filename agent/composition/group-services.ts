/**
 * The network side of a member: records kept and renewed, rosters in step, links and gossip, the host that serves others.
 * Put together here, started in this order and stopped in the reverse one.
 */
import { setTimeout as delay } from 'node:timers/promises'
import { HoldfastError } from '../../shared/errors.ts'
import type { MachineId, OwnerId } from '../../shared/ids.ts'
import type { Group, Standing, Told } from '../commands/context.ts'
import type { Config } from '../config.ts'
import type { PublicJwk } from '../identity/jws.ts'
import type { OwnerFile } from '../identity/owner-file.ts'
import type { Clock as NetworkClock } from '../network/clock.ts'
import { Agreements } from '../network/agreements.ts'
import type { Agreed } from '../network/membership/agreement.ts'
import { HandedShards } from '../network/handed-shards.ts'
import { ContactHalves } from '../network/contact-halves.ts'
import { FairShares } from '../network/fair-share.ts'
import type { HandoverParts } from '../network/handover.ts'
import { hostId } from '../network/membership/host-id.ts'
import { isHeardLately, onlineSeconds } from '../network/membership/liveness.ts'
import type { Membership, MembershipEvent } from '../network/membership/membership.ts'
import { OnlineShares } from '../network/membership/online-share.ts'
import { type OwnContent, renewOwnRecord } from '../network/membership/own-record.ts'
import type { Address } from '../network/membership/records.ts'
import type { MembershipStore } from '../network/membership/store.ts'
import { Pacing } from '../network/peer/pacing.ts'
import type { Identity } from '../network/peer/dial.ts'
import type { CoverageContent } from '../network/membership/coverage-report.ts'
import { Gossip } from '../network/peer/gossip.ts'
import { Host, type HostEvent } from '../network/peer/host.ts'
import type { Link } from '../network/peer/link.ts'
import { Links } from '../network/peer/links.ts'
import type { Roster } from '../network/roster/port.ts'
import { RosterSync, type RosterStatus } from '../network/roster/roster-sync.ts'
import type { HolderAccounts, TransferringShardStore } from '../network/shard-store/port.ts'
import type { KeptText } from '../kept-text.ts'
import type { Log } from './log.ts'
import { Meetings, rosterPatienceMs } from './meetings.ts'
import { type Surroundings, realSurroundings } from './surroundings.ts'

const upkeepMs = 20_000
const onlineSaveMs = 10 * 60_000
/** How long nobody is served while neither a roster nor another machine answers. */
const newsPatienceMs = 5_000
/** A command waits so long for peers that it wants to tell something. */
const tellPatienceMs = 5_000
/** What a loss of power must not undo: who came and who was shut out, by admins or by a recovery, and what the group has settled. */
const neverForgotten: ReadonlySet<MembershipEvent['type']> = new Set(['machine-joined', 'network-changed', 'network-forked', 'machine-revoked', 'owner-epoch-raised', 'contact-ended', 'cloned-key'])

export interface GroupOptions {
  readonly store: MembershipStore
  readonly identity: Identity
  readonly holder: TransferringShardStore & HolderAccounts
  readonly log: Log
  readonly version: string
  readonly openRoster: (locator: string) => Roster
  readonly name: () => string
  readonly owner: () => OwnerFile | undefined
  /** Where this agent listens; undefined while it does not, then its record keeps what it said before. */
  readonly addresses: readonly Address[] | undefined
  readonly testMachine: string | undefined
  /** Where online shares are kept over a restart. */
  readonly onlineFile: KeptText
  /** Where it is kept whom this machine told of which agreement. */
  readonly agreementsFile: KeptText
  readonly handedFile: KeptText
  readonly minFree: () => number
  /** No shards are taken for now. */
  readonly sparesLink: () => Promise<boolean>
  /** What the owner would sign with as an admin. */
  readonly adminKey: () => Promise<PublicJwk | undefined>
  readonly limits: Pick<Config['limits'], 'uploadBytesPerSecond' | 'downloadBytesPerSecond' | 'slowLinks'>
  readonly surroundings?: Surroundings | undefined
}

export class GroupServices implements Group, AsyncDisposable {
  readonly membership: Membership
  readonly links: Links
  readonly host: Host
  /** How much of the time the others are online. */
  readonly online: OnlineShares
  readonly contacts: ContactHalves
  readonly agreements: Agreements
  readonly #options: GroupOptions
  readonly #gossip: Gossip
  readonly #rosters: RosterSync
  readonly #meetings: Meetings
  readonly #hostId: string
  readonly #pending = new Set<Promise<unknown>>()
  readonly #clock: NetworkClock
  readonly #monotonic: () => number
  readonly #unsubscribe: () => void
  #renewing: Promise<void> = Promise.resolve()
  #cancelUpkeep: () => void = () => {}
  readonly #stopping = new AbortController()
  #savesSoon = false
  #onlineSavedMs: number
  readonly #openedMs: number
  #isStarted = false
  /** Nobody is served before. */
  #news: Promise<void> = Promise.resolve()
  /** A machine that stopped while it was leaving is a member again. */
  #standing: Standing = { state: 'on' }

  static async open(options: GroupOptions): Promise<GroupServices> {
    const { membership } = options.store
    const id = await hostId({ net: membership.net, testMachine: options.testMachine })
    const services = new GroupServices(options, id)
    await services.#renew()
    return services
  }

  private constructor(options: GroupOptions, id: string) {
    const { identity, limits, log, store } = options
    const { membership } = store
    const { clock, dial, monotonic, random } = options.surroundings ?? realSurroundings
    this.membership = membership
    this.#clock = clock
    this.#monotonic = monotonic
    this.#openedMs = this.#onlineSavedMs = monotonic()
    this.online = new OnlineShares(monotonic)
    this.#options = options
    this.#hostId = id
    const pacing = new Pacing({ ...limits, clock })
    this.online.load(options.onlineFile.read())
    this.links = new Links({
      membership, identity, clock, random, dial, pacing, onlineShare: (of) => this.online.shareOf(of), onLink: (link) => this.#track(this.#greet(link)),
    })
    this.contacts = new ContactHalves(membership, this.links)
    const take = ({ owner, ...agreed }: Agreed): void => { options.holder.agree(owner, agreed) }
    this.agreements = new Agreements({
      membership, links: this.links, file: options.agreementsFile, take, headsOf: async (owner) => await options.holder.heads(owner),
    })
    membership.contacts.follow(() => options.holder.ownTime())
    this.#gossip = new Gossip({ membership, links: this.links, clock, random })
    this.#rosters = new RosterSync({
      membership, rosters: membership.network.rosters.map((locator) => options.openRoster(locator)), now: clock.now, random,
      delay: async (ms, signal) => { await delay(ms, undefined, { signal }) },
      onChange: async () => { await store.saveIfChanged() },
      onFault: (error, locator) => log('roster-fault', { locator, error }),
    })
    this.#meetings = new Meetings({ membership, links: this.links, gossip: this.#gossip, rosters: this.#rosters, clock, log, track: (work) => { this.#track(work) } })
    this.host = new Host({ store: options.holder, membership, about: { name: options.name(), agent: options.version }, clock, pacing, sparesLink: options.sparesLink, caughtUp: async () => { await this.#news },
      agree: (agreed, agreement) => {
        take(agreed)
        this.#track(this.agreements.heard(agreement, agreed, this.#stopping.signal))
      },
      save: async () => { await store.saveIfChanged() }, onEvent: (event) => this.#logHost(event) })
    this.#unsubscribe = membership.subscribe((event) => this.#onMembership(event))
  }

  get rosterStatus(): readonly RosterStatus[] {
    return this.#rosters.status
  }

  /** Gossip, roster polling and upkeep of the own record, until disposed of. */
  start(): void {
    this.#isStarted = true
    this.#news = this.#hearNews()
    this.#upkeepLater()
  }

  /**
   * What happened while this machine was off, above all whom an admin shut out: by a first round of gossip that reached somebody, or
   * by a roster; a group that has neither now goes on after a while.
   */
  async #hearNews(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const enough = this.#clock.after(newsPatienceMs, resolve)
    this.#stopping.signal.addEventListener('abort', () => { resolve() }, { once: true })
    void this.#rosters.start().then(resolve)
    void this.#gossip.start().then((isReached) => (isReached ? resolve() : undefined))
    await promise
    enough()
  }

  async publish(): Promise<void> {
    await this.#renew()
    await this.#rosters.syncOnce()
    await this.#options.store.saveIfChanged()
  }

  async catchUp(signal: AbortSignal): Promise<void> {
    await Promise.all([this.#meetings.rostersRead(signal), this.meetPeers(signal, { patienceMs: rosterPatienceMs })])
  }

  async lookAtRosters(signal: AbortSignal): Promise<void> {
    await this.#meetings.rostersRead(signal, { metered: false })
  }

  async announce(signal: AbortSignal): Promise<Told> {
    await this.#renew()
    await this.#options.store.save()
    const [met] = await Promise.all([this.meetPeers(signal, { patienceMs: tellPatienceMs }), this.#meetings.rostersRead(signal)])
    await this.#options.store.saveIfChanged()
    const others = this.membership.members().filter(({ record }) => record.state !== 'left')
    return { peers: others.filter(({ id }) => met.has(id)).length, of: others.length, rosters: this.rosterStatus.filter(({ state }) => state === 'ok').length }
  }

  async share(): Promise<void> {
    await this.#options.store.save()
    this.#track(this.#gossip.round())
  }

  async post(name: string, text: string, signal: AbortSignal): Promise<number> {
    return await this.#rosters.post(name, text, signal)
  }

  async setStanding(standing: Standing): Promise<void> {
    this.#standing = standing
    await this.#renew()
  }

  /** Has this machine left for good? */
  get hasLeft(): boolean {
    return this.#standing.state === 'left'
  }

  /** Did an admin take this machine out of the group? */
  get isShutOut(): boolean {
    return this.membership.isRevoked(this.membership.self)
  }

  handover(): Omit<HandoverParts, 'store'> {
    return {
      heirs: () => this.membership.members().filter(({ state, record, host }) => state === 'online' && record.state === 'on' && host !== this.#hostId)
        .map(({ id, host, record, devices }) => ({ id, host, offer: record.offer.bytes, owners: devices.map(({ owner }) => owner) })),
      numbersAt: async (id, owner, headers, signal) => (await (await this.links.link(id, signal)).call('shard.holds', { owner, holding: [...headers] }, { signal })).numbers,
      storeOf: async (id, signal) => await this.links.connect(id, { signal }),
      handed: new HandedShards(this.#options.handedFile, this.#clock),
      isAway: (id) => { const member = this.membership.member(id); return member !== undefined && member.state !== 'gone' && member.record.state === 'on' },
    }
  }

  /** Nobody of those who should be there was heard lately, nor since this agent started: time to call out on the local network. */
  get isAlone(): boolean {
    const others = this.membership.members().filter(({ state }) => state !== 'gone')
    const lately = Math.min(onlineSeconds, (this.#monotonic() - this.#openedMs) / 1000)
    return others.length > 0 && others.every(({ id }) => (this.membership.liveness.heardAge(id) ?? Infinity) > lately)
  }

  /** Somebody says that a member's door is there now: it is dialled, and told and asked what is new. */
  sighted(id: MachineId, address: Address): void {
    if (this.membership.member(id) === undefined) return
    this.links.hint(id, address)
    this.#track(this.links.link(id))
  }

  async meetPeers(signal: AbortSignal, options?: { patienceMs?: number }): Promise<ReadonlySet<MachineId>> {
    return await this.#meetings.everybody(signal, options)
  }

  onlineShare(machine: MachineId): number {
    return this.online.shareOf(machine)
  }

  /** What everybody may use, by the offers in the records and the online shares as this machine measured them. */
  shares(): FairShares {
    const { membership } = this
    const own = membership.own.peer?.record
    const self = own === undefined ? [] : [{ machine: own.id, owners: ownersOf(this.#options.owner()), offer: own.offer.bytes, onlineShare: 1 }]
    const others = membership.members().filter(({ state }) => state !== 'gone').map(({ id, devices, record }) => ({
      machine: id, owners: [...new Set(devices.map(({ owner }) => owner))], offer: record.offer.bytes, onlineShare: this.online.shareOf(id),
    }))
    return new FairShares([...self, ...others])
  }

  async report(content: CoverageContent): Promise<void> {
    await this.membership.reportCoverage(content, this.#options.identity.machine)
  }

  /** Who comes newly gets the halves of this owner's recovery contacts that it is to keep. */
  async #greet(link: Link): Promise<void> {
    if (!await this.#gossip.meet(link)) return
    const certificate = this.#options.owner()?.certificate
    await this.contacts.deliverMissing(({ choice }) => choice.certificate === certificate, this.#stopping.signal)
  }

  /** A new head or record travels to the rosters; awaited at the end, so that a short-lived command takes it there too. */
  spread(): void {
    this.#track(this.#rosters.publish())
  }

  #track(work: Promise<unknown>): void {
    const tracked: Promise<unknown> = work.catch((error: unknown) => this.#options.log('background-fault', { error })).finally(() => this.#pending.delete(tracked))
    this.#pending.add(tracked)
  }

  /** A head that is on its way to the rosters gets there, but one that hangs does not hold the agent's end up. */
  async #pendingOver(patienceMs: number): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const enough = this.#clock.after(patienceMs, resolve)
    void Promise.all(this.#pending).finally(resolve)
    await promise
    enough()
  }

  /** One renewal at a time: two would use one seq twice. */
  async #renew(): Promise<void> {
    const before = this.#renewing
    this.#renewing = this.#renewAfter(before)
    await this.#renewing
  }

  async #renewAfter(before: Promise<void>): Promise<void> {
    await before.catch(() => {}) // its caller has seen it
    const { identity, store } = this.#options
    await renewOwnRecord(await this.#ownContent(), { membership: this.membership, machine: identity.machine, nowMs: this.#clock.now(), save: async () => { await store.save() } })
  }

  async #ownContent(): Promise<OwnContent> {
    const { identity, holder, owner, addresses, testMachine, minFree, name, version } = this.#options
    const adminKey = await this.#options.adminKey()
    const before = this.membership.own.peer?.record
    const serving = addresses !== undefined
    const { quota } = await holder.space()
    const certificate = owner()?.certificate
    return {
      cert: identity.certificate, name: name(), ...this.#standing, agent: version,
      host: !serving && testMachine === undefined && before !== undefined ? before.host : this.#hostId,
      addrs: serving ? [...addresses] : before?.addrs ?? [],
      offer: serving || before === undefined ? { bytes: roundOffer(quota), minFree: minFree() } : before.offer,
      owners: certificate === undefined ? [] : [certificate], ...(adminKey && { adminKey }),
    }
  }

  #upkeepLater(): void {
    if (this.#stopping.signal.aborted) return
    this.#cancelUpkeep = this.#clock.after(upkeepMs, () => this.#track(this.#upkeep()))
  }

  async #upkeep(): Promise<void> {
    try {
      this.online.look(this.membership.members().map((member) => ({ id: member.id, isOnline: isHeardLately(member) })))
      this.#saveOnline()
      await this.#renew()
      await this.#options.store.saveIfChanged()
      await this.agreements.deliverMissing(this.#stopping.signal)
    } finally {
      this.#upkeepLater()
    }
  }

  #saveOnline(): void {
    if (this.#monotonic() - this.#onlineSavedMs < onlineSaveMs) return
    this.#onlineSavedMs = this.#monotonic()
    this.#options.onlineFile.write(this.online.toJson())
  }

  #logHost(event: HostEvent): void {
    if (event.type !== 'shard-stored') this.#options.log(event.type, { machine: event.caller.machine, ...('error' in event ? { error: event.error } : {}) })
  }

  /** A place that this version cannot open is told, and the others are followed. */
  #followRosters(): void {
    const { log, openRoster } = this.#options
    const opened = new Map<string, Roster>()
    for (const locator of this.membership.network.rosters) {
      try {
        opened.set(locator, openRoster(locator))
      } catch (error) {
        log('roster-fault', { locator, error })
      }
    }
    this.#rosters.follow([...opened.keys()], (locator) => opened.get(locator) as Roster)
  }

  /** News of the group travel at once: who hears of them tells three others, and so on, whatever the next round brings. */
  #onMembership(event: MembershipEvent): void {
    this.#options.log(event.type, { ...event })
    if (neverForgotten.has(event.type)) this.#saveSoon()
    if (event.type === 'machine-revoked') this.links.drop(event.id)
    if (event.type === 'contact-asked' || event.type === 'contact-ended') this.#track(this.#gossip.round())
    if (this.#isStarted && (event.type === 'machine-joined' || event.type === 'machine-changed')) this.#track(this.agreements.deliverMissing(this.#stopping.signal))
    if (event.type === 'approved') this.#track(this.publish())
    if (event.type === 'network-changed') this.#followRosters()
    if (event.type === 'network-changed' && this.#isStarted) this.#track(this.#gossip.round())
  }

  /** Once for all that comes at the same time. */
  #saveSoon(): void {
    if (this.#savesSoon) return
    this.#savesSoon = true
    this.#track(this.#saveAfterEvents())
  }

  async #saveAfterEvents(): Promise<void> {
    await Promise.resolve() // those of one intake are told one after the other
    this.#savesSoon = false
    await this.#options.store.saveIfChanged()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort(new HoldfastError('cancelled', 'Cannot go on: the agent is stopping'))
    this.#cancelUpkeep()
    this.#unsubscribe()
    await this.#gossip[Symbol.asyncDispose]()
    await this.#pendingOver(rosterPatienceMs)
    await this.#rosters[Symbol.asyncDispose]()
    while (this.#pending.size > 0) await Promise.all(this.#pending)
    await this.links[Symbol.asyncDispose]()
    await this.#options.store[Symbol.asyncDispose]()
  }
}

function ownersOf(owner: OwnerFile | undefined): OwnerId[] {
  return owner === undefined ? [] : [owner.owner]
}

/** To a tenth of a GB downwards, so that the record does not change with every byte. */
function roundOffer(bytes: number): number {
  return Math.max(0, Math.floor(bytes / 1e8) * 1e8)
}
