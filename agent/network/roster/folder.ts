/**
 * A roster in a folder: a share, a synchronised library, any directory that the group can write.
 *
 * One file a record, in the folders network, peers, claims and heads; written as a temporary file, fsynced, renamed. Any
 * name with the right ending is read (a conflict copy `x-PC2.jws` is a record like any other); other files, links, and
 * what is too long are counted and left alone. The cursor is a digest of names, sizes and times: nothing changed, nothing
 * is read. The folder itself is made by prepare() only: a share that is not mounted must not turn into an empty roster.
 */
import { createHash, randomBytes } from 'node:crypto'
import { type BigIntStats, existsSync } from 'node:fs'
import { link, lstat, mkdir, open, readFile, readdir, rename, rm } from 'node:fs/promises'
import { dirname, isAbsolute, join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { HoldfastError } from '../../../shared/errors.ts'
import { systemReason } from '../../../shared/system-reasons.ts'
import { checkRecord, maxListingBytes, maxRecordBytes, maxRecords, recordFolders } from './names.ts'
import type { Roster, RosterListing, RosterRecord } from './port.ts'

const readAtOnce = 8
const renameDelaysMs = [20, 60, 180, 500, 1200]

interface Found { readonly name: string; readonly path: string; readonly stat: BigIntStats }
type Options = { readonly signal?: AbortSignal | undefined }

export class FolderRoster implements Roster {
  readonly locator: string
  readonly #root: string

  /** `root` is absolute. `locator`: what the group calls the place, when that is not this folder (a synchronised library). */
  constructor(root: string, locator = `folder:${root}`) {
    this.#root = root
    this.locator = locator
  }

  async about(): Promise<string> {
    await this.#reach('read', () => readdir(this.#root))
    return `the folder ${this.#root}`
  }

  /**
   * Makes the folder if it is not there: for who founds a group, never for who joins or polls. Not those above it: a
   * mistyped path or a share that is not mounted must not become a roster that nobody else sees. Nor a path of Windows
   * on another system, where it would be the name of a folder below the current one.
   */
  async prepare(): Promise<void> {
    if (!isAbsolute(this.#root)) throw new HoldfastError('roster-unavailable', `Cannot make the roster ${this.locator}: it is no path of this system; name the folder as this machine sees it`, { details: { locator: this.locator, state: 'no path of this system' } })
    await this.#reach('make', () => mkdir(this.#root).catch((error: NodeJS.ErrnoException) => {
      if (error.code !== 'EEXIST') throw error
    }))
  }

  async list(cursor?: string, { signal }: Options = {}): Promise<RosterListing> {
    const { found, ignored } = await this.#scan(signal)
    const next = cursorOf(found)
    if (next === cursor) return { records: [], cursor: next, ignored, whole: false }
    const records: RosterRecord[] = []
    let unreadable = 0
    let total = 0
    for (let at = 0; at < found.length; at += readAtOnce) {
      signal?.throwIfAborted()
      const batch = found.slice(at, at + readAtOnce).filter(({ stat }) => (total += Number(stat.size)) <= maxListingBytes)
      const texts = await Promise.all(batch.map(({ path }) => readText(path)))
      batch.forEach(({ name }, index) => {
        const text = texts[index]
        if (text !== undefined) records.push({ name, text })
      })
      unreadable += Math.min(readAtOnce, found.length - at) - texts.filter((text) => text !== undefined).length
    }
    // A file that could not be read (locked, being written) is tried again next time, whatever its time stamp says.
    return { records, cursor: unreadable > 0 ? `${next}?${randomBytes(4).toString('hex')}` : next, ignored: ignored + unreadable, whole: true }
  }

  async #scan(signal: AbortSignal | undefined): Promise<{ found: Found[]; ignored: number }> {
    const found: Found[] = []
    const top = await this.#reach('read', () => readdir(this.#root))
    let ignored = top.filter((name) => !Object.hasOwn(recordFolders, name) && !isTemporary(name)).length
    for (const [folder, ending] of Object.entries(recordFolders)) {
      for (const name of (await this.#namesIn(folder)).sort()) {
        signal?.throwIfAborted()
        if (isTemporary(name)) continue
        const path = join(this.#root, folder, name)
        const stat = name.endsWith(ending) && found.length < maxRecords ? await statOf(path) : undefined
        if (stat?.isFile() && stat.size <= maxRecordBytes) found.push({ name: `${folder}/${name}`, path, stat })
        else ignored++
      }
    }
    return { found, ignored }
  }

  async #namesIn(folder: string): Promise<string[]> {
    try {
      return await readdir(join(this.#root, folder))
    } catch (error) {
      if (codeOf(error) === 'ENOENT') return []
      throw this.#unavailable('read', error)
    }
  }

  async putOwn(name: string, text: string, { signal }: Options = {}): Promise<void> {
    const path = this.#pathOf(name, text)
    await this.#withTemporary(path, text, async (temporary) => {
      signal?.throwIfAborted()
      await renamePatiently(temporary, path, signal)
    })
  }

  async createOnce(name: string, text: string, { signal }: Options = {}): Promise<'created' | 'exists'> {
    const path = this.#pathOf(name, text)
    let result: 'created' | 'exists' = 'created'
    await this.#withTemporary(path, text, async (temporary) => {
      signal?.throwIfAborted()
      result = await linkOnce(temporary, path, text)
    })
    return result
  }

  async remove(name: string): Promise<void> {
    const path = this.#pathOf(name, '')
    await this.#reach('write', () => rm(path, { force: true }))
  }

  async #withTemporary(path: string, text: string, use: (temporary: string) => Promise<void>): Promise<void> {
    const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
    await this.#reach('write', async () => {
      await lstat(this.#root)
      await mkdir(join(path, '..'), { recursive: true })
      try {
        await writeDurably(temporary, text)
        await use(temporary)
      } finally {
        await rm(temporary, { force: true })
      }
    })
  }

  /** Throws TypeError for a name or text that the port does not allow. */
  #pathOf(name: string, text: string): string {
    const { folder, file } = checkRecord(name, text)
    return join(this.#root, folder, file)
  }

  async #reach<T>(verb: 'read' | 'write' | 'make', work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw this.#unavailable(verb, error)
    }
  }

  #unmade(): string {
    const above = dirname(this.#root)
    return existsSync(above) ? `the system lets nobody make a folder in ${above}` : `${above} is not there`
  }

  #noFolder(): string {
    const above = dirname(this.#root)
    return existsSync(this.#root) ? 'it is not a folder' : `${above} is not a folder`
  }

  #unavailable(verb: string, cause: unknown): unknown {
    const code = codeOf(cause)
    if (code === undefined) return cause
    const state = code === 'ENOENT' ? (verb === 'make' ? this.#unmade() : 'the folder is not there') : code === 'ENOTDIR' ? this.#noFolder() : systemReason(cause)
    return new HoldfastError('roster-unavailable', `Cannot ${verb} the roster ${this.#root}: ${state}`, { details: { locator: this.locator, state }, cause })
  }
}

function cursorOf(found: readonly Found[]): string {
  const hash = createHash('sha256')
  for (const { name, stat } of found) hash.update(`${name}\0${stat.size}\0${stat.mtimeNs}\0${stat.ino}\n`)
  return hash.digest('base64url')
}

function isTemporary(name: string): boolean {
  return name.endsWith('.tmp')
}

async function statOf(path: string): Promise<BigIntStats | undefined> {
  try {
    return await lstat(path, { bigint: true })
  } catch {
    return undefined
  }
}

/** Undefined when it cannot be read, grew too long meanwhile, or is not UTF-8. */
async function readText(path: string): Promise<string | undefined> {
  try {
    const bytes = await readFile(path)
    return bytes.length > maxRecordBytes ? undefined : new TextDecoder('utf-8', { fatal: true }).decode(bytes)
  } catch {
    return undefined
  }
}

async function writeDurably(path: string, text: string): Promise<void> {
  const file = await open(path, 'wx')
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

/** Windows refuses to replace a file that somebody reads at this moment (EPERM, EACCES, EBUSY): the one place that retries. */
async function renamePatiently(from: string, to: string, signal: AbortSignal | undefined): Promise<void> {
  for (const waitMs of renameDelaysMs) {
    try {
      return await rename(from, to)
    } catch (error) {
      if (!['EPERM', 'EACCES', 'EBUSY'].includes(codeOf(error) ?? '')) throw error
      await delay(waitMs, undefined, { signal })
    }
  }
  await rename(from, to)
}

/** A hard link appears whole or not at all; file systems without links get an exclusive open instead. */
async function linkOnce(temporary: string, path: string, text: string): Promise<'created' | 'exists'> {
  try {
    await link(temporary, path)
    return 'created'
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return 'exists'
    if (!['EPERM', 'ENOTSUP', 'EOPNOTSUPP', 'ENOSYS', 'EINVAL', 'EMLINK'].includes(codeOf(error) ?? '')) throw error
  }
  try {
    await writeDurably(path, text)
    return 'created'
  } catch (error) {
    if (codeOf(error) === 'EEXIST') return 'exists'
    throw error
  }
}

/** Code of a system error; undefined for anything else (an abort, a fault of ours). */
function codeOf(error: unknown): string | undefined {
  return error instanceof Error && 'syscall' in error && 'code' in error && typeof error.code === 'string' ? error.code : undefined
}
