/**
 * What shards lie in the folder, in SQLite, so that listing and start-up do not read them all. It can always be made
 * anew from the folder; the mark `clean` says that it need not be.
 */
import { DatabaseSync } from 'node:sqlite'
import { type ObjectId, type ObjectKind, objectKinds } from '../../object-store.ts'
import { type OwnerId } from '../../../shared/ids.ts'
import type { ShardEntry, ShardRef } from './port.ts'

const kindNames = new Map<number, ObjectKind>(Object.entries(objectKinds).map(([name, number]) => [number, name as ObjectKind]))
const pageLength = 1_000

interface Row { owner: string; id: string; number: number; kind: number; k: number; n: number; length: number }

export class FolderIndex implements Disposable {
  readonly #db: DatabaseSync
  #used: number

  constructor(path: string) {
    this.#db = new DatabaseSync(path)
    this.#db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS shards (owner TEXT, id TEXT, number INTEGER, kind INTEGER, k INTEGER, n INTEGER,
        length INTEGER, size INTEGER, PRIMARY KEY (owner, id, number)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS marks (name TEXT PRIMARY KEY, value INTEGER)`)
    this.#used = Number(this.#db.prepare('SELECT coalesce(sum(size), 0) AS used FROM shards').get()?.['used'] ?? 0)
  }

  /** Bytes of all shard files. */
  get used(): number {
    return this.#used
  }

  isClean(): boolean {
    return this.#db.prepare("SELECT value FROM marks WHERE name = 'clean'").get()?.['value'] === 1
  }

  mark(clean: boolean): void {
    this.#db.prepare("INSERT OR REPLACE INTO marks VALUES ('clean', ?)").run(clean ? 1 : 0)
  }

  /** `size`: bytes of the file. */
  add(entry: ShardEntry, size: number): void {
    this.remove(entry)
    this.#db.prepare('INSERT INTO shards VALUES (?, ?, ?, ?, ?, ?, ?, ?)')
      .run(entry.owner, entry.id, entry.number, objectKinds[entry.kind], entry.k, entry.n, entry.length, size)
    this.#used += size
  }

  remove(ref: ShardRef): void {
    const row = this.#db.prepare('DELETE FROM shards WHERE owner = ? AND id = ? AND number = ? RETURNING size').get(ref.owner, ref.id, ref.number)
    if (row !== undefined) this.#used -= Number(row['size'])
  }

  find(ref: ShardRef): ShardEntry | undefined {
    const row = this.#db.prepare('SELECT * FROM shards WHERE owner = ? AND id = ? AND number = ?').get(ref.owner, ref.id, ref.number)
    return row === undefined ? undefined : toEntry(row as unknown as Row)
  }

  /** Shards of the owner after (id, number), at most one page. */
  page(owner: OwnerId, after: { id: string; number: number }): ShardEntry[] {
    return this.#db.prepare('SELECT * FROM shards WHERE owner = ? AND (id, number) > (?, ?) ORDER BY id, number LIMIT ?')
      .all(owner, after.id, after.number, pageLength).map((row) => toEntry(row as unknown as Row))
  }

  names(owner: OwnerId): Set<string> {
    return new Set(this.#db.prepare("SELECT id || '.' || number AS name FROM shards WHERE owner = ?").all(owner).map((row) => String(row['name'])))
  }

  owners(): OwnerId[] {
    return this.#db.prepare('SELECT DISTINCT owner FROM shards').all().map((row) => String(row['owner']) as OwnerId)
  }

  [Symbol.dispose](): void {
    this.#db.close()
  }
}

function toEntry(row: Row): ShardEntry {
  const kind = kindNames.get(row.kind) ?? 'pack'
  return { owner: row.owner as OwnerId, id: row.id as ObjectId, number: row.number, kind, k: row.k, n: row.n, length: row.length }
}
