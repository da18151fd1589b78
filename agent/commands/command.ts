/** What every command is: a function of a parsed request, cancellable, that reports progress. */
import type { CommandName, CommandRequest, CommandResult, Progress } from '../../shared/api.ts'

export interface RunOptions {
  readonly signal: AbortSignal
  readonly onProgress: (progress: Progress) => void
  /** It started by itself and gives way to whoever uses the machine (triggers/politeness.ts). */
  readonly polite?: boolean | undefined
}

/** Runs a command by name: in this process, or in the agent that holds the home. */
export type RunCommand = <C extends CommandName>(name: C, request: CommandRequest<C>, options: RunOptions) => Promise<CommandResult<C>>
