/**
 * The heads of the owner's devices: those seen, the own one, and what they name (docs/format.md section 7).
 *
 * take() compares what was collected with what was seen; publish() signs the next own head, keeps it before anybody gets it,
 * and hands it out. Whatever the heads name is told to the index, which then knows what is stored and what may be used.
 */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { hasCode } from '../../shared/errors.ts'
import type { MachineId, OwnerId } from '../../shared/ids.ts'
import type { Machine } from '../identity/machine.ts'
import type { HeadStore, NewObject, ObjectId, ObjectRef, PublishedHead } from '../object-store.ts'
import type { BackupStep } from './backup-session.ts'
import { type Head, type HeadDocument, compareHeads, signHead, verifyHead } from './head.ts'
import { type LocalHead, LocalHeads } from './local-heads.ts'
import type { ObjectState, PackIndex } from './pack-index.ts'

export interface KnownHeadsOptions {
  readonly owner: OwnerId
  /** Epoch of this machine's certificate. */
  readonly epoch: number
  readonly machine: Machine
  readonly certificate: string
  readonly heads: HeadStore
  readonly index: PackIndex
  /** The repository's folder. */
  readonly directory: string
  /** Milliseconds since 1970. */
  readonly clock: () => number
  /** The wrapped keyring as it is now. */
  readonly keyringObject: () => NewObject
}

/** What collected heads say beside those that were seen before. */
export interface HeadComparison {
  /** Devices of which an older head was found than one seen before, though someone answered: a roll-back. */
  readonly rolledBack: readonly { machine: MachineId, seen: number, found: number }[]
  /** Devices with two different heads of one number, and this one when it finds a head of its own that it never signed: a cloned key. */
  readonly conflicts: readonly MachineId[]
  /** Heads that did not verify. */
  readonly rejected: number
}

export interface PublishRequest {
  readonly latest?: ObjectRef | undefined
  /** Heads of other devices that this one takes over. */
  readonly adopted?: readonly Head[] | undefined
  /** What stays alive of what was; default: all of it. */
  readonly live?: readonly ObjectRef[] | undefined
  readonly step?: ((step: BackupStep) => void) | undefined
  readonly put: (object: NewObject) => Promise<void>
  readonly signal: AbortSignal | undefined
}

export class KnownHeads {
  readonly #options: KnownHeadsOptions
  readonly #local: LocalHeads
  /** What holders still have though no head names it; empty until somebody asks for it. */
  #kept: readonly ObjectRef[] = []

  private constructor(options: KnownHeadsOptions, local: LocalHeads) {
    this.#options = options
    this.#local = local
  }

  static async open(options: KnownHeadsOptions): Promise<KnownHeads> {
    const local = new LocalHeads(options.directory)
    await local.load(options.owner)
    const known = new KnownHeads(options, local)
    known.assign()
    return known
  }

  /** The newest own head that was signed here, acknowledged or not. */
  get own(): Head | undefined {
    return this.#own()?.head
  }

  /** The newest head of each device. */
  all(): Head[] {
    return this.#local.all()
  }

  /** The heads that count: without those whose chains a head of a higher epoch has taken over. */
  counting(): Head[] {
    const heads = this.all()
    return heads.filter(({ document: { machine, epoch, seq } }) => !heads.some(({ document: other }) =>
      other.epoch > epoch && other.adopts.some((adopted) => adopted.machine === machine && adopted.seq >= seq)))
  }

  /** Everything that the heads keep alive; an object that several name comes several times. */
  live(): ObjectRef[] {
    return this.counting().flatMap(({ live }) => live)
  }

  /** Each of these once. */
  distinct(): ObjectRef[] {
    return [...new Map(this.live().map((ref) => [ref.id, ref])).values()]
  }

  /** Each object of a kind that the heads keep alive. */
  liveOf(kind: ObjectRef['kind']): ObjectRef[] {
    return ofKind(kind, this.live())
  }

  /** Each object of a kind that is named, or that keep() was told of. */
  named(kind: ObjectRef['kind']): ObjectRef[] {
    return ofKind(kind, [...this.live(), ...this.#kept])
  }

  /** From now on these are read like what another device named. */
  keep(refs: readonly ObjectRef[]): void {
    this.#kept = refs
  }

  /** False when what this machine signed last cannot be known: the folder of its heads is gone. */
  isOwnKnown(): boolean {
    return this.#local.known || this.own !== undefined || existsSync(join(this.#options.directory, 'heads'))
  }

  /** Takes in collected heads: the newest valid one of each device stays. */
  async take(collected: readonly PublishedHead[]): Promise<HeadComparison> {
    const found = new Map<MachineId, Head>()
    const conflicts = new Set<MachineId>()
    let rejected = 0
    for (const published of collected) {
      try {
        const head = await verifyHead(published, this.#options.owner)
        const { machine } = head.document
        for (const other of [found.get(machine), this.#local.get(machine)?.head]) {
          if (other !== undefined && compareHeads(other, head) === 0 && other.published.head !== published.head) conflicts.add(machine)
        }
        const best = found.get(machine)
        if (best === undefined || compareHeads(head, best) > 0) found.set(machine, head)
      } catch (error) {
        if (!hasCode(error, 'record-invalid', 'format-unknown')) throw error
        rejected++
      }
    }
    const own = found.get(this.#options.machine.id)
    if (own !== undefined && this.#local.known && (this.own === undefined || compareHeads(own, this.own) > 0)) conflicts.add(own.document.machine)
    const rolledBack = this.#compareWithSeen(found)
    for (const head of found.values()) {
      const there = this.#local.get(head.document.machine)
      if (there === undefined || compareHeads(head, there.head) > 0) this.#local.set(head, true)
    }
    this.#local.begin()
    return { rolledBack, conflicts: [...conflicts], rejected }
  }

  #compareWithSeen(found: ReadonlyMap<MachineId, Head>): HeadComparison['rolledBack'] {
    return this.all().flatMap((seen) => {
      const head = found.get(seen.document.machine)
      if (head === undefined || compareHeads(head, seen) >= 0 || this.#local.get(seen.document.machine)?.published === false) return []
      return [{ machine: seen.document.machine, seen: seen.document.seq, found: head.document.seq }]
    })
  }

  /** Tells the index what the heads name. */
  assign(): void {
    const { index, clock, machine } = this.#options
    const named = new Map<ObjectId, { ref: ObjectRef, state: ObjectState }>()
    for (const ref of this.#kept) named.set(ref.id, { ref, state: 'foreign' })
    for (const { document, live } of this.counting()) {
      if (document.machine !== machine.id) for (const ref of live) named.set(ref.id, { ref, state: 'foreign' })
    }
    const own = this.#own()
    for (const ref of own?.head.live ?? []) {
      const unconfirmed = own?.published === false && index.stateOf(ref.id) === 'stored'
      named.set(ref.id, { ref, state: unconfirmed ? 'stored' : 'live' })
    }
    index.assign(named, clock())
  }

  /** The next own head, signed, kept, and given to the holders. Rejects what HeadStore.publish rejects with; it stays kept then. */
  async publish(request: PublishRequest): Promise<{ seq: number, acknowledged: number, asked: number }> {
    const { owner, epoch, machine, certificate, clock, index, heads } = this.#options
    const keyring = await this.#storeKeyring(request)
    const previous = this.own
    const kept = request.live ?? previous?.live ?? []
    const live = [...kept, ...index.objects('pack', 'stored'), ...index.objects('index', 'stored'), ...(request.adopted ?? []).flatMap((head) => head.live)]
      .filter(({ kind }) => kind !== 'key')
    if (request.latest !== undefined) live.push(request.latest)
    const published = await signHead({
      owner, epoch, seq: (previous?.document.seq ?? 0) + 1, previous: previous?.published, nowMs: clock(),
      keyring, latest: this.#latestOf(live, request), live: [...live, keyring], adopts: adoptsOf(previous, request.adopted ?? []),
    }, { machine, certificate })
    const head = await verifyHead(published, owner)
    this.#local.set(head, false)
    if (request.live !== undefined) this.assign() // what it leaves out is nobody's from now on, whether or not anybody takes it
    request.step?.('head-signed')
    const counts = await heads.publish(published, { signal: request.signal })
    this.#local.set(head, true)
    this.assign()
    request.step?.('head-published')
    return { seq: head.document.seq, ...counts }
  }

  /** The own head once more, when nobody had acknowledged it. */
  async publishAgain(options: { signal?: AbortSignal | undefined }): Promise<void> {
    const own = this.#own()
    if (own === undefined || own.published) return
    try {
      await this.#options.heads.publish(own.head.published, options)
    } catch (error) {
      if (!hasCode(error, 'too-few-holders', 'key-cloned')) throw error
      return
    }
    if (this.own !== own.head) return // a backup has outdated it meanwhile
    this.#local.set(own.head, true)
    this.assign()
  }

  #own(): LocalHead | undefined {
    return this.#local.get(this.#options.machine.id)
  }

  async #storeKeyring({ put, step }: PublishRequest): Promise<ObjectRef> {
    const object = this.#options.keyringObject()
    const ref: ObjectRef = { kind: 'key', id: object.id, length: object.length }
    if (this.own?.live.some(({ id }) => id === object.id) === true) return ref
    await put(object)
    step?.('keyring-stored')
    return ref
  }

  #latestOf(live: readonly ObjectRef[], { latest, adopted }: PublishRequest): ObjectId | undefined {
    if (latest !== undefined) return latest.id
    const named = new Set(live.map(({ id }) => id))
    const candidates = [this.own, ...[...adopted ?? []].sort((a, b) => Date.parse(b.document.time) - Date.parse(a.document.time))]
    return candidates.map((head) => head?.document.latest).find((id) => id !== undefined && named.has(id))
  }
}

/** Chains taken over, by this head and those that it took over. */
function adoptsOf(previous: Head | undefined, adopted: readonly Head[]): HeadDocument['adopts'] {
  const all = new Map<MachineId, number>()
  for (const { machine, seq } of [...previous?.document.adopts ?? [], ...adopted.flatMap(({ document }) => [...document.adopts, document])]) {
    all.set(machine, Math.max(seq, all.get(machine) ?? 0))
  }
  return [...all].map(([machine, seq]) => ({ machine, seq }))
}

function ofKind(kind: ObjectRef['kind'], refs: readonly ObjectRef[]): ObjectRef[] {
  return [...new Map(refs.filter((ref) => ref.kind === kind).map((ref) => [ref.id, ref])).values()]
}
