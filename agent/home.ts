/**
 * The home: the folder with an agent's state, held by one process at a time.
 * The lock is an exclusive SQLite transaction: the system frees it however the process ends, also on SIGKILL.
 */
import { randomBytes } from 'node:crypto'
import { chmodSync, closeSync, existsSync, fsyncSync, mkdirSync, openSync, readFileSync, renameSync, rmSync, statSync, writeSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { HoldfastError } from '../shared/errors.ts'
import { systemReason } from '../shared/system-reasons.ts'

export interface Home {
  readonly directory: string
  readonly config: string
  readonly machine: string
  /** Of the machine, as in its peer record. */
  readonly certificate: string
  readonly owner: string
  readonly group: string
  /** What a machine began to found and did not enter. */
  readonly founding: string
  readonly runtime: string
  readonly repository: string
  readonly placement: string
  readonly holder: string
  readonly scratch: string
  readonly log: string
  readonly signIns: string
  readonly rosters: string
  readonly paneCertificate: string
  readonly paneTokens: string
  readonly entraKeys: string
  /** When data was last read back and found right. */
  readonly checks: string
  /** What audits found at the holders. */
  readonly audits: string
  /** What somebody was told of. */
  readonly alerts: string
  /** How much of the time the others were online. */
  readonly online: string
  /** Whom this machine told of what owners and admins agreed on. */
  readonly agreements: string
  readonly handedShards: string
  /** Where the shards of owners are for whom this machine may have to repair. */
  readonly helping: string
  /** Ids of volume shadow copies that are to be removed (Windows). */
  readonly shadowCopies: string
  /** Outlook archives that were restored here. */
  readonly restoredArchives: string
}

export function homeAt(directory: string): Home {
  const at = (name: string) => join(directory, name)
  return {
    directory, config: at('config.json'), machine: at('machine.json'), certificate: at('certificate'), owner: at('owner.json'), group: at('group.json'),
    founding: at('founding.json'),
    runtime: at('agent.json'), repository: at('repository'), placement: at('placement.sqlite'), holder: at('holder'),
    scratch: at('scratch'), log: at('agent.log'), signIns: at('sign-ins.json'), rosters: at('rosters'),
    paneCertificate: at('pane-certificate.json'), paneTokens: at('pane-tokens.json'), entraKeys: at('entra-keys.json'), checks: at('checks.json'),
    audits: at('audits.sqlite'), online: at('online.json'), agreements: at('agreements.json'), handedShards: at('handed-shards.json'), alerts: at('alerts.json'), helping: at('helping'),
    shadowCopies: at('shadow-copies.json'), restoredArchives: at('restored-archives.json'),
  }
}

/** Whether an agent has been there: then the machine has its key, or has lost it and is an owner's. Throws `file-unreadable` when the system does not let us look. */
export function isHome(home: Home): boolean {
  try {
    return statSync(home.machine, { throwIfNoEntry: false })?.isFile() === true || statSync(home.owner).isFile()
  } catch (cause) {
    const { code } = cause as NodeJS.ErrnoException
    if (code === 'ENOENT' || code === 'ENOTDIR') return false
    throw new HoldfastError('file-unreadable', `Cannot look into the home ${home.directory}: ${systemReason(cause)}`, { guidance: homeGuidance, cause,
    })
  }
}

/** Makes the home when needed and takes it for this process. Throws `in-use` when another process has it. */
export function lockHome(home: Home): Disposable {
  const database = openLock(home.directory)
  try {
    database.exec('PRAGMA locking_mode = EXCLUSIVE; BEGIN EXCLUSIVE')
  } catch (cause) {
    database.close()
    throw new HoldfastError('in-use', `Cannot use ${home.directory}: another agent runs on it`, { details: { home: home.directory }, cause })
  }
  return { [Symbol.dispose]: () => database.close() }
}

const homeGuidance = 'Run the command as the user whose agent it is, or name another folder with --home DIR.'

/** Throws `target-unwritable` when the system takes no home there. */
function openLock(directory: string): DatabaseSync {
  try {
    makeFolders(directory)
    return new DatabaseSync(join(directory, 'lock.sqlite'), { timeout: 0 })
  } catch (cause) {
    const message = cause instanceof HoldfastError ? cause.message : `Cannot keep a home in ${directory}: ${(cause as Error).message}`
    throw new HoldfastError('target-unwritable', message, { guidance: homeGuidance, cause })
  }
}

/** Makes the folder and those above it that are missing; Node's own recursion never ends where a file system takes none (nodejs/node). Throws `target-unwritable`. */
export function makeFolders(path: string, mode = 0o700): void {
  if (existsSync(path)) return
  const above = dirname(path)
  if (above !== path) makeFolders(above, mode) // a drive that is not there has nothing above it
  try {
    mkdirSync(path, { mode })
  } catch (cause) {
    if (existsSync(path)) return // somebody else made it meanwhile
    const state = (cause as NodeJS.ErrnoException).code === 'ENOENT' ? 'the system lets nobody make one there' : systemReason(cause)
    throw new HoldfastError('target-unwritable', `Cannot make the folder ${path}: ${state}`, { cause })
  }
}

/** Replaces a file so that a crash leaves the old or the new one whole; readable by the user alone. */
export function writePrivateFile(path: string, text: string): void {
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const temporary = `${path}.${randomBytes(4).toString('hex')}.tmp`
  const file = openSync(temporary, 'wx', 0o600)
  try {
    writeSync(file, text)
    fsyncSync(file)
  } finally {
    closeSync(file)
  }
  chmodSync(temporary, 0o600)
  renameSync(temporary, path)
}

export function readFileIfThere(path: string): string | undefined {
  return existsSync(path) ? readFileSync(path, 'utf8') : undefined
}

export function removeFile(path: string): void {
  rmSync(path, { force: true })
}
