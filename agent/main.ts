/**
 * The composition root: puts an agent together for one home, and the only file that picks adapters.
 *
 * With `serve` it listens to peers and to the pane, runs triggers and says where it is in the runtime file; without, it
 * runs one command and ends. Parts start in the order in which they stand here and stop in the reverse one.
 */
import { readFileSync, rmSync } from 'node:fs'
import { hostname, networkInterfaces } from 'node:os'
import { HoldfastError } from '../shared/errors.ts'
import type { CommandName, CommandRequest, CommandResult } from '../shared/api.ts'
import { backup } from './commands/backup.ts'
import { listEntries, listSnapshots } from './commands/browse.ts'
import type { RunCommand, RunOptions } from './commands/command.ts'
import type { AgentContext, Backup } from './commands/context.ts'
import { doctor } from './commands/doctor.ts'
import { networkCreate, networkInvite, networkJoin } from './commands/enroll.ts'
import { forget } from './commands/forget.ts'
import { keyConfirm, keyShow } from './commands/key.ts'
import { coverage, peers, status } from './commands/overview.ts'
import { protect, unprotect } from './commands/protect.ts'
import { recover } from './commands/recover.ts'
import { restore } from './commands/restore.ts'
import { Settings } from './commands/settings.ts'
import { repair, verify } from './commands/verify.ts'
import { openBackup, openStores } from './composition/backup-services.ts'
import { GroupServices } from './composition/group-services.ts'
import { loadMachine } from './composition/identity-files.ts'
import { type Log, fileLog } from './composition/log.ts'
import { AgentTriggers } from './composition/agent-triggers.ts'
import type { Config } from './config.ts'
import { type Home, lockHome, readFileIfThere, removeFile, writePrivateFile } from './home.ts'
import { openPaneDoor } from './http/pane-door.ts'
import { issueDeviceCertificate } from './identity/device.ts'
import { type OwnerFile, openAdminKey, openFromMachine, parseOwnerFile } from './identity/owner-file.ts'
import type { Machine } from './identity/machine.ts'
import { systemClock } from './network/clock.ts'
import type { Membership } from './network/membership/membership.ts'
import { type Address, signRecoveryProof } from './network/membership/records.ts'
import { MembershipStore } from './network/membership/store.ts'
import { makeCertificate } from './network/peer/certificate.ts'
import type { Identity } from './network/peer/dial.ts'
import { Door } from './network/peer/door.ts'
import { RecoveryPeers, askMembers } from './network/peer/recovery-peers.ts'
import { openRoster } from './network/roster/locator.ts'
import { FolderShardStore } from './network/shard-store/folder.ts'
import type { Keyring } from './repository/keyring.ts'

export interface AgentOptions {
  readonly config: Config
  /** Listen and run triggers; without it the agent is there for one command. */
  readonly serve: boolean
  readonly testMachine?: string
  /** Aborts when the agent is to stop: commands under way are cancelled. */
  readonly signal: AbortSignal
}

export interface Agent extends AsyncDisposable {
  readonly id: string
  readonly paneUrl: string
  /** `host:port` of the peer door; empty without `serve`. */
  readonly peerAddress: string
  readonly run: RunCommand
}

/** Throws `in-use` when another agent has the home, `already-exists` or `in-use` when a port is taken, `key-missing`. */
export async function openAgent(home: Home, options: AgentOptions): Promise<Agent> {
  await using stack = new AsyncDisposableStack()
  stack.use(lockHome(home))
  const parts = await AgentParts.open(home, options, stack)
  const run = parts.runner()
  const pane = options.serve ? stack.use(await openPaneDoor(run, { port: options.config.paneAddress.port, nowMs: Date.now() })) : undefined
  await parts.startGroup()
  if (pane !== undefined) {
    stack.use(await parts.startTriggers(run))
    writePrivateFile(home.runtime, JSON.stringify({
      v: 1, pid: process.pid, machine: parts.machine.id, peer: parts.peerAddress, pane: { port: pane.port, token: pane.token, certificate: pane.certificate },
    }))
    stack.defer(() => removeFile(home.runtime))
  }
  stack.defer(async () => { await parts.settle() })
  const owned = stack.move()
  return {
    id: parts.machine.id, paneUrl: pane === undefined ? '' : `https://localhost:${pane.port}`, peerAddress: parts.peerAddress, run,
    [Symbol.asyncDispose]: async () => { await owned[Symbol.asyncDispose]() },
  }
}

type Handlers = { readonly [C in CommandName]: (context: AgentContext, request: CommandRequest<C>, options: RunOptions) => Promise<CommandResult<C>> | CommandResult<C> }

const handlers: Handlers = {
  'network create': networkCreate, 'network invite': networkInvite, 'network join': networkJoin, 'protect': protect, 'unprotect': unprotect,
  'backup': backup, 'snapshots': listSnapshots, 'ls': listEntries, 'restore': restore, 'verify': verify, 'repair': repair, 'forget': forget, 'peers': peers,
  'status': status, 'coverage': coverage, 'key show': keyShow, 'key confirm': keyConfirm, 'recover': recover, 'doctor': doctor,
}

/** Commands that change the backup wait for each other; the others run beside them. */
const exclusive: ReadonlySet<CommandName> = new Set(['network create', 'network join', 'backup', 'repair', 'forget', 'recover'])

class AgentParts implements AgentContext {
  readonly clock = { now: Date.now, monotonic: () => performance.now() }
  readonly machine: Machine
  readonly settings: Settings
  readonly holder: FolderShardStore
  readonly homeDirectory: string
  readonly #home: Home
  readonly #options: AgentOptions
  /** What starts while the agent runs: the group's services, the backup. */
  readonly #later = new AsyncDisposableStack()
  readonly #log: Log
  readonly #identity: Identity
  readonly #version: string
  readonly #stopping = new AbortController()
  readonly #underWay = new Set<Promise<unknown>>()
  #door: Door | undefined
  #group: GroupServices | undefined
  #backup: Promise<Backup & AsyncDisposable> | undefined
  #triggers: AgentTriggers | undefined
  #turn: Promise<unknown> = Promise.resolve()
  #running: CommandName | undefined

  static async open(home: Home, options: AgentOptions, stack: AsyncDisposableStack): Promise<AgentParts> {
    const machine = loadMachine(home)
    const log = fileLog(home.log, Date.now)
    rmSync(home.scratch, { recursive: true, force: true })
    const made: { parts?: AgentParts } = {}
    const holder = stack.use(await FolderShardStore.open({
      path: home.holder, quota: options.config.offer.quotaBytes ?? undefined, minFree: minFreeOf(options),
      certificateOf: (owner, of) => made.parts?.knownGroup()?.membership.deviceOf(owner, of),
      report: (error) => log('holder-folder-fault', { error }),
    }))
    const parts = new AgentParts({ home, options, machine, holder, log, certificate: await makeCertificate(machine) })
    made.parts = parts
    if (options.serve) stack.use(await parts.openDoor())
    stack.use(parts.#later)
    return parts
  }

  private constructor({ home, options, machine, holder, log, certificate }: {
    home: Home, options: AgentOptions, machine: Machine, holder: FolderShardStore, log: Log, certificate: string,
  }) {
    this.machine = machine
    this.holder = holder
    this.homeDirectory = home.directory
    this.#home = home
    this.#options = options
    this.#log = log
    this.#identity = { machine, certificate }
    this.#version = packageVersion()
    this.settings = new Settings({ file: home.config, effective: options.config, write: writePrivateFile })
  }

  /** Listens before this machine is a member too: then everybody is a stranger. */
  async openDoor(): Promise<Door> {
    const { port, host } = this.#options.config.peerAddress
    this.#door = await Door.open({
      identity: this.#identity, listen: { host: host ?? '::', port }, clock: systemClock,
      membership: { admits: async (jws) => await this.#groupServices().membership.admits(jws) },
      onGuest: (guest) => {
        if (this.#group === undefined) return guest.end()
        if (guest.caller.as === 'member') this.#group.links.seen(guest.caller.machine, guest.address)
        this.#group.host.welcome(guest)
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
    if (this.#door === undefined) return []
    const { port } = this.#door
    const { host } = this.#options.config.peerAddress
    if (host !== null && host !== '::' && host !== '0.0.0.0') return [{ host, port }]
    const outside = Object.values(networkInterfaces()).flatMap((addresses) => addresses ?? [])
      .filter(({ internal, address }) => !internal && !address.startsWith('fe80:')).map(({ address }) => ({ host: address, port }))
    return outside.length > 0 ? outside.slice(0, 8) : [{ host: '127.0.0.1', port }]
  }

  isMember(): boolean {
    return this.#group !== undefined
  }

  knownGroup(): GroupServices | undefined {
    return this.#group
  }

  group(): GroupServices {
    return this.#groupServices()
  }

  #groupServices(): GroupServices {
    if (this.#group === undefined) throw new HoldfastError('not-a-member', 'Cannot do that yet: this machine is in no work group')
    return this.#group
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
    if (sealed === undefined) throw new HoldfastError('key-missing', 'Cannot show the words: the kit was confirmed as stored, so they were erased from this machine')
    return await openFromMachine(this.machine, sealed)
  }

  async adminKey() {
    const sealed = this.ownerFile()?.admin
    if (sealed === undefined) throw new HoldfastError('unauthorized', 'Cannot do that: the owner of this machine is no admin of the work group')
    return await openAdminKey(this.machine, sealed)
  }

  openRoster(locator: string) {
    return openRoster(locator)
  }

  /** Takes up the membership that the home has, if any. */
  async startGroup(): Promise<void> {
    const net = await MembershipStore.networkAt(this.#home.group)
    if (net === undefined) return
    const { store, damaged } = await MembershipStore.open(this.#home.group, { net, self: this.machine.id, ...this.clock })
    if (damaged !== undefined) this.#log('membership-damaged', { set_aside: damaged })
    await this.#openGroup(store)
  }

  async enter(membership: Membership, owner: OwnerFile, keyring: Keyring): Promise<void> {
    if (this.isMember()) throw new HoldfastError('already-exists', 'Cannot enter a work group: this machine is in one already')
    // What an attempt left that ended before the membership was saved: nobody knows of it.
    rmSync(this.#home.repository, { recursive: true, force: true })
    rmSync(this.#home.placement, { force: true })
    this.saveOwner(owner)
    await this.#openGroup(await MembershipStore.create(this.#home.group, membership))
    this.#backup = this.#openBackup(keyring)
    await this.#backup
  }

  async #openGroup(store: MembershipStore): Promise<void> {
    const { config, testMachine } = this.#options
    const group = this.#later.use(await GroupServices.open({
      store, identity: this.#identity, holder: this.holder, log: this.#log, version: this.#version,
      name: () => this.settings.config.label ?? testMachine ?? hostname(), owner: () => this.ownerFile(),
      addresses: this.#door === undefined ? undefined : this.addresses(), testMachine,
      minFree: minFreeOf(this.#options), limits: config.limits,
    }))
    this.#group = group
    if (this.#options.serve) group.start()
  }

  async backup(): Promise<Backup> {
    this.#groupServices()
    this.#backup ??= this.#openBackup()
    return await this.#backup
  }

  async #openBackup(keyring?: Keyring): Promise<Backup & AsyncDisposable> {
    const owner = this.ownerFile()
    if (owner === undefined) throw new HoldfastError('key-missing', 'Cannot open the backup: owner.json is missing; recover with the recovery kit')
    const group = this.#groupServices()
    const common = { home: this.#home, machine: this.machine, owner }
    const stores = await openStores({ ...common, membership: group.membership, peers: group.links, log: this.#log, spread: () => group.spread() })
    const services = await openBackup({ ...common, workers: this.settings.config.limits.workers }, stores, keyring)
    return this.#later.use(services)
  }

  async askMembers(address: Address, root: Parameters<AgentContext['askMembers']>[1], signal: AbortSignal): Promise<string[]> {
    return await askMembers(address, await this.#recoveryDialling(root), signal)
  }

  async #recoveryDialling(root: Parameters<AgentContext['askMembers']>[1]) {
    return { identity: this.#identity, clock: systemClock, proof: await signRecoveryProof(root, this.machine.id, Date.now()) }
  }

  async beginRecovery(membership: Membership, root: Parameters<AgentContext['askMembers']>[1]): ReturnType<AgentContext['beginRecovery']> {
    await using stack = new AsyncDisposableStack()
    const recoveryPeers = stack.use(new RecoveryPeers(membership, await this.#recoveryDialling(root)))
    const certificate = await issueDeviceCertificate(root, this.machine, Math.max(1, membership.ownerEpoch(root.id)), Date.now())
    rmSync(this.#home.scratch, { recursive: true, force: true })
    const home = { ...this.#home, repository: this.#home.scratch, placement: ':memory:' }
    const stores = stack.use(await openStores({
      home, machine: this.machine, owner: { owner: root.id, epoch: 1, certificate }, membership, peers: recoveryPeers, log: this.#log, spread: () => {},
    }))
    const owned = stack.move()
    return { store: stores.dispersal, heads: stores.heads, [Symbol.asyncDispose]: async () => { await owned[Symbol.asyncDispose]() } }
  }

  nextBackupMs(): number | null {
    return this.#triggers?.nextBackupMs ?? null
  }

  running(): string | null {
    return this.#running ?? null
  }

  async startTriggers(run: RunCommand): Promise<AgentTriggers> {
    this.#triggers = await AgentTriggers.start({ settings: this.settings, homeDirectory: this.homeDirectory, isMember: () => this.isMember(), run, log: this.#log })
    return this.#triggers
  }

  /** Runs commands one after the other where they must not overlap; stopping the agent cancels them. */
  runner(): RunCommand {
    return async (name, request, options) => {
      const signal = AbortSignal.any([options.signal, this.#stopSignal()])
      const work = async () => {
        signal.throwIfAborted()
        return await handlers[name](this, request, { ...options, signal })
      }
      const result = exclusive.has(name) ? this.#inTurn(name, work) : work()
      const tracked = result.catch(() => {}).finally(() => { this.#underWay.delete(tracked) })
      this.#underWay.add(tracked)
      return await result
    }
  }

  #stopSignal(): AbortSignal {
    return AbortSignal.any([this.#options.signal, this.#stopping.signal])
  }

  async #inTurn<T>(name: CommandName, work: () => Promise<T>): Promise<T> {
    const turn = this.#turn.catch(() => {}).then(async () => {
      this.#running = name
      try {
        return await work()
      } finally {
        this.#running = undefined
      }
    })
    this.#turn = turn
    return await turn
  }

  /** Cancels what is under way and waits for its end. */
  async settle(): Promise<void> {
    this.#stopping.abort(new HoldfastError('cancelled', 'Cannot finish: the agent is stopping'))
    await Promise.all(this.#underWay)
  }
}

/** Several simulated machines share one disk, which may well be fuller than a real holder's: a fiftieth of it stays free. */
function minFreeOf({ config, testMachine }: AgentOptions): number {
  return testMachine === undefined ? config.offer.minFree : Math.min(0.02, config.offer.minFree)
}

function packageVersion(): string {
  return (JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as { version: string }).version
}
