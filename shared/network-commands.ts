/** What can be asked about the work group: `holdfast network …`. A part of the table of shared/api.ts. */
import { z } from 'zod'
import { bytes, count, time } from './fields.ts'
import { groupChangeSchema, groupSettingsSchema } from './settings.ts'

/** Who knows of a change of the group already: the others hear of it by gossip. */
export const toldSchema = z.object({ peers: count, of: count, rosters: count })
const adminSchema = z.object({ id: z.string(), name: z.string(), machines: z.array(z.string()), self: z.boolean() })
const adminsResult = z.object({ admins: z.array(adminSchema), told: toldSchema })
/** Folder with what is left of the work group that this machine left, or was taken out of, before; null: there was none. */
const former = z.string().nullable()
/** Days for which holders keep what who left had stored, whatever his machine says (agent/network/shard-store/retention.ts). */
export const leastKeepDays = 56
/** A name, an id, or the beginning of an id of at least 6 characters. */
const machineName = z.string().trim().min(1).max(128)

export const networkCommands = {
  'network create': {
    request: z.strictObject({ name: z.string().trim().min(1).max(80), roster: z.string().min(1), redundancy: z.string().default('auto'), label: z.string().max(80).optional() }),
    result: z.object({ network: z.string(), name: z.string(), owner: z.string(), machine: z.string(), redundancy: z.string(), former }),
  },
  'network invite': {
    request: z.strictObject({ count: z.int().min(1).max(1000).default(1), hours: z.number().positive().max(24 * 365).default(72) }),
    result: z.object({ invitation: z.string(), id: z.string(), expires: time, count }),
  },
  'network join': {
    request: z.strictObject({ invitation: z.string().min(1), label: z.string().max(80).optional() }),
    /** `waiting`: an admin has to approve first. `namesake`: what this machine is called, when another one is called so too. */
    result: z.object({ network: z.string(), name: z.string(), owner: z.string(), machine: z.string(), waiting: z.boolean(), former, namesake: z.string().nullable() }),
  },
  'network settings': {
    request: z.strictObject({ change: groupChangeSchema.default({}) }),
    result: z.object({ settings: groupSettingsSchema, epoch: count, admins: z.array(adminSchema), mayChange: z.boolean(), told: toldSchema.nullable() }),
  },
  'network admin add': { request: z.strictObject({ machine: machineName }), result: adminsResult },
  /** Takes the admin's key away for good. */
  'network admin remove': { request: z.strictObject({ machine: machineName }), result: adminsResult },
  /** Shuts a machine out for good. */
  'network revoke': {
    request: z.strictObject({ machine: machineName, why: z.string().max(200).default('') }),
    result: z.object({ machine: z.string(), name: z.string(), told: toldSchema }),
  },
  'network lost': {
    /** `found`: takes it back. */
    request: z.strictObject({ machine: machineName, found: z.boolean().default(false) }),
    result: z.object({ machine: z.string(), name: z.string(), lost: z.boolean(), told: toldSchema }),
  },
  'network invitations': {
    request: z.strictObject({}),
    result: z.object({
      invitations: z.array(z.object({
        id: z.string(), by: z.string(), made: time, expires: time, state: z.enum(['open', 'used-up', 'expired', 'revoked']), count, used: count, approval: z.boolean(),
        machines: z.array(z.string()),
      })),
    }),
  },
  'network uninvite': { request: z.strictObject({ id: z.string().min(6).max(64) }), result: z.object({ id: z.string(), kept: count, told: toldSchema }) },
  'network requests': {
    request: z.strictObject({}),
    result: z.object({ requests: z.array(z.object({ machine: z.string(), name: z.string(), asked: time, addresses: z.array(z.string()), invitation: z.string() })) }),
  },
  'network move-roster': {
    /** `keep`: the places so far stay too. */
    request: z.strictObject({ locator: z.string().min(1), keep: z.boolean().default(false) }),
    result: z.object({ rosters: z.array(z.string()), former: z.array(z.string()), told: toldSchema }),
  },
  'network leave': {
    /** `keep`: for so many days more (90; 365 when handed over). `handTo`: a colleague's machine, which can read them then. `erase`: no longer than holders keep anything of who left (`leastKeepDays`); this home's keys are erased at its next start. */
    request: z.strictObject({ backups: z.enum(['keep', 'erase']).default('keep'), days: z.int().min(leastKeepDays).max(36_500).optional(), handTo: machineName.optional(), force: z.boolean().default(false) }),
    /** Shards that this machine kept for others: handed over, safe elsewhere already, kept here because nobody took them. `keepDays` null: the owner stays with another machine. `passedOn`: whose backups were handed to this machine and open elsewhere from now on. */
    result: z.object({ network: z.string(), shards: count, handedOver: count, safe: count, kept: count, bytesSent: bytes, keepDays: count.nullable(), handedTo: z.string().nullable(), passedOn: z.array(z.string()), told: toldSchema }),
  },
  'network approve': { request: z.strictObject({ machine: machineName }), result: z.object({ machine: z.string(), name: z.string(), rosters: count }) },
  /** On a group of Microsoft Entra: where the work group's rosters are. */
  'network announce': {
    request: z.strictObject({
      /** Id or mail address of the Entra group. */
      group: z.string().min(1).max(256),
      /** `entra:TENANT?client=ID`; default: the app of a roster at Microsoft. */
      app: z.string().max(1024).optional(), withdraw: z.boolean().default(false), deviceCode: z.boolean().default(false),
    }),
    result: z.object({ group: z.string(), announced: z.boolean(), rosters: z.array(z.string()) }),
  },
  'network find': {
    request: z.strictObject({ app: z.string().min(1).max(1024), deviceCode: z.boolean().default(false) }),
    result: z.object({ account: z.string(), groups: z.array(z.object({ group: z.string(), net: z.string(), name: z.string(), rosters: z.array(z.string()) })) }),
  },
} as const satisfies Record<string, { request: z.ZodType; result: z.ZodType }>
