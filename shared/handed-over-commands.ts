/** What a colleague can ask about backups that who left handed over: `holdfast handed-over …`. A part of the table of shared/api.ts. */
import { z } from 'zod'
import { count, path, time } from './fields.ts'
import { toldSchema } from './network-commands.ts'
import { entriesResult, restoreResult, snapshotsResult } from './restore-results.ts'

/** A name of one of the machines that left, or the beginning of an id of at least 6 characters. */
const owner = z.string().trim().min(1).max(128)

const opensOn = z.array(z.string())

export const handedOverCommands = {
  'handed-over list': {
    request: z.strictObject({}),
    /** `opensOn`: names of the machines that can open it, this one first. `keepDays`: so long holders keep it from the day on which they saw that its owner left; null while a machine of his is there. */
    result: z.object({ backups: z.array(z.object({ contact: z.string(), name: z.string(), made: time, keepDays: count.nullable(), opensOn })) }),
  },
  'handed-over snapshots': { request: z.strictObject({ owner }), result: snapshotsResult },
  'handed-over ls': { request: z.strictObject({ owner, snapshot: z.string().min(1).default('latest'), path: z.string().default('') }), result: entriesResult },
  'handed-over restore': {
    request: z.strictObject({ owner, snapshot: z.string().min(1).default('latest'), path: z.string().default(''), target: path }),
    result: restoreResult,
  },
  /** To another machine (a name, or the beginning of an id) and that person's others; one's own, too. */
  'handed-over pass-on': { request: z.strictObject({ owner, to: owner }), result: z.object({ contact: z.string(), name: z.string(), opensOn, told: toldSchema }) },
  /** For good. */
  'handed-over remove': { request: z.strictObject({ owner }), result: z.object({ contact: z.string(), name: z.string(), told: toldSchema }) },
} as const satisfies Record<string, { request: z.ZodType; result: z.ZodType }>
