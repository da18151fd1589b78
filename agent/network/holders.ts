/**
 * The group's machines as dispersal sees them at the moment: who may be tried, who is left alone for a while because it
 * did not answer, was full, slow or lied, and how much is under way to each. A slow holder fills its own queue only.
 */
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import type { MachineId } from '../../shared/ids.ts'
import type { Clock } from './clock.ts'
import type { Peer, Peers } from './peers.ts'
import { isDamage } from './shard.ts'
import type { ShardStore } from './shard-store/port.ts'
import { Slots } from './slots.ts'

export type HolderFault = 'unreachable' | 'full' | 'slow' | 'damaged' | 'refused'

/** How long a holder is left alone after a fault, ms: for writing, and for reading (where a full disk does not matter). */
const pauses: Readonly<Record<HolderFault, { write: number; read: number }>> = {
  unreachable: { write: 60_000, read: 15_000 },
  full: { write: 600_000, read: 0 },
  slow: { write: 300_000, read: 30_000 },
  damaged: { write: 600_000, read: 0 },
  refused: { write: 600_000, read: 60_000 },
}
/** A pause that seems to last longer was begun before the wall clock was set back: it is over. */
const longestPauseMs = 600_000
const writesAtOnce = 2

export interface HolderTimings {
  /** Dialling is given up after this, ms. */
  readonly connectMs: number
}

/** Below this a holder's audits failed so lately that others are preferred (audit-book.ts). */
const trustedScore = 0.75

export class Holders {
  readonly #peers: Peers
  readonly #clock: Clock
  readonly #timings: HolderTimings
  readonly scoreOf: (id: MachineId) => number
  readonly #writePausedUntil = new Map<MachineId, number>()
  readonly #readPausedUntil = new Map<MachineId, number>()
  readonly #suspects = new Set<MachineId>()
  /** Whose last fault was not to answer, or not in time. */
  readonly #silent = new Set<MachineId>()
  readonly #slots = new Map<MachineId, Slots>()

  /** `scoreOf`: what audits say of a holder, 0 to 1. */
  constructor(peers: Peers, clock: Clock, { timings, scoreOf = () => 1 }: { timings: HolderTimings; scoreOf?: ((id: MachineId) => number) | undefined }) {
    this.#peers = peers
    this.#clock = clock
    this.#timings = timings
    this.scoreOf = scoreOf
  }

  list(): readonly Peer[] {
    return this.#peers.list()
  }

  peer(id: MachineId): Peer | undefined {
    return this.#peers.find(id)
  }

  nameOf(id: MachineId): string {
    return this.peer(id)?.name ?? id.slice(0, 8)
  }

  /** Machines (distinct hosts) that count in the group. */
  count(): number {
    return new Set(this.#peers.list().filter(({ state, isLeaving }) => state !== 'gone' && isLeaving !== true).map(({ host }) => host)).size
  }

  /** Whether it makes sense to try to store on it now. */
  isWritable(id: MachineId): boolean {
    const peer = this.peer(id)
    return (peer?.state === 'online' || peer?.state === 'away') && peer.isLeaving !== true && !this.#lasts(this.#writePausedUntil.get(id))
  }

  /** Whether others should be asked first when something is to be read. */
  isDoubtful(id: MachineId): boolean {
    const state = this.peer(id)?.state
    return state === undefined || state === 'gone' || state === 'doubtful' || this.#lasts(this.#readPausedUntil.get(id))
  }

  #lasts(untilMs = 0): boolean {
    const restMs = untilMs - this.#clock.now()
    return restMs > 0 && restMs <= longestPauseMs
  }

  fault(id: MachineId, fault: HolderFault): void {
    if (fault === 'unreachable' || fault === 'slow') this.#silent.add(id)
    else this.#silent.delete(id)
    this.#writePausedUntil.set(id, this.#clock.now() + pauses[fault].write)
    if (pauses[fault].read > 0) this.#readPausedUntil.set(id, this.#clock.now() + pauses[fault].read)
  }

  /** It gave something wrong: its disk rots or it lies. Others are preferred for new shards; its own may be made good. */
  suspect(id: MachineId): void {
    this.#suspects.add(id)
  }

  isSuspect(id: MachineId): boolean {
    return this.#suspects.has(id) || this.scoreOf(id) < trustedScore
  }

  /**
   * It answers now: if its last fault was not to answer, or not in time (asleep, restarted, cut off), it may be tried again
   * at once. One that is slow for good costs the next command what it takes to find that out again.
   */
  answered(id: MachineId): void {
    if (this.#silent.has(id)) this.forgive(id)
  }

  /** Its last fault was not to answer, and it has not answered since. */
  isSilent(id: MachineId): boolean {
    return this.#silent.has(id)
  }

  /** Someone saw it do right: it may be tried again. */
  forgive(id: MachineId): void {
    this.#silent.delete(id)
    this.#writePausedUntil.delete(id)
    this.#readPausedUntil.delete(id)
  }

  /** Rejects `peer-unreachable` when dialling takes too long. */
  async connect(id: MachineId, signal?: AbortSignal): Promise<ShardStore> {
    const timeout = new AbortController()
    const stop = this.#clock.after(this.#timings.connectMs, () => timeout.abort(
      new HoldfastError('peer-unreachable', `Cannot reach ${this.nameOf(id)}: no answer after ${this.#timings.connectMs} ms`)))
    try {
      const both = signal === undefined ? timeout.signal : AbortSignal.any([signal, timeout.signal])
      return await untilAborted(this.#peers.connect(id, { signal: both }), both)
    } finally {
      stop()
    }
  }

  /** Waits for one of the few places in the holder's queue. */
  async inQueue<T>(id: MachineId, work: () => Promise<T>, signal?: AbortSignal): Promise<T> {
    const slots = this.#slots.get(id) ?? new Slots(writesAtOnce)
    this.#slots.set(id, slots)
    return await slots.run(work, signal)
  }
}

/** What a failed call says about the holder. */
export function faultOf(error: unknown): HolderFault {
  if (hasCode(error, 'quota-exceeded', 'disk-full')) return 'full'
  if (hasCode(error, 'timeout')) return 'slow'
  if (isDamage(error)) return 'damaged'
  if (hasCode(error, 'revoked', 'unauthorized', 'record-invalid', 'already-exists', 'protocol-unknown')) return 'refused'
  return 'unreachable'
}

/** A holder that says it is full because its connection costs money: left alone like a full one, but it lacks no space. */
export function isSparing(error: unknown): boolean {
  return hasCode(error, 'quota-exceeded') && error.details['metered'] === true
}

/** The promise, or the signal's reason as soon as it fires; for callees that may not honour their signal at once. */
export async function untilAborted<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  if (signal.aborted) {
    promise.catch(() => undefined)
    throw signal.reason
  }
  let leave = (): void => undefined
  const aborted = new Promise<never>((_, reject) => {
    leave = () => reject(signal.reason)
    signal.addEventListener('abort', leave, { once: true })
  })
  try {
    return await Promise.race([promise, aborted])
  } finally {
    signal.removeEventListener('abort', leave)
  }
}
