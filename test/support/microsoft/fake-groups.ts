/** Groups of the directory with their open extensions. */
import { type Asked, json, noContent, paged, problem } from './answers.ts'

interface Group {
  readonly id: string
  readonly displayName: string
  readonly mail: string
  readonly extensions: Map<string, Record<string, unknown>>
}

const maxExtensionBytes = 2048

export class FakeGroups {
  readonly #groups = new Map<string, Group>()

  add(id: string, displayName: string, mail: string): void {
    this.#groups.set(id, { id, displayName, mail, extensions: new Map() })
  }

  /** `path` begins with `/groups` or `/me/memberOf`; undefined for others. */
  answer(asked: Asked, pageSize: number): Response | undefined {
    const { path, url } = asked
    if (path === '/me/memberOf/microsoft.graph.group') return paged([...this.#groups.values()].map(show), url, { pageSize })
    if (path === '/groups') {
      const mail = /^mail eq '(.*)'$/.exec(url.searchParams.get('$filter') ?? '')?.[1]
      return paged([...this.#groups.values()].filter((group) => mail === undefined || group.mail === mail).map(show), url, { pageSize })
    }
    const [, id, extensions, name] = /^\/groups\/([^/]+)(\/extensions)?(?:\/([^/]+))?$/.exec(path) ?? []
    if (id === undefined) return undefined
    const group = this.#groups.get(id)
    if (group === undefined) return problem(404, 'Request_ResourceNotFound', { message: `Resource '${id}' does not exist` })
    if (extensions === undefined) return json(200, { ...show(group), ...(url.searchParams.get('$expand') === 'extensions' ? { extensions: [...group.extensions.values()] } : {}) })
    return this.#extension(asked, group, name)
  }

  #extension({ method, body }: Asked, { extensions }: Group, name: string | undefined): Response {
    if (body.length > maxExtensionBytes) return problem(400, 'Request_BadRequest', { message: 'The extension is too large' })
    if (method === 'POST' && name === undefined) {
      const { extensionName, ...content } = JSON.parse(body) as { extensionName: string }
      if (extensions.has(extensionName)) return problem(409, 'NameAlreadyExists', { message: 'An extension already exists with given id.' })
      const made = { ...content, '@odata.type': '#microsoft.graph.openTypeExtension', extensionName, 'id': extensionName }
      extensions.set(extensionName, made)
      return json(201, made)
    }
    if (name === undefined) return json(200, { value: [...extensions.values()] })
    const known = extensions.get(name)
    if (known === undefined) return problem(404, 'ResourceNotFound', { message: 'Extension with given id not found.' })
    if (method === 'GET') return json(200, known)
    if (method === 'DELETE') extensions.delete(name)
    else extensions.set(name, { ...JSON.parse(body) as object, '@odata.type': '#microsoft.graph.openTypeExtension', 'extensionName': name, 'id': name }) // what is not named is gone
    return noContent()
  }
}

function show({ id, displayName, mail }: Group): object {
  return { '@odata.type': '#microsoft.graph.group', id, displayName, mail }
}
