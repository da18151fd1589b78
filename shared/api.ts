/**
 * What can be asked of an agent: one entry for each command with the schemas of its request and its result.
 * The command line, the HTTP door and the pane all speak by this table. Those of the work group are in network-commands.ts,
 * those of recovery contacts in contact-commands.ts, of backups that were handed over in handed-over-commands.ts.
 */
import { z } from 'zod'
import { contactCommands } from './contact-commands.ts'
import { bytes, count, path, span, tag, time } from './fields.ts'
import { handedOverCommands } from './handed-over-commands.ts'
import { keepReasons } from './keep-reasons.ts'
import { networkCommands } from './network-commands.ts'
import { noticeSchema } from './notices.ts'
import { bytesByCauseSchema } from './repair-causes.ts'
import { entriesResult, entrySchema, freshnessSchema, restoreResult, skippedSchema, snapshotsResult } from './restore-results.ts'
import { retentionSchema, settingsChangeSchema, settingsSchema } from './settings.ts'

/** Protected: every shard that the level wants is on a machine of its own. Partial: restorable, but fewer than wanted. */
export const protectionSchema = z.object({
  state: z.enum(['protected', 'partial', 'unprotected']),
  /** Fewest shards on distinct machines over all live objects. */
  placed: count,
  wanted: count,
  /** How many more machines may be lost before data is, when those that are off now come back. */
  survives: z.int().min(-1),
  /** Of the object with the least to spare: machines that hold it, those of them that are on now as seen from here, and how many it takes to restore. Null: nothing is placed. */
  reach: z.object({ have: count, placed: count, need: count }).nullable(),
})
export type Protection = z.infer<typeof protectionSchema>

const damagedSchema = z.object({ path: z.string(), problem: z.string() })

const peerSchema = z.object({
  id: z.string(), name: z.string(), host: z.string(), addresses: z.array(z.string()),
  state: z.enum(['online', 'away', 'doubtful', 'gone']), ageSeconds: z.number().nullable(), offer: bytes, owners: count,
  /** `lost`: an admin's word. `leaving` hands over what it keeps for others. */
  membership: z.enum(['member', 'leaving', 'left', 'lost', 'replaced']),
  simulated: z.boolean(), self: z.boolean(),
  /** Of this machine's owner, as shards there; and the share of the time that it was online, 0 to 1, as seen from here. */
  holds: bytes, onlineShare: z.number(),
})

const memberSchema = z.object({
  name: z.string(), owner: z.string(), machine: z.string(), state: z.enum(['protected', 'partial', 'unprotected', 'unknown']),
  lastSnapshotAgeSeconds: z.number().nullable(),
  /** Copies that were acknowledged, and those of them that are on machines that are on now, as seen from here; of the worst object. `restorable`: they are enough. Null: not known. */
  placed: count, wanted: count, reachable: count.nullable(), restorable: z.boolean().nullable(),
  /** `verifiedInPart`: of a file that is too large to be restored to try it, parts by lot. */
  unprotectedBytes: bytes.nullable(), lastVerifiedRestore: time.nullable(), verifiedInPart: z.boolean(),
  /** When its last restore drill was, if that failed. */
  lastFailedDrill: time.nullable(),
  /** When the holder that was audited the longest ago answered rightly; null: one never did. */
  lastAudit: time.nullable(), machineState: z.enum(['online', 'away', 'doubtful', 'gone']),
  self: z.boolean(), admin: z.boolean(),
  /** An admin gave it up. */
  lost: z.boolean(),
  /** What its owner has stored in the group, by its own word, and may have stored. */
  storedBytes: bytes.nullable(), fairBytes: bytes,
  /** Machines that let nothing of this owner go, because a head left out most of what they hold. */
  frozenAt: count,
  /** How long it has not answered anybody; null while it does. */
  offSinceSeconds: z.number().nullable(),
  /** What it keeps for others, and what it offers them. */
  usedBytes: bytes.nullable(), offerBytes: bytes.nullable(),
  /** How old its own word is; null: it gave none, so `placed` and what follows is not known. */
  reportAgeSeconds: z.number().nullable(),
  /** How many things it chose to protect; null: it does not say. */
  chosen: count.nullable(),
})

/** How long a holder keeps what is not named any more: the delay, and the floor. */
const termsSchema = z.object({ delayDays: count, days: count, weeks: count })
/** What an owner and an admin agreed on, or the owner's half of it. */
const agreementSchema = z.object({
  agreement: z.string(), approved: z.boolean(), owner: z.string(), terms: termsSchema,
  /** Machines that have it, and those that did not answer. */
  delivered: z.array(z.string()), missing: z.array(z.string()),
})

export const commands = {
  ...networkCommands,
  ...contactCommands,
  ...handedOverCommands,
  protect: {
    request: z.strictObject({ paths: z.array(path).min(1), excludes: z.array(z.string().min(1)).default([]) }),
    /** `leftOut`: what lies in these and is never backed up. */
    result: z.object({ protected: z.array(z.object({ path: z.string(), excludes: z.array(z.string()) })), leftOut: z.array(skippedSchema) }),
  },
  unprotect: {
    request: z.strictObject({ paths: z.array(path).min(1) }),
    result: z.object({ protected: z.array(z.object({ path: z.string(), excludes: z.array(z.string()) })) }),
  },
  backup: {
    request: z.strictObject({ paths: z.array(path).default([]), offlineOk: z.boolean().default(false), tags: z.array(tag).max(20).default([]) }),
    result: z.object({
      snapshot: z.string(), bytesRead: bytes, bytesNew: bytes, bytesStored: bytes, bytesSent: bytes, files: count, directories: count,
      unchangedFiles: count, seconds: z.number(), protection: protectionSchema, skipped: z.array(skippedSchema),
      /** Machines that take no more, and why. */
      refused: z.array(z.object({ name: z.string(), reason: z.string() })),
      /** Outlook archives that are damaged themselves; they were stored as they are. */
      damaged: z.array(damagedSchema),
    }),
  },
  snapshots: {
    /** `kept`: those instead that no head names any more and that holders still have. */
    request: z.strictObject({ kept: z.boolean().default(false) }),
    result: snapshotsResult,
  },
  ls: {
    request: z.strictObject({ snapshot: z.string().min(1), path: z.string().default('') }),
    result: entriesResult,
  },
  search: {
    request: z.strictObject({ snapshot: z.string().min(1), text: z.string().trim().min(1).max(200), limit: z.int().min(1).max(1000).default(200) }),
    /** Names that hold the text, upper and lower case alike. `more`: there are others. */
    result: z.object({ snapshot: z.string(), entries: z.array(entrySchema), more: z.boolean() }),
  },
  skipped: {
    /** What is not in a snapshot, and why. `byDesign`: nothing is missing without it. */
    request: z.strictObject({ snapshot: z.string().min(1).default('latest') }),
    result: z.object({ snapshot: z.string(), skipped: z.array(skippedSchema.extend({ byDesign: z.boolean() })) }),
  },
  restore: {
    request: z.strictObject({
      snapshot: z.string().min(1), path: z.string().default(''),
      /** A folder; null: beside the originals, under names that say so, never over them. */
      target: path.nullable().default(null), overwrite: z.boolean().default(false),
    }),
    result: restoreResult,
  },
  verify: {
    request: z.strictObject({ readData: z.boolean().default(false) }),
    result: z.object({
      /** Everything can be restored now, from the machines that answer. */
      ok: z.boolean(), snapshots: count,
      /** Objects, and how many of them: `degraded` lack shards and can be read; `unreachable` could be with machines that are off, for less than three weeks; `damaged` and `lost` (gone) could not. */
      objects: count, healthy: count, degraded: count, unreachable: count, damaged: count, lost: count,
      /** The machines that are off and are needed for what is `unreachable`; not all of them may be. */
      off: z.array(z.string()),
      bytesRead: bytes, protection: protectionSchema,
      /** What was found, the worst first: how many of a kind, and some of them. `shard`: one that was damaged, of whatever object; `file` cannot be restored whole, `file-off` not while machines are off. */
      findings: z.array(z.object({ kind: z.enum(['warning', 'lost', 'damaged', 'file', 'unreachable', 'file-off', 'shard', 'degraded']), count, examples: z.array(z.string()) })),
    }),
  },
  repair: {
    /** `patient`: machines that are off count as having what they acknowledged, as when an agent repairs by itself. */
    request: z.strictObject({ patient: z.boolean().default(false) }),
    /** `respread`: packs of a former level of redundancy that were written again. */
    result: z.object({ objects: count, rebuilt: count, respread: count, failed: count, bytesSent: bytes, bytesByCause: bytesByCauseSchema, protection: protectionSchema, problems: z.array(z.string()) }),
  },
  audit: {
    /** `due`: only holders that were not audited today. */
    request: z.strictObject({ due: z.boolean().default(false) }),
    result: z.object({
      /** `silent`: it did not answer, which is no failure. Leaves of 64 KiB. */
      holders: z.array(z.object({ machine: z.string(), name: z.string(), state: z.enum(['passed', 'failed', 'silent']), passed: count, failed: count, unanswered: count })),
      bytesRead: bytes, problems: z.array(z.string()),
    }),
  },
  drill: {
    /** At most so much is restored; to the disk at most a quarter of the space that it has left. */
    request: z.strictObject({ maxBytes: z.number().positive().default(4 * 1_073_741_824) }),
    result: z.object({
      /** `off`: nothing went wrong but that these machines are off; it counts as no drill then. */
      ok: z.boolean(), off: z.array(z.string()), snapshot: z.string(), time, bytes, seconds: z.number(),
      /** `bytes` of `size` were tried: less when the file is larger than the bound. `sha256`: of a whole one. `compared`: with the original, which is unchanged since. `off`: machines that did not answer, with which it could have been restored. */
      files: z.array(z.object({ path: z.string(), bytes, size: bytes, sha256: z.string().nullable(), compared: z.boolean(), problem: z.string().nullable(), off: z.array(z.string()) })),
    }),
  },
  forget: {
    request: z.strictObject({
      last: count.default(0), hourly: count.default(0), daily: count.default(0), weekly: count.default(0), monthly: count.default(0), yearly: count.default(0),
      within: span.nullable().default(null),
      /** Keep what has all tags of one of these. */
      keepTags: z.array(z.array(tag).min(1)).default([]),
      /** Judge only what has all of these; the others stay. */
      tagged: z.array(tag).default([]), dryRun: z.boolean().default(false),
    }),
    result: z.object({
      /** So much of the backup goes at once that holders may keep all of it until owner and admin agree. */
      mayFreeze: z.boolean(),
      dryRun: z.boolean(), forgotten: z.array(z.object({ id: z.string(), time })), objects: count, bytes,
      /** `wholeOf`: paths of which no newer snapshot holds all. */
      kept: z.array(z.object({ id: z.string(), time, reasons: z.array(z.enum(keepReasons)), wholeOf: z.array(z.string()) })),
    }),
  },
  prune: {
    /** Bytes of packs, mostly dead or small and many, that are rewritten at most; null: all of them. */
    request: z.strictObject({ maxRewriteBytes: bytes.nullable().default(null), dryRun: z.boolean().default(false) }),
    result: z.object({
      mayFreeze: z.boolean(), dryRun: z.boolean(), packs: count, unused: count, rewritten: count, left: count, droppedBytes: bytes, writtenBytes: bytes, indexes: count, indexesAfter: count,
    }),
  },
  'mail test': {
    /** With a password, which is kept when the server took it. */
    request: z.strictObject({ user: z.string().min(1).max(256).optional(), password: z.string().min(1).max(1024).optional() }),
    result: z.object({ sent: z.array(z.string()) }),
  },
  peers: { request: z.strictObject({}), result: z.object({ peers: z.array(peerSchema) }) },
  settings: {
    /** `unset`: settings, or groups of them, that go back to the group's value or the default. */
    request: z.strictObject({ change: settingsChangeSchema.default({}), unset: z.array(z.string()).max(100).optional() }),
    result: z.object({ settings: settingsSchema }),
  },
  pause: {
    /** Automatic backups wait so long; null: they go on. */
    request: z.strictObject({ hours: z.number().positive().max(24 * 31).nullable() }),
    result: z.object({ pausedUntil: time.nullable() }),
  },
  outlook: {
    /** Whether an archive can be opened in Outlook by this agent, and which it restored and still has. `detail`: in English, why not and what to do. */
    request: z.strictObject({}),
    result: z.object({ available: z.boolean(), reason: z.enum(['not-windows', 'no-session', 'not-installed', 'rights', 'unknown']).nullable(), detail: z.string().nullable(), archives: z.array(z.string()) }),
  },
  'outlook open': {
    /** Only of an archive that this agent restored. */
    request: z.strictObject({ path }),
    /** `name`: in the folder list of Outlook; `wasOpen`: it was there already. */
    result: z.object({ path: z.string(), name: z.string(), wasOpen: z.boolean() }),
  },
  suggestions: {
    request: z.strictObject({}),
    result: z.object({ archives: z.array(z.object({ path: z.string(), bytes, modified: time, kind: z.enum(['pst', 'ost']), protected: z.boolean() })) }),
  },
  folders: {
    request: z.strictObject({ path: path.optional(), files: z.boolean().default(false) }),
    /** Without a path: where to begin. Folders first. */
    result: z.object({
      path: z.string(), parent: z.string().nullable(), more: z.boolean(),
      entries: z.array(z.object({ name: z.string(), path: z.string(), type: z.enum(['directory', 'file']), bytes })),
    }),
  },
  status: {
    /** Not fresh: what is known without asking anybody now. */
    request: z.strictObject({ fresh: z.boolean().default(true) }),
    result: z.object({
      network: z.object({ id: z.string(), name: z.string(), redundancy: z.string(), level: z.string(), members: count, online: count }).nullable(),
      machine: z.object({ id: z.string(), name: z.string(), owner: z.string().nullable() }),
      protection: protectionSchema,
      paths: z.array(z.object({
        path: z.string(), state: z.enum(['protected', 'partial', 'unprotected']), lastSnapshot: z.string().nullable(), lastSnapshotTime: time.nullable(),
        changedSince: z.boolean(), reason: z.string().nullable(),
        /** What the reason is about, for those who say it in words of their own: `skipped` could not be read, `placing` is on too few machines. */
        trouble: z.object({ kind: z.enum(['missing', 'skipped', 'placing', 'damaged']), path: z.string(), soundTime: time.nullable() }).nullable(),
        /** How many things in it should be in the last snapshot and are not. */
        skipped: count,
        kind: z.enum(['outlook', 'file', 'folder', 'missing']),
        /** Now, and how many more than in the last snapshot; null for a folder, which would have to be walked. */
        bytes: bytes.nullable(), growthBytes: z.number().nullable(),
      })),
      /** The machines that hold this owner's backup, how many shards and bytes each, and when audits last found them right and wrong. */
      holders: z.array(z.object({
        machine: z.string(), name: z.string(), state: z.enum(['online', 'away', 'doubtful', 'gone']), shards: count, bytes, lastAudit: time.nullable(), lastFailedAudit: time.nullable(),
      })),
      pausedUntil: time.nullable(),
      /** When the quiet hours end that it is now; null outside them. Nothing starts by itself before. */
      quietUntil: time.nullable(),
      /** `signed-out`: somebody has to sign in on this machine; everything but the roster goes on. */
      rosters: z.array(z.object({ locator: z.string(), state: z.enum(['ok', 'unreachable', 'signed-out', 'unknown']), detail: z.string(), notice: noticeSchema.nullable() })),
      /** What lies here of each owner, most first. `fair`: what it may have here; more is refused once less than half is free. */
      holder: z.object({
        used: bytes, quota: bytes, free: bytes,
        owners: z.array(z.object({ owner: z.string(), name: z.string(), used: bytes, fair: bytes, frozen: z.boolean(), terms: termsSchema })),
        /** All of it is read again and again: when the last time ended, and shards in this and the last one that were not as stored, and in this one not readable. `halted`: so many that none is dropped. */
        scrub: z.object({ lastRead: time.nullable(), damaged: count, unreadable: count, halted: z.boolean() }),
      }),
      /** What this owner has stored on other machines, as shards, and may have there. */
      share: z.object({ stored: bytes, fair: bytes }),
      retention: retentionSchema,
      keyConfirmed: z.boolean(), nextBackup: time.nullable(), running: z.string().nullable(),
      /** How fast work that started by itself goes on, and why not faster; `go` while there is none. */
      pace: z.object({ state: z.enum(['go', 'slow', 'wait']), reason: z.enum(['active', 'battery', 'metered']).nullable() }),
      /** What needs somebody's attention; `warnings` says the same in English. */
      notices: z.array(noticeSchema), warnings: z.array(z.string()),
      /** Those of the warnings that say of a roll-back, a copied key, a recovery, a recovery contact's request, a frozen or refused backup, a failed audit or drill, a disk that gives back other bytes. */
      alarms: z.array(z.object({ kind: z.enum(['rollback', 'clone', 'recovered', 'contact', 'frozen', 'refused', 'audit', 'drill', 'disk']), text: z.string(), notice: noticeSchema })),
      /** The last restore drill: what came back was compared and checked. `parts`: files too large to be tried whole, of which `bytes` of `size` were. */
      drill: z.object({ time, ok: z.boolean(), files: count, bytes, problems: z.array(z.string()), parts: z.array(z.object({ path: z.string(), bytes, size: bytes })) }).nullable(),
      /** What somebody was told of and still is so. */
      alerts: z.array(z.object({ since: time, text: z.string(), notices: z.array(noticeSchema) })),
    }),
  },
  'retention agree': {
    /** Less than the holders keep by themselves, or the same: then it only says that the newest heads are meant so. */
    request: z.strictObject({ words: z.string().min(1), delayDays: z.int().min(1).max(30).optional(), days: z.int().min(1).max(14).optional(), weeks: z.int().min(1).max(8).optional() }),
    result: agreementSchema,
  },
  'retention approve': { request: z.strictObject({ agreement: z.string().min(1).max(65_536) }), result: agreementSchema },
  /** Not fresh: what is known without asking anybody now. */
  coverage: { request: z.strictObject({ fresh: z.boolean().default(true) }), result: z.object({ members: z.array(memberSchema) }) },
  /** The list "Holdfast coverage" in a SharePoint site, which this machine keeps up to date from then on. */
  'coverage list': {
    request: z.strictObject({
      /** Locator of the site; default: the roster in SharePoint. */
      site: z.string().max(1024).optional(), off: z.boolean().default(false),
    }),
    /** `address`: null when it was switched off. */
    result: z.object({ list: z.string(), address: z.string().nullable(), rows: count }),
  },
  'key show': { request: z.strictObject({}), result: z.object({ words: z.string(), locator: z.string() }) },
  'key confirm': { request: z.strictObject({}), result: z.object({ confirmed: z.literal(true) }) },
  recover: {
    /** One of locator, peer and invitation; the last when an admin shut the lost machine out. */
    request: z.strictObject({ words: z.string().min(1), locator: z.string().optional(), peer: z.string().optional(), invitation: z.string().optional(), label: z.string().max(80).optional() }),
    result: z.object({
      owner: z.string(), machine: z.string(), epoch: z.int(), snapshots: count,
      /** Snapshots that no head names any more and that holders still have: many, when somebody tried to erase the backup. */
      kept: count, objects: count, holders: count, freshness: freshnessSchema,
      paths: z.array(z.string()), member: z.boolean(),
    }),
  },
  'sign-in': {
    request: z.strictObject({
      locator: z.string().min(1), user: z.string().min(1).max(256).optional(), password: z.string().min(1).max(1024).optional(), ca: z.string().max(65_536).optional(),
      /** Makes the place (the container, the folder) when it is not there. */
      prepare: z.boolean().default(false),
      /** At Microsoft: with a code on another device instead of a browser on this one. */
      deviceCode: z.boolean().default(false),
      /** Instead of signing in: the folder of this machine in which the place is kept in step (a synchronised library). */
      folder: path.optional(),
    }),
    /** `place`: what was found there, for a person. A record was written, found again and removed. */
    result: z.object({ locator: z.string(), account: z.string(), place: z.string(), records: count, writable: z.literal(true) }),
  },
  doctor: {
    /** `fix`: make this machine's browsers trust the pane; `unfix` takes that back. */
    request: z.strictObject({ fix: z.boolean().default(false), unfix: z.boolean().default(false) }),
    result: z.object({ ok: z.boolean(), checks: z.array(z.object({ name: z.string(), state: z.enum(['ok', 'warning', 'failed']), detail: z.string(), fix: z.string().nullable() })) }),
  },
} as const satisfies Record<string, { request: z.ZodType; result: z.ZodType }>

export type CommandName = keyof typeof commands

/** Commands that only ask: when they end, nothing is different. */
export const questions: ReadonlySet<CommandName> = new Set(['status', 'snapshots', 'ls', 'skipped', 'search', 'folders', 'suggestions', 'outlook', 'coverage', 'peers', 'key show', 'recovery-contact list', 'recovery-contact snapshots', 'handed-over list', 'handed-over snapshots', 'handed-over ls', 'network invitations', 'network requests'])

export type CommandRequest<C extends CommandName> = z.output<(typeof commands)[C]['request']>
export type CommandInput<C extends CommandName> = z.input<(typeof commands)[C]['request']>
export type CommandResult<C extends CommandName> = z.output<(typeof commands)[C]['result']>

export function isCommandName(name: string): name is CommandName {
  return Object.hasOwn(commands, name)
}

/** What a long command tells while it runs. `total` is absent while it is not known. */
export const progressSchema = z.object({
  stage: z.string(), bytesDone: bytes.optional(), bytesTotal: bytes.optional(), filesDone: count.optional(), bytesSent: bytes.optional(), detail: z.string().optional(),
})
export type Progress = z.infer<typeof progressSchema>

/** RFC 9457, as a caller reads it: an unknown code of a newer agent is shown, not refused. */
export const problemSchema = z.object({
  type: z.string(), title: z.string(), status: z.int(), detail: z.string(), code: z.string(), guidance: z.string(),
  details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string()).readonly()])),
})

/** How a pane in Outlook may connect by a company account: for whom Microsoft is asked for a token. */
export const companySignInSchema = z.object({ tenant: z.string(), client: z.string(), scope: z.string() })
export type CompanySignIn = z.infer<typeof companySignInSchema>

/** A command that is queued or under way in the agent, whoever started it. */
export const runStateSchema = z.object({
  id: z.string(), name: z.custom<CommandName>((name) => typeof name === 'string' && isCommandName(name)), startedAt: time,
  /** `queued`, `running`, or what the command says of itself. */
  stage: z.string(), progress: progressSchema.optional(),
})
export type RunState = z.infer<typeof runStateSchema>

const runEndedSchema = z.object({ type: z.literal('ended'), id: z.string(), name: runStateSchema.shape.name, result: z.unknown(), problem: problemSchema.nullable() })
export type RunEnded = z.infer<typeof runEndedSchema>

/** What the agent tells over Socket.IO, on event `run`. */
export const runEventSchema = z.discriminatedUnion('type', [z.object({ type: z.literal('run'), run: runStateSchema }), runEndedSchema])
export type RunEvent = z.infer<typeof runEventSchema>

/** What it tells a pane that has just come, or come again, on event `runs`: what is under way, and how the last ones of each command ended, oldest first. */
export const runsNowSchema = z.object({ runs: z.array(runStateSchema), ended: z.array(runEndedSchema) })
export type RunsNow = z.infer<typeof runsNowSchema>
