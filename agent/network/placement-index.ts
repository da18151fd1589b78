/**
 * Where each shard was acknowledged and when that was last confirmed, for one owner, in SQLite. It can be made anew from
 * the holders' lists (Dispersal.refresh). A list is a claim: what it says of an object counts until a header that this
 * machine signed or verified says better (`isSettled`); where claims differ the object is `isDisputed` until then. A shard
 * that was found damaged does not count again because its holder still lists it, but when it was stored there anew.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { MachineId } from '../../shared/ids.ts'
import { type ObjectId, type ObjectKind, type ObjectRef, objectKinds } from '../object-store.ts'
import type { ShardEntry } from './shard-store/port.ts'

const kindNames = new Map<number, ObjectKind>(Object.entries(objectKinds).map(([name, number]) => [number, name as ObjectKind]))

export interface ShardPlace {
  readonly number: number
  readonly machine: MachineId
  /** When the holder last said or proved that it has the shard; milliseconds since 1970. */
  readonly confirmedMs: number
}

/** A place with what its holder says of the object. */
export interface Claim extends ObjectRef {
  readonly k: number
  readonly n: number
  readonly number: number
  readonly machine: MachineId
}

export interface PlacedObject extends ObjectRef {
  readonly k: number
  readonly n: number
  /** All n shards once lay on distinct machines. */
  readonly wasGreen: boolean
  readonly isSettled: boolean
  readonly isDisputed: boolean
  /** Places whose claims fit the object. */
  readonly shards: readonly ShardPlace[]
}

type ObjectFields = Pick<PlacedObject, keyof ObjectRef | 'k' | 'n'>

export class PlacementIndex implements Disposable {
  readonly #db: DatabaseSync
  readonly #objectOf: StatementSync
  readonly #placesOf: StatementSync
  readonly #put: StatementSync

  /** `path`: a file, or `:memory:`. */
  constructor(path: string) {
    this.#db = new DatabaseSync(path)
    this.#db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS objects (id TEXT PRIMARY KEY, kind INTEGER, k INTEGER, n INTEGER, length INTEGER,
        green INTEGER, settled INTEGER) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS places (id TEXT, number INTEGER, machine TEXT, confirmed INTEGER, kind INTEGER, k INTEGER,
        n INTEGER, length INTEGER, PRIMARY KEY (id, number, machine)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS damaged (id TEXT, number INTEGER, machine TEXT, PRIMARY KEY (id, number, machine)) WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS places_by_machine ON places (machine);
      CREATE TABLE IF NOT EXISTS listed (machine TEXT PRIMARY KEY, at INTEGER) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS acquainted (machine TEXT PRIMARY KEY) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS holders (position INTEGER PRIMARY KEY, machine TEXT);
      CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value INTEGER);
      CREATE TABLE IF NOT EXISTS replaced (at INTEGER, bytes INTEGER)`)
    this.#objectOf = this.#db.prepare('SELECT * FROM objects WHERE id = ?')
    this.#placesOf = this.#db.prepare('SELECT * FROM places WHERE id = ? ORDER BY number, machine')
    this.#put = this.#db.prepare('INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
  }

  /** Bytes of shards that each machine is believed to have. */
  bytesByMachine(): Map<MachineId, number> {
    const rows = this.#db.prepare('SELECT p.machine, sum((o.length + o.k - 1) / o.k) AS bytes FROM places p JOIN objects o USING (id) GROUP BY p.machine').all()
    return new Map(rows.map(({ machine, bytes }) => [machine as MachineId, Number(bytes)]))
  }

  /** Adds places of an object whose header this machine signed or verified; n only grows. */
  record(object: ObjectFields, places: readonly ShardPlace[], options: { green?: boolean } = {}): void {
    this.#together(() => {
      this.#settle(object)
      if (options.green === true) this.#db.prepare('UPDATE objects SET green = 1 WHERE id = ?').run(object.id)
      for (const place of places) {
        this.#addPlace(object, place)
        this.#db.prepare('DELETE FROM damaged WHERE id = ? AND number = ? AND machine = ?').run(object.id, place.number, place.machine)
      }
    })
  }

  #settle({ id, kind, k, n, length }: ObjectFields): void {
    this.#db.prepare(`INSERT INTO objects VALUES (?, ?, ?, ?, ?, 0, 1) ON CONFLICT (id) DO UPDATE SET
      green = CASE WHEN settled AND excluded.n <= n THEN green ELSE 0 END,
      n = CASE WHEN settled THEN max(n, excluded.n) ELSE excluded.n END,
      kind = excluded.kind, k = excluded.k, length = excluded.length, settled = 1`).run(id, objectKinds[kind], k, n, length)
  }

  #addPlace({ id, kind, k, n, length }: ObjectFields, { number, machine, confirmedMs }: ShardPlace): void {
    this.#put.run(id, number, machine, confirmedMs, objectKinds[kind], k, n, length)
  }

  /** Puts a machine's own list, asked for at `askedMs`, in the place of what was believed of it before. */
  replaceMachine(machine: MachineId, entries: readonly ShardEntry[], { askedMs, nowMs }: { askedMs: number; nowMs: number }): void {
    this.#together(() => {
      this.#db.prepare('DELETE FROM places WHERE machine = ? AND confirmed < ?').run(machine, askedMs)
      this.#db.prepare('INSERT OR REPLACE INTO listed VALUES (?, ?)').run(machine, nowMs)
      const add = this.#db.prepare('INSERT OR IGNORE INTO objects VALUES (?, ?, ?, ?, ?, 0, 0)')
      const damaged = new Set(this.#db.prepare('SELECT id, number FROM damaged WHERE machine = ?').all(machine).map((row) => `${String(row['id'])}.${String(row['number'])}`))
      for (const entry of entries) {
        if (damaged.delete(`${entry.id}.${entry.number}`)) continue
        add.run(entry.id, objectKinds[entry.kind], entry.k, entry.n, entry.length)
        this.#addPlace(entry, { number: entry.number, machine, confirmedMs: nowMs })
      }
      const dropped = this.#db.prepare('DELETE FROM damaged WHERE machine = ? AND id = ? AND number = ?')
      for (const name of damaged) dropped.run(machine, ...splitName(name))
    })
  }

  /** When the machine last told all that it has; undefined: never. */
  listedMs(machine: MachineId): number | undefined {
    const at = this.#db.prepare('SELECT at FROM listed WHERE machine = ?').get(machine)?.['at']
    return at === undefined ? undefined : Number(at)
  }

  /** Machines that told what they have, or where something was put. */
  machines(): Set<MachineId> {
    return new Set(this.#db.prepare('SELECT machine FROM listed UNION SELECT DISTINCT machine FROM places').all().map((row) => String(row['machine']) as MachineId))
  }

  /** All that holders say of an object, the most frequent description first. */
  claims(id: ObjectId): Claim[] {
    return this.#db.prepare(`SELECT *, count(*) OVER (PARTITION BY kind, k, length) AS agreeing FROM places WHERE id = ?
      ORDER BY agreeing DESC, n DESC, number`).all(id).map((row) => ({
      id, kind: kindNames.get(Number(row['kind'])) ?? 'pack', k: Number(row['k']), n: Number(row['n']),
      length: Number(row['length']), number: Number(row['number']), machine: String(row['machine']) as MachineId,
    }))
  }

  remove(id: ObjectId, number: number, machine: MachineId): void {
    this.#db.prepare('DELETE FROM places WHERE id = ? AND number = ? AND machine = ?').run(id, number, machine)
  }

  /** It was read and is not what was signed: it counts no longer, whatever its holder lists. */
  markDamaged(id: ObjectId, number: number, machine: MachineId): void {
    this.#together(() => {
      this.remove(id, number, machine)
      this.#db.prepare('INSERT OR IGNORE INTO damaged VALUES (?, ?, ?)').run(id, number, machine)
    })
  }

  /** Whether a shard of that number was found damaged at a machine that has not stored it anew, nor dropped it. */
  isDamaged(id: ObjectId, number: number): boolean {
    return this.#db.prepare('SELECT 1 FROM damaged WHERE id = ? AND number = ?').get(id, number) !== undefined
  }

  /** Forgets an object that nobody has any shard of. */
  drop(id: ObjectId): void {
    this.#together(() => {
      this.#db.prepare('DELETE FROM places WHERE id = ?').run(id)
      this.#db.prepare('DELETE FROM objects WHERE id = ?').run(id)
    })
  }

  /**
   * Of objects that are not alive: forgets what nobody keeps any more, and places at machines that are not `members`. What is
   * forgotten wrongly comes back with the next list of who has it.
   */
  forgetDead(live: ReadonlySet<ObjectId>, members: ReadonlySet<MachineId>): void {
    this.#together(() => {
      const strangers = [...this.machines()].filter((machine) => !members.has(machine))
      const forget = this.#db.prepare('DELETE FROM places WHERE id = ? AND machine = ?')
      for (const machine of strangers) {
        const placed = this.#db.prepare('SELECT DISTINCT id FROM places WHERE machine = ?').all(machine).map((row) => String(row['id']) as ObjectId)
        for (const id of placed) if (!live.has(id)) forget.run(id, machine)
      }
      const nowhere = this.#db.prepare('SELECT id FROM objects WHERE id NOT IN (SELECT id FROM places)').all().map((row) => String(row['id']) as ObjectId)
      for (const id of nowhere) if (!live.has(id)) this.#db.prepare('DELETE FROM objects WHERE id = ?').run(id)
    })
  }

  find(id: ObjectId): PlacedObject | undefined {
    const row = this.#objectOf.get(id)
    return row === undefined ? undefined : this.#toObject(row)
  }

  #toObject(row: Record<string, unknown>): PlacedObject {
    const id = String(row['id']) as ObjectId
    const rows = this.#placesOf.all(id)
    const fitting = rows.filter((place) => ['kind', 'k', 'length'].every((field) => place[field] === row[field]))
    const isSettled = row['settled'] === 1
    return {
      id, kind: kindNames.get(Number(row['kind'])) ?? 'pack', k: Number(row['k']), n: Number(row['n']),
      length: Number(row['length']), wasGreen: row['green'] === 1, isSettled,
      isDisputed: !isSettled && rows.some((place) => ['kind', 'k', 'n', 'length'].some((field) => place[field] !== row[field])),
      shards: fitting.map((place) => ({ number: Number(place['number']), machine: String(place['machine']) as MachineId, confirmedMs: Number(place['confirmed']) })),
    }
  }

  /** All objects by ascending id; safe against changes while it runs. */
  *objects(): Generator<PlacedObject> {
    const page = this.#db.prepare('SELECT * FROM objects WHERE id > ? ORDER BY id LIMIT 500')
    for (let after = ''; ;) {
      const rows = page.all(after)
      for (const row of rows) yield this.#toObject(row)
      const last = rows.at(-1)
      if (last === undefined) return
      after = String(last['id'])
    }
  }

  /** The owner's holder set, in order. */
  holders(): MachineId[] {
    return this.#db.prepare('SELECT machine FROM holders ORDER BY position').all().map((row) => String(row['machine']) as MachineId)
  }

  setHolders(machines: readonly MachineId[]): void {
    this.#together(() => {
      this.#db.exec('DELETE FROM holders')
      const add = this.#db.prepare('INSERT INTO holders VALUES (?, ?)')
      for (const [position, machine] of machines.entries()) add.run(position, machine)
    })
  }

  /** Those of `machines` that were never among them before; none at the first time. */
  acquaint(machines: readonly MachineId[]): MachineId[] {
    const known = new Set(this.#db.prepare('SELECT machine FROM acquainted').all().map((row) => String(row['machine'])))
    const unknown = machines.filter((machine) => !known.has(machine))
    const add = this.#db.prepare('INSERT OR IGNORE INTO acquainted VALUES (?)')
    for (const machine of unknown) add.run(machine)
    return known.size === 0 ? [] : unknown
  }

  /** Whether every holder was asked for its list once, or there was nothing to ask for. */
  isComplete(): boolean {
    return this.#db.prepare("SELECT value FROM marks WHERE name = 'complete'").get()?.['value'] === 1
  }

  markComplete(): void {
    this.#db.prepare("INSERT OR REPLACE INTO marks VALUES ('complete', 1)").run()
  }

  /** Since when (ms since 1970) the level of new objects is this one, as far as this index was asked: `nowMs` at first. */
  levelSince({ k, n }: { readonly k: number; readonly n: number }, nowMs: number): number {
    const name = `level ${k}-of-${n}`
    const since = this.#db.prepare('SELECT value FROM marks WHERE name = ?').get(name)?.['value'] as number | undefined
    if (since !== undefined && since <= nowMs) return since
    this.#together(() => {
      this.#db.exec("DELETE FROM marks WHERE name LIKE 'level %'")
      this.#db.prepare('INSERT INTO marks VALUES (?, ?)').run(name, nowMs)
    })
    return nowMs
  }

  /** Notes that packs of another level were replaced, `bytes` of one shard of each. */
  noteReplaced(bytes: number, atMs: number): void {
    this.#db.prepare('INSERT INTO replaced VALUES (?, ?)').run(atMs, bytes)
  }

  /** The same, since a moment; what is older is forgotten. */
  replaced(sinceMs: number): { atMs: number; bytes: number }[] {
    this.#db.prepare('DELETE FROM replaced WHERE at < ?').run(sinceMs)
    return this.#db.prepare('SELECT at, bytes FROM replaced').all().map((row) => ({ atMs: Number(row['at']), bytes: Number(row['bytes']) }))
  }

  #together(change: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      change()
      this.#db.exec('COMMIT')
    } catch (error) {
      this.#db.exec('ROLLBACK')
      throw error
    }
  }

  [Symbol.dispose](): void {
    this.#db.close()
  }
}

function splitName(name: string): [string, number] {
  const [id = '', number = ''] = name.split('.')
  return [id, Number(number)]
}
