/** Hourly: what this machine does as a holder for owners whose machines are all silent (network/holder-repair.ts). */
import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { OwnerId } from '../../shared/ids.ts'
import type { Machine } from '../identity/machine.ts'
import { type Clock, systemClock } from '../network/clock.ts'
import { type KeepingStore, type OwnerRepair, repairForSilentOwners } from '../network/holder-repair.ts'
import { isSilentOwner } from '../network/membership/silent-owner.ts'
import type { Peer } from '../network/peers.ts'
import { PlacementIndex } from '../network/placement-index.ts'
import { Recurring } from '../triggers/recurring.ts'
import type { GroupServices } from './group-services.ts'
import type { Log } from './log.ts'

const everyMs = 3_600_000

export interface HelpOptions {
  readonly machine: Machine
  readonly holder: () => KeepingStore
  /** Where the placement index of each such owner is kept; losing it costs a day. */
  readonly folder: string
  readonly group: () => GroupServices | undefined
  readonly log: Log
  /** Of the repairs. */
  readonly clock: Clock
}

export class SilentOwnersHelp implements AsyncDisposable {
  readonly #options: HelpOptions
  readonly #indexes = new Map<OwnerId, PlacementIndex>()
  #rounds: Recurring | undefined

  constructor(options: HelpOptions) {
    this.#options = options
  }

  /** Rounds by themselves from now on. */
  start(): this {
    this.#rounds = new Recurring({
      firstMs: everyMs / 2 * (1 + Math.random()), everyMs, after: (delayMs, then) => systemClock.after(delayMs, then),
      work: async (signal) => { await this.round(signal) }, onFault: (error) => this.#options.log('holder-repair-failed', { error }),
    })
    return this
  }

  /** Looks after every silent owner once, now; returns what was done. */
  async round(signal: AbortSignal): Promise<OwnerRepair[]> {
    const { clock, group, holder, log, machine } = this.#options
    const services = group()
    const record = services?.membership.own.peer?.record
    if (services === undefined || record === undefined) return []
    const { membership, links } = services
    const self: Peer = { id: machine.id, name: record.name, host: record.host, state: 'online', offer: record.offer.bytes }
    const done = await repairForSilentOwners({
      machine, self, store: holder(), peers: links, isSilent: (owner) => isSilentOwner(membership, owner), indexOf: (owner) => this.#indexOf(owner), clock,
    }, { signal })
    for (const { owner, shardsMade, mended, failed, bytesSent } of done) log('holder-repair', { owner, shardsMade, mended, failed: failed.length, bytesSent })
    return done
  }

  #indexOf(owner: OwnerId): PlacementIndex {
    const { folder } = this.#options
    const known = this.#indexes.get(owner)
    if (known !== undefined) return known
    mkdirSync(folder, { recursive: true, mode: 0o700 })
    const index = new PlacementIndex(join(folder, `${createHash('sha256').update(owner).digest('hex').slice(0, 24)}.sqlite`))
    this.#indexes.set(owner, index)
    return index
  }

  /** What it knows of owners: another work group begins. */
  forget(): void {
    for (const index of this.#indexes.values()) index[Symbol.dispose]()
    this.#indexes.clear()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#rounds?.[Symbol.asyncDispose]()
    this.forget()
  }
}
