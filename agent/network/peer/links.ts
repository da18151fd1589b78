/**
 * The links to the other machines of the group: dialled when somebody wants one, shared, kept while they are used.
 *
 * A peer's addresses are tried in turn, those it was seen at last after those of its record. A peer that cannot be
 * reached, or hangs up as soon as it was, is left alone for a while that doubles each time (at most half a minute for who wants
 * shards), until it comes to our own door, its record changes, or somebody heard of it since.
 */
import { isIP } from 'node:net'
import { HoldfastError, hasCode } from '../../../shared/errors.ts'
import type { MachineId } from '../../../shared/ids.ts'
import type { Clock } from '../clock.ts'
import type { Member, Membership } from '../membership/membership.ts'
import type { Address } from '../membership/records.ts'
import type { Peer, Peers } from '../peers.ts'
import type { ShardStore } from '../shard-store/port.ts'
import type { Identity } from './dial.ts'
import { type Dial, type Link, dial } from './link.ts'
import type { Paces, Pacing } from './pacing.ts'
import { RemoteShardStore } from './remote-shard-store.ts'

export interface LinksOptions {
  readonly membership: Membership
  readonly identity: Identity
  readonly clock: Clock
  /** 0 up to 1, exclusive. */
  readonly random: () => number
  /** Limits of what is sent and read; left out: none. */
  readonly pacing?: Pacing | undefined
  /** Told of each link that was dialled, before anybody uses it; what it rejects is the listener's own affair. */
  readonly onLink?: ((link: Link) => void) | undefined
  /** Of the time that this machine was on, 0 to 1. */
  readonly onlineShare?: ((id: MachineId) => number) | undefined
  /** Milliseconds without use after which a link is closed. */
  readonly idleCloseMs?: number | undefined
  readonly dial?: Dial | undefined
  /** Milliseconds for one address. */
  readonly dialMs?: number | undefined
  /** Milliseconds without an answer after which a holder is given up. */
  readonly idleMs?: number | undefined
}

const idleCloseDefaultMs = 180_000
const firstPauseMs = 5_000
const longestPauseMs = 600_000
/** Of one whose shards are wanted. */
const longestWantedMs = 30_000

interface Pause {
  readonly failures: number
  /** Clock's time of the failure. */
  readonly since: number
  /** The same on the scale of liveness. */
  readonly mark: number
  /** 0.5 to 1, so that a group does not come back all at once. */
  readonly lot: number
  /** Of the record that was tried: a newer one is tried at once. */
  readonly seq: number
  readonly error: HoldfastError
}

export class Links implements Peers, AsyncDisposable {
  readonly #options: LinksOptions
  readonly #links = new Map<MachineId, Link>()
  readonly #dials = new Map<MachineId, Promise<Link>>()
  readonly #stores = new Map<MachineId, RemoteShardStore>()
  readonly #paces = new WeakMap<Link, Paces>()
  readonly #pauses = new Map<MachineId, Pause>()
  /** How many links in a row were lost within the first pause of their beginning. */
  readonly #shortLived = new Map<MachineId, number>()
  readonly #seenAt = new Map<MachineId, string>()
  readonly #hints = new Map<MachineId, Address>()
  readonly #stop = new AbortController()
  #cancelSweep: () => void

  constructor(options: LinksOptions) {
    this.#options = options
    this.#cancelSweep = this.#sweepLater()
  }

  list(): readonly Peer[] {
    return this.#options.membership.members().map((member) => this.#peerOf(member))
  }

  find(id: MachineId): Peer | undefined {
    const member = this.#options.membership.member(id)
    return member === undefined ? undefined : this.#peerOf(member)
  }

  #peerOf(member: Member): Peer {
    return { ...peerOf(member), onlineShare: this.#options.onlineShare?.(member.id) }
  }

  async connect(id: MachineId, { signal }: { signal?: AbortSignal | undefined } = {}): Promise<ShardStore> {
    await this.#reach(id, { signal, isWanted: true })
    let store = this.#stores.get(id)
    if (store === undefined) {
      store = new RemoteShardStore(async (signal) => await this.#reach(id, { signal, isWanted: true }), (link) => this.#pacesOf(link))
      this.#stores.set(id, store)
    }
    return store
  }

  /** The open link, or a new one; callers at the same time share one dial. Rejects like connect(). */
  async link(id: MachineId, signal?: AbortSignal): Promise<Link> {
    return await this.#reach(id, { signal, isWanted: false })
  }

  /** `isWanted`: something is to be read of it or put there. */
  async #reach(id: MachineId, { signal, isWanted }: { signal?: AbortSignal | undefined; isWanted: boolean }): Promise<Link> {
    signal?.throwIfAborted()
    this.#stop.signal.throwIfAborted()
    const open = this.#links.get(id)
    if (open !== undefined && !open.ended.aborted) return open
    const dialling = this.#dials.get(id) ?? this.#share(id, { isWanted })
    if (signal === undefined) return await dialling
    const aborted = Promise.withResolvers<never>()
    const abort = () => { aborted.reject(signal.reason) }
    signal.addEventListener('abort', abort, { once: true })
    try {
      return await Promise.race([dialling, aborted.promise])
    } finally {
      signal.removeEventListener('abort', abort)
    }
  }

  #pacesOf(link: Link): Paces {
    const paces = this.#paces.get(link) ?? this.#options.pacing?.of(link.ends) ?? {}
    this.#paces.set(link, paces)
    return paces
  }

  /** A machine came to our door from `host`: it is there, so it may be dialled at once, and perhaps at that address. */
  seen(id: MachineId, host: string): void {
    this.#seenAt.set(id, host)
    this.#pauses.delete(id)
  }

  /** Somebody says that its door is there now: tried at once, and last of its addresses. */
  hint(id: MachineId, address: Address): void {
    this.#hints.set(id, address)
    this.#pauses.delete(id)
  }

  /** It was shut out: what is under way with it rejects. */
  drop(id: MachineId): void {
    this.#links.get(id)?.end()
  }

  /** The dial belongs to all who wait for it, so none of them can cancel it; it ends by its own timeout. */
  #share(id: MachineId, how: { isWanted: boolean; pauses?: boolean }): Promise<Link> {
    const dialling = this.#dial(id, how).finally(() => { this.#dials.delete(id) })
    this.#dials.set(id, dialling)
    dialling.catch(() => { /* whoever waits sees it */ })
    return dialling
  }

  /**
   * Whoever went away without a word counts as away, and is dialled once more: perhaps it is there. It is not left alone when
   * it is not; but one that hangs up again as soon as it was reached is, like one that cannot be reached.
   */
  #onEnded(link: Link, beganMs: number): void {
    const { machine: id } = link
    if (this.#links.get(id) !== link) return
    this.#links.delete(id)
    const { clock, membership } = this.#options
    const isShort = clock.now() - beganMs < firstPauseMs
    if (!isShort) this.#shortLived.delete(id)
    if (!link.isLost || this.#stop.signal.aborted) return
    membership.missed(id)
    const short = (this.#shortLived.get(id) ?? 0) + (isShort ? 1 : 0)
    if (isShort) this.#shortLived.set(id, short)
    const member = membership.member(id)
    if (short > 1 && member !== undefined) this.#pause(member, hungUp(member, link), short - 2)
    else if (!this.#dials.has(id)) void this.#share(id, { isWanted: false, pauses: false })
  }

  /** `pauses`: when it fails, the peer is left alone for a while. */
  async #dial(id: MachineId, { isWanted, pauses = true }: { isWanted: boolean; pauses?: boolean }): Promise<Link> {
    const { membership, onLink } = this.#options
    const member = membership.member(id)
    if (member === undefined) throw this.#noMember(id)
    const pause = this.#pauses.get(id)
    if (pause !== undefined && pause.seq === member.record.seq && this.#lasts(id, pause, isWanted)) throw pause.error
    try {
      const link = await this.#tryAddresses(member)
      this.#pauses.delete(id)
      this.#links.set(id, link)
      const beganMs = this.#options.clock.now()
      link.ended.addEventListener('abort', () => { this.#onEnded(link, beganMs) }, { once: true })
      membership.heard(id)
      onLink?.(link)
      return link
    } catch (error) {
      if (error instanceof HoldfastError && pauses) this.#pause(member, error, pause?.failures ?? 0)
      if (hasCode(error, 'peer-unreachable') && !this.#stop.signal.aborted) membership.missed(id)
      throw error
    }
  }

  #noMember(id: MachineId): HoldfastError {
    if (this.#options.membership.isRevoked(id)) return new HoldfastError('revoked', `Cannot reach machine ${id.slice(0, 8)}: it was shut out`)
    return new HoldfastError('unauthorized', `Cannot reach machine ${id.slice(0, 8)}: it is no member of the work group`)
  }

  async #tryAddresses(member: Member): Promise<Link> {
    const { clock, dialMs, identity, idleMs, membership } = this.#options
    const reach = this.#options.dial ?? dial
    const own = membership.own.peer
    if (own === undefined) throw new HoldfastError('not-a-member', 'Cannot reach other machines: this one has no peer record yet')
    let failure = new HoldfastError('peer-unreachable', `Cannot reach ${member.name}: its record names no address`, { details: { peer: member.name } })
    for (const address of this.#addressesOf(member)) {
      try {
        return await reach({ name: member.name, ...address, pin: { id: member.id, certificate: member.record.cert } }, {
          identity, clock, dialMs, idleMs, credential: { v: 1, as: 'member', peer: own.jws }, signal: this.#stop.signal,
        })
      } catch (error) {
        if (!hasCode(error, 'peer-unreachable')) throw error
        failure = error
      }
    }
    throw failure
  }

  #addressesOf(member: Member): Address[] {
    const { addrs } = member.record
    const seenAt = this.#seenAt.get(member.id)
    const [first] = addrs
    const hints = [...(seenAt === undefined || first === undefined ? [] : [{ host: seenAt, port: first.port }]), this.#hints.get(member.id)]
    return [...addrs, ...hints.filter((hint) => hint !== undefined).filter(({ host, port }) => addrs.every((one) => one.host !== host || one.port !== port))]
  }

  #pause({ id, record }: Member, error: HoldfastError, before: number): void {
    const { clock, membership, random } = this.#options
    this.#pauses.set(id, { failures: before + 1, since: clock.now(), mark: membership.liveness.mark(), lot: 0.5 + random() / 2, seq: record.seq, error })
  }

  /**
   * A pause doubles with each failure. Who wants shards waits half a minute at most; and when somebody heard of the peer after
   * the failure nothing is waited for but the first pause, which keeps one that others reach, and we do not, from being dialled
   * with every rumour.
   */
  #lasts(id: MachineId, { failures, since, mark, lot }: Pause, isWanted: boolean): boolean {
    const isHeard = this.#options.membership.liveness.heardSince(id, mark)
    const most = isHeard ? firstPauseMs : isWanted ? longestWantedMs : longestPauseMs
    const ms = Math.min(most, firstPauseMs * 2 ** Math.min(failures - 1, 16)) * lot
    const passed = this.#options.clock.now() - since
    return passed >= 0 && passed < ms // one that began later than now was begun before the wall clock was set back
  }

  #sweepLater(): () => void {
    const { clock, idleCloseMs = idleCloseDefaultMs } = this.#options
    return clock.after(idleCloseMs / 4, () => {
      for (const link of this.#links.values()) {
        const { busy, lastUsed } = link.activity
        if (!busy && clock.now() - lastUsed >= idleCloseMs) link.end()
      }
      this.#cancelSweep = this.#sweepLater()
    })
  }

  /** Ends every link in order; what is under way rejects. */
  async [Symbol.asyncDispose](): Promise<void> {
    this.#cancelSweep()
    this.#stop.abort(new HoldfastError('cancelled', 'Cannot reach other machines: the agent is stopping'))
    await Promise.allSettled(this.#dials.values())
    await Promise.all([...this.#links.values()].map((link) => link[Symbol.asyncDispose]()))
  }
}

function hungUp({ name }: Member, { ended }: Link): HoldfastError {
  return new HoldfastError('peer-unreachable', `Cannot reach ${name}: it hangs up as soon as it was reached`, { cause: ended.reason, details: { peer: name } })
}

function peerOf({ id, name, host, state, silentSeconds, record, devices }: Member): Peer {
  return { id, name, host, state, silentSeconds, isLeaving: record.state === 'leaving', offer: record.offer.bytes, user: devices[0]?.owner, subnet: subnetOf(record.addrs[0]?.host) }
}

/** The first three numbers of an IPv4 address, the first four groups of an IPv6 one; undefined for a name. */
function subnetOf(host: string | undefined): string | undefined {
  if (host === undefined || isIP(host) === 0) return undefined
  return isIP(host) === 4 ? host.split('.').slice(0, 3).join('.') : host.split(':').slice(0, 4).join(':')
}
