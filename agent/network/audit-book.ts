/**
 * What this owner's audits found at each holder, in SQLite: when it was asked, when it last answered rightly, what it left
 * unanswered, and how far it may be trusted with more (score). Losing it costs nothing but that memory.
 */
import { DatabaseSync } from 'node:sqlite'
import type { MachineId } from '../../shared/ids.ts'
import type { ObjectId } from '../object-store.ts'

const dayMs = 86_400_000
/** A failed audit counts half after so long. */
const halfLifeMs = 30 * dayMs

/** One leaf of one shard that a holder says it has. */
export interface Challenge {
  readonly id: ObjectId
  readonly number: number
  readonly leaf: number
}

/** A challenge that was not answered although others were: it is asked again. */
export interface OpenChallenge extends Challenge {
  readonly sinceMs: number
  readonly tries: number
}

/** All times in milliseconds since 1970, by this machine's clock. */
export interface HolderAudits {
  /** When it last answered an audit, rightly or wrongly. */
  readonly auditedMs: number | undefined
  /** When it last answered every question of an audit rightly. */
  readonly passedMs: number | undefined
  readonly failedMs: number | undefined
  /** Leaves that were right and that were not, of all audits. */
  readonly passed: number
  readonly failed: number
  /** After a failure everything that it has is read, in order: where to go on. */
  readonly sweep: { readonly id: string; readonly number: number } | undefined
}

export interface AuditOutcome {
  readonly passed: number
  readonly failed: number
  readonly nowMs: number
  readonly sweep: HolderAudits['sweep']
}

export class AuditBook implements Disposable {
  readonly #db: DatabaseSync

  /** `path`: a file, or `:memory:`. */
  constructor(path: string) {
    this.#db = new DatabaseSync(path)
    this.#db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
      CREATE TABLE IF NOT EXISTS holders (machine TEXT PRIMARY KEY, audited INTEGER, perfect INTEGER, failure INTEGER, passed INTEGER,
        failed INTEGER, faults REAL, sweepId TEXT, sweepNumber INTEGER) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS challenges (machine TEXT, id TEXT, number INTEGER, leaf INTEGER, since INTEGER, tries INTEGER,
        PRIMARY KEY (machine, id, number, leaf)) WITHOUT ROWID`)
  }

  of(machine: MachineId): HolderAudits {
    const row = this.#db.prepare('SELECT * FROM holders WHERE machine = ?').get(machine)
    const value = (name: string) => row?.[name] ?? undefined
    const time = (name: string): number | undefined => (value(name) === undefined ? undefined : Number(value(name)))
    return {
      auditedMs: time('audited'), passedMs: time('perfect'), failedMs: time('failure'), passed: Number(value('passed') ?? 0), failed: Number(value('failed') ?? 0),
      sweep: value('sweepId') === undefined ? undefined : { id: String(value('sweepId')), number: Number(value('sweepNumber')) },
    }
  }

  /** Takes in an audit that the holder answered. */
  note(machine: MachineId, { passed, failed, nowMs, sweep }: AuditOutcome): void {
    const faults = this.#faults(machine, nowMs) + (failed > 0 ? 1 : 0)
    const before = this.of(machine)
    this.#db.prepare('INSERT OR REPLACE INTO holders VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)').run(
      machine, nowMs, failed === 0 ? nowMs : before.passedMs ?? null, failed > 0 ? nowMs : before.failedMs ?? null,
      before.passed + passed, before.failed + failed, faults, sweep?.id ?? null, sweep?.number ?? null,
    )
  }

  /** Failed audits, the older ones counting less; as of `nowMs`. */
  #faults(machine: MachineId, nowMs: number): number {
    const row = this.#db.prepare('SELECT faults, audited FROM holders WHERE machine = ?').get(machine)
    return row === undefined ? 0 : Number(row['faults']) * 2 ** (-Math.max(0, nowMs - Number(row['audited'])) / halfLifeMs)
  }

  /** 1 for a holder that never failed; each failed audit halves it, and it recovers over months. */
  score(machine: MachineId, nowMs: number): number {
    return 2 ** -this.#faults(machine, nowMs)
  }

  openChallenges(machine: MachineId): OpenChallenge[] {
    return this.#db.prepare('SELECT * FROM challenges WHERE machine = ? ORDER BY since').all(machine).map((row) => ({
      id: String(row['id']) as ObjectId, number: Number(row['number']), leaf: Number(row['leaf']), sinceMs: Number(row['since']), tries: Number(row['tries']),
    }))
  }

  /** Not answered, while others were. Returns how often and since when. */
  noteUnanswered(machine: MachineId, { id, number, leaf }: Challenge, nowMs: number): { tries: number; sinceMs: number } {
    const row = this.#db.prepare(`INSERT INTO challenges VALUES (?, ?, ?, ?, ?, 1)
      ON CONFLICT (machine, id, number, leaf) DO UPDATE SET tries = tries + 1 RETURNING tries, since`).get(machine, id, number, leaf, nowMs)
    return { tries: Number(row?.['tries']), sinceMs: Number(row?.['since']) }
  }

  close(machine: MachineId, { id, number, leaf }: Challenge): void {
    this.#db.prepare('DELETE FROM challenges WHERE machine = ? AND id = ? AND number = ? AND leaf = ?').run(machine, id, number, leaf)
  }

  [Symbol.dispose](): void {
    this.#db.close()
  }
}
