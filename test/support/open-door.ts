/** A pane door on a free port, in front of commands that a test writes; and raw calls to it. */
import { once } from 'node:events'
import { type RequestOptions, request } from 'node:https'
import { CommandRuns, type PerformCommand } from '../../agent/composition/command-runs.ts'
import { HoldfastError } from '../../shared/errors.ts'
import type { EntraSignIn } from '../../agent/http/entra-sign-in.ts'
import { type PaneCertificate, makePaneCertificate } from '../../agent/http/pane-certificate.ts'
import { openPaneDoor } from '../../agent/http/pane-door.ts'
import { PaneSessions } from '../../agent/http/pane-sessions.ts'

export interface OpenDoor extends AsyncDisposable {
  readonly port: number
  readonly authority: string
  readonly sessions: PaneSessions
  readonly runs: CommandRuns
  /** Milliseconds; moves on when a test says so. */
  readonly clock: { nowMs: number }
  readonly kept: { text: string | undefined }
  readonly runtime: { v: 1; pid: number; machine: string; peer: string; pane: { port: number; token: string; certificate: string } }
}

let certificate: Promise<PaneCertificate> | undefined

export async function openDoor(perform: PerformCommand, { entra, frameAncestors = [] }: { entra?: EntraSignIn; frameAncestors?: string[] } = {}): Promise<OpenDoor> {
  certificate ??= makePaneCertificate(Date.now())
  const made = await certificate
  const clock = { nowMs: Date.now() }
  const kept: { text: string | undefined } = { text: undefined }
  const sessions = new PaneSessions({ read: () => kept.text, write: (text) => { kept.text = text } }, () => clock.nowMs)
  await using stack = new AsyncDisposableStack()
  const runs = stack.use(new CommandRuns(perform, new AbortController().signal))
  const door = stack.use(await openPaneDoor({
    port: 0, certificate: made, sessions, frameAncestors,
    services: {
      version: '1.2.3', run: runs.run, cancel: (id) => runs.cancel(id), entra,
      get states() { return runs.states },
      get ended() { return runs.ended },
      openFile: async (snapshot, path) => {
        if (snapshot !== 'latest') throw new HoldfastError('not-found', 'Cannot find the snapshot')
        return { name: path.split('/').at(-1) ?? '', size: 6, bytes: async function* () { yield Buffer.from('abc'); yield Buffer.from('def') } }
      },
    },
  }))
  stack.defer(runs.subscribe((event) => { door.events.tell(event) }))
  const owned = stack.move()
  return {
    port: door.port, authority: made.authority, sessions, runs, clock, kept,
    runtime: { v: 1, pid: 1, machine: 'm', peer: 'p', pane: { port: door.port, token: sessions.ownToken, certificate: made.authority } },
    [Symbol.asyncDispose]: async () => { await owned[Symbol.asyncDispose]() },
  }
}

export interface Answer {
  readonly status: number
  readonly headers: NodeJS.Dict<string | string[]>
  readonly body: string
  /** Of a problem. */
  readonly code: string | undefined
}

/** One call with exactly these headers and `Host: localhost:PORT` unless another is given. */
export async function call(door: OpenDoor, path: string, { body, ...options }: RequestOptions & { body?: string } = {}): Promise<Answer> {
  const outgoing = request({
    host: '127.0.0.1', port: door.port, servername: 'localhost', ca: [door.authority], agent: false, path, ...options,
    headers: { host: `localhost:${door.port}`, ...(body === undefined ? {} : { 'content-type': 'application/json' }), ...options.headers as Record<string, string> },
  })
  outgoing.end(body)
  const [response] = await once(outgoing, 'response')
  let text = ''
  for await (const part of response) text += String(part)
  const type = String(response.headers['content-type'])
  const code = type.includes('problem+json') ? (JSON.parse(text) as { code: string }).code : undefined
  return { status: response.statusCode as number, headers: response.headers, body: text, code }
}

export function bearer(token: string): { authorization: string } {
  return { authorization: `Bearer ${token}` }
}
