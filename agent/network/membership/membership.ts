/**
 * Who belongs to the work group, from signed records alone.
 *
 * Records come from rosters, peers, a link's credential or the state file. Each is verified by itself (records.ts), then
 * taken in without waiting: network records form a tree with one chosen chain (network-chain.ts), peer records are judged
 * against it and the newest seq wins (peer-book.ts), heads and owner epochs go to the head book, silence to liveness.
 * A bad record is counted, never fatal; the absence of a record changes nothing. Knows no data keys and does no I/O.
 */
import { HoldfastError } from '../../../shared/errors.ts'
import type { MachineId, NetworkId, OwnerId } from '../../../shared/ids.ts'
import type { DeviceCertificate } from '../../identity/device.ts'
import type { Signer } from '../../identity/jws.ts'
import { type Refusal as AdmissionRefusal, refusalOf } from './admission.ts'
import { ContactBook } from './contact-book.ts'
import { refusalOfContact } from './contact-judge.ts'
import type { ContactChoice, ContactRecord } from './contact-records.ts'
import { CoverageBook, type CoverageContent, signCoverageReport, verifyCoverageReport } from './coverage-report.ts'
import { HeadBook } from './head-book.ts'
import {
  type IngestReport, Intake, type Source, type Verdict, type Verified, byDependency, count, newReport,
  noteHighest, refusalOfError,
} from './intake.ts'
import { InvitationBook } from './invitation-book.ts'
import { Liveness } from './liveness.ts'
import type { MembershipEvent } from './membership-event.ts'
import { NetworkChain } from './network-chain.ts'
import { type OwnState, compareOwn, newOwnState } from './own-state.ts'
import { type Member, PeerBook, skewMs } from './peer-book.ts'
import {
  type Admission, type AdmitGrant, type HeadDocument, type NetworkRecord, type VerifiedHead, type VerifiedNetwork, type VerifiedPeer, verifyHead, verifyPeer,
} from './records.ts'
import { type RosterHighest, RosterWatch } from './roster-watch.ts'
import type { MembershipState } from './state-file.ts'
import { WaitingRoom } from './waiting-room.ts'

export type { MembershipEvent } from './membership-event.ts'
export type { Member } from './peer-book.ts'

const verifiedAtOnce = 16
const maxRequests = 200

export interface MembershipOptions {
  readonly net: NetworkId
  readonly self: MachineId
  /** Milliseconds since 1970; compared with `exp` (± 48 h) and the days of invitations only. */
  readonly now: () => number
  /** Milliseconds that never go back. */
  readonly monotonic: () => number
}

export class Membership {
  readonly net: NetworkId
  readonly self: MachineId
  readonly chain: NetworkChain
  readonly liveness: Liveness
  readonly peers: PeerBook
  readonly heads = new HeadBook()
  readonly coverage = new CoverageBook()
  readonly invitations = new InvitationBook()
  readonly contacts: ContactBook
  readonly rosters = new RosterWatch(() => this.#options.now(), (event) => {
    this.#revision++
    this.#emit({ type: 'roster-rolled-back', ...event })
  })
  readonly #options: MembershipOptions
  readonly #held = new Map<string, Verified>()
  readonly #intake = new Intake()
  readonly #waiting = new WaitingRoom()
  readonly #requests = new Map<MachineId, VerifiedPeer>()
  readonly #listeners = new Set<(event: MembershipEvent) => void>()
  readonly #clones = new Set<MachineId>()
  readonly #refusedForks = new Set<string>()
  #own: OwnState = newOwnState()
  #revision = 0

  constructor(options: MembershipOptions) {
    this.#options = options
    this.net = options.net
    this.self = options.self
    this.chain = new NetworkChain(options.net)
    this.liveness = new Liveness(options.monotonic)
    this.contacts = new ContactBook(options.now, (owner) => this.heads.epochOf(owner))
    this.peers = new PeerBook({ ...options, chain: this.chain, heads: this.heads, liveness: this.liveness, own: () => this.#own.peer })
  }

  /** Takes up a saved state. Throws `invalid-config` when it is of another machine or network. */
  static async restore(state: MembershipState, options: MembershipOptions): Promise<Membership> {
    if (state.net !== options.net || state.self !== options.self) {
      throw new HoldfastError('invalid-config', 'Cannot take up the saved membership: it is of another machine or network', { guidance: 'group.json in the home is not the one that was made there: put the right one back, or recover with the recovery kit into another home.' })
    }
    const membership = new Membership(options)
    await membership.#load(state)
    return membership
  }

  async #load(state: MembershipState): Promise<void> {
    this.peers.since = Math.min(state.since, this.peers.since)
    this.peers.loadSlots(state.slots)
    const from: Source = { kind: 'state', name: 'state' }
    await this.ingest([...state.network, ...state.invitations, ...state.peers], from)
    if (state.settled !== undefined) this.chain.settle(state.settled)
    await this.takeHeads(state.heads, from)
    await this.ingest(state.certificates, from)
    await this.takeCoverage(state.coverage)
    const { inst, seq, admission, jws } = state.own
    this.#own = { inst, seq, admission, peer: jws === undefined ? undefined : await verifyPeer(jws) }
    this.peers.reconsider()
    if (state.contacts !== undefined) {
      await this.ingest(state.contacts.records, from)
      this.contacts.load(state.contacts)
    }
    this.liveness.load(state.ages, this.#options.now() - state.savedAt)
    this.rosters.load(state.rosters)
    this.#revision = 0
  }

  toState(): MembershipState {
    const { inst, seq, admission, peer } = this.#own
    return {
      v: 1, net: this.net, self: this.self, since: this.peers.since, savedAt: this.#options.now(),
      own: { inst, seq, ...(admission && { admission }), ...(peer && { jws: peer.jws }) },
      network: this.chain.entries().map((entry) => entry.jws),
      ...(this.chain.told === undefined ? {} : { settled: this.chain.told }),
      peers: this.peers.all().map((one) => one.jws),
      invitations: this.invitations.all().map(({ jws }) => jws),
      certificates: this.heads.epochs().map(([, , certificate]) => certificate),
      heads: this.heads.all().map((head) => head.document),
      coverage: this.coverage.all().map(({ jws }) => jws),
      contacts: this.contacts.toState(),
      slots: this.peers.slots(),
      ages: this.liveness.toJson(),
      rosters: this.rosters.toJson(),
    }
  }

  /** Grows with every change that is worth saving. */
  get revision(): number {
    return this.#revision
  }

  /** Returns what ends the subscription. Listeners must not throw. */
  subscribe(listener: (event: MembershipEvent) => void): () => void {
    this.#listeners.add(listener)
    return () => this.#listeners.delete(listener)
  }

  #emit(event: MembershipEvent): void {
    if (event.type === 'cloned-key') this.#clones.add(event.id)
    for (const listener of this.#listeners) listener(event)
  }

  // What is known

  /** The network record that counts. Throws `not-a-member` before epoch 1 was seen. */
  get network(): NetworkRecord {
    const current = this.chain.current
    if (current === undefined) throw new HoldfastError('not-a-member', 'Cannot use the work group: its network record was not found yet')
    return current.record
  }

  get own(): OwnState {
    return this.#own
  }

  /** All other machines whose admission holds, those that left included (state `gone`). */
  members(): Member[] {
    return this.peers.members()
  }

  /** Another machine of the group; undefined for strangers, revoked ones and this machine itself. */
  member(id: MachineId): Member | undefined {
    return this.peers.member(id)
  }

  /** What a machine of the group, this one included, is called where a person reads it; the short id of a stranger. */
  nameOf(id: MachineId): string {
    return this.peers.nameOf(id)
  }

  /** A machine or invitation that an admin shut out. */
  isRevoked(id: string): boolean {
    return this.chain.revocation(id) !== undefined
  }

  /** The device certificate that lets `machine` act for `owner` now; undefined when it has none of the highest epoch. */
  deviceOf(owner: OwnerId, machine: MachineId): DeviceCertificate | undefined {
    const peer = machine === this.self ? this.#own.peer : this.peers.get(machine)
    return peer?.certificates.find((one) => one.owner === owner && one.epoch >= this.heads.epochOf(owner))
  }

  ownerEpoch(owner: OwnerId): number {
    return this.heads.epochOf(owner)
  }

  /** As PeerBook.keepDaysOf; 0 when the owner's machines left and the colleague dropped what was handed over. */
  keepDaysOf(owner: OwnerId): number | undefined {
    const days = this.peers.keepDaysOf(owner)
    return days !== undefined && this.contacts.isDropped(owner) ? 0 : days
  }

  /** Call when a peer answered. */
  heard(id: MachineId): void {
    const name = this.liveness.isMissed(id) ? this.member(id)?.name : undefined
    this.liveness.heard(id)
    if (name !== undefined) this.#emit({ type: 'machine-back', id, name })
  }

  /** Call when a peer does not answer: it counts as away at once, until somebody hears of it again. */
  missed(id: MachineId): void {
    const before = this.member(id)
    this.liveness.missed(id)
    if (before?.state === 'online') this.#emit({ type: 'machine-away', id, name: before.name })
  }

  /** Machines whose key two machines were seen to use since this agent started; its own id when a copy of its home runs. */
  get clones(): ReadonlySet<MachineId> {
    return this.#clones
  }

  /** Forks of the network record by former admins that were refused since this agent started. */
  get refusedForks(): number {
    return this.#refusedForks.size
  }

  /** As RosterWatch.settle. */
  settleRollBacks(beforeMs: number): void {
    if (this.rosters.settle(beforeMs, (id) => this.member(id) !== undefined)) this.#revision++
  }

  slotHolder(invitation: string, slot: number): MachineId | undefined {
    return this.peers.slotHolder(invitation, slot)
  }

  /** Machines, this one included, that an invitation or an admin key (by its id) let in and that are members now. */
  admittedBy(id: string): MachineId[] {
    return this.peers.admittedBy(id)
  }

  /** Machines, this one included, that came in in the place of `machine` and that are members now. */
  replacedBy(machine: MachineId): MachineId[] {
    return this.peers.replacedBy(machine)
  }

  /** Machines that came in by this owner's word, after recoveries. */
  replacementsOf(owner: OwnerId): MachineId[] {
    return this.peers.replacementsOf(owner)
  }

  /** Machines that an invitation would let in once an admin approved. */
  requests(): VerifiedPeer[] {
    return [...this.#requests.values()].filter((peer) => refusalOf(peer, this.peers.view()) === 'approval-missing')
  }

  // What comes in

  /**
   * Takes in network and peer records and device certificates, in any order and number. Never rejects for what a record
   * holds. What depends on a record that is not here yet waits (at most 256) and is tried again when something was taken.
   */
  async ingest(records: readonly string[], from: Source): Promise<IngestReport> {
    const report = newReport()
    const verified: Verified[] = []
    const highest: RosterHighest = { epoch: 0, seqs: new Map() }
    const unheld = records.filter((jws) => {
      const held = this.#held.get(jws)
      if (held !== undefined) noteHighest(held, highest)
      return held === undefined
    })
    report.known = records.length - unheld.length
    for (let at = 0; at < unheld.length; at += verifiedAtOnce) {
      for (const one of await Promise.all(unheld.slice(at, at + verifiedAtOnce).map((jws) => this.#intake.verify(jws)))) {
        if (typeof one === 'string') count(report, one)
        else verified.push(one)
      }
    }
    for (const one of verified.sort(byDependency)) {
      const verdict = this.#apply(one, from)
      count(report, verdict)
      if (verdict === 'taken' || verdict === 'known' || verdict === 'stale') noteHighest(one, highest)
    }
    if (report.taken > 0) {
      report.taken += this.#waiting.retry((one, source) => this.#apply(one, source))
      this.chain.remember()
    }
    if (from.kind === 'roster') this.rosters.saw(from.name, highest)
    return report
  }

  #apply(verified: Verified, from: Source): Verdict {
    const verdict = this.#applyOne(verified, from)
    this.#waiting.settle(verified, from, verdict)
    if (verdict === 'taken') this.#revision++
    return verdict
  }

  #applyOne(verified: Verified, from: Source): Verdict {
    switch (verified.kind) {
      case 'network': return this.#applyNetwork(verified.network, from)
      case 'peer': return verified.peer.record.id === this.self ? this.#applyOwn(verified.peer) : this.#applyPeer(verified.peer, from)
      case 'device': return this.#knowsOwner(verified.certificate.owner) ? this.#applyCertificate(verified.jws, verified.certificate) : 'unknown-owner'
      case 'invitation':
        if (verified.invitation.net !== this.net) return 'foreign'
        if (!this.chain.mayAdmit(verified.invitation.by, this.self)) return 'not-an-admin'
        return this.invitations.add(verified, this.#options.now())
      case 'grant': return this.#applyGrant(verified.jws, verified.grant)
      case 'contact': return this.#applyContact(verified.contact, from)
    }
  }

  #applyContact(contact: ContactRecord, from: Source): Verdict {
    const verdict = refusalOfContact(contact, from, {
      net: this.net, isMachine: (id) => id === this.self || this.peers.get(id) !== undefined, isRevoked: (id) => this.isRevoked(id),
      knowsOwner: (id) => this.#knowsOwner(id), epochOf: (id) => this.heads.epochOf(id),
    }) ?? this.contacts.add(contact)
    const { owner } = contact.record
    if (verdict !== 'taken' || from.kind === 'state') return verdict
    if (contact.kind === 'request') this.#emit({ type: 'contact-asked', owner, machine: contact.record.machine })
    if (contact.kind === 'end' || contact.kind === 'drop') this.#emit({ type: 'contact-ended', owner })
    return verdict
  }

  /** Is the machine one of the contact's, or of the same owner as one? Such a one keeps no half. */
  isOfContact(machine: MachineId, { to }: Pick<ContactChoice, 'to'>): boolean {
    const ownersOf = (id: MachineId) => (id === this.self ? this.#own.peer : this.peers.get(id))?.certificates.map(({ owner }) => owner) ?? []
    const theirs = new Set(to.flatMap(ownersOf))
    return to.includes(machine) || ownersOf(machine).some((owner) => theirs.has(owner))
  }

  /** The half of a contact's key that this machine keeps as a holder. Throws as ContactBook.keepHalf. */
  keepHalf(contact: string, half: string): void {
    if (this.contacts.keepHalf(contact, half)) this.#revision++
  }

  #applyNetwork(network: VerifiedNetwork, from: Source): Verdict {
    const before = this.chain.current
    const revoked = new Set(this.chain.revokedIds())
    const lost = new Set(before?.record.lost?.map(({ id }) => id))
    const verdict = this.chain.add(network, { isRemembered: from.kind === 'state' })
    if (verdict === 'late-fork' && !this.#refusedForks.has(network.sha256)) {
      this.#refusedForks.add(network.sha256)
      this.#emit({ type: 'fork-refused', epoch: network.record.epoch })
    }
    if (verdict !== 'taken') return verdict
    this.#held.set(network.jws, { kind: 'network', network })
    this.peers.reconsider()
    const current = this.chain.current
    if (current !== undefined && current !== before) this.#emit({ type: 'network-changed', epoch: current.record.epoch, sha256: current.sha256 })
    if (before !== undefined && network.record.prev !== before.sha256) this.#emit({ type: 'network-forked', epoch: network.record.epoch })
    this.#tellOf('machine-revoked', this.chain.revokedIds().filter((id) => !revoked.has(id)) as MachineId[])
    this.#tellOf('machine-gone', current?.record.lost?.map(({ id }) => id).filter((id) => !lost.has(id)) ?? [])
    return 'taken'
  }

  #tellOf(type: 'machine-revoked' | 'machine-gone', ids: readonly MachineId[]): void {
    for (const id of ids) {
      const name = id === this.self ? this.#own.peer?.record.name : this.peers.get(id)?.record.name
      if (name !== undefined) this.#emit({ type, id, name })
    }
  }

  /** An admin's approval of this machine; those of others stand in their own records. */
  #applyGrant(jws: string, { machine, net, by }: AdmitGrant): Verdict {
    const { admission } = this.#own
    if (net !== this.net) return 'foreign'
    if (machine !== this.self || admission?.by !== 'invitation' || admission.grant !== undefined) return 'known'
    if (!this.chain.mayAdmit(by, machine)) return 'not-an-admin'
    this.#own = { ...this.#own, admission: { ...admission, grant: jws } }
    this.#emit({ type: 'approved' })
    return 'taken'
  }

  #applyCertificate(jws: string, certificate: DeviceCertificate): Verdict {
    const before = this.heads.epochOf(certificate.owner)
    if (!this.heads.sawCertificate(jws, certificate)) return certificate.epoch < before ? 'stale' : 'known'
    if (before > 0) this.#emit({ type: 'owner-epoch-raised', owner: certificate.owner, epoch: certificate.epoch })
    return 'taken'
  }

  #applyPeer(peer: VerifiedPeer, from: Source): Verdict {
    const { record, jws } = peer
    const { verdict, before, isCloned } = this.peers.add(peer, from)
    if (isCloned === true) this.#emit({ type: 'cloned-key', id: record.id, what: 'peer' })
    if (verdict === 'approval-missing' && (this.#requests.size < maxRequests || this.#requests.has(record.id))) this.#requests.set(record.id, peer)
    if (verdict !== 'taken') return verdict
    this.#requests.delete(record.id)
    if (before !== undefined) this.#held.delete(before.jws)
    this.#held.set(jws, { kind: 'peer', peer })
    this.#applyCertificates(peer)
    this.#emit({ type: before === undefined ? 'machine-joined' : 'machine-changed', id: record.id, name: record.name })
    if (record.state === 'left' && before?.record.state !== 'left') this.#tellOf('machine-gone', [record.id])
    return 'taken'
  }

  #applyCertificates({ certificates, record }: VerifiedPeer): void {
    certificates.forEach((certificate, at) => this.#applyCertificate(record.owners[at] as string, certificate))
  }

  #applyOwn(peer: VerifiedPeer): Verdict {
    if (peer.record.net !== this.net) return 'foreign'
    const { verdict, own } = compareOwn(this.#own, peer, this.peers.since)
    if (own !== this.#own) this.#revision++
    this.#own = own
    if (verdict === 'cloned-key') this.#emit({ type: 'cloned-key', id: this.self, what: 'peer' })
    return verdict
  }

  /** Heads of devices, with their certificates. Only for owners that some member carries, or devices of a member. */
  async takeHeads(documents: readonly HeadDocument[], from: Source): Promise<IngestReport> {
    const report = newReport()
    for (const document of documents) {
      try {
        count(report, this.#applyHead(await verifyHead(document), from))
      } catch (error) {
        count(report, refusalOfError(error))
      }
    }
    return report
  }

  #applyHead(head: VerifiedHead, from: Source): Verdict {
    const { owner, machine } = head.head
    if (!this.#knowsOwner(owner) && this.peers.get(machine) === undefined && machine !== this.self) return 'unknown-owner'
    this.#applyCertificate(head.document.certificate, head.certificate)
    const verdict = this.heads.add(head, from.kind !== 'state')
    if (verdict === 'taken') this.#revision++
    if (verdict === 'cloned') this.#emit({ type: 'cloned-key', id: machine, what: 'head' })
    return verdict === 'cloned' ? 'cloned-key' : verdict
  }

  /** Coverage reports of members. */
  async takeCoverage(reports: readonly string[]): Promise<IngestReport> {
    const counted = newReport()
    for (const jws of reports) {
      try {
        const report = await verifyCoverageReport(jws, (id) => (id === this.self ? undefined : this.peers.get(id)?.record.jwk))
        const verdict: Verdict = report.net !== this.net ? 'foreign' : this.isRevoked(report.id) ? 'revoked' : this.coverage.add(jws, report)
        if (verdict === 'taken') this.#revision++
        count(counted, verdict)
      } catch (error) {
        count(counted, refusalOfError(error))
      }
    }
    return counted
  }

  /** Signs what this machine says of its own backup, when that is news. */
  async reportCoverage(content: CoverageContent, machine: Signer): Promise<void> {
    const before = this.coverage.get(this.self)?.report
    const jws = await signCoverageReport(content, { net: this.net, machine: { ...machine, id: this.self }, nowMs: this.#options.now(), before })
    if (jws === undefined) return
    const key = this.#own.peer?.record.jwk
    if (key === undefined) return
    this.coverage.add(jws, await verifyCoverageReport(jws, () => key))
    this.#revision++
  }

  /**
   * For the peer door: a dialler's peer record as credential. Takes it in and answers the newest record held of that
   * machine. Throws `record-invalid`, `format-unknown`, `revoked`, or `unauthorized` (foreign, expired, left, not let in).
   */
  async admits(jws: string): Promise<Member> {
    const { record } = await verifyPeer(jws)
    if (record.net !== this.net || record.id === this.self) throw unauthorized('it is of another work group')
    if (this.isRevoked(record.id)) throw new HoldfastError('revoked', 'Cannot let the machine in: an admin shut it out')
    if (record.exp * 1000 + skewMs < this.#options.now()) throw unauthorized('its record ran out; compare the clocks')
    const report = await this.ingest([jws], { kind: 'candidate', name: record.id })
    const member = this.member(record.id)
    if (member === undefined) throw unauthorized(Object.keys(report.refused)[0] ?? 'not-a-member')
    if (member.record.state === 'left') throw unauthorized('it left the work group')
    return member
  }

  // The own record

  /** Replaced when a grant is added to it. */
  setAdmission(admission: Admission): void {
    this.#own = { ...this.#own, admission }
    this.#revision++
  }

  /** Reserves the next seq of the own record: save the state before the record is shown to anybody. */
  async adoptOwn(jws: string): Promise<void> {
    const peer = await verifyPeer(jws)
    const { id, net, inst, seq } = peer.record
    if (id !== this.self || net !== this.net || inst !== this.#own.inst || seq <= this.#own.seq) {
      throw new RangeError('Cannot adopt the own record: wrong machine, network, instance or seq')
    }
    this.#own = { ...this.#own, seq, peer }
    this.peers.reconsider()
    this.#revision++
    this.#applyCertificates(peer)
  }

  /** May this machine count itself in? Undefined when its own admission holds. */
  ownRefusal(): AdmissionRefusal | 'waiting' | undefined {
    if (this.isRevoked(this.self)) return 'revoked'
    return this.#own.peer === undefined ? 'waiting' : refusalOf(this.#own.peer, this.peers.view())
  }

  #knowsOwner(owner: OwnerId): boolean {
    if (this.heads.epochOf(owner) > 0) return true
    return this.#own.peer?.certificates.some((one) => one.owner === owner) ?? false
  }
}

function unauthorized(state: string): HoldfastError {
  return new HoldfastError('unauthorized', `Cannot let the machine in: ${state}`, { details: { state } })
}
