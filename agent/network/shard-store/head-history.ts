/**
 * What the heads said, and when by this holder's clock: the newest head of each device, and for each object the spans of
 * time in which a device's newest head named it. Retention reads from it what may go (docs/format.md section 7): a head
 * received at t named an object when one of its spans began at or before t and had not ended.
 */
import { DatabaseSync } from 'node:sqlite'
import type { MachineId, OwnerId } from '../../../shared/ids.ts'
import type { ObjectId, PublishedHead } from '../../object-store.ts'
import { type VerifiedHead, liveEntryLength } from '../published-head.ts'

export interface KnownDevice {
  readonly epoch: number
  readonly certificate: string
}

export class HeadHistory implements Disposable {
  readonly #db: DatabaseSync

  constructor(path: string) {
    this.#db = new DatabaseSync(path)
    this.#db.exec(`PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL;
      CREATE TABLE IF NOT EXISTS epochs (owner TEXT PRIMARY KEY, epoch INTEGER) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS devices (owner TEXT, machine TEXT, epoch INTEGER, certificate TEXT, PRIMARY KEY (owner, machine)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS heads (owner TEXT, machine TEXT, epoch INTEGER, seq INTEGER, received INTEGER, head TEXT,
        PRIMARY KEY (owner, machine, epoch, seq)) WITHOUT ROWID;
      CREATE TABLE IF NOT EXISTS spans (owner TEXT, machine TEXT, entry BLOB, since INTEGER, until INTEGER,
        PRIMARY KEY (owner, machine, entry, since)) WITHOUT ROWID;
      CREATE INDEX IF NOT EXISTS spans_by_object ON spans (owner, substr(entry, 2, 32))`)
  }

  /** Highest epoch of the owner that this holder has seen a valid certificate of; 0: none. */
  ownerEpoch(owner: OwnerId): number {
    return Number(this.#db.prepare('SELECT epoch FROM epochs WHERE owner = ?').get(owner)?.['epoch'] ?? 0)
  }

  raiseEpoch(owner: OwnerId, epoch: number): void {
    this.#db.prepare('INSERT INTO epochs VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET epoch = max(epoch, excluded.epoch)').run(owner, epoch)
  }

  device(owner: OwnerId, machine: MachineId): KnownDevice | undefined {
    const row = this.#db.prepare('SELECT epoch, certificate FROM devices WHERE owner = ? AND machine = ?').get(owner, machine)
    return row === undefined ? undefined : { epoch: Number(row['epoch']), certificate: String(row['certificate']) }
  }

  newest(owner: OwnerId, machine: MachineId): { epoch: number; seq: number; head: string } | undefined {
    const row = this.#db.prepare('SELECT epoch, seq, head FROM heads WHERE owner = ? AND machine = ? ORDER BY epoch DESC, seq DESC LIMIT 1').get(owner, machine)
    return row === undefined ? undefined : { epoch: Number(row['epoch']), seq: Number(row['seq']), head: String(row['head']) }
  }

  /** Takes in a verified head that is newer than all of its device; `nowMs` by this holder's clock. */
  record(head: VerifiedHead, nowMs: number): void {
    const { owner, machine } = head.device
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      this.raiseEpoch(owner, head.device.epoch)
      this.#db.prepare('INSERT OR REPLACE INTO devices VALUES (?, ?, ?, ?)').run(owner, machine, head.device.epoch, head.certificate)
      this.#db.prepare('INSERT INTO heads VALUES (?, ?, ?, ?, ?, ?)').run(owner, machine, head.epoch, head.seq, nowMs, head.head)
      this.#changeSpans(head, nowMs)
      this.#db.exec('COMMIT')
    } catch (error) {
      this.#db.exec('ROLLBACK')
      throw error
    }
  }

  #changeSpans({ device: { owner, machine }, live }: VerifiedHead, nowMs: number): void {
    const gone = new Map(this.#liveEntries(owner, machine).map((entry) => [Buffer.from(entry).toString('latin1'), entry]))
    const begin = this.#db.prepare('INSERT OR REPLACE INTO spans VALUES (?, ?, ?, ?, NULL)')
    for (let at = 0; at < live.length; at += liveEntryLength) {
      const entry = live.subarray(at, at + liveEntryLength)
      if (!gone.delete(Buffer.from(entry).toString('latin1'))) begin.run(owner, machine, entry, nowMs)
    }
    const end = this.#db.prepare('UPDATE spans SET until = ? WHERE owner = ? AND machine = ? AND entry = ? AND until IS NULL')
    for (const entry of gone.values()) end.run(nowMs, owner, machine, entry)
  }

  #liveEntries(owner: string, machine: string): Uint8Array[] {
    return this.#db.prepare('SELECT entry FROM spans WHERE owner = ? AND machine = ? AND until IS NULL ORDER BY entry')
      .all(owner, machine).map((row) => row['entry'] as Uint8Array)
  }

  /** Whether the newest head of a device of the owner's highest epoch names the object. */
  isNamed(owner: OwnerId, id: ObjectId): boolean {
    return this.#db.prepare(`SELECT 1 FROM spans JOIN devices USING (owner, machine) JOIN epochs USING (owner)
      WHERE owner = ? AND substr(entry, 2, 32) = ? AND until IS NULL AND devices.epoch = epochs.epoch LIMIT 1`).get(owner, Buffer.from(id, 'hex')) !== undefined
  }

  /** The newest head of each device of the owner. */
  heads(owner: OwnerId): PublishedHead[] {
    return this.#db.prepare('SELECT machine, certificate FROM devices WHERE owner = ?').all(owner).flatMap((row) => {
      const machine = String(row['machine']) as MachineId
      const newest = this.newest(owner, machine)
      if (newest === undefined) return []
      return [{ certificate: String(row['certificate']), head: newest.head, live: new Uint8Array(Buffer.concat(this.#liveEntries(owner, machine))) }]
    })
  }

  [Symbol.dispose](): void {
    this.#db.close()
  }
}
