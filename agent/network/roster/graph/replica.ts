/**
 * A copy of what a roster in Microsoft 365 holds, kept up to date by delta queries: a poll costs one request when nothing
 * changed, whatever the group's size, and a restart does not read everything again.
 *
 * It is evidence like the roster itself: what it says is verified by membership.ts.
 */
import { z } from 'zod'
import type { Options } from '../directory.ts'
import { isRecordName, maxListingBytes, maxRecordBytes, maxRecords } from '../names.ts'
import type { RosterListing } from '../port.ts'

export interface Item {
  readonly id: string
  readonly name: string
  /** Changes when the content does. */
  readonly version: string
}

export interface Changes {
  /** `text` when the answer carried it. */
  readonly items: readonly (Item & { readonly text?: string | undefined })[]
  readonly removed: readonly string[]
  readonly link: string
}

/** What a kind of place does for its replica. */
export interface DeltaSource {
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
  v: z.literal(1), link: z.string(),
  items: z.array(z.object({ id: z.string(), name: z.string(), version: z.string(), text: z.string().max(maxRecordBytes) })).max(maxRecords),
})
interface Kept extends Item { readonly text: string }

export class Replica {
  readonly #source: DeltaSource
  readonly #memory: ReplicaMemory | undefined
  readonly #items = new Map<string, Kept>()
  #link: string | undefined
  #loaded = false
  #ignored = 0
  #revision = 0

  constructor(source: DeltaSource, memory?: ReplicaMemory) {
    this.#source = source
    this.#memory = memory
  }

  /** Brought up to date; everything, unless nothing changed since the cursor. */
  async list(cursor: string | undefined, options: Options): Promise<RosterListing> {
    await this.#load()
    await this.#refresh(options)
    const next = `${this.#link ?? ''}#${this.#revision}`
    const revision = cursor?.slice(cursor.lastIndexOf('#') + 1)
    if (revision === String(this.#revision)) return { records: [], cursor: next, ignored: this.#ignored, whole: false }
    return { records: [...this.#items.values()].map(({ name, text }) => ({ name, text })), cursor: next, ignored: this.#ignored, whole: true }
  }

  find(name: string): Item | undefined {
    return [...this.#items.values()].find((item) => item.name === name)
  }

  async #refresh(options: Options): Promise<void> {
    const changes = this.#link === undefined ? undefined : await this.#source.since(this.#link, options)
    const { items, removed, link } = changes ?? await this.#source.whole(options)
    let changed = false
    if (changes === undefined) {
      this.#ignored = 0
      const there = new Set(items.map(({ id }) => id))
      for (const id of this.#items.keys()) if (!there.has(id)) changed = this.#items.delete(id) || changed
    }
    for (const id of removed) changed = this.#items.delete(id) || changed
    for (const item of items) changed = await this.#take(item, options) || changed
    const moved = link !== this.#link
    this.#link = link
    if (changed) this.#revision++
    if (changed || moved) await this.#save()
  }

  /** True when it is new or different. */
  async #take(item: Item & { readonly text?: string | undefined }, options: Options): Promise<boolean> {
    const known = this.#items.get(item.id)
    if (known !== undefined && known.version === item.version && known.name === item.name) return false
    const text = isRecordName(item.name) && (known !== undefined || this.#items.size < maxRecords) ? item.text ?? await this.#source.read(item, options) : undefined
    if (text === undefined || text === '' || Buffer.byteLength(text) > maxRecordBytes || this.#bytes() + text.length > maxListingBytes) {
      this.#ignored++
      return this.#items.delete(item.id)
    }
    this.#items.set(item.id, { id: item.id, name: item.name, version: item.version, text })
    return true
  }

  #bytes(): number {
    let bytes = 0
    for (const { text } of this.#items.values()) bytes += text.length
    return bytes
  }

  async #load(): Promise<void> {
    if (this.#loaded) return
    this.#loaded = true
    const text = await this.#memory?.load()
    if (text === undefined) return
    const parsed = stateSchema.safeParse(parseJson(text))
    if (!parsed.success) return // a copy: it is read again
    this.#link = parsed.data.link
    for (const item of parsed.data.items) this.#items.set(item.id, item)
  }

  async #save(): Promise<void> {
    await this.#memory?.save(JSON.stringify({ v: 1, link: this.#link, items: [...this.#items.values()] }))
  }
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
