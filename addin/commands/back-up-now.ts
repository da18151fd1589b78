/** Starts a backup with a token that can do nothing else, and says in one sentence what came of it. */
import { z } from 'zod/mini'
import { type CommandMessages, shorten } from './messages.ts'

const problemSchema = z.object({ detail: z.string() })

export interface BackUpNow {
  readonly fetch: (address: string, init: RequestInit) => Promise<Response>
  readonly tokens: readonly string[]
  readonly messages: CommandMessages
  readonly signal: AbortSignal
}

/** Never rejects. The sentence is at most 150 characters long, as a notification of Outlook wants it. */
export async function backUpNow({ fetch, tokens, messages, signal }: BackUpNow): Promise<{ ok: boolean; text: string }> {
  try {
    for (const token of tokens) {
      const response = await fetch('/api/commands/backup', {
        method: 'POST', body: '{}', signal, credentials: 'omit', cache: 'no-store',
        headers: { 'authorization': `Bearer ${token}`, 'content-type': 'application/json', 'prefer': 'respond-async' },
      })
      if (response.ok) return { ok: true, text: shorten(messages.started) }
      if (response.status !== 401) return { ok: false, text: shorten(await reason(response, messages)) }
    }
    return { ok: false, text: shorten(messages.notConnected) }
  } catch {
    return { ok: false, text: shorten(messages.agentNotRunning) } // nothing answers at the agent's own address
  }
}

async function reason(response: Response, messages: CommandMessages): Promise<string> {
  const problem = problemSchema.safeParse(await response.json().catch(() => undefined))
  return problem.success ? messages.failed(problem.data.detail) : messages.failed(String(response.status))
}
