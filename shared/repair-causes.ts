/** Why shards are made anew. */
import { z } from 'zod'

/**
 * `silent`: its machine is off: for long, or now when somebody asks for the repair; `removed`: its machine left, was replaced, revoked or given up by an admin;
 * `damaged`: it was read and is wrong; `dropped`: its holder lists it no longer, as when it found damage by itself; `level`: n
 * grew; `unfinished`: nobody had it yet, as when too few machines were there for a backup (so no repair in the narrow
 * sense); `unknown`: what is known of the object are lists alone.
 */
export const repairCauses = ['silent', 'removed', 'damaged', 'dropped', 'level', 'unfinished', 'unknown'] as const
export type RepairCause = (typeof repairCauses)[number]

/** Bytes of shards that were sent, by cause; a cause that did not occur is left out. */
export const bytesByCauseSchema = z.partialRecord(z.enum(repairCauses), z.int().min(0))
export type BytesByCause = z.infer<typeof bytesByCauseSchema>
