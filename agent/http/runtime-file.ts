/** How the command line finds a running agent: a file in the home, readable by the user alone. */
import { z } from 'zod'
import { HoldfastError } from '../../shared/errors.ts'

export const runtimeSchema = z.object({
  v: z.literal(1), pid: z.int(), machine: z.string(), peer: z.string(),
  pane: z.object({ port: z.int(), token: z.string(), certificate: z.string() }),
})
export type Runtime = z.infer<typeof runtimeSchema>

export function parseRuntime(text: string): Runtime {
  try {
    return runtimeSchema.parse(JSON.parse(text))
  } catch (cause) {
    throw new HoldfastError('agent-not-running', 'Cannot read where the agent runs: its runtime file is damaged', { cause })
  }
}
