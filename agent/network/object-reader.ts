/**
 * Reads ranges of objects from shards, wherever they lie: on machines behind links or in collected folders.
 *
 * A range of the object is cut at data shards and in pieces; each piece comes from its data shard when a holder gives it
 * in time, every leaf checked against the signed root unless the caller checks what it gets; else the same range of any k other shards rebuilds it. What a
 * piece fetched serves the other pieces of the call. A shard that is not what was signed is left out and reported.
 * Kinds index, snapshot and key are also checked against the object id when they are read whole.
 */
import { HoldfastError, hasCode } from '../../shared/errors.ts'
import { type MachineId, type OwnerId, shortId } from '../../shared/ids.ts'
import { releaseBytes } from '../release-bytes.ts'
import { hashLeaves, hashLength, leafLength } from '../merkle.ts'
import type { GetOptions, ObjectId, ObjectRef } from '../object-store.ts'
import type { Clock } from './clock.ts'
import type { DeviceKeys } from './device-keys.ts'
import { ErasureCoder, shardLength } from './erasure/reed-solomon.ts'
import { type ShardHeader, damaged, isDamage, objectIdOf, uncheckedRead, verifiedOpen, verifiedRead } from './shard.ts'
import type { OpenedShard, ShardStore } from './shard-store/port.ts'
import { forEachBounded, throwIfCancelled } from './slots.ts'

const pieceLength = 32 * leafLength
/** Of what nobody checks here: a range that lies in one shard comes as it is, and is copied nowhere. */
const uncheckedLength = 64 * leafLength
const piecesAtOnce = 12
const openedKept = 2_000
/** Far above what anybody writes: a length that only a forger names is not made room for. */
const maxObjectLength = 1_073_741_824

/** `Holder` names who has it: a machine id, or a folder. */
export interface ShardSource<Holder extends string = MachineId> {
  readonly number: number
  readonly holder: Holder
}

/** Where the shards of an object may be had. */
export interface LocatedObject<Holder extends string = MachineId> extends ObjectRef {
  readonly k: number
  readonly sources: readonly ShardSource<Holder>[]
}

export interface ReaderOptions<Holder extends string = MachineId> {
  readonly owner: OwnerId
  readonly keys: DeviceKeys
  readonly clock: Clock
  /** Another way is tried beside a read that takes longer, ms, or three times what reads take on average if that is more. */
  readonly hedgeMs: number
  readonly connect: (holder: Holder, signal?: AbortSignal) => Promise<ShardStore>
  /** Whether others should be asked first. */
  readonly isDoubtful: (holder: Holder) => boolean
  /** Told of each source that failed. */
  readonly failed: (source: ShardSource<Holder>, id: ObjectId, error: unknown) => void
  readonly nameOf: (holder: Holder) => string
  /** Whether it counts as having what it has, when it does not answer now. Default: it does. */
  readonly isWaitedFor?: ((holder: Holder) => boolean) | undefined
  /** Names of those that do not answer at the moment: they may have what is missing. */
  readonly silent?: (() => readonly string[]) | undefined
}

export type Opened = OpenedShard & { readonly parsed: ShardHeader }

interface Range {
  readonly number: number
  readonly from: number
  readonly to: number
}

export class ObjectReader<Holder extends string = MachineId> {
  readonly #options: ReaderOptions<Holder>
  readonly #opened = new Map<string, Opened>()
  #coder: ErasureCoder | undefined
  #averageMs = 0

  constructor(options: ReaderOptions<Holder>) {
    this.#options = options
  }

  /** Header and leaves of a shard, checked; kept for the next read. */
  async open(object: LocatedObject<Holder>, source: ShardSource<Holder>, signal?: AbortSignal): Promise<{ store: ShardStore; opened: Opened }> {
    const { owner, keys } = this.#options
    const name = `${source.holder} ${object.id}.${source.number}`
    const store = await this.#options.connect(source.holder, signal)
    const kept = this.#opened.get(name)
    this.#opened.delete(name)
    const opened = kept ?? await verifiedOpen(store, { owner, id: object.id, number: source.number }, {
      keyOf: async (owner, machine) => await keys.keyOf(owner, machine, store, { signal }), signal,
    })
    const { parsed } = opened
    if (parsed.k !== object.k || parsed.length !== object.length || parsed.kind !== object.kind) throw damaged('its header speaks of another object', parsed)
    this.#opened.set(name, opened)
    const [oldest] = this.#opened.keys()
    if (this.#opened.size > openedKept && oldest !== undefined) this.#opened.delete(oldest)
    return { store, opened }
  }

  forget(object: ObjectId, source: ShardSource<Holder>): void {
    this.#opened.delete(`${source.holder} ${object}.${source.number}`)
  }

  coder(): ErasureCoder {
    this.#coder ??= new ErasureCoder()
    return this.#coder
  }

  /** So that a slow network is not slowed further by reading everything twice. */
  hedgeDelayMs(): number {
    return Math.max(this.#options.hedgeMs, 3 * this.#averageMs)
  }

  tookMs(elapsedMs: number): void {
    this.#averageMs += (elapsedMs - this.#averageMs) / 8
  }

  /** Exactly the range, or the whole object. `object-missing`, `object-damaged`, `cancelled`; RangeError beyond the end. */
  async read(object: LocatedObject<Holder>, range: { offset: number; length: number } = { offset: 0, length: object.length }, { signal, unchecked = false }: GetOptions = {}): Promise<Uint8Array<ArrayBuffer>> {
    if (range.offset < 0 || range.length < 0 || range.offset + range.length > object.length) {
      throw new RangeError(`Cannot read ${range.length} bytes at ${range.offset}: the object has ${object.length}`)
    }
    if (object.length > maxObjectLength) throw new HoldfastError('object-damaged', `Cannot read ${object.kind} ${shortId(object.id)}: nothing is ${object.length} bytes long`, { details: { id: object.id } })
    throwIfCancelled(signal)
    const variants = new Variants()
    for (;;) {
      try {
        const bytes = await new ObjectRead(this, this.#options, { object, variants, signal, unchecked }).range(range)
        this.#checkWhole(object, bytes)
        return bytes
      } catch (error) {
        throwIfCancelled(signal)
        if (!hasCode(error, 'object-missing', 'object-damaged') || !variants.next()) throw error
      }
    }
  }

  #checkWhole(object: LocatedObject<Holder>, bytes: Uint8Array): void {
    if (object.kind === 'pack' || bytes.length !== object.length) return
    if (objectIdOf(hashLeaves(bytes)) !== object.id) throw new HoldfastError('object-damaged', `Cannot read ${object.kind} ${shortId(object.id)}: its bytes are not those of its id`, { details: { id: object.id } })
  }
}

/** Sets of data shard roots that validly signed headers of one object named; all but one are forged by a device's key. */
class Variants {
  readonly #seen: string[] = []
  #current = 0

  /** Whether the header is of the set that is read at present. */
  fits(header: ShardHeader): boolean {
    const roots = Buffer.from(header.roots.subarray(0, header.k * hashLength)).toString('base64')
    if (!this.#seen.includes(roots)) this.#seen.push(roots)
    return this.#seen[this.#current] === roots
  }

  /** Goes on to the next set, when there is one. */
  next(): boolean {
    return ++this.#current < this.#seen.length
  }
}

class ObjectRead<Holder extends string> {
  readonly #reader: ObjectReader<Holder>
  readonly #options: ReaderOptions<Holder>
  readonly #object: LocatedObject<Holder>
  readonly #variants: Variants
  readonly #signal: AbortSignal | undefined
  readonly #unchecked: boolean
  readonly #fetches = new Map<string, Promise<Uint8Array>>()
  readonly #failures = new Map<string, { source: ShardSource<Holder>; error: unknown }>()
  readonly #shardLength: number
  /** Numbers that came when too few did. */
  #lastGot: ReadonlySet<number> = new Set()

  constructor(reader: ObjectReader<Holder>, options: ReaderOptions<Holder>, read: { object: LocatedObject<Holder>; variants: Variants; signal: AbortSignal | undefined; unchecked: boolean }) {
    this.#reader = reader
    this.#options = options
    this.#object = read.object
    this.#variants = read.variants
    this.#signal = read.signal
    this.#unchecked = read.unchecked
    this.#shardLength = shardLength(read.object.length, read.object.k)
  }

  async range({ offset, length }: { offset: number; length: number }): Promise<Uint8Array<ArrayBuffer>> {
    const pieces = [...this.#pieces(offset, offset + length)]
    const [only] = pieces
    if (only !== undefined && pieces.length === 1 && only.to - only.from === length) {
      const bytes = await this.#piece(only)
      this.#release(bytes)
      return bytes as Uint8Array<ArrayBuffer>
    }
    const result = Buffer.allocUnsafeSlow(length)
    await forEachBounded(pieces, piecesAtOnce, async (piece) => {
      const bytes = await this.#piece(piece)
      const start = piece.number * this.#shardLength + piece.from
      const from = Math.max(offset, start)
      const to = Math.min(offset + length, start + bytes.length)
      result.set(bytes.subarray(from - start, to - start), from - offset)
    })
    this.#release()
    return result
  }

  /** What was fetched on the way, but for what is given to the caller. */
  #release(except?: Uint8Array): void {
    const release = (bytes: Uint8Array): void => { if (bytes !== except) releaseBytes(bytes) }
    for (const fetched of this.#fetches.values()) fetched.then(release, () => { /* who failed has said so */ })
  }

  /** Ranges of data shards; aligned outward to leaves where leaves are checked. */
  *#pieces(from: number, to: number): Generator<Range> {
    if (from === to) return
    const size = this.#shardLength
    const [alignment, most] = this.#unchecked ? [1, uncheckedLength] : [leafLength, pieceLength]
    for (let number = Math.floor(from / size); number * size < to; number++) {
      const first = Math.floor(Math.max(0, from - number * size) / alignment) * alignment
      const last = Math.min(size, Math.ceil((Math.min(to, (number + 1) * size) - number * size) / alignment) * alignment)
      for (let at = first; at < last; at += most) yield { number, from: at, to: Math.min(at + most, last) }
    }
  }

  /** The data shard itself, or k others when it does not come, or does not come in time. */
  async #piece(piece: Range): Promise<Uint8Array> {
    const own = this.#object.sources.filter(({ number }) => number === piece.number)
    if (own.every(({ holder }) => this.#options.isDoubtful(holder))) {
      return await this.#rebuild(piece).catch(async (error: unknown) => await this.#fetch(piece).catch(() => {
        throw hasCode(error, 'object-missing', 'object-damaged') ? this.#missing(this.#lastGot) : error // now that all were asked
      }))
    }
    return await this.#hedged(async () => await this.#fetch(piece), async () => await this.#rebuild(piece))
  }

  /** The second way starts when the first fails, or after hedgeMs beside it; whichever gives bytes first counts. */
  async #hedged(first: () => Promise<Uint8Array>, second: () => Promise<Uint8Array>): Promise<Uint8Array> {
    return await new Promise((resolve, reject) => {
      let started = false
      let failed = 0
      let lastWord: unknown
      const end = (bytes: Uint8Array): void => {
        stop()
        resolve(bytes)
      }
      const fail = (error: unknown, ofSecond: boolean): void => {
        if (ofSecond) lastWord = error
        if (++failed === 2) reject(lastWord)
        else startSecond()
      }
      const startSecond = (): void => {
        stop()
        if (started) return
        started = true
        second().then(end, (error: unknown) => fail(error, true))
      }
      const stop = this.#options.clock.after(this.#reader.hedgeDelayMs(), startSecond)
      first().then(end, (error: unknown) => fail(error, false))
    })
  }

  async #rebuild(piece: Range): Promise<Uint8Array> {
    const available = await this.#gather(piece)
    return this.#reader.coder().reconstruct({ k: this.#object.k, wanted: [piece.number], available })[0] as Uint8Array
  }

  /** The range of any k other shards: the likeliest k at once, another when one fails or all take too long. */
  async #gather(piece: Range): Promise<{ number: number; bytes: Uint8Array }[]> {
    const numbers = this.#otherNumbers(piece.number)
    const { k } = this.#object
    const got: { number: number; bytes: Uint8Array }[] = []
    return await new Promise((resolve, reject) => {
      let running = 0
      let stop = (): void => undefined
      const settle = (): void => {
        if (got.length < k && (running > 0 || numbers.length > 0)) return
        stop()
        if (got.length < k) reject(this.#missing(this.#lastGot = new Set(got.map(({ number }) => number))))
        else resolve(got.slice(0, k))
      }
      const startNext = async (): Promise<void> => {
        const number = numbers.shift()
        if (number === undefined) return
        running++
        const bytes = await this.#fetch({ ...piece, number }).catch(() => undefined)
        running--
        if (bytes !== undefined) got.push({ number, bytes })
        else if (got.length < k) void startNext()
        settle()
      }
      const hedge = (): void => {
        if (numbers.length === 0 || got.length >= k) return
        void startNext()
        stop = this.#options.clock.after(this.#reader.hedgeDelayMs(), hedge)
      }
      for (let count = 0; count < k; count++) void startNext()
      stop = this.#options.clock.after(this.#reader.hedgeDelayMs(), hedge)
      settle()
    })
  }

  /** Numbers besides `except` that someone may have: those under way already first, then by how likely they come. */
  #otherNumbers(except: number): number[] {
    const worth = new Map<number, number>()
    for (const { number, holder } of this.#object.sources) {
      if (number === except) continue
      const value = (this.#options.isDoubtful(holder) ? 0 : 2) + (number < this.#object.k ? 1 : 0)
      worth.set(number, Math.max(worth.get(number) ?? 0, value))
    }
    return [...worth].sort(([a, x], [b, y]) => y - x || a - b).map(([number]) => number)
  }

  async #fetch(range: Range): Promise<Uint8Array> {
    const name = `${range.number} ${range.from} ${range.to}`
    const fetch = this.#fetches.get(name) ?? this.#fetchAnew(range)
    this.#fetches.set(name, fetch)
    return await fetch
  }

  async #fetchAnew(range: Range): Promise<Uint8Array> {
    const sources = this.#object.sources.filter(({ number }) => number === range.number)
      .sort((a, b) => Number(this.#options.isDoubtful(a.holder)) - Number(this.#options.isDoubtful(b.holder)))
    let last: unknown
    for (const source of sources) {
      throwIfCancelled(this.#signal)
      const name = `${source.holder} ${source.number}`
      const earlier = this.#failures.get(name)
      if (earlier !== undefined) {
        last = earlier.error
        continue
      }
      try {
        return await this.#readFrom(source, range)
      } catch (error) {
        last = error
        throwIfCancelled(this.#signal)
        this.#failures.set(name, { source, error })
        this.#reader.forget(this.#object.id, source)
        this.#options.failed(source, this.#object.id, error)
      }
    }
    throw last ?? this.#missing(new Set())
  }

  async #readFrom(source: ShardSource<Holder>, { from, to }: Range): Promise<Uint8Array> {
    const { clock, connect, owner } = this.#options
    const range = { offset: from, length: to - from, signal: this.#signal }
    const opened = this.#unchecked ? undefined : await this.#reader.open(this.#object, source, this.#signal)
    if (opened !== undefined && !this.#variants.fits(opened.opened.parsed)) throw damaged('its roots are not those of the other shards', opened.opened.parsed)
    const store = opened?.store ?? await connect(source.holder, this.#signal)
    const startedMs = clock.now()
    const bytes = opened === undefined
      ? await uncheckedRead(store, { owner, id: this.#object.id, number: source.number }, range)
      : await verifiedRead(store, opened.opened, range)
    this.#reader.tookMs(clock.now() - startedMs)
    return bytes
  }

  #guidance(off: readonly string[], silent: readonly string[]): string | undefined {
    if (off.length > 0) return `With ${off.join(', ')} it can be read: switch these on, as many as it takes, and run it again.`
    return silent.length === 0 ? undefined : `${silent.join(', ')} may have it: switch on what is off of these, and run it again.`
  }

  /** `got`: the numbers that came. `off` in its details: with these, which did not answer, it could be read. */
  #missing(got: ReadonlySet<number>): HoldfastError {
    const failures = [...this.#failures.values()]
    const namesOf = (of: readonly { source: ShardSource<Holder> }[]) => [...new Set(of.map(({ source }) => this.#options.nameOf(source.holder)))].sort()
    const numbersOf = (of: readonly { source: ShardSource<Holder> }[]) => new Set(of.map(({ source }) => source.number)).size
    const { id, k, kind } = this.#object
    const have = got.size
    const wrong = numbersOf(failures.filter(({ error }) => isDamage(error)))
    const unanswered = failures.filter(({ source, error }) => !got.has(source.number) && hasCode(error, 'peer-unreachable', 'timeout') && this.#options.isWaitedFor?.(source.holder) !== false)
    const off = have + numbersOf(unanswered) >= k ? namesOf(unanswered) : []
    const silent = this.#options.silent?.() ?? []
    const missing = [...new Set([...namesOf(failures), ...silent])].sort()
    const code = off.length === 0 && have + wrong >= k && wrong > 0 ? 'object-damaged' : 'object-missing'
    const state = code === 'object-damaged' ? `${wrong} shards are damaged` : `${have} of the ${k} shards that are needed can be had${missing.length === 0 ? '' : `, none from ${missing.join(', ')}`}`
    return new HoldfastError(code, `Cannot read ${kind} ${shortId(id)}: ${state}`, {
      details: { id, have, need: k, missing, off }, guidance: this.#guidance(off, code === 'object-missing' ? silent : []),
    })
  }
}
