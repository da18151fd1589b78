import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { test } from 'node:test'
import { hasCode } from '../../shared/errors.ts'
import { graphMailer } from '../../agent/mail/graph.ts'
import { smtpMailer } from '../../agent/mail/smtp.ts'
import { TestSmtpServer } from '../support/smtp-server.ts'

const mail = { to: ['ann@example.com', 'admin@example.com'], subject: 'Grüße', text: 'one line\n.a line that begins with a dot\n' }
const options = { signal: AbortSignal.timeout(60_000) }
const failed = (error: unknown) => hasCode(error, 'mail-failed')

test('a mail arrives once, for everybody, with its subject and text', async () => {
  await using server = await TestSmtpServer.open()
  await smtpMailer({ host: '127.0.0.1', port: server.port, security: 'none', from: 'holdfast@example.com' }, undefined).send(mail, options)
  const [taken, ...more] = server.mails
  assert.deepEqual([taken?.from, taken?.to, more.length], ['holdfast@example.com', mail.to, 0])
  assert.match(taken!.text, /Subject: =\?UTF-8\?Q\?Gr=C3=BC=C3=9Fe\?=/)
  assert.match(taken!.text, /Auto-Submitted: auto-generated/)
  assert.ok(taken!.text.includes('\none line\n.a line that begins with a dot'))
})

test('a recipient that the server refuses, and a server that is not there, are told', async () => {
  await using server = await TestSmtpServer.open({ refuses: (to) => to.startsWith('admin') })
  const to = (port: number) => smtpMailer({ host: '127.0.0.1', port, security: 'none', from: 'holdfast@example.com' }, undefined)
  await assert.rejects(to(server.port).send(mail, options), (error) => failed(error) && (error as Error).message.includes('admin@example.com'))
  const closed = await TestSmtpServer.open()
  const { port } = closed
  await closed[Symbol.asyncDispose]()
  await assert.rejects(to(port).send(mail, options), failed)
})

test('a password never travels in the clear: without TLS nothing is sent', async () => {
  await using server = await TestSmtpServer.open({ account: 'ann secret' })
  const at = { host: '127.0.0.1', port: server.port, from: 'holdfast@example.com' }
  const signIn = { user: 'ann', password: 'secret' }
  assert.throws(() => smtpMailer({ ...at, security: 'none' }, signIn), (error) => hasCode(error, 'invalid-config'))
  await assert.rejects(smtpMailer({ ...at, security: 'starttls' }, signIn).send(mail, options), failed)
  assert.ok(!server.lines.some((line) => line.startsWith('AUTH') || line.startsWith('MAIL')), server.lines.join('|'))
})

test('Microsoft 365 gets the message as sendMail wants it; what it answers is told', async () => {
  const asked: { url: string | undefined; bearer: string | undefined; body: unknown }[] = []
  let status = 202
  const server = createServer((request, response) => {
    let text = ''
    request.on('data', (part: Buffer) => { text += part.toString() }).on('end', () => {
      asked.push({ url: request.url, bearer: request.headers.authorization, body: JSON.parse(text) })
      response.writeHead(status).end(status === 202 ? '' : '{"error":{"code":"ErrorAccessDenied"}}')
    })
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  try {
    const { port } = server.address() as AddressInfo
    const through: typeof fetch = async (input, init) => await fetch(String(input).replace('https://graph.microsoft.com', `http://127.0.0.1:${port}`), init)
    const mailer = graphMailer({ token: async () => 'abc', fetch: through })
    await mailer.send(mail, options)
    assert.deepEqual(asked, [{
      url: '/v1.0/me/sendMail', bearer: 'Bearer abc',
      body: {
        message: { subject: mail.subject, body: { contentType: 'Text', content: mail.text }, toRecipients: mail.to.map((address) => ({ emailAddress: { address } })) },
        saveToSentItems: false,
      },
    }])
    status = 403
    await assert.rejects(mailer.send(mail, options), (error) => failed(error) && (error as Error).message.includes('ErrorAccessDenied'))
    await assert.rejects(graphMailer({ token: async () => undefined, fetch: through }).send(mail, options), failed)
  } finally {
    server.close()
  }
})
