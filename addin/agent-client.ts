/** Speaks to the agent that served this page: commands, runs, files, pairing. Every answer is parsed by the agent's schemas. */
import { z } from 'zod'
import { type CommandInput, type CommandName, type CommandResult, type CompanySignIn, commands, companySignInSchema, problemSchema } from '../shared/api.ts'

export type Problem = z.infer<typeof problemSchema>

/** What the agent refused or could not do, in its own words. */
export class AgentProblem extends Error {
  override readonly name = 'AgentProblem'
  readonly problem: Problem

  constructor(problem: Problem) {
    super(problem.detail)
    this.problem = problem
  }
}

const tokenSchema = z.object({ token: z.string() })
const offerSchema = z.object({ company: companySignInSchema.nullable() })
const runSchema = z.object({ run: z.string().nullable() })

export class AgentClient {
  /** Asked for at each call; undefined while this pane is not connected. */
  readonly #token: () => string | undefined

  constructor(token: () => string | undefined) {
    this.#token = token
  }

  /** Runs a command and waits for its result. */
  async run<C extends CommandName>(name: C, input: CommandInput<C>, signal?: AbortSignal): Promise<CommandResult<C>> {
    const response = await this.#fetch(`/api/commands/${name.replaceAll(' ', '-')}`, { method: 'POST', body: JSON.stringify(input), ...(signal === undefined ? {} : { signal }) })
    const lines = (await response.text()).trim().split('\n')
    const last: unknown = JSON.parse(lines.at(-1) ?? 'null')
    if (typeof last === 'object' && last !== null && 'problem' in last) throw new AgentProblem(problemSchema.parse(last.problem))
    if (typeof last !== 'object' || last === null || !('result' in last)) throw offline()
    return commands[name].result.parse(last.result) as CommandResult<C>
  }

  /** Starts a command that goes on without this page; its events tell how. Undefined when it ended at once. */
  async start<C extends CommandName>(name: C, input: CommandInput<C>): Promise<string | undefined> {
    const response = await this.#fetch(`/api/commands/${name.replaceAll(' ', '-')}`, { method: 'POST', body: JSON.stringify(input), headers: { prefer: 'respond-async' } })
    return runSchema.parse(await response.json()).run ?? undefined
  }

  async cancel(run: string): Promise<void> {
    await this.#fetch(`/api/runs/${run}`, { method: 'DELETE' })
  }

  /** How this pane may connect by a company account; undefined when it may not. */
  async companySignIn(): Promise<CompanySignIn | undefined> {
    return offerSchema.parse(await (await this.#fetch('/api/sign-in', {})).json()).company ?? undefined
  }

  async pair(given: { ticket: string } | { code: string; remember: boolean } | { entra: string }): Promise<string> {
    return tokenSchema.parse(await (await this.#fetch('/api/pair', { method: 'POST', body: JSON.stringify(given) })).json()).token
  }

  async newBackupToken(label: string): Promise<string> {
    return tokenSchema.parse(await (await this.#fetch('/api/tokens', { method: 'POST', body: JSON.stringify({ scope: 'backup', label }) })).json()).token
  }

  /** One file of a snapshot. */
  async file(snapshot: string, path: string): Promise<Blob> {
    return await (await this.#fetch(`/api/file?${new URLSearchParams({ snapshot, path })}`, {})).blob()
  }

  async #fetch(address: string, init: RequestInit): Promise<Response> {
    const token = this.#token()
    const headers = { ...(init.body === undefined ? {} : { 'content-type': 'application/json' }), ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), ...init.headers as Record<string, string> }
    let response: Response
    try {
      response = await fetch(address, { ...init, headers, cache: 'no-store', credentials: 'omit' })
    } catch (error) {
      init.signal?.throwIfAborted()
      throw error instanceof AgentProblem ? error : offline()
    }
    if (response.ok) return response
    const problem = problemSchema.safeParse(await response.json().catch(() => undefined))
    throw problem.success ? new AgentProblem(problem.data) : offline()
  }
}

function offline(): AgentProblem {
  return new AgentProblem({ type: 'urn:holdfast:error:agent-not-running', title: '', status: 503, detail: '', code: 'agent-not-running', guidance: '', details: {} })
}

export function codeOf(error: unknown): string {
  return error instanceof AgentProblem ? error.problem.code : 'internal'
}
