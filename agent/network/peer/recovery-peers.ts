/**
 * The group as a recovery sees it: every known machine, dialled with a proof by the owner's root key instead of a
 * membership. Read only by what the doors allow. askMembers() is how a recovery that knows one address finds the others.
 */
import { HoldfastError } from '../../../shared/errors.ts'
import type { MachineId } from '../../../shared/ids.ts'
import type { Clock } from '../clock.ts'
import type { Member, Membership } from '../membership/membership.ts'
import type { Address } from '../membership/records.ts'
import type { Peer, Peers } from '../peers.ts'
import type { ShardStore } from '../shard-store/port.ts'
import type { Identity } from './dial.ts'
import { type Dial, type Link, dial } from './link.ts'
import { RemoteShardStore } from './remote-shard-store.ts'

export interface RecoveryDialling {
  readonly identity: Identity
  /** JWS typ `holdfast-recovery` for the key of `identity`. */
  readonly proof: string
  readonly clock: Clock
  readonly dial?: Dial | undefined
}

const mostRecords = 20_000

/** All network and peer records that the machine at `address` knows. Its key is not known, so nothing here is believed yet. */
export async function askMembers({ host, port }: Address, dialling: RecoveryDialling, signal?: AbortSignal): Promise<string[]> {
  const reach = dialling.dial ?? dial
  await using link = await reach({ name: `${host}:${port}`, host, port }, optionsOf(dialling, signal))
  const records: string[] = []
  for (let more = true; more && records.length < mostRecords;) {
    const page = await link.call('members', { after: records.length }, { signal })
    records.push(...page.records)
    more = page.more && page.records.length > 0
  }
  return records
}

function optionsOf({ identity, proof, clock }: RecoveryDialling, signal: AbortSignal | undefined) {
  return { identity, credential: { v: 1, as: 'recovery', proof } as const, clock, signal }
}

export class RecoveryPeers implements Peers, AsyncDisposable {
  readonly #membership: Membership
  readonly #dialling: RecoveryDialling
  readonly #links = new Map<MachineId, Promise<Link>>()
  readonly #stores = new Map<MachineId, ShardStore>()

  constructor(membership: Membership, dialling: RecoveryDialling) {
    this.#membership = membership
    this.#dialling = dialling
  }

  /** Every member counts as online: who does not answer is found out by dialling. */
  list(): readonly Peer[] {
    return this.#membership.members().filter(canBeDialled).map(peerOf)
  }

  find(id: MachineId): Peer | undefined {
    const member = this.#membership.member(id)
    return member !== undefined && canBeDialled(member) ? peerOf(member) : undefined
  }

  async connect(id: MachineId): Promise<ShardStore> {
    await this.#link(id)
    const store = this.#stores.get(id) ?? new RemoteShardStore(async () => await this.#link(id))
    this.#stores.set(id, store)
    return store
  }

  async #link(id: MachineId): Promise<Link> {
    const open = this.#links.get(id)
    if (open !== undefined) {
      const link = await open.catch(() => undefined)
      if (link !== undefined && !link.ended.aborted) return link
      // Whoever waited beside us may have dialled by now.
      if (this.#links.get(id) !== open) return await this.#link(id)
    }
    const dialled = this.#dial(id)
    this.#links.set(id, dialled)
    return await dialled
  }

  async #dial(id: MachineId): Promise<Link> {
    const member = this.#membership.member(id)
    let failure: unknown
    for (const { host, port } of member?.record.addrs ?? []) {
      try {
        const pin = { id, certificate: member?.record.cert ?? '' }
        return await (this.#dialling.dial ?? dial)({ name: member?.name ?? id, host, port, pin }, optionsOf(this.#dialling, undefined))
      } catch (error) {
        failure = error
      }
    }
    throw new HoldfastError('peer-unreachable', `Cannot reach ${member?.name ?? id}: none of its addresses answers`, { cause: failure })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.#links.values()].map(async (dialled) => {
      const link = await dialled.catch(() => undefined)
      await link?.[Symbol.asyncDispose]()
    }))
  }
}

function canBeDialled({ record }: Member): boolean {
  return record.state !== 'left' && record.addrs.length > 0
}

function peerOf({ id, name, host, record }: Member): Peer {
  return { id, name, host, state: 'online', offer: record.offer.bytes }
}
