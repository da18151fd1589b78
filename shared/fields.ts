/** Kinds of fields that requests and results are made of. Sizes are bytes, times RFC 3339. */
import { z } from 'zod'

export const time = z.string()
export const count = z.int().min(0)
export const bytes = z.number().min(0)
export const path = z.string().min(1).max(32_768)
export const tag = z.string().trim().min(1).max(100).regex(/^[^,]*$/, 'text without a comma')
/** A span such as `1y6m14d12h`. */
export const span = z.string().regex(/^(?=.)(?:\d{1,4}y)?(?:\d{1,4}m)?(?:\d{1,5}d)?(?:\d{1,6}h)?$/, 'a span such as 14d, 6m or 1y6m14d12h')
