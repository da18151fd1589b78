/**
 * Where a work group's rosters are, told on a group of Microsoft Entra: one open extension, written by an admin, found by
 * everybody who is in that group. It is a hint, never an order: who joins still needs an invitation, and the records in the
 * rosters are verified. It is no roster itself: an extension has 2 KB, no ETag and no delta.
 */
import { z } from 'zod'
import type { Options } from '../directory.ts'
import { Graph, type GraphAccess, hasStatus } from './graph.ts'
import type { MicrosoftApp } from './microsoft-sign-in.ts'

const extensionName = 'io.holdfast.workGroup'
const maxBytes = 2_048
const batchSize = 20

const contentSchema = z.object({ v: z.literal(1), net: z.string().max(64), name: z.string().max(80), rosters: z.array(z.string().max(1024)).min(1).max(8) })
/** What is told: the work group, and its rosters by their locators. */
export type Announcement = Omit<z.infer<typeof contentSchema>, 'v'>

export interface FoundAnnouncement extends Announcement {
  /** Name of the Entra group. */
  readonly group: string
}

const groupSchema = z.object({ id: z.string(), displayName: z.string().nullish() })
const groupsSchema = z.object({ 'value': z.array(groupSchema), '@odata.nextLink': z.string().optional() })
const batchSchema = z.object({ responses: z.array(z.object({ id: z.string(), status: z.int(), body: z.unknown() })) })
type Group = z.infer<typeof groupSchema>
const maxGroups = 500

export class GroupAnnouncements {
  readonly #graph: Graph

  /** `locator` names the directory in messages. */
  constructor(locator: string, access: GraphAccess) {
    this.#graph = new Graph(locator, access)
  }

  /** `group`: its id or mail address. Returns the group's name. Rejects `roster-unavailable`. */
  async announce(group: string, { net, name, rosters }: Announcement, options: Options = {}): Promise<string> {
    return await this.#asking(async () => {
      const content = { v: 1, net, name, rosters }
      if (Buffer.byteLength(JSON.stringify(content)) > maxBytes - 256) throw this.#graph.missing('the rosters of the work group are too long for one extension')
      const { id, displayName } = await this.#findGroup(group, options)
      try {
        await this.#graph.patch(`/groups/${id}/extensions/${extensionName}`, content, options)
      } catch (error) {
        if (!hasStatus(error, 404)) throw error
        await this.#graph.post(`/groups/${id}/extensions`, { '@odata.type': 'microsoft.graph.openTypeExtension', extensionName, ...content }, options)
      }
      return displayName ?? id
    })
  }

  /** No error when nothing is told there. */
  async withdraw(group: string, options: Options = {}): Promise<string> {
    return await this.#asking(async () => {
      const { id, displayName } = await this.#findGroup(group, options)
      try {
        await this.#graph.delete(`/groups/${id}/extensions/${extensionName}`, options)
      } catch (error) {
        if (!hasStatus(error, 404)) throw error
      }
      return displayName ?? id
    })
  }

  /** What is told on the groups that the account is in. What is no announcement of ours is passed over. */
  async find(options: Options = {}): Promise<FoundAnnouncement[]> {
    return await this.#asking(async () => {
      const groups = await this.#groups('/me/memberOf/microsoft.graph.group?$select=id,displayName&$top=100', options)
      const found: FoundAnnouncement[] = []
      for (let at = 0; at < groups.length; at += batchSize) found.push(...await this.#read(groups.slice(at, at + batchSize), options))
      return found
    })
  }

  /** One request for twenty groups; a part that Microsoft throttles is asked for again by itself. */
  async #read(groups: readonly Group[], options: Options): Promise<FoundAnnouncement[]> {
    const address = ({ id }: Group) => `/groups/${id}/extensions/${extensionName}`
    const requests = groups.map((group, index) => ({ id: String(index), method: 'GET', url: address(group) }))
    const { responses } = batchSchema.parse(await this.#graph.post('/$batch', { requests }, options))
    const found: FoundAnnouncement[] = []
    for (const { id, status, body } of responses) {
      const group = groups[Number(id)]
      if (group === undefined || status === 404) continue
      const content = contentSchema.safeParse(status === 200 ? body : await this.#again(address(group), options))
      if (content.success) found.push({ group: group.displayName ?? group.id, net: content.data.net, name: content.data.name, rosters: content.data.rosters })
    }
    return found
  }

  async #again(path: string, options: Options): Promise<unknown> {
    try {
      return await this.#graph.get(path, options)
    } catch (error) {
      if (hasStatus(error, 404)) return undefined
      throw error
    }
  }

  async #findGroup(group: string, options: Options): Promise<Group> {
    if (!group.includes('@')) return groupSchema.parse(await this.#graph.get(`/groups/${encodeURIComponent(group)}?$select=id,displayName`, options))
    const filter = encodeURIComponent(`mail eq '${group.replaceAll('\'', '\'\'')}'`)
    const [found] = await this.#groups(`/groups?$filter=${filter}&$select=id,displayName`, options)
    if (found === undefined) throw this.#graph.missing(`there is no group ${group}, or this account may not see it`)
    return found
  }

  async #groups(first: string, options: Options): Promise<Group[]> {
    const found: Group[] = []
    let next: string | undefined = first
    while (next !== undefined && found.length < maxGroups) {
      const page: z.infer<typeof groupsSchema> = groupsSchema.parse(await this.#graph.get(next, options))
      found.push(...page.value)
      next = page['@odata.nextLink']
    }
    return found
  }

  async #asking<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw this.#graph.unexpected(error)
    }
  }
}

/** What names an app in a tenant, as sign-ins and announcements take it. */
export function entraLocator({ client, tenant }: MicrosoftApp): string {
  return `entra:${tenant}?client=${client}`
}
