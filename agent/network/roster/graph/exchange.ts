/**
 * A roster in an Exchange mailbox, as a rule a shared one: a hidden folder with one message for each record, the record's
 * name as its subject and the record as its text.
 *
 * Exchange cannot create a message only if none of that subject is there: who creates looks afterwards, and the oldest
 * message of a name is the one that counts; nothing rests on it. Duplicates are removed by whoever replaces the record. One
 * whose answer was lost is looked for by its text before it is sent again.
 */
import { z } from 'zod'
import type { Options } from '../directory.ts'
import { checkRecord } from '../names.ts'
import type { ListOptions, Roster, RosterListing } from '../port.ts'
import { Graph, type GraphAccess, hasStatus } from './graph.ts'
import { type Changes, type DeltaSource, Replica, type ReplicaMemory } from './replica.ts'

export interface MailboxPlace {
  readonly locator: string
  /** `holdfast@contoso.com` */
  readonly mailbox: string
}

const folderName = 'Holdfast roster'
const folderSchema = z.object({ id: z.string(), displayName: z.string() })
const foldersSchema = z.object({ value: z.array(folderSchema) })
const messageSchema = z.object({
  'id': z.string(), 'subject': z.string().nullish(), 'changeKey': z.string().optional(), 'createdDateTime': z.string().optional(),
  'body': z.object({ content: z.string() }).optional(), '@removed': z.object({}).optional(),
})
type Message = z.infer<typeof messageSchema>
const pageSchema = z.object({ 'value': z.array(messageSchema), '@odata.nextLink': z.string().optional(), '@odata.deltaLink': z.string().optional() })
const select = '$select=subject,body,changeKey,createdDateTime'
const asText = { headers: { prefer: 'outlook.body-content-type="text", odata.maxpagesize=100, IdType="ImmutableId"' } }
const maxPages = 400

export class ExchangeRoster implements Roster, DeltaSource {
  readonly locator: string
  readonly isMetered = true
  readonly #graph: Graph
  readonly #address: string
  readonly #mailbox: string
  readonly #replica: Replica
  readonly marks = new Map<string, string>()
  #folder: string | undefined

  constructor({ locator, mailbox }: MailboxPlace, access: GraphAccess, memory?: ReplicaMemory) {
    this.locator = locator
    this.#address = mailbox
    this.#mailbox = `/users/${encodeURIComponent(mailbox)}`
    this.#graph = new Graph(locator, access)
    this.#replica = new Replica(this, memory)
  }

  async prepare(options: Options = {}): Promise<void> {
    await this.#asking(async () => {
      if (await this.#findFolder(options) !== undefined) return
      try {
        await this.#graph.postOnce(`${this.#mailbox}/mailFolders/msgfolderroot/childFolders`, { displayName: folderName, isHidden: true }, {
          ...options, isDone: async () => await this.#findFolder(options) !== undefined,
        })
      } catch (error) {
        if (!hasStatus(error, 409)) throw error // ErrorFolderExists: another founder at this moment
      }
    })
  }

  get restSeconds(): number {
    return this.#graph.restSeconds
  }

  async about(options: Options = {}): Promise<string> {
    return await this.#asking(async () => {
      const isThere = await this.#findFolder(options) !== undefined
      return `the mailbox ${this.#address}, ${isThere ? `its hidden folder “${folderName}”` : `which has no folder “${folderName}” yet`}`
    })
  }

  async list(cursor?: string, options: ListOptions = {}): Promise<RosterListing> {
    return await this.#asking(async () => {
      const listing = await this.#replica.list(cursor, options)
      return { ...listing, records: oldestOfEach(listing.records) }
    })
  }

  async putOwn(name: string, text: string, options: Options = {}): Promise<void> {
    checkRecord(name, text)
    options.signal?.throwIfAborted()
    await this.#asking(async () => {
      const [first, ...more] = await this.#find(name, options)
      if (first === undefined) await this.#create(name, text, options)
      else await this.#graph.pastConflicts(async () => await this.#graph.patch(`${this.#mailbox}/messages/${first.id}`, { body: bodyOf(text) }, options), options)
      for (const { id } of more) await this.#delete(id, options)
    })
  }

  async createOnce(name: string, text: string, options: Options = {}): Promise<'created' | 'exists'> {
    checkRecord(name, text)
    options.signal?.throwIfAborted()
    return await this.#asking(async () => {
      const [earlier] = await this.#find(name, options)
      if (earlier !== undefined) return isOf(earlier, text) ? 'created' : 'exists' // our own may have come though its answer was lost
      await this.#create(name, text, options)
      const found = await this.#find(name, options)
      const [first] = found
      for (const message of found) if (message !== first && isOf(message, text)) await this.#delete(message.id, options)
      return first === undefined || isOf(first, text) ? 'created' : 'exists'
    })
  }

  async remove(name: string, options: Options = {}): Promise<void> {
    checkRecord(name)
    await this.#asking(async () => {
      for (const { id } of await this.#find(name, options)) await this.#delete(id, options)
    })
  }

  async #create(name: string, text: string, options: Options): Promise<void> {
    await this.#graph.postOnce(`${await this.#folderPath(options)}/messages`, { subject: name, body: bodyOf(text) }, {
      ...options, ...asText, isDone: async () => (await this.#find(name, options)).some((message) => isOf(message, text)),
    })
  }

  async #delete(id: string, options: Options): Promise<void> {
    try {
      await this.#graph.delete(`${this.#mailbox}/messages/${id}`, options)
    } catch (error) {
      if (!hasStatus(error, 404)) throw error
    }
  }

  /** The messages of a record, oldest first. */
  async #find(name: string, options: Options): Promise<Message[]> {
    const filter = encodeURIComponent(`subject eq '${name.replaceAll('\'', '\'\'')}'`)
    const { found } = await this.#pages(`${await this.#folderPath(options)}/messages?$filter=${filter}&$select=subject,createdDateTime,body&$top=50`, options)
    return found.filter(({ subject }) => subject === name).sort(byAge)
  }

  async whole(options: Options): Promise<Changes> {
    return changesOf(await this.#pages(`${await this.#folderPath(options)}/messages/delta?${select}`, options))
  }

  async since(link: string, options: Options): Promise<Changes | undefined> {
    try {
      return changesOf(await this.#pages(link, options))
    } catch (error) {
      if (hasStatus(error, 410)) return undefined
      throw error
    }
  }

  async read(item: { readonly id: string }, options: Options): Promise<string | undefined> {
    try {
      return messageSchema.parse(await this.#graph.get(`${this.#mailbox}/messages/${item.id}?${select}`, { ...options, ...asText })).body?.content.trim()
    } catch (error) {
      if (hasStatus(error, 404)) return undefined
      throw error
    }
  }

  async #pages(first: string, options: Options): Promise<{ found: Message[]; link: string }> {
    const found: Message[] = []
    let next: string | undefined = first
    let link = ''
    for (let page = 0; next !== undefined && page < maxPages; page++) {
      const answer: z.infer<typeof pageSchema> = pageSchema.parse(await this.#graph.get(next, { ...options, ...asText }))
      found.push(...answer.value)
      link = answer['@odata.deltaLink'] ?? link
      next = answer['@odata.nextLink']
    }
    return { found, link }
  }

  async #folderPath(options: Options): Promise<string> {
    this.#folder ??= await this.#findFolder(options)
    if (this.#folder === undefined) throw this.#graph.missing(`the mailbox has no folder "${folderName}" yet; whoever founds the group makes it`)
    return `${this.#mailbox}/mailFolders/${this.#folder}`
  }

  async #findFolder(options: Options): Promise<string | undefined> {
    const { value } = foldersSchema.parse(await this.#graph.get(`${this.#mailbox}/mailFolders/msgfolderroot/childFolders?includeHiddenFolders=true&$top=200`, options))
    return value.find(({ displayName }) => displayName === folderName)?.id
  }

  async #asking<T>(work: () => Promise<T>): Promise<T> {
    try {
      return await work()
    } catch (error) {
      throw this.#graph.unexpected(error)
    }
  }
}

function bodyOf(text: string): { contentType: 'text'; content: string } {
  return { contentType: 'text', content: text }
}

function isOf({ body }: Message, text: string): boolean {
  return body?.content.trim() === text.trim()
}

/** A version begins with the age, so that of several records of one name the oldest comes first. */
function changesOf({ found, link }: { found: readonly Message[]; link: string }): Changes {
  return {
    items: found.filter((message) => message['@removed'] === undefined).map(({ id, subject, changeKey, createdDateTime, body }) => ({
      id, name: subject ?? '', version: `${createdDateTime ?? ''} ${changeKey ?? ''}`, text: body?.content.trim(),
    })),
    removed: found.filter((message) => message['@removed'] !== undefined).map(({ id }) => id),
    link,
  }
}

function byAge(a: Message, b: Message): number {
  return (a.createdDateTime ?? '').localeCompare(b.createdDateTime ?? '') || a.id.localeCompare(b.id)
}

function oldestOfEach<T extends { readonly name: string }>(records: readonly T[]): T[] {
  const seen = new Set<string>()
  return records.filter(({ name }) => !seen.has(name) && seen.add(name))
}
