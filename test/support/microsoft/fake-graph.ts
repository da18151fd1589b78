/**
 * Answers as Microsoft Graph does, for SharePoint libraries and lists, Exchange mailboxes and groups: paging, delta tokens
 * and 410, conflictBehavior, ETags, batches, throttling, the documented bodies and error shapes. fake-graph.test.ts holds it
 * to what the documentation says. It counts resource units as SharePoint does.
 *
 * `fetch` answers in this process; start-microsoft.ts serves the same by HTTPS under the real host names.
 */
import { randomUUID } from 'node:crypto'
import { type Asked, json, problem } from './answers.ts'
import { FakeDrive, driveId } from './fake-drive.ts'
import { FakeGroups } from './fake-groups.ts'
import { FakeLists } from './fake-lists.ts'
import { FakeMailbox, mailboxAddress } from './fake-mailbox.ts'

export interface Fault {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly code?: string
}

/** Statuses that a client has to expect of each method (what Microsoft's own Dev Proxy plays). */
export const expectedFaults: Readonly<Record<string, readonly number[]>> = {
  GET: [429, 500, 502, 503, 504], PATCH: [429, 500, 502, 503, 504], POST: [429, 500, 502, 503, 504, 507], PUT: [429, 500, 502, 503, 504, 507], DELETE: [429, 500, 502, 503, 504, 507],
}

const siteId = 'contoso.sharepoint.com,2C712604-1370-44E7-A1F5-426573FDA80A,2D2244C3-251A-49EA-93A8-39E1C3A060FE'
const site = { id: siteId, displayName: 'Accounting', name: 'team', createdDateTime: '2017-05-09T20:56:00Z', lastModifiedDateTime: '2017-05-09T20:56:01Z', webUrl: 'https://contoso.sharepoint.com/sites/team' }
const drive = {
  id: driveId, driveType: 'documentLibrary', name: 'Documents', owner: { user: { displayName: 'Ann', id: '8606e4d5' } },
  quota: { deleted: 0, remaining: 1_099_447_353_539, state: 'normal', total: 1_099_511_627_776 }, webUrl: 'https://contoso.sharepoint.com/sites/team/Shared%20Documents',
}
const maxBatch = 20
const minuteMs = 60_000

export class FakeGraph {
  readonly requests: { method: string; path: string; authorization: string | null; userAgent: string | null }[] = []
  readonly drive = new FakeDrive()
  readonly mailbox = new FakeMailbox()
  readonly lists = new FakeLists()
  readonly groups = new FakeGroups()
  /** Consulted before each request; undefined lets it through. */
  fault: (method: string, path: string) => Fault | 'no network' | 'silence' | undefined = () => undefined
  /** As SharePoint counts them: 1 for a delta query with a token, an item or a download, 2 for lists and writes. */
  resourceUnits = 0
  pageSize = 50
  /** Resource units for each minute of `now`; beyond it requests are refused, and near it answers say so. */
  minuteLimit = Number.POSITIVE_INFINITY
  now: () => number = () => 0
  #minute = { began: 0, used: 0 }
  readonly #tokens = new Set(['token'])

  /** Accepts this bearer token from now on. */
  accept(token: string): void {
    this.#tokens.add(token)
  }

  /** As if so many resource units of the minute that begins were used. */
  useMinute(units: number): void {
    this.#minute = { began: this.now(), used: units }
  }

  /** No token is good any more. */
  revokeTokens(): void {
    this.#tokens.clear()
  }

  /** Delta tokens handed out so far answer 410 Gone. */
  forgetDeltaTokens(): void {
    this.drive.changes.forget()
    this.mailbox.forgetDeltaTokens()
  }

  readonly fetch: typeof fetch = async (input, init) => {
    init?.signal?.throwIfAborted()
    return await this.answer(new Request(input, init))
  }

  /** Rejects as a fetch without a network does. */
  async answer(request: Request): Promise<Response> {
    const url = new URL(request.url)
    const path = decodeURIComponent(url.pathname).replace(/^\/v1\.0/, '')
    const { method, headers } = request
    this.requests.push({ method, path: path + url.search, authorization: headers.get('authorization'), userAgent: headers.get('user-agent') })
    const fault = this.fault(method, path)
    if (fault === 'silence') return await new Promise<never>(() => {})
    if (fault === 'no network') throw new TypeError('fetch failed')
    const body = method === 'GET' || method === 'DELETE' ? '' : await request.text()
    const response = fault === undefined ? this.#answer({ method, path, url, headers, body }) : problem(fault.status, fault.code ?? 'fault', { headers: fault.headers ?? {} })
    response.headers.set('request-id', randomUUID())
    if (headers.has('client-request-id')) response.headers.set('client-request-id', headers.get('client-request-id') ?? '')
    return response
  }

  #answer(asked: Asked): Response {
    const { url, headers } = asked
    if (url.hostname.endsWith('.sharepoint.com')) return this.drive.download(asked)
    if (url.origin !== 'https://graph.microsoft.com') throw new TypeError(`fetch failed: ${url.origin}`)
    const token = headers.get('authorization')?.replace('Bearer ', '')
    if (token === undefined) return problem(401, 'InvalidAuthenticationToken', { message: 'Access token is empty.' })
    if (!this.#tokens.has(token)) return problem(401, 'InvalidAuthenticationToken', { message: 'Access token has expired or is not yet valid.' })
    return asked.path === '/$batch' ? this.#batch(asked) : this.#metered(asked)
  }

  #metered(called: Asked): Response {
    const asked = { ...called, path: placeOf(called.path) }
    if (asked.path.startsWith('/users/')) return this.#route(asked) // Exchange has limits of its own
    const units = unitsOf(asked)
    this.resourceUnits += units
    if (this.#minute.began + minuteMs <= this.now()) this.#minute = { began: this.now(), used: 0 }
    this.#minute.used += units
    const resetSeconds = Math.ceil((this.#minute.began + minuteMs - this.now()) / 1000)
    const limits = { 'ratelimit-limit': String(this.minuteLimit), 'ratelimit-remaining': String(Math.max(0, this.minuteLimit - this.#minute.used)), 'ratelimit-reset': String(resetSeconds) }
    if (this.#minute.used > this.minuteLimit) return problem(429, 'activityLimitReached', { message: 'The app has been throttled', headers: { 'retry-after': String(resetSeconds), ...limits } })
    const response = this.#route(asked)
    if (this.#minute.used >= this.minuteLimit * 0.8) for (const [name, value] of Object.entries(limits)) response.headers.set(name, value)
    return response
  }

  #route(asked: Asked): Response {
    const { path } = asked
    const { pageSize } = this
    if (path === '/me') return json(200, { id: '84b80893-8749-40a3-97b7-68513b600544', displayName: 'Ann', mail: 'ann@contoso.com', userPrincipalName: 'ann@contoso.com' })
    if (path === '/sites/contoso.sharepoint.com:/sites/team' || path === `/sites/${siteId}`) return json(200, site)
    if (path === `/sites/${siteId}/drives`) return json(200, { value: [drive] })
    if (path.startsWith(`/sites/${siteId}/lists`)) return this.lists.answer(asked, path.slice(`/sites/${siteId}/lists`.length), pageSize)
    if (path === `/drives/${driveId}`) return json(200, drive)
    if (path.startsWith(`/drives/${driveId}/`)) return this.drive.answer(asked, path.slice(`/drives/${driveId}`.length), pageSize)
    if (path.startsWith(`/users/${mailboxAddress}/`)) return this.mailbox.answer(asked, path.slice(`/users/${mailboxAddress}`.length), pageSize)
    if (path.startsWith('/users/')) return problem(404, 'ErrorInvalidUser', { message: 'The requested user is invalid.' })
    return this.groups.answer(asked, pageSize) ?? problem(404, 'itemNotFound', { message: 'The resource could not be found.' })
  }

  /** Parts run one by one, each with its own status; one that depends on a failed one is not run. */
  #batch({ body, headers }: Asked): Response {
    const { requests } = JSON.parse(body) as { requests: { id: string; method: string; url: string; headers?: Record<string, string>; body?: unknown; dependsOn?: string[] }[] }
    if (requests.length > maxBatch) return problem(400, 'BadRequest', { message: 'Number of batch request steps exceeds the maximum value of 20.' })
    const statuses = new Map<string, number>()
    const responses = requests.map((part) => {
      const url = new URL(`https://graph.microsoft.com/v1.0${part.url}`)
      const path = decodeURIComponent(url.pathname).replace(/^\/v1\.0/, '')
      const failed = part.dependsOn?.some((id) => (statuses.get(id) ?? 424) >= 400) === true
      const fault = failed ? { status: 424, code: 'FailedDependency' } : this.fault(part.method, path)
      const answer = typeof fault === 'object' ? problem(fault.status, fault.code ?? 'fault', { headers: fault.headers ?? {} })
        : this.#metered({ method: part.method, path, url, headers: new Headers({ ...Object.fromEntries(headers), ...part.headers }), body: part.body === undefined ? '' : JSON.stringify(part.body) })
      statuses.set(part.id, answer.status)
      return { id: part.id, status: answer.status, headers: Object.fromEntries(answer.headers), answer }
    })
    return new Response(streamOf(responses), { status: 200, headers: { 'content-type': 'application/json' } })
  }
}

/** The bodies of the parts are read while the answer is. */
function streamOf(parts: readonly { id: string; status: number; headers: Record<string, string>; answer: Response }[]): ReadableStream<Uint8Array> {
  return new ReadableStream({
    async start(controller) {
      const responses = await Promise.all(parts.map(async ({ answer, ...part }) => {
        const text = await answer.text()
        return { ...part, body: text === '' ? null : JSON.parse(text) as unknown }
      }))
      controller.enqueue(new TextEncoder().encode(JSON.stringify({ responses })))
      controller.close()
    },
  })
}

/** The places that have several names: the library, and the mailbox of who is signed in. */
function placeOf(path: string): string {
  return path.replace(/^\/(?:me|sites\/[^/:]+|users\/[^/]+|groups\/[^/]+)\/drive(?=\/|$)/, `/drives/${driveId}`).replace(/^\/me(?=\/(?:mailFolders|messages)(?:\/|$))/, `/users/${mailboxAddress}`)
}

function unitsOf({ method, path, url }: Asked): number {
  if (path.endsWith('/permissions')) return 5
  if (method !== 'GET') return 2
  const isDelta = path.endsWith('/delta')
  const token = url.searchParams.get('token')
  if (isDelta) return token === null || token === 'latest' ? 2 : 1
  return /\/(?:children|drives|lists|items|groups|memberOf\/microsoft\.graph\.group|extensions)$/.test(path) ? 2 : 1
}
