/**
 * What a person should know of the state of things: a code and what it is about. The words are elsewhere, one file for each
 * language (shared/notice-texts.ts, addin/messages/); a new code is added here and the compiler names the files that lack it.
 */
import { z } from 'zod'
import { count } from './fields.ts'

const name = z.string()
/** Of machines. */
const names = z.array(name)
const machine = z.string()

/** `detail`: what a program said, in its own words and not translated. */
function notice<C extends string, S extends z.ZodRawShape>(code: C, parameters: S) {
  return z.object({ code: z.literal(code), ...parameters, detail: z.string().optional() })
}

const kinds = [
  /* The recovery kit and the group. */
  notice('kit-unconfirmed', {}),
  notice('alone', {}),
  notice('single-copy', {}),
  notice('silent-machines', { names }),
  notice('approval-missing', {}),
  notice('shut-out', {}),
  /* The agent lets go of the group when it starts next. */
  notice('has-left', {}),
  notice('former-admin', {}),
  /* Rosters. `locator`: where. */
  notice('sign-in-needed', { locator: z.string() }),
  notice('roster-unreachable', { locator: z.string() }),
  notice('roster-empty', { locator: z.string() }),
  notice('roster-foreign', { locator: z.string() }),
  /* `at`: when it was noticed. */
  notice('roster-rolled-back', { locator: z.string(), at: z.iso.datetime() }),
  /* What can be brought back now: `have` of the `placed` machines that hold it answer, `need` are needed. */
  notice('not-restorable-now', { have: count, placed: count, need: count }),
  notice('few-answer', { have: count, placed: count, need: count }),
  /* Heads, by short ids of machines. `silent`: who did not answer and may have it. */
  notice('head-rolled-back', { machine, seen: count, found: count }),
  notice('head-missing', { machine, seq: count, silent: names.optional() }),
  notice('head-conflict', { machine }),
  notice('heads-unreachable', {}),
  notice('heads-not-in-time', {}),
  /* Keys in two places. */
  notice('key-cloned-here', {}),
  notice('key-cloned', { name }),
  notice('recovered-elsewhere', {}),
  /* Recovery contacts. `by`: the machine that asked; `days` until it opens, 0: open. */
  notice('contact-asked', { by: name, days: count, why: z.string() }),
  notice('contact-open', { by: name }),
  notice('contact-asked-other', { by: name, name, days: count }),
  /* Holders. `here`: this machine is one of them. */
  notice('own-frozen', { names, here: z.boolean() }),
  notice('other-frozen', { name }),
  notice('refused', { name }),
  notice('disk-damage', { damaged: count, unreadable: count }),
  /* So much that nothing of it is dropped. */
  notice('much-disk-damage', { damaged: count }),
  notice('audit-failed', { name }),
  notice('drill-failed', {}),
  /* Alerts: what has stood for long. `days` null: never. */
  notice('stale', { name, days: count.nullable() }),
  notice('silent', { name, days: count }),
  notice('deficit', { name, placed: count, wanted: count }),
  notice('member-drill-failed', { name }),
  notice('member-frozen', { name, machines: count }),
  /* Its backup is kept for `days` from the day on which the others heard that it left. */
  notice('left-early', { name, days: count }),
] as const

export const noticeSchema = z.discriminatedUnion('code', kinds)
export type Notice = z.infer<typeof noticeSchema>
export type NoticeCode = Notice['code']
export type NoticeOf<C extends NoticeCode> = Extract<Notice, { code: C }>

export const noticeCodes: readonly NoticeCode[] = kinds.map(({ shape }) => shape.code.value)

/** One language. Commands stand in `backticks`. */
export type NoticeTexts = { readonly [C in NoticeCode]: (notice: NoticeOf<C>) => string }

/** Without its detail. */
export function sayNotice(texts: NoticeTexts, notice: Notice): string {
  return (texts[notice.code] as (notice: Notice) => string)(notice)
}
