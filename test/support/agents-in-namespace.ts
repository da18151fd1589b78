/** Runs in a network namespace of its own (network-halves.ts): whole agents, started and asked by messages of the parent. */
import { HoldfastError, toProblem } from '../../shared/errors.ts'
import type { CommandInput, CommandName } from '../../shared/api.ts'
import { GroupAgent } from './agent-group.ts'

export type HalfRequest =
  | { readonly id: number; readonly start: { readonly name: string; readonly home: string; readonly host: string } }
  | { readonly id: number; readonly of: string; readonly run: CommandName; readonly input: unknown }
export interface HalfReply { readonly id: number; readonly result?: unknown; readonly problem?: unknown }

const agents = new Map<string, GroupAgent>()

process.on('message', (request: HalfRequest) => { void answer(request) })

async function answer(request: HalfRequest): Promise<void> {
  const reply = await attempt(request)
  process.send?.(reply)
}

async function attempt(request: HalfRequest): Promise<HalfReply> {
  try {
    return { id: request.id, result: await perform(request) }
  } catch (error) {
    const known = error instanceof HoldfastError ? error : new HoldfastError('internal', String(error), { cause: error })
    return { id: request.id, problem: toProblem(known) }
  }
}

async function perform(request: HalfRequest): Promise<unknown> {
  if ('run' in request) return await agents.get(request.of)?.run(request.run, request.input as CommandInput<CommandName>)
  const { name, home, host } = request.start
  agents.set(name, await new GroupAgent(name, home, { config: { peerAddress: { port: 17_471, host } } }).start())
  return agents.get(name)?.id
}
