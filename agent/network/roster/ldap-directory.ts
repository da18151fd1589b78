/**
 * A directory by LDAP. The connection is always encrypted: ldaps, or ldap upgraded by StartTLS before anything is said;
 * the certificate must fit the host and a CA that the system or the sign-in names. One connection for each call, unbound
 * at its end: a call is rare (a poll a minute at most), and a connection that nobody ends would keep the process alive.
 */
import { createHash } from 'node:crypto'
import { isIP } from 'node:net'
import { hostname } from 'node:os'
import {
  AlreadyExistsError, Attribute, Change, Client, type Entry, EqualityFilter, InsufficientAccessError, InvalidCredentialsError, NoSuchObjectError,
} from 'ldapts'
import { HoldfastError } from '../../../shared/errors.ts'
import { type Directory, type DirectoryPlace, type DirectoryRecord, type DirectoryState, type Options, nameKeyword, rosterKeyword } from './directory.ts'

/** Who a machine signs in as. A user is given as user@domain, DOMAIN\user or a distinguished name. */
export interface DirectorySignIn {
  readonly user: string
  readonly password: string
  /** PEM of the CA that signed the controllers' certificates, when the system does not trust it. */
  readonly ca?: string | undefined
}

const connectMs = 10_000
const operationMs = 20_000
/** Active Directory answers 1,000 entries a page at most. */
const usualPageSize = 500

export class LdapDirectory implements Directory {
  readonly #place: DirectoryPlace
  readonly #signIn: () => Promise<DirectorySignIn>
  readonly #pageSize: number
  #ownContainer: string | undefined

  constructor(place: DirectoryPlace, signIn: () => Promise<DirectorySignIn>, { pageSize = usualPageSize }: { pageSize?: number } = {}) {
    this.#place = place
    this.#signIn = signIn
    this.#pageSize = pageSize
    this.#ownContainer = place.container
  }

  async state(options: Options = {}): Promise<DirectoryState> {
    return await this.#connected(options, async (client) => {
      const root = await rootDse(client)
      return { service: textOf(root['dsServiceName']) ?? this.#place.url, usn: textOf(root['highestCommittedUSN']) ?? '0' }
    })
  }

  async search(since: string | undefined, limit: number, options: Options = {}): Promise<DirectoryRecord[]> {
    return await this.#connected(options, async (client) => {
      const base = this.#place.container ?? await namingContext(client)
      const label = new EqualityFilter({ attribute: 'keywords', value: rosterKeyword(this.#place.label) }).toString()
      const changed = since === undefined ? '' : `(uSNChanged>=${BigInt(since) + 1n})`
      const pages = client.searchPaginated(base, {
        scope: 'sub', filter: `(&(objectClass=serviceConnectionPoint)${label}${changed})`, attributes: ['keywords', 'serviceBindingInformation'],
        paged: { pageSize: this.#pageSize },
      })
      const records: DirectoryRecord[] = []
      for await (const { searchEntries } of pages) {
        options.signal?.throwIfAborted()
        records.push(...searchEntries.map(recordOf))
        if (records.length >= limit) break
      }
      return records.slice(0, limit)
    })
  }

  /** The container is made when its parent is there; the computer object must be there. */
  async prepare(options: Options = {}): Promise<void> {
    await this.#connected(options, async (client) => {
      const { container } = this.#place
      if (container === undefined) return void await this.#containerOf(client)
      try {
        await client.search(container, { scope: 'base', attributes: ['1.1'] })
      } catch (error) {
        if (!(error instanceof NoSuchObjectError)) throw error
        await this.#makeContainer(container, client)
      }
    })
  }

  async #makeContainer(container: string, client: Client): Promise<void> {
    try {
      await client.add(container, { objectClass: ['top', 'container'] })
    } catch (error) {
      if (!(error instanceof AlreadyExistsError)) throw error // another founder at this moment
    }
  }

  async add(record: DirectoryRecord, options: Options = {}): Promise<'created' | 'exists'> {
    return await this.#connected(options, async (client) => {
      try {
        await client.add(await this.#nameOf(record.name, client), {
          objectClass: ['top', 'leaf', 'connectionPoint', 'serviceConnectionPoint'],
          keywords: [rosterKeyword(this.#place.label), `${nameKeyword}${record.name}`],
          serviceClassName: 'Holdfast', serviceBindingInformation: record.text,
        })
        return 'created'
      } catch (error) {
        if (error instanceof AlreadyExistsError) return 'exists'
        throw error
      }
    })
  }

  async replace(record: DirectoryRecord, options: Options = {}): Promise<boolean> {
    return await this.#connected(options, async (client) => {
      try {
        await client.modify(await this.#nameOf(record.name, client), new Change({
          operation: 'replace', modification: new Attribute({ type: 'serviceBindingInformation', values: [record.text] }),
        }))
        return true
      } catch (error) {
        if (error instanceof NoSuchObjectError) return false
        throw error
      }
    })
  }

  async remove(name: string, options: Options = {}): Promise<void> {
    await this.#connected(options, async (client) => {
      try {
        await client.del(await this.#nameOf(name, client))
      } catch (error) {
        if (!(error instanceof NoSuchObjectError)) throw error
      }
    })
  }

  async #nameOf(record: string, client: Client): Promise<string> {
    const digest = createHash('sha256').update(`${this.#place.label}\0${record}`).digest('hex').slice(0, 40)
    return `CN=holdfast-${digest},${await this.#containerOf(client)}`
  }

  /** The object of the computer account that is signed in, else of the computer that this is. */
  async #containerOf(client: Client): Promise<string> {
    if (this.#ownContainer !== undefined) return this.#ownContainer
    const account = /^(?:.*\\)?([^\\@]+\$)(?:@.*)?$/.exec((await this.#signIn()).user)?.[1] ?? `${hostname().split('.')[0]}$`
    const filter = `(&(objectClass=computer)${new EqualityFilter({ attribute: 'sAMAccountName', value: account }).toString()})`
    const { searchEntries: [computer] } = await client.search(await namingContext(client), { scope: 'sub', filter, attributes: ['1.1'], sizeLimit: 2 })
    if (computer === undefined) throw this.#unavailable(`there is no computer account ${account}`)
    this.#ownContainer = computer.dn
    return computer.dn
  }

  async #connected<T>({ signal }: Options, work: (client: Client) => Promise<T>): Promise<T> {
    signal?.throwIfAborted()
    const { user, password, ca } = await this.#signIn()
    const { url } = this.#place
    const host = serverName(url)
    const tls = { ...(isIP(host) === 0 ? { servername: host } : {}), minVersion: 'TLSv1.2' as const, ...(ca === undefined ? {} : { ca: [ca] }) }
    const upgrade = url.startsWith('ldap:') // given tlsOptions, ldapts would speak TLS at once
    const client = new Client({ url, connectTimeout: connectMs, timeout: operationMs, ...(upgrade ? {} : { tlsOptions: tls }) })
    const cut = () => void client.unbind().catch(() => undefined) // what is under way then rejects
    signal?.addEventListener('abort', cut, { once: true })
    try {
      if (upgrade) await client.startTLS({ ...tls, host })
      await client.bind(user, password)
      return await work(client)
    } catch (error) {
      signal?.throwIfAborted()
      throw error instanceof HoldfastError ? error : this.#unavailable(stateOf(error), error, error instanceof InvalidCredentialsError)
    } finally {
      signal?.removeEventListener('abort', cut)
      await client.unbind().catch(() => undefined)
    }
  }

  #unavailable(state: string, cause?: unknown, signIn = false): HoldfastError {
    const { locator } = this.#place
    return new HoldfastError('roster-unavailable', `Cannot use the roster ${locator}: ${state}`, { details: { locator, state, ...(signIn ? { signIn: locator } : {}) }, cause })
  }
}

/** What a person can act on; never the password, which ldapts does not repeat. */
function stateOf(error: unknown): string {
  if (error instanceof InvalidCredentialsError) return 'the user name or password is wrong; sign in again'
  if (error instanceof InsufficientAccessError) return 'this account may not write there; ask an admin to delegate the container'
  if (error instanceof NoSuchObjectError) return 'the container is not there; whoever may make it signs in here with --prepare'
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  if (typeof code === 'string' && /CERT|SELF_SIGNED|ALTNAME|UNABLE_TO_/.test(code)) return `the controller's certificate is not trusted (${code}); sign in with --ca FILE`
  return error instanceof Error ? `${error.message.slice(0, 200)}` : 'unexpected failure'
}

function serverName(url: string): string {
  return new URL(url).hostname.replace(/^\[|\]$/g, '')
}

async function rootDse(client: Client): Promise<Entry> {
  const { searchEntries: [root] } = await client.search('', { scope: 'base', attributes: ['dsServiceName', 'highestCommittedUSN', 'defaultNamingContext'] })
  if (root === undefined) throw new Error('the directory shows no root entry')
  return root
}

async function namingContext(client: Client): Promise<string> {
  const context = textOf((await rootDse(client))['defaultNamingContext'])
  if (context === undefined) throw new Error('the directory names no domain')
  return context
}

function recordOf(entry: Entry): DirectoryRecord {
  const name = textsOf(entry['keywords']).find((keyword) => keyword.startsWith(nameKeyword))?.slice(nameKeyword.length)
  return { name: name ?? '', text: textOf(entry['serviceBindingInformation']) ?? '' }
}

function textsOf(value: Entry[string] | undefined): string[] {
  return (Array.isArray(value) ? value : value === undefined ? [] : [value]).map(String)
}

function textOf(value: Entry[string] | undefined): string | undefined {
  return textsOf(value)[0]
}
