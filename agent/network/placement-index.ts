/**
 * Where each shard was acknowledged and when that was last confirmed, for one owner, in SQLite. It can be made anew from
 * the holders' lists (Dispersal.refresh).
 */
import { DatabaseSync } from 'node:sqlite'
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

export interface PlacedObject extends ObjectRef {
  readonly k: number
  readonly n: number
  /** All n shards once lay on distinct machines. */
  readonly wasGreen: boolean
  readonly shards: readonly ShardPlace[]
}

type ObjectFields = Omit<PlacedObject, 'wasGreen' | 'shards'>

export class PlacementIndex implements Disposable {
  readonly #db: DatabaseSync

  /** `path`: a file, or `:memory:`. */
  constructor(path: string) {
    this.#db = new DatabaseSync(path)
    this.#db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS objects (id TEXT PRIMARY KEY, kind INTEGER, k INTEGER, n INTEGER, length INTEGER, green INTEGER) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS places (id TEXT, number INTEGER, machine TEXT, confirmed INTEGER, PRIMARY KEY (id, number, machine)) WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS places_by_machine ON places (machine);
      CREATE TABLE IF NOT EXISTS holders (position INTEGER PRIMARY KEY, machine TEXT);
      CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value INTEGER)`)
  }

  /** Adds places to what is known; n only grows. */
  record(object: ObjectFields, places: readonly ShardPlace[], options: { green?: boolean } = {}): void {
    this.#together(() => {
      this.#addObject(object)
      if (options.green === true) this.#db.prepare('UPDATE objects SET green = 1 WHERE id = ?').run(object.id)
      const add = this.#db.prepare('INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?)')
      for (const { number, machine, confirmedMs } of places) add.run(object.id, number, machine, confirmedMs)
    })
  }

  #addObject({ id, kind, k, n, length }: ObjectFields): void {
    this.#db.prepare(`INSERT INTO objects VALUES (?, ?, ?, ?, ?, 0) ON CONFLICT (id) DO UPDATE SET
      green = CASE WHEN excluded.n > n THEN 0 ELSE green END, n = max(n, excluded.n)`).run(id, objectKinds[kind], k, n, length)
  }

  /** Puts a machine's own list in the place of what was believed of it. */
  replaceMachine(machine: MachineId, entries: readonly ShardEntry[], nowMs: number): void {
    this.#together(() => {
      this.#db.prepare('DELETE FROM places WHERE machine = ?').run(machine)
      const add = this.#db.prepare('INSERT OR REPLACE INTO places VALUES (?, ?, ?, ?)')
      for (const entry of entries) {
        this.#addObject(entry)
        add.run(entry.id, entry.number, machine, nowMs)
      }
    })
  }

  remove(id: ObjectId, number: number, machine: MachineId): void {
    this.#db.prepare('DELETE FROM places WHERE id = ? AND number = ? AND machine = ?').run(id, number, machine)
  }

  /** Forgets an object that nobody has any shard of. */
  drop(id: ObjectId): void {
    this.#together(() => {
      this.#db.prepare('DELETE FROM places WHERE id = ?').run(id)
      this.#db.prepare('DELETE FROM objects WHERE id = ?').run(id)
    })
  }

  find(id: ObjectId): PlacedObject | undefined {
    const row = this.#db.prepare('SELECT * FROM objects WHERE id = ?').get(id)
    return row === undefined ? undefined : this.#toObject(row)
  }

  #toObject(row: Record<string, unknown>): PlacedObject {
    const id = String(row['id']) as ObjectId
    const shards = this.#db.prepare('SELECT number, machine, confirmed FROM places WHERE id = ? ORDER BY number, machine').all(id)
      .map((place) => ({ number: Number(place['number']), machine: String(place['machine']) as MachineId, confirmedMs: Number(place['confirmed']) }))
    return {
      id, kind: kindNames.get(Number(row['kind'])) ?? 'pack', k: Number(row['k']), n: Number(row['n']),
      length: Number(row['length']), wasGreen: row['green'] === 1, shards,
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

  /** Whether every holder was asked for its list once, or there was nothing to ask for. */
  isComplete(): boolean {
    return this.#db.prepare("SELECT value FROM marks WHERE name = 'complete'").get()?.['value'] === 1
  }

  markComplete(): void {
    this.#db.prepare("INSERT OR REPLACE INTO marks VALUES ('complete', 1)").run()
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
