/** A small file of the home that is read whole and written whole, as those see it who keep something in it. */
import type { z } from 'zod'

export interface KeptText {
  /** Undefined when there is none yet. */
  readonly read: () => string | undefined
  readonly write: (text: string) => void
}

/** What the text says; undefined when there is none, or it is damaged: whoever kept it begins anew. */
export function parseKept<T>(text: string | undefined, schema: z.ZodType<T>): T | undefined {
  try {
    return text === undefined ? undefined : schema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}
