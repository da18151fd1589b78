/** A work group in one process: machines with real doors on 127.0.0.1 and their stores in memory. */
import type { MachineId } from '../../shared/ids.ts'
import { type Machine, generateMachine } from '../../agent/identity/machine.ts'
import { type OwnerRoot, generateWords, ownerFromWords } from '../../agent/identity/owner.ts'
import { type Clock, systemClock } from '../../agent/network/clock.ts'
import { Membership } from '../../agent/network/membership/membership.ts'
import { renewOwnRecord } from '../../agent/network/membership/own-record.ts'
import { admitGrantSchema, networkIdOf, networkRecordSchema, recordTypes, sha256Of, sign, verifyNetwork } from '../../agent/network/membership/records.ts'
import { makeCertificate } from '../../agent/network/peer/certificate.ts'
import type { Identity, Target } from '../../agent/network/peer/dial.ts'
import { Door, type DoorEvent, type DoorLimits } from '../../agent/network/peer/door.ts'
import type { Guest } from '../../agent/network/peer/guest.ts'
import { Host, type HostEvent, type HostOptions } from '../../agent/network/peer/host.ts'
import { type Link, dial } from '../../agent/network/peer/link.ts'
import type { TransferringShardStore } from '../../agent/network/shard-store/port.ts'
import { MemoryShardStore } from './memory-shard-store.ts'
import type { TestOwner } from './test-owner.ts'

export interface AgentOptions {
  /** Devices that run on it: all of one machine, which is then the agent's. */
  readonly owners?: readonly TestOwner[]
  readonly store?: TransferringShardStore
  readonly machine?: Machine
  readonly limits?: Partial<DoorLimits>
  readonly clock?: Clock
  readonly onGuest?: (guest: Guest) => void
  readonly agree?: HostOptions['agree']
  readonly pacing?: HostOptions['pacing']
  readonly sparesLink?: HostOptions['sparesLink']
  readonly caughtUp?: HostOptions['caughtUp']
}

export class TestAgent implements AsyncDisposable {
  readonly name: string
  readonly identity: Identity
  readonly membership: Membership
  readonly store: TransferringShardStore
  readonly events: (DoorEvent | HostEvent)[] = []
  readonly #options: AgentOptions
  #door: Door | undefined
  #jws = ''

  constructor(name: string, identity: Identity, membership: Membership, options: AgentOptions) {
    this.name = name
    this.identity = identity
    this.membership = membership
    this.store = options.store ?? new MemoryShardStore(options.owners?.map((owner) => owner.certificate) ?? [])
    this.#options = options
  }

  get id(): MachineId {
    return this.identity.machine.id
  }

  get record(): string {
    return this.#jws
  }

  get door(): Door {
    if (this.#door === undefined) throw new TypeError(`${this.name} has no door`)
    return this.#door
  }

  get target(): Target {
    return { name: this.name, host: '127.0.0.1', port: this.door.port, pin: { id: this.id, certificate: this.identity.certificate } }
  }

  async open(port = 0): Promise<void> {
    const onEvent = (event: DoorEvent | HostEvent) => { this.events.push(event) }
    const host = new Host({ store: this.store, membership: this.membership, about: { name: this.name, agent: 'test' }, clock: systemClock, agree: this.#options.agree, pacing: this.#options.pacing, sparesLink: this.#options.sparesLink, caughtUp: this.#options.caughtUp, onEvent })
    this.#door = await Door.open({
      identity: this.identity, listen: { host: '127.0.0.1', port }, membership: this.membership, clock: this.#options.clock ?? systemClock,
      limits: this.#options.limits, onEvent,
      onGuest: (guest) => {
        this.#options.onGuest?.(guest)
        host.welcome(guest)
      },
    })
    await this.renew()
  }

  /** Writes the own record anew, with the door's address and the devices given. */
  async renew(owners: readonly TestOwner[] = this.#options.owners ?? [], addrs = this.#addresses()): Promise<void> {
    const content = {
      cert: this.identity.certificate, name: this.name, host: this.name, offer: { bytes: 1_000_000_000, minFree: 0 }, agent: 'test',
      addrs, state: 'on' as const, owners: owners.map((owner) => owner.certificate),
    }
    const { jws } = await renewOwnRecord(content, { membership: this.membership, machine: this.identity.machine, nowMs: Date.now(), save: async () => undefined })
    this.#jws = jws
  }

  #addresses(): { host: string; port: number }[] {
    return this.#door === undefined ? [] : [{ host: '127.0.0.1', port: this.#door.port }]
  }

  async dial(other: TestAgent, options: { idleMs?: number; target?: Partial<Target> } = {}): Promise<Link> {
    return await this.dialTo({ ...other.target, ...options.target }, options)
  }

  async dialTo(target: Target, options: { idleMs?: number } = {}): Promise<Link> {
    return await dial(target, {
      identity: this.identity, credential: { v: 1, as: 'member', peer: this.record }, clock: systemClock, idleMs: options.idleMs,
    })
  }

  async close(): Promise<void> {
    const door = this.#door
    this.#door = undefined
    await door?.[Symbol.asyncDispose]()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

export class TestGroup implements AsyncDisposable {
  readonly admin: OwnerRoot['admin']
  readonly network: string
  readonly #agents: TestAgent[] = []
  #newest: string

  private constructor(admin: OwnerRoot['admin'], network: string) {
    this.admin = admin
    this.network = network
    this.#newest = network
  }

  /** With the network record of an earlier group of the same admin, or a new one. */
  static async create(root: OwnerRoot = ownerFromWords(generateWords()), network?: string): Promise<TestGroup> {
    const { admin } = root
    return new TestGroup(admin, network ?? await sign(recordTypes.network, networkRecordSchema, {
      v: 1, by: admin.jwk, epoch: 1, name: 'Test', redundancy: 'auto', minFree: 0.3, admission: 'open', admins: [admin.jwk], revoked: [], rosters: [],
      time: new Date().toISOString(),
    }, admin))
  }

  /** A member with its own record, its door closed. It knows nobody else yet. */
  async agent(name: string, options: AgentOptions = {}): Promise<TestAgent> {
    const machine = options.machine ?? options.owners?.[0]?.machine ?? generateMachine()
    const net = networkIdOf(this.network)
    const membership = new Membership({ net, self: machine.id, now: Date.now, monotonic: () => performance.now() })
    await membership.ingest([this.network], { kind: 'self', name: 'test' })
    const grant = await sign(recordTypes.admit, admitGrantSchema, { v: 1, by: this.admin.jwk, net, machine: machine.id, iat: Math.floor(Date.now() / 1000) }, this.admin)
    membership.setAdmission({ by: 'admin', grant })
    const agent = new TestAgent(name, { machine, certificate: await makeCertificate(machine) }, membership, options)
    this.#agents.push(agent)
    await agent.renew()
    return agent
  }

  /** The same with its door open. */
  async open(name: string, options: AgentOptions = {}): Promise<TestAgent> {
    const agent = await this.agent(name, options)
    await agent.open()
    return agent
  }

  /** The next network record, which shuts the machine out. */
  async revoke(id: MachineId): Promise<string> {
    const { record } = await verifyNetwork(this.#newest)
    this.#newest = await sign(recordTypes.network, networkRecordSchema, {
      ...record, epoch: record.epoch + 1, net: networkIdOf(this.network), prev: sha256Of(this.#newest),
      revoked: [...record.revoked, { id, at: Math.floor(Date.now() / 1000), why: 'test' }],
    }, this.admin)
    return this.#newest
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#agents.map((agent) => agent.close()))
  }
}
