/**
 * A restore as it would be, of a part, to a scratch folder: the newest archive and files by lot, within a space bound.
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
import type { Snapshot } from '../repository/snapshot.ts'
import type { FileEntry } from '../repository/tree.ts'
import { checkOutlookArchive, damageOf } from '../source/outlook-health.ts'
import type { RunOptions } from './command.ts'
import type { AgentContext, Backup } from './context.ts'
import { refreshHeads } from './freshness.ts'
import { restoreSnapshot } from './restore-snapshot.ts'

const mostFiles = 12
/** Of the space that the disk has left. */
const mostOfDisk = 0.25

interface Candidate {
  readonly path: string
  readonly entry: FileEntry
}

/** Throws `not-found` when there is no snapshot yet; whatever goes wrong with a file is told in the result. */
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
    const bound = await boundOf(scratch, maxBytes)
    const { chosen, tooLarge } = choose(await Array.fromAsync(filesOf(services, snapshot, options.signal)), bound)
    const files: CommandResult<'drill'>['files'] = []
    for (const [at, candidate] of chosen.entries()) {
      options.signal.throwIfAborted()
      options.onProgress({ stage: 'restoring for the drill', filesDone: at })
      files.push(await tryFile(services, { snapshot, candidate, target: join(scratch, String(at)), restoredAt: new Date(context.clock.now()) }, options))
    }
    const ok = files.length > 0 && files.every(({ problem }) => problem === null)
    const result = {
      ok, snapshot: snapshot.id, time: new Date(context.clock.now()).toISOString(), bytes: files.reduce((sum, { bytes }) => sum + bytes, 0),
      seconds: (context.clock.monotonic() - startedMs) / 1000, files, tooLarge,
    }
    context.checks.noteDrill({ time: result.time, ok, files: files.length, bytes: result.bytes, problems: files.flatMap(({ path, problem }) => (problem === null ? [] : [`${path}: ${problem}`])).slice(0, 10) }, snapshot.id)
    return result
  } finally {
    await rm(scratch, { recursive: true, force: true })
  }
}

async function boundOf(folder: string, maxBytes: number): Promise<number> {
  const { bavail, bsize } = await statfs(folder)
  return Math.min(maxBytes, Math.floor(bavail * bsize * mostOfDisk))
}

async function* filesOf({ repository }: Backup, snapshot: Snapshot, signal: AbortSignal): AsyncGenerator<Candidate> {
  for await (const { path, entry } of repository.walk(snapshot, undefined, { signal })) if (entry.type === 'file') yield { path, entry }
}

/** The archive that changed last, then others by lot as long as they fit. `tooLarge`: that archive, when it does not. */
export function choose(files: readonly Candidate[], bound: number, random: () => number = Math.random): { chosen: Candidate[]; tooLarge: string | null } {
  const archives = files.filter(({ path }) => /\.(?:pst|ost)$/iu.test(path))
  const [newest] = archives.toSorted((a, b) => Number(BigInt(b.entry.mtime) - BigInt(a.entry.mtime)))
  const lots = files.filter((file) => file !== newest).map((file) => ({ file, lot: random() })).sort((a, b) => a.lot - b.lot).map(({ file }) => file)
  const chosen: Candidate[] = []
  let left = bound
  for (const file of newest === undefined ? lots : [newest, ...lots]) {
    if (chosen.length === mostFiles) break
    if (file.entry.size > left) continue
    left -= file.entry.size
    chosen.push(file)
  }
  return { chosen, tooLarge: newest === undefined || chosen.includes(newest) ? null : newest.path }
}

interface Trial {
  readonly snapshot: Snapshot
  readonly candidate: Candidate
  readonly target: string
  readonly restoredAt: Date
}

async function tryFile(services: Backup, { snapshot, candidate: { path, entry }, target, restoredAt }: Trial, { signal }: RunOptions): Promise<CommandResult<'drill'>['files'][number]> {
  const tried = { path, bytes: entry.size, sha256: null, compared: false }
  try {
    await restoreSnapshot(services.repository, { snapshot: snapshot.id, path, target, overwrite: false, restoredAt }, { signal, onProgress: () => {} })
    const restored = join(target, basename(path.replaceAll('\\', '/')))
    const { size } = await lstat(restored)
    const sha256 = await hashFile(restored, signal)
    const original = await hashUnchanged(path, entry, signal)
    const damage = snapshot.damaged?.some((known) => known.path === path) === true ? undefined : await archiveDamage(restored, size, signal)
    const problem = size !== entry.size ? `${size} bytes came back instead of ${entry.size}`
      : original !== null && original !== sha256 ? 'what came back is not what is on the disk, though that did not change since'
      : damage ?? null
    return { ...tried, sha256, compared: original !== null, problem }
  } catch (error) {
    signal.throwIfAborted()
    if (!(error instanceof HoldfastError)) throw error
    return { ...tried, problem: error.message }
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

async function isUnchanged(path: string, entry: FileEntry): Promise<boolean> {
  const now = await lstat(path, { bigint: true }).catch(() => undefined) // not there, or not to be read: nothing to compare with
  return now !== undefined && now.isFile() && now.size === BigInt(entry.size) && now.mtimeNs === BigInt(entry.mtime)
}

async function hashFile(path: string, signal: AbortSignal): Promise<string> {
  const hash = createHash('sha256')
  for await (const bytes of createReadStream(path, { signal, highWaterMark: 1_048_576 })) hash.update(bytes as Buffer)
  return hash.digest('hex')
}

/** What is wrong with an Outlook archive; undefined for a sound one and for other files. */
async function archiveDamage(path: string, size: number, signal: AbortSignal): Promise<string | undefined> {
  if (!/\.(?:pst|ost)$/iu.test(path)) return undefined
  await using file = await open(path, 'r')
  const health = await checkOutlookArchive(file.fd, { size, path }, { level: 1, signal })
  return health.problems[0]?.kind === 'not-an-archive' ? undefined : damageOf(health)
}
