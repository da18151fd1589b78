/** An SMTP server (RFC 5321) that keeps what it takes: greeting, EHLO, AUTH PLAIN, MAIL, RCPT, DATA, QUIT. */
import { once } from 'node:events'
import { type AddressInfo, type Socket, createServer } from 'node:net'

export interface TakenMail {
  readonly from: string
  readonly to: readonly string[]
  /** Header and body as they came, dots unstuffed. */
  readonly text: string
  readonly user: string | undefined
}

export interface SmtpServerOptions {
  /** `user password` that AUTH PLAIN takes; without it none is offered. */
  readonly account?: string
  readonly refuses?: (recipient: string) => boolean
}

export class TestSmtpServer implements AsyncDisposable {
  readonly mails: TakenMail[] = []
  /** Every line that a client sent. */
  readonly lines: string[] = []
  refuses: (recipient: string) => boolean
  readonly #server = createServer((socket) => { this.#serve(socket) })
  readonly #sockets = new Set<Socket>()
  readonly #account: string | undefined

  static async open(options: SmtpServerOptions = {}): Promise<TestSmtpServer> {
    const server = new TestSmtpServer(options)
    server.#server.listen(0, '127.0.0.1')
    await once(server.#server, 'listening')
    return server
  }

  private constructor({ account, refuses = () => false }: SmtpServerOptions) {
    this.#account = account
    this.refuses = refuses
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port
  }

  #serve(socket: Socket): void {
    this.#sockets.add(socket)
    socket.on('close', () => this.#sockets.delete(socket)).on('error', () => socket.destroy())
    const state = { from: '', to: [] as string[], user: undefined as string | undefined, data: undefined as string[] | undefined, rest: '' }
    const say = (line: string) => socket.write(`${line}\r\n`)
    say('220 test ESMTP')
    socket.setEncoding('latin1').on('data', (part: string) => {
      const lines = (state.rest + part).split('\r\n')
      state.rest = lines.pop() ?? ''
      for (const line of lines) this.#take(line, state, { say, end: () => socket.end() })
    })
  }

  #take(line: string, state: { from: string; to: string[]; user: string | undefined; data: string[] | undefined }, { say, end }: { say: (line: string) => void; end: () => void }): void {
    if (state.data !== undefined) {
      if (line !== '.') return void state.data.push(line.startsWith('.') ? line.slice(1) : line)
      this.mails.push({ from: state.from, to: [...state.to], text: state.data.join('\n'), user: state.user })
      state.data = undefined
      state.to = []
      return say('250 taken')
    }
    this.lines.push(line)
    const [verb = '', argument = ''] = line.split(/ (.*)/s)
    const address = /<([^>]*)>/.exec(argument)?.[1] ?? ''
    switch (verb.toUpperCase()) {
      case 'EHLO': return say(this.#account === undefined ? '250 test' : '250-test\r\n250 AUTH PLAIN')
      case 'AUTH': {
        const [, user, password] = Buffer.from(argument.replace(/^PLAIN /i, ''), 'base64').toString().split('\0')
        const isRight = `${user} ${password}` === this.#account
        if (isRight) state.user = user
        return say(isRight ? '235 signed in' : '535 wrong password')
      }
      case 'MAIL':
        state.from = address
        return say('250 ok')
      case 'RCPT':
        if (this.refuses(address)) return say('550 no such mailbox')
        state.to.push(address)
        return say('250 ok')
      case 'DATA':
        state.data = []
        return say('354 go on')
      case 'QUIT':
        say('221 bye')
        return end()
      case 'RSET': case 'NOOP': return say('250 ok')
      default: return say('502 not known')
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}
