/** Runs a command in the agent of a home, through its pane door. The counterpart of pane-door.ts. */
import { once } from 'node:events'
import { type IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { createInterface } from 'node:readline'
import { z } from 'zod'
import { type CommandName, type CommandRequest, type CommandResult, commands, progressSchema } from '../../shared/api.ts'
import { HoldfastError, hasCode, isErrorCode } from '../../shared/errors.ts'
import type { RunCommand, RunOptions } from '../commands/command.ts'
import type { Runtime } from './runtime-file.ts'

const problemSchema = z.object({ code: z.string(), detail: z.string(), guidance: z.string().optional(), details: z.record(z.string(), z.union([z.string(), z.number(), z.boolean(), z.array(z.string())])).default({}) })

/** Throws `agent-not-running` when nothing answers there, `protocol-unknown` when the agent is of another version and does not understand or is not understood, else what the agent says. */
export function agentRunner(runtime: Runtime): RunCommand {
  return async <C extends CommandName>(name: C, input: CommandRequest<C>, options: RunOptions): Promise<CommandResult<C>> => {
    const response = await post(runtime, name, input, options.signal)
    if (response.statusCode !== 200) throw refusalOf(name, problemOf(await readAll(response)))
    for await (const line of createInterface({ input: response, crlfDelay: Infinity })) {
      const message: unknown = JSON.parse(line)
      if (typeof message !== 'object' || message === null) continue
      if ('progress' in message) options.onProgress(understand(name, progressSchema, message.progress))
      if ('problem' in message) throw problemOf(JSON.stringify(message.problem))
      if ('result' in message) return understand<unknown>(name, commands[name].result, message.result) as CommandResult<C>
    }
    throw new HoldfastError('agent-not-running', `Cannot finish ${name}: the agent stopped`)
  }
}

/** The request was right by the schema of this version: who knows no such command, or does not accept it, is of another one. */
function refusalOf(name: CommandName, problem: HoldfastError): HoldfastError {
  return hasCode(problem, 'not-found', 'invalid-input') ? otherVersion(name, problem) : problem
}

function understand<T>(name: CommandName, schema: z.ZodType<T>, value: unknown): T {
  const parsed = schema.safeParse(value)
  if (!parsed.success) throw otherVersion(name, parsed.error)
  return parsed.data
}

function otherVersion(name: CommandName, cause: Error): HoldfastError {
  return new HoldfastError('protocol-unknown', `Cannot run ${name}: the agent of this home is of another version than this command`, {
    guidance: 'Start the agent anew: `holdfast autostart off`, then `holdfast autostart on`; or Ctrl-C where it runs, then `holdfast agent`. Nothing is lost by that.', cause,
  })
}

async function post(runtime: Runtime, name: string, input: object, signal: AbortSignal): Promise<IncomingMessage> {
  const body = JSON.stringify(input)
  const call = request({
    host: '127.0.0.1', port: runtime.pane.port, servername: 'localhost', path: `/api/commands/${name.replaceAll(' ', '-')}`, method: 'POST',
    ca: [runtime.pane.certificate], signal, agent: false,
    headers: {
      'content-type': 'application/json', 'content-length': Buffer.byteLength(body), 'authorization': `Bearer ${runtime.pane.token}`,
      'host': `localhost:${runtime.pane.port}`,
    },
  })
  call.end(body)
  try {
    const [response] = await once(call, 'response') as [IncomingMessage]
    return response
  } catch (cause) {
    if (signal.aborted) throw signal.reason
    throw new HoldfastError('agent-not-running', 'Cannot reach the agent of this home', { cause })
  }
}

async function readAll(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = []
  for await (const part of response) parts.push(part as Buffer)
  return Buffer.concat(parts).toString()
}

function problemOf(text: string): HoldfastError {
  const problem = problemSchema.parse(JSON.parse(text))
  return new HoldfastError(isErrorCode(problem.code) ? problem.code : 'internal', problem.detail, { details: problem.details, guidance: problem.guidance })
}
