/** The way in which this machine sends mail, by its settings. */
import type { CommandRequest, CommandResult } from '../../shared/api.ts'
import { HoldfastError } from '../../shared/errors.ts'
import { graphMailer } from '../mail/graph.ts'
import type { Mailer } from '../mail/port.ts'
import { type SmtpSignIn, smtpMailer, smtpUrl } from '../mail/smtp.ts'
import type { RunOptions } from './command.ts'
import type { AgentContext } from './context.ts'

/** Undefined when no way is set. SMTP goes before Microsoft 365. */
export async function openMailer(context: AgentContext, given?: SmtpSignIn): Promise<Mailer | undefined> {
  const { smtp, microsoft } = context.settings.config.mail
  if (smtp !== null) return smtpMailer(smtp, given ?? await context.signIns.access.directorySignIn(smtpUrl(smtp)))
  if (microsoft === null) return undefined
  return graphMailer({ token: async () => await context.signIns.microsoftSignIn(microsoft).token(), fetch: context.signIns.access.fetch })
}

/** Sends a mail to everybody who would be told; a password is kept, sealed, only once the server took a mail with it. */
export async function mailTest(context: AgentContext, { user, password }: CommandRequest<'mail test'>, { signal }: RunOptions): Promise<CommandResult<'mail test'>> {
  const { smtp, to, admins } = context.settings.config.mail
  const given = user === undefined || password === undefined ? undefined : { user, password }
  const mailer = await openMailer(context, given)
  const everybody = [...new Set([...to, ...admins])]
  if (mailer === undefined || everybody.length === 0) {
    throw new HoldfastError('invalid-input', 'Cannot send mail: set mail.smtp (or mail.microsoft) and mail.to first, for example holdfast settings \'mail.smtp={"host":"mail.example.com","from":"holdfast@example.com"}\' \'mail.to=["me@example.com"]\'')
  }
  await mailer.send({ to: everybody, subject: 'Holdfast: a test', text: 'Mail from Holdfast arrives. You are told here when a backup needs attention.\n' }, { signal })
  if (given !== undefined && smtp !== null) await context.signIns.keepDirectorySignIn(smtpUrl(smtp), given)
  return { sent: everybody }
}
