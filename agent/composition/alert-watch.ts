/** Looks now and then whether somebody has to be told of something, and mails what is new; see commands/alerts.ts. */
import type { OwnerId } from '../../shared/ids.ts'
import type { News } from '../commands/alert-book.ts'
import { alertsOf, mailsOf } from '../commands/alerts.ts'
import type { RunCommand } from '../commands/command.ts'
import type { AgentContext } from '../commands/context.ts'
import { openMailer } from '../commands/mail.ts'
import { othersContacts } from '../commands/status-notices.ts'
import { systemClock } from '../network/clock.ts'
import type { Membership } from '../network/membership/membership.ts'
import { Recurring } from '../triggers/recurring.ts'
import type { Log } from './log.ts'

const firstMs = 3 * 60_000
const everyMs = 15 * 60_000
/** What was mended at once is shown for so long all the same. */
const shownMs = 7 * 86_400_000

export function watchAlerts(context: AgentContext, run: RunCommand, log: Log): Recurring {
  return new Recurring({
    firstMs, everyMs, after: (delayMs, then) => systemClock.after(delayMs, then), onFault: (error) => log('alerts-failed', { error }),
    work: async (signal) => { if (context.isMember()) await tell(context, run, { signal, onProgress: () => {} }) },
  })
}

/** One look. News that nobody could be told stay news. Rejects with the first mail's error. */
export async function tell(context: AgentContext, run: RunCommand, options: Parameters<RunCommand>[2]): Promise<void> {
  const status = await run('status', { fresh: true }, options)
  const { members } = await run('coverage', { fresh: true }, options)
  const { config } = context.settings
  const { membership } = context.group()
  const left = new Map(membership.members().filter(({ record }) => record.state === 'left').map(({ id, devices }) => [id as string, keptFor(devices, membership)]))
  const contacts = othersContacts(membership, context.ownerFile()?.owner)
  const news = context.alerts.update(alertsOf({ status, members, settings: config.alerts, left, contacts }), context.clock.now())
  if (news.raised.length + news.over.length > 0) await mailNews(context, news, options)
  membership.settleRollBacks(context.clock.now() - shownMs)
}

async function mailNews(context: AgentContext, news: News, options: Parameters<RunCommand>[2]): Promise<void> {
  const { config } = context.settings
  const { membership } = context.group()
  const mails = mailsOf(news, { group: membership.network.name, mail: config.mail })
  const mailer = mails.length === 0 ? undefined : await openMailer(context)
  const failures: unknown[] = []
  for (const mail of mailer === undefined ? [] : mails) {
    await mailer?.send(mail, options).catch((error: unknown) => { failures.push(error) })
  }
  // Who was told is not told again because another one could not be.
  if (failures.length === 0 || failures.length < mails.length) context.alerts.told()
  if (failures.length > 0) throw failures[0]
}

/** Days for which the first of a machine's owners to go is kept; undefined when all of them stay with other machines. */
function keptFor(devices: readonly { owner: OwnerId }[], membership: Pick<Membership, 'keepDaysOf'>): number | undefined {
  const days = devices.flatMap(({ owner }) => membership.keepDaysOf(owner) ?? [])
  return days.length === 0 ? undefined : Math.min(...days)
}
