/**
 * LOCATOR of the command line and of network records: where a roster is. It names the place alone, the same for every
 * member; who a machine signs in as is its own affair (access.ts).
 *
 * `folder:PATH`
 * `ldaps://CONTROLLER[:PORT]/CONTAINER-DN[?LABEL]`  or `ldap://…` with StartTLS
 * `ldaps://CONTROLLER[:PORT]/[?LABEL]`              below each machine's own computer object
 * `sharepoint:https://TENANT.sharepoint.com/sites/TEAM[/LIBRARY[/FOLDER]]?client=ID[&tenant=ID]`
 * `exchange:MAILBOX@DOMAIN?client=ID[&tenant=ID]`   a shared mailbox
 * `entra:TENANT?client=ID`   no roster: the app alone, to find what is announced to an account
 *
 * `client` is the id of the company's app registration, `tenant` its id or domain when the address does not tell.
 */
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { HoldfastError } from '../../../shared/errors.ts'
import type { DirectoryPlace } from './directory.ts'
import type { MailboxPlace } from './graph/exchange.ts'
import type { MicrosoftApp } from './graph/microsoft-sign-in.ts'
import type { SharePointPlace } from './graph/sharepoint.ts'

const supported = 'folder:PATH, ldaps://CONTROLLER/CONTAINER-DN, sharepoint:https://TENANT.sharepoint.com/sites/TEAM?client=ID, exchange:MAILBOX?client=ID'
const defaultFolder = 'Holdfast'
const idSyntax = /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i
const domainSyntax = /^(?=.{1,253}$)[a-z0-9-]+(?:\.[a-z0-9-]+)+$/i
const defaultLabel = 'holdfast'

export type RosterPlace =
  | { readonly kind: 'folder'; readonly locator: string; readonly path: string }
  | { readonly kind: 'directory'; readonly locator: string; readonly place: DirectoryPlace }
  | { readonly kind: 'sharepoint'; readonly locator: string; readonly place: SharePointPlace; readonly app: MicrosoftApp }
  | { readonly kind: 'exchange'; readonly locator: string; readonly place: MailboxPlace; readonly app: MicrosoftApp }

export interface LocatorPlace {
  /** What a relative path starts from. */
  readonly cwd?: string
  readonly home?: string
}

/** The place, with its locator in the form that records carry. Throws `invalid-input`, naming what is supported. */
export function parseRosterLocator(text: string, { cwd = process.cwd(), home = homedir() }: LocatorPlace = {}): RosterPlace {
  const kind = /^([a-z][a-z-]+):/i.exec(text)?.[1]?.toLowerCase()
  if (kind === undefined) throw unusable(text, 'it does not say of what kind it is')
  if (kind === 'ldap' || kind === 'ldaps') return parseDirectory(text)
  if (kind === 'sharepoint') return parseSharePoint(text)
  if (kind === 'exchange') return parseExchange(text)
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

function parseSharePoint(text: string): RosterPlace {
  let url: URL
  try {
    url = new URL(text.slice('sharepoint:'.length).trim())
  } catch (cause) {
    throw unusable(text, 'after sharepoint: stands the address of a site', cause)
  }
  const [, organisation] = /^([a-z0-9-]+)\.sharepoint\.(?:com|us|cn|de)$/i.exec(url.hostname) ?? []
  if (url.protocol !== 'https:' || organisation === undefined || url.port !== '' || url.username !== '') throw unusable(text, 'it is no address of a SharePoint site')
  const parts = url.pathname.split('/').filter((part) => part !== '').map((part) => decoded(text, part))
  const inSites = ['sites', 'teams'].includes(parts[0]?.toLowerCase() ?? '')
  if (inSites && parts.length < 2) throw unusable(text, 'the name of the site is missing')
  if (parts.some((part) => /["*:<>?|\\/#%]/.test(part) || part === '..' || part === '.')) throw unusable(text, 'a name in it has a character that SharePoint does not allow')
  const [site, [library, ...folder]] = inSites ? [parts.slice(0, 2), parts.slice(2)] : [[], parts]
  const app = appOf(text, url.searchParams, `${organisation}.onmicrosoft.com`)
  const locator = `sharepoint:https://${url.hostname}${parts.map((part) => `/${encodeURIComponent(part)}`).join('')}?${queryOf(app, `${organisation}.onmicrosoft.com`)}`
  return {
    kind: 'sharepoint', locator, app,
    place: { locator, host: url.hostname, site: site.map((part) => `/${part}`).join(''), library, folder: folder.length === 0 ? defaultFolder : folder.join('/') },
  }
}

/** `entra:TENANT?client=ID`: an app in a tenant, without a roster. Throws `invalid-input`. */
export function parseEntraLocator(text: string): MicrosoftApp {
  const [, tenant = '', query = ''] = /^entra:\s*([^\s?/]{1,253})(?:\?(.*))?$/i.exec(text.trim()) ?? []
  if (!idSyntax.test(tenant) && !domainSyntax.test(tenant)) throw new HoldfastError('invalid-input', `Cannot use ${text.slice(0, 200)}: it is entra:TENANT?client=ID, with the tenant's domain and the id of the app registration`)
  return appOf(text, new URLSearchParams(query), tenant)
}

function parseExchange(text: string): RosterPlace {
  const [, mailbox = '', domain = '', query = ''] = /^exchange:\s*([^@\s?/]{1,64}@([^@\s?/]+))(?:\?(.*))?$/i.exec(text.trim()) ?? []
  if (!domainSyntax.test(domain)) throw unusable(text, 'after exchange: stands the address of a mailbox')
  const app = appOf(text, new URLSearchParams(query), domain)
  const locator = `exchange:${mailbox.toLowerCase()}?${queryOf(app, domain)}`
  return { kind: 'exchange', locator, app, place: { locator, mailbox: mailbox.toLowerCase() } }
}

function appOf(text: string, query: URLSearchParams, tenantOfAddress: string): MicrosoftApp {
  const unknown = [...query.keys()].find((key) => !['client', 'tenant'].includes(key))
  if (unknown !== undefined) throw unusable(text, `${unknown} is no setting of it`)
  const [client, tenant] = [query.get('client') ?? '', query.get('tenant') ?? tenantOfAddress]
  if (!idSyntax.test(client)) throw unusable(text, 'it needs ?client=ID, the id of the app registration in the company\'s tenant')
  if (!idSyntax.test(tenant) && !domainSyntax.test(tenant)) throw unusable(text, 'the tenant is neither an id nor a domain')
  return { client: client.toLowerCase(), tenant: tenant.toLowerCase() }
}

function queryOf({ client, tenant }: MicrosoftApp, tenantOfAddress: string): string {
  return `client=${client}${tenant === tenantOfAddress.toLowerCase() ? '' : `&tenant=${tenant}`}`
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
