/**
 * LOCATOR of the command line and of network records: where a roster is. It names the place alone, the same for every
 * member; who a machine signs in as is its own affair (access.ts).
 *
 * `folder:PATH`
 * `ldaps://CONTROLLER[:PORT]/CONTAINER-DN[?LABEL]`  or `ldap://…` with StartTLS
 * `ldaps://CONTROLLER[:PORT]/[?LABEL]`              below each machine's own computer object
 */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { HoldfastError } from '../../../shared/errors.ts'
import type { DirectoryPlace } from './directory.ts'

const supported = 'folder:PATH, ldaps://CONTROLLER/CONTAINER-DN, ldap://CONTROLLER/CONTAINER-DN'
const notYet: Readonly<Record<string, string>> = { sharepoint: 'SharePoint', exchange: 'Exchange' }
const defaultLabel = 'holdfast'

export type RosterPlace =
  | { readonly kind: 'folder'; readonly locator: string; readonly path: string }
  | { readonly kind: 'directory'; readonly locator: string; readonly place: DirectoryPlace }

export interface LocatorPlace {
  /** What a relative path starts from. */
  readonly cwd?: string
  readonly home?: string
}

/** The place, with its locator in the form that records carry. Throws `invalid-input`, naming what is supported. */
export function parseRosterLocator(text: string, { cwd = process.cwd(), home = homedir() }: LocatorPlace = {}): RosterPlace {
  const kind = /^([a-z][a-z-]+):/i.exec(text)?.[1]?.toLowerCase()
  if (kind === undefined) throw unusable(text, 'it does not say of what kind it is')
  if (Object.hasOwn(notYet, kind)) throw unusable(text, `rosters in ${notYet[kind]} are not supported yet`)
  if (kind === 'ldap' || kind === 'ldaps') return parseDirectory(text)
  if (kind !== 'folder') throw unusable(text, `${kind} is no kind of roster`)
  const given = text.slice('folder:'.length).trim()
  if (given === '') throw unusable(text, 'the path is missing')
  if (given.includes('\0')) throw unusable(text, 'the path has a NUL')
  const path = absolute(given, cwd, home)
  return { kind, locator: `folder:${path}`, path }
}

export function normalizeLocator(text: string, place: LocatorPlace = {}): string {
  return parseRosterLocator(text, place).locator
}

/** RFC 4516, of which the attributes part is the label here; everything else of it is refused. */
function parseDirectory(text: string): RosterPlace {
  let url: URL
  try {
    url = new URL(text.trim())
  } catch (cause) {
    throw unusable(text, 'it is no address', cause)
  }
  const { protocol, host, hostname, pathname, search, hash } = url
  if (hostname === '') throw unusable(text, 'the domain controller is missing')
  if (url.username !== '' || url.password !== '') throw unusable(text, 'it carries a user or password, and everybody reads it; use holdfast sign-in')
  const label = search === '' || search === '?' ? defaultLabel : decoded(text, search.slice(1))
  if (hash !== '' || !/^[A-Za-z0-9 ._-]{1,64}$/.test(label)) throw unusable(text, 'after ? stands a label of letters, digits, dot, dash')
  const name = decoded(text, pathname.replace(/^\//, ''))
  if (name !== '' && !/^(?:[A-Za-z][A-Za-z0-9-]*=[^,]+)(?:,\s*[A-Za-z][A-Za-z0-9-]*=[^,]+)*$/.test(name.replaceAll(String.raw`\,`, '_'))) throw unusable(text, `${name} is no distinguished name`)
  const locator = `${protocol}//${host}/${encodeURI(name)}${label === defaultLabel ? '' : `?${encodeURIComponent(label)}`}`
  return { kind: 'directory', locator, place: { locator, url: `${protocol}//${host}`, container: name === '' ? undefined : name, label } }
}

function decoded(text: string, part: string): string {
  try {
    return decodeURIComponent(part)
  } catch (cause) {
    throw unusable(text, 'it has a broken % sequence', cause)
  }
}

function absolute(path: string, cwd: string, home: string): string {
  if (path === '~' || /^~[/\\]/.test(path)) return join(home, path.slice(1))
  if (/^[\\/]{2}[^\\/]/.test(path) || /^[a-z]:[\\/]/i.test(path)) return path
  return resolve(cwd, path)
}

function unusable(text: string, state: string, cause?: unknown): HoldfastError {
  return new HoldfastError('invalid-input', `Cannot use the roster ${text.slice(0, 200)}: ${state}; supported: ${supported}`, { details: { state }, cause })
}
