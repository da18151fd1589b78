/** What can be asked about recovery contacts: `holdfast recovery-contact …`. A part of the table of shared/api.ts. */
import { z } from 'zod'
import { count, path, time } from './fields.ts'
import { toldSchema } from './network-commands.ts'
import { restoreResult, snapshotsResult } from './restore-results.ts'

/** A name of one of the machines, or the beginning of an id of at least 6 characters. */
const who = z.string().trim().min(1).max(128)
const contactSchema = z.object({
  contact: z.string(), name: z.string(), waitDays: count, made: time, state: z.enum(['ready', 'asked', 'open', 'ended']),
  asked: z.object({ time, by: z.string(), why: z.string() }).nullable(),
  /** By this machine's own time; null while nobody asked. */
  opensInSeconds: count.nullable(),
})

export const contactCommands = {
  'recovery-contact add': {
    /** So long the owner can refuse. */
    request: z.strictObject({ machine: who, waitDays: z.int().min(1).max(30).default(3) }),
    /** Machines that keep the other half, and those that did not answer. */
    result: z.object({ contact: z.string(), name: z.string(), waitDays: count, delivered: z.array(z.string()), missing: z.array(z.string()) }),
  },
  /** Refuses a request, too. */
  'recovery-contact remove': { request: z.strictObject({ contact: who }), result: z.object({ contact: z.string(), name: z.string(), told: toldSchema }) },
  'recovery-contact list': { request: z.strictObject({}), result: z.object({ mine: z.array(contactSchema), others: z.array(contactSchema) }) },
  'recovery-contact request': {
    request: z.strictObject({ owner: who, why: z.string().max(200).default('') }),
    result: z.object({ contact: z.string(), owner: z.string(), opensInSeconds: count, told: toldSchema }),
  },
  'recovery-contact snapshots': { request: z.strictObject({ owner: who }), result: snapshotsResult },
  'recovery-contact restore': {
    request: z.strictObject({ owner: who, snapshot: z.string().min(1).default('latest'), path: z.string().default(''), target: path }),
    result: restoreResult,
  },
} as const satisfies Record<string, { request: z.ZodType; result: z.ZodType }>
