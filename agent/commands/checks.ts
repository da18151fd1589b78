/** When this owner's data was last read back and found right, and how the last drill went: kept in the home, told in status and coverage. */
import { z } from 'zod'
import { type KeptText, parseKept } from '../kept-text.ts'

const drillSchema = z.object({
  time: z.iso.datetime(), ok: z.boolean(), files: z.int().min(0), bytes: z.number().min(0), problems: z.array(z.string()),
  /** Files that were too large to be tried whole: `bytes` of `size`. */
  parts: z.array(z.object({ path: z.string(), bytes: z.number().min(0), size: z.number().min(0) })).default([]),
})
export type DrillOutcome = z.infer<typeof drillSchema>

const fileSchema = z.object({
  v: z.literal(1), lastVerified: z.iso.datetime().nullable(), inPart: z.boolean().default(false), drill: drillSchema.nullable().default(null), proved: z.string().nullable().default(null),
  provedInPart: z.string().nullable().default(null),
  /** The first drill since the last outcome that came to nothing because machines were off. */
  hinderedSince: z.iso.datetime().nullable().default(null),
})

const hinderedMs = 7 * 86_400_000

const none: z.infer<typeof fileSchema> = { v: 1, lastVerified: null, inPart: false, drill: null, proved: null, provedInPart: null, hinderedSince: null }

export class Checks {
  readonly #file: KeptText
  #known: z.infer<typeof fileSchema>

  /** A damaged file counts as none: the next check writes it anew. */
  constructor(file: KeptText) {
    this.#file = file
    this.#known = parseKept(file.read(), fileSchema) ?? none
  }

  get lastVerified(): string | null {
    return this.#known.lastVerified
  }

  /** What was verified last was, for a file at least, a part by lot. */
  get lastVerifiedInPart(): boolean {
    return this.#known.inPart
  }

  get drill(): DrillOutcome | null {
    return this.#known.drill
  }

  /** Ids of the newest snapshots of which data was read back and found right: whole files, and one of which a file was tried in part. */
  get proved(): string[] {
    return [this.#known.proved, this.#known.provedInPart].flatMap((id) => id ?? [])
  }

  /** `nowMs` since 1970; `snapshot`: the newest of those that were read. */
  noteVerified(nowMs: number, snapshot: string | undefined): void {
    this.#keep({ lastVerified: new Date(nowMs).toISOString(), inPart: false, ...(snapshot === undefined ? {} : { proved: snapshot }) })
  }

  /** One that went well is a verified restore too, in part when files were tried in parts. `snapshot`: the one that was tried. */
  noteDrill(drill: DrillOutcome, snapshot: string): void {
    const inPart = drill.parts.length > 0
    this.#keep({ drill, hinderedSince: null, ...(drill.ok ? { lastVerified: drill.time, inPart, ...(inPart ? { provedInPart: snapshot } : { proved: snapshot }) } : {}) })
  }

  /** A drill came to nothing because machines were off. True when none came to anything for a week: then that counts as failed. */
  noteHindered(nowMs: number): boolean {
    const since = this.#known.hinderedSince ?? new Date(nowMs).toISOString()
    this.#keep({ hinderedSince: since })
    return nowMs - Date.parse(since) >= hinderedMs
  }

  #keep(change: Partial<z.infer<typeof fileSchema>>): void {
    this.#known = { ...this.#known, ...change }
    this.#file.write(JSON.stringify(this.#known))
  }
}
