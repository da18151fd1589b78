/**
 * Which alerts stand, since when, and who was told: a mail goes out when one is raised and when it is over, never daily.
 * An alert that may pass by itself is raised only once it has stood for its time. Kept in the home, so that a restart
 * tells nothing twice; a mail that could not be sent is tried again with the next look.
 */
import { z } from 'zod'
import { type Notice, noticeSchema } from '../../shared/notices.ts'
import { type KeptText, parseKept } from '../kept-text.ts'

export interface Alert {
  /** Names the state, such as `stale:MACHINE`: it is raised once, however its text changes. */
  readonly key: string
  readonly text: string
  /** The same for those who say it in words of their own. */
  readonly notices: readonly Notice[]
  /** About this machine's own backup; else only the admins are told. */
  readonly own: boolean
  /** It has to stand so long before anybody is told, ms. */
  readonly afterMs: number
  /** Another machine tells of it now. What this one told of it before is remembered, for when it speaks again. */
  readonly quiet?: boolean | undefined
}

const entrySchema = z.object({ since: z.number(), text: z.string(), own: z.boolean(), raised: z.boolean(), told: z.boolean(), over: z.boolean(), quiet: z.boolean().default(false), notices: z.array(noticeSchema).catch([]) })
const fileSchema = z.object({ v: z.literal(1), alerts: z.record(z.string(), entrySchema) })
type Entry = z.infer<typeof entrySchema>

export interface Standing {
  /** Ms since 1970. */
  readonly since: number
  readonly text: string
  readonly own: boolean
  readonly notices: readonly Notice[]
}

/** What is to be told, and what to call once it was. */
export interface News {
  readonly raised: readonly Standing[]
  readonly over: readonly Standing[]
}

export class AlertBook {
  readonly #file: KeptText
  readonly #alerts: Map<string, Entry>

  /** A damaged file counts as none: what stands is told once more. */
  constructor(file: KeptText) {
    this.#file = file
    this.#alerts = new Map(Object.entries(parseKept(file.read(), fileSchema)?.alerts ?? {}))
  }

  /** Raised and not over, oldest first. */
  standing(): Standing[] {
    return [...this.#alerts.values()].filter(({ raised, over, quiet }) => raised && !over && !quiet).sort((a, b) => a.since - b.since)
  }

  /** Takes in what is so now; returns what nobody was told yet. */
  update(alerts: readonly Alert[], nowMs: number): News {
    const before = JSON.stringify([...this.#alerts])
    const now = new Map(alerts.map((alert) => [alert.key, alert]))
    for (const { key, text, notices, own, afterMs, quiet = false } of alerts) {
      const known = this.#alerts.get(key)
      const since = known === undefined || known.over ? nowMs : known.since
      const raised = (known !== undefined && !known.over && known.raised) || nowMs - since >= afterMs
      this.#alerts.set(key, { since, text, notices: [...notices], own, raised, told: known !== undefined && !known.over && known.told, over: false, quiet })
    }
    for (const [key, entry] of this.#alerts) {
      if (now.has(key)) continue
      if (entry.told && !entry.quiet) this.#alerts.set(key, { ...entry, over: true })
      else this.#alerts.delete(key)
    }
    if (JSON.stringify([...this.#alerts]) !== before) this.#save()
    const entries = [...this.#alerts.values()]
    return { raised: entries.filter(({ raised, told, over, quiet }) => raised && !told && !over && !quiet), over: entries.filter(({ over }) => over) }
  }

  /** Call when the news was sent. */
  told(): void {
    for (const [key, entry] of this.#alerts) {
      if (entry.over) this.#alerts.delete(key)
      else if (entry.raised && !entry.quiet) this.#alerts.set(key, { ...entry, told: true })
    }
    this.#save()
  }

  #save(): void {
    this.#file.write(JSON.stringify({ v: 1, alerts: Object.fromEntries(this.#alerts) }))
  }
}
