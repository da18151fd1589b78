/**
 * Serves this machine's shards, heads and records to the guests of the door (docs/protocol.md section 2).
 *
 * Each request is parsed by the guest, judged by permission.ts, and done by the store, which checks whatever it keeps. The
 * host itself holds only what a link began: transfers (at most 16), parts of a long head (one of each machine), one listing. It deletes nothing.
 */
import { HoldfastError } from '../../../shared/errors.ts'
import type { MachineId, OwnerId } from '../../../shared/ids.ts'
import { verifyDeviceCertificate } from '../../identity/device.ts'
import type { ObjectId } from '../../object-store.ts'
import type { Clock } from '../clock.ts'
import { type Agreed, type Agreement, verifyAgreement } from '../membership/agreement.ts'
import { verifyContactRecord } from '../membership/contact-records.ts'
import { answerDigest, takePush } from '../membership/digest.ts'
import type { Membership } from '../membership/membership.ts'
import { recordTypes } from '../membership/records.ts'
import { parseHeader } from '../shard.ts'
import type { ShardEntry, TransferringShardStore } from '../shard-store/port.ts'
import type { Caller } from './credential.ts'
import type { Guest } from './guest.ts'
import { HeadIntake, peekHead } from './head-intake.ts'
import type { Paces, Pacing } from './pacing.ts'
import { Transfers } from './transfers.ts'
import { byName, demandDevice, demandHeadBearer, demandLister, demandMember, demandReader, demandShardReader, isDeviceOf, numbersOf } from './permission.ts'
import { type WireEvent, type WireRequest, maxFrame, protocolVersion } from './wire.ts'

const headsOfPage = 16

export type HostEvent =
  | { readonly type: 'shard-stored'; readonly caller: Caller; readonly owner: OwnerId; readonly id: ObjectId; readonly number: number; readonly bytes: number }
  | { readonly type: 'head-received'; readonly caller: Caller; readonly owner: OwnerId; readonly machine: MachineId; readonly seq: number }
  | { readonly type: 'request-refused'; readonly caller: Caller; readonly event: string; readonly error: HoldfastError }

export interface HostOptions {
  readonly store: TransferringShardStore
  readonly membership: Membership
  /** Shown to members: name of the machine and version of the agent. */
  readonly about: { readonly name: string; readonly agent: string }
  readonly clock: Clock
  /** Takes what an owner and an admin agreed on; both signatures are verified. */
  readonly agree?: ((agreed: Agreed, agreement: Agreement) => void) | undefined
  /** Limits of what guests send and read; left out: none. */
  readonly pacing?: Pacing | undefined
  /** Whether no shard is taken for now, because this machine's connection costs money; what is here is served all the same. Left out: never. */
  readonly sparesLink?: (() => Promise<boolean>) | undefined
  /** Settles once this machine knows what happened while it was off; until then members are spoken with, and not served. Left out: it does. */
  readonly caughtUp?: (() => Promise<void>) | undefined
  /** Makes the membership durable, before something of it is acknowledged. */
  readonly save?: (() => Promise<void>) | undefined
  readonly onEvent?: ((event: HostEvent) => void) | undefined
}

/** What one guest began and has not ended. */
interface Visit {
  readonly caller: Caller
  readonly guest: Guest
  readonly transfers: Transfers
  readonly paces: Paces
  listing: { readonly owner: OwnerId; readonly shards: readonly ShardEntry[] } | undefined
}

/** What tells who is who, and so whom an admin shut out. */
const talk: ReadonlySet<WireEvent> = new Set(['hello', 'gossip', 'gossip.push', 'members'])

type Handlers = { readonly [E in WireEvent]: (visit: Visit, request: WireRequest<E>) => Promise<object> }

export class Host {
  readonly #options: HostOptions
  readonly #handlers: Handlers
  readonly #heads: HeadIntake

  constructor(options: HostOptions) {
    this.#options = options
    this.#heads = new HeadIntake(options.store, options.clock)
    this.#handlers = this.#makeHandlers()
  }

  /** Answers the guest until it leaves. */
  welcome(guest: Guest): void {
    const { caller } = guest
    const { store, onEvent, pacing } = this.#options
    const transfers = new Transfers(store, (stored) => { onEvent?.({ type: 'shard-stored', caller, ...stored }) })
    const paces = pacing?.of(guest.ends) ?? {}
    const visit: Visit = { caller, guest, transfers, paces, listing: undefined }
    guest.onEnd(() => {
      void transfers.leave()
      this.#heads.leave(caller.machine, guest)
    })
    guest.serveLane((transfer, bytes) => bothOf(transfers.take(transfer, bytes), paces.download?.(bytes.length)))
    guest.serve(
      async (event, request) => {
        if (caller.as === 'member' && !talk.has(event)) await this.#options.caughtUp?.()
        return await (this.#handlers[event] as (visit: Visit, request: unknown) => Promise<object>)(visit, request)
      },
      (event, error) => {
        onEvent?.({ type: 'request-refused', caller, event, error })
        if (this.#options.membership.isRevoked(caller.machine)) guest.end()
      },
    )
  }

  #makeHandlers(): Handlers {
    const { about, clock, membership, store } = this.#options
    return {
      'hello': async (_visit, { protocols }) => {
        if (!protocols.includes(protocolVersion)) throw new HoldfastError('protocol-unknown', `Cannot speak protocol ${protocols.join(', ')}: this is ${protocolVersion}`)
        return { protocol: protocolVersion, ...about, time: clock.now(), offer: await store.space() }
      },
      'gossip': async ({ caller }, digest) => {
        demandMember(caller, membership)
        membership.heard(caller.machine)
        return answerDigest(membership, digest)
      },
      'gossip.push': async ({ caller }, push) => {
        demandMember(caller, membership)
        await takePush(membership, push, caller.machine)
        return {}
      },
      'members': async ({ caller }, { after }) => {
        if (caller.as !== 'recovery') demandMember(caller, membership)
        return pageOf(this.#records(), after)
      },
      'head.put': async (visit, request) => await this.#takeHead(visit, request),
      'head.list': async ({ caller }, { owner, after }) => {
        demandReader(caller, owner, membership)
        const heads = await this.#headsOf(owner)
        const page = heads.filter(({ machine }) => after === undefined || machine > after)
        return { heads: page.slice(0, headsOfPage).map((head) => ({ ...head, live: head.live.length })), more: page.length > headsOfPage }
      },
      'head.live': async ({ caller }, { owner, machine, seq, offset, length }) => {
        demandReader(caller, owner, membership)
        const head = (await this.#headsOf(owner)).find((one) => one.machine === machine && one.seq === seq)
        if (head === undefined) throw new HoldfastError('not-found', `Cannot read the live list: there is no head ${seq} of the device`)
        return { bytes: head.live.slice(offset, offset + length) } // a view would keep all of it until it is sent
      },
      'retention.agree': async ({ caller }, agreement) => {
        demandMember(caller, membership)
        this.#options.agree?.(await verifyAgreement(agreement, { net: membership.net, isAdmin: (key) => membership.chain.isAdmin(key) }), agreement)
        return {}
      },
      'contact.keep': async ({ caller }, { choice, half }) => {
        const { record } = await verifyContactRecord(recordTypes.contact, choice)
        demandDevice(caller, record.owner, membership)
        await membership.ingest([choice], { kind: 'member', name: caller.machine })
        const contact = membership.contacts.get(record.contact)
        if (contact !== undefined && membership.isOfContact(membership.self, contact.choice)) throw new HoldfastError('invalid-input', 'Cannot keep the half of a recovery contact: this machine has the other one')
        membership.keepHalf(record.contact, half)
        await this.#options.save?.()
        return {}
      },
      'contact.open': async ({ caller }, { request }) => {
        demandMember(caller, membership)
        const { record } = await verifyContactRecord(recordTypes.contactRequest, request)
        await membership.ingest([request], { kind: 'member', name: caller.machine })
        return { half: membership.contacts.release(record.contact, caller.machine) }
      },
      'shard.list': async (visit, request) => await this.#list(visit, request),
      'shard.holds': async ({ caller }, { owner, holding }) => {
        demandMember(caller, membership)
        return { numbers: await Promise.all(holding.map(async (header) => await numbersOf(owner, header, store))) }
      },
      'shard.begin': async ({ caller, transfers }, { header, leaves }) => {
        const { owner, id, number, shardLength } = parseHeader(header)
        demandMember(caller, membership)
        if (!isDeviceOf(caller, owner, membership) && membership.ownerEpoch(owner) === 0) demandDevice(caller, owner, membership)
        if (await this.#options.sparesLink?.() === true) throw new HoldfastError('quota-exceeded', 'Cannot store the shard: this machine is on a connection that costs money', { details: { metered: true } })
        return await transfers.begin({ owner, id, number, header, leaves }, shardLength)
      },
      'shard.data': async ({ transfers, paces }, { transfer, offset, bytes }) => {
        const [received] = await Promise.all([transfers.write(transfer, offset, bytes), paces.download?.(bytes.length)])
        return received
      },
      'shard.commit': async ({ transfers, guest }, { transfer }) => await transfers.commit(transfer, guest.lane !== undefined),
      'shard.open': async ({ caller }, { holding, ...ref }) => {
        await demandShardReader(caller, ref, { holding, store, membership })
        return await store.open(ref)
      },
      'shard.read': async ({ caller, paces }, { holding, offset, length, ...ref }) => {
        await demandShardReader(caller, ref, { holding, store, membership })
        await paces.upload?.(length)
        return { bytes: await inRange(async () => await store.read(ref, offset, length)) }
      },
      'shard.send': async ({ caller, guest, paces }, { holding, offset, length, as, ...ref }) => {
        await demandShardReader(caller, ref, { holding, store, membership })
        if (guest.lane === undefined) throw new HoldfastError('invalid-input', 'Cannot send bytes: the link has no lane')
        await using reading = await store.reading(ref)
        await guest.lane.send(as, { offset, length, pace: paces.upload }, async (at, block) => { await inRange(async () => await reading.readInto(at, block)) })
        return {}
      },
    }
  }

  #records(): string[] {
    const { membership } = this.#options
    const own = membership.own.peer
    return [...membership.chain.entries().map((entry) => entry.jws), ...(own === undefined ? [] : [own.jws]), ...membership.members().map((member) => member.jws)]
  }

  /** By machine. */
  async #headsOf(owner: OwnerId): Promise<{ machine: MachineId; seq: number; certificate: string; head: string; live: Uint8Array }[]> {
    const heads = await this.#options.store.heads(owner)
    return heads.map((published) => ({ ...peekHead(published.head), ...published })).sort((a, b) => (a.machine < b.machine ? -1 : 1))
  }

  async #takeHead({ caller, guest }: Visit, request: WireRequest<'head.put'>): Promise<object> {
    const { membership, onEvent } = this.#options
    const { owner, machine } = await verifyDeviceCertificate(request.certificate)
    demandHeadBearer(caller, owner, membership)
    const answer = await this.#heads.take({ sender: caller.machine, link: guest }, { owner, machine }, request)
    if ('seq' in answer) {
      await membership.takeHeads([{ certificate: request.certificate, head: request.head }], { kind: 'member', name: caller.machine })
      onEvent?.({ type: 'head-received', caller, owner, machine, seq: answer.seq })
    }
    return answer
  }

  /** The first page lists anew; those after it go on in that listing, so each shard comes once. */
  async #list(visit: Visit, { owner, after, limit, holding }: WireRequest<'shard.list'>): Promise<object> {
    const { membership, store } = this.#options
    await demandLister(visit.caller, owner, { holding, membership, store })
    if (after === undefined || visit.listing?.owner !== owner) {
      visit.listing = { owner, shards: (await Array.fromAsync(this.#options.store.list(owner))).sort(byName) }
    }
    const { shards } = visit.listing
    const begin = after === undefined ? 0 : firstAfter(shards, { id: after[0], number: after[1] })
    const more = shards.length > begin + limit
    if (!more) visit.listing = undefined
    return { shards: shards.slice(begin, begin + limit).map(({ kind, id, k, n, number, length }) => ({ kind, id, k, n, number, length })), more }
  }
}

/** Waits for whichever of the two there is. */
function bothOf(one: Promise<void> | undefined, other: Promise<void> | undefined): Promise<void> | undefined {
  if (one === undefined || other === undefined) return one ?? other
  return Promise.all([one, other]).then(() => undefined)
}

/** A range beyond the end is the fault of who asks for it. */
async function inRange<T>(read: () => Promise<T>): Promise<T> {
  try {
    return await read()
  } catch (cause) {
    if (!(cause instanceof RangeError)) throw cause
    throw new HoldfastError('invalid-input', `Cannot read the range: ${cause.message}`, { cause })
  }
}

function firstAfter(shards: readonly ShardEntry[], last: Pick<ShardEntry, 'id' | 'number'>): number {
  const at = shards.findIndex((shard) => byName(shard, last) > 0)
  return at < 0 ? shards.length : at
}

/** Records from number `after` on, as many as one message takes. */
function pageOf(records: readonly string[], after: number): { records: string[]; more: boolean } {
  let length = 0
  const rest = records.slice(after)
  const page = rest.filter((jws, at) => (length += jws.length) <= maxFrame || at === 0)
  return { records: page, more: page.length < rest.length }
}
