/**
 * Who belongs to the work group, from signed records alone.
 *
 * Records come from rosters, peers, a link's credential or the state file. Each is verified by itself (records.ts), then
 * taken in without waiting: network records form a tree with one chosen chain (network-chain.ts), peer records are judged
 * against it (admission.ts) and the newest seq wins, heads and owner epochs go to the head book, silence to liveness.
 * A bad record is counted, never fatal; the absence of a record changes nothing. Knows no data keys and does no I/O.
 */
import { randomBytes } from 'node:crypto'
import { HoldfastError } from '../../../shared/errors.ts'
import type { MachineId, NetworkId, OwnerId } from '../../../shared/ids.ts'
import type { DeviceCertificate } from '../../identity/device.ts'
import type { Signer } from '../../identity/jws.ts'
import { thumbprint } from '../../identity/machine.ts'
import { type AdmissionView, type Refusal as AdmissionRefusal, refusalOf } from './admission.ts'
import { CoverageBook, type CoverageContent, signCoverageReport, verifyCoverageReport } from './coverage-report.ts'
import { HeadBook } from './head-book.ts'
import {
  type IngestReport, Intake, type Refusal, type Source, type Verdict, type Verified, byDependency, count, jwsOf, newReport,
  noteHighest, refusalOfError,
} from './intake.ts'
import { type LiveState, Liveness, stateOfAge } from './liveness.ts'
import { NetworkChain } from './network-chain.ts'
import {
  type Admission, type HeadDocument, type NetworkRecord, type PeerRecord, type VerifiedHead, type VerifiedNetwork,
  type VerifiedPeer, sha256Of, verifyHead, verifyPeer,
} from './records.ts'
import { type RosterHighest, RosterWatch } from './roster-watch.ts'
import type { MembershipState } from './state-file.ts'

export const maxPeers = 5000
const maxWaiting = 256
const verifiedAtOnce = 16
const skewMs = 2 * 86_400_000

export type MembershipEvent =
  | { readonly type: 'network-changed'; readonly epoch: number; readonly sha256: string }
  | { readonly type: 'network-forked'; readonly epoch: number }
  | { readonly type: 'machine-joined' | 'machine-changed' | 'machine-revoked'; readonly id: MachineId; readonly name: string }
  | { readonly type: 'owner-epoch-raised'; readonly owner: OwnerId; readonly epoch: number }
  /** Another machine writes with this key: `id` is the own id (stop using the key) or another member's. */
  | { readonly type: 'cloned-key'; readonly id: MachineId; readonly what: 'peer' | 'head' }
  | { readonly type: 'roster-rolled-back'; readonly locator: string; readonly id: MachineId | undefined; readonly known: number; readonly found: number }

/** A machine of the group as the rest of the agent sees it. */
export interface Member {
  readonly id: MachineId
  readonly name: string
  readonly host: string
  readonly state: LiveState
  /** Seconds since it last answered anybody believed here; undefined when never. */
  readonly heardSecondsAgo: number | undefined
  readonly record: PeerRecord
  readonly jws: string
  /** Its device certificates of the highest epoch known of each owner: lower ones are left out. */
  readonly devices: readonly DeviceCertificate[]
}

export interface OwnState {
  readonly inst: string
  /** The highest seq ever written with this machine's key. */
  readonly seq: number
  readonly admission: Admission | undefined
  readonly peer: VerifiedPeer | undefined
}

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
  readonly heads = new HeadBook()
  readonly coverage = new CoverageBook()
  readonly #options: MembershipOptions
  readonly #peers = new Map<MachineId, VerifiedPeer>()
  readonly #slots = new Map<string, MachineId>()
  readonly #held = new Map<string, Verified>()
  readonly #intake = new Intake()
  readonly #waiting = new Map<string, { readonly verified: Verified; readonly from: Source }>()
  readonly #listeners = new Set<(event: MembershipEvent) => void>()
  readonly rosters = new RosterWatch((event) => { this.#emit({ type: 'roster-rolled-back', ...event }) })
  readonly #admitted = new Map<MachineId, AdmissionRefusal | undefined>()
  readonly #clones = new Set<MachineId>()
  #own: OwnState = { inst: randomBytes(12).toString('base64url'), seq: 0, admission: undefined, peer: undefined }
  #since: number
  #revision = 0
  #replaced: ReadonlySet<MachineId> | undefined

  constructor(options: MembershipOptions) {
    this.#options = options
    this.net = options.net
    this.self = options.self
    this.chain = new NetworkChain(options.net)
    this.liveness = new Liveness(options.monotonic)
    this.#since = options.now()
  }

  /** Takes up a saved state. Throws `invalid-config` when it is of another machine or network. */
  static async restore(state: MembershipState, options: MembershipOptions): Promise<Membership> {
    if (state.net !== options.net || state.self !== options.self) {
      throw new HoldfastError('invalid-config', 'Cannot take up the saved membership: it is of another machine or network')
    }
    const membership = new Membership(options)
    await membership.#load(state)
    return membership
  }

  async #load(state: MembershipState): Promise<void> {
    this.#since = Math.min(state.since, this.#since)
    for (const [invitation, slot, machine] of state.slots) this.#slots.set(`${invitation}/${slot}`, machine)
    const from: Source = { kind: 'state', name: 'state' }
    await this.ingest([...state.network, ...state.peers], from)
    await this.takeHeads(state.heads, from)
    await this.ingest(state.certificates, from)
    await this.takeCoverage(state.coverage)
    const { inst, seq, admission, jws } = state.own
    this.#own = { inst, seq, admission, peer: jws === undefined ? undefined : await verifyPeer(jws) }
    this.liveness.load(state.ages, this.#options.now() - state.savedAt)
    this.rosters.load(state.rosters)
    this.#revision = 0
  }

  toState(): MembershipState {
    const { inst, seq, admission, peer } = this.#own
    return {
      v: 1, net: this.net, self: this.self, since: this.#since, savedAt: this.#options.now(),
      own: { inst, seq, ...(admission && { admission }), ...(peer && { jws: peer.jws }) },
      network: this.chain.entries().map((entry) => entry.jws),
      peers: [...this.#peers.values()].map((peer) => peer.jws),
      certificates: this.heads.epochs().map(([, , certificate]) => certificate),
      heads: this.heads.all().map((head) => head.document),
      coverage: this.coverage.all().map(({ jws }) => jws),
      slots: [...this.#slots].map(([key, machine]) => [key.slice(0, 43), Number(key.slice(44)), machine]),
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
    return [...this.#peers.values()].filter((peer) => this.#refusalOfHeld(peer) === undefined).map((peer) => this.#memberOf(peer))
  }

  /** Another machine of the group; undefined for strangers, revoked ones and this machine itself. */
  member(id: MachineId): Member | undefined {
    const peer = this.#peers.get(id)
    return peer === undefined || this.#refusalOfHeld(peer) !== undefined ? undefined : this.#memberOf(peer)
  }

  #memberOf(peer: VerifiedPeer): Member {
    const { id, name, host } = peer.record
    return {
      id, name, host, state: this.#stateOf(peer.record), heardSecondsAgo: this.liveness.heardAge(id), record: peer.record, jws: peer.jws,
      devices: peer.certificates.filter((certificate) => certificate.epoch >= this.heads.epochOf(certificate.owner)),
    }
  }

  #stateOf(record: PeerRecord): LiveState {
    if (record.state === 'left' || this.#isReplaced(record.id)) return 'gone'
    const expired = record.exp * 1000 + skewMs < this.#options.now()
    return expired && !this.liveness.isHeard(record.id) ? 'gone' : stateOfAge(this.liveness.silence(record.id))
  }

  /** Its owner said with the root key that it was lost, and that another machine took its place. */
  #isReplaced(id: MachineId): boolean {
    this.#replaced ??= new Set([...this.#peers.values(), this.#own.peer]
      .flatMap((peer) => (peer?.admission.by === 'owner' ? [peer.admission.grant.old] : [])))
    return this.#replaced.has(id)
  }

  /** A machine or invitation that an admin shut out. */
  isRevoked(id: string): boolean {
    return this.chain.revocation(id) !== undefined
  }

  /** The device certificate that lets `machine` act for `owner` now; undefined when it has none of the highest epoch. */
  deviceOf(owner: OwnerId, machine: MachineId): DeviceCertificate | undefined {
    const peer = machine === this.self ? this.#own.peer : this.#peers.get(machine)
    return peer?.certificates.find((one) => one.owner === owner && one.epoch >= this.heads.epochOf(owner))
  }

  ownerEpoch(owner: OwnerId): number {
    return this.heads.epochOf(owner)
  }

  /** Call when a peer answered. */
  heard(id: MachineId): void {
    this.liveness.heard(id)
  }

  /** Machines whose key two machines were seen to use since this agent started; its own id when a copy of its home runs. */
  get clones(): ReadonlySet<MachineId> {
    return this.#clones
  }

  slotHolder(invitation: string, slot: number): MachineId | undefined {
    return this.#slots.get(`${invitation}/${slot}`)
  }

  /** Machines, this one included, that an invitation or an admin key (by its id) let in and that are members now. */
  admittedBy(id: string): MachineId[] {
    const all = [...this.#peers.values(), ...(this.#own.peer === undefined ? [] : [this.#own.peer])]
    return all.filter(({ admission, record }) => {
      if (record.id !== this.self && this.member(record.id) === undefined) return false
      if (admission.by === 'admin') return thumbprint(admission.grant.by) === id
      return admission.by === 'invitation' && [admission.invitation.id, thumbprint(admission.invitation.by), admission.grant && thumbprint(admission.grant.by)].includes(id)
    }).map((peer) => peer.record.id)
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
    if (report.taken > 0) this.#retryWaiting(report)
    if (from.kind === 'roster') this.rosters.saw(from.name, highest)
    return report
  }

  #apply(verified: Verified, from: Source): Verdict {
    const verdict = this.#applyOne(verified, from)
    const waits = verdict === 'waiting' || verdict === 'not-an-admin' || verdict === 'replaced-unknown'
    const key = jwsOf(verified)
    if (waits && (this.#waiting.size < maxWaiting || this.#waiting.has(key))) this.#waiting.set(key, { verified, from })
    else this.#waiting.delete(key)
    if (verdict === 'taken') this.#revision++
    return verdict
  }

  #applyOne(verified: Verified, from: Source): Verdict {
    if (verified.kind === 'network') return this.#applyNetwork(verified.network)
    if (verified.kind === 'peer') return verified.peer.record.id === this.self ? this.#applyOwn(verified.peer) : this.#applyPeer(verified.peer, from)
    return this.#knowsOwner(verified.certificate.owner) ? this.#applyCertificate(verified.jws, verified.certificate) : 'unknown-owner'
  }

  #retryWaiting(report: IngestReport): void {
    for (let progress = true; progress;) {
      progress = false
      for (const { verified, from } of [...this.#waiting.values()].sort((a, b) => byDependency(a.verified, b.verified))) {
        if (this.#apply(verified, from) !== 'taken') continue
        report.taken++
        progress = true
      }
    }
  }

  #applyNetwork(network: VerifiedNetwork): Verdict {
    const before = this.chain.current
    const revoked = new Set(this.chain.revokedIds())
    const verdict = this.chain.add(network)
    if (verdict !== 'taken') return verdict
    this.#held.set(network.jws, { kind: 'network', network })
    this.#admitted.clear()
    const current = this.chain.current
    if (current !== undefined && current !== before) this.#emit({ type: 'network-changed', epoch: current.record.epoch, sha256: current.sha256 })
    if (before !== undefined && network.record.prev !== before.sha256) this.#emit({ type: 'network-forked', epoch: network.record.epoch })
    for (const id of this.chain.revokedIds().filter((one) => !revoked.has(one)) as MachineId[]) {
      const name = id === this.self ? this.#own.peer?.record.name : this.#peers.get(id)?.record.name
      if (name !== undefined) this.#emit({ type: 'machine-revoked', id, name })
    }
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
    if (record.net !== this.net) return 'foreign'
    const refusal = refusalOf(peer, this.#view(from))
    if (refusal !== undefined) return refusal
    const known = this.#peers.get(record.id)
    if (known === undefined && this.#peers.size >= maxPeers) return 'quota'
    if (known !== undefined) {
      if (known.jws === jws) return 'known'
      if (record.seq < known.record.seq) return 'stale'
      if (record.seq === known.record.seq) {
        this.#emit({ type: 'cloned-key', id: record.id, what: 'peer' })
        if (sha256Of(jws) > sha256Of(known.jws)) return 'stale'
      }
      this.#held.delete(known.jws)
    }
    this.#keepPeer(peer)
    this.#emit({ type: known === undefined ? 'machine-joined' : 'machine-changed', id: record.id, name: record.name })
    return 'taken'
  }

  #keepPeer(peer: VerifiedPeer): void {
    const { admission, certificates, jws, record } = peer
    this.#peers.set(record.id, peer)
    this.#replaced = undefined
    this.#held.set(jws, { kind: 'peer', peer })
    this.#admitted.clear()
    this.liveness.know(record.id)
    if (admission.by === 'invitation') {
      const key = `${admission.invitation.id}/${admission.claim.slot}`
      if (!this.#slots.has(key)) this.#slots.set(key, record.id)
    }
    certificates.forEach((certificate, at) => this.#applyCertificate(record.owners[at] as string, certificate))
  }

  /**
   * A record of this machine's own id. One from before this state was begun (`iat`, own clock) is our own from an earlier
   * life of the home: its seq is taken over. Later ones with another `inst` or a higher seq, or another
   * one of the newest seq, are somebody else's work.
   */
  #applyOwn({ record, jws }: VerifiedPeer): Verdict {
    if (record.net !== this.net) return 'foreign'
    const { inst, seq, peer } = this.#own
    if (record.inst === inst && record.seq <= seq) {
      if (peer === undefined || jws === peer.jws || record.seq < peer.record.seq) return jws === peer?.jws ? 'known' : 'stale'
      // A copy of this home has the same `inst`, and went on from the same number.
      this.#emit({ type: 'cloned-key', id: this.self, what: 'peer' })
      return 'cloned-key'
    }
    if (record.inst !== inst && record.iat * 1000 < this.#since) {
      this.#own = { ...this.#own, seq: Math.max(seq, record.seq) }
      this.#revision++
      return 'stale'
    }
    this.#emit({ type: 'cloned-key', id: this.self, what: 'peer' })
    return 'cloned-key'
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
    if (!this.#knowsOwner(owner) && !this.#peers.has(machine) && machine !== this.self) return 'unknown-owner'
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
        const report = await verifyCoverageReport(jws, (id) => (id === this.self ? undefined : this.#peers.get(id)?.record.jwk))
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
    this.#replaced = undefined
    this.#revision++
    peer.certificates.forEach((certificate, at) => this.#applyCertificate(peer.record.owners[at] as string, certificate))
  }

  /** May this machine count itself in? Undefined when its own admission holds. */
  ownRefusal(): Refusal | undefined {
    if (this.isRevoked(this.self)) return 'revoked'
    return this.#own.peer === undefined ? 'waiting' : refusalOf(this.#own.peer, this.#view())
  }

  /** Machines that came in by this owner's word, after recoveries. */
  replacementsOf(owner: OwnerId): MachineId[] {
    return [...this.#peers.values()].filter(({ admission }) => admission.by === 'owner' && admission.grant.owner === owner).map((peer) => peer.record.id)
  }

  // Judging

  #refusalOfHeld(peer: VerifiedPeer): AdmissionRefusal | undefined {
    const { id } = peer.record
    if (!this.#admitted.has(id)) this.#admitted.set(id, refusalOf(peer, this.#view()))
    return this.#admitted.get(id)
  }

  #view(from?: Source): AdmissionView {
    const sighting = from === undefined || from.kind === 'state' || from.kind === 'self' ? undefined
      : { now: this.#options.now() / 1000, since: this.#since / 1000, byMember: from.kind === 'member' }
    return {
      chain: this.chain, sighting,
      peer: (id) => (id === this.self ? this.#own.peer : this.#peers.get(id)),
      hasDevice: (owner, machine) => this.heads.get(owner, machine) !== undefined
        || (this.#peers.get(machine)?.certificates.some((one) => one.owner === owner) ?? false),
      slotHolder: (invitation, slot) => this.slotHolder(invitation, slot),
      replacements: (owner) => this.replacementsOf(owner),
    }
  }

  #knowsOwner(owner: OwnerId): boolean {
    if (this.heads.epochOf(owner) > 0) return true
    return this.#own.peer?.certificates.some((one) => one.owner === owner) ?? false
  }
}

function unauthorized(state: string): HoldfastError {
  return new HoldfastError('unauthorized', `Cannot let the machine in: ${state}`, { details: { state } })
}
