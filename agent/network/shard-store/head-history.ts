/**
 * What the heads said, and when by this holder's own time: the newest head of each device, and for each object the span of
 * time in which the device's newest head named it. Retention (retention.ts) reads from it what may go.
 *
 * There is one span for each device and object: naming it again extends the old one, which keeps too much, never too
 * little, and the span of an object that does not lie here ends with its naming. So the size of all this is bounded by the
 * newest live lists and by what lies here, however many heads come. Heads themselves: the newest of each device, and
 * the receipts that make the floor.
 */
import { DatabaseSync, type StatementSync } from 'node:sqlite'
import type { MachineId, OwnerId } from '../../../shared/ids.ts'
import type { ObjectId, PublishedHead } from '../../object-store.ts'
import { type VerifiedHead, adoptionsOf, liveEntryLength } from '../published-head.ts'
import type { OwnTimeState } from './own-time.ts'
import { type Freeze, type RetentionTerms, dayMs, dayOf, defaultTerms, floorOf, freezeFromBytes, freezeShare, freezeWindowMs } from './retention.ts'

const version = 1
const schema = `
  CREATE TABLE epochs (owner TEXT PRIMARY KEY, epoch INTEGER) WITHOUT ROWID;
  CREATE TABLE devices (owner TEXT, machine TEXT, epoch INTEGER, certificate TEXT, first INTEGER, received INTEGER, over INTEGER, accepted INTEGER,
    headEpoch INTEGER, seq INTEGER, head TEXT, PRIMARY KEY (owner, machine)) WITHOUT ROWID;
  CREATE TABLE receipts (owner TEXT, machine TEXT, received INTEGER, PRIMARY KEY (owner, machine, received)) WITHOUT ROWID;
  CREATE TABLE spans (owner TEXT, machine TEXT, entry BLOB, since INTEGER, until INTEGER, PRIMARY KEY (owner, machine, entry)) WITHOUT ROWID;
  CREATE INDEX spans_by_object ON spans (owner, substr(entry, 2, 32));
  CREATE TABLE freezes (owner TEXT, machine TEXT, seq INTEGER, since INTEGER, dropped INTEGER, base INTEGER, PRIMARY KEY (owner, machine)) WITHOUT ROWID;
  CREATE TABLE terms (owner TEXT PRIMARY KEY, signed INTEGER, delayDays INTEGER, days INTEGER, weeks INTEGER) WITHOUT ROWID;
  CREATE TABLE time (one INTEGER PRIMARY KEY CHECK (one = 1), own INTEGER, wall REAL, credit REAL, began INTEGER);
  PRAGMA user_version = ${version};`

export interface KnownDevice {
  readonly epoch: number
  readonly certificate: string
}

/** Bytes of shards that lie here, by object, of one owner. */
export type HeldBytes = () => ReadonlyMap<ObjectId, number>

export class HeadHistory implements Disposable {
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, StatementSync>()
  /** True when nothing was known: what lies in the folder was named by heads that are lost. */
  readonly isNew: boolean

  /** A database of a version that is not known throws; one from before versions is made anew. */
  constructor(path: string) {
    this.#db = new DatabaseSync(path)
    this.#db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL')
    const found = this.#row('PRAGMA user_version')?.['user_version']
    this.isNew = found === 0
    if (found === 0) this.#db.exec(`BEGIN; ${this.#oldTables()} ${schema} COMMIT`)
    else if (found !== version) throw new RangeError(`Cannot open ${path}: it is of version ${String(found)}`)
    this.#db.exec('CREATE TABLE IF NOT EXISTS gone (owner TEXT PRIMARY KEY, since INTEGER) WITHOUT ROWID')
    this.#db.exec('CREATE TABLE IF NOT EXISTS meant (owner TEXT, machine TEXT, seq INTEGER, PRIMARY KEY (owner, machine)) WITHOUT ROWID')
  }

  #oldTables(): string {
    return this.#all("SELECT name FROM sqlite_schema WHERE type = 'table'").map(({ name }) => `DROP TABLE ${String(name)};`).join(' ')
  }

  /** Own time as it was saved; undefined at the very first start. */
  get time(): OwnTimeState | undefined {
    const row = this.#row('SELECT own, wall, credit FROM time')
    return row === undefined ? undefined : { own: Number(row['own']), wall: Number(row['wall']), creditMs: Number(row['credit']) }
  }

  saveTime({ own, wall, creditMs }: OwnTimeState): void {
    this.#run(`INSERT INTO time VALUES (1, ?1, ?2, ?3, ?1)
      ON CONFLICT (one) DO UPDATE SET own = excluded.own, wall = excluded.wall, credit = excluded.credit`, own, wall, creditMs)
  }

  /** Own time at which this history begins: what was named before is not known. */
  get beganMs(): number {
    return Number(this.#row('SELECT began FROM time')?.['began'] ?? Infinity)
  }

  /** Own time at which the owner was first known to have left; `nowMs` undefined: it did not, or came back. */
  leftSince(owner: OwnerId, nowMs: number | undefined): number | undefined {
    if (nowMs === undefined) {
      this.#run('DELETE FROM gone WHERE owner = ?', owner)
      return undefined
    }
    this.#run('INSERT INTO gone VALUES (?, ?) ON CONFLICT (owner) DO NOTHING', owner, nowMs)
    return Number(this.#row('SELECT since FROM gone WHERE owner = ?', owner)?.['since'])
  }

  /** Highest epoch of the owner that this holder has seen a valid certificate of; 0: none. */
  ownerEpoch(owner: OwnerId): number {
    return Number(this.#row('SELECT epoch FROM epochs WHERE owner = ?', owner)?.['epoch'] ?? 0)
  }

  raiseEpoch(owner: OwnerId, epoch: number): void {
    if (epoch <= this.ownerEpoch(owner)) return // most shards bring the epoch that is known: no transaction for each
    this.#run('INSERT INTO epochs VALUES (?, ?) ON CONFLICT (owner) DO UPDATE SET epoch = max(epoch, excluded.epoch)', owner, epoch)
  }

  device(owner: OwnerId, machine: MachineId): KnownDevice | undefined {
    const row = this.#row('SELECT epoch, certificate FROM devices WHERE owner = ? AND machine = ?', owner, machine)
    return row === undefined ? undefined : { epoch: Number(row['epoch']), certificate: String(row['certificate']) }
  }

  newest(owner: OwnerId, machine: MachineId): { epoch: number; seq: number; head: string } | undefined {
    const row = this.#row('SELECT headEpoch, seq, head FROM devices WHERE owner = ? AND machine = ?', owner, machine)
    return row === undefined ? undefined : { epoch: Number(row['headEpoch']), seq: Number(row['seq']), head: String(row['head']) }
  }

  /** Takes in a verified head that is newer than all of its device. */
  record(head: VerifiedHead, nowMs: number, heldBytes: HeldBytes): void {
    const { owner, machine } = head.device
    let here: ReturnType<HeldBytes> | undefined
    const held = () => here ??= heldBytes()
    this.#together(() => {
      this.raiseEpoch(owner, head.device.epoch)
      this.#run(`INSERT INTO devices VALUES (?1, ?2, ?3, ?4, ?5, ?5, NULL, ?5, ?6, ?7, ?8) ON CONFLICT (owner, machine) DO UPDATE SET epoch = excluded.epoch,
        certificate = excluded.certificate, received = excluded.received, over = NULL, headEpoch = excluded.headEpoch, seq = excluded.seq, head = excluded.head`,
        owner, machine, head.device.epoch, head.certificate, nowMs, head.epoch, head.seq, head.head)
      this.#noteReceipt(owner, machine, nowMs)
      const dropped = this.#changeSpans(head, nowMs, held)
      this.#endAdopted(head, nowMs)
      if (this.isAdopted(head)) this.#run('UPDATE devices SET over = ? WHERE owner = ? AND machine = ?', nowMs, owner, machine)
      if (dropped) this.#judge(head, nowMs, held)
    })
  }

  /** The first head of a day makes the floor; those that no floor needs any more go. */
  #noteReceipt(owner: OwnerId, machine: MachineId, nowMs: number): void {
    const receipts = this.#receipts(owner, machine)
    if (receipts.some((received) => dayOf(received) === dayOf(nowMs))) return
    const floor = floorOf([...receipts, nowMs], this.terms(owner), nowMs)
    this.#run('INSERT INTO receipts VALUES (?, ?, ?)', owner, machine, nowMs)
    for (const received of receipts) if (!floor.has(received)) this.#run('DELETE FROM receipts WHERE owner = ? AND machine = ? AND received = ?', owner, machine, received)
  }

  #receipts(owner: OwnerId, machine: string): number[] {
    return this.#all('SELECT received FROM receipts WHERE owner = ? AND machine = ?', owner, machine).map((row) => Number(row['received']))
  }

  /** Whether anything that was named is named no more. */
  #changeSpans({ device: { owner, machine }, live }: VerifiedHead, nowMs: number, held: HeldBytes): boolean {
    const gone = new Map(this.#liveEntries(owner, machine).map((entry) => [Buffer.from(entry).toString('latin1'), entry]))
    const begin = this.#db.prepare('INSERT INTO spans VALUES (?, ?, ?, ?, NULL) ON CONFLICT (owner, machine, entry) DO UPDATE SET until = NULL')
    for (let at = 0; at < live.length; at += liveEntryLength) {
      const entry = live.subarray(at, at + liveEntryLength)
      if (!gone.delete(Buffer.from(entry).toString('latin1'))) begin.run(owner, machine, entry, nowMs)
    }
    if (gone.size === 0) return false
    const here = held()
    const end = this.#db.prepare('UPDATE spans SET until = ? WHERE owner = ? AND machine = ? AND entry = ?')
    const drop = this.#db.prepare('DELETE FROM spans WHERE owner = ? AND machine = ? AND entry = ?')
    for (const entry of gone.values()) {
      if (here.has(idOf(entry))) end.run(nowMs, owner, machine, entry)
      else drop.run(owner, machine, entry)
    }
    return true
  }

  /**
   * Whether the newest head of a device of a higher epoch takes over the head's chain. Such a head names nothing that
   * counts; it is kept for its certificate, without which nobody can check what that device signed.
   */
  isAdopted({ device: { owner, machine }, epoch, seq }: VerifiedHead): boolean {
    return this.#all('SELECT head FROM devices WHERE owner = ? AND headEpoch > ?', owner, epoch)
      .some((row) => adoptionsOf(String(row['head'])).some((adopted) => adopted.machine === machine && seq <= adopted.seq))
  }

  /** A device of a higher epoch takes over the chains that its head names: from now on they count as replaced. */
  #endAdopted({ device: { owner, epoch }, adopts }: VerifiedHead, nowMs: number): void {
    for (const { machine, seq } of adopts) {
      this.#run('UPDATE devices SET over = ? WHERE owner = ? AND machine = ? AND epoch < ? AND seq <= ? AND over IS NULL', nowMs, owner, machine, epoch, seq)
    }
  }

  /**
   * Freezes the owner's expiry when this head's device named, a week ago or when it began, most bytes that it does not name
   * now. Only what really lies here counts, so naming what does not exist hides nothing. A head that was agreed on before it
   * came here is believed.
   */
  #judge({ device: { owner, machine }, seq }: VerifiedHead, nowMs: number, held: HeldBytes): void {
    if (seq <= Number(this.#row('SELECT seq FROM meant WHERE owner = ? AND machine = ?', owner, machine)?.['seq'] ?? 0)) {
      this.#run('UPDATE devices SET accepted = ? WHERE owner = ? AND machine = ?', nowMs, owner, machine)
      return
    }
    const device = this.#row('SELECT first, accepted FROM devices WHERE owner = ? AND machine = ?', owner, machine)
    const at = Math.max(nowMs - freezeWindowMs, Number(device?.['first'] ?? 0), Number(device?.['accepted'] ?? 0))
    const here = held()
    const sums = { dropped: 0, base: 0 }
    for (const { entry, until } of this.#all('SELECT entry, until FROM spans WHERE owner = ? AND machine = ? AND since <= ? AND (until IS NULL OR until > ?)', owner, machine, at, at)) {
      const bytes = here.get(idOf(entry as Uint8Array)) ?? 0
      sums.base += bytes
      if (until !== null) sums.dropped += bytes
    }
    if (!isSudden(sums)) return
    this.#run('INSERT OR IGNORE INTO freezes VALUES (?, ?, ?, ?, ?, ?)', owner, machine, seq, nowMs, sums.dropped, sums.base)
  }

  /**
   * A head that was agreed on came after a later one of its device. When that later one names most of what it named, a freeze
   * ends: what is missing is what was agreed on. Once for each agreement, because from then on the window of #judge begins anew.
   */
  judgeAfterMeant({ device: { owner, machine }, seq, live }: VerifiedHead, nowMs: number, held: HeldBytes): void {
    if (Number(this.#row('SELECT seq FROM meant WHERE owner = ? AND machine = ?', owner, machine)?.['seq'] ?? 0) !== seq) return
    const here = held()
    const named = new Set(this.#liveEntries(owner, machine).map(idOf))
    const sums = { dropped: 0, base: 0 }
    for (let at = 0; at < live.length; at += liveEntryLength) {
      const id = idOf(live.subarray(at, at + liveEntryLength))
      const bytes = here.get(id) ?? 0
      sums.base += bytes
      if (!named.has(id)) sums.dropped += bytes
    }
    this.#together(() => {
      this.#run('DELETE FROM meant WHERE owner = ? AND machine = ?', owner, machine)
      if (isSudden(sums)) return
      this.#run('DELETE FROM freezes WHERE owner = ? AND machine = ?', owner, machine)
      this.#run('UPDATE devices SET accepted = ? WHERE owner = ? AND machine = ?', nowMs, owner, machine)
    })
  }

  freezes(owner: OwnerId): Freeze[] {
    return this.#all('SELECT machine, seq, since, dropped, base FROM freezes WHERE owner = ?', owner) as unknown as Freeze[]
  }

  frozenOwners(): OwnerId[] {
    return this.#all('SELECT DISTINCT owner FROM freezes ORDER BY owner').map((row) => String(row['owner']) as OwnerId)
  }

  terms(owner: OwnerId): RetentionTerms {
    const row = this.#row('SELECT delayDays, days, weeks FROM terms WHERE owner = ?', owner)
    return row === undefined ? defaultTerms : row as unknown as RetentionTerms
  }

  /**
   * What the owner and an admin agreed on, signed at `signed` (s since 1970): an older agreement than the last one is
   * ignored. `accepts`: heads up to these are meant so; a freeze that they caused ends, and those still to come cause none.
   */
  agree(owner: OwnerId, { signed, terms, accepts }: { signed: number; terms: RetentionTerms; accepts: readonly { machine: string; seq: number }[] }, nowMs: number): void {
    this.#together(() => {
      const last = Number(this.#row('SELECT signed FROM terms WHERE owner = ?', owner)?.['signed'] ?? 0)
      if (signed <= last) return
      this.#run('INSERT OR REPLACE INTO terms VALUES (?, ?, ?, ?, ?)', owner, signed, terms.delayDays, terms.days, terms.weeks)
      for (const { machine, seq } of accepts) {
        this.#run('INSERT INTO meant VALUES (?, ?, ?) ON CONFLICT (owner, machine) DO UPDATE SET seq = max(seq, excluded.seq)', owner, machine, seq)
        const ended = this.#run('DELETE FROM freezes WHERE owner = ? AND machine = ? AND seq <= ?', owner, machine, seq)
        if (ended > 0) this.#run('UPDATE devices SET accepted = ? WHERE owner = ? AND machine = ?', nowMs, owner, machine)
      }
    })
  }

  #liveEntries(owner: string, machine: string): Uint8Array[] {
    return this.#all('SELECT entry FROM spans WHERE owner = ? AND machine = ? AND until IS NULL ORDER BY entry', owner, machine).map((row) => row['entry'] as Uint8Array)
  }

  /** Whether the newest head of a device of the owner's highest epoch names the object. */
  isNamed(owner: OwnerId, id: ObjectId): boolean {
    return this.#row(`SELECT 1 FROM spans JOIN devices USING (owner, machine) JOIN epochs USING (owner)
      WHERE owner = ? AND substr(entry, 2, 32) = ? AND until IS NULL AND devices.epoch = epochs.epoch LIMIT 1`, owner, Buffer.from(id, 'hex')) !== undefined
  }

  /** The objects that the delay or the floor keeps, and when the last head of the owner came (own ms; -Infinity: none). */
  keeping(owner: OwnerId, nowMs: number): { named: Set<ObjectId>; lastHeadMs: number } {
    const terms = this.terms(owner)
    const named = new Set<ObjectId>()
    let lastHeadMs = -Infinity
    for (const { machine, received, over } of this.#all('SELECT machine, received, over FROM devices WHERE owner = ?', owner)) {
      lastHeadMs = Math.max(lastHeadMs, Number(received))
      const floor = [...floorOf(this.#receipts(owner, String(machine)), terms, nowMs)]
      for (const { entry, since, until } of this.#all('SELECT entry, since, until FROM spans WHERE owner = ? AND machine = ?', owner, machine as string)) {
        const end = until === null ? over === null ? Infinity : Number(over) : Number(until)
        if (end > nowMs - terms.delayDays * dayMs || floor.some((at) => at >= Number(since) && at < end)) named.add(idOf(entry as Uint8Array))
      }
    }
    return { named, lastHeadMs }
  }

  /** Forgets spans that ended and whose object lies here no more. */
  prune(owner: OwnerId, held: HeldBytes): void {
    const here = held()
    this.#together(() => {
      for (const { machine, entry } of this.#all('SELECT machine, entry FROM spans WHERE owner = ? AND until IS NOT NULL', owner)) {
        if (!here.has(idOf(entry as Uint8Array))) this.#run('DELETE FROM spans WHERE owner = ? AND machine = ? AND entry = ?', owner, machine as string, entry as Uint8Array)
      }
    })
  }

  /** The newest head of each device of the owner. */
  heads(owner: OwnerId): PublishedHead[] {
    return this.#all('SELECT machine, certificate, head FROM devices WHERE owner = ?', owner).map(({ machine, certificate, head }) => ({
      certificate: String(certificate), head: String(head), live: new Uint8Array(Buffer.concat(this.#liveEntries(owner, String(machine)))),
    }))
  }

  [Symbol.dispose](): void {
    this.#db.close()
  }

  #together(work: () => void): void {
    this.#db.exec('BEGIN IMMEDIATE')
    try {
      work()
      this.#db.exec('COMMIT')
    } catch (error) {
      this.#db.exec('ROLLBACK')
      throw error
    }
  }

  #row(sql: string, ...values: Value[]): Row | undefined {
    return this.#statement(sql).get(...values)
  }

  #all(sql: string, ...values: Value[]): Row[] {
    return this.#statement(sql).all(...values)
  }

  #run(sql: string, ...values: Value[]): number {
    return Number(this.#statement(sql).run(...values).changes)
  }

  /** Each text is prepared once. */
  #statement(sql: string): StatementSync {
    const statement = this.#statements.get(sql) ?? this.#db.prepare(sql)
    this.#statements.set(sql, statement)
    return statement
  }
}

function isSudden({ dropped, base }: { dropped: number; base: number }): boolean {
  return dropped >= freezeFromBytes && dropped > base * freezeShare
}

type Value = string | number | Uint8Array
type Row = Record<string, unknown>

function idOf(entry: Uint8Array): ObjectId {
  return Buffer.from(entry.buffer, entry.byteOffset, entry.byteLength).toString('hex', 1, 33) as ObjectId
}
