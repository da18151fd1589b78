/**
 * The parts of an agent for one home, and what commands see of them (AgentContext). agent/main.ts says in which order they
 * start; what starts only once the machine is in a work group (the group's services, the backup) is the work group's (work-group.ts).
 */
import { readFileSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import type { CommandName, CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import type { NetworkId, OwnerId } from '../../shared/ids.ts'
import type { RunOptions } from '../commands/command.ts'
import type { AgentContext, Backup, RecoverySession, ServedPane } from '../commands/context.ts'
import { AlertBook } from '../commands/alert-book.ts'
import { Checks } from '../commands/checks.ts'
import { RestoredArchives } from '../commands/restored-archives.ts'
import { Settings } from '../commands/settings.ts'
import type { Config } from '../config.ts'
import { type Home, readFileIfThere, writePrivateFile } from '../home.ts'
import type { PublicJwk } from '../identity/jws.ts'
import type { Machine } from '../identity/machine.ts'
import { type OwnerFile, openAdminKey, openFromMachine, parseOwnerFile } from '../identity/owner-file.ts'
import type { OwnerRoot } from '../identity/owner.ts'
import type { FoundingAttempts } from '../network/founding.ts'
import { adminsOf } from '../network/membership/admins.ts'
import type { Membership } from '../network/membership/membership.ts'
import type { Address } from '../network/membership/records.ts'
import { callOut } from '../network/peer/beacon.ts'
import type { Identity } from '../network/peer/dial.ts'
import { askMembers } from '../network/peer/recovery-peers.ts'
import { packsToRespread } from '../network/respread.ts'
import { openRoster } from '../network/roster/open-roster.ts'
import { needsRepair } from '../network/repair.ts'
import type { FolderShardStore } from '../network/shard-store/folder.ts'
import type { Keyring } from '../repository/keyring.ts'
import { WindowsShadowCopies } from '../source/shadow-copies.ts'
import { systemOutlook } from '../outlook/system.ts'
import { openInBrowser } from '../system-browser.ts'
import type { Pace } from '../conditions/port.ts'
import { Politeness } from '../triggers/politeness.ts'
import type { Recurring } from '../triggers/recurring.ts'
import { checkCron, parseCron, quietEndMs } from '../triggers/schedule.ts'
import type { TrustStore } from '../trust/port.ts'
import { trustStores } from '../trust/stores.ts'
import { watchAlerts } from './alert-watch.ts'
import { AgentTriggers } from './agent-triggers.ts'
import { CommandRuns } from './command-runs.ts'
import { keepCoverageList } from './coverage-list-upkeep.ts'
import { CoverageReports } from './coverage-reports.ts'
import { foundingAttempts } from './founding-attempts.ts'
import type { GroupServices } from './group-services.ts'
import { keptText } from './home-text.ts'
import { loadCertificate, loadMachine } from './identity-files.ts'
import { keepHolder } from './holder-upkeep.ts'
import { OwnHolder } from './own-holder.ts'
import { type Log, fileLog } from './log.ts'
import { sparingLog } from './sparing-log.ts'
import { reachableAddresses } from './reachable-addresses.ts'
import { openReading, openRecovery, recoveryDialling, withOwnHolder } from './recovery-session.ts'
import { SilentOwnersHelp } from './silent-owners-help.ts'
import { SignIns } from './sign-ins.ts'
import { WorkGroup, minFreeOf } from './work-group.ts'
import { type OpenDoor, type Surroundings, realSurroundings } from './surroundings.ts'

export interface AgentOptions {
  readonly config: Config
  /** Listen and run triggers; without it the agent is there for one command. */
  readonly serve: boolean
  readonly testMachine?: string
  /** Aborts when the agent is to stop: commands under way are cancelled. */
  readonly signal: AbortSignal
  /** Of a simulation: then the agent can be reached and starts nothing by itself. */
  readonly surroundings?: Surroundings | undefined
}

/** What carries a command out. */
export type Perform = <C extends CommandName>(name: C, context: AgentContext, request: CommandRequest<C>, options: RunOptions) => Promise<CommandResult<C>> | CommandResult<C>

/** What ends in another work group than it began in. */
const entering: ReadonlySet<CommandName> = new Set(['network create', 'network join', 'recover'])

export class AgentParts implements AgentContext {
  readonly clock: AgentContext['clock']
  readonly machine: Machine
  readonly settings: Settings
  readonly homeDirectory: string
  pane: ServedPane | undefined
  readonly runs: CommandRuns
  readonly politeness: Politeness
  readonly signIns: SignIns
  readonly outlook = systemOutlook()
  readonly restoredArchives: RestoredArchives
  readonly founding: FoundingAttempts
  /** Called when who is in the group, or who of it answers, is different. */
  readonly peopleListeners = new Set<() => void>()
  readonly #home: Home
  readonly #options: AgentOptions
  readonly #surroundings: Surroundings
  readonly #holder: OwnHolder
  readonly #workGroup: WorkGroup
  readonly #log: Log
  readonly #identity: Identity
  readonly version: string
  #checks: Checks
  #alerts: AlertBook
  #help: SilentOwnersHelp | undefined
  #door: OpenDoor | undefined
  #triggers: AgentTriggers | undefined
  #openedAdmin: { readonly sealed: string; readonly jwk: PublicJwk } | undefined

  static async open(home: Home, options: AgentOptions, { stack, perform }: { stack: AsyncDisposableStack; perform: Perform }): Promise<AgentParts> {
    const machine = loadMachine(home)
    const { clock, monotonic, diskOf } = options.surroundings ?? realSurroundings
    const log = sparingLog(fileLog(home.log, clock.now), clock.now)
    rmSync(home.scratch, { recursive: true, force: true })
    const made: { parts?: AgentParts } = {}
    const holder = stack.use(await OwnHolder.open({
      path: home.holder, quota: options.config.offer.quotaBytes ?? undefined, minFree: () => minFreeOf(made.parts?.settings.config ?? options.config, options.testMachine),
      certificateOf: (owner, of) => made.parts?.knownGroup()?.membership.deviceOf(owner, of),
      keepDaysOf: (owner) => made.parts?.knownGroup()?.membership.keepDaysOf(owner),
      fairShare: (owner, offer) => made.parts?.knownGroup()?.shares().at(machine.id, owner, offer),
      report: (error) => log('holder-folder-fault', { error }), clock, monotonic, diskOf,
    }))
    const parts = new AgentParts({ home, options, machine, holder, log, perform, certificate: await loadCertificate(home, machine, (error) => log('certificate-not-kept', { error })) })
    made.parts = parts
    if (options.serve || options.surroundings !== undefined) stack.use(await parts.openDoor())
    if (options.serve) void parts.shadowCopies()?.removeLeftovers()
    stack.use(parts.#workGroup)
    stack.use(parts.politeness)
    return parts
  }

  private constructor({ home, options, machine, holder, log, perform, certificate }: {
    home: Home, options: AgentOptions, machine: Machine, holder: OwnHolder, log: Log, perform: Perform, certificate: string,
  }) {
    this.#surroundings = options.surroundings ?? realSurroundings
    this.clock = { now: this.#surroundings.clock.now, monotonic: this.#surroundings.monotonic }
    this.machine = machine
    this.#holder = holder
    this.signIns = new SignIns(home, { machine, version: packageVersion() })
    this.founding = foundingAttempts(home)
    this.homeDirectory = home.directory
    this.#checks = new Checks(keptText(home.checks))
    this.#alerts = new AlertBook(keptText(home.alerts))
    this.restoredArchives = new RestoredArchives(keptText(home.restoredArchives), (error) => log('restored-archives-not-kept', { error }))
    this.#home = home
    this.#options = options
    this.runs = new CommandRuns(async (name, request, runOptions) => {
      const group = this.knownGroup()
      try {
        return await perform(name, this, request, runOptions)
      } catch (error) {
        if (group !== undefined && group !== this.knownGroup() && !entering.has(name)) throw new HoldfastError('cancelled', `Cannot finish ${name}: this machine entered another work group meanwhile`, { cause: error })
        if (!(error instanceof HoldfastError) || error.code === 'internal') log('defect', { command: name, error }) // who asked hears "internal" alone
        throw error
      }
    }, options.signal)
    this.politeness = new Politeness({
      source: this.#surroundings.conditions(), rules: () => this.settings.config.politeness, isHurried: () => this.runs.isHurried,
      after: (delayMs, then) => this.#surroundings.clock.after(delayMs, then), monotonic: this.#surroundings.monotonic,
    })
    this.#log = log
    this.#identity = { machine, certificate }
    this.version = packageVersion()
    this.settings = new Settings({ file: home.config, effective: options.config, write: writePrivateFile, readCron: parseCron, checkCron: (cron) => { checkCron(cron, this.clock.now()) } })
    this.#workGroup = new WorkGroup({
      home, options, holder, log, identity: this.#identity, version: this.version, clock: this.clock, settings: this.settings, runs: this.runs,
      turn: () => this.politeness.turn(), sparesLink: async () => await this.politeness.sparesLink(), door: () => this.#door, addresses: () => this.addresses(), openRoster: (locator) => this.openRoster(locator),
      ownerFile: () => this.ownerFile(), saveOwner: (owner) => { this.saveOwner(owner) }, adminKey: async () => await this.ownAdminKey(),
      onGone: () => this.#triggers?.repairSoon(),
      onPeople: () => { for (const listener of this.peopleListeners) listener() },
      onFormer: () => {
        this.#checks = new Checks(keptText(home.checks))
        this.#alerts = new AlertBook(keptText(home.alerts))
        this.#help?.forget()
      },
    })
  }

  get holder(): FolderShardStore {
    return this.#holder.store
  }

  get checks(): Checks {
    return this.#checks
  }

  get alerts(): AlertBook {
    return this.#alerts
  }

  /** Listens before this machine is a member too: then everybody is a stranger. */
  async openDoor(): Promise<OpenDoor> {
    const { port, host } = this.#options.config.peerAddress
    this.#door = await this.#surroundings.openDoor({
      identity: this.#identity, listen: { host: host ?? '::', port }, clock: this.#surroundings.clock,
      membership: { admits: async (jws) => await this.#workGroup.services.membership.admits(jws) },
      onGuest: (guest) => {
        const group = this.knownGroup()
        if (group === undefined) return guest.end()
        if (guest.caller.as === 'member') group.links.seen(guest.caller.machine, guest.address)
        group.host.welcome(guest)
      },
      onEvent: (event) => this.#log(event.type, { ...event, caller: undefined, machine: 'caller' in event ? event.caller.machine : undefined }),
    })
    return this.#door
  }

  get peerAddress(): string {
    const [address] = this.addresses()
    return address === undefined ? '' : `${address.host.includes(':') ? `[${address.host}]` : address.host}:${address.port}`
  }

  addresses(): readonly Address[] {
    return this.#door === undefined ? [] : reachableAddresses(this.#options.config.peerAddress.host, this.#door.port)
  }

  trustStores(): TrustStore[] {
    return trustStores(process.platform, homedir())
  }

  shadowCopies(): WindowsShadowCopies | undefined {
    if (process.platform !== 'win32') return undefined
    return new WindowsShadowCopies({ record: { read: () => readFileIfThere(this.#home.shadowCopies), write: (text) => { writePrivateFile(this.#home.shadowCopies, text) } } })
  }

  isMember(): boolean {
    return this.#workGroup.isMember
  }

  hasLeft(): boolean {
    return this.knownGroup()?.hasLeft === true
  }

  mayEnter(): boolean {
    return this.#workGroup.mayEnter
  }

  knownGroup(): GroupServices | undefined {
    return this.#workGroup.known
  }

  group(): GroupServices {
    return this.#workGroup.services
  }

  ownerFile(): OwnerFile | undefined {
    const text = readFileIfThere(this.#home.owner)
    return text === undefined ? undefined : parseOwnerFile(text)
  }

  saveOwner(owner: OwnerFile): void {
    writePrivateFile(this.#home.owner, JSON.stringify(owner))
  }

  async words(): Promise<string> {
    const sealed = this.ownerFile()?.words
    if (sealed === undefined) throw new HoldfastError('key-missing', 'Cannot show the words: the kit was confirmed as stored, so they were erased from this machine', { guidance: 'They are on your kit alone. Is it lost: restore what you need while this machine lives, then join anew with another --home, which makes a new kit; or choose a recovery contact.' })
    return await openFromMachine(this.machine, sealed)
  }

  async adminKey() {
    const sealed = this.ownerFile()?.admin
    const key = sealed === undefined ? undefined : await openAdminKey(this.machine, sealed)
    const { membership } = this.group()
    if (key !== undefined && membership.chain.isAdmin(key.jwk)) return key
    const names = adminsOf(membership, key?.jwk).map(({ name }) => name).join(', ')
    throw new HoldfastError('unauthorized', `Cannot do that: only an admin of the work group may; its admins are on ${names}`)
  }

  async openBrowser(address: string): Promise<boolean> {
    return await openInBrowser(address)
  }

  openRoster(locator: string) {
    return openRoster(locator, this.signIns.access)
  }

  /** Takes up the membership that the home has, if any. */
  async startGroup(): Promise<void> {
    await this.#workGroup.takeUp()
  }

  async enter(membership: Membership, owner: OwnerFile, keyring: Keyring): Promise<string | undefined> {
    return await this.#workGroup.enter(membership, owner, keyring)
  }

  async ownAdminKey(): Promise<PublicJwk | undefined> {
    const sealed = this.ownerFile()?.admin
    if (sealed === undefined) return undefined
    if (this.#openedAdmin?.sealed !== sealed) this.#openedAdmin = { sealed, jwk: (await openAdminKey(this.machine, sealed)).jwk }
    return this.#openedAdmin.jwk
  }

  async backup(): Promise<Backup> {
    return await this.#workGroup.backup()
  }

  async askMembers(address: Address, root: OwnerRoot, signal: AbortSignal): Promise<string[]> {
    return await askMembers(address, await recoveryDialling(this.#identity, root, this.#surroundings), signal)
  }

  async callOut(net: NetworkId, signal: AbortSignal): Promise<Address[]> {
    const { beacon, peerAddress: { host } } = this.#options.config
    if (!beacon) return []
    const sightings = await callOut({ net, self: undefined, doorPort: 0, host, clock: this.#surroundings.clock }, { signal, patienceMs: 3_000, enough: 3 })
    return sightings.map(({ address }) => address)
  }

  async beginRecovery(membership: Membership, root: OwnerRoot): Promise<RecoverySession> {
    return await openRecovery({ home: this.#home, identity: this.#identity, log: this.#log, surroundings: this.#options.surroundings }, membership, root)
  }

  async beginReading(owner: OwnerId, certificate: string): Promise<RecoverySession> {
    const { membership, links } = this.group()
    const { name = '', host = '' } = membership.own.peer?.record ?? {}
    const peers = withOwnHolder(links, { id: this.machine.id, name, host, state: 'online', offer: 0 }, this.holder)
    return await openReading({ home: this.#home, identity: this.#identity, log: this.#log, surroundings: this.#options.surroundings }, { membership, peers, owner, certificate })
  }

  nextBackupMs(): number | null {
    return this.#triggers?.nextBackupMs ?? null
  }

  pace(): Pace {
    return this.politeness.pace
  }

  quietUntilMs(): number | null {
    const nowMs = this.clock.now()
    const endMs = quietEndMs(this.settings.config.schedule.quietHours, nowMs)
    return endMs > nowMs ? endMs : null
  }

  running(): string | null {
    return this.runs.busyWith ?? null
  }

  /** Tells the group how this machine's backup stands, until disposed of. */
  startReports(): CoverageReports {
    return new CoverageReports(this, this.runs, this.#log)
  }

  /** Mails what needs attention, until disposed of. */
  startAlerts(): Recurring {
    return watchAlerts(this, this.runs.run, this.#log)
  }

  /** What this machine keeps for others is read again and again, and goes when nobody names it any more; until disposed of. */
  startUpkeep(): AsyncDisposable {
    return keepHolder(() => this.holder, { clock: this.#surroundings.clock, log: this.#log, scrubDays: () => this.settings.config.offer.scrubDays, turn: () => this.politeness.turn() })
  }

  /** Repairs for owners whose machines are all silent: once it is started or told to, until disposed of. */
  help(): SilentOwnersHelp {
    this.#help = new SilentOwnersHelp({ machine: this.machine, holder: () => this.holder, folder: this.#home.helping, group: () => this.knownGroup(), log: this.#log, clock: this.#surroundings.clock })
    return this.#help
  }

  /** Keeps the list in SharePoint up to date where an admin asked for it, until disposed of. */
  startCoverageList(): Recurring {
    return keepCoverageList(this, this.#log)
  }

  async startTriggers(): Promise<AgentTriggers> {
    this.#triggers = await AgentTriggers.start({
      settings: this.settings, homeDirectory: this.homeDirectory, isMember: () => this.isMember(), run: this.runs.run, log: this.#log,
      liveBytes: async () => (await this.backup()).repository.head?.document.live.bytes ?? 0,
      lastDrill: () => this.checks.drill,
      isRespreadDue: async () => {
        const { dispersal, repository } = await this.backup()
        return packsToRespread(dispersal, repository.head?.live ?? []).length > 0
      },
      needsRepair: async () => {
        const { dispersal, repository } = await this.backup()
        return needsRepair(dispersal, repository.head?.live ?? [])
      },
    })
    return this.#triggers
  }
}

function packageVersion(): string {
  return (JSON.parse(readFileSync(new URL('../../package.json', import.meta.url), 'utf8')) as { version: string }).version
}
