/** Mail by Microsoft Graph (sendMail), from the mailbox of who is signed in on this machine. The app needs Mail.Send. */
import { HoldfastError } from '../../shared/errors.ts'
import type { Mail, Mailer } from './port.ts'

const address = 'https://graph.microsoft.com/v1.0/me/sendMail'
const patienceMs = 30_000

export interface GraphMailAccess {
  /** Undefined when somebody has to sign in. */
  readonly token: () => Promise<string | undefined>
  readonly fetch: typeof fetch
}

export function graphMailer({ token, fetch }: GraphMailAccess): Mailer {
  return {
    async send(mail: Mail, { signal }) {
      const bearer = await token()
      if (bearer === undefined) throw new HoldfastError('mail-failed', 'Cannot send mail by Microsoft 365: nobody is signed in on this machine; run holdfast sign-in for the roster')
      let response: Response
      try {
        response = await fetch(address, {
          method: 'POST', signal: AbortSignal.any([signal, AbortSignal.timeout(patienceMs)]),
          headers: { 'Authorization': `Bearer ${bearer}`, 'Content-Type': 'application/json' },
          body: JSON.stringify({
            message: { subject: mail.subject, body: { contentType: 'Text', content: mail.text }, toRecipients: mail.to.map((to) => ({ emailAddress: { address: to } })) },
            saveToSentItems: false,
          }),
        })
      } catch (cause) {
        signal.throwIfAborted()
        throw new HoldfastError('mail-failed', 'Cannot send mail by Microsoft 365: it cannot be reached', { cause })
      }
      if (!response.ok) throw new HoldfastError('mail-failed', `Cannot send mail by Microsoft 365: ${response.status} ${(await response.text()).slice(0, 300)}`)
      await response.body?.cancel()
    },
  }
}
