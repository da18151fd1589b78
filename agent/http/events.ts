/**
 * What panes are told over Socket.IO at /events: `run` (RunEvent of shared/api.ts) for every run of the agent, and `changed`
 * as a hint to ask again; and at first, each time that they connect, `runs` (RunsNow): what they missed. A socket carries the pane's token; Host and Origin are checked before anything is answered, on
 * both transports, because Socket.IO's own `cors` setting does not stop a foreign page.
 */
import type { Server as HttpsServer } from 'node:https'
import { Server } from 'socket.io'
import { z } from 'zod'
import { type RunEvent, type RunsNow, questions } from '../../shared/api.ts'
import type { Guard } from './guard.ts'
import type { PaneSessions } from './pane-sessions.ts'

const authSchema = z.object({ token: z.string().min(1).max(8192) })
const maxMessageBytes = 4096
const maxSockets = 128

export interface PaneEvents extends AsyncDisposable {
  attach(server: HttpsServer): void
  tell(event: RunEvent): void
  hint(what: 'protection' | 'group' | 'settings'): void
}

export function openPaneEvents(guard: Guard, sessions: PaneSessions, now: () => RunsNow): PaneEvents {
  const io = new Server({
    path: '/events', serveClient: false, maxHttpBufferSize: maxMessageBytes, transports: ['websocket', 'polling'],
    allowRequest: (request, decide) => {
      try {
        guard.check(request.headers)
        decide(io.engine.clientsCount >= maxSockets ? 'too many' : null, true)
      } catch {
        decide('refused', false)
      }
    },
  })
  io.use((socket, next) => {
    const auth = authSchema.safeParse(socket.handshake.auth)
    next(auth.success && sessions.scopeOf(auth.data.token) === 'full' ? undefined : new Error('not-paired'))
  })
  io.on('connection', (socket) => {
    const { runs, ended } = now()
    socket.emit('runs', { runs: runs.filter(({ name }) => !questions.has(name)), ended } satisfies RunsNow)
  })
  /** One for each server that it was attached to: `io.close()` ends the last one only. */
  const engines: (typeof io.engine)[] = []
  const pace = paced((event) => { io.emit('run', event) })
  return {
    attach: (server) => {
      io.attach(server)
      engines.push(io.engine)
    },
    tell: pace.tell,
    hint: (what) => { io.emit('changed', { what }) },
    [Symbol.asyncDispose]: async () => {
      pace.stop()
      for (const engine of engines) engine.close()
      await io.close()
    },
  }
}

/** A pane draws no faster. */
const paceMs = 200

interface Waiting {
  readonly timer: NodeJS.Timeout
  held?: RunEvent
}

/** Progress of one run in steps of `paceMs`: what comes too soon is told at the next one, unless something newer is by then. */
function paced(send: (event: RunEvent) => void): { tell: (event: RunEvent) => void; stop: () => void } {
  const waiting = new Map<string, Waiting>()
  const forget = (id: string) => {
    clearTimeout(waiting.get(id)?.timer)
    waiting.delete(id)
  }
  const next = (id: string) => {
    const held = waiting.get(id)?.held
    waiting.delete(id)
    if (held !== undefined) tell(held)
  }
  const tell = (event: RunEvent) => {
    const id = event.type === 'run' ? event.run.id : event.id
    const before = waiting.get(id)
    if (event.type === 'run' && event.run.progress !== undefined) {
      if (before !== undefined) {
        before.held = event
        return
      }
      waiting.set(id, { timer: setTimeout(() => { next(id) }, paceMs).unref() })
    } else forget(id)
    send(event)
  }
  return { tell, stop: () => { for (const id of waiting.keys()) forget(id) } }
}
