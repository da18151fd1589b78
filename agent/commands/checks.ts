/** When this owner's data was last read back and found right: kept in the home, told in status and coverage. */
import { z } from 'zod'

export interface CheckFile {
  read(): string | undefined
  write(text: string): void
}

const fileSchema = z.object({ v: z.literal(1), lastVerified: z.iso.datetime().nullable() })

export class Checks {
  readonly #file: CheckFile
  #lastVerified: string | null

  /** A damaged file counts as none: the next check writes it anew. */
  constructor(file: CheckFile) {
    this.#file = file
    this.#lastVerified = readTime(file.read())
  }

  get lastVerified(): string | null {
    return this.#lastVerified
  }

  /** `nowMs` since 1970. */
  noteVerified(nowMs: number): void {
    this.#lastVerified = new Date(nowMs).toISOString()
    this.#file.write(JSON.stringify({ v: 1, lastVerified: this.#lastVerified }))
  }
}

function readTime(text: string | undefined): string | null {
  try {
    return text === undefined ? null : fileSchema.parse(JSON.parse(text)).lastVerified
  } catch {
    return null
  }
}
