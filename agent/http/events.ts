/**
 * What panes are told over Socket.IO at /events: `run` (RunEvent of shared/api.ts) for every run of the agent, and `changed`
 * as a hint to ask again. A socket carries the pane's token; Host and Origin are checked before anything is answered, on
 * both transports, because Socket.IO's own `cors` setting does not stop a foreign page.
 */
import type { Server as HttpsServer } from 'node:https'
import { Server } from 'socket.io'
import { z } from 'zod'
import type { RunEvent } from '../../shared/api.ts'
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

export function openPaneEvents(guard: Guard, sessions: PaneSessions): PaneEvents {
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
  /** One for each server that it was attached to: `io.close()` ends the last one only. */
  const engines: (typeof io.engine)[] = []
  const lastProgress = new Map<string, number>()
  return {
    attach: (server) => {
      io.attach(server)
      engines.push(io.engine)
    },
    tell: (event) => {
      if (event.type === 'run') {
        const last = lastProgress.get(event.run.id) ?? 0
        if (event.run.progress !== undefined && performance.now() - last < 200) return // a pane draws no faster
        lastProgress.set(event.run.id, performance.now())
      } else lastProgress.delete(event.id)
      io.emit('run', event)
    },
    hint: (what) => { io.emit('changed', { what }) },
    [Symbol.asyncDispose]: async () => {
      for (const engine of engines) engine.close()
      await io.close()
    },
  }
}
