/**
 * Commands over HTTP. POST /api/commands/<name, spaces as dashes> with a JSON request answers application/x-ndjson:
 * `{"progress":…}` lines, then one `{"result":…}` or `{"problem":…}`; closing the connection cancels the command. With
 * `Prefer: respond-async` it answers 202 `{"run": id}` at once, and the run goes on: events.ts tells how it goes.
 */
import type { Request, Response, Router } from 'express'
import { type CommandName, type RunEnded, type RunState, commands, isCommandName } from '../../shared/api.ts'
import { HoldfastError, toProblem } from '../../shared/errors.ts'
import { plainIssues } from '../../shared/plain-issues.ts'
import type { RunCommand } from '../commands/command.ts'
import { answering } from './problems.ts'

export interface Runs {
  readonly run: RunCommand
  readonly states: readonly RunState[]
  readonly ended: readonly RunEnded[]
  cancel(id: string): boolean
}

/** `mayRun` throws for what the caller's token does not allow. */
export function addCommandRoutes(router: Router, runs: Runs, mayRun: (request: Request, name: CommandName) => void): void {
  router.post('/commands/:name', answering(async (request, response) => {
    const name = String(request.params['name']).replaceAll('-', ' ')
    const known = Object.keys(commands).find((command) => command.replaceAll('-', ' ') === name)
    if (known === undefined || !isCommandName(known)) throw new HoldfastError('not-found', `Cannot run ${name.slice(0, 100)}: no such command`)
    mayRun(request, known)
    const parsed = commands[known].request.safeParse(request.body ?? {})
    if (!parsed.success) throw new HoldfastError('invalid-input', `Cannot run ${known}: ${plainIssues(parsed.error.issues)}`)
    if (/\brespond-async\b/.test(request.get('prefer') ?? '')) startRun(runs, known, { input: parsed.data, response })
    else await streamRun(runs, known, { input: parsed.data, response })
  }))
  router.get('/runs', answering((_request, response) => void response.json({ runs: runs.states })))
  router.delete('/runs/:id', answering((request, response) => {
    if (!runs.cancel(String(request.params['id']))) throw new HoldfastError('not-found', 'Cannot cancel the run: it has ended')
    response.status(204).end()
  }))
}

interface Call {
  readonly input: object
  readonly response: Response
}

function startRun(runs: Runs, name: CommandName, { input, response }: Call): void {
  const before = new Set(runs.states.map(({ id }) => id))
  // How it ends is told by the events; nobody waits here.
  runs.run(name, input as never, { signal: new AbortController().signal, onProgress: () => {} }).catch(() => undefined)
  const run = runs.states.find(({ id }) => !before.has(id))
  response.status(202).set('preference-applied', 'respond-async').json({ run: run?.id ?? null })
}

async function streamRun(runs: Runs, name: CommandName, { input, response }: Call): Promise<void> {
  const controller = new AbortController()
  response.on('close', () => { controller.abort(new HoldfastError('cancelled', `Cannot finish ${name}: the caller went away`)) })
  response.status(200).type('application/x-ndjson')
  response.flushHeaders()
  const write = (document: object) => void response.write(`${JSON.stringify(document)}\n`)
  try {
    write({ result: await runs.run(name, input as never, { signal: controller.signal, onProgress: (progress) => { write({ progress }) } }) })
  } catch (error) {
    write({ problem: toProblem(error) })
  }
  response.end()
}
