/** What a run of a backup has done so far, and how its objects were placed. */
import type { ObjectId, PutReceipt } from '../object-store.ts'

export interface BackupProgress {
  readonly files: number
  readonly directories: number
  /** Bytes of files read. */
  readonly bytesRead: number
  /** Bytes of files for which nothing is left to do: unchanged, stored before, or stored now, a pack under way by the share that has travelled. */
  readonly bytesDone: number
  /** Bytes of chunks of files that were not stored before. */
  readonly bytesNew: number
  /** Bytes of objects stored. */
  readonly bytesStored: number
}

/** Over all objects stored in a run: the least placed, the most wanted, all bytes sent. */
export type RunReceipts = PutReceipt & { readonly objects: number, readonly partial: number }

/** In so many steps the way of a pack is told. */
const sentSteps = 64

export class BackupCounts {
  readonly #counts = { files: 0, directories: 0, bytes: 0, bytesRead: 0, bytesDone: 0, bytesNew: 0, bytesStored: 0 }
  readonly #receipts = { placed: Number.POSITIVE_INFINITY, wanted: 0, bytesSent: 0, objects: 0, partial: 0 }
  /** For bytesDone: of files taken over and read; what was known before, at least; what is stored, and of each pack under way what has travelled. */
  readonly #done = { kept: 0, known: 0, stored: 0, sending: new Map<ObjectId, number>() }

  addFile(bytes: number): void {
    this.#counts.files++
    this.#counts.bytes += bytes
  }

  /** A file that was taken over without reading it. */
  keepFile(bytes: number): void {
    this.addFile(bytes)
    this.#done.kept += bytes
  }

  addDirectory(): void {
    this.#counts.directories++
  }

  addRead(bytes: number): void {
    this.#counts.bytesRead += bytes
  }

  addNew(bytes: number): void {
    this.#counts.bytesNew += bytes
  }

  /** A share, 0 to 1, of a pack with so many bytes of chunks has travelled. Returns whether that is worth telling. */
  packTravelled(id: ObjectId, share: number, plainBytes: number): boolean {
    const { sending } = this.#done
    const travelled = Math.floor(share * sentSteps) / sentSteps * plainBytes
    if (travelled <= (sending.get(id) ?? 0)) return false
    sending.set(id, travelled)
    return true
  }

  /** The pack is under way no more: its bytes of chunks are stored, or 0 when it failed. */
  packEnded(id: ObjectId, storedBytes: number): void {
    this.#done.stored += storedBytes
    this.#done.sending.delete(id)
  }

  addObject(bytes: number, { placed, wanted, bytesSent }: PutReceipt): void {
    this.#receipts.placed = Math.min(this.#receipts.placed, placed)
    this.#receipts.wanted = Math.max(this.#receipts.wanted, wanted)
    this.#receipts.bytesSent += bytesSent
    this.#receipts.objects++
    if (placed < wanted) this.#receipts.partial++
    this.#counts.bytesStored += bytes
  }

  get receipts(): RunReceipts {
    return { ...this.#receipts, placed: this.#receipts.objects === 0 ? 0 : this.#receipts.placed }
  }

  /** As a snapshot tells them. */
  get stats(): { files: number, directories: number, bytes: number, bytesNew: number } {
    const { files, directories, bytes, bytesNew } = this.#counts
    return { files, directories, bytes, bytesNew }
  }

  /** bytesDone never goes back. */
  progress(): BackupProgress {
    const { bytes: _, ...progress } = this.#counts
    const done = this.#done
    done.known = Math.max(done.known, progress.bytesRead - progress.bytesNew)
    this.#counts.bytesDone = Math.max(this.#counts.bytesDone, Math.floor(done.kept + done.known + done.stored + done.sending.values().reduce((sum, bytes) => sum + bytes, 0)))
    return { ...progress, bytesDone: this.#counts.bytesDone }
  }
}
