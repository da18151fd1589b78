/**
 * A roster in a SharePoint document library: one file for each record, laid out as in a folder roster, so that machines
 * with a synchronised folder and machines with Microsoft Graph share one.
 *
 * Delta queries are defined for the root of a drive alone: whoever starts takes a link that tells changes from now on,
 * lists the four folders once, and afterwards asks for what changed in the library and keeps what is in those folders.
 */
import { z } from 'zod'
import type { Options } from '../directory.ts'
import { checkRecord, recordFolders } from '../names.ts'
import type { ListOptions, Roster, RosterListing } from '../port.ts'
import { Graph, type GraphAccess, hasStatus } from './graph.ts'
import { quickXorHash } from './quick-xor-hash.ts'
import { type Changes, type DeltaSource, type Found, type Item, Replica, type ReplicaMemory } from './replica.ts'

export interface SharePointPlace {
  readonly locator: string
  /** `contoso.sharepoint.com` */
  readonly host: string
  /** `/sites/team`; empty for the root site. */
  readonly site: string
  /** Name of the library; undefined: the site's default one. */
  readonly library: string | undefined
  /** Folder in the library, without slashes at its ends. */
  readonly folder: string
}

const siteSchema = z.object({ id: z.string(), displayName: z.string().optional(), webUrl: z.string().optional() })
const driveSchema = z.object({ id: z.string(), name: z.string().optional(), webUrl: z.string().optional() })
const drivesSchema = z.object({ value: z.array(driveSchema) })
const itemSchema = z.object({
  id: z.string(), name: z.string().default(''), size: z.number().default(0), cTag: z.string().optional(), eTag: z.string().optional(),
  file: z.object({ hashes: z.object({ quickXorHash: z.string().optional() }).optional() }).optional(), deleted: z.object({}).optional(), parentReference: z.object({ id: z.string().optional(), path: z.string().optional() }).optional(),
})
type DriveItem = z.infer<typeof itemSchema>
const pageSchema = z.object({ 'value': z.array(itemSchema), '@odata.nextLink': z.string().optional(), '@odata.deltaLink': z.string().optional() })
const select = '$select=id,name,size,cTag,eTag,file,deleted,parentReference'
const maxPages = 200

export class SharePointRoster implements Roster, DeltaSource {
  readonly locator: string
  readonly isMetered = true
  readonly #graph: Graph
  readonly #place: SharePointPlace
  readonly #replica: Replica
  #drive: Promise<string> | undefined
  /** Folder ids of the roster: delta answers may leave the path of a parent out, never its id. */
  readonly marks = new Map<string, string>()

  constructor(place: SharePointPlace, access: GraphAccess, memory?: ReplicaMemory) {
    this.locator = place.locator
    this.#place = place
    this.#graph = new Graph(place.locator, access)
    this.#replica = new Replica(this, memory)
  }

  async prepare(options: Options = {}): Promise<void> {
    await this.#asking(async () => {
      const parts = this.#place.folder.split('/')
      for (let depth = 1; depth <= parts.length; depth++) await this.#makeFolder(parts.slice(0, depth), options)
      for (const folder of Object.keys(recordFolders)) await this.#makeFolder([...parts, folder], options)
    })
  }

  async #makeFolder(parts: readonly string[], options: Options): Promise<void> {
    const drive = await this.#driveId(options)
    const parent = parts.length === 1 ? 'root' : `root:/${pathOf(parts.slice(0, -1))}:`
    try {
      await this.#graph.post(`/drives/${drive}/${parent}/children`, { 'name': parts.at(-1), 'folder': {}, '@microsoft.graph.conflictBehavior': 'fail' }, options)
    } catch (error) {
      if (!hasStatus(error, 409)) throw error // nameAlreadyExists
    }
  }

  get restSeconds(): number {
    return this.#graph.restSeconds
  }

  async about(options: Options = {}): Promise<string> {
    return await this.#asking(async () => {
      const { displayName, webUrl } = await this.#site(options)
      const { library, folder } = this.#place
      return `the site “${displayName ?? ''}” (${webUrl ?? this.#place.host}), library ${library ?? 'of the site'}, folder ${folder}`
    })
  }

  async list(cursor?: string, options: ListOptions = {}): Promise<RosterListing> {
    return await this.#asking(async () => await this.#replica.list(cursor, options))
  }

  async putOwn(name: string, text: string, options: Options = {}): Promise<void> {
    checkRecord(name, text)
    options.signal?.throwIfAborted()
    await this.#asking(async () => { await this.#put(name, text, options) })
  }

  /** 409 resourceModified and 412 come on plain writes too when two meet: the last writer wins, so it is written again. */
  async #put(name: string, text: string, options: Options): Promise<void> {
    const path = await this.#filePath(name, options)
    await this.#graph.pastConflicts(async () => await this.#graph.putText(`${path}:/content`, text, options), options)
  }

  async createOnce(name: string, text: string, options: Options = {}): Promise<'created' | 'exists'> {
    checkRecord(name, text)
    options.signal?.throwIfAborted()
    return await this.#asking(async () => {
      const path = await this.#filePath(name, options)
      try {
        await this.#graph.putText(`${path}:/content?@microsoft.graph.conflictBehavior=fail`, text, options)
        return 'created'
      } catch (error) {
        if (!hasStatus(error, 409, 412)) throw error
        // nameAlreadyExists, or another writer at this moment; or it is our own, and the answer to it was lost.
        return await this.#textAt(path, options) === text ? 'created' : 'exists'
      }
    })
  }

  async remove(name: string, options: Options = {}): Promise<void> {
    checkRecord(name)
    await this.#asking(async () => {
      try {
        const path = await this.#filePath(name, options)
        await this.#graph.pastConflicts(async () => { await this.#graph.delete(path, options) }, options)
      } catch (error) {
        if (!hasStatus(error, 404)) throw error
      }
    })
  }

  async whole(options: Options): Promise<Changes> {
    const drive = await this.#driveId(options)
    // Before the listing, so that what changes meanwhile is told next time.
    const { link } = await this.#pages(`/drives/${drive}/root/delta?token=latest&${select}`, options)
    const items: Found[] = []
    this.marks.clear()
    for (const folder of Object.keys(recordFolders)) {
      const path = `/drives/${drive}/root:/${pathOf([this.#place.folder, folder])}`
      try {
        const { id } = itemSchema.parse(await this.#graph.get(`${path}?$select=id`, options))
        this.marks.set(id, folder)
        const { found } = await this.#pages(`${path}:/children?$top=200&${select}`, options)
        items.push(...found.filter(({ file }) => file !== undefined).map((item) => recordOf(item, folder)))
      } catch (error) {
        if (!hasStatus(error, 404)) throw error
      }
    }
    return { items, removed: [], link }
  }

  async since(link: string, options: Options): Promise<Changes | undefined> {
    if (this.marks.size < Object.keys(recordFolders).length) return undefined
    try {
      const { found, link: next } = await this.#pages(link, options)
      if (found.some(({ id, deleted }) => deleted !== undefined && this.marks.has(id))) return undefined // made anew, its folders have other ids
      const items: Found[] = []
      for (const item of found) {
        const folder = this.marks.get(item.parentReference?.id ?? '')
        if (folder !== undefined && item.file !== undefined && item.deleted === undefined) items.push(recordOf(item, folder))
      }
      return { items, removed: found.filter(({ deleted }) => deleted !== undefined).map(({ id }) => id), link: next }
    } catch (error) {
      if (hasStatus(error, 410)) return undefined
      throw error
    }
  }

  async read(item: Item, options: Options): Promise<string | undefined> {
    return await this.#textAt(`/drives/${await this.#driveId(options)}/items/${item.id}`, options)
  }

  /** Undefined when it went away meanwhile. */
  async #textAt(path: string, options: Options): Promise<string | undefined> {
    try {
      return await this.#graph.getText(`${path}${path.includes('/root:/') ? ':' : ''}/content`, options)
    } catch (error) {
      if (hasStatus(error, 404)) return undefined
      throw error
    }
  }

  async #pages(first: string, options: Options): Promise<{ found: DriveItem[]; link: string }> {
    const found: DriveItem[] = []
    let next: string | undefined = first
    let link = ''
    for (let page = 0; next !== undefined && page < maxPages; page++) {
      const answer: z.infer<typeof pageSchema> = pageSchema.parse(await this.#graph.get(next, options))
      found.push(...answer.value)
      link = answer['@odata.deltaLink'] ?? link
      next = answer['@odata.nextLink']
    }
    return { found, link }
  }

  async #filePath(name: string, options: Options): Promise<string> {
    const { folder, file } = checkRecord(name)
    return `/drives/${await this.#driveId(options)}/root:/${pathOf([this.#place.folder, folder, file])}`
  }

  async #driveId(options: Options): Promise<string> {
    this.#drive ??= this.#findDrive(options).catch((error: unknown) => {
      this.#drive = undefined
      throw error
    })
    return await this.#drive
  }

  async #findDrive(options: Options): Promise<string> {
    const { library } = this.#place
    const { id } = await this.#site(options)
    if (library === undefined) return driveSchema.parse(await this.#graph.get(`/sites/${id}/drive?$select=id`, options)).id
    const { value } = drivesSchema.parse(await this.#graph.get(`/sites/${id}/drives?$select=id,name,webUrl`, options))
    // A library's address keeps the name that it was made with: "Shared Documents" is shown as "Documents".
    const drive = value.find(({ name, webUrl }) => name === library || decodeURIComponent(webUrl?.split('/').at(-1) ?? '') === library)
    if (drive === undefined) throw this.#graph.missing(`the site has no library ${library}`)
    return drive.id
  }

  async #site(options: Options): Promise<z.infer<typeof siteSchema>> {
    const { host, site } = this.#place
    return siteSchema.parse(await this.#graph.get(site === '' ? `/sites/${host}` : `/sites/${host}:${encodeURI(site)}`, options))
  }

  async #asking<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw this.#graph.unexpected(error)
    }
  }
}

function recordOf({ id, name, cTag, eTag, size, file }: DriveItem, folder: string): Found {
  const digest = file?.hashes?.quickXorHash
  return {
    id, name: `${folder}/${name}`, version: cTag ?? eTag ?? String(size),
    is: digest === undefined ? undefined : (text) => quickXorHash(Buffer.from(text)) === digest,
  }
}

/** Each part encoded for a path in an address. */
function pathOf(parts: readonly string[]): string {
  return parts.flatMap((part) => part.split('/')).filter((part) => part !== '').map(encodeURIComponent).join('/')
}

