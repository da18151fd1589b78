/**
 * What this machine knows about the objects of its owner: which object lies where in its life, and in which pack and
 * segment each chunk is. An SQLite file that is only a copy: delete it and it is made anew from index objects and packs.
 *
 * A pack enters when the store has confirmed it, never before, so a crash leaves nothing here that is not there. It enters
 * with its table alone, which is quick; the chunks of many packs are put into the tree of all chunks in one go. A chunk's
 * place is pack · 2^32 + segment · 2^16 + its number in the segment.
 * `stored`: put by this machine, named by no head yet. `live`: named by this machine's newest head. `foreign`: named only
 * by another device's head: read from, but not deduplicated against, because nothing of ours keeps it alive.
 * `lost`: found missing or damaged; its chunks are stored again when they turn up.
 */
import { mkdirSync } from 'node:fs'
import type { StatementSync } from 'node:sqlite'
import { type ObjectId, type ObjectKind, type ObjectRef, objectKinds } from '../object-store.ts'
import { chunkIdLength, chunkKey } from './chunk-id.ts'
import { IndexDatabase, idsAtOnce, indexPath, isUnusable, removeIndex } from './index-database.ts'
import { readTableEntries } from './table.ts'

export const objectStates = { stored: 1, live: 2, foreign: 3, lost: 4 } as const
export type ObjectState = keyof typeof objectStates

/** Where a chunk lies. `pack` is the local number of the pack. */
export interface Place {
  readonly pack: number
  readonly segment: number
  /** Number in the segment. */
  readonly chunk: number
  readonly offset: number
  readonly length: number
}

export interface PackRow {
  readonly ref: ObjectRef
  readonly epoch: number
  readonly salt: Uint8Array
}

export interface SegmentRow {
  readonly offset: number
  readonly length: number
  readonly plainLength: number
  readonly codec: number
}

/** A pack that may go into an index object. */
export interface TabledPack {
  readonly id: ObjectId
  readonly length: number
  readonly epoch: number
  readonly salt: Uint8Array
  readonly table: Uint8Array
}

const packStep = 2 ** 32
const segmentStep = 2 ** 16
/** Chunks of packs whose tables are not expanded yet. */
const recentLimit = 65_536
const openSegments = 256
/** A chunk that is known in a pack that cannot be used moves to one that can. */
const replaceUnusable = `UPDATE SET place = excluded.place WHERE place / ${packStep} IN
  (SELECT number FROM objects WHERE state IN (${objectStates.foreign}, ${objectStates.lost}))`

/** Bytes of metadata chunks that are kept; the oldest go first. */
const metadataLimit = 268_435_456

export class PackIndex implements Disposable {
  readonly #database: IndexDatabase
  readonly #place: StatementSync
  readonly #places: StatementSync
  /** Packs whose chunks must not be counted as stored. */
  readonly #unusable = new Set<number>()
  /** Chunks of packs that are not expanded. */
  readonly #recent = new Set<string>()
  #expandable = 1
  /** How often packs went: places that were looked up before may not hold any more. */
  removals = 0
  readonly #segments = new Map<number, SegmentRow & { readonly ends: Uint32Array }>()

  /** Opens `directory`/index.sqlite, and begins anew when it is of another version or unreadable. */
  static open(directory: string): PackIndex {
    mkdirSync(directory, { recursive: true, mode: 0o700 })
    const path = indexPath(directory)
    try {
      return new PackIndex(path)
    } catch (error) {
      if (!isUnusable(error)) throw error
      removeIndex(directory)
      return new PackIndex(path)
    }
  }

  constructor(path: string) {
    this.#database = new IndexDatabase(path)
    try {
      this.#place = this.#database.statement('SELECT place FROM chunks WHERE id = ?')
      this.#places = this.#database.statement('SELECT n.n, c.place FROM numbers n CROSS JOIN chunks c ON c.id = substr(?1, n.n * 16 + 1, 16) WHERE n.n < ?2')
      this.#places.setReturnArrays(true)
      this.#readUnusable()
      this.#expand()
    } catch (error) {
      this.#database[Symbol.dispose]()
      throw error
    }
  }

  /** Whether a chunk lies in a pack that this machine keeps alive. */
  has(id: Uint8Array): boolean {
    if (this.#recent.has(chunkKey(id))) return true
    const place = this.#place.get(id)?.['place'] as number | undefined
    return place !== undefined && !this.#unusable.has(Math.floor(place / packStep))
  }

  /** The same for up to 4,096 ids, 16 bytes each: one byte for each of them, 1 or 0. */
  hasEach(ids: Uint8Array): Uint8Array {
    const found = new Uint8Array(ids.length / chunkIdLength)
    for (const [i, place] of this.#placesOf(ids)) if (!this.#unusable.has(Math.floor(place / packStep))) found[i] = 1
    if (this.#recent.size === 0) return found
    for (let i = 0; i < found.length; i++) {
      if (found[i] === 0 && this.#recent.has(chunkKey(ids.subarray(i * chunkIdLength, (i + 1) * chunkIdLength)))) found[i] = 1
    }
    return found
  }

  place(id: Uint8Array): Place | undefined {
    this.#expand()
    const place = this.#place.get(id)?.['place'] as number | undefined
    return place === undefined ? undefined : this.#placeAt(place)
  }

  /** The same for up to 4,096 ids, 16 bytes each. */
  placeEach(ids: Uint8Array): (Place | undefined)[] {
    this.#expand()
    const places: (Place | undefined)[] = Array.from({ length: ids.length / chunkIdLength }, () => undefined)
    for (const [i, place] of this.#placesOf(ids)) places[i] = this.#placeAt(place)
    return places
  }

  #placesOf(ids: Uint8Array): [number, number][] {
    const count = ids.length / chunkIdLength
    if (count > idsAtOnce) throw new RangeError(`Cannot look up ${count} ids at once`)
    return this.#places.all(ids, count) as unknown as [number, number][]
  }

  #placeAt(place: number): Place | undefined {
    const pack = Math.floor(place / packStep)
    const segment = Math.floor(place % packStep / segmentStep)
    const ends = this.#segmentWithEnds(pack, segment)?.ends
    const chunk = place % segmentStep
    const offset = chunk === 0 ? 0 : ends?.[chunk - 1]
    const end = ends?.[chunk]
    return offset === undefined || end === undefined ? undefined : { pack, segment, chunk, offset, length: end - offset }
  }

  /** Whether every pack that this machine names is believed whole: then a list of its own may be trusted by its ids. */
  get hasLost(): boolean {
    return this.#database.row('SELECT 1 FROM objects WHERE state = ? LIMIT 1', objectStates.lost) !== undefined
  }

  pack(number: number): PackRow | undefined {
    const row = this.#database.row('SELECT o.id, o.length, p.epoch, p.salt FROM packs p JOIN objects o USING (number) WHERE number = ?', number)
    if (row === undefined) return undefined
    return {
      ref: { kind: 'pack', id: idOf(row['id']), length: row['length'] as number },
      epoch: row['epoch'] as number, salt: row['salt'] as Uint8Array,
    }
  }

  packNumber(id: ObjectId): number | undefined {
    return this.#database.row('SELECT p.number FROM packs p JOIN objects o USING (number) WHERE o.id = ?', bytesOf(id))?.['number'] as number | undefined
  }

  segment(pack: number, number: number): SegmentRow | undefined {
    this.#expand()
    return this.#segmentWithEnds(pack, number)
  }

  #segmentWithEnds(pack: number, number: number): (SegmentRow & { readonly ends: Uint32Array }) | undefined {
    const key = pack * segmentStep + number
    const known = this.#segments.get(key)
    if (known !== undefined) return known
    const row = this.#database.row('SELECT offset, length, plainLength, codec, ends FROM segments WHERE pack = ? AND number = ?', pack, number)
    if (row === undefined) return undefined
    const segment = { ...row as unknown as SegmentRow, ends: new Uint32Array(Uint8Array.from(row['ends'] as Uint8Array).buffer) }
    if (this.#segments.size >= openSegments) this.#segments.clear()
    this.#segments.set(key, segment)
    return segment
  }

  /** Segments of a pack with where their chunks lie in the plain text. */
  segmentsOf(pack: number): { segment: number, shape: SegmentRow, chunks: { offset: number, length: number }[] }[] {
    this.#expand()
    return this.#database.all('SELECT number FROM segments WHERE pack = ? ORDER BY number', pack).map((row) => {
      const segment = row['number'] as number
      const { ends, ...shape } = this.#segmentWithEnds(pack, segment) as SegmentRow & { readonly ends: Uint32Array }
      return { segment, shape, chunks: Array.from(ends, (end, at) => ({ offset: at === 0 ? 0 : ends[at - 1] as number, length: end - (at === 0 ? 0 : ends[at - 1] as number) })) }
    })
  }

  /** Bytes of all chunks of a pack. */
  plainBytesOf(pack: number): number {
    this.#expand()
    return this.#database.row('SELECT coalesce(sum(plainLength), 0) AS bytes FROM segments WHERE pack = ?', pack)?.['bytes'] as number
  }

  /** Takes in a pack with all its chunks. `indexed`: an index object names it. Does nothing when it is there. */
  addPack(pack: TabledPack, options: { state: ObjectState, indexed: boolean, nowMs: number }): void {
    const segments = readTableEntries(pack.table, pack.length)
    this.#database.transaction(() => {
      const number = this.addObject({ kind: 'pack', id: pack.id, length: pack.length }, options)
      this.#database.run('INSERT OR IGNORE INTO packs VALUES (?, ?, ?, ?, ?, 0)', number, pack.epoch, pack.salt, pack.table, options.indexed ? 1 : 0)
      if (options.state === 'foreign' || options.state === 'lost') this.#unusable.add(number)
      else for (const { chunks } of segments) for (const key of chunks.keys()) this.#recent.add(key)
    })
    this.#expandable++
    if (this.#recent.size > recentLimit || this.#expandable > 256) this.#expand()
  }

  /** Puts the chunks of recent packs into the tree of all chunks. */
  #expand(): void {
    if (this.#expandable === 0) return
    this.#database.transaction(() => {
      for (const row of this.#database.all('SELECT number, tableBytes FROM packs WHERE expanded = 0')) {
        const number = row['number'] as number
        this.#addSegments(number, readTableEntries(row['tableBytes'] as Uint8Array, 0xffff_ffff), this.#unusable.size > 0 && !this.#unusable.has(number))
      }
      this.#database.run('UPDATE packs SET expanded = 1 WHERE expanded = 0')
    })
    this.#expandable = 0
    this.#recent.clear()
  }

  #addSegments(pack: number, segments: ReturnType<typeof readTableEntries>, replace: boolean): void {
    const insertSegment = this.#database.statement('INSERT OR IGNORE INTO segments VALUES (?, ?, ?, ?, ?, ?, ?)')
    const insertChunks = this.#database.statement(`INSERT INTO chunks SELECT substr(?1, n * 16 + 1, 16), ?2 + n FROM numbers WHERE n < ?3
      ON CONFLICT (id) DO ${replace ? replaceUnusable : 'NOTHING'}`)
    for (const [number, { offset, length, plainLength, codec, chunks }] of segments.entries()) {
      insertSegment.run(pack, number, offset, length, plainLength, codec, new Uint8Array(chunks.ends().buffer))
      const ids = chunks.ids()
      for (let first = 0; first < chunks.count; first += idsAtOnce) {
        const part = ids.subarray(first * chunkIdLength, (first + idsAtOnce) * chunkIdLength)
        insertChunks.run(part, pack * packStep + number * segmentStep + first, part.length / chunkIdLength)
      }
    }
  }

  /** Takes in an object, or changes the state of one that is there; returns its local number. */
  addObject({ kind, id, length }: ObjectRef, { state, nowMs }: { state: ObjectState, nowMs: number }): number {
    const row = this.#database.row(`INSERT INTO objects (id, kind, length, state, since) VALUES (?, ?, ?, ?, ?)
      ON CONFLICT (id) DO UPDATE SET state = excluded.state RETURNING number`,
      bytesOf(id), objectKinds[kind], length, objectStates[state], nowMs)
    return row?.['number'] as number
  }

  stateOf(id: ObjectId): ObjectState | undefined {
    const state = this.#database.row('SELECT state FROM objects WHERE id = ?', bytesOf(id))?.['state']
    return (Object.keys(objectStates) as ObjectState[]).find((name) => objectStates[name] === state)
  }

  objects(kind: ObjectKind, ...states: ObjectState[]): ObjectRef[] {
    const wanted = new Set<number>(states.map((state) => objectStates[state]))
    return this.#database.all('SELECT id, length, state FROM objects WHERE kind = ?', objectKinds[kind])
      .filter((row) => wanted.has(row['state'] as number))
      .map((row) => ({ kind, id: idOf(row['id']), length: row['length'] as number }))
  }

  /** Takes in what the heads name, with its state; what none names and is not `stored` goes. Lost objects stay lost. */
  assign(named: ReadonlyMap<ObjectId, { readonly ref: ObjectRef, readonly state: ObjectState }>, nowMs: number): void {
    this.#expand()
    this.#database.transaction(() => {
      const known = new Map(this.#database.all('SELECT number, id, state FROM objects').map((row) => [idOf(row['id']), row]))
      for (const { ref, state } of named.values()) {
        const row = known.get(ref.id)
        if (row === undefined) this.addObject(ref, { state, nowMs })
        else if (row['state'] !== objectStates.lost) this.#database.run('UPDATE objects SET state = ? WHERE number = ?', objectStates[state], row['number'] as number)
      }
      const gone = [...known].filter(([id, row]) => !named.has(id) && row['state'] !== objectStates.stored).map(([, row]) => row['number'] as number)
      this.#remove(gone)
      if (gone.length > 0) this.#findInRecent()
      this.#database.run('UPDATE packs SET tableBytes = NULL WHERE indexed = 1 AND expanded = 1 AND number IN (SELECT number FROM objects WHERE state = ?)', objectStates.live)
      this.#readUnusable()
    })
  }

  /** What went may lie in packs of this run too, which a compaction wrote for that: their chunks are found there now. */
  #findInRecent(): void {
    for (const row of this.#database.all('SELECT number, tableBytes FROM packs WHERE tableBytes IS NOT NULL')) {
      this.#addSegments(row['number'] as number, readTableEntries(row['tableBytes'] as Uint8Array, 0xffff_ffff), false)
    }
  }

  /** Packs that heads name and whose tables are not known here. */
  untabled(): ObjectRef[] {
    return this.#database.all('SELECT id, length FROM objects WHERE kind = ? AND number NOT IN (SELECT number FROM packs)', objectKinds.pack)
      .map((row) => ({ kind: 'pack', id: idOf(row['id']), length: row['length'] as number }))
  }

  markLost(id: ObjectId, lost: boolean): void {
    this.#expand()
    this.#database.run('UPDATE objects SET state = ? WHERE id = ? AND state IN (?, ?)', lost ? objectStates.lost : objectStates.live,
      bytesOf(id), objectStates.lost, lost ? objectStates.live : objectStates.lost)
    this.#readUnusable()
  }

  /**
   * Forgets what was stored but not named by a head before `beforeMs`, because holders may drop such objects. Snapshots
   * that no head names go at once; packs whose index went are indexed again.
   */
  forgetUnnamed(beforeMs: number): void {
    this.#expand()
    this.#database.transaction(() => {
      const rows = this.#database.all('SELECT number, kind FROM objects WHERE state = ? AND (since < ? OR kind = ?)',
        objectStates.stored, beforeMs, objectKinds.snapshot)
      this.#remove(rows.map((row) => row['number'] as number))
      if (rows.some((row) => row['kind'] === objectKinds.index)) this.#database.run('UPDATE packs SET indexed = 0 WHERE tableBytes IS NOT NULL')
      this.#readUnusable()
    })
  }

  #remove(numbers: readonly number[]): void {
    if (numbers.length === 0) return
    this.removals++
    this.#segments.clear()
    const list = JSON.stringify(numbers)
    this.#database.run(`DELETE FROM chunks WHERE place / ${packStep} IN (SELECT value FROM json_each(?))`, list)
    this.#database.run('DELETE FROM segments WHERE pack IN (SELECT value FROM json_each(?))', list)
    this.#database.run('DELETE FROM packs WHERE number IN (SELECT value FROM json_each(?))', list)
    this.#database.run('DELETE FROM objects WHERE number IN (SELECT value FROM json_each(?))', list)
  }

  /** Own packs that no index object names yet, with their tables. */
  unindexed(): TabledPack[] {
    return this.#database.all(`SELECT o.id, o.length, p.epoch, p.salt, p.tableBytes FROM packs p JOIN objects o USING (number)
      WHERE p.indexed = 0 AND p.tableBytes IS NOT NULL AND o.state IN (?, ?) ORDER BY number`, objectStates.stored, objectStates.live)
      .map((row) => ({
        id: idOf(row['id']), length: row['length'] as number, epoch: row['epoch'] as number,
        salt: row['salt'] as Uint8Array, table: row['tableBytes'] as Uint8Array,
      }))
  }

  markIndexed(ids: readonly ObjectId[]): void {
    this.#database.transaction(() => {
      for (const id of ids) this.#database.run('UPDATE packs SET indexed = 1 WHERE number = (SELECT number FROM objects WHERE id = ?)', bytesOf(id))
    })
  }

  metadata(id: Uint8Array): Uint8Array | undefined {
    return this.#database.row('SELECT bytes FROM metadata WHERE id = ?', id)?.['bytes'] as Uint8Array | undefined
  }

  addMetadata(chunks: Iterable<{ id: Uint8Array, bytes: Uint8Array }>): void {
    this.#database.transaction(() => {
      for (const { id, bytes } of chunks) this.#database.run('INSERT OR IGNORE INTO metadata (id, bytes) VALUES (?, ?)', id, bytes)
    })
  }

  /** Drops the oldest metadata beyond the limit. */
  trimMetadata(limit: number = metadataLimit): void {
    this.#database.run(`DELETE FROM metadata WHERE number IN (SELECT number FROM
      (SELECT number, sum(length(bytes)) OVER (ORDER BY number DESC) AS newer FROM metadata) WHERE newer > ?)`, limit)
  }

  document(id: ObjectId): string | undefined {
    return this.#database.row('SELECT document FROM documents WHERE id = ?', bytesOf(id))?.['document'] as string | undefined
  }

  addDocument(id: ObjectId, document: string): void {
    this.#database.run('INSERT OR REPLACE INTO documents VALUES (?, ?)', bytesOf(id), document)
  }

  /** Forgets everything; the heads and the holders know it. */
  clear(): void {
    this.#database.transaction(() => {
      for (const table of ['objects', 'packs', 'segments', 'chunks', 'metadata', 'documents']) this.#database.run(`DELETE FROM ${table}`)
      this.removals++
      this.#segments.clear()
      this.#recent.clear()
      this.#readUnusable()
    })
  }

  [Symbol.dispose](): void {
    this.#database[Symbol.dispose]()
  }

  #readUnusable(): void {
    this.#unusable.clear()
    for (const row of this.#database.all('SELECT number FROM objects WHERE kind = ? AND state IN (?, ?)',
      objectKinds.pack, objectStates.foreign, objectStates.lost)) this.#unusable.add(row['number'] as number)
  }
}

function idOf(value: unknown): ObjectId {
  return Buffer.from(value as Uint8Array).toString('hex') as ObjectId
}

function bytesOf(id: ObjectId): Buffer {
  return Buffer.from(id, 'hex')
}
