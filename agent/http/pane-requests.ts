/** The bodies of the requests that connect a pane, and that make a token for the ribbon. */
import { z } from 'zod'

export const pairSchema = z.union([
  z.strictObject({ ticket: z.string().min(1).max(256) }), z.strictObject({ code: z.string().min(1).max(32), remember: z.boolean().default(false) }), z.strictObject({ entra: z.string().min(1).max(16_384) }),
])
export const tokenSchema = z.strictObject({ scope: z.literal('backup'), label: z.string().max(80).default('') })
