/** What the agent tells by itself, over Socket.IO; and whether it is there at all. */
import { io } from 'socket.io-client'
import { type RunEvent, type RunsNow, runEventSchema, runsNowSchema } from '../shared/api.ts'

export interface Listener {
  onRun(event: RunEvent): void
  /** After each time that the agent was reached: what is under way there, and what ended meanwhile. */
  onRuns(now: RunsNow): void
  /** Something is different: ask again. */
  onChanged(): void
  onConnected(): void
  onLost(): void
  /** The agent is there and does not know the token (any more). */
  onRefused(): void
}

/** Returns what ends it. */
export function listen(token: () => string | undefined, listener: Listener): () => void {
  const socket = io({ path: '/events', transports: ['websocket'], auth: (answer) => { answer({ token: token() ?? '' }) }, reconnectionDelay: 500, reconnectionDelayMax: 5_000 })
  socket.on('connect', () => { listener.onConnected() })
  socket.on('disconnect', () => { listener.onLost() })
  socket.on('connect_error', (error) => {
    if (error.message === 'not-paired') listener.onRefused()
    else listener.onLost()
  })
  socket.on('run', (event) => {
    const parsed = runEventSchema.safeParse(event)
    if (parsed.success) listener.onRun(parsed.data)
  })
  socket.on('runs', (now) => {
    const parsed = runsNowSchema.safeParse(now)
    if (parsed.success) listener.onRuns(parsed.data)
  })
  socket.on('changed', () => { listener.onChanged() })
  return () => { socket.disconnect() }
}
