/** LOCATOR of the command line: where a roster is. Supported: `folder:PATH`. */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { HoldfastError } from '../../../shared/errors.ts'
import { FolderRoster } from './folder.ts'

const supported = 'folder:PATH'
const notYet: Readonly<Record<string, string>> = {
  sharepoint: 'SharePoint', ldap: 'Active Directory (LDAP)', ldaps: 'Active Directory (LDAP)', exchange: 'Exchange',
}

export interface LocatorPlace {
  /** What a relative path starts from. */
  readonly cwd?: string
  readonly home?: string
}

/** The locator in the form that records carry: an absolute path. Throws `invalid-input`, naming what is supported. */
export function normalizeLocator(text: string, { cwd = process.cwd(), home = homedir() }: LocatorPlace = {}): string {
  const kind = /^([a-z][a-z-]+):/i.exec(text)?.[1]?.toLowerCase()
  if (kind === undefined) throw unusable(text, 'it does not say of what kind it is')
  if (Object.hasOwn(notYet, kind)) throw unusable(text, `rosters in ${notYet[kind]} are not supported yet`)
  if (kind !== 'folder') throw unusable(text, `${kind} is no kind of roster`)
  const path = text.slice('folder:'.length).trim()
  if (path === '') throw unusable(text, 'the path is missing')
  if (path.includes('\0')) throw unusable(text, 'the path has a NUL')
  return `folder:${absolute(path, cwd, home)}`
}

function absolute(path: string, cwd: string, home: string): string {
  if (path === '~' || /^~[/\\]/.test(path)) return join(home, path.slice(1))
  if (/^[\\/]{2}[^\\/]/.test(path) || /^[a-z]:[\\/]/i.test(path)) return path
  return resolve(cwd, path)
}

/** Opens a roster. Throws `invalid-input` for what is not supported. Touches nothing yet. */
export function openRoster(locator: string, place: LocatorPlace = {}): FolderRoster {
  return new FolderRoster(normalizeLocator(locator, place).slice('folder:'.length))
}

function unusable(text: string, state: string): HoldfastError {
  return new HoldfastError('invalid-input', `Cannot use the roster ${text.slice(0, 200)}: ${state}; supported: ${supported}`, { details: { state } })
}
