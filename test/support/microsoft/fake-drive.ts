/** The document library of a team site. */
import { randomUUID } from 'node:crypto'
import { quickXorHash } from '../../../agent/network/roster/graph/quick-xor-hash.ts'
import { type Asked, ChangeLog, by, json, noContent, paged, problem, refusedByETag, v1 } from './answers.ts'

interface File {
  readonly id: string
  readonly name: string
  readonly parent: string
  text: string | undefined
  version: number
  digest: string
}

export const driveId = 'b!drive'

export class FakeDrive {
  readonly #files = new Map<string, File>([['root', { id: 'root', name: 'root', parent: '', text: undefined, version: 1, digest: '' }]])
  readonly #children = new Map<string, Map<string, string>>()
  readonly changes = new ChangeLog()
  /** Whether answers carry digests of files. */
  hasDigests = true

  /** Every file below the folder, by its path in it. */
  filesIn(path: string): Map<string, string> {
    const found = new Map<string, string>()
    const walk = (id: string, prefix: string): void => {
      for (const child of this.#children.get(id)?.values() ?? []) {
        const file = this.#files.get(child) as File
        if (file.text === undefined) walk(child, `${prefix}${file.name}/`)
        else found.set(`${prefix}${file.name}`, file.text)
      }
    }
    const top = this.#at(path.split('/'))
    if (top !== undefined) walk(top.id, '')
    return found
  }

  /** As a synchronisation client does: whatever is there is replaced. */
  write(path: string, text: string): void {
    this.#upload(this.#at(path.split('/')), path.split('/'), { text, fails: false })
  }

  remove(path: string): void {
    const file = this.#at(path.split('/'))
    if (file !== undefined) this.#delete(file)
  }

  /** `rest`: what follows `/drives/{id}`. */
  answer(asked: Asked, rest: string, pageSize: number): Response {
    const [, isDelta, token] = /^(\/root\/delta)(?:\(token='([^']*)'\))?$/.exec(rest) ?? []
    if (isDelta !== undefined) return this.#delta(asked.url, token ?? asked.url.searchParams.get('token'), pageSize)
    const [, byPath, verb] = /^\/root(?::\/(.+?))?:?(\/content|\/children)?$/.exec(rest) ?? []
    const [, byId, idVerb] = /^\/items\/([^/]+)(\/content|\/children)?$/.exec(rest) ?? []
    const parts = byPath === undefined ? [] : byPath.replace(/:$/, '').split('/')
    const file = byId === undefined ? this.#at(parts) : this.#files.get(byId)
    return this.#item(asked, file, { verb: byId === undefined ? verb : idVerb, parts, pageSize })
  }

  #item(asked: Asked, file: File | undefined, { verb, parts, pageSize }: { verb: string | undefined; parts: string[]; pageSize: number }): Response {
    const { method, url, body } = asked
    if (method === 'PUT' && verb === '/content') {
      const refused = file === undefined ? undefined : refusedByETag(asked, eTagOf(file))
      return refused ?? this.#upload(file, parts, { text: body, fails: url.searchParams.get('@microsoft.graph.conflictBehavior') === 'fail' })
    }
    if (file === undefined || (method === 'POST' && verb !== '/children')) return problem(404, 'itemNotFound', { message: 'The resource could not be found.' })
    if (method === 'DELETE') {
      const refused = refusedByETag(asked, eTagOf(file))
      if (refused === undefined) this.#delete(file)
      return refused ?? noContent()
    }
    if (verb === '/content') return new Response(undefined, { status: 302, headers: { location: `https://contoso.sharepoint.com/_layouts/15/download.aspx?UniqueId=${file.id}&tempauth=x` } })
    if (verb === '/children' && method === 'POST') return this.#makeFolder(file, JSON.parse(body) as Record<string, unknown>)
    if (verb === '/children') return paged([...this.#children.get(file.id)?.values() ?? []].map((id) => this.#show(this.#files.get(id) as File)), url, { pageSize })
    return json(200, this.#show(file))
  }

  #makeFolder(parent: File, wanted: Record<string, unknown>): Response {
    let name = String(wanted['name'])
    if (this.#childOf(parent.id, name) !== undefined) {
      if (wanted['@microsoft.graph.conflictBehavior'] !== 'rename') return problem(409, 'nameAlreadyExists', { message: 'An item with the same name already exists under the parent' })
      name = `${name} 1`
    }
    return json(201, this.#show(this.#add(name, parent.id, undefined)))
  }

  #upload(file: File | undefined, parts: readonly string[], { text, fails }: { text: string; fails: boolean }): Response {
    if (file !== undefined && fails) return problem(409, 'nameAlreadyExists', { message: 'An item with the same name already exists under the parent' })
    if (file !== undefined) {
      file.text = text
      file.digest = quickXorHash(Buffer.from(text))
      file.version++
      this.changes.note(file.id)
      return json(200, this.#show(file))
    }
    let parent = 'root'
    for (const name of parts.slice(0, -1)) parent = (this.#childOf(parent, name) ?? this.#add(name, parent, undefined)).id
    return json(201, this.#show(this.#add(parts.at(-1) ?? '', parent, text)))
  }

  /** The address that a download is redirected to: good by itself. */
  download({ url, headers }: Asked): Response {
    const { text } = this.#files.get(url.searchParams.get('UniqueId') ?? '') ?? {}
    if (text === undefined) return problem(404, 'itemNotFound')
    const bytes = Buffer.from(text)
    const [, first, last] = /^bytes=(\d+)-(\d+)$/.exec(headers.get('range') ?? '') ?? []
    if (first === undefined || last === undefined) return new Response(bytes, { headers: { 'content-type': 'application/octet-stream' } })
    const range = { 'content-range': `bytes ${first}-${Math.min(Number(last), bytes.length - 1)}/${bytes.length}`, 'content-type': 'application/octet-stream' }
    return new Response(bytes.subarray(Number(first), Number(last) + 1), { status: 206, headers: range })
  }

  /** A token is `from-until`: pages of one enumeration end where it began. */
  #delta(url: URL, token: string | null, pageSize: number): Response {
    const link = (token: string) => `${v1}/drives/${driveId}/root/delta?token=${token}`
    if (token === 'latest') return json(200, { 'value': [], '@odata.deltaLink': link(String(this.changes.now)) })
    const [from = 0, until = this.changes.now] = (token ?? '').split('-').filter((part) => part !== '').map(Number)
    if (this.changes.isGone(from) && token !== null) return problem(410, 'resyncChangesApplyDifferences', { headers: { location: link('') } })
    const value = this.changes.since(from, until).map(({ id, isRemoved }) => {
      const file = this.#files.get(id)
      return isRemoved || file === undefined ? { id, deleted: { state: 'deleted' } } : this.#show(file)
    })
    const here = new URL(url)
    here.searchParams.set('token', `${from}-${until}`)
    return paged(value, here, { pageSize, last: { '@odata.deltaLink': link(String(until)) } })
  }

  #delete(file: File): void {
    for (const child of this.#children.get(file.id)?.values() ?? []) this.#delete(this.#files.get(child) as File)
    this.#files.delete(file.id)
    this.#children.get(file.parent)?.delete(file.name.toLowerCase())
    this.changes.note(file.id, true)
  }

  #at(parts: readonly string[]): File | undefined {
    let file = this.#files.get('root')
    for (const part of parts) file = file === undefined ? undefined : this.#childOf(file.id, part)
    return file
  }

  #childOf(parent: string, name: string): File | undefined {
    return this.#files.get(this.#children.get(parent)?.get(name.toLowerCase()) ?? '')
  }

  #add(name: string, parent: string, text: string | undefined): File {
    const file = { id: `01${randomUUID().replaceAll('-', '').toUpperCase()}`, name, parent, text, version: 1, digest: text === undefined ? '' : quickXorHash(Buffer.from(text)) }
    this.#files.set(file.id, file)
    const children = this.#children.get(parent) ?? new Map<string, string>()
    this.#children.set(parent, children.set(name.toLowerCase(), file.id))
    this.changes.note(file.id)
    return file
  }

  #show(file: File): object {
    const { id, name, parent, text, version, digest } = file
    return {
      id, name, 'size': Buffer.byteLength(text ?? ''), 'eTag': eTagOf(file), 'cTag': `"c:{${id}},${version}"`, 'parentReference': { driveId, id: parent, path: '/drive/root:' }, ...by,
      ...(parent === '' ? { root: {} } : {}), 'webUrl': `https://contoso.sharepoint.com/sites/team/Shared%20Documents/${encodeURIComponent(name)}`,
      ...(text === undefined ? { folder: { childCount: this.#children.get(id)?.size ?? 0 } } : { file: { mimeType: 'text/plain', ...(this.hasDigests ? { hashes: { quickXorHash: digest } } : {}) } }),
    }
  }
}

function eTagOf({ id, version }: File): string {
  return `"{${id}},${version}"`
}
