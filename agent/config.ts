/**
 * The configuration of one home: the only reader of the environment and of config.json. Strict: an unknown key is an
 * error that names it, so a typing mistake never switches a protection off in silence.
 */
import { readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import { z } from 'zod'
import { alertsSchema, mailSchema, politenessSchema, retentionSchema, slowLinkSchema } from '../shared/settings.ts'
import { HoldfastError } from '../shared/errors.ts'
import { systemReason } from '../shared/system-reasons.ts'

const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'a time of day such as 22:30')

export const protectedPathSchema = z.strictObject({ path: z.string().min(1), excludes: z.array(z.string().min(1)).default([]) })
export type ProtectedPath = z.infer<typeof protectedPathSchema>

/** Looser than what may be set now (shared/settings.ts): an agent starts with what a version before let somebody set. */
export const configSchema = z.strictObject({
  v: z.literal(1).default(1),
  /** What the others see this machine as. */
  label: z.string().max(80).optional(),
  protect: z.array(protectedPathSchema).default([]),
  /** Also protect Outlook's OST caches, which Outlook can make anew. */
  includeOutlookCaches: z.boolean().default(false),
  /** Folders in which archives are looked for, besides where Outlook keeps them. */
  watchFolders: z.array(z.string().min(1)).max(100).default([]),
  /** Site whose list "Holdfast coverage" this machine keeps up to date; null: none. */
  coverageList: z.string().min(1).nullable().default(null),
  schedule: z.strictObject({
    /** Cron expression of regular backups (local time), or null for none; left out: the group's. */
    cron: z.string().nullable().optional(),
    /** No backup starts by itself between these times of day (local), across midnight when from is later than to; left out: the group's. */
    quietHours: z.strictObject({ from: timeOfDay, to: timeOfDay }).nullable().optional(),
    /** A changed file is backed up after this long without further change… */
    settleSeconds: z.number().positive().default(300),
    /** …or as soon as it has grown by this much. */
    growthBytes: z.number().positive().default(64 * 1024 * 1024),
    /** How often protected files are looked at. */
    pollSeconds: z.number().positive().default(30),
    /** Nothing starts by itself before this time. */
    pausedUntil: z.iso.datetime().nullable().default(null),
  }).prefault({}),
  limits: z.strictObject({
    /** Bytes per second of shards that go out to, and come in from, all peers together; null: no limit. */
    uploadBytesPerSecond: z.number().positive().nullable().default(null),
    downloadBytesPerSecond: z.number().positive().nullable().default(null),
    /** Of those over a VPN or the like; the first that fits a link counts. */
    slowLinks: z.array(slowLinkSchema).max(20).default([]),
    /** Threads that read, hash, compress and encrypt; null: one for each core, four at most. */
    workers: z.int().min(1).max(16).nullable().default(null),
  }).prefault({}),
  politeness: politenessSchema.prefault({}),
  /** When somebody is told of a machine's backup, and how. */
  alerts: alertsSchema.prefault({}),
  mail: mailSchema.prefault({}),
  /** For Prometheus; null: nobody listens. */
  metrics: z.strictObject({ port: z.int().min(0).max(65_535).nullable().default(null), host: z.string().min(1).default('127.0.0.1') }).prefault({}),
  /** Which of this machine's snapshots stay. */
  retention: retentionSchema.prefault({}),
  offer: z.strictObject({
    /** Bytes offered to the group; null: whatever the reserve leaves. */
    quotaBytes: z.number().min(0).nullable().default(null),
    /** Share of the disk that is never used; never less than the group's, and that one when left out. */
    minFree: z.number().min(0).max(0.95).optional(),
    /** All that is kept for others is read and checked once in so many days; null: never. */
    scrubDays: z.number().min(1).max(365).nullable().default(30),
  }).prefault({}),
  paneAddress: z.strictObject({
    port: z.int().min(0).max(65_535).default(17_470),
    /** Pages besides Microsoft's that may show the pane, such as a company's own Outlook on the web. */
    frameAncestors: z.array(z.url({ protocol: /^https$/ })).max(20).default([]),
  }).prefault({}),
  /** Lets the pane connect by the company account that Outlook is signed in with; null: by `holdfast open` or a code. */
  entra: z.strictObject({ tenant: z.guid(), audience: z.string().min(1), user: z.guid() }).nullable().default(null),
  peerAddress: z.strictObject({
    port: z.int().min(0).max(65_535).default(17_471),
    /** Address to listen on; null: all interfaces. */
    host: z.string().nullable().default(null),
  }).prefault({}),
  /** Call out on the local network while no other machine answers, and answer such calls. */
  beacon: z.boolean().default(true),
})
/** What stands in config.json. */
export type ConfigFile = z.infer<typeof configSchema>

/** What holds: what the file leaves open is filled in. */
export interface Config extends Omit<ConfigFile, 'schedule' | 'offer'> {
  readonly schedule: Filled<ConfigFile['schedule']>
  readonly offer: Filled<ConfigFile['offer']>
}
type Filled<T> = { [K in keyof T]-?: Exclude<T[K], undefined> }

/** What the work group's admins set for machines that do not say otherwise, and the reserve that all keep. */
export interface GroupDefaults {
  readonly schedule?: Pick<Config['schedule'], 'cron' | 'quietHours'> | undefined
  readonly minFree?: number | undefined
}

const defaultMinFree = 0.3

export function withDefaults(file: ConfigFile, group: GroupDefaults = {}): Config {
  const { cron = '0 12 * * *', quietHours = null } = { ...group.schedule, ...definedOf(file.schedule) }
  const minFree = file.offer.minFree === undefined ? group.minFree ?? defaultMinFree : Math.max(file.offer.minFree, group.minFree ?? 0)
  return { ...file, schedule: { ...file.schedule, cron, quietHours }, offer: { ...file.offer, minFree } }
}

/** Without the fields that are undefined. */
export function definedOf<T extends object>(values: T): Partial<T> {
  return Object.fromEntries(Object.entries(values).filter(([, value]) => value !== undefined)) as Partial<T>
}

export const defaultConfig: Config = withDefaults(configSchema.parse({}))

/** Absolute path of the home: `--home`, else HOLDFAST_HOME, else the place where the system keeps such state. */
export function resolveHome(option: string | undefined, environment: NodeJS.ProcessEnv = process.env): string {
  const chosen = option ?? environment['HOLDFAST_HOME']
  if (chosen !== undefined && chosen !== '') return resolve(chosen)
  if (process.platform === 'win32') return join(environment['LOCALAPPDATA'] ?? join(homedir(), 'AppData', 'Local'), 'Holdfast')
  if (process.platform === 'darwin') return join(homedir(), 'Library', 'Application Support', 'Holdfast')
  return join(environment['XDG_STATE_HOME'] ?? join(homedir(), '.local', 'state'), 'holdfast')
}

/** What holds by config.json alone. Throws `invalid-config` naming the setting. */
export function readConfig(file: string): Config {
  return withDefaults(readConfigFile(file))
}

/** A missing file is an empty one. Throws `invalid-config` naming the setting. */
export function readConfigFile(file: string): ConfigFile {
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return configSchema.parse({})
    throw new HoldfastError('invalid-config', `Cannot read ${file}: ${systemReason(cause)}`, { guidance: 'Run the command as the user whose agent it is, or name another folder with --home DIR.', cause })
  }
  let document: unknown
  try {
    document = JSON.parse(text)
  } catch (cause) {
    throw new HoldfastError('invalid-config', `Cannot read ${file}: it is not JSON (${(cause as Error).message})`, { cause })
  }
  const parsed = configSchema.safeParse(document)
  if (!parsed.success) throw new HoldfastError('invalid-config', `Cannot use ${file}: ${z.prettifyError(parsed.error)}`, { cause: parsed.error })
  return parsed.data
}
