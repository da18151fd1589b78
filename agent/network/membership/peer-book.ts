/**
 * The machines of the group: the newest record of each, the slots of invitations that they took, and whether the
 * admission of each holds now. Judging is admission.ts; what a judgement rests on is put together here, and remembered
 * until something changes that it may rest on.
 */
import { type MachineId, type NetworkId, type OwnerId, shortId } from '../../../shared/ids.ts'
import type { DeviceCertificate } from '../../identity/device.ts'
import { thumbprint } from '../../identity/machine.ts'
import { type AdmissionView, type Refusal, refusalOf } from './admission.ts'
import type { HeadBook } from './head-book.ts'
import type { Source, Verdict } from './intake.ts'
import { type LiveState, type Liveness, stateOfAge } from './liveness.ts'
import type { NetworkChain } from './network-chain.ts'
import { type PeerRecord, type VerifiedPeer, sha256Of } from './records.ts'
import { shownNames } from './shown-names.ts'

export const maxPeers = 5000
export const skewMs = 2 * 86_400_000

/** A machine of the group as the rest of the agent sees it. */
export interface Member {
  readonly id: MachineId
  /** As a person is shown it: with the short id where another machine has the same name; the name alone is the record's. */
  readonly name: string
  readonly host: string
  readonly state: LiveState
  /** Seconds since it last answered anybody believed here; undefined when never. */
  readonly heardSecondsAgo: number | undefined
  /** Seconds since it was heard of, or is known; infinite when it left, was replaced or is gone by an admin's word: it does not come back. */
  readonly silentSeconds: number
  readonly record: PeerRecord
  readonly jws: string
  /** Its device certificates of the highest epoch known of each owner: lower ones are left out. */
  readonly devices: readonly DeviceCertificate[]
}

export interface PeerBookOptions {
  readonly net: NetworkId
  readonly self: MachineId
  readonly chain: NetworkChain
  readonly heads: HeadBook
  readonly liveness: Liveness
  /** Milliseconds since 1970. */
  readonly now: () => number
  /** This machine's own record. */
  readonly own: () => VerifiedPeer | undefined
}

/** What adding a record did: the verdict, the record that it took the place of, and whether two have one seq. */
export interface Added {
  readonly verdict: Verdict
  readonly before?: VerifiedPeer | undefined
  readonly isCloned?: boolean
}

export class PeerBook {
  readonly #options: PeerBookOptions
  readonly #peers = new Map<MachineId, VerifiedPeer>()
  readonly #slots = new Map<string, MachineId>()
  readonly #refusals = new Map<MachineId, Refusal | undefined>()
  #replaced: ReadonlySet<MachineId> | undefined
  #shown: ReadonlyMap<MachineId, string> | undefined
  /** When this agent began to watch the group, milliseconds since 1970. */
  since: number

  constructor(options: PeerBookOptions) {
    this.#options = options
    this.since = options.now()
  }

  /** Call when the network record, a revocation or the own record changed. */
  reconsider(): void {
    this.#refusals.clear()
    this.#replaced = undefined
    this.#shown = undefined
  }

  add(peer: VerifiedPeer, from: Source): Added {
    const { record, jws } = peer
    if (record.net !== this.#options.net) return { verdict: 'foreign' }
    const refusal = refusalOf(peer, this.view(from))
    if (refusal !== undefined) return { verdict: refusal }
    const before = this.#peers.get(record.id)
    if (before === undefined && this.#peers.size >= maxPeers) return { verdict: 'quota' }
    const isCloned = before !== undefined && before.jws !== jws && before.record.seq === record.seq
    if (before?.jws === jws) return { verdict: 'known', before }
    const isOlder = before !== undefined && (record.seq < before.record.seq || (isCloned && sha256Of(jws) > sha256Of(before.jws)))
    if (isOlder) return { verdict: 'stale', before, isCloned }
    this.#keep(peer)
    return { verdict: 'taken', before, isCloned }
  }

  #keep(peer: VerifiedPeer): void {
    const { admission, record } = peer
    this.#peers.set(record.id, peer)
    this.reconsider()
    this.#options.liveness.know(record.id)
    if (admission.by !== 'invitation') return
    const key = `${admission.invitation.id}/${admission.claim.slot}`
    if (!this.#slots.has(key)) this.#slots.set(key, record.id)
  }

  /** The newest record of a machine, whether its admission holds or not. */
  get(id: MachineId): VerifiedPeer | undefined {
    return this.#peers.get(id)
  }

  all(): VerifiedPeer[] {
    return [...this.#peers.values()]
  }

  /** All other machines whose admission holds, those that left included (state `gone`). */
  members(): Member[] {
    return this.all().filter((peer) => this.#refusalOf(peer) === undefined).map((peer) => this.#memberOf(peer))
  }

  /** Another machine of the group; undefined for strangers, revoked ones and this machine itself. */
  member(id: MachineId): Member | undefined {
    const peer = this.#peers.get(id)
    return peer === undefined || this.#refusalOf(peer) !== undefined ? undefined : this.#memberOf(peer)
  }

  /** What a machine of the group, this one included, is called where a person reads it; the short id of a stranger. */
  nameOf(id: MachineId): string {
    this.#shown ??= shownNames([this.#options.own(), ...this.all().filter((peer) => this.#refusalOf(peer) === undefined)].flatMap((peer) => (peer === undefined ? [] : [{
      id: peer.record.id, name: peer.record.name, isThere: !this.#isOver(peer.record),
    }])))
    return this.#shown.get(id) ?? shortId(id)
  }

  #refusalOf(peer: VerifiedPeer): Refusal | undefined {
    const { id } = peer.record
    if (!this.#refusals.has(id)) this.#refusals.set(id, refusalOf(peer, this.view()))
    return this.#refusals.get(id)
  }

  #memberOf(peer: VerifiedPeer): Member {
    const { heads, liveness } = this.#options
    const { id, host } = peer.record
    const silentSeconds = this.#silenceOf(peer.record)
    return {
      id, name: this.nameOf(id), host, state: this.#stateOf(id, silentSeconds), heardSecondsAgo: liveness.heardAge(id), silentSeconds, record: peer.record, jws: peer.jws,
      devices: peer.certificates.filter((certificate) => certificate.epoch >= heads.epochOf(certificate.owner)),
    }
  }

  /** Who does not answer this machine is off, however short a time ago it did. */
  #stateOf(id: MachineId, silentSeconds: number): LiveState {
    const state = stateOfAge(silentSeconds)
    return state === 'online' && this.#options.liveness.isMissed(id) ? 'away' : state
  }

  #silenceOf(record: PeerRecord): number {
    const { liveness, now } = this.#options
    if (this.#isOver(record)) return Infinity
    const expired = record.exp * 1000 + skewMs < now()
    return expired && !liveness.isHeard(record.id) ? Infinity : liveness.silence(record.id)
  }

  /** It does not come back: it left, was replaced or given up. */
  #isOver({ id, state }: PeerRecord): boolean {
    return state === 'left' || this.isReplaced(id) || this.#options.chain.isLost(id)
  }

  /** Its owner said with the root key that it was lost, and that another machine took its place. */
  isReplaced(id: MachineId): boolean {
    this.#replaced ??= new Set([...this.all(), this.#options.own()]
      .flatMap((peer) => (peer?.admission.by === 'owner' ? [peer.admission.grant.old] : [])))
    return this.#replaced.has(id)
  }

  /**
   * For how many days the backups of an owner are kept whose machines all left; undefined while one of them is there or one
   * did not say that it left.
   */
  keepDaysOf(owner: OwnerId): number | undefined {
    const mine = this.#options.own()
    const devices = [...this.all(), ...(mine === undefined ? [] : [mine])].filter(({ certificates }) => certificates.some((one) => one.owner === owner))
    const daysOf = ({ state, legacy }: PeerRecord) => (state === 'left' ? legacy?.keepDays : undefined)
    const staying = devices.filter(({ record }) => daysOf(record) === undefined && !this.isReplaced(record.id))
    const days = devices.flatMap(({ record }) => daysOf(record) ?? [])
    return staying.length > 0 || days.length === 0 ? undefined : Math.max(...days)
  }

  slotHolder(invitation: string, slot: number): MachineId | undefined {
    return this.#slots.get(`${invitation}/${slot}`)
  }

  /** Machines, this one included, that an invitation or an admin key (by its id) let in and that are members now. */
  admittedBy(id: string): MachineId[] {
    return this.#present().filter(({ admission }) => {
      if (admission.by === 'admin') return thumbprint(admission.grant.by) === id
      return admission.by === 'invitation' && [admission.invitation.id, thumbprint(admission.invitation.by), admission.grant && thumbprint(admission.grant.by)].includes(id)
    }).map((peer) => peer.record.id)
  }

  /** Machines, this one included, that came in by their owner's word in the place of `machine` and that are members now. */
  replacedBy(machine: MachineId): MachineId[] {
    return this.#present().filter(({ admission }) => admission.by === 'owner' && admission.grant.old === machine).map((peer) => peer.record.id)
  }

  /** Members, this machine included. */
  #present(): VerifiedPeer[] {
    const mine = this.#options.own()
    return [...this.all().filter(({ record }) => this.member(record.id) !== undefined), ...(mine === undefined ? [] : [mine])]
  }

  /** Machines that came in by this owner's word, after recoveries. */
  replacementsOf(owner: OwnerId): MachineId[] {
    return this.all().filter(({ admission }) => admission.by === 'owner' && admission.grant.owner === owner).map((peer) => peer.record.id)
  }

  /** What an admission is judged by; `from` for a record that comes in now. */
  view(from?: Source): AdmissionView {
    const { chain, heads, now, own, self } = this.#options
    const sighting = from === undefined || from.kind === 'state' || from.kind === 'self' ? undefined
      : { now: now() / 1000, since: this.since / 1000, byMember: from.kind === 'member' }
    return {
      chain, sighting,
      peer: (id) => (id === self ? own() : this.#peers.get(id)),
      hasDevice: (owner, machine) => heads.get(owner, machine) !== undefined
        || (this.#peers.get(machine)?.certificates.some((one) => one.owner === owner) ?? false),
      slotHolder: (invitation, slot) => this.slotHolder(invitation, slot),
      replacements: (owner) => this.replacementsOf(owner),
    }
  }

  /** [invitation, slot, machine], for the state file. */
  slots(): [string, number, MachineId][] {
    return [...this.#slots].map(([key, machine]) => [key.slice(0, 43), Number(key.slice(44)), machine])
  }

  loadSlots(slots: readonly (readonly [string, number, MachineId])[]): void {
    for (const [invitation, slot, machine] of slots) this.#slots.set(`${invitation}/${slot}`, machine)
  }
}
