/**
 * The signed copy of the work group that the agent starts from when the roster is down: one JSON file, replaced
 * atomically. Everything in it but ages, slots and own numbers can be gathered again from rosters and peers.
 */
import { randomBytes } from 'node:crypto'
import { open, readFile, rename, rm } from 'node:fs/promises'
import { z } from 'zod'
import { machineIdSchema, networkIdSchema } from '../../../shared/ids.ts'
import { contactStateSchema } from './contact-book.ts'
import { admissionSchema, headDocumentSchema } from './records.ts'
import { watchedRosterSchema } from './roster-watch.ts'

const count = z.int().min(0)
const stateSchema = z.object({
  v: z.literal(1), net: networkIdSchema, self: machineIdSchema,
  /** When this state was begun and when it was saved, in milliseconds since 1970 of this machine's clock. */
  since: z.number(), savedAt: z.number(),
  own: z.object({ inst: z.string().min(8), seq: count, admission: admissionSchema.optional(), jws: z.string().optional() }),
  network: z.array(z.string()), peers: z.array(z.string()), certificates: z.array(z.string()), heads: z.array(headDocumentSchema),
  coverage: z.array(z.string()).default([]), invitations: z.array(z.string()).default([]),
  contacts: contactStateSchema.optional(),
  /** SHA-256 of the network record from before which forks by former admins do not count. */
  settled: z.string().optional(),
  slots: z.array(z.tuple([z.string(), count, machineIdSchema])),
  ages: z.array(z.tuple([machineIdSchema, z.number().min(0), z.boolean()])),
  rosters: z.array(watchedRosterSchema),
})
export type MembershipState = z.infer<typeof stateSchema>

export type StateReading = { readonly state: MembershipState } | { readonly missing: true } | { readonly damaged: string }

/** A file that cannot be parsed is renamed to `<file>.damaged-<random>`, never deleted. I/O errors other than absence are thrown. */
export async function readStateFile(path: string): Promise<StateReading> {
  let text: string
  try {
    text = await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return { missing: true }
    throw error
  }
  const state = parseState(text)
  if (state !== undefined) return { state }
  const aside = `${path}.damaged-${randomBytes(4).toString('hex')}`
  await rename(path, aside)
  return { damaged: aside }
}

function parseState(text: string): MembershipState | undefined {
  try {
    return stateSchema.parse(JSON.parse(text))
  } catch {
    return undefined
  }
}

/** Temporary name, fsync, rename: a reader finds the old state or the new one. */
export async function writeStateFile(path: string, state: MembershipState): Promise<void> {
  const temporary = `${path}.${randomBytes(6).toString('hex')}.tmp`
  try {
    const file = await open(temporary, 'wx', 0o600)
    try {
      await file.writeFile(JSON.stringify(state))
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(temporary, path)
  } catch (error) {
    await rm(temporary, { force: true })
    throw error
  }
}
