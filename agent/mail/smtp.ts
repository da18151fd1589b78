/** Mail by SMTP (RFC 5321), through nodemailer. A password travels only over TLS. */
import { HoldfastError } from '../../shared/errors.ts'
import type { Mail, Mailer } from './port.ts'

export interface SmtpServer {
  readonly host: string
  readonly port: number
  /** `starttls`: on the way, or nothing is sent. `none`: for a relay that asks for no password. */
  readonly security: 'starttls' | 'tls' | 'none'
  readonly from: string
}

export interface SmtpSignIn {
  readonly user: string
  readonly password: string
}

const patienceMs = 30_000

/** What a sign-in is kept under. */
export function smtpUrl({ host, port }: Pick<SmtpServer, 'host' | 'port'>): string {
  return `smtp://${host}:${port}`
}

/** Throws `invalid-config` for a password without TLS. */
export function smtpMailer(server: SmtpServer, signIn: SmtpSignIn | undefined): Mailer {
  if (signIn !== undefined && server.security === 'none') throw new HoldfastError('invalid-config', 'Cannot send mail: a password would travel in the clear; set mail.smtp.security to starttls or tls')
  return {
    async send(mail: Mail, { signal }) {
      signal.throwIfAborted()
      const { createTransport } = await import('nodemailer') // an agent seldom sends mail, and would carry it always
      const transport = createTransport({
        host: server.host, port: server.port, secure: server.security === 'tls', requireTLS: server.security === 'starttls', ignoreTLS: server.security === 'none',
        connectionTimeout: patienceMs, greetingTimeout: patienceMs, socketTimeout: patienceMs, disableFileAccess: true, disableUrlAccess: true,
        ...(signIn === undefined ? {} : { auth: { user: signIn.user, pass: signIn.password } }),
      })
      const stop = () => { transport.close() }
      signal.addEventListener('abort', stop, { once: true })
      try {
        const { rejected } = await transport.sendMail({ from: server.from, to: [...mail.to], subject: mail.subject, text: mail.text, headers: { 'Auto-Submitted': 'auto-generated' } })
        if (rejected.length > 0) throw new Error(`refused for ${rejected.map(String).join(', ')}`)
      } catch (cause) {
        signal.throwIfAborted()
        throw new HoldfastError('mail-failed', `Cannot send mail by ${server.host}: ${cause instanceof Error ? cause.message.slice(0, 300) : 'unexpected failure'}`, { cause })
      } finally {
        signal.removeEventListener('abort', stop)
        transport.close()
      }
    },
  }
}
