/**
 * The pane door: https on the loopback addresses only. It serves the pane and what belongs to it, its API, and the events;
 * the command line comes through it too. Who may speak is guard.ts's and pane-sessions.ts's.
 */
import { once } from 'node:events'
import { type Server, createServer } from 'node:https'
import type { AddressInfo } from 'node:net'
import express from 'express'
import { HoldfastError } from '../../shared/errors.ts'
import { listenFault } from '../../shared/system-reasons.ts'
import { type PaneEvents, openPaneEvents } from './events.ts'
import { Guard } from './guard.ts'
import { type PaneServices, paneApi } from './pane-api.ts'
import type { PaneCertificate } from './pane-certificate.ts'
import type { PaneSessions } from './pane-sessions.ts'
import { sendFault, sendProblem } from './problems.ts'
import { addStaticRoutes } from './static-files.ts'

export interface PaneDoorOptions {
  /** 0 takes any free one. */
  readonly port: number
  readonly certificate: PaneCertificate
  readonly sessions: PaneSessions
  readonly services: PaneServices
  /** Further pages that may show the pane in a frame. */
  readonly frameAncestors?: readonly string[]
}

export interface PaneDoor extends AsyncDisposable {
  readonly port: number
  readonly events: Pick<PaneEvents, 'tell' | 'hint'>
}

/** Listens on 127.0.0.1 and, where the system has it, ::1. Throws `already-exists` when the port is taken. */
export async function openPaneDoor(options: PaneDoorOptions): Promise<PaneDoor> {
  await using stack = new AsyncDisposableStack()
  const guard = new Guard(options.frameAncestors ?? [])
  const events = openPaneEvents(guard, options.sessions, () => ({ runs: [...options.services.states], ended: [...options.services.ended] }))
  const servers: Server[] = []
  stack.defer(async () => { await close(servers, events) })
  const { certificate: { key, certificate, authority } } = options
  const listening = { port: options.port }
  const app = paneApp(options, guard, () => listening.port)
  for (const host of ['127.0.0.1', '::1']) {
    const server = createServer({ key, cert: `${certificate}\n${authority}`, minVersion: 'TLSv1.2' }, app)
    events.attach(server)
    if (!await listen(server, host, listening.port)) continue
    servers.push(server)
    listening.port = (server.address() as AddressInfo).port
    guard.listenOn(listening.port)
  }
  const owned = stack.move()
  return { port: listening.port, events, [Symbol.asyncDispose]: async () => { await owned[Symbol.asyncDispose]() } }
}

function paneApp({ sessions, services }: PaneDoorOptions, guard: Guard, port: () => number): express.Express {
  const app = express()
  app.disable('x-powered-by')
  app.disable('etag')
  app.use(guard.handle)
  app.use('/api', paneApi(services, sessions))
  addStaticRoutes(app as unknown as express.Router, port)
  app.use((_request, response) => { sendProblem(response, new HoldfastError('not-found', 'Cannot find that address')) })
  app.use(sendFault)
  return app
}

/** False when this system has no ::1. */
async function listen(server: Server, host: string, port: number): Promise<boolean> {
  try {
    server.listen({ host, port })
    await once(server, 'listening')
    return true
  } catch (cause) {
    if (host === '::1') return false
    const { state, guidance } = listenFault(cause, { host, port, option: '--pane-port' })
    throw new HoldfastError('already-exists', `Cannot open the pane door: ${state}`, { guidance, cause })
  }
}

/** Nobody new gets in, then the sockets of open panes are ended: a server waits for those for ever. */
async function close(servers: readonly Server[], events: PaneEvents): Promise<void> {
  const closed = servers.map(async (server) => {
    const isClosed = once(server, 'close')
    server.close()
    await isClosed
  })
  const told = events[Symbol.asyncDispose]()
  for (const server of servers) server.closeAllConnections()
  await Promise.all([told, ...closed])
}
