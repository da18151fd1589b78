/**
 * A copy of what a roster in Microsoft 365 holds, kept up to date by delta queries: a poll costs one request when nothing
 * changed, whatever the group's size, and a restart does not read everything again.
 *
 * It is evidence like the roster itself: what it says is verified by membership.ts.
 */
import { z } from 'zod'
import type { Options } from '../directory.ts'
import { isRecordName, maxListingBytes, maxRecordBytes, maxRecords } from '../names.ts'
import type { ListOptions, RosterListing } from '../port.ts'

export interface Item {
  readonly id: string
  readonly name: string
  /** Changes when the content does. */
  readonly version: string
}

export interface Found extends Item {
  /** When the answer carried it. */
  readonly text?: string | undefined
  /** Whether a text is the one that lies there; undefined when the answer does not tell. */
  readonly is?: ((text: string) => boolean) | undefined
}

export interface Changes {
  readonly items: readonly Found[]
  readonly removed: readonly string[]
  readonly link: string
}

/** What a kind of place does for its replica. */
export interface DeltaSource {
  /** What it has to remember along with a link, over a restart too. */
  readonly marks: Map<string, string>
  /** Everything, and the link that tells what changes from then on. */
  whole(options: Options): Promise<Changes>
  /** Undefined when the link is no longer good (410): everything has to be read again. */
  since(link: string, options: Options): Promise<Changes | undefined>
  read(item: Item, options: Options): Promise<string | undefined>
}

/** Keeps the copy over a restart. */
export interface ReplicaMemory {
  load(): Promise<string | undefined>
  save(text: string): Promise<void>
}

const stateSchema = z.object({
  v: z.literal(1), link: z.string(), marks: z.record(z.string(), z.string()).default({}),
  items: z.array(z.object({ id: z.string(), name: z.string(), version: z.string(), text: z.string().max(maxRecordBytes).optional() })).max(maxRecords),
})
interface Kept extends Item {
  /** Undefined: nobody wanted it yet. */
  readonly text: string | undefined
  readonly is?: Found['is']
  /** Of the copy, when it came in. */
  readonly revision: number
}

export class Replica {
  readonly #source: DeltaSource
  readonly #memory: ReplicaMemory | undefined
  readonly #items = new Map<string, Kept>()
  #link: string | undefined
  #loaded = false
  #ignored = 0
  /** Characters of all texts. */
  #length = 0
  #revision = 0
  /** The revision in which an item went away last. */
  #removedAt = 0

  constructor(source: DeltaSource, memory?: ReplicaMemory) {
    this.#source = source
    this.#memory = memory
  }

  /** Brought up to date; in the order of versions what changed since the cursor, or everything when something went away since. */
  async list(cursor: string | undefined, options: ListOptions): Promise<RosterListing> {
    await this.#load()
    await this.#refresh(options)
    await this.#readWanted(options)
    const since = cursor === undefined ? -1 : Number(cursor)
    const whole = !(since >= this.#removedAt)
    const items = [...this.#items.values()].filter((item): item is Kept & { text: string } => item.text !== undefined && (whole || item.revision > since)).sort((a, b) => (a.version < b.version ? -1 : Number(a.version > b.version)))
    return { records: items.map(({ name, text }) => ({ name, text })), cursor: String(this.#revision), ignored: this.#ignored, whole }
  }

  async #refresh(options: ListOptions): Promise<void> {
    const changes = this.#link === undefined ? undefined : await this.#source.since(this.#link, options)
    const { items, removed, link } = changes ?? await this.#source.whole(options)
    let changed = false
    this.#revision++
    if (changes === undefined) {
      changed = true
      this.#removedAt = this.#revision
      this.#ignored = 0
      const there = new Set(items.map(({ id }) => id))
      for (const id of this.#items.keys()) if (!there.has(id)) changed = this.#drop(id) || changed
    }
    for (const id of removed) changed = this.#drop(id) || changed
    for (const item of items) changed = await this.#take(item, options) || changed
    const moved = link !== this.#link
    this.#link = link
    if (!changed) this.#revision--
    if (changed || moved) await this.#save()
  }

  /** True when it is new or different. */
  async #take(item: Found, options: ListOptions): Promise<boolean> {
    const known = this.#items.get(item.id)
    if (known !== undefined && known.version === item.version && known.name === item.name) return false
    const fits = isRecordName(item.name) && (known !== undefined || this.#items.size < maxRecords)
    if (fits && item.text === undefined && options.wanted?.(item.name) === false) {
      this.#put({ id: item.id, name: item.name, version: item.version, is: item.is, text: undefined, revision: this.#revision })
      return true
    }
    return this.#fill(item, fits ? await this.#textOf(item, options) : undefined)
  }

  /** What nobody wanted when it came in. */
  async #readWanted(options: ListOptions): Promise<void> {
    const waiting = [...this.#items.values()].filter(({ text, name }) => text === undefined && options.wanted?.(name) !== false)
    if (waiting.length === 0) return
    this.#revision++
    for (const item of waiting) this.#fill(item, await this.#textOf({ ...item, text: undefined }, options))
    await this.#save()
  }

  /** Puts the text there, or counts what cannot be a record. */
  #fill(item: Item, text: string | undefined): boolean {
    if (text === undefined || text === '' || Buffer.byteLength(text) > maxRecordBytes || this.#length + text.length > maxListingBytes) {
      this.#ignored++
      return this.#drop(item.id)
    }
    this.#put({ id: item.id, name: item.name, version: item.version, text, revision: this.#revision })
    return true
  }

  #put(item: Kept): void {
    this.#length -= this.#items.get(item.id)?.text?.length ?? 0
    this.#items.set(item.id, item)
    this.#length += item.text?.length ?? 0
  }

  #drop(id: string): boolean {
    const item = this.#items.get(id)
    if (item === undefined) return false
    this.#length -= item.text?.length ?? 0
    this.#removedAt = this.#revision
    return this.#items.delete(id)
  }

  /** What the machine knows from elsewhere, as a rule by gossip, is not asked for. */
  async #textOf(item: Found, { known, signal }: ListOptions): Promise<string | undefined> {
    if (item.text !== undefined) return item.text
    const text = known?.(item.name)
    return text !== undefined && item.is?.(text) === true ? text : await this.#source.read(item, { signal })
  }

  async #load(): Promise<void> {
    if (this.#loaded) return
    this.#loaded = true
    const text = await this.#memory?.load()
    if (text === undefined) return
    const parsed = stateSchema.safeParse(parseJson(text))
    if (!parsed.success) return // a copy: it is read again
    this.#link = parsed.data.link
    for (const item of parsed.data.items) this.#put({ ...item, text: item.text, revision: 0 })
    for (const [key, value] of Object.entries(parsed.data.marks)) this.#source.marks.set(key, value)
  }

  async #save(): Promise<void> {
    await this.#memory?.save(JSON.stringify({ v: 1, link: this.#link, marks: Object.fromEntries(this.#source.marks), items: [...this.#items.values()].map(({ id, name, version, text }) => ({ id, name, version, text })) }))
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
