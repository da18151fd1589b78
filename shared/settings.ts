/** What a person may set on a machine, and an admin for the whole work group (docs/operations.md). */
import { z } from 'zod'
import { count, path, span } from './fields.ts'

/** Which snapshots stay; `auto`: tidied by itself, about once a day after a backup. */
export const retentionSchema = z.strictObject({
  auto: z.boolean().default(true), last: count.default(0), hourly: count.default(24), daily: count.default(30), weekly: count.default(12),
  monthly: count.default(24), yearly: count.default(10), within: span.nullable().default('2d'),
})

/** Somebody is told of a machine without a complete backup, or without an answer, for so many days. */
export const alertsSchema = z.strictObject({ staleDays: z.number().positive().max(365).default(7), silentDays: z.number().positive().max(365).default(7) })

const mailAddress = z.email().max(254)
/** How mail is sent, and to whom: `to` of this machine's backup, `admins` of everybody's too. */
export const mailSchema = z.strictObject({
  smtp: z.strictObject({ host: z.string().min(1).max(255), port: z.int().min(1).max(65_535).default(587), security: z.enum(['starttls', 'tls', 'none']).default('starttls'), from: mailAddress }).nullable().default(null),
  /** The app registration by which this machine is signed in at Microsoft; it needs Mail.Send. */
  microsoft: z.strictObject({ client: z.string().min(1), tenant: z.string().min(1) }).nullable().default(null),
  to: z.array(mailAddress).max(20).default([]), admins: z.array(mailAddress).max(20).default([]),
})

/** Who is slower is taken for one that hangs (agent/network/peer/link.ts). */
const rate = z.number().min(20_000).nullable().default(null)
/** A VPN, say, with limits of its own: known by the addresses of its network, or by this machine's interface to it. */
export const slowLinkSchema = z.union([
  z.strictObject({ network: z.union([z.cidrv4(), z.cidrv6()]), uploadBytesPerSecond: rate, downloadBytesPerSecond: rate }),
  z.strictObject({ interface: z.string().min(1).max(100), uploadBytesPerSecond: rate, downloadBytesPerSecond: rate }),
]).refine(({ uploadBytesPerSecond, downloadBytesPerSecond }) => uploadBytesPerSecond !== null || downloadBytesPerSecond !== null, 'needs uploadBytesPerSecond or downloadBytesPerSecond')
export type SlowLink = z.output<typeof slowLinkSchema>

/** What work that started by itself does while somebody uses the machine, on a battery, over a connection that costs money. */
export const politenessSchema = z.strictObject({
  whenActive: z.enum(['slow', 'go']).default('slow'), onBattery: z.enum(['wait', 'slow', 'go']).default('slow'), onMetered: z.enum(['wait', 'slow', 'go']).default('wait'),
  /** The agent runs at a low priority. */
  lowPriority: z.boolean().default(true),
})

/** What a person may set on a machine (docs/operations.md); null: no limit, never, or the default. */
export const settingsSchema = z.object({
  label: z.string().max(80).nullable(),
  schedule: z.object({ cron: z.string().nullable(), quietHours: z.object({ from: z.string(), to: z.string() }).nullable(), settleSeconds: z.number(), growthBytes: z.number() }),
  limits: z.object({ uploadBytesPerSecond: z.number().nullable(), downloadBytesPerSecond: z.number().nullable(), slowLinks: z.array(slowLinkSchema) }),
  offer: z.object({ quotaBytes: z.number().nullable(), minFree: z.number(), scrubDays: z.number().nullable() }),
  politeness: politenessSchema,
  retention: retentionSchema,
  alerts: alertsSchema,
  mail: mailSchema,
  includeOutlookCaches: z.boolean(),
  /** Call out on the local network while no other machine answers, and answer such calls. */
  beacon: z.boolean(),
  watchFolders: z.array(z.string()),
  /** The least reserve of the group (0 to 1), while it holds instead of a lower one that was set on this machine; else null. */
  groupMinFree: z.number().nullable(),
  /** Settings that the running agent takes up at its next start. */
  afterRestart: z.array(z.string()),
})
const timeOfDay = z.string().regex(/^([01]\d|2[0-3]):[0-5]\d$/, 'a time of day such as 22:30')
/** Of equal times nobody could tell whether they mean never or always. */
const quietHours = z.strictObject({ from: timeOfDay, to: timeOfDay }).refine(({ from, to }) => from !== to, 'has to end at another time than it begins').nullable()
export const settingsChangeSchema = z.strictObject({
  label: z.string().trim().min(1).max(80).optional(),
  schedule: z.strictObject({
    cron: z.string().max(200).nullable(), quietHours, settleSeconds: z.number().positive(), growthBytes: z.int().positive(),
  }).partial().optional(),
  limits: z.strictObject({ uploadBytesPerSecond: rate.unwrap(), downloadBytesPerSecond: rate.unwrap(), slowLinks: z.array(slowLinkSchema).max(20) }).partial().optional(),
  offer: z.strictObject({ quotaBytes: z.int().min(0).nullable(), minFree: z.number().min(0).max(0.95), scrubDays: z.number().min(1).max(365).nullable() }).partial().optional(),
  alerts: z.strictObject({ staleDays: z.number().positive().max(365), silentDays: z.number().positive().max(365) }).partial().optional(),
  mail: z.strictObject({
    smtp: mailSchema.shape.smtp.unwrap(), microsoft: mailSchema.shape.microsoft.unwrap(), to: z.array(mailAddress).max(20), admins: z.array(mailAddress).max(20),
  }).partial().optional(),
  retention: z.strictObject({
    auto: z.boolean(), last: count, hourly: count, daily: count, weekly: count, monthly: count, yearly: count, within: span.nullable(),
  }).partial().optional(),
  politeness: z.strictObject({ whenActive: z.enum(['slow', 'go']), onBattery: z.enum(['wait', 'slow', 'go']), onMetered: z.enum(['wait', 'slow', 'go']), lowPriority: z.boolean() }).partial().optional(),
  includeOutlookCaches: z.boolean().optional(),
  beacon: z.boolean().optional(),
  watchFolders: z.array(path).max(100).optional(),
})
export type SettingsChange = z.output<typeof settingsChangeSchema>

const groupScheduleSchema = z.strictObject({ cron: z.string().max(200).nullable(), quietHours })
/** What holds for the whole work group. `schedule` null: each machine's own; as loose as the record, in which a version before let more be set. */
export const groupSettingsSchema = z.object({
  name: z.string(), redundancy: z.string(), minFree: z.number(), admission: z.enum(['open', 'approved']), schedule: settingsSchema.shape.schedule.pick({ cron: true, quietHours: true }).nullable(),
})
export const groupChangeSchema = z.strictObject({
  name: z.string().trim().min(1).max(80).optional(), redundancy: z.string().min(1).max(20).optional(), minFree: z.number().min(0).max(0.95).optional(),
  admission: z.enum(['open', 'approved']).optional(), schedule: groupScheduleSchema.partial().nullable().optional(),
})
