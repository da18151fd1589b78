/** The SQLite file of a PackIndex: its tables, its version, and statements that are prepared once. */
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { DatabaseSync, type StatementSync } from 'node:sqlite'

const version = 1
const schema = `
  CREATE TABLE objects (number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, kind INTEGER NOT NULL, length INTEGER NOT NULL,
    state INTEGER NOT NULL, since INTEGER NOT NULL);
  CREATE TABLE packs (number INTEGER PRIMARY KEY, epoch INTEGER NOT NULL, salt BLOB NOT NULL, tableBytes BLOB,
    indexed INTEGER NOT NULL, expanded INTEGER NOT NULL);
  CREATE TABLE segments (pack INTEGER NOT NULL, number INTEGER NOT NULL, offset INTEGER NOT NULL, length INTEGER NOT NULL,
    plainLength INTEGER NOT NULL, codec INTEGER NOT NULL, ends BLOB NOT NULL, PRIMARY KEY (pack, number)) WITHOUT ROWID;
  CREATE TABLE chunks (id BLOB PRIMARY KEY, place INTEGER NOT NULL) WITHOUT ROWID;
  CREATE TABLE numbers (n INTEGER PRIMARY KEY);
  INSERT INTO numbers WITH RECURSIVE c (n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM c WHERE n < 4095) SELECT n FROM c;
  CREATE TABLE metadata (number INTEGER PRIMARY KEY, id BLOB NOT NULL UNIQUE, bytes BLOB NOT NULL);
  CREATE TABLE documents (id BLOB PRIMARY KEY, document TEXT NOT NULL) WITHOUT ROWID;
  PRAGMA user_version = ${version};`

/** Ids that one statement takes: the numbers table counts to it. */
export const idsAtOnce = 4096
/** Pages that SQLite keeps for itself, KiB; the system keeps the rest. More would let an agent grow with what it protects. */
const cacheKiB = 8192
/** SQLite's codes for a file that is damaged or no database. */
const unusableCodes = new Set([11, 26])

class IndexUnusable extends Error {}

/** Whether what opening threw means that the file is of another version or unreadable, and has to be made anew. */
export function isUnusable(error: unknown): boolean {
  return error instanceof IndexUnusable || unusableCodes.has((error as { errcode?: number }).errcode ?? 0)
}

export function indexPath(directory: string): string {
  return join(directory, 'index.sqlite')
}

/** Deletes the index of `directory`; it is made anew from the holders. */
export function removeIndex(directory: string): void {
  for (const suffix of ['', '-wal', '-shm']) rmSync(`${indexPath(directory)}${suffix}`, { force: true })
}

type Value = number | string | Uint8Array | null
type Row = Record<string, unknown>

export class IndexDatabase implements Disposable {
  readonly #database: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()

  /** Makes the tables in a new file. Throws what isUnusable() knows. */
  constructor(path: string) {
    this.#database = new DatabaseSync(path)
    try {
      this.#database.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -${cacheKiB}; PRAGMA temp_store = MEMORY`)
      const found = this.row('PRAGMA user_version')?.['user_version']
      if (found === 0) this.#database.exec(`BEGIN; ${schema} COMMIT`)
      else if (found !== version) throw new IndexUnusable(`Cannot open the index: it is of version ${String(found)}`)
    } catch (error) {
      this.#database.close()
      throw error
    }
  }

  /** Prepared once. */
  statement(sql: string): StatementSync {
    let statement = this.#statements.get(sql)
    if (statement === undefined) this.#statements.set(sql, statement = this.#database.prepare(sql))
    return statement
  }

  row(sql: string, ...values: Value[]): Row | undefined {
    return this.statement(sql).get(...values)
  }

  all(sql: string, ...values: Value[]): Row[] {
    return this.statement(sql).all(...values)
  }

  /** Returns how many rows were changed. */
  run(sql: string, ...values: Value[]): number {
    return Number(this.statement(sql).run(...values).changes)
  }

  /** All of `work`, or nothing when it throws. */
  transaction(work: () => void): void {
    this.#database.exec('BEGIN IMMEDIATE')
    try {
      work()
      this.#database.exec('COMMIT')
    } catch (error) {
      this.#database.exec('ROLLBACK')
      throw error
    }
  }

  [Symbol.dispose](): void {
    if (this.#database.isOpen) this.#database.close()
  }
}
