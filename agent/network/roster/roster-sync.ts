/**
 * Keeps the membership and the rosters in step: reads each on an interval with jitter, takes in what verifies, and puts
 * back what this machine answers for (its peer record, its heads) and what the group must not lose (network records).
 *
 * A roster that is down, hung, empty, foreign or rolled back changes its state here and nothing else. Each roster is
 * polled by itself; one that hangs is given up after the timeout and not asked again until it let go.
 */
import { HoldfastError, hasCode } from '../../../shared/errors.ts'
import { type HeadDocument, headDocumentSchema, recordTypes } from '../membership/records.ts'
import { peekType } from '../../identity/jws.ts'
import { type IngestReport, count, joinReports } from '../membership/intake.ts'
import { isHeardLately, onlineSeconds } from '../membership/liveness.ts'
import type { Membership } from '../membership/membership.ts'
import { deviceOfName, headName, isGrantName, machineOfName, networkName, peerName } from './names.ts'
import type { Roster, RosterRecord } from './port.ts'

export interface RosterStatus {
  readonly locator: string
  /** `empty`: nothing of the group is there, until it was written there. `foreign`: it belongs to another group, and nothing is written to it. */
  readonly state: 'unread' | 'ok' | 'unavailable' | 'empty' | 'foreign' | 'rolled-back'
  /** When it was last read, in milliseconds of `now`. */
  readonly readAt: number | undefined
  /** Files that are no records. */
  readonly ignored: number
  /** Records refused at the last full reading, by reason. */
  readonly refused: IngestReport['refused']
  readonly problem: string | undefined
  /** Somebody has to sign in on this machine. */
  readonly needsSignIn: boolean
  /** When it last went back in time, in milliseconds since 1970, mended or not, until that is settled (membership/roster-watch.ts). */
  readonly wentBackMs: number | undefined
}

export interface RosterSyncOptions {
  readonly membership: Membership
  readonly rosters: readonly Roster[]
  readonly now: () => number
  /** Resolves after `ms`; rejects when `signal` aborts. */
  readonly delay: (ms: number, signal: AbortSignal) => Promise<void>
  /** 0 ≤ random() < 1. */
  readonly random: () => number
  readonly intervalMs?: number
  readonly timeoutMs?: number
  /** After a reading that changed the membership: time to save it. */
  readonly onChange?: () => Promise<void>
  /** A fault that is not the roster's, so that the loop goes on and somebody hears of it. */
  readonly onFault?: (error: unknown, locator: string) => void
}

interface Place {
  readonly roster: Roster
  status: Omit<RosterStatus, 'wentBackMs'>
  cursor: string | undefined
  /** What the roster holds of the records that this machine puts back, by name. */
  readonly shown: Map<string, string>
  rounds: number
  running: Promise<void> | undefined
  /** The place asked to be left alone until then, in milliseconds of `now`. */
  notBefore: number
  /** The network record names it no more: it is left once it has been told where the group went. */
  isFormer: boolean
}

/** Every tenth reading is a full one, in case a file system's times are too coarse to show a change. */
const fullEvery = 10
/** Pause between polls of a metered place: on the mean for a small group; at most; and on the mean, at most, while others are online, who poll too and gossip. */
const meteredMeanMs = 5 * 60_000
const meteredMaxMs = 8 * 3_600_000
const meteredMaxInTouchMs = 24 * 3_600_000
/** Mean pause between rounds of gossip. */
const roundSeconds = 60
/** Before the first poll of a metered place gossip brings what the others know already; it need not be downloaded. */
const gossipFirstMs = 30_000

export class RosterSync implements AsyncDisposable {
  readonly #options: Required<Pick<RosterSyncOptions, 'intervalMs' | 'timeoutMs'>> & RosterSyncOptions
  #places: Place[]
  readonly #stop = new AbortController()
  #loops: Promise<void>[] = []
  #isStarted = false
  readonly #firstRead = Promise.withResolvers<void>()

  constructor(options: RosterSyncOptions) {
    this.#options = { ...options, intervalMs: options.intervalMs ?? 45_000, timeoutMs: options.timeoutMs ?? 20_000 }
    this.#places = options.rosters.map(placeOf)
  }

  get status(): readonly RosterStatus[] {
    return this.#places.filter(({ isFormer }) => !isFormer).map(({ status }) => ({ ...status, wentBackMs: this.#options.membership.rosters.wentBackMs(status.locator) }))
  }

  /** Resolves when the first roster was read. */
  async start(): Promise<void> {
    if (!this.#isStarted) this.#begin()
    await this.#firstRead.promise
  }

  #begin(): void {
    this.#isStarted = true
    this.#loops = this.#places.map((place) => this.#loop(place))
  }

  /** The network record names these now. `open` is called for those that are new here. */
  follow(locators: readonly string[], open: (locator: string) => Roster): void {
    for (const place of this.#places) place.isFormer = !locators.includes(place.roster.locator)
    const added = locators.filter((locator) => this.#places.every(({ roster }) => roster.locator !== locator)).map((locator) => placeOf(open(locator)))
    this.#places.push(...added)
    if (this.#isStarted) this.#loops.push(...added.map((place) => this.#loop(place)))
  }

  async #loop(place: Place): Promise<void> {
    const { signal } = this.#stop
    const { random, membership } = this.#options
    if (place.roster.isMetered === true && membership.members().some(({ record }) => record.addrs.length > 0)) await this.#pause(gossipFirstMs * (0.5 + random()))
    while (!signal.aborted && this.#places.includes(place)) {
      await this.#turn(place)
      await this.#pauseAfterTurn(place)
    }
  }

  /** In steps, each judged anew: who heard the others when it began may reach nobody by now. */
  async #pauseAfterTurn(place: Place): Promise<void> {
    const { random, now } = this.#options
    const lot = random()
    const restMs = place.notBefore - now()
    for (let waitedMs = 0; !this.#stop.signal.aborted;) {
      const leftMs = Math.max(this.#pauseMs(place.roster, lot), restMs) - waitedMs
      if (leftMs <= 0) return
      const stepMs = Math.min(leftMs, meteredMaxMs)
      await this.#pause(stepMs)
      waitedMs += stepMs
    }
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#stop
    try {
      await this.#options.delay(ms, signal)
    } catch (error) {
      if (!signal.aborted) throw error
    }
  }

  /**
   * A metered place is polled by lot: about once a minute by all members together, however many they are, and gossip
   * spreads what one of them finds. Who reaches nobody has nobody to find it, and waits no longer than `meteredMaxMs`.
   */
  #pauseMs({ isMetered = false }: Roster, lot: number): number {
    const { membership, intervalMs } = this.#options
    if (!isMetered) return intervalMs * (0.8 + 0.4 * lot)
    const members = membership.members()
    const isInTouch = members.some((member) => isHeardLately(member))
    return Math.min(meteredPollMs(members.length + 1, isInTouch) * (0.5 + lot), isInTouch ? Infinity : meteredMaxMs)
  }

  /** What is new of this machine's own goes to every roster; one that is metered is not read for it when it was read before. */
  async publish(): Promise<void> {
    await Promise.all(this.#places.map(async (place) => {
      const isKnown = place.roster.isMetered === true && !place.isFormer && place.status.state === 'ok' && place.running === undefined && this.#options.now() >= place.notBefore
      if (!isKnown) return await this.#turn(place)
      try {
        await this.#publish(place, AbortSignal.any([this.#stop.signal, AbortSignal.timeout(this.#options.timeoutMs)]))
        this.#rest(place, place.roster.restSeconds)
      } catch (error) {
        this.#note(place, error)
      }
    }))
  }

  /** One turn over all rosters now, with or without those that count requests; never rejects for what a roster does. */
  async syncOnce({ metered = true } = {}): Promise<void> {
    await Promise.all(this.#places.filter(({ roster }) => metered || roster.isMetered !== true).map((place) => this.#turn(place)))
  }

  /** Writes a record that nobody keeps in step to every roster that can be written now (not to one that asked to be left alone). Returns how many took it. */
  async post(name: string, text: string, signal?: AbortSignal): Promise<number> {
    const patience = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(this.#options.timeoutMs), ...(signal === undefined ? [] : [signal])])
    const taken = await Promise.all(this.#places.map(async (place) => {
      const { roster, status, notBefore } = place
      if (status.state === 'foreign' || this.#options.now() < notBefore) return 0
      try {
        await roster.putOwn(name, text, { signal: patience })
        this.#rest(place, roster.restSeconds)
        return 1
      } catch (error) {
        signal?.throwIfAborted()
        this.#rest(place, retryAfterOf(error))
        this.#options.onFault?.(error, roster.locator)
        return 0
      }
    }))
    return taken.reduce<number>((sum, one) => sum + one, 0)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop.abort()
    await Promise.all(this.#loops)
  }

  /** Waits for the roster at most `timeoutMs`; an earlier turn that still hangs is not overtaken. */
  async #turn(place: Place): Promise<void> {
    if (this.#options.now() < place.notBefore) return
    const signal = AbortSignal.any([this.#stop.signal, AbortSignal.timeout(this.#options.timeoutMs)])
    place.running ??= this.#sync(place, signal).finally(() => { place.running = undefined })
    const { promise: aborted, reject } = Promise.withResolvers<never>()
    const giveUp = (): void => { reject(signal.reason) }
    signal.addEventListener('abort', giveUp, { once: true })
    try {
      await Promise.race([place.running, aborted])
    } catch (error) {
      this.#note(place, error)
    } finally {
      signal.removeEventListener('abort', giveUp)
    }
  }

  #rest(place: Place, seconds = 0): void {
    place.notBefore = this.#options.now() + seconds * 1000
  }

  #note(place: Place, error: unknown): void {
    if (this.#stop.signal.aborted) return
    const expected = hasCode(error, 'roster-unavailable') || (error instanceof Error && ['AbortError', 'TimeoutError'].includes(error.name))
    if (!expected) this.#options.onFault?.(error, place.roster.locator)
    const problem = error instanceof HoldfastError ? error.message : expected ? 'Cannot read the roster: no answer in time' : 'Cannot read the roster: unexpected failure'
    place.cursor = undefined
    this.#rest(place, retryAfterOf(error))
    place.status = { ...place.status, state: 'unavailable', problem, needsSignIn: error instanceof HoldfastError && error.details['signIn'] !== undefined }
  }

  async #sync(place: Place, signal: AbortSignal): Promise<void> {
    const { membership, now, onChange } = this.#options
    const { roster } = place
    const before = membership.revision
    const from = place.rounds++ % fullEvery === 0 ? undefined : place.cursor
    const freshSeconds = gossipSeconds(membership.members().length + 1)
    const { records, cursor, ignored, whole } = await roster.list(from, { signal, known: (name) => this.#known(name), wanted: (name) => this.#isWanted(name, freshSeconds) })
    if (whole || records.length > 0) {
      const refused = await this.#take(roster.locator, records)
      if (whole) place.shown.clear()
      for (const { name, text } of records) if (this.#isOurs(name)) place.shown.set(name, text.trim())
      place.status = { ...place.status, refused }
    }
    place.cursor = cursor
    place.status = { ...place.status, state: this.#stateOf(place), readAt: now(), ignored, problem: undefined, needsSignIn: false }
    this.#firstRead.resolve()
    if (membership.revision !== before) await onChange?.()
    if (place.status.state !== 'foreign') {
      await this.#publish(place, signal)
      place.status = { ...place.status, state: this.#stateOf(place) } // an empty one is filled now
    }
    this.#rest(place, roster.restSeconds)
    if (place.isFormer) this.#places = this.#places.filter((other) => other !== place)
  }

  /** The text of a record, as whoever answers for it writes it. */
  #known(name: string): string | undefined {
    const { membership } = this.#options
    const machine = machineOfName(name)
    if (machine !== undefined) return machine === membership.self ? membership.own.peer?.jws : membership.member(machine)?.jws
    const device = deviceOfName(name)
    if (device !== undefined) {
      const head = membership.heads.get(device.owner, device.machine)
      return head === undefined ? undefined : headText(head.document)
    }
    return membership.chain.entries().find(({ record, sha256 }) => [networkName(record.epoch), networkName(record.epoch, sha256)].includes(name))?.jws
  }

  /** Gossip brings the records of machines that were heard of so lately, and everybody's heads; a head of this machine's owners may be that of another device. */
  #isWanted(name: string, freshSeconds: number): boolean {
    const { membership } = this.#options
    const machine = machineOfName(name)
    if (machine !== undefined) return (membership.member(machine)?.heardSecondsAgo ?? Infinity) > freshSeconds
    const device = deviceOfName(name)
    return device === undefined || device.machine === membership.self || membership.own.peer?.certificates.some(({ owner }) => owner === device.owner) === true
  }

  /** Names that this machine would put back. */
  #isOurs(name: string): boolean {
    const { membership } = this.#options
    return name.startsWith('network/') || name === peerName(membership.self)
      || (name.startsWith('heads/') && membership.heads.all().some(({ head }) => head.machine === membership.self && name === headName(head.owner, head.machine)))
  }

  async #take(locator: string, records: readonly RosterRecord[]): Promise<RosterStatus['refused']> {
    const { membership } = this.#options
    const from = { kind: 'roster', name: locator } as const
    const heads: HeadDocument[] = []
    const signed: string[] = []
    let malformed = 0
    for (const { name, text } of records) {
      if (name.startsWith('claims/') && !isGrantName(name)) continue
      if (!name.startsWith('heads/')) signed.push(text.trim())
      else {
        const head = parseHead(text)
        if (head === undefined) malformed++
        else heads.push(head)
      }
    }
    const first = await membership.ingest(signed, from)
    const second = await membership.takeHeads(heads, from)
    const report = joinReports(first, second)
    if (malformed > 0) count(report, 'record-invalid', malformed)
    return report.refused
  }

  #stateOf({ roster, shown }: Place): RosterStatus['state'] {
    const { membership } = this.#options
    const networks = networksIn(shown).filter((jws) => peekType(jws) === recordTypes.network)
    if (networks.length === 0) return 'empty'
    if (!networks.some((jws) => membership.chain.holds(jws))) return 'foreign'
    return membership.rosters.isBehind(roster.locator) ? 'rolled-back' : 'ok'
  }

  /** Puts there what is missing or older. A roster that went back in time gets the newest again. */
  async #publish({ roster, shown }: Place, signal: AbortSignal): Promise<void> {
    const { membership } = this.#options
    const put = async (name: string, text: string): Promise<void> => {
      if (shown.get(name) === text) return
      await roster.putOwn(name, text, { signal })
      shown.set(name, text)
    }
    for (const { jws, record, sha256 } of membership.chain.entries()) {
      if (!networksIn(shown).includes(jws)) await this.#publishNetwork(roster, { jws, epoch: record.epoch, sha256 }, { shown, signal })
    }
    if (membership.own.peer !== undefined) await put(peerName(membership.self), membership.own.peer.jws)
    for (const { document, head } of membership.heads.all()) {
      if (head.machine === membership.self) await put(headName(head.owner, head.machine), headText(document))
    }
  }

  async #publishNetwork(roster: Roster, { jws, epoch, sha256 }: { jws: string; epoch: number; sha256: string }, { shown, signal }: { shown: Map<string, string>; signal: AbortSignal }): Promise<void> {
    for (const name of [networkName(epoch), networkName(epoch, sha256)]) {
      if (await roster.createOnce(name, jws, { signal }) === 'created') {
        shown.set(name, jws)
        return
      }
    }
  }
}

function retryAfterOf(error: unknown): number {
  return error instanceof HoldfastError ? Number(error.details['retryAfterSeconds'] ?? 0) : 0
}

/** Mean pause between polls of one machine. `isInTouch`: somebody of the group was heard just now. */
export function meteredPollMs(members: number, isInTouch: boolean): number {
  return Math.min(isInTouch ? meteredMaxInTouchMs : meteredMaxMs, Math.max(meteredMeanMs, members * 60_000))
}

/** How old what is heard of a machine that is on may be: gossip needs about ln(members) rounds to reach everybody (docs/protocol.md section 4). */
function gossipSeconds(members: number): number {
  return onlineSeconds + Math.log(members) * roundSeconds
}

function placeOf(roster: Roster): Place {
  return { roster, cursor: undefined, shown: new Map(), rounds: 0, running: undefined, notBefore: 0, isFormer: false, status: statusOf(roster.locator, 'unread') }
}

function networksIn(shown: ReadonlyMap<string, string>): string[] {
  return [...shown].filter(([name]) => name.startsWith('network/')).map(([, text]) => text)
}

function statusOf(locator: string, state: RosterStatus['state']): Place['status'] {
  return { locator, state, readAt: undefined, ignored: 0, refused: {}, problem: undefined, needsSignIn: false }
}

function headText({ certificate, head }: HeadDocument): string {
  return JSON.stringify({ v: 1, certificate, head })
}

function parseHead(text: string): HeadDocument | undefined {
  try {
    return headDocumentSchema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
