/**
 * What shards lie in the folder, in SQLite, so that listing and start-up do not read them all. It can always be made
 * anew from the folder; the mark `clean` says that it need not be.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import { type ObjectId, type ObjectKind, objectKinds } from '../../object-store.ts'
import { type OwnerId } from '../../../shared/ids.ts'
import type { ShardEntry, ShardRef } from './port.ts'
import type { ScrubState } from './scrub.ts'

const kindNames = new Map<number, ObjectKind>(Object.entries(objectKinds).map(([name, number]) => [number, name as ObjectKind]))
const pageLength = 1_000

interface Row { owner: string; id: string; number: number; kind: number; k: number; n: number; length: number; size: number; stored: number }

/** A shard with what retention asks: bytes of its file, and when it was last taken in or offered again (own time, ms). */
export interface IndexedShard extends ShardEntry {
  readonly size: number
  readonly stored: number
}

const version = 1

export class FolderIndex implements Disposable {
  readonly #db: DatabaseSync
  readonly #found: StatementSync
  readonly #usedBy = new Map<OwnerId, number>()

  constructor(path: string) {
    this.#db = new DatabaseSync(path)
    this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL')
    if (this.#db.prepare('PRAGMA user_version').get()?.['user_version'] !== version) {
      this.#db.exec(`BEGIN; DROP TABLE IF EXISTS shards; DROP TABLE IF EXISTS marks;
        CREATE TABLE shards (owner TEXT, id TEXT, number INTEGER, kind INTEGER, k INTEGER, n INTEGER,
          length INTEGER, size INTEGER, stored INTEGER, PRIMARY KEY (owner, id, number)) WITHOUT ROWID;
        CREATE TABLE marks (name TEXT PRIMARY KEY, value INTEGER);
        PRAGMA user_version = ${version}; COMMIT`)
    }
    this.#db.exec('CREATE TABLE IF NOT EXISTS scrub (one INTEGER PRIMARY KEY CHECK (one = 1), state TEXT)')
    this.#found = this.#db.prepare('SELECT * FROM shards WHERE owner = ? AND id = ? AND number = ?')
    for (const { owner, size } of this.#db.prepare('SELECT owner, sum(size) AS size FROM shards GROUP BY owner').all()) this.#count(owner as OwnerId, Number(size))
  }

  /** Bytes of all shard files. */
  get used(): number {
    return [...this.#usedBy.values()].reduce((sum, size) => sum + size, 0)
  }

  isClean(): boolean {
    return this.#db.prepare("SELECT value FROM marks WHERE name = 'clean'").get()?.['value'] === 1
  }

  /** `clean` false is on the disk when it returns: else a power failure would bring back the mark of the stop before. */
  mark(clean: boolean): void {
    this.#db.prepare("INSERT OR REPLACE INTO marks VALUES ('clean', ?)").run(clean ? 1 : 0)
    if (!clean) this.#db.exec('PRAGMA wal_checkpoint(TRUNCATE)')
  }

  /** `size`: bytes of the file; `stored`: own time, ms. */
  add(entry: ShardEntry, { size, stored }: { size: number; stored: number }): void {
    this.remove(entry)
    this.#db.prepare('INSERT INTO shards VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)')
      .run(entry.owner, entry.id, entry.number, objectKinds[entry.kind], entry.k, entry.n, entry.length, size, stored)
    this.#count(entry.owner, size)
  }

  /** The shard was offered again: it counts as taken in now. False when it is not here any more. */
  touch(ref: ShardRef, stored: number): boolean {
    return this.#db.prepare('UPDATE shards SET stored = ? WHERE owner = ? AND id = ? AND number = ?').run(stored, ref.owner, ref.id, ref.number).changes === 1
  }

  remove(ref: ShardRef): void {
    const row = this.#db.prepare('DELETE FROM shards WHERE owner = ? AND id = ? AND number = ? RETURNING size').get(ref.owner, ref.id, ref.number)
    if (row !== undefined) this.#count(ref.owner, -Number(row['size']))
  }

  #count(owner: OwnerId, bytes: number): void {
    this.#usedBy.set(owner, this.usedBy(owner) + bytes)
  }

  find(ref: ShardRef): IndexedShard | undefined {
    const row = this.#found.get(ref.owner, ref.id, ref.number)
    return row === undefined ? undefined : toEntry(row as unknown as Row)
  }

  /** Shards of the owner after (id, number), at most one page. */
  page(owner: OwnerId, after: { id: string; number: number }): IndexedShard[] {
    return this.#db.prepare('SELECT * FROM shards WHERE owner = ? AND (id, number) > (?, ?) ORDER BY id, number LIMIT ?')
      .all(owner, after.id, after.number, pageLength).map((row) => toEntry(row as unknown as Row))
  }

  /** The next shard of any owner, in the order of owner, id and number. */
  after(ref: ShardRef | undefined): IndexedShard | undefined {
    const row = this.#db.prepare('SELECT * FROM shards WHERE (owner, id, number) > (?, ?, ?) ORDER BY owner, id, number LIMIT 1').get(...placeOf(ref))
    return row === undefined ? undefined : toEntry(row as unknown as Row)
  }

  /** Bytes of all that come after it. */
  bytesAfter(ref: ShardRef | undefined): number {
    return Number(this.#db.prepare('SELECT coalesce(sum(size), 0) AS size FROM shards WHERE (owner, id, number) > (?, ?, ?)').get(...placeOf(ref))?.['size'])
  }

  get count(): number {
    return Number(this.#db.prepare('SELECT count(*) AS count FROM shards').get()?.['count'])
  }

  /** How far reading everything has come; undefined before it began. */
  get scrub(): ScrubState | undefined {
    const row = this.#db.prepare('SELECT state FROM scrub').get()
    return row === undefined ? undefined : JSON.parse(String(row['state'])) as ScrubState
  }

  set scrub(state: ScrubState) {
    this.#db.prepare('INSERT OR REPLACE INTO scrub VALUES (1, ?)').run(JSON.stringify(state))
  }

  /** Bytes of the shards of each object of the owner. */
  heldBytes(owner: OwnerId): Map<ObjectId, number> {
    return new Map(this.#db.prepare('SELECT id, sum(size) AS size FROM shards WHERE owner = ? GROUP BY id').all(owner)
      .map((row) => [String(row['id']) as ObjectId, Number(row['size'])]))
  }

  /** Bytes of the shards of an owner. */
  usedBy(owner: OwnerId): number {
    return this.#usedBy.get(owner) ?? 0
  }

  names(owner: OwnerId): Set<string> {
    return new Set(this.#db.prepare("SELECT id || '.' || number AS name FROM shards WHERE owner = ?").all(owner).map((row) => String(row['name'])))
  }

  owners(): OwnerId[] {
    return [...this.#usedBy].filter(([, bytes]) => bytes > 0).map(([owner]) => owner)
  }

  [Symbol.dispose](): void {
    this.#db.close()
  }
}

function placeOf(ref: ShardRef | undefined): [string, string, number] {
  return ref === undefined ? ['', '', -1] : [ref.owner, ref.id, ref.number]
}

function toEntry(row: Row): IndexedShard {
  const kind = kindNames.get(row.kind) ?? 'pack'
  return { owner: row.owner as OwnerId, id: row.id as ObjectId, number: row.number, kind, k: row.k, n: row.n, length: row.length, size: row.size, stored: row.stored }
}
