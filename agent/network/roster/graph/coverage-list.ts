/**
 * The list "Holdfast coverage" in a team site, for admins who look there: one row for each member and machine. It is made
 * when an admin asks for it; a row is written when something in it changed and never otherwise. Nothing reads it back into
 * Holdfast, and whoever edits it changes nothing but what is shown until the row changes next.
 */
import { z } from 'zod'
import type { Options } from '../directory.ts'
import { Graph, type GraphAccess, hasStatus } from './graph.ts'
import type { SharePointPlace } from './sharepoint.ts'

export const listName = 'Holdfast coverage'

/** Sizes are text with a unit; times are RFC 3339 or empty. No age is in it: an age changes by itself. */
export interface CoverageRow {
  /** What tells rows apart: machine and owner. */
  readonly key: string
  readonly member: string
  readonly state: string
  readonly lastBackup: string
  readonly copies: string
  readonly notYet: string
  readonly verified: string
  readonly machine: string
}

const columns = ['Key', 'State', 'LastBackup', 'Copies', 'NotYet', 'Verified', 'Machine'] as const
const listSchema = z.object({ id: z.string(), webUrl: z.string().optional() })
const siteSchema = z.object({ id: z.string() })
const rowSchema = z.object({ id: z.string(), fields: z.record(z.string(), z.unknown()).default({}) })
const rowsSchema = z.object({ 'value': z.array(rowSchema), '@odata.nextLink': z.string().optional() })
const createdSchema = z.object({ id: z.string() })
const maxPages = 50

interface Shown { readonly id: string; readonly fields: Readonly<Record<string, string>> }

export class CoverageList {
  readonly #graph: Graph
  readonly #place: SharePointPlace
  /** The rows as they are in the list, by key; undefined: to be read first. */
  #shown: Map<string, Shown> | undefined
  #path: string | undefined

  constructor(place: SharePointPlace, access: GraphAccess) {
    this.#place = place
    this.#graph = new Graph(place.locator, access)
  }

  /** Makes the list when it is not there. Returns its address. Rejects `roster-unavailable`. */
  async create(options: Options = {}): Promise<string> {
    return await this.#asking(async () => {
      const lists = `${await this.#sitePath(options)}/lists`
      const known = await this.#find(lists, options)
      const made = known ?? listSchema.parse(await this.#graph.post(lists, {
        displayName: listName, columns: columns.map((name) => ({ name, text: {} })), list: { template: 'genericList' },
      }, options))
      return made.webUrl ?? `https://${this.#place.host}${this.#place.site}`
    })
  }

  /** Writes what differs and takes rows away of which nothing is known any more. Returns how many rows were written. */
  async update(rows: readonly CoverageRow[], options: Options = {}): Promise<number> {
    return await this.#asking(async () => {
      try {
        return await this.#write(rows, options)
      } catch (error) {
        this.#shown = undefined // somebody else wrote, or the list went away: it is read again next time
        throw error
      }
    })
  }

  async #write(rows: readonly CoverageRow[], options: Options): Promise<number> {
    const items = `${await this.#listPath(options)}/items`
    this.#shown ??= await this.#read(items, options)
    const shown = this.#shown
    let written = 0
    for (const row of rows) {
      const fields = fieldsOf(row)
      const known = shown.get(row.key)
      if (known !== undefined && Object.entries(fields).every(([name, value]) => known.fields[name] === value)) continue
      const id = known?.id ?? createdSchema.parse(await this.#graph.post(items, { fields }, options)).id
      if (known !== undefined) await this.#graph.pastConflicts(async () => await this.#graph.patch(`${items}/${known.id}/fields`, fields, options), options)
      shown.set(row.key, { id, fields })
      written++
    }
    const keys = new Set(rows.map(({ key }) => key))
    for (const [key, { id }] of shown) {
      if (keys.has(key)) continue
      await this.#remove(`${items}/${id}`, options)
      shown.delete(key)
      written++
    }
    return written
  }

  /** A row that a person typed has no key; of two with one key the second goes when it is next looked at. */
  async #read(items: string, options: Options): Promise<Map<string, Shown>> {
    const shown = new Map<string, Shown>()
    let next: string | undefined = `${items}?$expand=fields&$top=200`
    for (let page = 0; next !== undefined && page < maxPages; page++) {
      const answer: z.infer<typeof rowsSchema> = rowsSchema.parse(await this.#graph.get(next, options))
      for (const { id, fields } of answer.value) {
        const key = fields['Key']
        if (typeof key !== 'string' || key === '') continue
        if (shown.has(key)) await this.#remove(`${items}/${id}`, options)
        else shown.set(key, { id, fields: Object.fromEntries(Object.entries(fields).map(([name, value]) => [name, typeof value === 'string' ? value : ''])) })
      }
      next = answer['@odata.nextLink']
    }
    return shown
  }

  async #remove(path: string, options: Options): Promise<void> {
    try {
      await this.#graph.delete(path, options)
    } catch (error) {
      if (!hasStatus(error, 404)) throw error
    }
  }

  async #listPath(options: Options): Promise<string> {
    if (this.#path === undefined) {
      const lists = `${await this.#sitePath(options)}/lists`
      const list = await this.#find(lists, options)
      if (list === undefined) throw this.#graph.missing(`the site has no list "${listName}" any more; make it again with holdfast coverage list, or switch it off`)
      this.#path = `${lists}/${list.id}`
    }
    return this.#path
  }

  async #find(lists: string, options: Options): Promise<z.infer<typeof listSchema> | undefined> {
    try {
      return listSchema.parse(await this.#graph.get(`${lists}/${encodeURIComponent(listName)}?$select=id,webUrl`, options))
    } catch (error) {
      if (hasStatus(error, 404)) return undefined
      throw error
    }
  }

  async #sitePath(options: Options): Promise<string> {
    const { host, site } = this.#place
    const { id } = siteSchema.parse(await this.#graph.get(site === '' ? `/sites/${host}` : `/sites/${host}:${encodeURI(site)}`, options))
    return `/sites/${id}`
  }

  async #asking<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      if (hasStatus(error, 404)) this.#path = undefined
      throw this.#graph.unexpected(error)
    }
  }
}

function fieldsOf({ key, member, state, lastBackup, copies, notYet, verified, machine }: CoverageRow): Record<string, string> {
  return { Title: member, Key: key, State: state, LastBackup: lastBackup, Copies: copies, NotYet: notYet, Verified: verified, Machine: machine }
}
