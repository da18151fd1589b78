/**
 * A restore as it would be, of a part, to a scratch folder: the newest archive and files by lot, within a space bound. What is
 * larger than the bound is tried in parts (drill-parts.ts).
 *
 * What comes back is read from the disk again and hashed: against the original where that is unchanged since the backup, and
 * for its size in any case (every chunk was checked against its id on the way). An Outlook archive's structure is walked; one
 * that was damaged when it was backed up is no failure of the backup. The scratch is removed, the outcome kept and told.
 */
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import { lstat, mkdir, open, rm, statfs } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { offOf } from '../object-store.ts'
import type { Snapshot } from '../repository/snapshot.ts'
import type { FileEntry } from '../repository/tree.ts'
import { checkOutlookArchive, damageOf } from '../source/outlook-health.ts'
import type { RunOptions } from './command.ts'
import type { AgentContext, Backup } from './context.ts'
import { isUnchanged, tryParts } from './drill-parts.ts'
import { refreshHeads } from './freshness.ts'
import { restoreSnapshot } from './restore-snapshot.ts'

const mostFiles = 12
/** Of the space that the disk has left. */
const mostOfDisk = 0.25
const mebibyte = 1_048_576
/** Of one file that is tried in parts, and of all that are; at most half of what may be restored. */
const mostOfPart = 256 * mebibyte
const mostInParts = 512 * mebibyte
const leastInParts = 65_536

type DrilledFile = CommandResult<'drill'>['files'][number]

interface Candidate {
  readonly path: string
  readonly entry: FileEntry
}

interface Choice extends Candidate {
  /** How much of it is tried; null: all. */
  readonly partBytes: number | null
}

/**
 * Throws `not-found` when there is no snapshot yet; whatever goes wrong with a file is told in the result. One that could not
 * be done because machines are off is kept as no outcome, unless it was so for a week: who is never on together restores nothing.
 */
export async function drill(context: AgentContext, { maxBytes }: CommandRequest<'drill'>, options: RunOptions): Promise<CommandResult<'drill'>> {
  const startedMs = context.clock.monotonic()
  const services = await context.backup()
  await context.group().meetPeers(options.signal)
  await refreshHeads(services, options.signal)
  const snapshot = await services.repository.snapshot('latest', { signal: options.signal })
  const scratch = join(context.homeDirectory, 'drill')
  await rm(scratch, { recursive: true, force: true })
  await mkdir(scratch, { recursive: true, mode: 0o700 })
  try {
    const candidates = await Array.fromAsync(filesOf(services, snapshot, options.signal))
    const chosen = choose(candidates, { maxBytes, diskBytes: await diskBytesOf(scratch) })
    const files: DrilledFile[] = []
    for (const [at, choice] of chosen.entries()) {
      options.signal.throwIfAborted()
      options.onProgress({ stage: 'restoring for the drill', filesDone: at })
      files.push(await tryFile(services, { snapshot, choice, target: join(scratch, String(at)), restoredAt: new Date(context.clock.now()) }, options))
    }
    // A backup of empty folders is whole when the walk above found its way.
    const ok = files.length >= Math.min(1, candidates.length) && files.every(({ problem }) => problem === null)
    const hindering = hinderingIn(files)
    const off = hindering.length > 0 && context.checks.noteHindered(context.clock.now()) ? [] : hindering
    const result = {
      ok, off, snapshot: snapshot.id, time: new Date(context.clock.now()).toISOString(), bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      seconds: (context.clock.monotonic() - startedMs) / 1000, files,
    }
    if (off.length === 0) context.checks.noteDrill({
      time: result.time, ok, files: files.length, bytes: result.bytes, problems: files.flatMap(({ path, problem }) => (problem === null ? [] : [`${path}: ${problem}`])).slice(0, 10),
      parts: files.filter(({ bytes, size }) => bytes < size).map(({ path, bytes, size }) => ({ path, bytes, size })),
    }, snapshot.id)
    return result
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

/** When that is all that went wrong: a drill proves nothing then, neither good nor bad. */
function hinderingIn(files: readonly DrilledFile[]): string[] {
  const failed = files.filter(({ problem }) => problem !== null)
  return failed.every(({ off }) => off.length > 0) ? [...new Set(failed.flatMap(({ off }) => off))].sort() : []
}

async function diskBytesOf(folder: string): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return Math.floor(bavail * bsize * mostOfDisk)
}

async function* filesOf({ repository }: Backup, snapshot: Snapshot, signal: AbortSignal): AsyncGenerator<Candidate> {
  for await (const { path, entry } of repository.walk(snapshot, undefined, { signal })) if (entry.type === 'file') yield { path, entry }
}

/**
 * The archive that changed last, then others by lot as long as they fit. What would not fit if it were alone is tried in parts,
 * so that no size is a reason to leave it out; parts are not written to the disk.
 */
export function choose(files: readonly Candidate[], { maxBytes, diskBytes }: { maxBytes: number; diskBytes: number }, random: () => number = Math.random): Choice[] {
  const archives = files.filter(({ path }) => isArchiveName(path))
  const [newest] = archives.toSorted((a, b) => Number(BigInt(b.entry.mtime) - BigInt(a.entry.mtime)))
  const lots = files.filter((file) => file !== newest).map((file) => ({ file, lot: random() })).sort((a, b) => a.lot - b.lot).map(({ file }) => file)
  const chosen: Choice[] = []
  const bound = Math.min(maxBytes, diskBytes)
  let whole = bound
  let inParts = Math.max(leastInParts, Math.min(mostInParts, Math.floor(maxBytes / 2)))
  for (const file of newest === undefined ? lots : [newest, ...lots]) {
    if (chosen.length === mostFiles) break
    if (file.entry.size <= whole) {
      whole -= file.entry.size
      chosen.push({ ...file, partBytes: null })
    } else if (file.entry.size > bound && inParts > 0) {
      const partBytes = Math.min(inParts, mostOfPart)
      inParts -= partBytes
      whole = Math.max(0, Math.min(whole, maxBytes - partBytes))
      chosen.push({ ...file, partBytes })
    }
  }
  return chosen
}

interface Trial {
  readonly snapshot: Snapshot
  readonly choice: Choice
  readonly target: string
  readonly restoredAt: Date
}

async function tryFile(services: Backup, { snapshot, choice: { path, entry, partBytes }, target, restoredAt }: Trial, { signal }: RunOptions): Promise<DrilledFile> {
  const tried = { path, bytes: entry.size, size: entry.size, sha256: null, compared: false, off: [] }
  const mayBeDamaged = !isArchiveName(path) || snapshot.damaged?.some((known) => known.path === path) === true
  try {
    if (partBytes !== null) return { ...tried, ...await tryParts(services.repository, { path, entry, mayBeDamaged, budget: partBytes, random: Math.random }, signal) }
    await restoreSnapshot(services.repository, { snapshot: snapshot.id, path, target, overwrite: false, restoredAt }, { signal, onProgress: () => {} })
    const restored = join(target, basename(path.replaceAll('\\', '/')))
    const { size } = await lstat(restored)
    const sha256 = await hashFile(restored, signal)
    const original = await hashUnchanged(path, entry, signal)
    const damage = mayBeDamaged ? undefined : await archiveDamage(restored, size, signal)
    const problem = size !== entry.size ? `${size} bytes came back instead of ${entry.size}`
      : original !== null && original !== sha256 ? 'what came back is not what is on the disk, though that did not change since'
      : damage ?? null
    return { ...tried, sha256, compared: original !== null, problem }
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof HoldfastError)) throw error
    return { ...tried, bytes: Math.min(entry.size, partBytes ?? entry.size), problem: error.message, off: offOf(error) }
  } finally {
    await rm(target, { recursive: true, force: true })
  }
}

/** Null when the original is not there, or not as it was backed up, before or after it was read. */
async function hashUnchanged(path: string, entry: FileEntry, signal: AbortSignal): Promise<string | null> {
  if (!await isUnchanged(path, entry)) return null
  const sha256 = await hashFile(path, signal).catch(() => null) // locked by its program
  return await isUnchanged(path, entry) ? sha256 : null
}

async function hashFile(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  for await (const bytes of createReadStream(path, { signal, highWaterMark: 1_048_576 })) hash.update(bytes as Buffer)
  return hash.digest('hex')
}

function isArchiveName(path: string): boolean {
  return /\.(?:pst|ost)$/iu.test(path)
}

/** What is wrong with an Outlook archive; undefined for a sound one and for a file of another kind. */
async function archiveDamage(path: string, size: number, signal: AbortSignal): Promise<string | undefined> {
  await using file = await open(path, 'r')
  const health = await checkOutlookArchive(file.fd, { size, path }, { level: 1, signal })
  return health.problems[0]?.kind === 'not-an-archive' ? undefined : damageOf(health)
}
