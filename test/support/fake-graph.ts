/**
 * A server that answers as Microsoft Graph does, for SharePoint libraries and Exchange mailboxes: paging, delta tokens and
 * 410, conflictBehavior, ETags, throttling, the documented bodies and error shapes (fake-graph.test.ts holds it to the
 * examples of the documentation). It speaks through a `fetch` of its own, so that addresses keep their real host names, and
 * counts resource units as SharePoint does.
 */
import { randomUUID } from 'node:crypto'

interface File {
  readonly id: string
  name: string
  parent: string
  text: string | undefined
  version: number
}

interface Message {
  readonly id: string
  readonly folder: string
  subject: string
  content: string
  readonly createdDateTime: string
  version: number
}

interface Change { readonly at: number; readonly id: string; readonly isRemoved: boolean; readonly place: string }

export interface Fault {
  readonly status: number
  readonly headers?: Record<string, string>
  readonly code?: string
}

const driveId = 'b!drive'
const siteId = 'contoso.sharepoint.com,2C712604-1370-44E7-A1F5-426573FDA80A,2D2244C3-251A-49EA-93A8-39E1C3A060FE'
const v1 = 'https://graph.microsoft.com/v1.0'

export class FakeGraph {
  readonly requests: { method: string; path: string; authorization: string | null; userAgent: string | null }[] = []
  /** Consulted before each request; undefined lets it through. */
  fault: (method: string, path: string) => Fault | 'no network' | undefined = () => undefined
  /** As SharePoint counts them: 1 for a delta query with a token, an item or a download, 2 for lists and writes. */
  resourceUnits = 0
  pageSize = 50
  readonly #files = new Map<string, File>([['root', { id: 'root', name: 'root', parent: '', text: undefined, version: 1 }]])
  readonly #messages = new Map<string, Message>()
  readonly #mailFolders = new Map<string, { id: string; displayName: string; isHidden: boolean }>()
  #changes: Change[] = []
  #oldest = 0
  #clock = 0
  readonly #tokens = new Set(['token'])

  /** Accepts this bearer token from now on. */
  accept(token: string): void {
    this.#tokens.add(token)
  }

  /** Delta tokens handed out so far answer 410 Gone. */
  forgetDeltaTokens(): void {
    this.#oldest = this.#clock + 1
    this.#clock++
  }

  readonly fetch: typeof fetch = async (input, init) => {
    const request = new Request(input, init)
    init?.signal?.throwIfAborted()
    const url = new URL(request.url)
    const path = decodeURIComponent(url.pathname).replace(/^\/v1\.0/, '')
    const { method } = request
    this.requests.push({ method, path: path + url.search, authorization: request.headers.get('authorization'), userAgent: request.headers.get('user-agent') })
    const fault = this.fault(method, path)
    if (fault === 'no network') throw new TypeError('fetch failed')
    if (fault !== undefined) return problem(fault.status, fault.code ?? 'fault', fault.headers)
    if (url.hostname.endsWith('.sharepoint.com')) return this.#download(url)
    if (url.origin !== 'https://graph.microsoft.com') throw new TypeError(`fetch failed: ${url.origin}`)
    if (!this.#tokens.has(request.headers.get('authorization')?.replace('Bearer ', '') ?? '')) return problem(401, 'InvalidAuthenticationToken')
    const body = method === 'GET' || method === 'DELETE' ? '' : await request.text()
    return path.startsWith('/users/') ? this.#mail(method, path, { url, body }) : this.#drives(method, path, { url, body })
  }

  #drives(method: string, path: string, { url, body }: { url: URL; body: string }): Response {
    this.resourceUnits += method === 'GET' && !/children|drives$|token=latest/.test(path + url.search) ? 1 : 2
    if (path === '/sites/contoso.sharepoint.com:/sites/team') return json(200, { 'id': siteId, 'displayName': 'Team', 'name': 'team', 'webUrl': 'https://contoso.sharepoint.com/sites/team' })
    if (path === `/sites/${siteId}/drive`) return json(200, { id: driveId })
    if (path === `/sites/${siteId}/drives`) return json(200, { value: [{ id: driveId, name: 'Documents', webUrl: 'https://contoso.sharepoint.com/sites/team/Shared%20Documents' }] })
    const inDrive = path.startsWith(`/drives/${driveId}/`) ? path.slice(`/drives/${driveId}`.length) : undefined
    if (inDrive === undefined) return problem(404, 'itemNotFound')
    if (inDrive === '/root/delta') return this.#driveDelta(url)
    const [, byPath, verb] = /^\/root(?::\/(.+?))?:?(\/content|\/children)?$/.exec(inDrive) ?? []
    const [, byId, idVerb] = /^\/items\/([^/]+)(\/content)?$/.exec(inDrive) ?? []
    if (byId !== undefined) return this.#item(method, this.#files.get(byId), { verb: idVerb, url, body, parts: [] })
    const parts = byPath === undefined ? [] : byPath.replace(/:$/, '').split('/')
    return this.#item(method, this.#at(parts), { verb, url, body, parts })
  }

  #item(method: string, file: File | undefined, { verb, url, body, parts }: { verb: string | undefined; url: URL; body: string; parts: string[] }): Response {
    if (method === 'PUT' && verb === '/content') return this.#upload(file, parts, { body, fails: url.searchParams.get('@microsoft.graph.conflictBehavior') === 'fail' })
    if (file === undefined) return problem(404, 'itemNotFound')
    if (method === 'DELETE') {
      this.#files.delete(file.id)
      this.#changed(file.id, 'drive', true)
      return new Response(undefined, { status: 204 })
    }
    if (verb === '/content') return new Response(undefined, { status: 302, headers: { location: `https://contoso.sharepoint.com/_layouts/15/download.aspx?id=${file.id}` } })
    if (verb === '/children' && method === 'POST') {
      const wanted = JSON.parse(body) as { name: string }
      if (this.#childOf(file.id, wanted.name) !== undefined) return problem(409, 'nameAlreadyExists')
      return json(201, this.#show(this.#add(wanted.name, file.id, undefined)))
    }
    if (verb === '/children') return this.#page([...this.#files.values()].filter(({ parent }) => parent === file.id).map((child) => this.#show(child)), url)
    return json(200, this.#show(file))
  }

  #upload(file: File | undefined, parts: readonly string[], { body, fails }: { body: string; fails: boolean }): Response {
    if (file !== undefined && fails) return problem(409, 'nameAlreadyExists')
    if (file !== undefined) {
      file.text = body
      file.version++
      this.#changed(file.id, 'drive')
      return json(200, this.#show(file))
    }
    let parent = 'root'
    for (const name of parts.slice(0, -1)) parent = (this.#childOf(parent, name) ?? this.#add(name, parent, undefined)).id
    return json(201, this.#show(this.#add(parts.at(-1) ?? '', parent, body)))
  }

  #download(url: URL): Response {
    const file = this.#files.get(url.searchParams.get('id') ?? '')
    return file?.text === undefined ? problem(404, 'itemNotFound') : new Response(file.text)
  }

  #driveDelta(url: URL): Response {
    const token = url.searchParams.get('token')
    const link = `${v1}/drives/${driveId}/root/delta?token=${this.#clock}`
    if (token === 'latest') return json(200, { 'value': [], '@odata.deltaLink': link })
    if (Number(token) < this.#oldest) return problem(410, 'resyncRequired', { location: `${v1}/drives/${driveId}/root/delta` })
    const value = this.#since('drive', Number(token)).map(({ id, isRemoved }) => {
      const file = this.#files.get(id)
      return isRemoved || file === undefined ? { id, deleted: { state: 'deleted' } } : this.#show(file)
    })
    return json(200, { value, '@odata.deltaLink': link })
  }

  #mail(method: string, path: string, { url, body }: { url: URL; body: string }): Response {
    const [, mailbox, rest = ''] = /^\/users\/([^/]+)(\/.*)$/.exec(path) ?? []
    if (mailbox !== 'holdfast@contoso.com') return problem(404, 'ErrorInvalidUser')
    if (rest === '/mailFolders/msgfolderroot/childFolders') {
      if (method === 'GET') return json(200, { value: [...this.#mailFolders.values()].filter(({ isHidden }) => !isHidden || url.searchParams.get('includeHiddenFolders') === 'true') })
      const folder = { isHidden: false, ...JSON.parse(body) as { displayName: string }, id: `AAMk${randomUUID()}=` }
      this.#mailFolders.set(folder.id, folder)
      return json(201, folder)
    }
    const [, folder, verb] = /^\/mailFolders\/([^/]+)\/messages(\/delta)?$/.exec(rest) ?? []
    if (folder !== undefined) return this.#messagesIn(folder, method, { verb, url, body })
    const message = this.#messages.get(/^\/messages\/([^/]+)$/.exec(rest)?.[1] ?? '')
    if (message === undefined) return problem(404, 'ErrorItemNotFound')
    if (method === 'DELETE') {
      this.#messages.delete(message.id)
      this.#changed(message.id, message.folder, true)
      return new Response(undefined, { status: 204 })
    }
    if (method === 'PATCH') {
      message.content = (JSON.parse(body) as { body: { content: string } }).body.content
      message.version++
      this.#changed(message.id, message.folder)
    }
    return json(200, showMessage(message))
  }

  #messagesIn(folder: string, method: string, { verb, url, body }: { verb: string | undefined; url: URL; body: string }): Response {
    if (!this.#mailFolders.has(folder)) return problem(404, 'ErrorItemNotFound')
    if (method === 'POST') {
      const { subject, body: { content } } = JSON.parse(body) as { subject: string; body: { content: string } }
      const message = { id: `AAMk${randomUUID()}=`, folder, subject, content, createdDateTime: new Date(1_700_000_000_000 + ++this.#clock * 1000).toISOString(), version: 1 }
      this.#messages.set(message.id, message)
      this.#changed(message.id, folder)
      return json(201, showMessage(message))
    }
    const subject = /^subject eq '(.*)'$/.exec(url.searchParams.get('$filter') ?? '')?.[1]
    const all = [...this.#messages.values()].filter((message) => message.folder === folder && (subject === undefined || message.subject === subject))
    if (verb === undefined) return this.#page(all.map(showMessage), url)
    const token = url.searchParams.get('$deltatoken')
    const link = `${v1}/users/holdfast@contoso.com/mailFolders('${folder}')/messages/delta?$deltatoken=${this.#clock}`.replace(`('${folder}')`, `/${folder}`)
    if (token === null) return this.#page(all.map(showMessage), url, link)
    if (Number(token) < this.#oldest) return problem(410, 'syncStateNotFound')
    const value = this.#since(folder, Number(token)).map(({ id, isRemoved }) => {
      const message = this.#messages.get(id)
      return isRemoved || message === undefined ? { id, '@removed': { reason: 'deleted' } } : showMessage(message)
    })
    return json(200, { value, '@odata.deltaLink': link })
  }

  #page(all: readonly object[], url: URL, deltaLink?: string): Response {
    const skip = Number(url.searchParams.get('$skiptoken') ?? 0)
    const next = new URL(url)
    next.searchParams.set('$skiptoken', String(skip + this.pageSize))
    const isLast = skip + this.pageSize >= all.length
    return json(200, {
      value: all.slice(skip, skip + this.pageSize),
      ...(isLast ? {} : { '@odata.nextLink': next.href }), ...(isLast && deltaLink !== undefined ? { '@odata.deltaLink': deltaLink } : {}),
    })
  }

  #changed(id: string, place: string, isRemoved = false): void {
    this.#changes.push({ at: ++this.#clock, id, isRemoved, place })
  }

  /** Each item once, as it is now. */
  #since(place: string, token: number): Change[] {
    const last = new Map<string, Change>()
    for (const change of this.#changes) if (change.place === place && change.at > token) last.set(change.id, change)
    return [...last.values()]
  }

  #at(parts: readonly string[]): File | undefined {
    let file = this.#files.get('root')
    for (const part of parts) file = file === undefined ? undefined : this.#childOf(file.id, part)
    return file
  }

  #childOf(parent: string, name: string): File | undefined {
    return [...this.#files.values()].find((file) => file.parent === parent && file.name.toLowerCase() === name.toLowerCase())
  }

  #add(name: string, parent: string, text: string | undefined): File {
    const file = { id: `01${randomUUID().replaceAll('-', '').toUpperCase()}`, name, parent, text, version: 1 }
    this.#files.set(file.id, file)
    this.#changed(file.id, 'drive')
    return file
  }

  #show({ id, name, parent, text, version }: File): object {
    return {
      id, name, 'size': Buffer.byteLength(text ?? ''), 'eTag': `"{${id}},${version}"`, 'cTag': `"c:{${id}},${version}"`, 'parentReference': { driveId, id: parent },
      ...(text === undefined ? { folder: { childCount: [...this.#files.values()].filter((file) => file.parent === id).length } } : { file: { mimeType: 'text/plain' } }),
    }
  }
}

function showMessage({ id, subject, content, createdDateTime, version }: Message): object {
  return { '@odata.etag': `W/"${version}"`, id, subject, createdDateTime, 'changeKey': `ck${version}`, 'body': { contentType: 'text', content: `${content}\r\n` } }
}

function json(status: number, body: object): Response {
  return new Response(JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })
}

function problem(status: number, code: string, headers: Record<string, string> = {}): Response {
  const error = { code, message: `fake ${code}`, innerError: { 'request-id': randomUUID(), 'date': '2026-01-01T00:00:00' } }
  return new Response(JSON.stringify({ error }), { status, headers: { 'content-type': 'application/json', ...headers } })
}
